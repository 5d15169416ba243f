"""Score a folder of letters on the emulator and show the predictions."""

from airflow.sdk import DAG, task

from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator

with DAG("example_first_run", schedule=None) as dag:
    score = AzureMLBatchEndpointOperator(
        task_id="score", endpoint_name="languages", input="azureml:letters@latest", deferrable=True
    )

    @task
    def show(job: dict) -> str:
        from airflow_batch_provider.hooks.azure_ml import AzureMLHook

        hook = AzureMLHook()
        return hook.read_file(hook.files(hook.locate(job["outputs"]["score"]["uri"])).list()[0].path).decode()

    show(score.output)
