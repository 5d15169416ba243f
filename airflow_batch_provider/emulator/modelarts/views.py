"""Executions as the service shows them. Keys and oddities: recorded answers.

Oddities kept on purpose: a new execution has no ``status`` and ``steps_execution`` null; ``duration`` is a
number; ``instance_id`` is an object for one type of step and JSON text for another.
"""

from __future__ import annotations

import json
import time
import uuid
from itertools import pairwise
from typing import Any

from airflow_batch_provider.emulator.modelarts.clock import event, timestamp
from airflow_batch_provider.emulator.modelarts.executions import FINAL, STEP_FINAL, Execution, StepRun

_FAILED = "ModelArts.0010"


def execution(one: Execution) -> dict[str, Any]:
    """Return an execution as GET and LIST do."""
    if one.status is None:
        return created(one) | {"labels": one.labels}
    return created(one) | {
        "labels": one.labels,
        "status": one.status,
        "steps_execution": [step(one, run) for run in one.steps],
        "duration": _duration(one.created_at, one.states, FINAL),
        "events": _events("init", one.states),
        "sub_graphs": one.definition.get("sub_graphs") or [],
        "scene_id": one.scene_id,
        "scene_name": one.scene_name,
    }


def created(one: Execution) -> dict[str, Any]:
    """Return an execution as the answer to its start does."""
    return {
        "created_at": timestamp(one.created_at),
        "name": one.name,
        "execution_id": one.id,
        "description": one.description,
        "workspace_id": one.definition.get("workspace_id", "0"),
        "workflow_id": one.workflow_id,
        "workflow_name": one.workflow_name,
        "steps_execution": None,
        "duration": 0,
        "data_requirements": one.definition.get("data_requirements") or [],
        "parameters": one.definition.get("parameters") or [],
        "policies": one.policies,
    }


def brief(one: Execution) -> dict[str, Any]:
    """Return an execution as a workflow shows its latest."""
    current = [run.name for run in one.steps if not run.done]
    return {
        "execution_id": one.id,
        "created_at": timestamp(one.created_at),
        "status": one.status or "init",
        "running_steps": current,
        "current_steps": current,
        "duration": _duration(one.created_at, one.states, FINAL),
    }


def step(one: Execution, run: StepRun) -> dict[str, Any]:
    """Return a step that an execution has begun."""
    definition = one.defined(run.name)
    kind = str(definition.get("type"))
    began = float(run.states[0][1])
    shown: dict[str, Any] = {
        "created_at": timestamp(began),
        "updated_at": timestamp(float(run.states[-1][1])),
        "uuid": run.uuid,
        "instance_id": _instance(run, kind),
        "execution_uuid": one.id,
        "execution_name": one.name,
        "step_name": run.name,
        "step_title": definition.get("title", run.name),
        "type": kind,
        "status": run.status,
        "duration": _duration(began, run.states, STEP_FINAL),
        "inputs": run.inputs or definition.get("inputs") or [],
        "outputs": run.outputs or definition.get("outputs") or [],
        "properties": run.properties or definition.get("properties") or {},
        "events": _events("", run.states),
        "policy": definition.get("policy") or {},
    }
    if kind == "condition":
        shown["conditions"] = definition.get("conditions") or []
        if run.verdict is not None:
            # Assumed: what was compared, by its text, with what it was.
            compared = [
                {"key": str(item.get("left")), "value": item.get("right")} for item in shown["conditions"]
            ]
            shown["conditions_execution"] = {"result": run.verdict, "metric_list": compared}
    if run.error is not None and run.status in STEP_FINAL:
        shown["error_info"] = {"error_code": _FAILED, "error_message": run.error}
    return shown


def metrics(run: StepRun) -> list[dict[str, Any]]:
    """Return a step's metrics: a bare list."""
    made = timestamp(float(run.states[-1][1]))
    return [
        {
            "created_at": made,
            "key": metric["key"],
            "title": metric.get("title", metric["key"]),
            "type": metric.get("type", "float"),
            "data": metric.get("data") or {},
        }
        for metric in run.metrics
    ]


def waiting(one: Execution, run: StepRun) -> dict[str, Any]:
    """Return a step that waits for someone, as the to-do list does."""
    return {
        "time": timestamp(float(run.states[-1][1])),
        "duration": int(time.time() - float(run.states[-1][1])),
        "workflow_id": one.workflow_id,
        "workflow_name": one.workflow_name,
        "execution_id": one.id,
        "step_name": run.name,
        "step_title": one.defined(run.name).get("title", run.name),
        "status": run.status,
    }


def _instance(run: StepRun, kind: str) -> Any:
    if run.status in {"init", "wait_inputs", "hold", "pending", "skipped"} or kind == "condition":
        return ""
    if kind == "job":
        return {"training_job_id": training_job(run)}
    return json.dumps({f"{kind}_id": _made(run, kind)})


def training_job(run: StepRun) -> str:
    """Return the id of the training job that a step is."""
    return _made(run, "job")


def _made(run: StepRun, kind: str) -> str:
    # The same at each look, and unlike the step's own.
    return str(uuid.uuid5(uuid.UUID(run.uuid), kind))


def _duration(began: float, states: list[list[Any]], final: frozenset[str]) -> int:
    ended = states[-1][1] if states and states[-1][0] in final else time.time()
    return int(ended - began)


def _events(first: str, states: list[list[Any]]) -> list[str]:
    named = [
        *([first] if first and (not states or states[0][0] != first) else []),
        *(name for name, _ in states),
    ]
    times = [at for _, at in states][-(len(named) - 1) :] if len(named) > 1 else []
    return [event(at, *pair) for at, pair in zip(times, pairwise(named), strict=True)]
