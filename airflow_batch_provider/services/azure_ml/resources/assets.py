"""Registered versions: code, models, environments, data and components.

Sources: the REST guide for batch scoring, and recorded bodies in azure-sdk-for-python.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.flow import Flow
from airflow_batch_provider.services.azure_ml.answers import inner
from airflow_batch_provider.services.azure_ml.resources import fields
from airflow_batch_provider.services.azure_ml.resources.ensure import get
from airflow_batch_provider.services.azure_ml.resources.resource import Resource, version
from airflow_batch_provider.services.azure_ml.uris import parse
from airflow_batch_provider.services.azure_ml.workspace import Workspace
from airflow_batch_provider.values import shown

_MODEL_TYPES = {
    "custom_model": "custom_model",
    "mlflow_model": "mlflow_model",
    "triton_model": "triton_model",
}
_DATA_TYPES = {"uri_folder": "uri_folder", "uri_file": "uri_file"}
_PATHS = ("codeUri", "modelUri", "dataUri")
_OS = {"linux": "Linux", "windows": "Windows"}


def code(
    name: str,
    number: str | int,
    *,
    path: str,
    content_hash: str | None = None,
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
    extra_properties: Mapping[str, Any] | None = None,
) -> Resource:
    """Describe a folder with a scoring script.

    Args:
        name: Of the code.
        number: Its version.
        path: The folder in the workspace's storage, as an https URL.
        content_hash: SHA-256 of its content; kept with it, so that the same content is found again.
        description: Of the code.
        tags: Of the version.
        properties: Of the version.
        extra_properties: Merged into the body's ``properties``.

    Raises:
        InvalidInput: A value that the service would refuse.
    """
    given = fields.texts("properties", properties)
    if content_hash is not None:
        hashed = {"hash_sha256": fields.text("content_hash", content_hash), "hash_version": "202208"}
        given = {**(given or {}), **hashed}
    said = {
        **_said(description, tags, given),
        "codeUri": _uri("path", path),
    }
    return _version("codes", "code", name, number, fields.body(said, extra_properties))


def model(
    name: str,
    number: str | int,
    *,
    path: str,
    type: str | None = None,  # noqa: A002  # the CLI's name
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
    flavors: Mapping[str, Any] | None = None,
    extra_properties: Mapping[str, Any] | None = None,
) -> Resource:
    """Describe a model.

    Args:
        name: Of the model.
        number: Its version, an integer from 1.
        path: A file or folder on a datastore (``azureml://…``), or of another job's output.
        type: ``custom_model`` (the service's default), ``mlflow_model`` or ``triton_model``.
        description: Of the model.
        tags: Of the version.
        properties: Of the version.
        flavors: Of an MLflow model.
        extra_properties: Merged into the body's ``properties``.

    Raises:
        InvalidInput: A value that the service would refuse.
    """
    said = {
        **_said(description, tags, fields.texts("properties", properties)),
        "modelUri": _uri("path", path),
        "modelType": fields.option("type", type, _MODEL_TYPES),
        "flavors": None if flavors is None else fields.json_mapping("flavors", flavors),
    }
    checked = fields.model_version("version", number)
    return _version("models", "model", name, checked, fields.body(said, extra_properties))


def environment(
    name: str,
    number: str | int,
    *,
    image: str | None = None,
    conda_file: str | None = None,
    build_context: str | None = None,
    dockerfile_path: str | None = None,
    os_type: str | None = None,
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
    extra_properties: Mapping[str, Any] | None = None,
) -> Resource:
    """Describe an environment: an image, with a conda file on top of it if given, or a build context.

    Args:
        name: Of the environment.
        number: Its version.
        image: A container image.
        conda_file: What the conda file says, as JSON or YAML, not its path.
        build_context: URI of the folder that an image is built from.
        dockerfile_path: In that folder; the service's default is ``Dockerfile``.
        os_type: ``Linux`` or ``Windows``.
        description: Of the environment.
        tags: Of the version.
        properties: Of the version.
        extra_properties: Merged into the body's ``properties``.

    Raises:
        InvalidInput: A value that the service would refuse.
    """
    if (image is None) == (build_context is None):
        raise InvalidInput(
            f"image is {shown(image)} and build_context is {shown(build_context)}.",
            fix="Give one of them: an image, or the folder to build one from.",
        )
    if build_context is not None and conda_file is not None:
        raise InvalidInput(
            "build_context and conda_file are both given.", fix="Have the Dockerfile install what is needed."
        )
    if build_context is None and dockerfile_path is not None:
        raise InvalidInput(
            f"dockerfile_path is {shown(dockerfile_path)}, but there is no build_context.",
            fix="Give the folder that it is in as build_context.",
        )
    said = {
        **_said(description, tags, fields.texts("properties", properties)),
        "condaFile": _text("conda_file", conda_file),
        "image": _text("image", image),
        "osType": fields.option("os_type", os_type, _OS),
        "build": _build(build_context, dockerfile_path),
    }
    return _version("environments", "environment", name, number, fields.body(said, extra_properties))


def data(
    name: str,
    number: str | int,
    *,
    path: str,
    type: str = "uri_folder",  # noqa: A002  # the CLI's name
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
    extra_properties: Mapping[str, Any] | None = None,
) -> Resource:
    """Describe a data asset.

    Args:
        name: Of the data.
        number: Its version, of 30 characters at most.
        path: Where it is: on a datastore, in a storage account, or public.
        type: ``uri_folder`` or ``uri_file``; batch endpoints read no tables.
        description: Of the data.
        tags: Of the version.
        properties: Of the version.
        extra_properties: Merged into the body's ``properties``.

    Raises:
        InvalidInput: A value that the service would refuse.
    """
    said = {
        "dataType": fields.option("type", fields.text("type", type), _DATA_TYPES),
        "dataUri": _uri("path", path),
        **_said(description, tags, fields.texts("properties", properties)),
    }
    checked = fields.data_version("version", number)
    return _version("data", "data asset", name, checked, fields.body(said, extra_properties))


def component(
    name: str,
    number: str | int,
    *,
    spec: Mapping[str, Any],
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
    extra_properties: Mapping[str, Any] | None = None,
) -> Resource:
    """Describe a component.

    Args:
        name: Of the component.
        number: Its version.
        spec: What its YAML says.
        description: Of the component.
        tags: Of the version.
        properties: Of the version.
        extra_properties: Merged into the body's ``properties``.

    Raises:
        InvalidInput: A value that the service would refuse.
    """
    checked = fields.json_mapping("spec", spec)
    if not checked:
        raise fields.refuse("spec", spec, "Give what the component's YAML says.")
    said = {
        "componentSpec": checked,
        **_said(description, tags, fields.texts("properties", properties)),
    }
    return _version("components", "component", name, number, fields.body(said, extra_properties))


def as_registered(workspace: Workspace, wanted: Resource) -> Flow[Resource]:
    """Return a version that is named by its content, with the path that it is registered with, if it is.

    The same content may have been uploaded under another name; the version that exists is as good.

    Args:
        workspace: Where.
        wanted: A version of code, a model or data whose number was made from its content.

    Raises:
        BatchError: The look-up failed.
    """
    found = inner((yield from get(workspace, wanted)) or {}, "properties")
    paths = {key: found[key] for key in _PATHS if key in wanted.body["properties"] and found.get(key)}
    return replace(wanted, body=fields.merged(wanted.body, {"properties": paths}))


def _version(kind: str, word: str, name: Any, number: Any, properties: dict[str, Any]) -> Resource:
    checked = fields.asset_name("name", name)
    return version(kind, word, checked, fields.asset_version("version", number), properties)


def _said(description: Any, tags: Any, properties: Any) -> dict[str, Any]:
    return {
        "description": _text("description", description),
        "tags": fields.texts("tags", tags),
        "properties": properties,
    }


def _text(field: str, value: Any) -> str | None:
    return None if value is None else fields.text(field, value)


def _uri(field: str, value: Any) -> str:
    uri = parse(fields.text(field, value), field)
    if uri.kind == "local":
        raise InvalidInput(
            f"{field} is the local path {shown(value)}, which the service cannot read.",
            fix="Upload it to a datastore and give its URI.",
        )
    return uri.text


def _build(context: Any, dockerfile: Any) -> dict[str, Any] | None:
    if context is None:
        return None
    below = _text("dockerfile_path", dockerfile)
    return fields.body({"contextUri": _uri("build_context", context), "dockerfilePath": below})
