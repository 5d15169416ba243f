"""Batch deployments: of a model with a scoring script, or of a pipeline component.

Sources: the REST guide for batch scoring, recorded bodies in azure-sdk-for-python, and the YAML reference of
batch deployments. ``deploymentConfiguration`` exists since api-version 2024-04-01.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.services.azure_ml.resources import fields
from airflow_batch_provider.services.azure_ml.resources.references import reference
from airflow_batch_provider.services.azure_ml.resources.resource import Resource
from airflow_batch_provider.services.azure_ml.workspace import Workspace
from airflow_batch_provider.values import shown

_ACTIONS = {"append_row": "AppendRow", "summary_only": "SummaryOnly"}
_REFERENCES = {"Id": ("assetId",), "DataPath": ("datastoreId", "path"), "OutputPath": ("jobId", "path")}
# The REST guide sends its level in lower case, recordings show it capitalised: it goes as it was written.
_LEVELS = {"info": "Info", "warning": "Warning", "debug": "Debug"}
_PIPELINES_SINCE = "2024-04-01"


def model_deployment(
    workspace: Workspace,
    endpoint_name: str,
    name: str,
    *,
    model: str | Mapping[str, Any],
    compute: str,
    code: str | None = None,
    scoring_script: str | None = None,
    environment: str | None = None,
    environment_variables: Mapping[str, Any] | None = None,
    instance_count: int | None = None,
    instance_type: str | None = None,
    resource_properties: Mapping[str, Any] | None = None,
    mini_batch_size: int | None = None,
    max_concurrency_per_instance: int | None = None,
    max_retries: int | None = None,
    mini_batch_timeout: int | str | None = None,
    error_threshold: int | None = None,
    output_action: str | None = None,
    output_file_name: str | None = None,
    logging_level: str | None = None,
    location: str | None = None,
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
    extra_properties: Mapping[str, Any] | None = None,
) -> Resource:
    """Describe a deployment of a model. What is not given is the service's default.

    Args:
        workspace: Where the endpoint, and what a short name means, is.
        endpoint_name: Of the endpoint.
        name: 3 to 32 letters, digits and hyphens.
        model: ``azureml:NAME:VERSION``, ``azureml:NAME@latest``, an ARM id, or the wire's own mapping with
            ``referenceType``.
        compute: Name or ARM id of a compute cluster.
        code: Like the model; an MLflow model needs neither code nor environment.
        scoring_script: Of the code, a path below it.
        environment: Like the model.
        environment_variables: Of the scoring script; numbers and booleans become texts.
        instance_count: Nodes of each job, at least 1.
        instance_type: Of the nodes, where the compute has several.
        resource_properties: Further properties of the nodes.
        mini_batch_size: Files that the script is given at once, at least 1.
        max_concurrency_per_instance: Processes on each node, at least 1.
        max_retries: Of a mini-batch, at least 0.
        mini_batch_timeout: seconds, or an ISO 8601 duration.
        error_threshold: Failed files that a job may have; -1 for any number.
        output_action: ``append_row`` or ``summary_only``.
        output_file_name: Of the output, without a path.
        logging_level: ``info``, ``warning`` or ``debug``.
        location: Region; default: the workspace's.
        description: Of the deployment.
        tags: Of the deployment.
        properties: Of the deployment, texts.
        extra_properties: Merged into the body's ``properties``, for what a newer api-version takes.

    Raises:
        InvalidInput: A value that the service would refuse.
    """
    said = {
        "description": None if description is None else fields.text("description", description),
        "properties": fields.texts("properties", properties),
        "model": _model(workspace, model),
        "codeConfiguration": _code(workspace, code, scoring_script),
        "environmentId": None
        if environment is None
        else reference(workspace, "environments", "environment", environment),
        "environmentVariables": fields.hidden_texts("environment_variables", environment_variables),
        "compute": reference(workspace, "computes", "compute", compute),
        "resources": _nodes(instance_count, instance_type, resource_properties),
        "maxConcurrencyPerInstance": fields.whole(
            "max_concurrency_per_instance", max_concurrency_per_instance, 1
        ),
        "retrySettings": _or_none(
            {
                "maxRetries": fields.whole("max_retries", max_retries, 0),
                "timeout": fields.duration("mini_batch_timeout", mini_batch_timeout),
            }
        ),
        "errorThreshold": fields.whole("error_threshold", error_threshold, -1),
        "loggingLevel": _level(logging_level),
        "miniBatchSize": fields.whole("mini_batch_size", mini_batch_size, 1),
        "outputAction": fields.option("output_action", output_action, _ACTIONS),
        "outputFileName": fields.file_name("output_file_name", output_file_name),
    }
    return _deployment(endpoint_name, name, location, tags, fields.body(said, extra_properties))


def pipeline_deployment(
    workspace: Workspace,
    endpoint_name: str,
    name: str,
    *,
    component: str,
    settings: Mapping[str, Any] | None = None,
    location: str | None = None,
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
    extra_properties: Mapping[str, Any] | None = None,
) -> Resource:
    """Describe a deployment of a pipeline component.

    Args:
        workspace: Where the endpoint, and what a short name means, is. Its api-version must know such
            deployments.
        endpoint_name: Of the endpoint.
        name: 3 to 32 letters, digits and hyphens.
        component: ``azureml:NAME:VERSION``, ``azureml:NAME@latest`` or an ARM id.
        settings: Such as ``default_compute`` and ``continue_on_step_failure``; sent as texts.
        location: Region; default: the workspace's.
        description: Of the deployment.
        tags: Of the deployment.
        properties: Of the deployment, texts.
        extra_properties: Merged into the body's ``properties``, for what a newer api-version takes.

    Raises:
        InvalidInput: A value that the service would refuse, or an api-version that is too old.
    """
    if workspace.api_version[: len(_PIPELINES_SINCE)] < _PIPELINES_SINCE and not (
        workspace.api_version == "2024-01-01-preview"
    ):
        raise InvalidInput(
            f"api_version is {shown(workspace.api_version)}, which knows no deployment of a component.",
            fix="Set the connection's api_version to 2024-10-01 or newer.",
        )
    configuration = {
        "deploymentConfigurationType": "PipelineComponent",
        "componentId": {
            "referenceType": "Id",
            "assetId": reference(workspace, "components", "component", component),
        },
        "settings": fields.texts("settings", settings),
    }
    said = {
        "description": None if description is None else fields.text("description", description),
        "properties": fields.texts("properties", properties),
        "deploymentConfiguration": fields.body(configuration),
    }
    return _deployment(endpoint_name, name, location, tags, fields.body(said, extra_properties))


def _deployment(endpoint: Any, name: Any, location: Any, tags: Any, properties: dict[str, Any]) -> Resource:
    parent = fields.endpoint_name("endpoint_name", endpoint)
    checked = fields.endpoint_name("deployment_name", name)
    body = {
        "location": None if location is None else fields.text("location", location),
        "tags": fields.texts("tags", tags),
        "properties": properties,
    }
    return Resource(
        f"deployment {checked!r} of endpoint {parent!r}",
        ("batchEndpoints", parent, "deployments", checked),
        fields.body(body),
        fixed=("location",),
        located=True,
    )


def _model(workspace: Workspace, model: Any) -> dict[str, Any]:
    if not isinstance(model, Mapping):
        return {"referenceType": "Id", "assetId": reference(workspace, "models", "model", model)}
    given = fields.json_mapping("model", model)
    needed = _REFERENCES.get(str(given.get("referenceType")))
    if needed is None:
        fix = f"Use one of {', '.join(_REFERENCES)}."
        raise fields.refuse("model['referenceType']", given.get("referenceType"), fix)
    for key in needed:
        fields.text(f"model[{key!r}]", given.get(key))
    return given


def _code(workspace: Workspace, code: Any, script: Any) -> dict[str, Any] | None:
    if code is None and script is None:
        return None
    if code is None or script is None:
        raise InvalidInput(
            f"code is {shown(code)} and scoring_script is {shown(script)}.",
            fix="Give both: the folder, and the script in it. An MLflow model needs neither.",
        )
    return {
        "codeId": reference(workspace, "codes", "code", code),
        "scoringScript": fields.text("scoring_script", script),
    }


def _nodes(count: Any, kind: Any, properties: Any) -> dict[str, Any] | None:
    return _or_none(
        {
            "instanceCount": fields.whole("instance_count", count, 1),
            "instanceType": None if kind is None else fields.text("instance_type", kind),
            "properties": None
            if properties is None
            else fields.json_mapping("resource_properties", properties),
        }
    )


def _level(level: Any) -> str | None:
    return (
        level
        if isinstance(level, str) and level in _LEVELS
        else fields.option("logging_level", level, _LEVELS)
    )


def _or_none(values: Mapping[str, Any]) -> dict[str, Any] | None:
    return fields.body(values) or None
