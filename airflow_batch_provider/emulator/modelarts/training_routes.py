"""Training jobs over HTTP, as far as workflows make them: the log of their one worker.

Shape: the API page of ShowTrainingJobLogsPreview. What the service says of a job that does not exist is
assumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.routing import Route

from airflow_batch_provider.emulator.errors import ServiceError
from airflow_batch_provider.emulator.modelarts import views
from airflow_batch_provider.emulator.modelarts.access import in_project
from airflow_batch_provider.emulator.world import world_of

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from airflow_batch_provider.emulator.modelarts.world import ModelArts

_MOST = 5 * 1024 * 1024
_WORKER = "worker-0"


async def preview(request: Request) -> Response:
    """Show the end of a worker's log."""
    log = _log_of(world_of(request).modelarts, request.path_params["job"])
    if log is None or request.path_params["task"] != _WORKER:
        raise ServiceError(404, "The training job or its task does not exist.", code="ModelArts.2753")
    whole = log.read_bytes() if log.exists() else b""
    shown = whole[-_MOST:]
    return JSONResponse(
        {"content": shown.decode("utf-8", "replace"), "current_size": len(shown), "full_size": len(whole)}
    )


def _log_of(cloud: ModelArts, job: str) -> Path | None:
    for execution in cloud.executions.all():
        for run in execution.steps:
            if run.job is not None and views.training_job(run) == job:
                return cloud.bench.log(run.uuid)
    return None


ROUTES = [
    Route(
        "/v2/{project}/training-jobs/{job}/tasks/{task}/logs/preview", in_project(preview), methods=["GET"]
    ),
]
