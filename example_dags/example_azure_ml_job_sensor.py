"""Start a job in one task, let it go, and wait for it in another, such as a task of a different DAG."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_batch_provider import BatchRetryPolicy
from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator
from airflow_batch_provider.sensors.azure_ml import AzureMLJobSensor

with DAG(
    "example_azure_ml_job_sensor",
    schedule=None,
    catchup=False,
    tags=["example", "azure-ml"],
    doc_md=__doc__,
) as dag:
    # [START start]
    start = AzureMLBatchEndpointOperator(
        task_id="start",
        endpoint_name="digits",
        input="azureml:digit-images@latest",
        wait_for_completion=False,  # the task ends when the service has accepted the job
        retries=5,
        retry_policy=BatchRetryPolicy(),
    )
    # [END start]

    # [START wait]
    wait = AzureMLJobSensor(
        task_id="wait",
        job_id="{{ ti.xcom_pull(task_ids='start', key='job_id') }}",
        deferrable=True,
        poke_interval=5,
        timeout=600,
    )
    # [END wait]

    start >> wait
