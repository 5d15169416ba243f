"""Score a folder of images with no worker: the triggerer submits the job, waits for it and ends the task.

The task asks for it with ``start_from_trigger``, and qualifies because the triggerer can render all of its
templates. The next one takes its result, which only a worker can; its log says so.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator

with DAG(
    "example_azure_ml_worker_free",
    schedule=None,
    catchup=False,
    tags=["example", "azure-ml"],
    params={"images": Param("azureml:digit-images@latest", type="string", description="Folder of images")},
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30), "start_from_trigger": True},
    doc_md=__doc__,
) as dag:
    # [START worker_free]
    score = AzureMLBatchEndpointOperator(
        task_id="score",
        endpoint_name="digits",
        input={"type": "uri_folder", "path": "{{ params.images }}"},
        tags={"run": "{{ run_id }}"},
        timeout=3600,
    )
    # [END worker_free]

    again = AzureMLBatchEndpointOperator(
        task_id="again",
        endpoint_name="digits",
        input={"type": "uri_folder", "path": "{{ params.images }}"},
        tags={"after": "{{ ti.xcom_pull(task_ids='score', key='job_id') }}"},
        deferrable=True,
    )

    score >> again
