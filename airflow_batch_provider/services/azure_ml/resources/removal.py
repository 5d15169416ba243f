"""Deleting what there may be.

Source: recorded deletions of batch endpoints (202 with both addresses of the operation; a resource that is
not there is answered 204), which delete the endpoint's deployments and keep its jobs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import httpx

from airflow_batch_provider.errors import Conflict, NotFound
from airflow_batch_provider.flow import RETRY, Flow, send
from airflow_batch_provider.services.azure_ml.answers import read
from airflow_batch_provider.services.azure_ml.operations import Operation, begun
from airflow_batch_provider.services.azure_ml.resources import fields
from airflow_batch_provider.services.azure_ml.workspace import Workspace, ask


def delete_endpoint(
    workspace: Workspace, name: str, *, now: Callable[[], float] = RETRY.now
) -> Flow[Operation]:
    """Delete a batch endpoint with its deployments; its jobs are kept.

    Args:
        workspace: Where.
        name: Of the endpoint.
        now: Wall clock, epoch seconds.

    Returns:
        The operation to wait for; done if there was no such endpoint.

    Raises:
        InvalidInput: It is no name.
        Conflict: Jobs run on it.
    """
    path = ("batchEndpoints", fields.endpoint_name("endpoint_name", name))
    return delete(workspace, f"batch endpoint {name!r}", path, now=now)


def delete_deployment(
    workspace: Workspace, endpoint_name: str, name: str, *, now: Callable[[], float] = RETRY.now
) -> Flow[Operation]:
    """Delete a deployment; see `delete_endpoint`."""
    endpoint = fields.endpoint_name("endpoint_name", endpoint_name)
    path = ("batchEndpoints", endpoint, "deployments", fields.endpoint_name("deployment_name", name))
    return delete(workspace, f"deployment {name!r} of endpoint {endpoint!r}", path, now=now)


def delete_compute(
    workspace: Workspace, name: str, *, detach: bool = False, now: Callable[[], float] = RETRY.now
) -> Flow[Operation]:
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
) -> Flow[Operation]:
    """Delete a resource.

    Args:
        workspace: Where.
        label: What people call it.
        path: Below the workspace.
        now: Wall clock, epoch seconds.
        **query: Further parameters.

    Returns:
        The operation to wait for; done if the resource is gone, or never was.

    Raises:
        Conflict: It is in use.
        BatchError: The service refused.
    """
    doing = f"deleting {label}"
    url = workspace.url(*path)
    at = now()
    response = yield from send(ask("DELETE", workspace.url(*path, **query), "arm"))
    gone = Operation(doing, url, deleting=True, done=True, started_at=at)
    if response.status_code == httpx.codes.NO_CONTENT:
        return gone
    try:
        read(response, doing, action="/".join((*path[::2], "delete")))
    except NotFound as error:
        if (
            error.code == "SubscriptionNotFound"
        ):  # The connection is wrong, and tells nothing of the resource.
            raise
        return gone
    except Conflict as error:
        error.fix = "It is in use, perhaps by jobs that still run: cancel them or let them end."
        raise
    operation = begun(response, workspace=workspace, doing=doing, resource_url=url, at=at, deleting=True)
    return replace(operation, resource={})
