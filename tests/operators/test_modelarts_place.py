"""Region and project of a task's own, instead of its connection's."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from airflow_batch_provider import errors
from airflow_batch_provider.hooks.modelarts import ModelArtsHook
from airflow_batch_provider.operators.modelarts import (
    ModelArtsCreateWorkflowOperator,
    ModelArtsDeleteWorkflowOperator,
    ModelArtsWorkflowOperator,
)
from airflow_batch_provider.sensors import ModelArtsExecutionSensor

STEPS = [{"name": "train", "type": "model", "properties": {"emulator": {"run_seconds": 0.1}}}]
both_ways = pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
both_kinds = pytest.mark.parametrize("modelarts", ["aksk", "token"], indirect=True)


@pytest.fixture
def elsewhere(modelarts, monkeypatch):
    """Have the connection name a project and a region where none of the emulator's is; return these."""
    found = json.loads(json.dumps(modelarts.connection))
    here = {name: found["extra"][name] for name in ("region", "project_id")}
    found["extra"] |= {"region": "cn-east-3", "project_id": "0" * 32}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(found))
    return here


@both_kinds
@both_ways
@pytest.mark.parametrize("given", [("region",), ("region", "project_id")], ids=" and ".join)
def test_each_task_may_work_in_a_region_of_its_own(modelarts, task, elsewhere, given, deferrable):
    """With templates: create, start, wait, follow and delete where the task says, in the triggerer, too."""
    place = {name: f"{{{{ params.{name} }}}}" for name in given}
    name = f"flow-{uuid4().hex[:8]}"

    made = task.run(
        ModelArtsCreateWorkflowOperator(task_id="create", name=name, steps=STEPS, **place), **elsewhere
    )
    job = task.run(
        ModelArtsWorkflowOperator(
            task_id="task", workflow_name=name, deferrable=deferrable, poll_interval=0.2, **place
        ),
        **elsewhere,
    )
    followed = task.run(
        ModelArtsExecutionSensor(
            task_id="follow",
            workflow_id=made["workflow_id"],
            execution_id=job["id"],
            deferrable=deferrable,
            poke_interval=0.2,
            timeout=20,
            **place,
        ),
        **elsewhere,
    )
    gone = task.run(
        ModelArtsDeleteWorkflowOperator(task_id="delete", workflow_name=name, **place), **elsewhere
    )

    assert (job["status"], followed["status"], gone) == ("completed", "completed", True)
    asked = {one["path"].split("/")[2] for one in modelarts.requests() if one["path"].startswith("/v2/")}
    assert asked == {elsewhere["project_id"]}


@both_kinds
def test_a_project_of_the_tasks_own_is_asked(modelarts, task, elsewhere):
    """With the project alone, nothing is looked up by the region."""
    hook = ModelArtsHook(project_id=elsewhere["project_id"])

    assert hook.run(hook.get_conn().workflows.list(pages=1)) is not None
    assert not [one for one in modelarts.requests() if one["path"].endswith("/projects")]


def test_a_killed_task_stops_its_execution_where_it_runs(modelarts, task, elsewhere):
    """The kill goes to the task's project, not to the connection's."""
    endless = [{**STEPS[0], "properties": {"emulator": {"run_seconds": 100000}}}]
    workflow = {"name": f"flow-{uuid4().hex[:8]}", "steps": endless}
    started = ModelArtsWorkflowOperator(
        task_id="task", workflow=workflow, wait_for_completion=False, region=elsewhere["region"]
    )
    job = task.run(started)

    started.on_kill()

    modelarts.wait_for_status(job["id"], "stopped")


def test_a_region_without_a_project_is_told(modelarts, task):
    """Nothing is asked for in the wrong project."""
    with pytest.raises(errors.InvalidInput, match=r"region is 'af-south-1'.*no projects"):
        task.run(ModelArtsWorkflowOperator(task_id="task", workflow_name="x", region="af-south-1"))

    assert not [one for one in modelarts.requests() if "/workflows" in one["path"]]


@both_kinds
@both_ways
def test_a_retry_in_another_region_takes_up_the_execution_where_it_runs(modelarts, task, deferrable):
    """The region is a template that says something else by then; what was started is followed to its end."""
    flow = {"name": f"flow-{uuid4().hex[:8]}", "steps": STEPS}
    settings = {"task_id": "task", "workflow": flow, "region": "{{ params.region }}", "poll_interval": 0.2}
    first = task.run(ModelArtsWorkflowOperator(wait_for_completion=False, **settings), region="cn-north-4")
    task.instance.try_number = 2

    second = task.run(ModelArtsWorkflowOperator(deferrable=deferrable, **settings), region="cn-east-3")

    assert (second["id"], second["status"]) == (first["id"], "completed")
