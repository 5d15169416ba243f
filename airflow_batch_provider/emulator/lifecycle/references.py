"""Resources that other resources name by their ids."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.emulator.errors import bad_request
from airflow_batch_provider.emulator.ids import PROVIDER, Workspace

if TYPE_CHECKING:
    from airflow_batch_provider.emulator.resources import ResourceStore

_SCOPE = (
    rf"/subscriptions/(?P<s>[^/]+)/resourceGroups/(?P<g>[^/]+)/providers/{re.escape(PROVIDER)}"
    r"/workspaces/(?P<w>[^/]+)"
)
_ID = re.compile(
    rf"(?:azureml:)?(?:{_SCOPE}|//locations/[^/]+/workspaces/[^/]+)"
    r"/(?P<kind>\w+)/(?P<name>[^/]+)(?:/(?P<how>versions|labels)/(?P<version>[^/]+))?/?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Found:
    """A resource that was named: its id with its version, and itself."""

    id: str
    resource: dict[str, Any]


def require(resources: ResourceStore, workspace: Workspace, kind: str, where: str, value: Any) -> Found:
    """Return the resource that an id names.

    Args:
        resources: Where it is registered.
        workspace: The workspace that may name it; ids of other workspaces are refused.
        kind: What it must be: ``models``, ``codes``, ``environments``, ``components``, ``computes``.
        where: The field, for the error.
        value: The id: an ARM id or ``azureml://locations/…``, with a version or the label ``latest``.

    Raises:
        ServiceError: 400, it is no such id, or there is no such resource.
    """
    match = _ID.fullmatch(value) if isinstance(value, str) else None
    if match is None or match["kind"].lower() != kind or (match["version"] is None) != (kind == "computes"):
        ending = f"/{kind}/{{name}}" + ("" if kind == "computes" else "/versions/{version}")
        raise bad_request(f"{where} is {value!r}, but must be an id such as {workspace.id}{ending}.")
    if match["s"] and Workspace(match["s"], match["g"], match["w"]).key != workspace.key:
        raise bad_request(f"{where} names a resource of another workspace: {value!r}.")
    name = match["name"]
    if kind == "computes":
        return _found(resources, workspace, kind, name, where)
    version = match["version"]
    if match["how"].lower() == "labels":
        container = resources.get(kind, workspace, name) if version.lower() == "latest" else None
        version = str(container["properties"]["latestVersion"]) if container else f"@{version}"
    return _found(resources, workspace, f"{kind}/versions", f"{name}/{version}", where)


def _found(resources: ResourceStore, workspace: Workspace, kind: str, name: str, where: str) -> Found:
    resource = resources.get(kind, workspace, name)
    if resource is None:
        path = f"{kind.partition('/')[0]}/" + "/versions/".join(name.split("/"))
        raise bad_request(
            f"{where}: {path} was not found in workspace {workspace.name}. Create it first: PUT"
            f" {workspace.id}/{path}."
        )
    return Found(resource["id"], resource)
