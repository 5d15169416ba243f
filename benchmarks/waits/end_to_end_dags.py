"""Three DAGs of one shape: many tasks, each of which starts a remote job of some seconds and waits for it."""

from __future__ import annotations

import os

from airflow.sdk import DAG

from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator

TASKS = int(os.environ["WAITS_TASKS"])
INTERVAL = float(os.environ["WAITS_INTERVAL"])


def ours(name: str, **how: bool) -> None:
    """Make a DAG of our operator."""
    with DAG(name, schedule=None, catchup=False, max_active_tasks=TASKS):
        for number in range(TASKS):
            AzureMLBatchEndpointOperator(
                task_id=f"score-{number}",
                azure_ml_conn_id="service",
                endpoint_name="endless",
                input="azureml:data@latest",
                poll_interval=INTERVAL,
                **how,
            )


ours("deferred", deferrable=True)
ours("worker_free", start_from_trigger=True)

if os.environ["WAITS_DATA_FACTORY"]:
    from airflow.providers.microsoft.azure.operators import data_factory as operators

    from waits.factory import LocalTrigger

    operators.AzureDataFactoryTrigger = LocalTrigger
    with DAG("data_factory", schedule=None, catchup=False, max_active_tasks=TASKS):
        for number in range(TASKS):
            operators.AzureDataFactoryRunPipelineOperator(
                task_id=f"run-{number}",
                azure_data_factory_conn_id="factory",
                pipeline_name="p",
                resource_group_name="g",
                factory_name="f",
                check_interval=int(INTERVAL),
                deferrable=True,
            )
