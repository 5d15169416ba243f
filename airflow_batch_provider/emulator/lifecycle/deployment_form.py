"""What the body of a deployment may say, read into what the service shows.

Keys, defaults and number strings: the ARM specification, the published commands, and recorded answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_batch_provider.emulator import wire
from airflow_batch_provider.emulator.errors import bad_request
from airflow_batch_provider.emulator.lifecycle.references import require

if TYPE_CHECKING:
    from airflow_batch_provider.emulator.lifecycle.call import Call

_KEYS = (
    *("description", "properties", "codeConfiguration", "environmentId", "environmentVariables", "compute"),
    *("errorThreshold", "retrySettings", "miniBatchSize", "loggingLevel", "model", "outputAction"),
    *("maxConcurrencyPerInstance", "outputFileName", "resources", "deploymentConfiguration"),
)
_MODEL = ("referenceType", "assetId", "datastoreId", "path", "jobId")
_CONFIGURATION = ("deploymentConfigurationType", "componentId", "settings", "tags", "description")
_COMPUTES = ("AmlCompute", "Kubernetes")


def read(asked: Call) -> dict[str, Any]:
    """Return the properties of a deployment.

    Args:
        asked: The PUT.

    Raises:
        ServiceError: 400, a value is wrong or names what does not exist.
    """
    given = wire.fold(asked.properties, _KEYS)
    custom = asked.texts("properties", given)
    custom.pop("AzureAsyncOperationUri", None)
    common = {"description": given.get("description"), "properties": custom, "provisioningState": "Creating"}
    if given.get("deploymentConfiguration"):
        return common | _pipeline(asked, given)
    return common | _model_parts(asked, given) | _settings(given)


def _pipeline(asked: Call, given: dict[str, Any]) -> dict[str, Any]:
    configuration = wire.fold(given["deploymentConfiguration"], _CONFIGURATION)
    kind = str(configuration.get("deploymentConfigurationType")).lower()
    if kind == "model":
        raise bad_request("Give a model deployment's settings in properties, not in deploymentConfiguration.")
    if kind != "pipelinecomponent":
        raise bad_request("deploymentConfigurationType must be PipelineComponent.")
    where = "properties.deploymentConfiguration.componentId.assetId"
    named = wire.fold(configuration.get("componentId"), ("referenceType", "assetId")).get("assetId")
    component = require(asked.world.resources, asked.workspace, "components", where, named)
    if component.resource["properties"]["componentSpec"].get("type") != "pipeline":
        raise bad_request(f"{where} must name a component whose type is pipeline.")
    settings = asked.texts("settings", configuration)
    default_compute = settings.get("default_compute", "").removeprefix("azureml:")
    if default_compute and default_compute != "serverless":
        full = (
            default_compute if "/" in default_compute else f"{asked.workspace.id}/computes/{default_compute}"
        )
        _compute(asked, "deploymentConfiguration.settings.default_compute", full)
    return {
        "compute": None,
        "deploymentConfiguration": {
            "deploymentConfigurationType": "PipelineComponent",
            "componentId": {"referenceType": "Id", "assetId": component.id},
            "settings": settings,
            "tags": asked.texts("tags", configuration),
            "description": configuration.get("description"),
        },
    }


def _model_parts(asked: Call, given: dict[str, Any]) -> dict[str, Any]:
    model, mlflow = _model(asked, given.get("model"))
    code = _code(asked, given.get("codeConfiguration"))
    if code is None and not mlflow:
        raise bad_request("properties.codeConfiguration is required, except for MLflow models.")
    environment = given.get("environmentId")
    if environment is None and code is not None:
        raise bad_request("properties.environmentId is required for a deployment with a scoring script.")
    return {
        "codeConfiguration": code,
        "environmentId": _environment(asked, environment),
        "environmentVariables": asked.texts("environmentVariables", given),
        "compute": _compute(asked, "properties.compute", given.get("compute")),
        "model": model,
    }


def _model(asked: Call, value: Any) -> tuple[dict[str, Any] | None, bool]:
    if value is None:
        return None, False
    given = wire.fold(value, _MODEL)
    kind = str(given.get("referenceType")).lower()
    resources = asked.world.resources
    if kind == "id":
        found = require(
            resources, asked.workspace, "models", "properties.model.assetId", given.get("assetId")
        )
        mlflow = found.resource["properties"].get("modelType") == "mlflow_model"
        return {"referenceType": "Id", "assetId": found.id}, mlflow
    if kind == "datapath":
        name = str(given.get("datastoreId")).rstrip("/").rpartition("/")[2]
        if resources.get("datastores", asked.workspace, name) is None or not given.get("path"):
            raise bad_request(
                f"properties.model: a DataPath needs path and an existing datastore, not {name}."
            )
        return {"referenceType": "DataPath", **{k: given[k] for k in ("datastoreId", "path")}}, False
    if kind == "outputpath":
        raise bad_request("properties.model: an OutputPath is not supported by the emulator.")
    raise bad_request("properties.model.referenceType must be Id, DataPath or OutputPath.")


def _code(asked: Call, value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    given = wire.fold(value, ("codeId", "scoringScript"))
    where = "properties.codeConfiguration"
    found = require(asked.world.resources, asked.workspace, "codes", f"{where}.codeId", given.get("codeId"))
    if not isinstance(given.get("scoringScript"), str) or not given["scoringScript"].strip():
        raise bad_request(f"The field {where}.scoringScript is required.")
    return {"codeId": found.id, "scoringScript": given["scoringScript"]}


def _environment(asked: Call, value: Any) -> str | None:
    # Curated environments lie in a registry, which the emulator does not have; it ignores them anyway.
    if value is None or str(value).lower().startswith("azureml://registries/"):
        return None if value is None else str(value)
    return require(
        asked.world.resources, asked.workspace, "environments", "properties.environmentId", value
    ).id


def _compute(asked: Call, where: str, value: Any) -> str:
    found = require(asked.world.resources, asked.workspace, "computes", where, value)
    kind = found.resource["properties"]["computeType"]
    if kind not in _COMPUTES:
        raise bad_request(
            f"{where}: {found.resource['name']} is of the type {kind}, but batch deployments need"
            f" {' or '.join(_COMPUTES)}."
        )
    return found.id


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    retry = wire.fold(given.get("retrySettings"), ("maxRetries", "timeout"))
    resources = wire.fold(given.get("resources"), ("instanceCount", "instanceType", "properties"))
    file_name = str(given.get("outputFileName") or "predictions.csv")
    if "/" in file_name:
        raise bad_request("properties.outputFileName is a file name without folders.")
    return {
        "errorThreshold": _whole(given, "errorThreshold", -1, -1),
        "retrySettings": {"maxRetries": _whole(retry, "maxRetries", 0, 3), "timeout": _timeout(retry)},
        "miniBatchSize": _whole(given, "miniBatchSize", 1, 10),
        "loggingLevel": _choice(given, "loggingLevel", ("Info", "Warning", "Debug")),
        "maxConcurrencyPerInstance": _whole(given, "maxConcurrencyPerInstance", 1, 1),
        "outputAction": _choice(given, "outputAction", ("AppendRow", "SummaryOnly")),
        "outputFileName": file_name,
        "resources": {
            "instanceCount": _whole(resources, "instanceCount", 1, 1),
            "instanceType": resources.get("instanceType"),
            "properties": resources.get("properties"),
        },
    }


def _timeout(retry: dict[str, Any]) -> str:
    text = str(retry.get("timeout") or "PT30S")
    try:
        return wire.duration(wire.seconds(text))
    except ValueError as error:
        raise bad_request(f"properties.retrySettings.timeout: {error}.") from None


def _whole(holder: dict[str, Any], key: str, least: int, default: int) -> int:
    value = holder.get(key)
    if value is None:
        return default
    try:
        number = wire.integer(value)
    except (TypeError, ValueError):
        raise bad_request(f"The value {value!r} of {key} is not a whole number.") from None
    if number < least:
        raise bad_request(f"The value {number} of {key} must be {least} or more.")
    return number


def _choice(given: dict[str, Any], key: str, allowed: tuple[str, ...]) -> str:
    value = given.get(key)
    if value is None:
        return allowed[0]
    for one in allowed:
        if one.lower() == str(value).lower():
            return one
    raise bad_request(f"The value {value!r} of {key} must be one of {', '.join(allowed)}.")
