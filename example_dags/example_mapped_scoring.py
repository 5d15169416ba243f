"""Score many folders at once: one mapped task each, all waiting in the triggerer."""

from __future__ import annotations

from airflow.sdk import DAG, Param, task

from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator

with DAG(
    "example_mapped_scoring",
    schedule=None,
    catchup=False,
    tags=["example", "azure-ml"],
    params={"folders": Param(3, type="integer", description="How many folders to score")},
    doc_md=__doc__,
) as dag:
    # [START mapped]
    @task
    def folders(params: dict | None = None) -> list[dict]:
        """List what is to be scored; a real DAG would ask a catalogue."""
        return [{"type": "uri_folder", "path": "azureml:digit-images@latest"}] * params["folders"]

    score = AzureMLBatchEndpointOperator.partial(
        task_id="score", endpoint_name="digits", deferrable=True, outputs="auto"
    ).expand(input=folders())
    # [END mapped]

    @task
    def report(jobs: list[dict]) -> list[str]:
        """Name where each folder's predictions are."""
        return [job["outputs"]["score"]["uri"] for job in jobs]

    report(score.output)
