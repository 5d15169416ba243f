"""Reading jobs out of answers: one, or a page of an endpoint's, of the data plane or Resource Manager.

Source: recorded exchanges in azure-sdk-for-python. The order of a list is not documented.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.flow import Flow, Retry, send
from airflow_batch_provider.jobs import Job, JobPage, JobRef, JobState
from airflow_batch_provider.pages import Listed, read_pages
from airflow_batch_provider.services.azure_ml.answers import inner, read, rows
from airflow_batch_provider.services.azure_ml.workspace import Audience, Workspace, ask, segment
from airflow_batch_provider.values import epoch

SERVICE = "azure_ml"
MARKER = "airflow.marker"
"""Tag and property that carry a submission's marker."""

MARKER_INPUT = "airflow_marker"
"""Literal input that carries it, too, where a user gives one because the component takes it."""

STATES = {
    "NotStarted": JobState.PENDING,
    "Starting": JobState.PENDING,
    "Provisioning": JobState.PENDING,
    "Preparing": JobState.PENDING,
    "Queued": JobState.PENDING,
    "Running": JobState.RUNNING,
    "Finalizing": JobState.RUNNING,
    "CancelRequested": JobState.CANCELING,
    "Completed": JobState.SUCCEEDED,
    "Failed": JobState.FAILED,
    "Canceled": JobState.CANCELED,
    # Microsoft's own client takes these two for an end, but the service says that a run comes back from them.
    "NotResponding": JobState.RUNNING,
    "Paused": JobState.RUNNING,
    "Unknown": JobState.UNKNOWN,
}
"""The status words of both planes. Source: JobStatus of the Resource Manager specification."""

# A poll that is throttled or lost is asked again soon by its caller anyway.
POLL = Retry(attempts=3, patience=60.0)

# Our own outputs are written to a folder that is called like the marker.
_IN_PATH = re.compile(r"/(airflow-[0-9a-f]{24})/")


def listed(url: str, audience: Audience, doing: str, *, since: float = 0.0, pages: int = 20) -> Flow[Listed]:
    """Read a list, page by page; see `pages.read_pages`.

    Args:
        url: Of its first page.
        audience: For whom the requests' tokens are made.
        doing: What for, for messages.
        since: Epoch seconds.
        pages: How many pages to read at most.
    """

    def one(place: Any) -> Flow[tuple[list[dict[str, Any]], Any]]:
        page = read((yield from send(ask("GET", place, audience))), doing, action="jobs/read")
        return [row for row in rows(page) if job_id(row.get("name"))], page.get("nextLink") or None

    return read_pages(url, one, created_at=created_at, since=since, pages=pages)


def of_workspace(workspace: Workspace, **query: str) -> str:
    """Return the URL of Resource Manager's list of jobs, in which those of batch endpoints are pipelines."""
    return workspace.url("jobs", jobType="Pipeline", listViewType="All", **query)


def page(workspace: Workspace, refs: Mapping[str, JobRef], after: Any) -> Flow[JobPage]:
    """Ask for one page of jobs. A row says of a job what asking for it alone does.

    Args:
        workspace: Where they are.
        refs: Jobs by id. If they have one scoring URI, the data plane lists those of that endpoint, else
            Resource Manager those of the workspace.
        after: Whom to ask, and the URL; ``None`` for the first.
    """
    audience, url = after or _first(workspace, refs)
    doing = "listing the endpoint's jobs" if audience == "ml" else "listing the workspace's jobs"
    response = yield from send(ask("GET", url, audience), retry=POLL)
    answer = read(response, doing, action="jobs/read")
    found = rows(answer)
    following = answer.get("nextLink")
    shown = {
        str(row["name"]): job(row, refs[str(row["name"])])
        for row in found
        if str(row.get("name")) in refs and inner(row, "properties").get("status")
    }
    return JobPage(shown, len(found), (audience, following) if following else None)


def _first(workspace: Workspace, refs: Mapping[str, JobRef]) -> tuple[Audience, str]:
    place, *others = {ref.place.get("scoring_uri", "") for ref in refs.values()}
    return ("ml", place) if place and not others else ("arm", of_workspace(workspace))


def job(answer: dict[str, Any], ref: JobRef) -> Job:
    """Read a job out of the description of it that the data plane or Resource Manager gives."""
    properties = inner(answer, "properties")
    status = str(properties.get("status") or "")
    return Job(
        service=SERVICE,
        id=ref.id,
        name=str(properties.get("name") or properties.get("displayName") or ref.id),
        state=STATES.get(status, JobState.UNKNOWN),
        status=status,
        url=ref.url,
        endpoint=ref.place.get("endpoint", ""),
    )


def job_id(name: Any) -> str:
    """Return a job's id if one can ask for it, else an empty text."""
    try:
        segment("job id", name)
    except InvalidInput:
        return ""
    return str(name)


def marker_in(row: dict[str, Any]) -> str:
    """Return the marker that a job carries: in its tags or properties, in an input, or in where it writes."""
    properties = inner(row, "properties")
    for kept in (inner(properties, "tags"), inner(properties, "properties")):
        if kept.get(MARKER):
            return str(kept[MARKER])
    if given := inner(properties, "inputData", MARKER_INPUT).get("value"):
        return str(given)
    for output in inner(properties, "outputData").values():
        if match := _IN_PATH.search(str(inner(output).get("uri") or "")):
            return match[1]
    return ""


def studio(row: dict[str, Any]) -> str:
    """Return the job's page in the studio, if the service tells it."""
    url = str(inner(row, "properties", "interactionEndpoints", "Studio").get("endpoint") or "")
    return url if url.startswith(("https://", "http://")) else ""  # it becomes a link


def created_at(row: dict[str, Any]) -> float:
    """Return the epoch second of a job's creation, or 0."""
    return epoch(inner(row, "systemData").get("createdAt"))
