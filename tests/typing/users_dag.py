"""A user's DAG file with every operator and sensor: checked by type checkers, run by nobody.

Lines without a mark are right; a line with ``# wrong`` must be refused by each checker.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, Asset, AssetWatcher

from airflow_batch_provider import BatchRetryPolicy
from airflow_batch_provider.hooks.azure_ml import AzureMLHook
from airflow_batch_provider.hooks.modelarts import ModelArtsHook
from airflow_batch_provider.operators.azure_ml import (
    AzureMLBatchEndpointOperator,
    AzureMLCreateBatchDeploymentOperator,
    AzureMLCreateBatchEndpointOperator,
    AzureMLCreateComputeOperator,
    AzureMLDeleteBatchEndpointOperator,
    AzureMLDeleteComputeOperator,
    AzureMLRegisterCodeOperator,
    AzureMLRegisterDataOperator,
    AzureMLRegisterEnvironmentOperator,
    AzureMLRegisterModelOperator,
    AzureMLSetDefaultDeploymentOperator,
)
from airflow_batch_provider.operators.modelarts import (
    ModelArtsCreateWorkflowOperator,
    ModelArtsDeleteWorkflowOperator,
    ModelArtsWorkflowOperator,
)
from airflow_batch_provider.sensors import AzureMLJobSensor, BatchOutputSensor, ModelArtsExecutionSensor
from airflow_batch_provider.testing import BatchEmulator
from airflow_batch_provider.triggers.job_events import JobEventTrigger
from airflow_batch_provider.triggers.output_events import OutputEventTrigger

arrived = AssetWatcher(name="arrived", trigger=OutputEventTrigger(path="obs://lab/in/", glob="*.csv"))
ended = AssetWatcher(name="ended", trigger=JobEventTrigger(endpoint_name="churn", states=["failed"]))
OutputEventTrigger(glob="*.csv")  # wrong
OutputEventTrigger(path="obs://lab/in/", poll_interval="often")  # wrong
JobEventTrigger(endpoint_name=7)  # wrong

with DAG("users", schedule=[Asset("rows", watchers=[arrived, ended])]) as dag:
    score = AzureMLBatchEndpointOperator(
        task_id="score",
        endpoint_name="churn",
        deployment_name="second",
        inputs={"rows": "azureml:rows@latest", "threshold": 0.5, "mode": {"type": "string", "default": "a"}},
        outputs="auto",
        experiment_name="churn",
        job_overrides={"mini_batch_size": 20},
        tags={"team": "risk"},
        properties={"run": "{{ run_id }}"},
        azure_ml_conn_id="azure_ml_default",
        deferrable=True,
        start_from_trigger=False,
        poll_interval=30,
        timeout=timedelta(hours=2),
        on_retry="reattach",
        on_clear="rerun",
        on_ambiguous="reconcile",
        outage_tolerance=900,
        retries=5,
        retry_policy=BatchRetryPolicy(later=timedelta(minutes=5)),
    )
    AzureMLBatchEndpointOperator(task_id="one", endpoint_name="churn", input={"path": "azureml:rows:1"})
    AzureMLBatchEndpointOperator(task_id="file", endpoint_name="churn", inputs="inputs.yml")
    AzureMLBatchEndpointOperator(task_id="a", endpoint_name=["churn"])  # wrong
    AzureMLBatchEndpointOperator(task_id="b", endpoint_name="churn", inputs=["rows"])  # wrong
    AzureMLBatchEndpointOperator("c", "churn")  # wrong
    AzureMLBatchEndpointOperator.partial(task_id="d", endpoint_name="churn").expand(input=["azureml:rows:1"])
    BatchRetryPolicy(later="soon")  # wrong

    AzureMLCreateComputeOperator(task_id="c1", compute_name="small", vm_size="STANDARD_D2_V2", max_nodes=2)
    AzureMLCreateComputeOperator(task_id="c2", compute_name="small", vm_size="STANDARD_D2_V2")  # wrong
    AzureMLDeleteComputeOperator(task_id="c3", compute_name="small", detach=True)
    AzureMLDeleteComputeOperator(task_id="c4")  # wrong
    AzureMLRegisterCodeOperator(task_id="r1", name="score", path="code")
    AzureMLRegisterCodeOperator(task_id="r2", name="score")  # wrong
    AzureMLRegisterModelOperator(task_id="r3", name="churn", path="model", type="custom_model", version=1)
    AzureMLRegisterModelOperator(task_id="r4", name="churn", path="model", flavors="sklearn")  # wrong
    AzureMLRegisterEnvironmentOperator(task_id="r5", name="env", version=1, image="python:3.11")
    AzureMLRegisterEnvironmentOperator(task_id="r6", name="env", image="python:3.11")  # wrong
    AzureMLRegisterDataOperator(task_id="r7", name="rows", path="rows", if_exists="skip")
    AzureMLRegisterDataOperator(task_id="r8", name="rows", path=3)  # wrong
    AzureMLCreateBatchEndpointOperator(task_id="e1", endpoint_name="churn", tags={"team": "risk"})
    AzureMLCreateBatchEndpointOperator(task_id="e2", name="churn")  # wrong
    AzureMLCreateBatchDeploymentOperator(
        task_id="e3",
        endpoint_name="churn",
        deployment_name="first",
        model="azureml:churn:1",
        set_default=True,
    )
    AzureMLCreateBatchDeploymentOperator(task_id="e4", endpoint_name="churn")  # wrong
    AzureMLSetDefaultDeploymentOperator(task_id="e5", endpoint_name="churn", deployment_name="first")
    AzureMLSetDefaultDeploymentOperator(task_id="e6", deployment_name="first")  # wrong
    AzureMLDeleteBatchEndpointOperator(task_id="e7", endpoint_name="churn")
    AzureMLDeleteBatchEndpointOperator(task_id="e8", endpoint_name=None)  # wrong

    train = ModelArtsWorkflowOperator(
        task_id="train",
        workflow_name="churn",
        parameters={"epochs": 3},
        data={"rows": "obs://lab/in/"},
        labels=["airflow"],
        use_cache=True,
        rerun_failed=True,
        on_waiting_inputs="wait",
        region="cn-north-4",
    )
    ModelArtsWorkflowOperator(task_id="m1", workflow_id=5)  # wrong
    ModelArtsWorkflowOperator(task_id="m2", workflow_name="churn", labels=1)  # wrong
    ModelArtsCreateWorkflowOperator(task_id="m3", name="churn", steps=[{"name": "fit", "type": "model"}])
    ModelArtsCreateWorkflowOperator(task_id="m4", name="churn", steps="fit")  # wrong
    ModelArtsDeleteWorkflowOperator(task_id="m5", workflow_name="churn")
    ModelArtsDeleteWorkflowOperator(task_id="m6", workflow_name={"name": "churn"})  # wrong

    BatchOutputSensor(task_id="s1", path=Path("/data/out"), glob="*.csv", min_files=2, stable_for=10)
    BatchOutputSensor(task_id="s2", glob="*.csv")  # wrong
    BatchOutputSensor(task_id="s3", path="/data/out", min_files=[2])  # wrong
    AzureMLJobSensor(task_id="s4", job_id="{{ params.job }}", deferrable=True, poke_interval=5)
    AzureMLJobSensor(task_id="s5")  # wrong
    ModelArtsExecutionSensor(task_id="s6", execution_id="{{ params.execution }}", workflow_name="churn")
    ModelArtsExecutionSensor(task_id="s7", execution_id=b"1")  # wrong

content: bytes = AzureMLHook().read_file("azureml://datastores/d/paths/p")
text: str = AzureMLHook().read_file("azureml://datastores/d/paths/p")  # wrong
ModelArtsHook(region=3)  # wrong
since: datetime = JobEventTrigger(endpoint_name="churn").poll_interval  # wrong
with BatchEmulator(setup=Path("setup.yml"), speed=50) as emulator:
    emulator.add_deployment("churn", code_configuration={"code": Path("/code"), "scoring_script": "s.py"})
    emulator.add_deployment(deployment_name="first")  # wrong
    jobs: list[str] = emulator.jobs()  # wrong
