"""What a task that names assets as its outlets tells of the job that made them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import AssetAlias

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batch_provider.jobs import Job


def tell_outlets(context: Context, outlets: list[Any], job: Job) -> None:
    """Add the job, and where it wrote, to the events of a task's outlets.

    An `AssetAlias` gets an asset for each place in which the job wrote, named by the place's URI.

    Args:
        context: Of the task.
        outlets: Of the task.
        job: Its job, with its outputs.
    """
    if not outlets:
        return
    events = context["outlet_events"]
    told: dict[str, Any] = {
        "job_id": job.id,
        "name": job.name,
        "status": job.status,
        "endpoint": job.endpoint,
        "url": job.url,
        "outputs": job.outputs,
    }
    for outlet in outlets:
        if not isinstance(outlet, AssetAlias):
            events[outlet].extra.update(told)
            continue
        from airflow.sdk import Asset

        for name, place in job.outputs.items():
            events[outlet].add(Asset(uri=place["uri"]), extra={**told, "output": name})
