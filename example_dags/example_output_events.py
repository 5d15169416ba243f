"""Score images as soon as they arrive, whoever brings them, and tell the next DAG where the scores are."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator
from airflow_batch_provider.triggers.output_events import OutputEventTrigger

IMAGES = "azureml://datastores/workspaceblobstore/paths/digits/images"

# [START watcher]
images = Asset(
    IMAGES,
    watchers=[
        AssetWatcher(
            name="images_arrived",
            trigger=OutputEventTrigger(path=IMAGES, glob="*.png", stable_for=10, poll_interval=30),
        )
    ],
)
# [END watcher]
scores = Asset("digit_scores")

with DAG(
    "example_output_events",
    schedule=[images],
    catchup=False,
    max_active_runs=1,
    tags=["example", "azure-ml"],
    doc_md=__doc__,
) as dag:
    # [START payload]
    @task
    def arrived(triggering_asset_events: Any = None) -> list[dict[str, Any]]:
        """Return the files that arrived: path, size, etag and last_modified of each."""
        events = [event for events in triggering_asset_events.values() for event in events]
        return [file for event in events for file in event.extra["payload"]["files"]]

    # [END payload]

    score = AzureMLBatchEndpointOperator(
        task_id="score",
        endpoint_name="digits",
        input={"type": "uri_folder", "path": IMAGES},
        deferrable=True,
        outlets=[scores],  # its event says which job made them, and where they are
    )
    arrived() >> score
