"""Score a folder of letters and show the predictions."""

from airflow.sdk import DAG, task

from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator

with DAG("example_first_run", schedule=None) as dag:
    score = AzureMLBatchEndpointOperator(
        task_id="score", endpoint_name="languages", input="azureml:letters@latest", deferrable=True
    )

    @task
    def show(job: dict) -> str:
        """Return what the scoring script has written, which Airflow also logs."""
        from airflow_batch_provider.hooks.azure_ml import AzureMLHook

        return AzureMLHook().read_file(job["outputs"]["score"]["uri"] + "predictions.csv").decode()

    show(score.output)
