"""The emulator's own API for tests: faults, settings, the journal of requests and of jobs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from airflow_batch_provider.emulator import setup, wire
from airflow_batch_provider.emulator.faults import read_fault
from airflow_batch_provider.emulator.settings import Settings
from airflow_batch_provider.emulator.setup_node import Node
from airflow_batch_provider.emulator.world import world_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_batch_provider.emulator.jobs import Job
    from airflow_batch_provider.emulator.modelarts.executions import Execution
    from airflow_batch_provider.emulator.world import World


async def health(request: Request) -> Response:
    """Answer that the emulator is up."""
    return JSONResponse({"status": "ok", "speed": world_of(request).speed})


async def show_faults(request: Request) -> Response:
    """Answer with the faults in force."""
    return JSONResponse({"faults": world_of(request).faults.shown()})


async def set_faults(request: Request) -> Response:
    """Put a list of faults in force, alone or under the key ``faults``."""
    try:
        body = wire.loads(await request.body())
        rules = body.get("faults") if isinstance(body, dict) else body
        if not isinstance(rules, list):
            return _bad("Send a list of faults, alone or under the key 'faults'.")
        faults = [read_fault(rule) for rule in rules]
    except ValueError as error:
        return _bad(str(error))
    world_of(request).faults.replace(faults)
    return await show_faults(request)


async def clear_faults(request: Request) -> Response:
    """End all faults."""
    world_of(request).faults.replace([])
    return await show_faults(request)


async def show_settings(request: Request) -> Response:
    """Answer with the settings in force."""
    return JSONResponse(asdict(world_of(request).settings.current))


async def change_settings(request: Request) -> Response:
    """Replace some settings."""
    try:
        changes = wire.loads(await request.body())
        if not isinstance(changes, dict):
            return _bad("Send an object of settings.")
        world_of(request).settings.change(changes)
    except ValueError as error:
        return _bad(str(error))
    return await show_settings(request)


async def add_to_setup(request: Request) -> Response:
    """Add endpoints, deployments and data: the sections of a set-up file, with absolute local paths."""
    try:
        body = wire.loads(await request.body())
        if not isinstance(body, dict):
            return _bad("Send an object with the sections of a set-up file: data, endpoints.")
        top = Node(Path("/"), (), body)
        await run_in_threadpool(setup.add, world_of(request), top)
    except ValueError as error:
        return _bad(str(error))
    return Response(status_code=204)


async def reset(request: Request) -> Response:
    """Clear the faults and the journal and put the settings back; jobs and tokens stay."""
    world = world_of(request)
    world.faults.replace([])
    world.settings.change(asdict(Settings()))
    world.journal.clear()
    return Response(status_code=204)


async def show_requests(request: Request) -> Response:
    """Answer with the journal; any field filters by equality, ``after`` by sequence number."""
    filters = dict(request.query_params)
    after = filters.pop("after", "0")
    if not after.isdigit():
        return _bad(f"after is a sequence number, not {after!r}.")
    return JSONResponse({"requests": world_of(request).journal.entries(after=int(after), **filters)})


async def clear_requests(request: Request) -> Response:
    """Forget the journal of requests."""
    world_of(request).journal.clear()
    return Response(status_code=204)


async def show_jobs(request: Request) -> Response:
    """Answer with all jobs and executions, oldest first, and when each entered its states."""
    world = world_of(request)
    jobs = [_shown(job) for _, job in reversed(world.jobs.page(limit=1_000_000))]
    jobs += [_shown_execution(one, world) for one in world.modelarts.executions.all()]
    jobs.sort(key=lambda job: job["createdAt"])
    wanted = dict(request.query_params)
    return JSONResponse(
        {"jobs": [job for job in jobs if all(str(job.get(k)) == v for k, v in wanted.items())]}
    )


def _shown(job: Job) -> dict[str, Any]:
    return {
        "service": "azure_ml",
        "id": job.id,
        "workspace": job.where.id,
        "endpoint": job.endpoint,
        "deployment": job.deployment,
        "status": job.status,
        "states": [{"status": status, "time": at} for status, at in job.states],
        "createdAt": job.created_at,
        "createdBy": job.created_by,
        "experiment": job.experiment,
        "childRun": job.child,
        "tags": job.tags,
        "properties": job.properties,
        "request": job.request,
        "outputs": job.outputs,
        "error": job.error,
    }


def _shown_execution(one: Execution, world: World) -> dict[str, Any]:
    return {
        "service": "modelarts",
        "id": one.id,
        "workflow": one.workflow_id,
        "workflowName": one.workflow_name,
        "name": one.name,
        "status": one.status or "init",
        "states": _states(one.states),
        "createdAt": one.created_at,
        "labels": one.labels,
        "parameters": _given(one, "parameters"),
        "data": _given(one, "data_requirements"),
        "steps": [
            {
                "name": step.name,
                "uuid": step.uuid,
                "attempt": step.attempt,
                "status": step.status,
                "states": _states(step.states),
                "outputs": step.outputs,
                "error": step.error,
                "folder": str(world.modelarts.bench.folder(step.uuid)) if step.job else None,
            }
            for step in one.steps
        ],
        "attempts": one.attempts,
        "error": next((step.error for step in one.steps if step.error), None),
    }


def _given(one: Execution, section: str) -> dict[str, Any]:
    return {item["name"]: item.get("value", item.get("default")) for item in one.definition[section]}


def _states(states: list[list[Any]]) -> list[dict[str, Any]]:
    return [{"status": status, "time": at} for status, at in states]


async def show_log(request: Request) -> Response:
    """Answer with what a step's job has written so far."""
    uuid = request.path_params["step"]
    known = any(
        step.uuid == uuid for one in world_of(request).modelarts.executions.all() for step in one.steps
    )
    log = world_of(request).modelarts.bench.log(uuid)
    if not known or not log.is_file():
        return JSONResponse({"error": f"No step {uuid} has run a job here."}, 404)
    return PlainTextResponse(log.read_text("utf-8", "replace"))


def _bad(message: str) -> Response:
    return JSONResponse({"error": message}, 400)


ROUTES = [
    Route("/_emulator/health", health),
    Route("/_emulator/faults", show_faults),
    Route("/_emulator/faults", set_faults, methods=["POST"]),
    Route("/_emulator/faults", clear_faults, methods=["DELETE"]),
    Route("/_emulator/settings", show_settings),
    Route("/_emulator/settings", change_settings, methods=["POST"]),
    Route("/_emulator/setup", add_to_setup, methods=["POST"]),
    Route("/_emulator/reset", reset, methods=["POST"]),
    Route("/_emulator/requests", show_requests),
    Route("/_emulator/requests", clear_requests, methods=["DELETE"]),
    Route("/_emulator/jobs", show_jobs),
    Route("/_emulator/steps/{step}/log", show_log),
]
