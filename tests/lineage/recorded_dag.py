"""Tasks whose events are recorded: each service, in the worker and deferred, with and without luck."""

from airflow.sdk import DAG

from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator
from airflow_batch_provider.operators.modelarts import ModelArtsWorkflowOperator

with DAG("recorded", schedule=None) as dag:
    for waits, deferrable in {"in_worker": False, "deferred": True}.items():
        for ends in ("well", "badly"):
            common = {"deferrable": deferrable, "poll_interval": 0.5}
            AzureMLBatchEndpointOperator(
                task_id=f"azure_ml_{waits}_{ends}",
                endpoint_name="churn",
                deployment_name=ends,
                inputs={
                    "customers": "{{ var.value.signed }}",
                    "images": "azureml:images:1",
                    "days": "azureml://datastores/lake/paths/days/{{ ds }}",
                    "lake": "abfss://lake@contoso.dfs.core.windows.net/all/",
                },
                outputs={"score": {"path": "azureml://datastores/lake/paths/{{ ti.task_id }}/{{ ds }}"}},
                **common,
            )
            ModelArtsWorkflowOperator(
                task_id=f"modelarts_{waits}_{ends}",
                workflow_name=ends,
                data={"customers": "obs://lab/in/"},
                **common,
            )
