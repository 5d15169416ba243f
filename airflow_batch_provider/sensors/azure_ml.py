"""The sensor that waits for a job of Azure Machine Learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_batch_provider.links import AzureMLJobLink
from airflow_batch_provider.sensors.base import JobSensor

if TYPE_CHECKING:
    from airflow_batch_provider.jobs import JobRef


class AzureMLJobSensor(JobSensor):
    """Wait until a job that another task or system started has succeeded, and return it.

    A job that failed or was cancelled fails the task at once. The job is never cancelled by this sensor.

    Args:
        job_id: The job's id: the ``job_id`` that `AzureMLBatchEndpointOperator` pushes, or the name that
            Azure Machine Learning studio shows.
        azure_ml_conn_id: The connection.
        subscription_id: Instead of the connection's.
        resource_group_name: Instead of the connection's.
        workspace_name: Instead of the connection's.
        cloud_environment: Instead of the connection's.
        **kwargs: As of `JobSensor`: ``outage_tolerance``, ``deferrable``, ``poke_interval``, ``timeout``, …
    """

    service = "azure_ml"
    template_fields = (
        "job_id",
        "azure_ml_conn_id",
        "subscription_id",
        "resource_group_name",
        "workspace_name",
        "cloud_environment",
    )
    operator_extra_links = (AzureMLJobLink(),)

    def __init__(
        self,
        *,
        job_id: str,
        azure_ml_conn_id: str = "azure_ml_default",
        subscription_id: str | None = None,
        resource_group_name: str | None = None,
        workspace_name: str | None = None,
        cloud_environment: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.azure_ml_conn_id = azure_ml_conn_id
        self.subscription_id = subscription_id
        self.resource_group_name = resource_group_name
        self.workspace_name = workspace_name
        self.cloud_environment = cloud_environment

    def _conn_id(self) -> str:
        return self.azure_ml_conn_id

    def _ref(self, hook: Any) -> JobRef:
        from airflow_batch_provider.jobs import JobRef

        return JobRef("azure_ml", self.job_id, url=hook.workspace.studio_url(self.job_id))

    def _place(self) -> dict[str, Any]:
        return {
            "subscription_id": self.subscription_id,
            "resource_group_name": self.resource_group_name,
            "workspace_name": self.workspace_name,
            "cloud_environment": self.cloud_environment,
        }
