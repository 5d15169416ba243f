"""What the handlers share: ids in paths, bodies, pages, and the parameters and data that a caller gives."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.emulator.modelarts.errors import (
    execution_not_found,
    invalid,
    invalid_field,
    workflow_not_found,
)
from airflow_batch_provider.emulator.modelarts.validation import check_value
from airflow_batch_provider.emulator.world import world_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from airflow_batch_provider.emulator.modelarts.executions import Execution, StepRun
    from airflow_batch_provider.emulator.modelarts.workflows import Workflow

ROOT = "/v2/{project}/workflows"
_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_DEFAULT_LIMIT = 10


def workflow_of(request: Request) -> Workflow:
    """Return the workflow that a request's path names.

    Raises:
        ServiceError: 400, the id is no UUID of version 4, or names none.
    """
    workflow_id = _uuid4(request.path_params["workflow"])
    workflow = world_of(request).modelarts.workflows.get(workflow_id)
    if workflow is None:
        raise workflow_not_found(workflow_id)
    return workflow


def execution_of(request: Request) -> Execution:
    """Return the execution that a request's path names; raises as :func:`workflow_of`."""
    workflow = workflow_of(request)
    execution_id = _uuid4(request.path_params["execution"])
    execution = world_of(request).modelarts.executions.get(execution_id)
    if execution is None or execution.workflow_id != workflow.id:
        raise execution_not_found(execution_id)
    return execution


def step_of(request: Request) -> tuple[Execution, StepRun]:
    """Return the execution and the step that a request's path names; raises as :func:`workflow_of`."""
    execution = execution_of(request)
    step = execution.step(_uuid4(request.path_params["step"]))
    if step is None:
        raise invalid(f"step execution {request.path_params['step']} not found")
    return execution, step


def _uuid4(text: str) -> str:
    if not _UUID4.fullmatch(text):
        raise invalid_field("", "", "uuid4")
    return text


async def body_of(request: Request) -> dict[str, Any]:
    """Return a request's JSON object; no body is an empty one."""
    text = await request.body()
    try:
        body = json.loads(text or b"{}")
    except ValueError as error:
        raise invalid(str(error)) from None
    if not isinstance(body, dict):
        raise invalid("the body must be a JSON object")
    return body


def texts(body: dict[str, Any], key: str) -> list[str]:
    """Return a list of texts in a body, empty if it is not there."""
    value = body.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid(f"{key} is a list of strings")
    return value


def page_of(request: Request) -> tuple[int, int]:
    """Return offset and limit, both in rows; a page has ten unless another limit is asked for."""
    return _number(request, "offset", 0, 0), _number(request, "limit", _DEFAULT_LIMIT, 1)


def _number(request: Request, key: str, default: int, least: int) -> int:
    text = request.query_params.get(key, str(default))
    if not text.isdigit() or int(text) < least:
        raise invalid(f"{key} must be a number from {least}, not {text!r}")
    return int(text)


def envelope(items: Sequence[Any], total: int) -> dict[str, Any]:
    """Return a page as the service does."""
    return {"total": total, "count": len(items), "items": list(items)}


def given(definition: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Return a definition with the values that a caller gives for its parameters and data requirements.

    Raises:
        ServiceError: 400, a name is unknown or a value has the wrong type (assumed: no page tells).
    """
    changed = dict(definition)
    for section in ("parameters", "data_requirements"):
        asked = body.get(section) or []
        if not isinstance(asked, list) or not all(isinstance(item, dict) for item in asked):
            raise invalid(f"{section} is a list of objects")
        values = {item.get("name"): item.get("value") for item in asked}
        items = {item["name"]: item for item in definition.get(section) or []}
        for name, value in values.items():
            if name not in items:
                raise invalid(f"the workflow has no {section} named {name!r}")
            if value is not None and section == "parameters":
                check_value(items[name], value)
        changed[section] = [
            item | ({"value": values[name]} if values.get(name) is not None else {})
            for name, item in items.items()
        ]
    return changed
