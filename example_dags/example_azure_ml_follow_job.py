"""Submit in one task and wait in another, so that a failed wait never asks for a second job.

The first task ends as soon as the service has accepted the job; whatever has its id can follow it, also a job
that another system started. Both fail at once where a retry would end the same way, and retry throttling,
outages and missing quota when there is hope.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param, task

from airflow_batch_provider import BatchRetryPolicy
from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator
from airflow_batch_provider.sensors.azure_ml import AzureMLJobSensor

with DAG(
    "example_azure_ml_follow_job",
    schedule=None,
    catchup=False,
    tags=["example", "azure-ml"],
    params={"endpoint": Param("digits", type="string", description="Name of the batch endpoint")},
    default_args={"retries": 5, "retry_policy": BatchRetryPolicy(later=timedelta(minutes=10))},
    doc_md=__doc__,
) as dag:
    submit = AzureMLBatchEndpointOperator(
        task_id="submit",
        endpoint_name="{{ params.endpoint }}",
        input="azureml:digit-images@latest",
        wait_for_completion=False,
    )
    finished = AzureMLJobSensor(
        task_id="finished",
        job_id="{{ ti.xcom_pull(task_ids='submit', key='job_id') }}",
        deferrable=True,
        poke_interval=5,
        timeout=3600,
    )

    @task
    def where(job: dict) -> str:
        """Name where the predictions are."""
        return job["outputs"]["score"]["uri"]

    submit >> finished
    where(finished.output)
