"""Azure Resource Manager: jobs, their cancellation, and the operation that it starts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_batch_provider.emulator import views
from airflow_batch_provider.emulator.arm import workspace_of
from airflow_batch_provider.emulator.batch import WORKSPACE, next_link, page_size, read_token
from airflow_batch_provider.emulator.errors import not_found
from airflow_batch_provider.emulator.world import base_url, world_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_batch_provider.emulator.jobs import Job


def _job(request: Request, name: str) -> Job:
    job = world_of(request).jobs.get(name)
    if job is None or job.where.key != workspace_of(request).key:
        raise not_found(f"Job {name} was not found in workspace {request.path_params['w']}.")
    return job


async def get_job(request: Request) -> Response:
    """Answer with one job."""
    return JSONResponse(views.arm_job(_job(request, request.path_params["job"]), base_url(request)))


async def list_jobs(request: Request) -> Response:
    """Answer with one page of jobs, newest first.

    ``jobType``, ``tag`` (a key) and ``properties`` (``a,b=c``: keys, with values if wanted) filter as the
    specification of api-version 2023-10-01 says.
    """
    world, query = world_of(request), request.query_params
    settings = world.settings.current
    size = page_size(query.get("$top"), settings.page_size)
    until = time.time() - settings.list_lag if settings.list_lag else None
    wanted: list[tuple[int, Job]] = []
    before = read_token(query.get("$skip"))
    while len(wanted) <= size:
        page = world.jobs.page(workspace_of(request), before=before, created_until=until, limit=size + 1)
        wanted += [(seq, job) for seq, job in page if _matches(job, request)]
        if len(page) <= size:
            break
        before = page[-1][0]
    base = base_url(request)
    value = [views.arm_job(job, base) for _, job in wanted[:size]]
    more = next_link(request, "$skip", wanted[size - 1][0]) if len(wanted) > size else None
    return JSONResponse({"value": value, "nextLink": more})


def _matches(job: Job, request: Request) -> bool:
    query = request.query_params
    view = query.get("listViewType", "ActiveOnly").lower()
    if query.get("jobType", "Pipeline").lower() != "pipeline":
        return False
    if view != "all" and job.hidden != (view == "archivedonly"):
        return False
    if query.get("tag") and query["tag"] not in job.tags:
        return False
    pairs = [pair.partition("=") for pair in query.get("properties", "").split(",") if pair]
    return all(
        key in job.properties and (not equals or job.properties[key] == value) for key, equals, value in pairs
    )


async def cancel(request: Request) -> Response:
    """Answer a cancellation: 202 with the body ``null`` and the operation's address (recorded answers)."""
    job, world = _job(request, request.path_params["job"]), world_of(request)
    world.runner.cancel(job)
    workspace = workspace_of(request)
    location = world.resources.see(workspace)["location"]
    operation = (
        f"/subscriptions/{workspace.subscription}/providers/Microsoft.MachineLearningServices/locations"
    )
    operation += f"/{location}/mfeOperationResults/jc:{workspace.guid}:{job.id}"
    version = request.query_params.get("api-version", "2023-10-01")
    headers = {
        "Location": f"{base_url(request)}{operation}?api-version={version}",
        "x-ms-async-operation-timeout": "PT1H",
    }
    return JSONResponse(None, 202, headers)


async def cancellation_result(request: Request) -> Response:
    """Answer how a cancellation goes: 202 with ``{}`` while it lasts, then 200 without a body."""
    kind, _, rest = request.path_params["operation"].partition(":")
    job = world_of(request).jobs.get(rest.partition(":")[2])
    if kind != "jc" or job is None or job.where.guid != rest.partition(":")[0]:
        raise not_found(f"Operation {request.path_params['operation']} was not found.")
    return Response(status_code=200) if job.done else JSONResponse({}, 202)


ROUTES = [
    Route(f"{WORKSPACE}/jobs", list_jobs),
    Route(f"{WORKSPACE}/jobs/{{job}}", get_job),
    Route(f"{WORKSPACE}/jobs/{{job}}/cancel", cancel, methods=["POST"]),
]
