"""Score what a function chooses: ``@task.azure_ml_batch``, called once and mapped."""

from __future__ import annotations

from airflow.sdk import DAG, Param, task

with DAG(
    "example_azure_ml_taskflow",
    schedule=None,
    catchup=False,
    tags=["example", "azure-ml"],
    params={"folders": Param(2, type="integer", description="How many folders to score one by one")},
    doc_md=__doc__,
) as dag:

    @task.azure_ml_batch(endpoint_name="digits", deferrable=True)
    def score(data: str, version: str = "latest") -> str:
        """Return the input: a URI; a mapping with type and path, or of names to inputs, would do as well."""
        return f"azureml:{data}@{version}"

    @task
    def folders(params: dict | None = None) -> list[str]:
        """List what is to be scored; a real DAG would ask a catalogue."""
        return ["digit-images"] * params["folders"]

    @task
    def report(outputs: dict, jobs: list[dict]) -> list[str]:
        """Name where the predictions are."""
        return [outputs["score"]["uri"], *(job["outputs"]["score"]["uri"] for job in jobs)]

    first = score("digit-images")
    each = score.override(task_id="score_each").partial(version="latest").expand(data=folders())
    report(first["outputs"], each)
