"""Whether OpenLineage wants to hear of a task, beside the answer of OpenLineage's own provider."""

from __future__ import annotations

import json
import os

import pytest
from airflow.providers.openlineage import conf
from airflow.providers.openlineage.utils.selective_enable import enable_lineage
from airflow.sdk import DAG

from airflow_batch_provider.lineage.listening import listens
from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator

FILE = json.dumps({"type": "file", "log_file_path": "/dev/null"})
ON = {"AIRFLOW__OPENLINEAGE__TRANSPORT": FILE}
HERS = f"{AzureMLBatchEndpointOperator.__module__}.{AzureMLBatchEndpointOperator.__name__}"


def operator(**arguments):
    return AzureMLBatchEndpointOperator(task_id="task", endpoint_name="letters", **arguments)


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    for name in [name for name in os.environ if "OPENLINEAGE" in name]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        (ON, True),
        ({"AIRFLOW__OPENLINEAGE__TRANSPORT": "{}"}, False),
        ({"AIRFLOW__OPENLINEAGE__CONFIG_PATH": "/etc/openlineage.yml"}, True),
        ({"AIRFLOW__OPENLINEAGE__CONFIG_CONN_ID": "lineage"}, True),
        ({"OPENLINEAGE_CONFIG": "/etc/openlineage.yml"}, True),
        ({"OPENLINEAGE_URL": "http://127.0.0.1:5000"}, True),
        ({"OPENLINEAGE_URL": ""}, False),
        ({"OPENLINEAGE__TRANSPORT__TYPE": "console"}, True),
        ({"OPENLINEAGE_NAMESPACE": "here"}, False),
        ({**ON, "AIRFLOW__OPENLINEAGE__DISABLED": "True"}, False),
        ({**ON, "OPENLINEAGE_DISABLED": "true"}, False),
        ({**ON, "OPENLINEAGE_DISABLED": "no"}, True),
    ],
)
def test_it_is_as_the_provider_says(environment, expected, monkeypatch):
    """Whatever may configure or disable it, the cheap answer is that of the provider."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert listens(operator()) is expected
    assert conf.is_disabled() is not expected


def test_operators_that_are_opted_out(monkeypatch):
    """The provider's list of disabled operators is heeded, with the blanks that it allows."""
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", FILE)
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__DISABLED_FOR_OPERATORS", f"a.B; {HERS} ;")
    assert not listens(operator())

    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__DISABLED_FOR_OPERATORS", f"{HERS}s")
    assert listens(operator())


def test_only_tasks_that_opted_in(monkeypatch):
    """With ``selective_enable`` only those are told of that somebody has enabled."""
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", FILE)
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__SELECTIVE_ENABLE", "True")
    with DAG("dag", schedule=None) as dag:
        task = operator()
    assert not listens(task)

    enable_lineage(dag)
    assert listens(task)


def test_without_the_provider_nobody_listens(monkeypatch):
    """A configuration alone sends nothing."""
    monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:5000")
    monkeypatch.setattr("airflow_batch_provider.lineage.listening.find_spec", lambda _: None)

    assert not listens(operator())


@pytest.mark.parametrize("on", [True, False])
def test_a_task_that_is_told_of_runs_on_a_worker(on, monkeypatch):
    """A triggerer calls no listeners: such a task starts on a worker, and knows why."""
    if on:
        monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", FILE)

    task = operator(start_from_trigger=True)

    assert task.start_from_trigger is not on
    why = "it tells OpenLineage, whose listener is called on workers only"
    assert task._why_worker == (why if on else "")
