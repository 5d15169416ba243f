"""Bring up all that batch scoring needs on Azure ML, score, and take it down again, whatever happens between.

The steps are those of Microsoft's guide to batch scoring by REST, in its order. What is uploaded and
registered (code, model, environment, data) stays in the workspace: it costs next to nothing, and the next run
finds it and sends nothing.
"""

from __future__ import annotations

import os

from airflow.sdk import DAG, Param, task

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
from airflow_batch_provider.sensors.outputs import BatchOutputSensor

with DAG(
    "example_azure_ml_lifecycle",
    schedule=None,
    catchup=False,
    tags=["example", "azure-ml"],
    params={
        "endpoint": Param("digits-for-a-while", type="string", description="Unique within the region"),
        "compute": Param("digits-cluster", type="string", description="Name of the compute cluster"),
        "folder": Param(
            os.environ.get("EXAMPLE_DIGITS", "digits"),
            type="string",
            description="Folder, beside the DAG file, with code/, model/ and images/, each image named after "
            "the digit that it shows: 0042-is-7.png",
        ),
    },
    doc_md=__doc__,
) as dag:
    # [START compute]
    create_compute = AzureMLCreateComputeOperator(
        task_id="create_compute",
        compute_name="{{ params.compute }}",
        vm_size="STANDARD_D2_V2",
        max_nodes=5,
        min_nodes=0,
    ).as_setup()
    # [END compute]

    # [START code]
    # Without a version, the content makes it: the same content is the same version.
    register_code = AzureMLRegisterCodeOperator(
        task_id="register_code", name="score-digits", path="{{ params.folder }}/code"
    )
    # [END code]
    # [START model]
    register_model = AzureMLRegisterModelOperator(
        task_id="register_model", name="digits", path="{{ params.folder }}/model"
    )
    # [END model]
    # [START environment]
    register_environment = AzureMLRegisterEnvironmentOperator(
        task_id="register_environment",
        name="digits-env",
        version=1,
        image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04",
        conda_file={
            "name": "digits-env",
            "channels": ["conda-forge"],
            "dependencies": ["python=3.11", "scikit-learn", "pillow"],
        },
    )
    # [END environment]
    # [START data]
    register_data = AzureMLRegisterDataOperator(
        task_id="register_data", name="held-out-digits", path="{{ params.folder }}/images"
    )
    # [END data]

    # [START endpoint]
    create_endpoint = AzureMLCreateBatchEndpointOperator(
        task_id="create_endpoint", endpoint_name="{{ params.endpoint }}"
    ).as_setup()
    # [END endpoint]
    # [START deployment]
    create_deployment = AzureMLCreateBatchDeploymentOperator(
        task_id="create_deployment",
        endpoint_name="{{ params.endpoint }}",
        deployment_name="first",
        model=register_model.output["id"],
        code=register_code.output["id"],
        scoring_script="digit_identification.py",
        environment=register_environment.output["id"],
        compute="{{ params.compute }}",
        instance_count=1,
        max_concurrency_per_instance=2,
        mini_batch_size=20,
        max_retries=3,
        mini_batch_timeout=30,
        error_threshold=10,
        logging_level="info",
        deferrable=True,
    )
    # [END deployment]
    # [START default]
    set_default = AzureMLSetDefaultDeploymentOperator(
        task_id="set_default", endpoint_name="{{ params.endpoint }}", deployment_name="first"
    )
    # [END default]

    score = AzureMLBatchEndpointOperator(
        task_id="score",
        endpoint_name="{{ params.endpoint }}",
        input=register_data.output["id"],
        deferrable=True,
    )
    predictions = BatchOutputSensor(
        task_id="predictions",
        path="{{ ti.xcom_pull(task_ids='score', key='outputs')['score']['uri'] }}",
        glob="*.csv",
        min_bytes=1,
        poke_interval=5,
        timeout=600,
    )

    @task
    def accuracy(files: list[dict]) -> float:
        """Compare each prediction with the digit that the image's name tells."""
        from airflow_batch_provider.hooks.azure_ml import AzureMLHook

        text = AzureMLHook().read_file(files[0]["path"]).decode()
        rows = [line.split() for line in text.splitlines() if line]
        return sum(image.split("-is-")[1][0] == digit for image, digit in rows) / len(rows)

    # [START delete_endpoint]
    delete_endpoint = AzureMLDeleteBatchEndpointOperator(
        task_id="delete_endpoint", endpoint_name="{{ params.endpoint }}"
    ).as_teardown(setups=create_endpoint)
    # [END delete_endpoint]
    # [START delete_compute]
    delete_compute = AzureMLDeleteComputeOperator(
        task_id="delete_compute", compute_name="{{ params.compute }}"
    ).as_teardown(setups=create_compute)
    # [END delete_compute]

    registered = [register_code, register_model, register_environment, register_data]
    create_compute >> registered >> create_endpoint >> create_deployment >> set_default >> score
    score >> predictions
    accuracy(predictions.output) >> delete_endpoint >> delete_compute
