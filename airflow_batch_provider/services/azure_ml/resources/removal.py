"""Deleting what there may be.

Source: recorded deletions of batch endpoints (202 with both addresses of the operation; a resource that is
not there is answered 204), which delete the endpoint's deployments and keep its jobs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx

from airflow_batch_provider.errors import Conflict, NotFound
from airflow_batch_provider.flow import RETRY, Flow, send
from airflow_batch_provider.services.azure_ml.answers import read
from airflow_batch_provider.services.azure_ml.operations import Operation, begun
from airflow_batch_provider.services.azure_ml.resources import fields
from airflow_batch_provider.services.azure_ml.resources.ensure import Ensured, state_of
from airflow_batch_provider.services.azure_ml.workspace import Workspace, ask


def delete_endpoint(
    workspace: Workspace, name: str, *, now: Callable[[], float] = RETRY.now
) -> Flow[Ensured]:
    """Delete a batch endpoint with its deployments; its jobs are kept.

    Args:
        workspace: Where.
        name: Of the endpoint.
        now: Wall clock, epoch seconds.

    Returns:
        What was done, and the operation to wait for.

    Raises:
        InvalidInput: It is no name.
        Conflict: Jobs run on it.
    """
    path = ("batchEndpoints", fields.endpoint_name("endpoint_name", name))
    return delete(workspace, f"batch endpoint {name!r}", path, now=now)


def delete_deployment(
    workspace: Workspace, endpoint_name: str, name: str, *, now: Callable[[], float] = RETRY.now
) -> Flow[Ensured]:
    """Delete a deployment; see `delete_endpoint`."""
    endpoint = fields.endpoint_name("endpoint_name", endpoint_name)
    path = ("batchEndpoints", endpoint, "deployments", fields.endpoint_name("deployment_name", name))
    return delete(workspace, f"deployment {name!r} of endpoint {endpoint!r}", path, now=now)


def delete_compute(
    workspace: Workspace, name: str, *, detach: bool = False, now: Callable[[], float] = RETRY.now
) -> Flow[Ensured]:
    """Delete a compute cluster, or only detach it from the workspace; see `delete_endpoint`."""
    path = ("computes", fields.compute_name("compute_name", name))
    query = {"underlyingResourceAction": "Detach" if detach else "Delete"}
    return delete(workspace, f"compute {name!r}", path, now=now, **query)


def delete(
    workspace: Workspace,
    label: str,
    path: tuple[str, ...],
    *,
    now: Callable[[], float] = RETRY.now,
    **query: str,
) -> Flow[Ensured]:
    """Delete a resource, unless it is gone or being deleted.

    Args:
        workspace: Where.
        label: What people call it.
        path: Below the workspace.
        now: Wall clock, epoch seconds.
        **query: Further parameters of the deletion.

    Returns:
        What was done, and the operation to wait for: also one that an earlier try began.

    Raises:
        Conflict: It is in use.
        BatchError: The service refused.
    """
    doing = f"deleting {label}"
    at = now()
    gone = Operation(doing, workspace.url(*path), deleting=True, done=True, started_at=at)
    found = yield from _found(workspace, label, path)
    if found is None:
        return Ensured("gone", label, gone)
    if state_of(found) == "deleting":
        return Ensured("deleting", label, replace(gone, done=False, status="Deleting"))
    response = yield from send(ask("DELETE", workspace.url(*path, **query), "arm"))
    if response.status_code == httpx.codes.NO_CONTENT:
        return Ensured("deleted", label, gone)
    try:
        read(response, doing, action="/".join((*path[::2], "delete")))
    except NotFound:
        return Ensured("deleted", label, gone)
    except Conflict as error:
        error.fix = "It is in use, perhaps by jobs that still run: cancel them or let them end."
        raise
    operation = begun(
        response, workspace=workspace, doing=doing, resource_url=gone.resource_url, at=at, deleting=True
    )
    return Ensured("deleted", label, replace(operation, resource={}))


def _found(workspace: Workspace, label: str, path: tuple[str, ...]) -> Flow[dict[str, Any] | None]:
    response = yield from send(ask("GET", workspace.url(*path), "arm"))
    try:
        return read(response, f"looking up {label}", action="/".join((*path[::2], "read")))
    except NotFound as error:
        # The connection is wrong, and tells nothing of the resource.
        if error.code == "SubscriptionNotFound":
            raise
        return None
