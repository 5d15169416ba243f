"""What a user is told when something is wrong: the field, the value and the fix, or the job and its link."""

from __future__ import annotations

import json

import pytest
from structlog.testing import capture_logs

from airflow_batch_provider import errors
from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator

GOOD = {"endpoint_name": "letters", "input": "azureml:good@latest", "poll_interval": 0.5}
INVOKE = {"method": "POST", "path": "/endpoints/.*/jobs$"}
POLL = {"method": "GET", "path": "/endpoints/.*/jobs/"}


def operator(**arguments):
    return AzureMLBatchEndpointOperator(task_id="task", **{**GOOD, **arguments})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param({"endpoint_name": None}, ["endpoint_name", "None", "scoring_uri"], id="no endpoint"),
        pytest.param({"poll_interval": 0}, ["poll_interval", "0", "greater than 0"], id="poll interval"),
        pytest.param({"timeout": -5}, ["timeout", "-5", "greater than 0"], id="timeout"),
        pytest.param({"outage_tolerance": -1}, ["outage_tolerance", "-1"], id="outage tolerance"),
        pytest.param({"on_retry": "again"}, ["on_retry", "'again'", "'reattach'"], id="on_retry"),
        pytest.param({"on_clear": "maybe"}, ["on_clear", "'maybe'", "'rerun'"], id="on_clear"),
        pytest.param({"on_ambiguous": "x"}, ["on_ambiguous", "'x'", "'fail'"], id="on_ambiguous"),
    ],
)
def test_what_cannot_work_breaks_the_dag_file(arguments, told):
    """An argument that is wrong in the DAG file is told when the file is parsed."""
    with pytest.raises(errors.InvalidInput) as caught:
        operator(**arguments)

    assert [word for word in told if word not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(
            {"input": {"type": "table", "path": "azureml:x:1"}}, ["input", "'table'", "uri_folder"], id="type"
        ),
        pytest.param(
            {"input": "azureml://nowhere/x"},
            ["input", "azureml://nowhere/x", "azureml://datastores/"],
            id="URI",
        ),
        pytest.param(
            {"input": "{{ params.nothing }}"}, ["input", "Did a template render to nothing"], id="empty"
        ),
        pytest.param({"inputs": {"x": "azureml:x:1"}}, ["input and inputs"], id="both"),
        pytest.param(
            {"endpoint_name": "no_good"}, ["endpoint_name", "'no_good'", "hyphens"], id="endpoint name"
        ),
        pytest.param(
            {"job_overrides": {"nodes": 2}}, ["job_overrides", "'nodes'", "mini_batch_size"], id="override"
        ),
        pytest.param(
            {"poll_interval": "{{ params.nothing }}"}, ["poll_interval", "number"], id="rendered number"
        ),
        pytest.param(
            {"cloud_environment": "Mars"}, ["cloud_environment", "'Mars'", "AzureChinaCloud"], id="cloud"
        ),
    ],
)
def test_bad_input_is_told_before_any_request(emulator, task, arguments, told):
    """What is wrong after rendering is told before a request is sent."""
    with pytest.raises(errors.InvalidInput) as caught:
        task.run(operator(**arguments), nothing="")

    assert [word for word in told if word not in str(caught.value)] == []
    assert emulator.requests() == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"extra": {"subscriptionId": ""}}, ["subscriptionId"]),
        ({"extra": {"resource_group_name": ""}}, ["resource_group_name"]),
        ({"extra": {"workspace_name": ""}}, ["workspace_name"]),
        ({"password": ""}, ["password", "login"]),
        ({"host": "http://batch.example.com"}, ["host", "TLS", "https"]),
    ],
    ids=["subscription", "resource group", "workspace", "half a principal", "plain http"],
)
def test_a_missing_field_of_the_connection_is_named(emulator, task, monkeypatch, changes, told):
    """The message names the connection and the field as the connection form has it."""
    connection = {**emulator.connection, **changes}
    connection["extra"] = {**emulator.connection["extra"], **changes.get("extra", {})}
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", json.dumps(connection))

    with pytest.raises(errors.InvalidInput) as caught:
        task.run(operator())

    assert [word for word in ["azure_ml_default", *told] if word not in str(caught.value)] == []
    assert emulator.requests() == []


def test_an_endpoint_that_does_not_exist_is_named(emulator, task):
    """The message names the endpoint and where it was looked for."""
    with pytest.raises(errors.NotFound, match=r"'nobody'.*workspace_name 'emulator'"):
        task.run(operator(endpoint_name="nobody"))


def test_an_endpoint_without_a_default_deployment_is_named(emulator, task):
    """The service's text is explained."""
    with pytest.raises(errors.BatchError, match=r"'empty' has no default deployment.*deployment_name"):
        task.run(operator(endpoint_name="empty"))


def test_a_deployment_that_does_not_exist_is_named(emulator, task):
    """The message names the deployment."""
    with pytest.raises(errors.BatchError, match="deployment_name 'nobody'"):
        task.run(operator(deployment_name="nobody"))


REFUSALS = [
    (401, errors.AuthenticationFailed, "tenantId"),
    (403, errors.PermissionDenied, "AzureML Data Scientist"),
    (404, errors.NotFound, "letters"),
    (409, errors.Conflict, "letters"),
]


@pytest.mark.parametrize(("status", "kind", "told"), REFUSALS)
def test_a_refused_invocation_starts_nothing(emulator, task, status, kind, told):
    """A 4xx is told with its status and a hint, no job exists, and the next try submits."""
    before = len(emulator.jobs())
    emulator.fail(
        action="status", status=status, match=INVOKE, body={"error": {"code": "No", "message": "no"}}
    )

    with pytest.raises(kind) as caught:
        task.run(operator())
    emulator.reset()
    task.run(operator())

    assert f"HTTP {status}" in str(caught.value)
    assert told in str(caught.value)
    assert len(emulator.jobs()) == before + 1


def test_a_throttled_invocation_is_asked_again(emulator, task):
    """429 says that nothing was done: after Retry-After it is asked again, and one job exists."""
    before = len(emulator.jobs())
    emulator.fail(action="status", status=429, headers={"Retry-After": "0"}, times=2, match=INVOKE)

    task.run(operator())

    assert len(emulator.jobs()) == before + 1


LOST = [
    {"action": "drop_after"},
    {"action": "status", "status": 503, "effect": True},
    {"action": "html"},
    {"action": "truncate"},
]


@pytest.mark.parametrize("fault", LOST, ids=lambda fault: fault["action"])
def test_a_job_whose_answer_was_lost_is_found(emulator, task, fault):
    """The task finds the job that its request has started, waits for it, and starts no second one."""
    before = len(emulator.jobs())
    emulator.fail(**fault, match=INVOKE, times=1)

    job = task.run(operator())

    assert [known["id"] for known in emulator.jobs()[before:]] == [job["id"]]
    assert job["outputs"]["score"]["uri"]


@pytest.mark.parametrize("fault", [*LOST, {"action": "drop_before"}], ids=lambda fault: fault["action"])
def test_on_ambiguous_fail_does_not_look(emulator, task, fault):
    """When it cannot be known whether a job was started, the task says so, in each try."""
    before = len(emulator.jobs())
    emulator.fail(**fault, match=INVOKE, times=1)

    for _ in range(2):
        with pytest.raises(errors.SubmissionUnknown, match=r"airflow-[0-9a-f]{24}"):
            task.run(operator(on_ambiguous="fail"))

    assert len(emulator.jobs()) <= before + 1


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "status", "status": 503, "times": 4},
        {"action": "status", "status": 429, "headers": {"Retry-After": "0"}, "times": 4},
        {"action": "html", "times": 1},
        {"action": "truncate", "times": 1},
        {"action": "drop_before", "times": 2},
        {"action": "drop_after", "times": 2},
        {"action": "expire_tokens", "times": 1},
    ],
    ids=lambda fault: f"{fault['action']} {fault.get('status', '')}",
)
def test_trouble_while_waiting_passes(emulator, task, fault):
    """Whatever goes wrong between two polls, the job's result is still returned."""
    emulator.fail(**fault, match=POLL)

    assert task.run(operator())["state"] == "succeeded"


@pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
def test_an_error_after_acceptance_names_the_job(emulator, task, deferrable):
    """Whoever loses permission while the job runs is told which job is running, and where."""
    emulator.fail(
        action="status",
        status=403,
        match=POLL,
        body={"error": {"code": "AuthorizationFailed", "message": "no"}},
    )

    with pytest.raises(errors.PermissionDenied) as caught:
        task.run(operator(deferrable=deferrable))

    job = emulator.jobs()[-1]
    assert job["id"] in str(caught.value)
    assert f"/runs/{job['id']}" in str(caught.value)


@pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
def test_an_outage_leaves_the_job_running(emulator, task, deferrable):
    """When nothing good was heard for too long, the task fails, names the job and leaves it alone."""
    emulator.fail(action="status", status=503, match=POLL)
    waiting = operator(deferrable=deferrable, outage_tolerance=1)

    with pytest.raises(errors.JobUnreachable, match=r"batchjob-.*takes it up again"):
        task.run(waiting)
    emulator.reset()

    assert task.run(operator())["id"] == emulator.jobs()[-1]["id"]
    assert not [request for request in emulator.requests() if request["path"].endswith("/cancel")]


def test_an_unknown_status_is_waited_on(emulator, task):
    """A status that nobody documented counts as still running, and is logged."""
    unknown = {"name": "x", "properties": {"status": "Daydreaming"}}
    emulator.fail(action="status", status=200, match=POLL, body=unknown, times=2)

    with capture_logs() as logs:
        assert task.run(operator())["state"] == "succeeded"

    told = [log["event"] % log.get("positional_args", ()) for log in logs]
    assert len([line for line in told if "Daydreaming" in line]) == 1


def test_an_output_that_exists_already_is_told(emulator, task):
    """The service fails a job whose output file is there; the task says so and names the job."""
    place = "azureml://datastores/workspaceblobstore/paths/once/predictions.csv"
    chosen = {"outputs": {"score": {"path": place, "type": "uri_file"}}}
    task.run(operator(**chosen))

    with pytest.raises(errors.JobFailed, match="already exists") as raised:
        type(task)("another run").run(operator(**chosen))

    assert emulator.jobs()[-1]["id"] in str(raised.value)
