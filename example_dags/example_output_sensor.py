"""Wait for files that another system writes, then score them."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator
from airflow_batch_provider.sensors.outputs import BatchOutputSensor

with DAG(
    "example_output_sensor", schedule=None, catchup=False, tags=["example", "azure-ml"], doc_md=__doc__
) as dag:
    # [START arrived]
    arrived = BatchOutputSensor(
        task_id="arrived",
        path="azureml://datastores/workspaceblobstore/paths/digits/images",
        glob="*.png",
        min_files=10,
        stable_for=2,
        deferrable=True,
        poke_interval=5,
        timeout=3600,
    )
    # [END arrived]
    score = AzureMLBatchEndpointOperator(
        task_id="score",
        endpoint_name="digits",
        input={"type": "uri_folder", "path": "azureml://datastores/workspaceblobstore/paths/digits/images"},
        deferrable=True,
    )
    arrived >> score
