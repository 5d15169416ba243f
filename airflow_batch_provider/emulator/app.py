"""The application: the routes of all planes, their errors, and the runner's life."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Mount

from airflow_batch_provider.emulator import (
    access,
    arm,
    arm_jobs,
    batch,
    blob,
    control,
    entra,
    history,
    planes,
    run_changes,
    studio,
)
from airflow_batch_provider.emulator.errors import ServiceError, render
from airflow_batch_provider.emulator.gateway import Gateway
from airflow_batch_provider.emulator.lifecycle import routes as lifecycle_routes
from airflow_batch_provider.emulator.modelarts import errors as modelarts_errors
from airflow_batch_provider.emulator.modelarts import (
    execution_routes,
    iam,
    step_routes,
    training_routes,
    workflow_routes,
)
from airflow_batch_provider.emulator.obs import routes as obs_routes
from airflow_batch_provider.emulator.resources import DEFAULT_LOCATION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

    from airflow_batch_provider.emulator.connections import Connections
    from airflow_batch_provider.emulator.world import World


def build(world: World, connections: Connections) -> ASGIApp:
    """Return the ASGI application of an emulator.

    Args:
        world: Its stores and its runner, which runs while the application does.
        connections: The open connections of the server that will serve it.
    """

    def authorize(request: HTTPConnection) -> Response | None:
        try:
            access.check(request, "blob", world.tokens)
        except ServiceError as error:
            return render(error, "blob", DEFAULT_LOCATION)
        return None

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        runners = (world.runner, world.modelarts.runner)
        tasks = [asyncio.create_task(runner.run()) for runner in runners]
        yield
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for runner in runners:
            runner.stop()

    routes = [
        *control.ROUTES,
        Mount("/blob", routes=blob.routes(world.blobs, authorize)),
        *iam.ROUTES,
        *workflow_routes.ROUTES,
        *execution_routes.ROUTES,
        *step_routes.ROUTES,
        *training_routes.ROUTES,
        *obs_routes.ROUTES,
        *batch.ROUTES,
        *history.ROUTES,
        *run_changes.ROUTES,
        *studio.ROUTES,
        *arm.ROUTES,
        *arm_jobs.ROUTES,
        *lifecycle_routes.ROUTES,
        arm.CATCH_ALL,
        *entra.ROUTES,
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={ServiceError: _service_error, HTTPException: _routing_error},
    )
    app.state.world = world
    return Gateway(app, world, connections)


async def _service_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, ServiceError):
        raise error
    plane = planes.plane_of(request.url.path)
    if plane in {"modelarts", "iam"}:
        return modelarts_errors.render(error, plane)
    return render(error, plane, DEFAULT_LOCATION)


async def _routing_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    refusal = ServiceError(
        error.status_code,
        f"{request.method} {request.url.path}: {error.detail}.",
        inner=("NotFoundError",) if error.status_code == 404 else (),  # noqa: PLR2004 - the HTTP status
        headers=dict(error.headers or {}),
    )
    return await _service_error(request, refusal)
