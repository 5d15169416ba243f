"""Steps of executions over HTTP: list, metrics, retry, stop, continue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.routing import Route

from airflow_batch_provider.emulator.modelarts import views
from airflow_batch_provider.emulator.modelarts.access import in_project
from airflow_batch_provider.emulator.modelarts.errors import invalid
from airflow_batch_provider.emulator.modelarts.executions import (
    STEP_BAD,
    STEP_WAITS,
    Execution,
    Filter,
    StepRun,
)
from airflow_batch_provider.emulator.modelarts.paths import (
    ROOT,
    body_of,
    envelope,
    given,
    page_of,
    step_of,
    workflow_of,
)
from airflow_batch_provider.emulator.world import world_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from airflow_batch_provider.emulator.modelarts.machine import Machine

_STEP = f"{ROOT}/{{workflow}}/executions/{{execution}}/step-executions/{{step}}"


async def list_all(request: Request) -> Response:
    """List the steps of all of a workflow's executions, paged by rows."""
    newest_first = request.query_params.get("order", "desc") == "desc"
    _, found = world_of(request).modelarts.executions.page(
        workflow_of(request).id, Filter(), newest_first=newest_first
    )
    steps = [views.step(one, step) for one in found for step in one.steps]
    offset, limit = page_of(request)
    return JSONResponse(
        envelope(steps[offset : offset + limit], len(steps))
        | {"default_order": "desc", "compare_columns": {"parameters": [], "metrics": []}}
    )


async def show_metrics(request: Request) -> Response:
    """Show a step's metrics."""
    return JSONResponse(views.metrics(step_of(request)[1]))


async def act(request: Request) -> Response:
    """Retry, stop or continue a step; values may come with it."""
    execution, step = step_of(request)
    body = await body_of(request)
    cloud = world_of(request).modelarts
    execution.definition = given(execution.definition, body)
    _do(cloud.machine, execution, step, body.get("action_name"))
    cloud.runner.advance(execution)
    now = next((one for one in execution.steps if one.name == step.name), step)
    return JSONResponse(views.step(execution, now), 201)


def _do(machine: Machine, execution: Execution, step: StepRun, action: object) -> None:
    allowed = {
        "retry": step.status in STEP_BAD,
        "stop": not step.done,
        "continue": step.status in STEP_WAITS,
    }
    if action not in allowed:
        raise invalid(f"action_name is retry, stop or continue, not {action!r}")
    if not allowed[str(action)]:
        raise invalid(f"step {step.name} is {step.status}, it cannot {action}")
    if action == "retry":
        machine.rerun(execution, {step.name})
    elif action == "stop":
        machine.stop_step(step)
    else:
        machine.release(step)


ROUTES = [
    Route(f"{ROOT}/{{workflow}}/step-executions", in_project(list_all), methods=["GET"]),
    Route(f"{_STEP}/metrics", in_project(show_metrics), methods=["GET"]),
    Route(f"{_STEP}/actions", in_project(act), methods=["POST"]),
]
