"""Bad input to the operators of ModelArts: each says what to do, before anything is started."""

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

ID = "f1642618-43eb-4ab1-a0b1-9cc584182c60"
STEPS = [{"name": "train", "type": "model", "properties": {"emulator": {"run_seconds": 0.1}}}]


def operator(**arguments):
    return ModelArtsWorkflowOperator(task_id="task", **arguments)


@pytest.fixture
def flow(modelarts, task):
    """Create a workflow with a parameter of each kind that can go wrong."""
    creating = ModelArtsCreateWorkflowOperator(
        task_id="create",
        name=f"digits-{uuid4().hex[:8]}",
        steps=STEPS,
        parameters=[
            {"name": "epochs", "type": "int", "default": 1, "used_steps": ["train"]},
            {"name": "rate", "type": "float", "delay": True, "used_steps": ["train"]},
        ],
        data_requirements=[{"name": "letters", "type": "obs", "value": {"obs_url": "/lab/in/"}}],
    )
    found = task.run(creating)
    modelarts.reset()
    return found


@pytest.mark.parametrize(
    ("make", "arguments", "told"),
    [
        (operator, {}, "Say which workflow"),
        (operator, {"workflow_id": ID, "workflow_name": "x"}, "workflow_id and workflow_name are given"),
        (operator, {"workflow_id": ID, "on_waiting_inputs": "hope"}, "Use one of 'fail', 'wait'"),
        (operator, {"workflow_id": ID, "on_retry": "hope"}, "on_retry is 'hope'"),
        (operator, {"workflow_id": ID, "poll_interval": 0}, "poll_interval is 0"),
        (ModelArtsCreateWorkflowOperator, {"task_id": "t", "if_exists": "x"}, "'reuse', 'update', 'fail'"),
        (ModelArtsDeleteWorkflowOperator, {"task_id": "t"}, "Say which workflow"),
        (ModelArtsExecutionSensor, {"task_id": "t", "execution_id": ID}, "Say which workflow"),
    ],
)
def test_what_cannot_work_breaks_the_dag_file(make, arguments, told):
    """Literals are checked when the DAG is parsed."""
    with pytest.raises(errors.InvalidInput, match=told):
        make(**arguments)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"workflow_id": "digits"}, "workflow_id is 'digits'.*give workflow_name"),
        ({"workflow_id": "{{ none }}"}, "workflow_id is 'None'. Did a template"),
        ({"workflow_name": "1x"}, "workflow_name is '1x'"),
        ({"workflow": "flow"}, "workflow is 'flow', a text"),
        ({"workflow": {"name": "x"}}, "none of steps, source_workflow_id, gallery_subscription is given"),
        ({"workflow_id": ID, "parameters": "/nowhere/gone.yml"}, "gone.yml"),
        ({"workflow_id": ID, "parameters": {"": 1}}, "parameters has the name ''"),
        ({"workflow_id": ID, "labels": "red"}, "Give a list of texts"),
        ({"workflow_id": ID, "use_cache": "maybe"}, "use_cache is 'maybe'"),
        ({"workflow_id": ID, "on_waiting_inputs": "{{ 'hope' }}"}, "on_waiting_inputs is 'hope'"),
        ({"workflow_id": ID, "timeout": "{{ 'soon' }}"}, "timeout is 'soon'"),
    ],
)
def test_bad_input_is_told_before_any_request(modelarts, task, tmp_path, arguments, told):
    """The message names the field, the value and what to do; nothing was sent."""
    with pytest.raises(errors.InvalidInput, match=told):
        task.run(operator(**arguments))

    assert modelarts.requests() == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"parameters": {"epochs": "many", "rate": 1}}, r"parameters\['epochs'\] is 'many'.*type int"),
        ({"parameters": {"epoch": 1, "rate": 1}}, "parameters is 'epoch'.*Did you mean 'epochs'"),
        ({"parameters": {"epochs": 1}}, r"no value for parameter 'rate' \(float\)"),
        ({"parameters": {"rate": 1}, "data": {"letters": "s3://x/"}}, r"data\['letters'\] is 's3://x/'"),
        ({"parameters": {"rate": 1}, "data": {"digits": "/lab/in/"}}, "no such data requirement"),
    ],
)
def test_what_the_workflow_does_not_take_is_told_before_it_is_started(modelarts, task, flow, arguments, told):
    """It was looked up, and nothing was started."""
    with pytest.raises(errors.InvalidInput, match=told):
        task.run(operator(workflow_id=flow["workflow_id"], **arguments))

    assert not [one for one in modelarts.requests() if one["method"] != "GET"]


def test_an_unknown_name_offers_those_that_are_like_it(modelarts, task, flow):
    """A misspelt name is no riddle."""
    with pytest.raises(errors.NotFound, match=f"Did you mean.*{flow['name']}"):
        task.run(operator(workflow_name=f"{flow['name']}x"))


def test_two_workflows_of_one_name_are_told_apart(modelarts, task, flow):
    """The service allows it, so the ids are told."""
    hook = ModelArtsHook()
    service = hook.get_conn()
    hook.run(service.workflows.create(ModelArtsHook.definition({"name": flow["name"], "steps": STEPS})))

    with pytest.raises(errors.InvalidInput, match=f"2 workflows are named.*{flow['workflow_id']}"):
        task.run(operator(workflow_name=flow["name"]))


@pytest.mark.parametrize(
    ("changes", "kind", "told"),
    [
        (
            {"host": "", "extra": {"region": "cn-nort-4", "iam_endpoint": ""}},
            errors.InvalidInput,
            "Did you mean cn-north-4",
        ),
        (
            {"extra": {"project_id": "0" * 32}},
            errors.PermissionDenied,
            "The credential is of another project",
        ),
        ({"extra": {"project_id": "a/b"}}, errors.InvalidInput, "project_id is 'a/b'"),
        ({"password": ""}, errors.InvalidInput, r"lacks password \(secret key\)"),
        ({"password": "wrong"}, errors.AuthenticationFailed, "secret key"),
        ({"login": "NOBODY"}, errors.AuthenticationFailed, "access key"),
        ({"extra": {"security_token": "x"}}, None, ""),
        ({"extra": {"auth": "magic"}}, errors.InvalidInput, "auth is 'magic'"),
        ({"host": "http://modelarts.example.com"}, errors.InvalidInput, "TLS"),
    ],
)
def test_a_connection_that_cannot_work_is_told(  # noqa: PLR0917  # fixtures and the table
    modelarts, task, flow, monkeypatch, changes, kind, told
):
    """The message says which field of the connection is wrong; nothing was started."""
    found = json.loads(json.dumps(modelarts.connection))
    extra = found["extra"] | changes.get("extra", {})
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps({**found, **changes, "extra": extra}))
    started = operator(workflow_id=flow["workflow_id"], parameters={"rate": 1}, wait_for_completion=False)

    if kind is None:
        task.run(started)
        return
    with pytest.raises(kind, match=told):
        task.run(started)
    assert not [
        one for one in modelarts.requests() if one["path"].endswith("/executions") and one["status"] == 201
    ]


def test_a_path_of_another_regions_bucket_is_told(modelarts, monkeypatch):
    """OBS points elsewhere; it is said that this is about the region."""
    modelarts.fail(action="status", status=301, match={"plane": "obs"})

    with pytest.raises(errors.InvalidInput, match="in its own region only"):
        ModelArtsHook().read_file("obs://lab/in/a.txt")
