"""Workflows over HTTP: create, list, show, change, delete."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_batch_provider.emulator.modelarts import views, workflows
from airflow_batch_provider.emulator.modelarts.access import in_project
from airflow_batch_provider.emulator.modelarts.errors import invalid, workflow_not_found
from airflow_batch_provider.emulator.modelarts.executions import STEP_WAITS, Filter
from airflow_batch_provider.emulator.modelarts.paths import (
    ROOT,
    body_of,
    envelope,
    page_of,
    texts,
    workflow_of,
)
from airflow_batch_provider.emulator.modelarts.validation import check_workflow
from airflow_batch_provider.emulator.modelarts.workflows import Workflow
from airflow_batch_provider.emulator.world import world_of

if TYPE_CHECKING:
    from starlette.requests import Request

_MODES = ("steps", "source_workflow_id", "gallery_subscription")
_COPIED = ("steps", "data", "data_requirements", "parameters", "storages", "sub_graphs", "policy", "assets")
_SORTS = {"name": lambda one: one.name, "create_time": lambda one: one.created_at}


async def create(request: Request) -> Response:
    """Create a workflow from steps, from another one, or from AI Gallery: exactly one of these."""
    body = await body_of(request)
    modes = [mode for mode in _MODES if body.get(mode)]
    if len(modes) != 1:
        raise invalid(f"exactly one of {', '.join(_MODES)} is required, not {len(modes)}")
    if modes == ["source_workflow_id"]:
        body = _copied(request, body)
    elif modes == ["gallery_subscription"]:
        body = _from_gallery(body)
    texts(body, "labels")
    check_workflow(body)
    workflow = workflows.make(body)
    world_of(request).modelarts.workflows.save(workflow)
    return JSONResponse(_shown(request, workflow), 201)


def _copied(request: Request, body: dict[str, Any]) -> dict[str, Any]:
    source = world_of(request).modelarts.workflows.get(str(body["source_workflow_id"]))
    if source is None:
        raise workflow_not_found(str(body["source_workflow_id"]))
    return {key: source.definition[key] for key in _COPIED if key in source.definition} | body


def _from_gallery(body: dict[str, Any]) -> dict[str, Any]:
    """Return a workflow of one step that only takes its time: the emulator has no gallery."""
    subscription = body["gallery_subscription"]
    if not isinstance(subscription, dict) or not subscription.get("content_id"):
        raise invalid("gallery_subscription.content_id is required")
    step = {"name": "gallery_step", "title": "gallery_step", "type": "job", "properties": {}, "policy": {}}
    return body | {"steps": [step], "source": "ai_gallery"}


async def list_all(request: Request) -> Response:
    """List workflows, filtered by name, description, status, labels or template, and paged by rows."""
    query = request.query_params
    found = [one for one in world_of(request).modelarts.workflows.all() if _fits(request, one)]
    sort = query.get("sort_by", "create_time")
    if sort not in _SORTS:
        raise invalid(f"sort_by is one of {', '.join(_SORTS)}, not {sort!r}")
    found.sort(key=_SORTS[sort], reverse=query.get("order") == "desc")
    offset, limit = page_of(request)
    page = [_shown(request, one) for one in found[offset : offset + limit]]
    return JSONResponse(envelope(page, len(found)) | {"default_order": "asc"})


def _fits(request: Request, workflow: Workflow) -> bool:
    query = request.query_params
    definition = workflow.definition
    labels = [label for label in query.get("labels", "").split(",") if label]
    exact = query.get("search_type", "contain") == "equal"
    if any(label not in definition["labels"] for label in labels):
        return False
    if query.get("template_id", definition.get("exeml_template_id")) != definition.get("exeml_template_id"):
        return False
    if "status" in query and _status(request, workflow) != query["status"]:
        return False
    return all(
        query[key] == definition.get(key) if exact else query[key] in str(definition.get(key, ""))
        for key in ("name", "description")
        if key in query
    )


async def show(request: Request) -> Response:
    """Show one workflow."""
    return JSONResponse(_shown(request, workflow_of(request)))


async def update(request: Request) -> Response:
    """Change what a workflow may have changed; other keys are ignored."""
    workflow = workflow_of(request)
    body = await body_of(request)
    texts(body, "labels")
    changed = workflow.definition | {key: body[key] for key in workflows.CHANGEABLE if key in body}
    check_workflow(changed)
    workflow.definition, workflow.changed_at = changed, time.time()
    world_of(request).modelarts.workflows.save(workflow)
    return JSONResponse(_shown(request, workflow))


async def delete(request: Request) -> Response:
    """Delete a workflow and its executions; those that run are ended."""
    workflow = workflow_of(request)
    cloud = world_of(request).modelarts
    for execution in cloud.executions.page(workflow.id, Filter())[1]:
        cloud.forget(execution)
    cloud.workflows.delete(workflow.id)
    return Response(status_code=204)


async def labels(request: Request) -> Response:
    """List the labels that workflows carry (shape assumed: as those of executions)."""
    found = {
        label for one in world_of(request).modelarts.workflows.all() for label in one.definition["labels"]
    }
    return JSONResponse(sorted(found))


async def overview(request: Request) -> Response:
    """Count workflows by the status of their last execution."""
    found = world_of(request).modelarts.workflows.all()
    return JSONResponse({"total": len(found), "stat": Counter(_status(request, one) for one in found)})


async def todolist(request: Request) -> Response:
    """List the steps that wait for someone."""
    found = [
        views.waiting(execution, step)
        for execution in world_of(request).modelarts.executions.unfinished()
        for step in execution.steps
        if step.status in STEP_WAITS
    ]
    return JSONResponse(envelope(found, len(found)))


def _status(request: Request, workflow: Workflow) -> str:
    latest = _latest(request, workflow)
    return str(latest["status"]) if latest else "init"


def _latest(request: Request, workflow: Workflow) -> dict[str, Any] | None:
    found = world_of(request).modelarts.executions.page(workflow.id, Filter(), limit=1)[1]
    return views.brief(found[0]) if found else None


def _shown(request: Request, workflow: Workflow) -> dict[str, Any]:
    user = world_of(request).modelarts.account.user
    return workflows.view(workflow, user, _latest(request, workflow))


ROUTES = [
    Route(ROOT, in_project(create), methods=["POST"]),
    Route(ROOT, in_project(list_all), methods=["GET"]),
    Route(f"{ROOT}/labels", in_project(labels), methods=["GET"]),
    Route(f"{ROOT}/overview", in_project(overview), methods=["GET"]),
    Route(f"{ROOT}/todolist", in_project(todolist), methods=["GET"]),
    Route(f"{ROOT}/{{workflow}}", in_project(show), methods=["GET"]),
    Route(f"{ROOT}/{{workflow}}", in_project(update), methods=["PUT"]),
    Route(f"{ROOT}/{{workflow}}", in_project(delete), methods=["DELETE"]),
]
