"""Bad input to the operators of ModelArts: each says what to do, before anything is started."""

from __future__ import annotations

import json
import time
from uuid import uuid4

import pytest

from airflow_batch_provider import errors
from airflow_batch_provider.auth import obs_keys_of
from airflow_batch_provider.auth.huawei_aksk import AkSkAuth
from airflow_batch_provider.hooks.modelarts import ModelArtsHook
from airflow_batch_provider.operators.modelarts import (
    ModelArtsCreateWorkflowOperator,
    ModelArtsDeleteWorkflowOperator,
    ModelArtsWorkflowOperator,
)
from airflow_batch_provider.sensors import ModelArtsExecutionSensor
from tests.secret_scan import IAM_PASSWORD

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
        (
            {"parameters": {"epoch": 1, "rate": 1}},
            r"parameters\['epoch'\]: the workflow 'digits-.*Did you mean 'epochs'",
        ),
        ({"parameters": {"epochs": 1}}, r"no value for parameter 'rate' \(float\)"),
        ({"parameters": {"rate": 1}, "data": {"letters": "s3://x/"}}, r"data\['letters'\] is 's3://x/'"),
        (
            {"parameters": {"rate": 1}, "data": {"digits": "/lab/in/"}},
            r"data\['digits'\]: .* no such data requirement",
        ),
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
    starting = operator(workflow_id=flow["workflow_id"], parameters={"rate": 1}, wait_for_completion=False)

    if kind is None:
        task.run(starting)
        return
    with pytest.raises(kind, match=told):
        task.run(starting)
    assert started(modelarts) == []


def connection_named(conn_id, fields, monkeypatch):
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))
    hook = ModelArtsHook(conn_id)
    hook.open()
    return hook.connection


def started(modelarts):
    return [
        one for one in modelarts.requests() if one["path"].endswith("/executions") and one["status"] == 201
    ]


@pytest.mark.parametrize(("wrong_by", "told"), [(-3600, "60 minutes behind"), (1200, "20 minutes ahead of")])
def test_a_clock_that_is_wrong_is_told(  # noqa: PLR0917  # fixtures and the table
    modelarts, task, flow, monkeypatch, wrong_by, told
):
    """The service refuses the signature as it would a wrong key; the message says which it is."""
    monkeypatch.setattr(AkSkAuth.__init__, "__defaults__", (lambda: time.time() + wrong_by,))

    with pytest.raises(errors.AuthenticationFailed, match=f"clock is {told} the service's.*NTP"):
        task.run(operator(workflow_id=flow["workflow_id"], parameters={"rate": 1}))

    assert started(modelarts) == []


def test_temporary_keys_are_good_until_they_expire(modelarts, task, flow, monkeypatch):
    """Their token travels with the signature; once they have expired, the message says so."""
    user = {"auth": "token", "iam_user": "emulator", "iam_domain": "emulator"}
    own = modelarts.connection["extra"]
    by_token = {**modelarts.connection, "login": "", "password": IAM_PASSWORD, "extra": own | user}
    keys = obs_keys_of(connection_named("by_token", by_token, monkeypatch)).get("OBS")
    access, secret, token = json.loads(keys.value)
    temporary = {"login": access, "password": secret, "extra": own | {"security_token": token}}
    connection_named("modelarts_default", modelarts.connection | temporary, monkeypatch)

    def starting():
        return operator(workflow_id=flow["workflow_id"], parameters={"rate": 1}, wait_for_completion=False)

    assert task.run(starting())["id"]
    modelarts.fail(action="expire_tokens", match={"plane": "modelarts"}, times=1)
    with pytest.raises(errors.AuthenticationFailed, match="security_token if they are temporary, which exp"):
        type(task)("another").run(starting())

    assert len(started(modelarts)) == 1


@pytest.mark.parametrize(
    ("fault", "kind", "told"),
    [
        (
            {
                "status": 429,
                "body": {
                    "error_code": "APIG.0308",
                    "error_msg": "The throttling threshold has been reached: policy ip over ratelimit",
                },
            },
            errors.Throttled,
            r"throttling threshold.*\[HTTP 429, APIG.0308, request id \S+\]",
        ),
        (
            {"status": 403, "body": {"error_code": "APIGW.0302", "error_msg": "not allowed"}},
            errors.PermissionDenied,
            "not allowed.*modelarts:workflow:list",
        ),
        ({"status": 502, "body": "<html>Bad Gateway"}, errors.ServiceUnavailable, "Bad Gateway.*HTTP 502"),
        ({"status": 503, "body": ""}, errors.ServiceUnavailable, "HTTP 503"),
        ({"action": "html"}, errors.UnexpectedAnswer, "not a JSON object.*proxy, a login page"),
    ],
)
def test_what_a_gateway_says_is_told(modelarts, task, fault, kind, told):
    """With JSON and without, after asking again where that may help; what was asked is named."""
    soon = {"Retry-After": "0"}
    modelarts.fail(**{"action": "status", "headers": soon, **fault}, match={"plane": "modelarts"})

    with pytest.raises(kind, match=f"(?s){told}"):
        task.run(operator(workflow_name="digits", outage_tolerance=0))


def test_a_path_of_another_regions_bucket_is_told(modelarts, monkeypatch):
    """OBS points elsewhere; it is said that this is about the region."""
    modelarts.fail(action="status", status=301, match={"plane": "obs"})

    with pytest.raises(errors.InvalidInput, match="in its own region only"):
        ModelArtsHook().read_file("obs://lab/in/a.txt")
