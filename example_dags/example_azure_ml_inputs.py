"""Every kind of input that a batch endpoint takes, one task each: copy the one that you need.

``endpoint`` has a model deployment, which takes one folder or file; ``pipeline`` has a deployment of a
pipeline component, which takes any number of inputs and literals.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator

with DAG(
    "example_azure_ml_inputs",
    schedule=None,
    catchup=False,
    tags=["example", "azure-ml"],
    params={
        "endpoint": Param("digits", type="string", description="Endpoint with a model deployment"),
        "pipeline": Param("digits-pipeline", type="string", description="Endpoint with a pipeline component"),
        "account": Param("emulatorstore", type="string", description="Storage account of the images"),
    },
    default_args={"endpoint_name": "{{ params.endpoint }}", "deferrable": True},
    doc_md=__doc__,
) as dag:
    # [START assets]
    # A registered data asset: its newest version, or one version.
    AzureMLBatchEndpointOperator(task_id="asset_latest", input="azureml:digit-images@latest")
    AzureMLBatchEndpointOperator(task_id="asset_version", input="azureml:digit-images:1")
    # [END assets]

    # [START datastore]
    # A folder, or a file, in a registered datastore.
    AzureMLBatchEndpointOperator(
        task_id="datastore_folder",
        input={"type": "uri_folder", "path": "azureml://datastores/workspaceblobstore/paths/digits/images"},
    )
    AzureMLBatchEndpointOperator(
        task_id="datastore_file",
        input={
            "type": "uri_file",
            "path": "azureml://datastores/workspaceblobstore/paths/digits/images/0000-is-7.png",
        },
    )
    # [END datastore]

    # [START storage]
    # A storage account, by URL or by the names that Spark and Hadoop use.
    AzureMLBatchEndpointOperator(
        task_id="storage_url",
        input="https://{{ params.account }}.blob.core.windows.net/public/digits/images",
    )
    AzureMLBatchEndpointOperator(
        task_id="storage_wasbs",
        input="wasbs://public@{{ params.account }}.blob.core.windows.net/digits/images",
    )
    # [END storage]

    # [START outputs]
    # Where the output goes: a file of this run's own below the default datastore, or a place of your choice.
    AzureMLBatchEndpointOperator(
        task_id="output_of_its_own", input="azureml:digit-images@latest", outputs="auto"
    )
    AzureMLBatchEndpointOperator(
        task_id="output_chosen",
        input="azureml:digit-images@latest",
        outputs={
            "score": {"path": "azureml://datastores/workspaceblobstore/paths/scores/{{ run_id }}/digits.csv"}
        },
    )
    # [END outputs]

    # [START pipeline]
    # Literals, and several inputs at once: only a pipeline component takes them.
    AzureMLBatchEndpointOperator(
        task_id="pipeline_inputs",
        endpoint_name="{{ params.pipeline }}",
        inputs={
            "images": "azureml:digit-images@latest",
            "score_mode": {"type": "string", "default": "append"},
            "threshold": 0.5,
            "rows": 1000,
            "verbose": True,
        },
        experiment_name="digits",
    )

    # The same from a file, which may hold templates.
    AzureMLBatchEndpointOperator(
        task_id="pipeline_inputs_file", endpoint_name="{{ params.pipeline }}", inputs="inputs.yml"
    )
    # [END pipeline]
