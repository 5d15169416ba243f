"""Tasks that OpenLineage listens to: this file alone switches it on, so that no other DAG pays for it."""

import json
import os

from airflow.sdk import DAG, get_parsing_context
from airflow.sdk.listener import get_listener_manager

from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator
from airflow_batch_provider.operators.modelarts import ModelArtsWorkflowOperator

EVENTS = f"{os.environ['AIRFLOW_HOME']}/openlineage.jsonl"


TRANSPORT = {"type": "file", "log_file_path": EVENTS, "append": True}
os.environ["AIRFLOW__OPENLINEAGE__TRANSPORT"] = json.dumps(TRANSPORT)


def listen():
    """Do what OpenLineage's plugin does where Airflow's configuration names a transport."""
    from airflow.providers.openlineage import conf
    from airflow.providers.openlineage.plugins.listener import get_openlineage_listener

    for asked in vars(conf).values():
        getattr(asked, "cache_clear", lambda: None)()
    get_listener_manager().add_listener(get_openlineage_listener())


if get_parsing_context().task_id:  # in a worker, where alone listeners are called
    listen()

with DAG("lineage", schedule=None, catchup=False):
    AzureMLBatchEndpointOperator(
        task_id="azure_ml",
        endpoint_name="simulated",
        deployment_name="brief",
        input="azureml://datastores/workspaceblobstore/paths/lineage/{{ run_id }}",
        poll_interval=1,
        deferrable=True,
    )
    AzureMLBatchEndpointOperator(
        task_id="failing",
        endpoint_name="simulated",
        deployment_name="failing",
        input="abfss://lake@contoso.dfs.core.windows.net/lineage",
        poll_interval=1,
        deferrable=True,
    )
    ModelArtsWorkflowOperator(
        task_id="modelarts",
        workflow_name="brief",
        data={"rows": "obs://lab/lineage/"},
        poll_interval=1,
        start_from_trigger=True,
    )
