"""Train on data in OBS by a Huawei Cloud ModelArts workflow, watch its output, and tell how well it learnt.

The connection decides where it runs: the emulator, or a project on Huawei Cloud with a bucket that holds
``code/`` and ``rows/``.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param, task

from airflow_batch_provider.operators.modelarts import ModelArtsWorkflowOperator
from airflow_batch_provider.sensors.outputs import BatchOutputSensor

with DAG(
    "example_modelarts_workflow",
    schedule=None,
    catchup=False,
    tags=["example", "modelarts"],
    params={
        "bucket": Param("digits", type="string", description="Bucket in OBS with the code and the data"),
        "thorough": Param(default=False, type="boolean", description="Whether to learn from all of the data"),
    },
    doc_md=__doc__,
) as dag:
    # [START train]
    train = ModelArtsWorkflowOperator(
        task_id="train",
        workflow="digits_workflow.yml",  # created by the first run
        parameters={"thorough": "{{ params.thorough }}"},
        data={"rows": "obs://{{ params.bucket }}/rows/"},
        labels=["airflow"],
        rerun_failed=True,
        deferrable=True,
    )
    # [END train]

    # [START metrics]
    metrics = BatchOutputSensor(
        task_id="metrics",
        path="obs://{{ params.bucket }}/results/{{ ti.xcom_pull(task_ids='train', key='job_id') }}/",
        glob="**/metrics.json",
        min_bytes=1,
        deferrable=True,
        poke_interval=5,
        timeout=600,
    )
    # [END metrics]

    # [START read]
    @task
    def accuracy(files: list[dict]) -> float:
        """Read the metric that the boot file has written."""
        import json

        from airflow_batch_provider.hooks.modelarts import ModelArtsHook

        (metric,) = json.loads(ModelArtsHook().read_file(files[0]["path"]))
        print(f"{metric['title']}: {metric['data']['value']:.1%}")  # noqa: T201  # the task's log
        return metric["data"]["value"]

    # [END read]

    train >> metrics
    accuracy(metrics.output)
