"""A job as the batch data plane and as ARM show it.

Forms: recorded invoke answers of a model deployment and of a pipeline component, and a recorded ARM job.
"""

from __future__ import annotations

from typing import Any

from airflow_batch_provider.emulator import wire
from airflow_batch_provider.emulator.ids import PROVIDER
from airflow_batch_provider.emulator.jobs import Job


def studio_url(job: Job, base: str) -> str:
    """Return the page of a job; studio's form of address, served by the emulator itself."""
    where = job.where
    scope = f"/subscriptions/{where.subscription}/resourcegroups/{where.group}/workspaces/{where.name}"
    return f"{base}/runs/{job.id}?wsid={scope}"


def tracking_url(job: Job, base: str) -> str:
    """Return the MLflow tracking address of a job's workspace."""
    return f"{base.replace('http', 'azureml', 1)}/mlflow/v1.0{job.where.id}?"


def system_data(job: Job) -> dict[str, Any]:
    """Return who made a job and changed it last, and when."""
    return {
        "createdAt": wire.timestamp(job.created_at),
        "createdBy": job.created_by,
        "lastModifiedAt": wire.timestamp(job.states[-1][1] if job.states else job.created_at),
        "lastModifiedBy": job.created_by,
    }


def batch_job(job: Job, base: str) -> dict[str, Any]:
    """Return a job as the batch data plane does.

    Args:
        job: The job.
        base: The URL under which the caller reaches the emulator, without a slash at the end.
    """
    model = job.kind == "model"
    parent = f"{job.where.id}/batchEndpoints/{job.endpoint}/deployments/{job.deployment}"
    # The empty segment is the service's: seen in the recorded answers for pipeline components.
    pipeline_id = f"{job.where.id}/batchEndpoints//jobs/{job.id}"
    return {
        "id": f"{parent}/jobs/{job.id}" if model else pipeline_id,
        "name": job.id,
        "type": f"{PROVIDER}/workspaces/batchEndpoints/{'deployments/' if model else ''}jobs",
        "properties": _batch_properties(job, base, model=model),
        "systemData": system_data(job),
    }


def _batch_properties(job: Job, base: str, *, model: bool) -> dict[str, Any]:
    request = job.request
    shown: dict[str, Any] = {
        "provisioningState": "Succeeded",
        "inputData": request["inputData"],
        "compute": _compute(job, model=model),
        "output": {"datastoreId": None, "path": None},
        "status": job.status,
        "interactionEndpoints": {
            "Tracking": _interaction("Tracking", tracking_url(job, base)),
            "Studio": _interaction("Studio", studio_url(job, base)),
        },
        "tags": job.tags,
        "properties": job.properties,
        "name": job.display_name,
    }
    if model:
        shown["retrySettings"] = {"maxRetries": 3, "timeout": "PT30S"} | _given(
            job.deployment_properties.get("retrySettings"), request["retrySettings"]
        )
    overrides = ("description", "errorThreshold", "loggingLevel", "miniBatchSize", "outputFileName")
    shown |= {key: request[key] for key in overrides if request.get(key) is not None}
    if request["outputData"]:
        shown["outputData"] = request["outputData"]
    return shown


def _given(*holders: dict[str, Any] | None) -> dict[str, Any]:
    return {key: value for holder in holders for key, value in (holder or {}).items() if value is not None}


def _compute(job: Job, *, model: bool) -> dict[str, Any]:
    empty = dict.fromkeys(("target", "instanceCount", "isLocal", "location", "instanceType", "properties"))
    target = job.deployment_properties.get("compute") if model else None
    return empty | {"target": target, "isLocal": False} | _given(job.request["compute"])


def _interaction(kind: str, endpoint: str) -> dict[str, Any]:
    return {"jobEndpointType": kind, "port": None, "endpoint": endpoint, "properties": None}


def arm_job(job: Job, base: str) -> dict[str, Any]:
    """Return a job as ARM does: no error text, inputs and outputs null (recorded ARM job of a batch job)."""
    description = job.request.get("description")
    return {
        "id": f"{job.where.id}/jobs/{job.id}",
        "name": job.id,
        "type": f"{PROVIDER}/workspaces/jobs",
        "properties": {
            "description": description
            or f"Pipeline submission for endpoint: {job.endpoint}, deployment: {job.deployment}.",
            "tags": job.tags,
            "properties": job.properties,
            "displayName": job.display_name,
            "status": job.status,
            "experimentName": job.experiment,
            "services": {
                "Tracking": _service("Tracking", tracking_url(job, base)),
                "Studio": _service("Studio", studio_url(job, base)),
            },
            "computeId": None,
            "isArchived": job.hidden,
            "identity": None,
            "componentId": None,
            "jobType": "Pipeline",
            "settings": None,
            "jobs": None,
            "inputs": None,
            "outputs": None,
            "sourceJobId": None,
        },
        "systemData": system_data(job),
    }


def _service(kind: str, endpoint: str) -> dict[str, Any]:
    return {
        "jobServiceType": kind,
        "port": None,
        "endpoint": endpoint,
        "status": None,
        "errorMessage": None,
        "properties": None,
        "nodes": None,
    }
