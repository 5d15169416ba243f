"""Where a task starts that asks for ``start_from_trigger``."""

from __future__ import annotations

import json

import pytest
from airflow.sdk import DAG, Asset, Param, TaskGroup, task, task_group
from airflow.serialization.serialized_objects import DagSerialization

from airflow_batch_provider.errors import JobTimedOut, JobUnreachable
from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator
from airflow_batch_provider.operators.modelarts import ModelArtsWorkflowOperator
from airflow_batch_provider.retries import BatchRetryPolicy
from airflow_batch_provider.triggers.records import KEY
from airflow_batch_provider.triggers.run_job import RunJobTrigger
from airflow_batch_provider.triggers.tries import Tries, tries_in

AZURE = {"endpoint_name": "letters", "input": "azureml:good@latest"}
HUAWEI = {"workflow_name": "churn", "parameters": {"epochs": "{{ params.epochs }}"}}


def endpoint(**arguments):
    return AzureMLBatchEndpointOperator(**{"task_id": "task", "start_from_trigger": True} | AZURE | arguments)


class Own(AzureMLBatchEndpointOperator):
    """Does more than the trigger knows of."""

    def _order(self, context):
        return super()._order(context)


class Patient(AzureMLBatchEndpointOperator):
    """Differs in numbers only, which the trigger is given."""

    def _policy(self):
        return super()._policy()


@pytest.mark.parametrize(
    "operator",
    [
        lambda: endpoint(timeout=60, retries=2, tags={"day": "{{ ds }}"}, outputs="auto"),
        lambda: endpoint(outage_tolerance="{{ params.patience }}", poll_interval="{{ params.pace }}"),
        lambda: Patient(task_id="task", start_from_trigger=True, **AZURE),
        lambda: ModelArtsWorkflowOperator(
            task_id="task", start_from_trigger=True, rerun_failed=True, **HUAWEI
        ),
    ],
)
def test_a_task_that_qualifies_starts_in_the_triggerer(operator):
    """What Airflow stores of it makes the very trigger again, through the JSON of a serialised DAG."""
    with DAG("dag", schedule=None) as dag:
        made = operator()
    stored = json.loads(json.dumps(DagSerialization.to_dict(dag)))

    found = DagSerialization.from_dict(stored).get_task("task")
    assert found.start_from_trigger is True
    assert found.start_trigger_args.trigger_cls == f"{RunJobTrigger.__module__}.{RunJobTrigger.__qualname__}"
    kwargs = made.start_trigger_args.trigger_kwargs
    assert RunJobTrigger(**json.loads(json.dumps(kwargs))).serialize()[1] == kwargs


def test_the_class_is_left_alone():
    """On a class, the two attributes would defer mapped tasks unexpanded."""
    endpoint()

    assert AzureMLBatchEndpointOperator.start_from_trigger is False
    assert AzureMLBatchEndpointOperator.start_trigger_args is None


def test_nobody_is_deferred_unasked():
    """Without ``start_from_trigger`` all is as before, and nothing is logged about it."""
    operator = AzureMLBatchEndpointOperator(task_id="task", **AZURE)
    operator.resolve_template_files()

    assert (operator.start_from_trigger, operator.start_trigger_args) == (False, None)
    assert operator._why_worker == ""


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"wait_for_completion": False}, "it does not wait for its job (wait_for_completion=False)"),
        ({"outlets": [Asset("a")]}, "it has inlets or outlets"),
        ({"inlets": [Asset("a")]}, "it has inlets or outlets"),
        ({"pre_execute": print}, "it has _pre_execute_hook"),
        ({"on_execute_callback": print}, "it has on_execute_callback"),
        ({"retry_policy": BatchRetryPolicy()}, "it has retry_policy"),
        ({"multiple_outputs": True}, "it has multiple_outputs"),
        ({"inputs": "inputs.yml", "input": None}, "inputs names a file"),
        ({"input": "./images"}, "input is a local path"),
        ({"endpoint_name": "{{ ti.xcom_pull(task_ids='a') }}"}, "endpoint_name uses 'ti.xcom_pull'"),
        ({"azure_ml_conn_id": "{{ nobody }}"}, "conn_id uses 'nobody'"),
        ({"params": {"day": Param(1, type="integer")}}, "it has parameters of its own with a schema"),
    ],
)
def test_a_task_that_does_not_qualify_starts_on_a_worker(arguments, why):
    """It knows the reason."""
    with DAG("dag", schedule=None) as dag:
        operator = endpoint(**arguments)
        operator.resolve_template_files()
    found = DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task("task")

    assert (found.start_from_trigger, found.start_trigger_args) == (False, None)
    assert operator._why_worker == why


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"render_template_as_native_obj": True}, "it is rendered to native objects"),
        ({"jinja_environment_kwargs": {"trim_blocks": True}}, "it is rendered in the DAG's own way"),
        ({"params": {"day": Param(1, type="integer")}}, ""),
    ],
)
def test_the_dag_has_a_say(options, why):
    """What it changes about templates is not known in the triggerer; its parameters are."""
    with DAG("dag", schedule=None, **options):
        operator = endpoint()

    assert operator._why_worker.startswith(why)
    assert operator.start_from_trigger is (why == "")


def test_it_is_decided_again_when_the_dag_file_has_been_read():
    """Whatever is set after the construction counts, in both directions."""
    late, mended = endpoint(), endpoint(input="./images")
    late.outlets.append(Asset("a"))
    mended.input = "azureml:good@latest"
    late.resolve_template_files()
    mended.resolve_template_files()

    assert (late.start_from_trigger, late.start_trigger_args) == (False, None)
    assert mended.start_from_trigger
    assert mended.start_trigger_args.trigger_kwargs["fields"]["order"]["input"] == "azureml:good@latest"


def test_mapped_tasks_run_on_workers():
    """Neither the mapped operator nor what it expands to starts in the triggerer."""
    with DAG("dag", schedule=None) as dag:
        mapped = AzureMLBatchEndpointOperator.partial(
            task_id="task", endpoint_name="letters", start_from_trigger=True
        ).expand(input=["azureml:good@latest"])
    found = DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task("task")
    expanded = mapped.unmap({"input": "azureml:good@latest"})

    assert found.start_trigger_args is None
    assert expanded.start_from_trigger is False
    assert expanded._why_worker == "it is mapped"


def test_tasks_in_mapped_groups_run_on_workers():
    """They are expanded, too."""
    made = []

    @task_group
    def group(name):
        made.append(endpoint(task_id="inner", tags={"a": "b"}))

    with DAG("dag", schedule=None), TaskGroup("outer"):
        group.expand(name=["a", "b"])

    assert made[0]._why_worker == "it is mapped"


def test_what_another_task_returns_needs_a_worker():
    """As a value of an argument's argument, too."""

    @task
    def path():
        return "azureml:good@latest"

    with DAG("dag", schedule=None):
        operator = endpoint(input={"type": "uri_folder", "path": path()})

    assert operator._why_worker == "input.path takes what another task returns"


def test_a_class_of_ones_own_needs_a_worker():
    """Its methods would not be called."""
    operator = Own(task_id="task", start_from_trigger=True, **AZURE)

    assert operator._why_worker == "it is of a class of your own, which defines _order"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"wait_for_completion": False}, "it does not wait for its job (wait_for_completion=False)."),
        ({}, "no scheduler handed it to a triggerer, which dag.test() and 'airflow tasks test' do not have."),
    ],
)
def test_the_log_says_why_it_runs_on_a_worker(task, emulator, capsys, arguments, why):
    """Once; also of a task that would qualify, where there is no scheduler."""
    task.run(endpoint(**arguments))

    (told,) = [line for line in capsys.readouterr().out.splitlines() if "in spite of" in line]
    assert f"start_from_trigger=True: {why}" in told


def test_no_secret_is_stored(emulator):
    """A signed address keeps the task on a worker."""
    signed = "https://a.blob.core.windows.net/b?sv=1&sig=Zm9vYmFyYmF6"
    operator = endpoint(input=signed)

    assert operator.start_trigger_args is None
    assert "sig=" not in operator._why_worker


@pytest.mark.parametrize(
    ("error", "raised", "status"),
    [("Trigger timeout", JobTimedOut, ("CancelRequested", "Canceled")), ("other", JobUnreachable, None)],
)
def test_a_worker_that_has_to_end_the_task_knows_the_triggers_job(task, emulator, error, raised, status):
    """It finds the job in the trigger's record, cancels it after a timeout, and notes the failure there."""
    submits = AzureMLBatchEndpointOperator(task_id="task", endpoint_name="endless", wait_for_completion=False)
    submits.input = "azureml:good@latest"
    job = task.run(submits)["id"]
    task.instance.xcoms[KEY] = Tries(1, 3, job=job).kept_in(task.store.pop(KEY))

    with pytest.raises(raised) as failure:
        endpoint(endpoint_name="endless").resume_execution("__fail__", {"error": error}, task.context())

    assert failure.value.job_id == job
    assert (emulator.job(job)["status"] in (status or ())) is (status is not None)
    assert tries_in(task.instance.xcoms[KEY]) == Tries(1, 3, ended="failed", job=job)
