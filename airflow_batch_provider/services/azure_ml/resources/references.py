"""Naming one resource in another: the forms that the CLI takes, as the ARM ids that REST takes.

Sources: the CLI's YAML reference (``azureml:NAME:VERSION``, ``azureml:NAME@latest``), and azure-ai-ml, which
looks ``latest`` up in the asset's ``latestVersion``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from airflow_batch_provider.errors import NotFound
from airflow_batch_provider.flow import Flow, send
from airflow_batch_provider.services.azure_ml.answers import inner, read, rows
from airflow_batch_provider.services.azure_ml.resources import fields
from airflow_batch_provider.services.azure_ml.resources.resource import Resource
from airflow_batch_provider.services.azure_ml.workspace import Workspace, ask

WORDS = {
    "codes": "code",
    "models": "model",
    "environments": "environment",
    "components": "component",
    "data": "data asset",
    "computes": "compute",
}

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_SHORT = re.compile(rf"(?:azureml:)?({_NAME})(?::({_NAME})|@(latest))")
_PLAIN = re.compile(rf"(?:azureml:)?({_NAME})")
_ARM = re.compile(
    r"(?i)(?:azureml:/?)?(/subscriptions/[^/]+/resourcegroups/[^/]+/providers"
    r"/Microsoft\.MachineLearningServices/workspaces/[^/]+/([a-z]+)/[^?#%\s]+)"
)
_ASSET_ID = re.compile(
    r"(?i)azureml://(?:registries/[^/]+|locations/[^/]+/workspaces/[^/]+)/([a-z]+)/[^/]+/versions/[^?#%\s]+"
)
_LATEST = re.compile(rf"(.+/workspaces/[^/]+)/([a-z]+)/({_NAME})/labels/latest")


def reference(workspace: Workspace, kind: str, field: str, value: Any) -> str:
    """Return the ARM id of what a user names.

    Args:
        workspace: Where a short name is.
        kind: ``models``, ``environments``, ``codes``, ``components``, ``data`` or ``computes``.
        field: Where it was given, for the message.
        value: ``azureml:NAME:VERSION``, ``azureml:NAME@latest`` (for a compute ``azureml:NAME``), each also
            without ``azureml:``, an ARM id, or the id of an asset in a registry.

    Returns:
        The id; with ``/labels/latest`` at its end for what `pinned` looks up.

    Raises:
        InvalidInput: It fits no form, or is of something else.
    """
    fix = _FIX_COMPUTE if kind == "computes" else _FIX.format(WORDS[kind].upper().replace(" ", "-"))
    text = fields.text(field, value, fix).strip()
    for pattern in (_ARM, _ASSET_ID):
        if match := pattern.fullmatch(text):
            if match[match.re.groups].lower() != kind:
                raise fields.refuse(field, value, f"This is no {WORDS[kind]}. {fix}")
            return match[1] if pattern is _ARM else text
    if kind == "computes" and (match := _PLAIN.fullmatch(text)):
        return f"{workspace.id}/computes/{fields.compute_name(field, match[1])}"
    if kind != "computes" and (match := _SHORT.fullmatch(text)):
        name = fields.asset_name(field, match[1])
        return f"{workspace.id}/{kind}/{name}/" + (f"versions/{match[2]}" if match[2] else "labels/latest")
    raise fields.refuse(field, value, fix)


_FIX = "Give azureml:{0}:VERSION, azureml:{0}@latest or an ARM id."
_FIX_COMPUTE = "Give the name of a compute, or its ARM id."


def named_in(body: Any) -> Iterator[str]:
    """Yield the ARM ids of workspace resources that a body names."""
    if isinstance(body, Mapping):
        for value in body.values():
            yield from named_in(value)
    elif isinstance(body, list):
        for value in body:
            yield from named_in(value)
    elif isinstance(body, str) and (match := _ARM.fullmatch(body)) and match[2].lower() in WORDS:
        yield body


def pinned(workspace: Workspace, resource: Resource) -> Flow[Resource]:
    """Replace each ``@latest`` that a resource names by the version that it means now.

    Raises:
        NotFound: There is no such asset.
    """
    versions: dict[str, str] = {}
    for name in dict.fromkeys(named_in(resource.body)):
        if (match := _LATEST.fullmatch(name)) and match[1] == workspace.id:
            number = yield from latest(workspace, match[2].lower(), match[3])
            versions[name] = f"{match[1]}/{match[2]}/{match[3]}/versions/{number}"
    if not versions:
        return resource
    body: dict[str, Any] = _mapped(resource.body, lambda text: versions.get(text, text))
    return replace(resource, body=body)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def latest(workspace: Workspace, kind: str, name: str) -> Flow[str]:
    """Return the latest version of an asset.

    Args:
        workspace: Where it is.
        kind: ``models``, ``environments``, ``components`` or ``data``.
        name: Of the asset.

    Raises:
        NotFound: There is no such asset, or no version of it.
        BatchError: The look-up failed.
    """
    word = WORDS[kind]
    doing = f"looking up the latest version of {word} {name!r}"
    response = yield from send(ask("GET", workspace.url(kind, name), "arm"))
    found = inner(read(response, doing, fix=f"Register the {word} first."), "properties").get("latestVersion")
    if not found:
        newest = {"$orderBy": "createdtime desc", "$top": "1"}
        response = yield from send(ask("GET", workspace.url(kind, name, "versions", **newest), "arm"))
        found = next((row.get("name") for row in rows(read(response, doing))), None)
    if not found:
        raise NotFound(f"The {word} {name!r} has no version.", fix=f"Register the {word} first.")
    return fields.asset_version(f"The latest version of {word} {name!r}", found)
