"""Dynamic task mapping: every templated argument can be what ``expand`` varies."""

from __future__ import annotations

import json

import pytest
from airflow.sdk import DAG

from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator
from airflow_batch_provider.sensors import AzureMLJobSensor, BatchOutputSensor

PATH = "azureml://datastores/workspaceblobstore/paths"
NOBODY = "00000000-0000-0000-0000-000000000000"
GOOD = {"endpoint_name": "letters", "input": "azureml:good@latest", "wait_for_completion": False}

# What only a mapped argument can set right: the connection's own field is wrong.
PLACE = {
    "subscription_id": ("subscriptionId", NOBODY),
    "resource_group_name": ("resource_group_name", "emulator"),
    "workspace_name": ("workspace_name", "emulator"),
    "cloud_environment": ("cloud_environment", "AzurePublicCloud"),
}


@pytest.fixture
def connected(emulator, monkeypatch):
    """Leave one thing about the connection wrong."""

    def wrong(field):
        stored = json.loads(json.dumps(emulator.connection))
        if field in PLACE:
            stored["extra"][PLACE[field][0]] = "wrong"
        if field == "azure_ml_conn_id":
            monkeypatch.setenv("AIRFLOW_CONN_MAPPED", json.dumps(stored))
            stored["host"] = "http://127.0.0.1:9"
        monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", json.dumps(stored))

    return wrong


def run_mapped(task, operator, rest, mapped_to, word):
    """Expand an operator over one argument and run the second of two task instances, as Airflow does."""
    (field, value) = mapped_to
    rest = {name: given for name, given in rest.items() if name != field}
    with DAG("dag", schedule=None):
        mapped = operator.partial(task_id="task", **rest).expand(**{field: ["unused", value]})
    task.instance.map_index = 1
    context = {**task.context(), "dag": mapped.dag, "word": word}
    mapped.render_template_fields(context)
    return context["task"].execute(context)


# Argument to a mapped value, what 'word' in it is, where the service tells it, and what it then is.
INVOKED = {
    "endpoint_name": ("{{ word }}", "letters", ("endpoint",), "letters"),
    "deployment_name": ("{{ word }}", "other", ("deployment",), "other"),
    "inputs": (
        {"data": {"type": "uri_folder", "path": "azureml:{{ word }}@latest"}},
        "good",
        ("request", "inputData", "data", "uri"),
        "azureml:good@latest",
    ),
    "input": (
        "azureml:{{ word }}@latest",
        "good",
        ("request", "inputData", "UriFolder", "uri"),
        "azureml:good@latest",
    ),
    "outputs": (
        {"score": {"type": "uri_file", "path": f"{PATH}/{{{{ word }}}}/a.csv"}},
        "mapped",
        ("request", "outputData", "score", "uri"),
        f"{PATH}/mapped/a.csv",
    ),
    "experiment_name": ("{{ word }}", "mapped", ("sent", "properties", "experimentName"), "mapped"),
    "job_overrides": ({"mini_batch_size": "{{ word }}"}, "7", ("request", "miniBatchSize"), 7),
    "tags": ({"a": "{{ word }}"}, "mapped", ("tags", "a"), "mapped"),
    "properties": ({"a": "{{ word }}"}, "mapped", ("properties", "a"), "mapped"),
    "scoring_uri": ("{{ word }}/eastus/letters/jobs", "", ("endpoint",), "letters"),
    "azure_ml_conn_id": ("{{ word }}", "mapped", ("endpoint",), "letters"),
    **{field: ("{{ word }}", word, ("endpoint",), "letters") for field, (_, word) in PLACE.items()},
    **dict.fromkeys(
        ("poll_interval", "timeout", "outage_tolerance"), ("{{ word }}", "100", ("endpoint",), "letters")
    ),
}


@pytest.mark.parametrize("field", sorted({*AzureMLBatchEndpointOperator.template_fields, *INVOKED}))
def test_a_job_is_mapped_over_any_argument(emulator, connected, task, field):
    """Each task instance invokes with its own value, rendered."""
    value, word, place, expected = INVOKED[field]
    rest = GOOD
    if field == "inputs":
        rest = {name: given for name, given in GOOD.items() if name != "input"}
    if field == "scoring_uri":
        rest = {**rest, "endpoint_name": None}
        word = f"{emulator.url}/endpoints"
    connected(field)

    job = run_mapped(task, AzureMLBatchEndpointOperator, rest, (field, value), word)

    (invocation,) = [request for request in emulator.requests() if request["status"] == 201]
    found = {**emulator.job(job["id"]), "sent": invocation["body"]["properties"]}
    for key in place:
        found = found[key]
    assert found == expected


@pytest.fixture
def ended(emulator, task):
    """The id of a job that has succeeded."""
    operator = AzureMLBatchEndpointOperator(
        task_id="task", endpoint_name="letters", input="azureml:good@latest", poll_interval=0.5
    )
    return task.run(operator)["id"]


@pytest.mark.parametrize(
    "field", sorted({*AzureMLJobSensor.template_fields, *PLACE, "job_id", "azure_ml_conn_id"})
)
def test_a_job_sensor_is_mapped_over_any_argument(connected, task, ended, field):
    """Each task instance waits with its own value, rendered."""
    words = {
        "job_id": ended,
        "azure_ml_conn_id": "mapped",
        **{name: word for name, (_, word) in PLACE.items()},
    }
    connected(field)

    rest = {"job_id": ended, "deferrable": False, "timeout": 0}
    assert run_mapped(task, AzureMLJobSensor, rest, (field, "{{ word }}"), words[field])["id"] == ended


LOOKED = {
    "path": ({}, 2),
    "glob": ({"word": "*.csv"}, 1),
    "min_files": ({"word": "2"}, 2),
    "min_bytes": ({"word": "3"}, 2),
    "stable_for": ({"word": "0.0"}, 2),
    "azure_ml_conn_id": ({"word": "mapped"}, 0),
    "modelarts_conn_id": ({"word": "of_obs"}, 3),
}


@pytest.mark.parametrize("field", sorted({*BatchOutputSensor.template_fields, *LOOKED}))
def test_an_output_sensor_is_mapped_over_any_argument(  # noqa: PLR0917  # fixtures
    connected, modelarts, task, tmp_path, monkeypatch, field
):
    """Each task instance looks with its own value, rendered."""
    (tmp_path / "a.csv").write_text("a")
    (tmp_path / "b.txt").write_text("bc")
    words, number = LOOKED[field]
    connected(field)
    rest = {"path": str(tmp_path), "deferrable": False, "timeout": 0}
    if field == "azure_ml_conn_id":
        rest |= {"path": f"{PATH}/nothing", "min_files": 0}
    if field == "modelarts_conn_id":
        monkeypatch.setenv("AIRFLOW_CONN_OF_OBS", json.dumps(modelarts.connection))
        monkeypatch.delenv("AIRFLOW_CONN_MODELARTS_DEFAULT")
        rest |= {"path": "obs://lab/in/"}

    found = run_mapped(task, BatchOutputSensor, rest, (field, "{{ word }}"), words.get("word", str(tmp_path)))

    assert len(found) == number
