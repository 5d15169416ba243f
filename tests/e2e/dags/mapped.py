"""Twenty mapped tasks that wait in the triggerer."""

from airflow.sdk import DAG, task

from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator

with DAG("mapped", schedule=None, catchup=False):

    @task
    def folders():
        """List the inputs, known only when the DAG runs."""
        return [
            {
                "images": {
                    "type": "uri_folder",
                    "path": f"azureml://datastores/workspaceblobstore/paths/{day:02}",
                }
            }
            for day in range(20)
        ]

    AzureMLBatchEndpointOperator.partial(
        task_id="score", endpoint_name="simulated", deferrable=True, poll_interval=5
    ).expand(inputs=folders())
