"""Datasets and jobs of ModelArts, as OpenLineage is told of them.

OpenLineage has no rule for OBS; its rule for S3, whose protocol OBS speaks, is taken with the scheme ``obs``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_batch_provider.jobs import JobRef
from airflow_batch_provider.lineage.names import DatasetName, in_store
from airflow_batch_provider.services.modelarts.obs import bucket_and_key


def read_by(data: Any) -> list[DatasetName]:
    """Return the datasets that an execution reads.

    Args:
        data: Name of a data requirement to a path in OBS, or to a mapping with ``obs_url``.
    """
    if not isinstance(data, Mapping):
        return []
    paths = [value.get("obs_url") if isinstance(value, Mapping) else value for value in data.values()]
    return [name for path in paths if (name := named_by(path)) is not None]


def written_to(places: Mapping[str, Mapping[str, str]]) -> list[DatasetName]:
    """Return the datasets that an execution wrote.

    Args:
        places: Its outputs, see `jobs.Job`.
    """
    return [name for place in places.values() if (name := named_by(place["uri"])) is not None]


def facts(ref: JobRef | None, said: Mapping[str, Any], region: str) -> dict[str, str]:
    """Return what is told of an execution, besides what is told of every job.

    Args:
        ref: The execution, once there is one.
        said: The operator's arguments.
        region: Of the connection.
    """
    place = ref.place if ref else {}
    workflow = said.get("workflow")
    defined = str(workflow.get("name") or "") if isinstance(workflow, Mapping) else ""
    return {
        "workflowId": place.get("workflow_id") or str(said.get("workflow_id") or ""),
        "workflowName": place.get("workflow_name") or str(said.get("workflow_name") or defined),
        "projectId": place.get("project_id", ""),
        "region": region,
    }


def named_by(path: Any) -> DatasetName | None:
    """Return the name of a place in OBS, in either form; ``None`` if it is none."""
    place = bucket_and_key(path.strip()) if isinstance(path, str) else None
    return in_store(f"obs://{place[0]}", place[1].partition("?")[0]) if place else None
