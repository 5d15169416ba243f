"""Tasks whose processes are killed while they submit, wait and go on; each run has an input of its own."""

from dataclasses import replace
from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator
from airflow_batch_provider.operators.base import BatchOperator
from airflow_batch_provider.operators.modelarts import ModelArtsWorkflowOperator


class Brisk(BatchOperator):
    """Waits seconds, not minutes, for a job that the service may not list yet."""

    def _policy(self):
        return replace(super()._policy(), under_way=4.0, late=4.0)


class BriskEndpoint(Brisk, AzureMLBatchEndpointOperator):
    """Scores one folder."""


class BriskWorkflow(Brisk, ModelArtsWorkflowOperator):
    """Trains on one folder."""


def endpoint(deployment="{{ params.deployment }}", **arguments):
    folder = "azureml://datastores/workspaceblobstore/paths/{{ params.input }}"
    BriskEndpoint(
        endpoint_name="simulated",
        deployment_name=deployment,
        input={"type": "uri_folder", "path": folder},
        **arguments,
    )


def workflow(deployment="{{ params.deployment }}", **arguments):
    data = {"rows": "obs://lab/{{ params.input }}/"}
    BriskWorkflow(workflow_name=deployment, data=data, **arguments)


def durable(service, name, *, retries=3, **arguments):
    """Make a DAG of one task; its run's parameter ``deployment`` says how long the job takes."""
    params = {"deployment": Param("brief"), "input": Param("none")}
    with DAG(f"{service}_{name}", schedule=None, catchup=False, params=params):
        SERVICES[service](
            task_id="score",
            poll_interval=1,
            retries=retries,
            retry_delay=timedelta(seconds=1),
            **arguments,
        )


SERVICES = {"azure_ml": endpoint, "modelarts": workflow}
WAYS = {
    "in_worker": {"deferrable": False},
    "deferred": {"deferrable": True},
    "worker_free": {"start_from_trigger": True},
}
FAILS_FIRST = "{{ 'failing' if ti.try_number == 1 else 'brief' }}"
for one in SERVICES:
    for waits, how in WAYS.items():
        once = {**how, "retries": 0}
        durable(one, f"durable_{waits}", **how)
        durable(one, f"once_{waits}", **once)
        durable(one, f"kept_{waits}", cancel_on_kill=False, cancel_on_timeout=False, **once)
        durable(one, f"timeout_{waits}", timeout=12, **once)
        durable(one, f"execution_timeout_{waits}", execution_timeout=timedelta(seconds=12), **once)
        durable(one, f"recovers_{waits}", deployment=FAILS_FIRST, **how)

durable(
    "azure_ml",
    "templates_worker_free",
    start_from_trigger=True,
    tags={
        "day": "{{ ds }} {{ macros.ds_add(ds, 1) }}",
        "run": "{{ run_id }} {{ dag_run.conf['input'] }}",
        "task": "{{ dag.dag_id }}.{{ ti.task_id }} {{ ti.try_number }}",
        "owner": "{{ var.value.owner }}, {{ var.json.shop.town }}, {{ var.value.get('nobody', 'none') }}",
    },
)
