"""Looking for the job of a call whose answer was lost.

The data plane lists an endpoint's jobs with their inputs and outputs, but Microsoft's own examples work round
a list that fails; Resource Manager lists every job of the workspace, can filter by a property, and tells no
inputs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

from airflow_batch_provider.errors import BatchError, InvalidInput
from airflow_batch_provider.flow import Flow
from airflow_batch_provider.jobs import JobRef, Trace, Traces
from airflow_batch_provider.pages import Listed
from airflow_batch_provider.services.azure_ml import uris
from airflow_batch_provider.services.azure_ml.answers import inner
from airflow_batch_provider.services.azure_ml.calls import Call, endpoint_name, reference
from airflow_batch_provider.services.azure_ml.listing import (
    MARKER,
    SERVICE,
    created_at,
    job,
    listed,
    marker_in,
    of_workspace,
    studio,
)
from airflow_batch_provider.services.azure_ml.workspace import Workspace

_DOING = "listing the endpoint's jobs"
_ASSET = re.compile(
    r"(?i)(?:^azureml:|/data/)(?P<name>[^/:@]+)(?:@.+|/(?:versions/)?labels/.+|(?::|/versions/)(?P<version>[^/]+))$"
)
"""Either form of an asset's URI, its version only where that is no label."""
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def traces(workspace: Workspace, call: Call, marker: str, since: float, caller: str = "") -> Flow[Traces]:
    """List the jobs that a call may have started.

    Args:
        workspace: Where.
        call: What was, or was about to be, sent.
        marker: That the job carries, if the service keeps it.
        since: Epoch seconds; see `listing.listed`.
        caller: Client id of the identity that calls, if the connection tells it.

    Returns:
        The endpoint's jobs; those of Resource Manager's list, whose inputs are not known, if the data plane
        cannot list.

    Raises:
        BatchError: Neither can list.
    """
    try:
        found = yield from listed(call.scoring_uri, "ml", _DOING, since=since)
    except BatchError:
        everything = yield from _of_workspace(workspace, since=since)
        rows = [row for row in everything.rows if marker_in(row) == marker or _may_be_of(row, call)]
        return Traces(
            tuple(_trace(workspace, call, row, alike=_by(row, caller)) for row in rows), everything.complete
        )
    seen = tuple(
        _trace(workspace, call, row, alike=_alike(row, call) and _by(row, caller)) for row in found.rows
    )
    if any(trace.ref.marker == marker for trace in seen):
        return Traces(seen, found.complete)
    by_property = yield from _of_workspace(workspace, properties=f"{MARKER}={marker}")
    more = tuple(_trace(workspace, call, row, alike=True) for row in by_property.rows)
    return Traces((*seen, *(trace for trace in more if trace.ref.marker == marker)), found.complete)


def recent(workspace: Workspace, scoring_uri: str, since: float) -> Flow[Traces]:
    """List the jobs of an endpoint, whoever started them.

    Args:
        workspace: Where.
        scoring_uri: The endpoint's.
        since: Epoch seconds; see `listing.listed`.
    """
    found = yield from listed(scoring_uri, "ml", _DOING, since=since)
    place = {"scoring_uri": scoring_uri, "endpoint": endpoint_name("", scoring_uri)}
    seen = {}
    for row in found.rows:  # One that moves to the next page while the list is read is told twice.
        name = str(row["name"])
        url = studio(row) or workspace.studio_url(name)
        ref = JobRef(SERVICE, name, place, created_at(row), marker_in(row), url)
        seen[name] = Trace(ref, job(row, ref), alike=False)
    return Traces(tuple(seen.values()), found.complete)


def _of_workspace(workspace: Workspace, *, since: float = 0.0, **query: str) -> Flow[Listed]:
    return listed(of_workspace(workspace, **query), "arm", "listing the workspace's jobs", since=since)


def _trace(workspace: Workspace, call: Call, row: dict[str, Any], *, alike: bool) -> Trace:
    ref = reference(
        workspace, call, str(row["name"]), marker=marker_in(row), at=created_at(row), url=studio(row)
    )
    return Trace(ref, job(row, ref), alike)


def _may_be_of(row: dict[str, Any], call: Call) -> bool:
    """Say whether a job of Resource Manager's list may be the endpoint's: its description may name it."""
    name = endpoint_name(call.order.endpoint_name, call.scoring_uri)
    properties = inner(row, "properties")
    told = f"{properties.get('description') or ''} {properties.get('experimentName') or ''}"
    experiment = call.order.properties.get("properties", {}).get("experimentName")
    return name in told or (experiment is not None and experiment in told)


def _by(row: dict[str, Any], caller: str) -> bool:
    """Say whether a job may have been started by a caller.

    For people, recorded jobs tell a display name, which no token holds; an application is told by its client
    id, so only two different ids speak against it.
    """
    told = str(inner(row, "systemData").get("createdBy") or "")
    ids = _GUID.fullmatch(told) and _GUID.fullmatch(caller)
    return not ids or told.lower() == caller.lower()


def _alike(row: dict[str, Any], call: Call) -> bool:
    """Say whether a job may have been started by a call: nothing that it tells speaks against it."""
    properties, asked = inner(row, "properties"), call.order
    deployment = inner(properties, "tags").get("azureml.deploymentname")
    if asked.deployment_name and deployment and deployment != asked.deployment_name:
        return False
    return all(
        _agree(inner(properties, told).values(), asked.properties.get(said, {}).values())
        for told, said in (("inputData", "InputData"), ("outputData", "OutputData"))
        if asked.properties.get(said) and properties.get(told)
    )


def digest(call: Call) -> str:
    """Return a digest of what jobs are compared with: deployment, inputs and outputs, without signatures."""
    said = call.order.properties
    data = [sorted(map(_data, said.get(key, {}).values())) for key in ("InputData", "OutputData")]
    text = json.dumps([call.order.deployment_name, *data])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _agree(told: Iterable[Any], said: Iterable[Any]) -> bool:
    theirs, ours = sorted(map(_data, told)), sorted(map(_data, said))
    return len(theirs) == len(ours) and all(
        one == other and not (version and wanted and version != wanted)
        for (one, version), (other, wanted) in zip(theirs, ours, strict=True)
    )


def _data(item: dict[str, Any]) -> tuple[str, str]:
    """Return what an input or output is, in a form in which the service's way of writing it is the same.

    Besides, the version of an asset, if it is told: the service may answer a label with the version that it
    stands for.
    """
    folded = {key.lower(): value for key, value in item.items()}
    if "value" in folded:
        return f"literal {str(folded['value']).lower()}", ""
    text = str(folded.get("uri") or "").partition("?")[0].rstrip("/")
    try:
        uri = uris.parse(text, "uri")
    except InvalidInput:
        return text, ""
    if uri.kind == "datastore":
        return f"datastore {uri.datastore.lower()} {uri.path.strip('/')}", ""
    if uri.kind == "asset" and (named := _ASSET.search(uri.text)):
        return f"asset {named['name'].lower()}", named["version"] or ""
    return text, ""
