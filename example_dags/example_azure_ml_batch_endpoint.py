"""Score a folder of images through an Azure ML batch endpoint, without holding a worker while the job runs.

The connection decides where it runs: the emulator, or a workspace on Azure with an endpoint of this name.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param, task

from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator
from airflow_batch_provider.sensors.outputs import BatchOutputSensor

with DAG(
    "example_azure_ml_batch_endpoint",
    schedule=None,
    catchup=False,
    tags=["example", "azure-ml"],
    params={
        "endpoint": Param("digits", type="string", description="Name of the batch endpoint"),
        "images": Param(
            "azureml:digit-images@latest",
            type="string",
            description="Folder of images, each named after the digit that it shows: 0042-is-7.png",
        ),
    },
    doc_md=__doc__,
) as dag:
    # [START score]
    score = AzureMLBatchEndpointOperator(
        task_id="score",
        endpoint_name="{{ params.endpoint }}",
        input={"type": "uri_folder", "path": "{{ params.images }}"},
        job_overrides={"mini_batch_size": 20},
        deferrable=True,
    )
    # [END score]

    # [START predictions]
    predictions = BatchOutputSensor(
        task_id="predictions",
        path="{{ ti.xcom_pull(task_ids='score', key='outputs')['score']['uri'] }}",
        glob="*.csv",
        min_bytes=1,
        deferrable=True,
        poke_interval=5,
        timeout=600,
    )
    # [END predictions]

    # [START read]
    @task
    def accuracy(files: list[dict]) -> float:
        """Compare each prediction with the digit that the image's name tells."""
        from airflow_batch_provider.hooks.azure_ml import AzureMLHook

        text = AzureMLHook().read_file(files[0]["path"]).decode()
        rows = [line.split() for line in text.splitlines() if line]
        right = sum(image.split("-is-")[1][0] == digit for image, digit in rows)
        print(f"{right} of {len(rows)} digits are right: {right / len(rows):.1%}")  # noqa: T201  # the task's log
        return right / len(rows)

    # [END read]

    score >> predictions
    accuracy(predictions.output)
