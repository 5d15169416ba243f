"""Run whenever a job of a batch endpoint has succeeded, whoever started it."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_batch_provider.triggers.job_events import JobEventTrigger

# [START watcher]
scored = Asset(
    "digits_scored",
    watchers=[
        AssetWatcher(
            name="digits_ended",
            trigger=JobEventTrigger(endpoint_name="digits", states=["succeeded"], poll_interval=30),
        )
    ],
)
# [END watcher]

with DAG(
    "example_job_events",
    schedule=[scored],
    catchup=False,
    max_active_runs=1,
    tags=["example", "azure-ml"],
    doc_md=__doc__,
) as dag:
    # [START payload]
    @task
    def outputs(triggering_asset_events: Any = None) -> dict[str, Any]:
        """Return where each job has written, by the job's id."""
        events = [event for events in triggering_asset_events.values() for event in events]
        jobs = [job for event in events for job in event.extra["payload"]["jobs"]]
        return {job["id"]: job["outputs"] for job in jobs}

    # [END payload]

    outputs()
