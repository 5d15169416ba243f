"""Executions over HTTP: start, list, show, change, delete, stop and rerun."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_batch_provider.emulator.ids import new_guid
from airflow_batch_provider.emulator.modelarts import graph, script, views
from airflow_batch_provider.emulator.modelarts.access import in_project
from airflow_batch_provider.emulator.modelarts.errors import invalid
from airflow_batch_provider.emulator.modelarts.executions import Execution, Filter
from airflow_batch_provider.emulator.modelarts.machine import STATELESS
from airflow_batch_provider.emulator.modelarts.paths import (
    ROOT,
    body_of,
    envelope,
    execution_of,
    given,
    page_of,
    texts,
    workflow_of,
)
from airflow_batch_provider.emulator.modelarts.workflows import Workflow, is_missing
from airflow_batch_provider.emulator.world import world_of

if TYPE_CHECKING:
    from starlette.requests import Request

_EXECUTIONS = f"{ROOT}/{{workflow}}/executions"
_ONE = f"{_EXECUTIONS}/{{execution}}"


async def start(request: Request) -> Response:
    """Start an execution. Two of one workflow may run at once (assumed)."""
    workflow = workflow_of(request)
    body = await body_of(request)
    settings = world_of(request).settings.current
    keep = settings.keep_labels and random.random() >= settings.drop_labels  # noqa: S311 - chaos, not secrets
    execution = _made(workflow, body, keep_labels=keep)
    cloud = world_of(request).modelarts
    execution.due = cloud.machine.after(STATELESS)
    workflow.runs += 1
    cloud.workflows.save(workflow)
    cloud.runner.keep(execution)
    return JSONResponse(views.created(execution), 201)


def _made(workflow: Workflow, body: dict[str, Any], *, keep_labels: bool) -> Execution:
    definition = given(workflow.definition, body)
    scene = _scene(workflow, str(body.get("scene_id") or ""))
    definition["steps"] = graph.choose(workflow.section("steps"), scene["steps"] if scene else None)
    _check_given(definition)
    labels = texts(body, "labels")
    return Execution(
        id=new_guid(),
        workflow_id=workflow.id,
        workflow_name=workflow.name,
        name=str(body.get("name") or f"execution-{workflow.runs + 1:03d}"),
        description=str(body.get("description") or ""),
        created_at=time.time(),
        definition=definition,
        labels=labels if keep_labels else [],
        script=script.labels_of(labels),
        policies=body.get("policies") or {},
        scene_id=str(scene["id"]) if scene else "",
        scene_name=str(scene.get("name", "")) if scene else "",
    )


def _scene(workflow: Workflow, scene_id: str) -> dict[str, Any] | None:
    if not scene_id:
        return None
    scenes = (workflow.definition.get("policy") or {}).get("scenes") or []
    for scene in scenes:
        if scene.get("id") == scene_id:
            found: dict[str, Any] = {"steps": []} | scene
            return found
    raise invalid(f"the workflow has no scene {scene_id!r}")


def _check_given(definition: dict[str, Any]) -> None:
    """Refuse a start without values that cannot be given later (assumed: the page tells no code for it)."""
    for section in ("parameters", "data_requirements"):
        for item in definition[section]:
            if is_missing(item) and not item.get("delay"):
                raise invalid(f"{section} {item['name']!r} has no value")


async def list_all(request: Request) -> Response:
    """List a workflow's executions, newest first unless asked otherwise; a new one may appear late."""
    workflow = workflow_of(request)
    world, query = world_of(request), request.query_params
    order = query.get("order", "desc")
    if order not in {"asc", "desc"}:
        raise invalid(f"order is asc or desc, not {order!r}")
    wanted = Filter(
        labels=tuple(label for label in query.get("labels", "").split(",") if label),
        status=query.get("status", ""),
        scene=query.get("scene_id", ""),
        created_until=time.time() - world.settings.current.list_lag,
    )
    offset, limit = page_of(request)
    # The order counts only together with a key to sort by.
    total, found = world.modelarts.executions.page(
        workflow.id,
        wanted,
        offset=offset,
        limit=limit,
        newest_first=order == "desc" or "sort_by" not in query,
    )
    return JSONResponse(envelope([views.execution(one) for one in found], total))


async def list_labels(request: Request) -> Response:
    """List the labels that a workflow's executions carry."""
    _, found = world_of(request).modelarts.executions.page(workflow_of(request).id, Filter())
    return JSONResponse(sorted({label for one in found for label in one.labels}))


async def show(request: Request) -> Response:
    """Show one execution."""
    return JSONResponse(views.execution(execution_of(request)))


async def update(request: Request) -> Response:
    """Change an execution's labels, and the parameters and data that its next steps will see."""
    execution = execution_of(request)
    body = await body_of(request)
    execution.definition = given(execution.definition, body)
    if "labels" in body:
        execution.labels = texts(body, "labels")
    world_of(request).modelarts.executions.save(execution)
    return JSONResponse(views.execution(execution))


async def delete(request: Request) -> Response:
    """Delete an execution; one that runs is ended."""
    world_of(request).modelarts.forget(execution_of(request))
    return Response(status_code=204)


async def act(request: Request) -> Response:
    """Stop or rerun an execution."""
    execution = execution_of(request)
    body = await body_of(request)
    cloud = world_of(request).modelarts
    action = body.get("action_name")
    if action == "stop":
        if execution.done:
            raise invalid(f"execution {execution.id} is {execution.status}, it cannot be stopped")
        cloud.machine.stop(execution)
    elif action == "rerun":
        names = _to_rerun(execution, body)
        execution.definition = given(execution.definition, body)
        cloud.machine.rerun(execution, names)
    else:
        raise invalid(f"action_name is stop or rerun, not {action!r}")
    cloud.runner.advance(execution)
    return JSONResponse(views.execution(execution), 201)


def _to_rerun(execution: Execution, body: dict[str, Any]) -> set[str]:
    """Return the steps to run again: those that are named, else all (assumed)."""
    if not execution.done:
        raise invalid(f"execution {execution.id} is {execution.status or 'init'}, it cannot be rerun")
    known = {step["name"] for step in execution.definition["steps"]}
    asked = set(texts(body.get("policies") or {}, "rerun_steps"))
    if asked - known:
        raise invalid(f"the workflow has no steps named {', '.join(sorted(asked - known))}")
    return asked or known


ROUTES = [
    Route(_EXECUTIONS, in_project(start), methods=["POST"]),
    Route(_EXECUTIONS, in_project(list_all), methods=["GET"]),
    Route(f"{_EXECUTIONS}/labels", in_project(list_labels), methods=["GET"]),
    Route(_ONE, in_project(show), methods=["GET"]),
    Route(_ONE, in_project(update), methods=["PUT"]),
    Route(_ONE, in_project(delete), methods=["DELETE"]),
    Route(f"{_ONE}/actions", in_project(act), methods=["POST"]),
]
