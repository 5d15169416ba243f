"""Tasks whose processes are killed while they submit, wait and go on; each run has an input of its own."""

from dataclasses import replace
from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator


class Brisk(AzureMLBatchEndpointOperator):
    """Waits seconds, not minutes, for a job that the service may not list yet."""

    def _policy(self):
        return replace(super()._policy(), under_way=4.0, late=4.0)


def durable(name, *, deferrable, retries=3, **arguments):
    """Make a DAG of one task; its run's parameter ``deployment`` says how long the job takes."""
    with DAG(
        name, schedule=None, catchup=False, params={"deployment": Param("brief"), "input": Param("none")}
    ):
        Brisk(
            task_id="score",
            endpoint_name="simulated",
            deployment_name="{{ params.deployment }}",
            input={
                "type": "uri_folder",
                "path": "azureml://datastores/workspaceblobstore/paths/{{ params.input }}",
            },
            deferrable=deferrable,
            poll_interval=1,
            retries=retries,
            retry_delay=timedelta(seconds=1),
            **arguments,
        )


for waits, deferrable in {"in_worker": False, "deferred": True}.items():
    durable(f"durable_{waits}", deferrable=deferrable)
    durable(f"once_{waits}", deferrable=deferrable, retries=0)
    durable(f"kept_{waits}", deferrable=deferrable, retries=0, cancel_on_kill=False, cancel_on_timeout=False)
    durable(f"timeout_{waits}", deferrable=deferrable, retries=0, timeout=12)
    durable(
        f"execution_timeout_{waits}",
        deferrable=deferrable,
        retries=0,
        execution_timeout=timedelta(seconds=12),
    )
