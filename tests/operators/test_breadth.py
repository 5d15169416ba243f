"""Files of inputs, outputs of a run's own, rules of deployments, other tasks' jobs, connection tests."""

from __future__ import annotations

import json

import pytest
from airflow.sdk import DAG
from airflow.sdk._shared.secrets_masker import redact
from airflow.sdk.exceptions import AirflowSensorTimeout

from airflow_batch_provider import errors
from airflow_batch_provider.hooks.azure_ml import AzureMLHook
from airflow_batch_provider.operators.azure_ml import (
    AzureMLBatchEndpointOperator,
    AzureMLRegisterEnvironmentOperator,
)
from airflow_batch_provider.sensors.azure_ml import AzureMLJobSensor

GOOD = {"endpoint_name": "letters", "input": "azureml:good@latest", "poll_interval": 0.5}
FILE = """\
inputs:
  data: {type: uri_folder, path: "azureml:{{ params.data }}@latest"}
"""


def operator(**arguments):
    return AzureMLBatchEndpointOperator(task_id="task", **{**GOOD, **arguments})


def from_file(folder, name="inputs.yml", text=FILE):
    (folder / name).write_text(text)
    with DAG("dag", schedule=None, template_searchpath=[str(folder)]):
        return operator(input=None, inputs=name)


@pytest.mark.parametrize("absolute", [False, True], ids=["relative", "absolute"])
def test_inputs_are_read_from_a_file_and_rendered(emulator, task, tmp_path, absolute):
    """A file in the shape of ``az ml … --file`` is found beside the DAG or by its path, and rendered."""
    scoring = from_file(tmp_path)
    if absolute:
        scoring.inputs = str(tmp_path / "inputs.yml")

    job = task.run(scoring, data="good")

    sent = emulator.job(job["id"])["request"]
    assert sent["inputData"]["data"]["uri"] == "azureml:good@latest"


def test_a_path_that_looks_like_a_file_stays_a_path(emulator, task):
    """Only a whole argument names a file; the path of an input that ends in .json is sent as it is."""
    path = "azureml://datastores/workspaceblobstore/paths/data/x.json"
    job = task.run(
        operator(input=None, inputs={"data": {"type": "uri_file", "path": path}}, wait_for_completion=False)
    )

    assert emulator.job(job["id"])["request"]["inputData"]["data"]["uri"] == path


def test_a_sas_is_sent_and_never_shown(emulator, task, tmp_path):
    """A signed URL works as an input, given as an argument or in a file; Airflow masks its signature."""
    url = "https://account.blob.core.windows.net/data/{}?sp=r&sig={}%3D"
    (tmp_path / "inputs.yml").write_text(f"inputs: {{data: {{path: '{url.format('b', 'FromTheFile')}'}}}}")
    argument = operator(
        input={"type": "uri_folder", "path": url.format("a", "FromTheCall")}, wait_for_completion=False
    )
    file = operator(input=None, inputs=str(tmp_path / "inputs.yml"), wait_for_completion=False)

    for scoring, signature in ((argument, "FromTheCall"), (file, "FromTheFile")):
        job = task.run(scoring)
        task = type(task)("another")
        (data,) = emulator.job(job["id"])["request"]["inputData"].values()
        assert f"sig={signature}%3D" in data["uri"]
        shown = redact({"input": scoring.input, "log": f"sig={signature}%3D and {signature}="}, "field")
        assert signature not in str(shown)


def test_a_secret_in_any_argument_is_masked(emulator, task):
    """Tags and properties may hold a signed URL, a conda file the password of a package index."""
    signed = "https://account.blob.core.windows.net/data/x?sp=r&sig=HiddenOfAProperty"
    task.run(operator(wait_for_completion=False, tags={"x": signed}, properties={"x": signed}))
    conda = "dependencies: [pip: [--extra-index-url https://me:HiddenOfAnIndex@pypi.example/simple]]"
    task.run(
        AzureMLRegisterEnvironmentOperator(
            task_id="t", name="masked", version=1, image="i", conda_file=conda, if_exists="skip"
        )
    )

    shown = str(redact({"tags": {"x": signed}, "conda_file": conda}, "field"))
    assert "Hidden" not in shown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("inputs:\n  x: [1,\n", r"inputs: inputs\.yml, line 2"),
        ("- 1\n", r"inputs\.yml holds list, not a mapping"),
        ("inputs:\n  x: {{ oops\n", r"inputs\.yml, line 2"),
    ],
    ids=["YAML", "a list", "template"],
)
def test_a_bad_file_is_named_with_its_line(emulator, task, tmp_path, text, told):
    """The message names the file and the line."""
    with pytest.raises(errors.InvalidInput, match=told):
        task.run(from_file(tmp_path, text=text))


def test_a_missing_file_is_named(emulator, task):
    """The message names the file and where it was looked for."""
    with (
        pytest.raises(errors.InvalidInput, match=r"inputs is 'nowhere\.yml'.*looked for"),
        DAG("dag", schedule=None),
    ):
        task.run(operator(input=None, inputs="nowhere.yml"))


def test_each_run_has_an_output_of_its_own(emulator, task):
    """With ``outputs="auto"`` the path holds the submission's marker, and is known without run history."""
    job = task.run(operator(outputs="auto"))

    marker = emulator.job(job["id"])["tags"]["airflow.marker"]
    place = f"azureml://datastores/workspaceblobstore/paths/airflow/{marker}/predictions.csv"
    assert job["outputs"]["score"]["uri"] == place
    assert AzureMLHook().read_file(place).decode().splitlines() == [
        "a.txt scored",
        "b.txt scored",
        "c.txt scored",
    ]
    assert not [request for request in emulator.requests() if "/history/" in request["path"]]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"input": None, "inputs": {"a": "azureml:good:1", "mode": "append"}}, "literal 'mode'"),
        ({"input": None, "inputs": {"a": "azureml:good:1", "b": "azureml:good:1"}}, "2 data inputs"),
        ({"input": None}, "0 data inputs"),
        (
            {"outputs": {"a": {"path": "azureml://datastores/d/paths/x", "type": "uri_folder"}}},
            r"outputs\['a'\] has the type uri_folder",
        ),
    ],
    ids=["literal", "two inputs", "no input", "folder output"],
)
def test_the_rules_of_a_model_deployment_are_told_before_it_is_invoked(emulator, task, arguments, told):
    """What the service would refuse, or fail on later, is told at once with the deployment's name."""
    with pytest.raises(errors.InvalidInput, match=told) as caught:
        task.run(operator(**arguments))

    assert "'plain'" in str(caught.value)
    assert not [
        request
        for request in emulator.requests()
        if request["method"] == "POST" and request["plane"] == "batch"
    ]


def sensor(job_id, **arguments):
    return AzureMLJobSensor(task_id="task", job_id=job_id, poke_interval=0.5, **arguments)


@pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
def test_a_job_that_another_task_started_is_waited_for(emulator, task, deferrable):
    """The sensor needs the id alone, and returns the job with its outputs."""
    job = task.run(operator(wait_for_completion=False))

    found = task.run(sensor(job["id"], deferrable=deferrable, timeout=60))

    assert (found["id"], found["state"]) == (job["id"], "succeeded")
    assert found["outputs"]["score"]["uri"].startswith("azureml://")
    assert job["id"] in task.instance.xcoms["_link_AzureMLJobLink"]


@pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
def test_the_sensor_leaves_a_job_alone_when_it_times_out(emulator, task, deferrable):
    """A timeout of the sensor is Airflow's, and nothing is cancelled."""
    job = task.run(operator(endpoint_name="endless", wait_for_completion=False))

    with pytest.raises(AirflowSensorTimeout):
        task.run(sensor(job["id"], deferrable=deferrable, timeout=1))

    assert not [request for request in emulator.requests() if request["path"].endswith("/cancel")]


def test_the_sensor_fails_with_the_job(emulator, task):
    """A job that failed fails the sensor's task at once, with the service's text."""
    with pytest.raises(errors.JobFailed) as failed:
        task.run(operator(input="azureml:one-bad@latest", job_overrides={"error_threshold": 0}))

    with pytest.raises(errors.JobFailed) as seen:
        task.run(sensor(failed.value.job_id))

    assert failed.value.job_id in str(seen.value)


def test_a_connection_that_works_says_what_it_reached(emulator):
    """The test is a real call."""
    assert AzureMLHook().test_connection() == (True, "Workspace 'emulator' in eastus answers.")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"host": "http://127.0.0.1:9"}, "network"),
        ({"login": ""}, "Failed while reading the connection. "),
    ],
    ids=["port", "principal"],
)
def test_a_connection_that_fails_says_at_which_hop(emulator, monkeypatch, changes, told):
    """The message names the hop and holds no secret."""
    connection = {**emulator.connection, **changes, "password": "planted-secret"}
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", json.dumps(connection))

    works, message = AzureMLHook().test_connection()

    assert not works
    assert told in message
    assert "planted-secret" not in message


@pytest.mark.parametrize(
    ("status", "told"), [(403, "RBAC"), (404, "workspace, there is none"), (401, "token")]
)
def test_a_refusal_says_at_which_hop(emulator, status, told):
    """The service's own answer is told with the hop."""
    emulator.fail(action="status", status=status, match={"path": "/workspaces/emulator$"})

    works, message = AzureMLHook().test_connection()

    assert not works
    assert told in message
