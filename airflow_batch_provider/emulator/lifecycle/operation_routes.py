"""Asking how an operation goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_batch_provider.emulator.arm import PROVIDER_ROOT
from airflow_batch_provider.emulator.arm_jobs import cancellation_result
from airflow_batch_provider.emulator.errors import ServiceError, not_found
from airflow_batch_provider.emulator.world import world_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_batch_provider.emulator.lifecycle.operations import Operation


def _operation(request: Request) -> Operation:
    name = request.path_params["operation"]
    operation = world_of(request).operations.get(name.rpartition(":")[2])
    if operation is None or operation.workspace[0].lower() != request.path_params["s"].lower():
        raise not_found(f"Operation {name} was not found.")
    return operation


async def status(request: Request) -> Response:
    """Answer with an operation's status: ``Updating`` (computes: ``InProgress``) until it is final.

    ``Updating`` and the fields: recorded answers; ``error``: ARM's rule for asynchronous operations.
    """
    operation = _operation(request)
    under_way = "InProgress" if operation.kind == "computes" else "Updating"
    shown: dict[str, Any] = {
        "id": request.url.path,
        "name": request.path_params["operation"],
        "status": operation.status if operation.done else under_way,
    }
    if operation.done and operation.error:
        shown["error"] = operation.error
    return JSONResponse(shown)


async def result(request: Request) -> Response:
    """Answer 202 with ``{}`` while an operation lasts, then 200 without a body, or its error."""
    if request.path_params["operation"].startswith("jc:"):
        return await cancellation_result(request)
    operation = _operation(request)
    if not operation.done:
        return JSONResponse({}, 202)
    if operation.error:
        raise ServiceError(409, operation.error["message"], code=operation.error["code"])
    return Response(status_code=200)


_LOCATION = f"{PROVIDER_ROOT}/locations/{{location}}"
ROUTES = [
    Route(f"{_LOCATION}/mfeOperationsStatus/{{operation}}", status),
    Route(f"{_LOCATION}/computeOperationsStatus/{{operation}}", status),
    Route(f"{_LOCATION}/mfeOperationResults/{{operation}}", result),
]
