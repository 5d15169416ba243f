"""`ModelArtsExecutionSensor` on the emulator, over real HTTP."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSensorTimeout
from structlog.testing import capture_logs

from airflow_batch_provider import errors
from airflow_batch_provider.operators.modelarts import ModelArtsWorkflowOperator
from airflow_batch_provider.sensors import ModelArtsExecutionSensor

POLL = {"method": "GET", "path": "/executions/[^/]+$"}
both_ways = pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])


@pytest.fixture
def started(modelarts, task):
    """Start an execution whose step goes as it is told to; return the sensor's arguments for it."""

    def start(by="workflow_id", **emulator):
        step = {"name": "train", "type": "model", "properties": {"emulator": {"run_seconds": 0.5} | emulator}}
        flow = {"name": f"watched-{uuid4().hex[:8]}", "steps": [step]}
        job = task.run(ModelArtsWorkflowOperator(task_id="start", workflow=flow, wait_for_completion=False))
        ids = {"workflow_id": modelarts.job(job["id"])["workflow"], "workflow_name": flow["name"]}
        return {"execution_id": job["id"], by: ids[by]}

    return start


def sensor(**arguments):
    return ModelArtsExecutionSensor(task_id="task", poke_interval=0.3, **{"timeout": 30, **arguments})


def stops(modelarts):
    return [one for one in modelarts.requests() if one["path"].endswith("/actions")]


@both_ways
@pytest.mark.parametrize("by", ["workflow_id", "workflow_name"])
@pytest.mark.parametrize("modelarts", ["aksk", "token"], indirect=True)
def test_an_execution_that_another_task_started_is_waited_for(task, started, by, deferrable):
    """The sensor needs the ids alone, and returns the execution."""
    which = started(by)

    found = task.run(sensor(**which, deferrable=deferrable))

    assert (found["id"], found["status"]) == (which["execution_id"], "completed")
    assert which["execution_id"] in task.instance.xcoms["_link_ModelArtsExecutionLink"]


@both_ways
def test_the_sensor_fails_with_the_execution(task, started, deferrable):
    """At once, with the step's own words and the execution's id."""
    which = started(status="failed", error="no convergence")

    with pytest.raises(errors.JobFailed, match=f"no convergence.*{which['execution_id']}"):
        task.run(sensor(**which, deferrable=deferrable))


@both_ways
def test_the_sensor_leaves_an_execution_alone_when_it_times_out(modelarts, task, started, deferrable):
    """A timeout of the sensor is Airflow's, and nothing is stopped."""
    with pytest.raises(AirflowSensorTimeout):
        task.run(sensor(**started(run_seconds=100000), deferrable=deferrable, timeout=1))

    assert stops(modelarts) == []


@both_ways
def test_a_step_that_waits_for_a_person_ends_the_wait(modelarts, task, started, deferrable):
    """The error says what the step wants."""
    with pytest.raises(errors.JobBlocked, match="Step 'train' is on hold"):
        task.run(sensor(**started(hold=True), deferrable=deferrable))

    assert stops(modelarts) == []


def test_the_sensor_waits_for_a_person_if_the_user_says_so(task, started):
    """It says what the step wants, and goes on."""
    with capture_logs() as logs, pytest.raises(AirflowSensorTimeout):
        task.run(sensor(**started(hold=True), on_waiting_inputs="wait", timeout=2))

    assert "on hold" in json.dumps(logs, default=str)


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(
    "fault",
    [{"action": "status", "status": 503}, {"action": "html"}, {"action": "drop_before"}],
    ids=lambda fault: fault["action"],
)
def test_trouble_passes(modelarts, task, started, fault):
    """Whatever goes wrong between two looks, the execution is returned."""
    which = started("workflow_name")
    modelarts.fail(**fault, match={"method": "GET"}, times=5)

    assert task.run(sensor(**which))["state"] == "succeeded"


def test_an_outage_that_does_not_end_is_told(modelarts, task, started):
    """With the execution's id."""
    which = started(run_seconds=100000)
    modelarts.fail(action="status", status=503, match=POLL)

    with pytest.raises(errors.ServiceUnavailable, match=which["execution_id"]):
        task.run(sensor(**which, outage_tolerance=1))


def test_ids_that_are_none_are_told(modelarts, task):
    """Before anything is asked."""
    with pytest.raises(errors.InvalidInput, match="execution_id is 'None'"):
        task.run(sensor(execution_id="{{ none }}", workflow_id=str(uuid4())))
    with pytest.raises(errors.InvalidInput, match="workflow_id is 'digits'"):
        task.run(sensor(execution_id=str(uuid4()), workflow_id="digits"))
    assert modelarts.requests() == []


def test_a_sensor_is_mapped(modelarts, task, started):
    """Each task instance waits for its own execution."""
    which = started()
    with DAG("dag", schedule=None):
        mapped = ModelArtsExecutionSensor.partial(
            task_id="task", poke_interval=0.3, workflow_id=which["workflow_id"]
        ).expand(execution_id=["unused", "{{ word }}"])
    task.instance.map_index = 1
    context = {**task.context(), "dag": mapped.dag, "word": which["execution_id"]}
    mapped.render_template_fields(context)

    assert context["task"].execute(context)["id"] == which["execution_id"]
