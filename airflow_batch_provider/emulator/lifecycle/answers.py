"""Where a client finds the operation that it started (recorded answers of the service)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from airflow_batch_provider.emulator.ids import PROVIDER
from airflow_batch_provider.emulator.world import base_url, world_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_batch_provider.emulator.lifecycle.operations import Operation

_CREATED, _ACCEPTED = 201, 202
_PREFIXES = {"batchEndpoints": ("be", "bebes"), "batchEndpoints/deployments": ("be", "bdbes")}


def operation_name(operation: Operation, *, old: bool) -> str:
    """Return the name of an operation; older clusters have other prefixes."""
    if operation.kind not in _PREFIXES:
        return operation.id
    return f"{_PREFIXES[operation.kind][0 if old else 1]}:{operation.where.guid}:{operation.id}"


def status_url(request: Request, operation: Operation) -> str:
    """Return the URL that tells an operation's status."""
    kind = "computeOperationsStatus" if operation.kind == "computes" else "mfeOperationsStatus"
    return _url(request, operation, kind)


def _url(request: Request, operation: Operation, kind: str) -> str:
    place = f"/subscriptions/{operation.workspace[0]}/providers/{PROVIDER}/locations/{operation.region}"
    old = world_of(request).settings.current.operation_uri_in_body
    name = operation_name(operation, old=old)
    version = request.query_params.get("api-version", "2023-10-01")
    return f"{base_url(request)}{place}/{kind}/{name}?api-version={version}"


def _headers(request: Request, operation: Operation, location: str) -> dict[str, str]:
    return {
        "Azure-AsyncOperation": status_url(request, operation),
        "Location": location,
        "x-ms-async-operation-timeout": "PT30M",
    }


def written(request: Request, operation: Operation, shown: dict[str, Any]) -> Response:
    """Answer a PUT: 201 for a new resource, 200 for an old one, with the resource as it now is."""
    resource = f"{base_url(request)}{request.url.path}?{request.url.query}".rstrip("?")
    status = _CREATED if operation.verb == "create" else 200
    return JSONResponse(shown, status, _headers(request, operation, resource))


def patched(request: Request, operation: Operation, shown: dict[str, Any]) -> Response:
    """Answer a PATCH: 202 with the resource as it now is."""
    result = _url(request, operation, "mfeOperationResults")
    return JSONResponse(shown, _ACCEPTED, _headers(request, operation, result))


def deleting(request: Request, operation: Operation) -> Response:
    """Answer a DELETE: 202 with the body ``null``."""
    result = _url(request, operation, "mfeOperationResults")
    return JSONResponse(None, _ACCEPTED, _headers(request, operation, result))


def gone() -> Response:
    """Answer a DELETE of what does not exist."""
    return Response(status_code=204)
