"""Batch endpoints, and which deployment of theirs is the default.

Sources: the REST guide for batch scoring, and recorded bodies in azure-sdk-for-python. Names are unique
within a region. Since api-version 2022-10-01 a PATCH takes tags alone, so a default is set by a PUT of the
whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_batch_provider.flow import RETRY, Flow, send
from airflow_batch_provider.services.azure_ml.answers import read
from airflow_batch_provider.services.azure_ml.resources import fields
from airflow_batch_provider.services.azure_ml.resources.ensure import Ensured, ensure
from airflow_batch_provider.services.azure_ml.resources.resource import Resource
from airflow_batch_provider.services.azure_ml.workspace import Workspace, ask


def batch_endpoint(
    name: str,
    *,
    default_deployment: str | None = None,
    location: str | None = None,
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
    extra_properties: Mapping[str, Any] | None = None,
) -> Resource:
    """Describe a batch endpoint.

    Args:
        name: 3 to 32 letters, digits and hyphens, unique within the region.
        default_deployment: Which deployment an invocation goes to that names none; it must exist.
        location: Region; default: the workspace's.
        description: Of the endpoint.
        tags: Of the endpoint.
        properties: Of the endpoint, texts.
        extra_properties: Merged into the body's ``properties``, for what a newer api-version takes.

    Raises:
        InvalidInput: A value that the service would refuse.
    """
    checked = fields.endpoint_name("endpoint_name", name)
    said: dict[str, Any] = {
        "authMode": "aadToken",
        "description": None if description is None else fields.text("description", description),
        "properties": fields.texts("properties", properties),
    }
    if default_deployment is not None:
        deployment = fields.endpoint_name("default_deployment", default_deployment)
        said["defaults"] = {"deploymentName": deployment}
    body = {
        "location": None if location is None else fields.text("location", location),
        "tags": fields.texts("tags", tags),
        "properties": fields.body(said, extra_properties),
    }
    return Resource(
        f"batch endpoint {checked!r}",
        ("batchEndpoints", checked),
        fields.body(body),
        fixed=("location", "properties.authMode"),
        located=True,
    )


def set_default(
    workspace: Workspace, name: str, deployment: str, *, now: Callable[[], float] = RETRY.now
) -> Flow[Ensured]:
    """Have invocations that name no deployment go to one.

    Args:
        workspace: Where.
        name: Of the endpoint.
        deployment: Of the endpoint.
        now: Wall clock, epoch seconds.

    Returns:
        What was done; ``unchanged`` if it is the default already.

    Raises:
        InvalidInput: A name that cannot be one.
        NotFound: There is no such endpoint, or no such deployment of it.
        BatchError: The service refused.
    """
    wanted = batch_endpoint(name, default_deployment=fields.endpoint_name("deployment_name", deployment))
    return _default_set(workspace, wanted, deployment, now)


def _default_set(
    workspace: Workspace, wanted: Resource, deployment: str, now: Callable[[], float]
) -> Flow[Ensured]:
    response = yield from send(ask("GET", workspace.url(*wanted.path, "deployments", deployment), "arm"))
    fix = f"Create the endpoint and the deployment first, or check deployment_name {deployment!r}."
    read(response, f"looking up deployment {deployment!r} of {wanted.label}", fix=fix)
    return (yield from ensure(workspace, wanted, create=False, now=now))
