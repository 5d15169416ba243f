"""Mapped tasks that ask for no worker, and get one each."""

from airflow.sdk import DAG

from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator

PATH = "azureml://datastores/workspaceblobstore/paths/worker_free_mapped"

with DAG("worker_free_mapped", schedule=None, catchup=False):
    AzureMLBatchEndpointOperator.partial(
        task_id="score",
        endpoint_name="simulated",
        start_from_trigger=True,
        deferrable=True,
        poll_interval=1,
    ).expand(input=[{"type": "uri_folder", "path": f"{PATH}/{name}"} for name in "ab"])
