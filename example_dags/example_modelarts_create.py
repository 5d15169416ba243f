"""Create ModelArts workflows in each of the three ways, run one, and delete them all at the end."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_batch_provider.operators.modelarts import (
    ModelArtsCreateWorkflowOperator,
    ModelArtsDeleteWorkflowOperator,
    ModelArtsWorkflowOperator,
)
from airflow_batch_provider.sensors.modelarts import ModelArtsExecutionSensor

with DAG(
    "example_modelarts_create",
    schedule=None,
    catchup=False,
    tags=["example", "modelarts"],
    params={
        "bucket": Param("digits", type="string", description="Bucket in OBS with the code and the data"),
        "content_id": Param(
            "21ef85a8-5e40-4618-95ee-aa48ec224b43", type="string", description="Of an asset in AI Gallery"
        ),
    },
    doc_md=__doc__,
) as dag:
    # [START create]
    # From steps, here or in a file.
    create = ModelArtsCreateWorkflowOperator(
        task_id="create",
        name="digits-created",
        steps=[
            {
                "name": "train",
                "type": "job",
                "inputs": [{"name": "data_url", "type": "obs", "data": "$ref/data_requirements/rows"}],
                "outputs": [
                    {
                        "name": "train_url",
                        "type": "obs",
                        "config": {
                            "obs_url": "$ref/storages(with_execution_id=True, create_dir=True)/results/model"
                        },
                    }
                ],
                "properties": {
                    "algorithm": {"code_dir": "/{{ params.bucket }}/code/", "boot_file": "train_digits.py"}
                },
            }
        ],
        data_requirements=[{"name": "rows", "type": "obs", "delay": True, "used_steps": ["train"]}],
        storages=[{"name": "results", "type": "obs", "path": "/{{ params.bucket }}/created/"}],
        if_exists="update",
    )
    # [END create]

    # [START copy]
    # A copy of another.
    copy = ModelArtsCreateWorkflowOperator(
        task_id="copy",
        name="digits-copied",
        source_workflow_id="{{ ti.xcom_pull(task_ids='create', key='workflow_id') }}",
    )
    # [END copy]

    # [START gallery]
    # From AI Gallery.
    gallery = ModelArtsCreateWorkflowOperator(
        task_id="gallery",
        name="digits-from-gallery",
        gallery_subscription={"content_id": "{{ params.content_id }}"},
    )
    # [END gallery]

    # [START wait]
    # One task starts an execution, another waits for it.
    start = ModelArtsWorkflowOperator(
        task_id="start",
        workflow_id="{{ ti.xcom_pull(task_ids='copy', key='workflow_id') }}",
        data={"rows": "obs://{{ params.bucket }}/rows/"},
        wait_for_completion=False,
    )
    wait = ModelArtsExecutionSensor(
        task_id="wait",
        workflow_id="{{ ti.xcom_pull(task_ids='start', key='workflow_id') }}",
        execution_id="{{ ti.xcom_pull(task_ids='start', key='job_id') }}",
        deferrable=True,
        poke_interval=5,
        timeout=600,
    )
    # [END wait]

    create >> copy >> start >> wait
    # [START delete]
    for created in (create, copy, gallery):
        wait >> ModelArtsDeleteWorkflowOperator(
            task_id=f"delete_{created.task_id}", workflow_name=created.name
        ).as_teardown(setups=created)
    # [END delete]
