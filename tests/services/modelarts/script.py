"""Drives a flow of the service by hand: answers in, requests out as they would be sent."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from airflow_batch_provider.jobs import JobRef
from airflow_batch_provider.services.modelarts.executions import ModelArtsWorkflows
from airflow_batch_provider.services.modelarts.project import Project
from airflow_batch_provider.services.modelarts.regions import endpoints
from tests.services.script import Played, carry_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_batch_provider.flow import Flow

EXAMPLE = json.loads((Path(__file__).parent / "create_workflow_example.json").read_text())
WORKFLOW_ID = "f1642618-43eb-4ab1-a0b1-9cc584182c60"
EXECUTION_ID = "46c682b6-0310-4774-9c8e-62d7fb7e0b55"
STEP_ID = "54979c30-cc48-4eaa-8b0f-b6eb6e000bb5"
MARKER = "airflow-" + "0a1b2c3d" * 3
NOON = 1_800_000_000.0
PROJECT = Project(endpoints("cn-north-4"), "cn-north-4", "p1")
SERVICE = ModelArtsWorkflows(PROJECT, now=lambda: NOON)
BASE = "/v2/p1/workflows"
EXECUTION = f"{BASE}/{WORKFLOW_ID}/executions/{EXECUTION_ID}"
REF = JobRef(
    "modelarts",
    EXECUTION_ID,
    {"project_id": "p1", "workflow_id": WORKFLOW_ID, "on_waiting_inputs": "fail"},
    NOON,
    url="https://console/e",
)


def play(flow: Flow[Any], answers: Iterable[Any] | Callable[[httpx.Request], Any] = ()) -> Played:
    """Run a flow to its end."""
    return carry_out(Played(), flow, answers)


def ok(body: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body)


def refused(
    status: int, code: str = "ModelArts.0001", message: str = "No.", **headers: str
) -> httpx.Response:
    return httpx.Response(status, json={"error_code": code, "error_msg": message}, headers=headers)


def items(*rows: Any) -> httpx.Response:
    return ok({"total": len(rows), "count": len(rows), "items": list(rows), "default_order": "asc"})


def workflow(**fields: Any) -> dict[str, Any]:
    """Return the example as the service describes it once it exists."""
    made = {"workflow_id": WORKFLOW_ID, "created_at": "2022-09-09T11:28:29.639658+08:00", "param_ready": True}
    return {**copy.deepcopy(EXAMPLE), **made, **fields}


def execution(status: str | None = "running", *steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return an execution in the shape of the recorded answers."""
    told = {
        "created_at": "2022-11-01T21:36:04.264564372+08:00",
        "name": "execution-065",
        "execution_id": EXECUTION_ID,
        "description": "",
        "workspace_id": "0",
        "workflow_id": WORKFLOW_ID,
        "workflow_name": "digits",
        "steps_execution": list(steps) or None,
        "duration": 0,
        "policies": {},
    }
    return {**told, **({"status": status} if status else {}), **fields}


def step(name: str, status: str, **fields: Any) -> dict[str, Any]:
    return {"step_name": name, "status": status, "uuid": STEP_ID, "instance_id": '{"a": 1}', **fields}


GONE = {"workflow": "ModelArts.7512", "execution": "ModelArts.7511"}
HTML = httpx.Response(200, html="<!DOCTYPE html><title>Sign in</title>")
