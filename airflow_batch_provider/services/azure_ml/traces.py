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
from decimal import Decimal, InvalidOperation
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
        return Traces(tuple(_untold(workspace, call, row, caller) for row in rows), everything.complete)
    if not _has(found, marker):
        by_property = yield from _of_workspace(workspace, properties=f"{MARKER}={marker}")
        if _has(by_property, marker):
            more = [row for row in by_property.rows if marker_in(row) == marker]
        else:
            found, more = yield from _compared(workspace, call, found, since)
    else:
        more = []
    seen = [_trace(workspace, call, row, _alike(row, call, caller)) for row in found.rows]
    return Traces((*seen, *(_untold(workspace, call, row, caller) for row in more)), found.complete)


def _compared(
    workspace: Workspace, call: Call, found: Listed, since: float
) -> Flow[tuple[Listed, list[dict[str, Any]]]]:
    """Return the data plane's list, and the endpoint's jobs that only Resource Manager lists.

    That list tells no inputs, and may be too long to be read to its end: what it shows keeps a request from
    being sent again, what it does not show says nothing.
    """

    def missing() -> list[dict[str, Any]]:
        known = {row["name"] for row in found.rows}
        return [row for row in everything.rows if row["name"] not in known and _may_be_of(row, call)]

    everything = yield from _of_workspace(workspace, since=since)
    if missing():  # Perhaps only younger than the first list.
        found = yield from listed(call.scoring_uri, "ml", _DOING, since=since)
    return found, missing()


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


def _has(found: Listed, marker: str) -> bool:
    return any(marker_in(row) == marker for row in found.rows)


def _untold(workspace: Workspace, call: Call, row: dict[str, Any], caller: str) -> Trace:
    """Return what a row of Resource Manager's list says, which is nothing of inputs and outputs."""
    return _trace(workspace, call, row, None if _by(row, caller) else False)


def _trace(workspace: Workspace, call: Call, row: dict[str, Any], alike: bool | None) -> Trace:
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


def _alike(row: dict[str, Any], call: Call, caller: str) -> bool | None:
    """Say whether a job may have been started by a call: nothing that it tells speaks against it.

    Returns:
        ``None`` if what it tells can be another way to write the same.
    """
    properties, asked = inner(row, "properties"), call.order
    deployment = inner(properties, "tags").get("azureml.deploymentname")
    if asked.deployment_name and deployment and deployment != asked.deployment_name:
        return False
    verdicts = [
        _agree(inner(properties, told).values(), asked.properties.get(said, {}).values())
        for told, said in (("inputData", "InputData"), ("outputData", "OutputData"))
        if asked.properties.get(said) and properties.get(told)
    ]
    if False in verdicts or not _by(row, caller):
        return False
    return None if None in verdicts else True


def digest(call: Call) -> str:
    """Return a digest of what jobs are compared with: deployment, inputs and outputs, without signatures."""
    said = call.order.properties
    data = [sorted(map(_data, said.get(key, {}).values())) for key in ("InputData", "OutputData")]
    text = json.dumps([call.order.deployment_name, *data])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _agree(told: Iterable[Any], said: Iterable[Any]) -> bool | None:
    theirs, odd = list(map(_data, told)), []
    for one in map(_data, said):
        same = next((other for other in theirs if _same(one, other)), None)
        if same:
            theirs.remove(same)
        else:
            odd.append(one)
    if odd and not all(any(_may_stand_for(other, one) for other in theirs) for one in odd):
        return False
    # What is told besides may be a default of the component.
    return None if odd or theirs else True


def _same(one: tuple[str, str], other: tuple[str, str]) -> bool:
    (what, version), (theirs, wanted) = one, other
    return what == theirs and not (version and wanted and version != wanted)


def _may_stand_for(told: tuple[str, str], said: tuple[str, str]) -> bool:
    """Say whether they are data named in different ways, such as an asset by the path that it has."""
    ours, theirs = said[0].partition(" ")[0], told[0].partition(" ")[0]
    return ours != theirs and "literal" not in (ours, theirs)


def _data(item: dict[str, Any]) -> tuple[str, str]:
    """Return what an input or output is, in a form in which the service's way of writing it is the same.

    Besides, the version of an asset, if it is told: the service may answer a label with the version that it
    stands for.
    """
    folded = {key.lower(): value for key, value in item.items()}
    if "value" in folded:
        return f"literal {_literal(folded['value'])}", ""
    text = str(folded.get("uri") or "").partition("?")[0].rstrip("/")
    address = f"address {text}" if text else ""
    try:
        uri = uris.parse(text, "uri")
    except InvalidInput:
        return address, ""
    if uri.kind == "datastore":
        return f"datastore {uri.datastore.lower()} {uri.path.strip('/')}", ""
    if uri.kind == "asset" and (named := _ASSET.search(uri.text)):
        return f"asset {named['name'].lower()}", named["version"] or ""
    return address, ""


def _literal(value: Any) -> str:
    """Return a literal so that ``3``, ``"3"`` and ``3.0``, or ``True`` and ``"true"``, are the same."""
    text = str(value)
    if text.lower() in ("true", "false"):
        return text.lower()
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return str(number.normalize()) if number.is_finite() else text
