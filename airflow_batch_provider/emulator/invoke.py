"""What an invoke may say: the published rules of batch endpoints, as values in and values out.

Rules: the service's pages on inputs of batch endpoints and on scoring with REST, and the writable
``BatchJob`` model of api-version 2020-09-01-dataplanepreview.
"""

from __future__ import annotations

import json
import re
from typing import Any

from airflow_batch_provider.emulator import wire
from airflow_batch_provider.emulator.errors import ServiceError, bad_request

_PROPERTIES = (
    *("inputData", "outputData", "dataset", "outputDataset", "name", "description", "tags", "properties"),
    *("compute", "errorThreshold", "loggingLevel", "maxConcurrencyPerInstance", "miniBatchSize"),
    *("outputFileName", "partitionKeys", "retrySettings", "experimentName"),
)
_INPUT = ("jobInputType", "uri", "value", "mode", "description")
_OUTPUT = ("jobOutputType", "uri", "mode", "description")
_COMPUTE = ("target", "instanceCount", "instanceType", "isLocal", "location", "properties")
_DATA_TYPES = ("UriFile", "UriFolder")
_INPUT_TYPES = (*_DATA_TYPES, "MLTable", "Literal", "CustomModel", "MLFlowModel", "TritonModel")
_OUTPUT_TYPES = (*_DATA_TYPES, "MLTable", "CustomModel", "MLFlowModel", "TritonModel")
_LEVELS = ("Info", "Warning", "Debug")
_NAME = re.compile(r"[A-Za-z0-9_]+")
_DATASTORE = re.compile(r"(?:azureml:/)?/.*?/?datastores/[^/]+/paths/.+", re.IGNORECASE)


def kind_of(deployment: dict[str, Any]) -> str:
    """Return ``model`` or ``pipeline`` for a deployment's properties."""
    configuration = deployment.get("deploymentConfiguration") or {}
    return "pipeline" if configuration.get("deploymentConfigurationType") == "PipelineComponent" else "model"


def read_request(body: bytes, deployment: dict[str, Any]) -> dict[str, Any]:
    """Read the body of an invoke and check it against the rules of the deployment.

    Args:
        body: The JSON as it came, in any key case.
        deployment: The properties of the deployment that shall run.

    Returns:
        The job's properties in canonical key case, defaults filled in as the service echoes them.

    Raises:
        ServiceError: 400, with what is wrong.
    """
    request = _properties(body)
    request["inputData"] = {name: _input(name, item) for name, item in _named(request, "inputData")}
    request["outputData"] = {name: _output(name, item) for name, item in _named(request, "outputData")}
    if request.get("dataset"):
        raise bad_request("V1 datasets are not supported as input of this endpoint. Use InputData.")
    if kind_of(deployment) == "model":
        _check_model(request["inputData"], request["outputData"])
    _check_overrides(request)
    return request


def _properties(body: bytes) -> dict[str, Any]:
    try:
        parsed = wire.loads(body or b"{}")
    except ValueError as error:
        raise bad_request(f"The request body is not valid JSON: {error}") from None
    properties = wire.fold(parsed, ["properties"]).get("properties")
    if not isinstance(properties, dict):
        raise bad_request("The request body needs an object 'properties'.")
    return wire.fold(properties, _PROPERTIES)


def _named(request: dict[str, Any], key: str) -> list[tuple[str, Any]]:
    items = request.get(key) or {}
    if not isinstance(items, dict):
        raise bad_request(f"The field properties.{key} must be an object of named items.")
    for name, item in items.items():
        if not _NAME.fullmatch(name) or not isinstance(item, dict):
            raise bad_request(
                f"{key}.{name}: the name must be alphanumeric or underscores, the value an object."
            )
    return list(items.items())


def _one_of(where: str, value: Any, allowed: tuple[str, ...]) -> str:
    known = {name.lower(): name for name in allowed}
    found = known.get(str(value).lower())
    if found is None:
        raise bad_request(
            f"The value {value!r} of {where} is not supported. Supported: {', '.join(allowed)}."
        )
    return found


def _input(name: str, item: dict[str, Any]) -> dict[str, Any]:
    folded = wire.fold(item, _INPUT)
    kind = _one_of(f"inputData.{name}.jobInputType", folded.get("jobInputType"), _INPUT_TYPES)
    description = folded.get("description")
    if kind == "Literal":
        if "value" not in folded:
            raise bad_request(f"inputData.{name}: a Literal needs 'value'.")
        return {"description": description, "value": folded["value"], "jobInputType": kind}
    if kind not in _DATA_TYPES:
        raise bad_request(f"inputData.{name}: {kind} is not supported as input of a batch endpoint.")
    if not isinstance(folded.get("uri"), str) or not folded["uri"].strip():
        raise bad_request(f"inputData.{name}: an input of type {kind} needs 'uri'.")
    mode = folded.get("mode") or "ReadOnlyMount"
    return {"description": description, "uri": folded["uri"], "mode": mode, "jobInputType": kind}


def _output(name: str, item: dict[str, Any]) -> dict[str, Any]:
    folded = wire.fold(item, _OUTPUT)
    kind = _one_of(f"outputData.{name}.jobOutputType", folded.get("jobOutputType"), _OUTPUT_TYPES)
    uri = folded.get("uri")
    if uri is not None and not _DATASTORE.fullmatch(str(uri)):
        raise bad_request(
            f"outputData.{name}: outputs are written to registered datastores only, not to {uri!r}."
        )
    return {
        "description": folded.get("description"),
        "uri": uri,
        "mode": folded.get("mode") or "ReadWriteMount",
        "jobOutputType": kind,
    }


def _check_model(inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
    literals = [name for name, item in inputs.items() if item["jobInputType"] == "Literal"]
    if literals:
        raise bad_request(f"Literal inputs are not supported by model deployments: {', '.join(literals)}.")
    if len(inputs) != 1:
        raise bad_request(f"A model deployment takes exactly one data input; the request has {len(inputs)}.")
    if len(outputs) > 1:
        raise bad_request(f"A model deployment has exactly one output; the request has {len(outputs)}.")
    for name, item in outputs.items():
        if item["jobOutputType"] not in _DATA_TYPES or not item["uri"]:
            raise bad_request(f"outputData.{name}: a model deployment needs a UriFile with 'uri'.")


def _check_overrides(request: dict[str, Any]) -> None:
    for key, least in (("miniBatchSize", 1), ("errorThreshold", -1), ("maxConcurrencyPerInstance", 1)):
        _whole_number(request, key, least, key)
    request["compute"] = wire.fold(request.get("compute"), _COMPUTE)
    _whole_number(request["compute"], "instanceCount", 1, "compute.instanceCount")
    request["retrySettings"] = wire.fold(request.get("retrySettings"), ("maxRetries", "timeout"))
    _whole_number(request["retrySettings"], "maxRetries", 0, "retrySettings.maxRetries")
    timeout = request["retrySettings"].get("timeout")
    if timeout is not None:
        try:
            wire.seconds(str(timeout))
        except ValueError as error:
            raise bad_request(f"retrySettings.timeout: {error}.") from None
    if request.get("loggingLevel") is not None:
        request["loggingLevel"] = _one_of("loggingLevel", request["loggingLevel"], _LEVELS)
    if "/" in str(request.get("outputFileName") or ""):
        raise bad_request("outputFileName is a file name without folders.")


def _whole_number(holder: dict[str, Any], key: str, least: int, where: str) -> None:
    if holder.get(key) is None:
        return
    try:
        holder[key] = wire.integer(holder[key])
    except (TypeError, ValueError):
        raise bad_request(f"The value {holder[key]!r} of {where} is not a whole number.") from None
    if holder[key] < least:
        raise bad_request(f"The value {holder[key]} of {where} must be {least} or more.")


def effective(deployment: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that a job of a model deployment runs with: overrides first, then the deployment's.

    Args:
        deployment: The deployment's properties.
        request: What :func:`read_request` returned.

    Returns:
        The keys of a deployment's settings; ``timeout`` in seconds.
    """
    retry = {**(deployment.get("retrySettings") or {}), **request["retrySettings"]}
    resources = deployment.get("resources") or {}

    def chosen(key: str, default: Any) -> Any:
        override = request.get(key)
        value = deployment.get(key) if override is None else override
        return default if value is None else value

    return {
        "miniBatchSize": chosen("miniBatchSize", 10),
        "errorThreshold": chosen("errorThreshold", -1),
        "maxConcurrencyPerInstance": chosen("maxConcurrencyPerInstance", 1),
        "outputFileName": chosen("outputFileName", "predictions.csv"),
        "outputAction": deployment.get("outputAction") or "AppendRow",
        "loggingLevel": chosen("loggingLevel", "Info"),
        "instanceCount": request["compute"].get("instanceCount") or resources.get("instanceCount") or 1,
        "maxRetries": 3 if retry.get("maxRetries") is None else retry["maxRetries"],
        "timeout": wire.seconds(retry.get("timeout") or "PT30S"),
    }


def run_parameters(settings: dict[str, Any]) -> str:
    """Return the property ``azureml.parameters`` of a job (form: recorded invoke answers)."""
    return json.dumps(
        {
            "run_max_try": str(settings["maxRetries"]),
            "run_invocation_timeout": f"{settings['timeout']:g}",
            "mini_batch_size": str(settings["miniBatchSize"]),
            "error_threshold": str(settings["errorThreshold"]),
            "logging_level": str(settings["loggingLevel"]).upper(),
            "process_count_per_node": str(settings["maxConcurrencyPerInstance"]),
            "legacy_model_job": "False",
            "NodeCount": str(settings["instanceCount"]),
            "append_row_file_name": settings["outputFileName"],
        },
        separators=(",", ":"),
    )


def choose_deployment(endpoint: dict[str, Any], wanted: str | None) -> str:
    """Return the name of the deployment that an invoke means.

    Raises:
        ServiceError: None is named and the endpoint has no default (text: the service's troubleshooting page;
            its status is not published, 404 is what the same router answers for online endpoints).
    """
    name = wanted or ((endpoint["properties"].get("defaults") or {}).get("deploymentName"))
    if not name:
        raise ServiceError(
            404,
            "No valid deployments to route to. Please check that the endpoint has at least one deployment"
            " with positive weight values or use a deployment specific header to route.",
            inner=("NotFoundError",),
        )
    return str(name)
