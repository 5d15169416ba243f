"""Put a second deployment beside the one in use, have both score the same data, and only then switch over.

The new one is invoked by its name, while everybody else's invocations still go to the default. To go back,
run `set_default` with the old name.
"""

from __future__ import annotations

import os

from airflow.sdk import DAG, Param, task

from airflow_batch_provider.operators.azure_ml import (
    AzureMLBatchEndpointOperator,
    AzureMLCreateBatchDeploymentOperator,
    AzureMLCreateComputeOperator,
    AzureMLRegisterCodeOperator,
    AzureMLRegisterDataOperator,
    AzureMLRegisterEnvironmentOperator,
    AzureMLRegisterModelOperator,
    AzureMLSetDefaultDeploymentOperator,
)

with DAG(
    "example_azure_ml_safe_rollout",
    schedule=None,
    catchup=False,
    tags=["example", "azure-ml"],
    params={
        "endpoint": Param("digits", type="string", description="Endpoint that has a default deployment"),
        "candidate": Param("candidate", type="string", description="Name of the new deployment"),
        "agreement": Param(0.9, type="number", description="Share of predictions that must be the same"),
        "folder": Param(
            os.environ.get("EXAMPLE_DIGITS", "digits"),
            type="string",
            description="Folder, beside the DAG file, with the new code/ and model/, and images/ to score",
        ),
    },
    default_args={"endpoint_name": "{{ params.endpoint }}"},
    doc_md=__doc__,
) as dag:
    compute = AzureMLCreateComputeOperator(
        task_id="compute",
        compute_name="rollout-cluster",
        vm_size="STANDARD_D2_V2",
        max_nodes=2,
        if_exists="skip",  # somebody may have given it more nodes
    )
    code = AzureMLRegisterCodeOperator(task_id="code", name="score-digits", path="{{ params.folder }}/code")
    model = AzureMLRegisterModelOperator(task_id="model", name="digits", path="{{ params.folder }}/model")
    environment = AzureMLRegisterEnvironmentOperator(
        task_id="environment",
        name="rollout-env",
        version=1,
        image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04",
        conda_file={
            "name": "digits-env",
            "channels": ["conda-forge"],
            "dependencies": ["python=3.11", "scikit-learn", "pillow"],
        },
    )
    images = AzureMLRegisterDataOperator(
        task_id="images", name="rollout-digits", path="{{ params.folder }}/images"
    )

    deploy = AzureMLCreateBatchDeploymentOperator(
        task_id="deploy",
        deployment_name="{{ params.candidate }}",
        model=model.output["id"],
        code=code.output["id"],
        scoring_script="digit_identification.py",
        environment=environment.output["id"],
        compute="rollout-cluster",
        mini_batch_size=20,
        deferrable=True,
    )

    score_now = AzureMLBatchEndpointOperator(task_id="score_now", input=images.output["id"], deferrable=True)
    score_new = AzureMLBatchEndpointOperator(
        task_id="score_new",
        deployment_name="{{ params.candidate }}",
        input=images.output["id"],
        deferrable=True,
    )

    @task
    def compare(now: dict, new: dict, params: dict) -> float:
        """Return the share of images that both deployments read alike; fail if it is too small."""
        from airflow_batch_provider.hooks.azure_ml import AzureMLHook

        def rows(job: dict) -> set[str]:
            folder = job["outputs"]["score"]["uri"].rstrip("/")
            return set(AzureMLHook().read_file(f"{folder}/predictions.csv").decode().splitlines())

        before, after = rows(now), rows(new)
        share = len(before & after) / max(len(before), len(after))
        if share < params["agreement"]:
            raise ValueError(f"Only {share:.1%} of the predictions are the same: the default stays.")
        return share

    set_default = AzureMLSetDefaultDeploymentOperator(
        task_id="set_default", deployment_name="{{ params.candidate }}", deferrable=True
    )

    compute >> deploy >> [score_now, score_new]
    compare(score_now.output, score_new.output) >> set_default
