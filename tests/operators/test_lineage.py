"""What operators tell OpenLineage where inputs come in other ways, and where something is wrong."""

from __future__ import annotations

import json

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskDeferred

from airflow_batch_provider.errors import BatchError
from airflow_batch_provider.lineage.facets import KEY
from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator
from airflow_batch_provider.operators.modelarts import ModelArtsWorkflowOperator

WORKSPACE = (
    "azureml://subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/emulator/workspaces/emulator"
)


def endpoint(**arguments):
    given = {"endpoint_name": "letters", "input": "azureml:good@latest", "poll_interval": 0.2, **arguments}
    return AzureMLBatchEndpointOperator(task_id="task", **given)


def started(operator, task, **params):
    """Render an operator, and return what it tells at the start."""
    operator.render_template_fields(task.context(**params))
    return operator.get_openlineage_facets_on_start()


def inputs(told):
    return [f"{data.namespace} {data.name}" for data in told.inputs]


def test_inputs_out_of_a_file(emulator, task, tmp_path):
    """They are told at the start, with the file's templates rendered."""
    (tmp_path / "inputs.yml").write_text("x: {path: 'azureml://datastores/store/paths/{{ params.day }}'}\n")

    told = started(endpoint(input=None, inputs=str(tmp_path / "inputs.yml")), task, day="monday")

    assert inputs(told) == [f"{WORKSPACE} datastores/store/paths/monday"]


def test_data_of_a_workflow_out_of_a_file(modelarts, task, tmp_path):
    """Likewise."""
    (tmp_path / "data.json").write_text(json.dumps({"letters": "/lab/{{ params.day }}/"}))
    operator = ModelArtsWorkflowOperator(
        task_id="task", workflow={"name": "churn", "steps": []}, data=str(tmp_path / "data.json")
    )

    told = started(operator, task, day="monday")

    assert inputs(told) == ["obs://lab monday"]
    assert told.run_facets[KEY].workflowName == "churn"


def test_local_inputs_are_local_files(emulator, task, tmp_path):
    """An input that is uploaded is told as the file that it is, wherever the DAG file's folder is."""
    (tmp_path / "letters").mkdir()
    with DAG("dag", schedule=None, template_searchpath=str(tmp_path)):
        one = endpoint(input="./letters")
        named = AzureMLBatchEndpointOperator(
            task_id="named",
            endpoint_name="letters",
            inputs={"a": {"path": "letters"}, "b": "azureml:good:1"},
        )

    assert inputs(started(one, task)) == [f"file {tmp_path}/letters"]
    assert inputs(started(named, task)) == [
        f"file {tmp_path}/letters",
        f"{WORKSPACE} data/good/versions/1",
    ]
    assert emulator.requests() == []


@pytest.mark.parametrize("wrong", [{"type": "mltable", "path": "azureml:a:1"}, "./missing", 3])
def test_wrong_input_harms_no_event(emulator, task, wrong):
    """The task fails for it and says so; the event still tells where the job was to run."""
    operator = endpoint(input=wrong)

    told = started(operator, task)

    assert told.inputs == []
    assert told.run_facets[KEY].endpoint == "letters"
    with pytest.raises(BatchError):
        operator.execute(task.context())


@pytest.mark.parametrize("broken", [None, {"conn_type": "azure_ml", "extra": {"cloud_environment": "Moon"}}])
def test_without_a_connection_what_needs_none_is_told(emulator, task, monkeypatch, broken):
    """A storage account is known without the workspace; what only the workspace knows is left out."""
    monkeypatch.delenv("AIRFLOW_CONN_AZURE_ML_DEFAULT")
    if broken:
        monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", json.dumps(broken))
    data = {"a": "azureml:good@latest", "b": "https://acc.blob.core.windows.net/box/b"}

    told = started(endpoint(input=None, inputs=data), task)

    assert inputs(told) == ["wasbs://box@acc.blob.core.windows.net b"]
    assert told.run_facets[KEY].workspace is None


def test_a_connection_without_a_workspace(emulator, task, monkeypatch):
    """A connection that names no workspace fails the task, not the event."""
    fields = {"subscriptionId": "s", "tenantId": "t"}
    connection = {"conn_type": "azure_ml", "login": "a", "password": "b", "extra": fields}
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", json.dumps(connection))

    told = started(endpoint(), task)

    assert (told.inputs, told.run_facets[KEY].endpoint) == ([], "letters")


def test_a_task_that_does_not_wait_tells_its_job(emulator, task):
    """Nothing is known of outputs then, and no end of the job is told."""
    operator = endpoint(wait_for_completion=False)
    job = task.run(operator)

    told = operator.get_openlineage_facets_on_complete(task.instance)

    facet = told.run_facets[KEY]
    assert (told.outputs, facet.jobId, facet.status) == ([], job["id"], None)
    assert inputs(told) == [f"{WORKSPACE} data/good/labels/latest"]


def test_after_a_deferral_another_process_tells_all(emulator, task):
    """One that has seen nothing but the event tells the job, its deployment, its model, its outputs."""
    first, second = endpoint(deferrable=True), endpoint(deferrable=True)
    started(first, task)
    with pytest.raises(TaskDeferred) as deferred:
        first.execute(task.context())
    event = task._trigger(deferred.value)

    started(second, task)
    job = second.execute_complete(task.context(), event=event)
    told = second.get_openlineage_facets_on_complete(task.instance)

    facet = told.run_facets[KEY]
    assert (facet.jobId, facet.status, facet.deployment) == (job["id"], "Completed", "plain")
    assert facet.model.endswith("/versions/1")
    place = job["outputs"]["score"]["url"].removeprefix(emulator.url).strip("/")
    assert [(data.namespace, data.name) for data in told.outputs] == [(emulator.url, place)]


def test_telling_sends_no_request(emulator, task):
    """What is told is what is known: neither service is asked for it."""
    operator = endpoint()
    task.run(operator)
    sent = len(emulator.requests())

    operator.get_openlineage_facets_on_start()
    operator.get_openlineage_facets_on_complete(task.instance)
    operator.get_openlineage_facets_on_failure(task.instance)

    assert len(emulator.requests()) == sent
