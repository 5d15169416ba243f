# ruff: noqa: N815  # The names of fields are those of the JSON.
"""The facet that says which remote job a task ran; its JSON Schema is the file beside this one."""

from __future__ import annotations

import attr
from openlineage.client.facet_v2 import RunFacet

from airflow_batch_provider import __version__

HOME = "https://pypi.org/project/airflow-batch-provider"
KEY = "airflowBatchProvider_job"
SCHEMA_VERSION = "1-0-0"
SCHEMA_URL = f"{HOME}/facets/{SCHEMA_VERSION}/AirflowBatchProviderJobRunFacet.json"
"""Of the schema; it changes whenever the schema does."""

PRODUCER = f"{HOME}/{__version__}/"


@attr.define
class AirflowBatchProviderJobRunFacet(RunFacet):
    """A remote job. What is not known at the moment of an event is left out.

    Args:
        service: ``azure_ml`` or ``modelarts``.
        jobId: The service's id of the job.
        jobUrl: Its page in the service's web interface.
        status: The service's own word, once the job has ended.
        endpoint: The batch endpoint.
        deployment: Its deployment.
        model: ARM id of the deployment's model.
        workspace: ARM id of the workspace.
        workflowId: The ModelArts workflow.
        workflowName: Its name.
        projectId: The project of Huawei Cloud that it is in.
        region: The region of Huawei Cloud.
    """

    service: str
    jobId: str | None = None
    jobUrl: str | None = None
    status: str | None = None
    endpoint: str | None = None
    deployment: str | None = None
    model: str | None = None
    workspace: str | None = None
    workflowId: str | None = None
    workflowName: str | None = None
    projectId: str | None = None
    region: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return f"{SCHEMA_URL}#/$defs/AirflowBatchProviderJobRunFacet"
