"""A batch deployment in a set-up file: read, then registered with its code and model as ARM resources."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.emulator import setup_surroundings, upload, wire
from airflow_batch_provider.emulator.data_uris import account_url
from airflow_batch_provider.emulator.ids import DEFAULT_DATASTORE, Workspace
from airflow_batch_provider.emulator.resources import system_data

if TYPE_CHECKING:
    from airflow_batch_provider.emulator.setup_node import Node
    from airflow_batch_provider.emulator.world import World

_SETTINGS = {
    "mini_batch_size",
    "max_concurrency_per_instance",
    "error_threshold",
    "output_action",
    "output_file_name",
    "logging_level",
    "retry_settings",
}
_KEYS = _SETTINGS | {
    "$schema",
    "name",
    "endpoint_name",
    "type",
    "description",
    "tags",
    "properties",
    "model",
    "code_configuration",
    "environment",
    "environment_variables",
    "compute",
    "resources",
    "settings",
    "component",
    "emulator",
}
_PIPELINE_SETTINGS = {"default_compute", "continue_on_step_failure"}
_ACTIONS = {"append_row": "AppendRow", "summary_only": "SummaryOnly"}
_LEVELS = {"info": "Info", "warning": "Warning", "debug": "Debug"}


@dataclass(frozen=True)
class Deployment:
    """A deployment as read: its ARM properties, and what lies on this machine."""

    name: str
    tags: dict[str, str]
    properties: dict[str, Any]
    code: Path | None
    scoring_script: str
    model: Path | None


def read(workspace: Workspace, node: Node) -> Deployment:
    """Read a deployment.

    Args:
        workspace: The workspace that it is for.
        node: Its place in the set-up file.

    Raises:
        SetupError: Something about it is wrong.
    """
    node.only(_KEYS)
    if node.choice("type", ("model", "pipeline"), "model") == "pipeline":
        return Deployment(node.name, node.texts("tags"), _pipeline(workspace, node), None, "", None)
    properties = _properties(workspace, node) | _settings(node)
    simulated = node.child("emulator").value is not None
    if simulated:
        properties["emulator"] = _simulation(node.mapping("emulator"))
    code, script = (None, "") if simulated else _code(node.mapping("code_configuration"))
    return Deployment(node.name, node.texts("tags"), properties, code, script, _model(node))


def _pipeline(workspace: Workspace, node: Node) -> dict[str, Any]:
    simulation = node.child("emulator")
    if not isinstance(simulation.value, dict):
        raise simulation.wrong(
            "a mapping such as {run_seconds: 5}: the emulator accepts jobs of pipeline components, checks and"
            " shows them as the service does, but only simulates their run"
        )
    settings = node.mapping("settings")
    settings.only(_PIPELINE_SETTINGS)
    component = node.text("component", "azureml:pipeline:1").removeprefix("azureml:")
    name, _, version = component.replace("@", ":").partition(":")
    return {
        "description": node.text("description", "") or None,
        "properties": node.texts("properties"),
        "compute": None,
        "deploymentConfiguration": {
            "deploymentConfigurationType": "PipelineComponent",
            "componentId": {
                "referenceType": "Id",
                "assetId": f"{workspace.id}/components/{name}/versions/{version or '1'}",
            },
            "settings": {key: str(value) for key, value in settings.value.items()},
            "tags": {},
            "description": None,
        },
        "provisioningState": "Succeeded",
        "emulator": _simulation(node.mapping("emulator")),
    }


def _properties(workspace: Workspace, node: Node) -> dict[str, Any]:
    resources = node.mapping("resources")
    compute = node.text("compute", "azureml:cpu-cluster").removeprefix("azureml:")
    return {
        "description": node.text("description", "") or None,
        "properties": node.texts("properties"),
        "codeConfiguration": None,
        "environmentId": f"{workspace.id}/environments/emulator/versions/1",
        "environmentVariables": node.texts("environment_variables"),
        "compute": compute if compute.startswith("/") else f"{workspace.id}/computes/{compute}",
        "model": None,
        "resources": {
            "instanceCount": resources.whole("instance_count", 1, 1),
            "instanceType": None,
            "properties": None,
        },
        "provisioningState": "Succeeded",
    }


def _settings(node: Node) -> dict[str, Any]:
    # The command line's current YAML has these under 'settings', its older one directly under the deployment.
    inner = node.mapping("settings")
    inner.only(_SETTINGS)
    for key in _SETTINGS & inner.value.keys() & node.value.keys():
        raise inner.child(key).wrong("given once: it is also set directly under the deployment")

    def place(key: str) -> Node:
        return inner if key in inner.value else node

    retry = place("retry_settings").mapping("retry_settings")
    retry.only({"max_retries", "timeout"})
    file_name = place("output_file_name").text("output_file_name", "predictions.csv")
    if "/" in file_name:
        raise place("output_file_name").child("output_file_name").wrong("a file name without folders")
    return {
        "errorThreshold": place("error_threshold").whole("error_threshold", -1, -1),
        "retrySettings": {
            "maxRetries": retry.whole("max_retries", 0, 3),
            "timeout": wire.duration(retry.number("timeout", 0.001, 30)),
        },
        "miniBatchSize": place("mini_batch_size").whole("mini_batch_size", 1, 10),
        "loggingLevel": _LEVELS[place("logging_level").choice("logging_level", tuple(_LEVELS), "info")],
        "maxConcurrencyPerInstance": place("max_concurrency_per_instance").whole(
            "max_concurrency_per_instance", 1, 1
        ),
        "outputAction": _ACTIONS[
            place("output_action").choice("output_action", tuple(_ACTIONS), "append_row")
        ],
        "outputFileName": file_name,
    }


def _simulation(node: Node) -> dict[str, Any]:
    node.only({"run_seconds", "status", "error"})
    status = node.choice("status", ("completed", "failed"), "completed").title()
    error = node.text("error", "Simulated failure.") if status == "Failed" else None
    return {"run_seconds": node.number("run_seconds", 0, 5), "status": status, "error": error}


def _code(node: Node) -> tuple[Path, str]:
    node.only({"code", "scoring_script"})
    code = node.child("code").existing()
    if not code.is_dir():
        raise node.child("code").wrong("the folder of the scoring script")
    script = node.child("scoring_script")
    if not (code / script.as_text()).is_file():
        raise script.wrong(f"the name of a file in {code}")
    return code, script.as_text()


def _model(node: Node) -> Path | None:
    given = node.child("model")
    if given.value is None:
        return None
    if isinstance(given.value, dict):
        given.only({"path", "name", "version", "type"})
        given = given.child("path")
    return given.existing()


def register(world: World, workspace: Workspace, deployment: Deployment) -> dict[str, Any]:
    """Store a deployment's code and model, register both, and return the deployment's body.

    Args:
        world: Where the blobs and resources go.
        workspace: The workspace that it is for.
        deployment: What :func:`read` returned.
    """
    properties = dict(deployment.properties)
    setup_surroundings.put(world, workspace, properties)
    if deployment.code is not None:
        path = upload.store(world.blobs, workspace, deployment.code)
        code_id = _put_asset(
            world, workspace, "codes", path, {"codeUri": account_url(workspace.container, path)}
        )
        properties["codeConfiguration"] = {"codeId": code_id, "scoringScript": deployment.scoring_script}
    if deployment.model is not None:
        path = upload.store(world.blobs, workspace, deployment.model)
        model_uri = f"azureml://datastores/{DEFAULT_DATASTORE}/paths/{path}"
        shown = {"modelUri": model_uri, "modelType": "custom_model"}
        properties["model"] = {
            "referenceType": "Id",
            "assetId": _put_asset(world, workspace, "models", path, shown),
        }
    return {"tags": deployment.tags, "properties": properties}


def _put_asset(world: World, workspace: Workspace, kind: str, path: str, properties: dict[str, Any]) -> str:
    # Named by its content, as the command line names what it uploads: the same content is the same asset.
    name = path.split("/")[1]
    body = {
        "properties": {"description": None, "tags": {}, "properties": {}, "isAnonymous": True} | properties,
        "systemData": system_data(time.time(), "emulator"),
    }
    world.resources.put(f"{kind}/versions", workspace, f"{name}/1", body)
    return f"{workspace.id}/{kind}/{name}/versions/1"
