"""Load what exists from a YAML file.

Endpoints and deployments have the keys of the ``az ml`` command line's own YAML; the section ``modelarts`` is
the other cloud's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.emulator import setup_datastore, setup_deployment, upload
from airflow_batch_provider.emulator.data_uris import parse
from airflow_batch_provider.emulator.ids import DEFAULT_DATASTORE, Workspace
from airflow_batch_provider.emulator.modelarts import setup as modelarts
from airflow_batch_provider.emulator.resources import DEFAULT_LOCATION, system_data
from airflow_batch_provider.emulator.setup_node import Node, SetupError, read_yaml

if TYPE_CHECKING:
    from airflow_batch_provider.emulator.world import World

__all__ = ["Setup", "SetupError", "add", "load", "remembered"]

_NAME = r"[a-zA-Z]([-a-zA-Z0-9]{1,30}[a-zA-Z0-9])"
_NAME_RULE = "3 to 32 letters, digits and hyphens, beginning with a letter and not ending with a hyphen"
_TOP = {
    "$schema",
    "subscription_id",
    "resource_group",
    "workspace",
    "location",
    "clients",
    "data",
    "datastores",
    "endpoints",
    "modelarts",
}
_ENDPOINT = {"$schema", "name", "description", "tags", "properties", "auth_mode", "defaults", "deployments"}


_WORKSPACE = Workspace("00000000-0000-0000-0000-000000000000", "emulator", "emulator")


@dataclass(frozen=True)
class Setup:
    """What a connection to the emulator needs to know."""

    workspace: Workspace = _WORKSPACE
    client_id: str = "emulator"
    client_secret: str = "emulator"  # noqa: S105 - without a section 'clients' any pair is accepted


def load(world: World, file: Path | None) -> Setup:
    """Load a set-up file, or remember the one that was loaded into this state before.

    Args:
        world: Where endpoints, deployments and data go; what is there under the same name is replaced.
        file: The YAML file, or None.

    Returns:
        The workspace and the client to connect with.

    Raises:
        SetupError: The file is not valid: names file, key, value and fix.
    """
    if file is None:
        modelarts.recall(world)
        return remembered(world)
    top = read_yaml(file)
    top.only(_TOP)
    setup = _connection(top)
    location = top.text("location", DEFAULT_LOCATION)
    found = _read_assets(setup.workspace, top)
    datastores = {node.name: setup_datastore.read(node) for node in top.named("datastores")}
    cloud = modelarts.read(top.mapping("modelarts"))
    world.database.remember("location", location)
    world.database.remember("clients", _clients(top))
    world.database.remember("setup", [*vars(setup.workspace).values(), setup.client_id, setup.client_secret])
    world.resources.see(setup.workspace, location)
    for name, datastore in datastores.items():
        world.resources.put("datastores", setup.workspace, name, datastore)
    _put_assets(world, setup.workspace, location, found)
    modelarts.put(world, cloud)
    return setup


def add(world: World, top: Node) -> None:
    """Add endpoints, deployments and data to the workspace of the set-up, while the emulator runs.

    Args:
        world: Where they go. What is there under the same name is replaced; an endpoint keeps its other
            deployments, and its default unless it is given another.
        top: The sections ``data`` and ``endpoints`` of a set-up file.

    Raises:
        SetupError: They are not valid: names key, value and fix.
    """
    top.only({"data", "endpoints"})
    workspace = remembered(world).workspace
    found = _read_assets(workspace, top)
    location = world.database.recall("location") or DEFAULT_LOCATION
    world.resources.see(workspace, location)
    _put_assets(world, workspace, location, found, keep=True)


def remembered(world: World) -> Setup:
    """Return what a connection to the emulator needs to know."""
    kept = world.database.recall("setup")
    return Setup(Workspace(*kept[:3]), *kept[3:]) if kept else Setup()


def _clients(top: Node) -> dict[str, str] | None:
    if "clients" not in top.value:
        return None
    clients = {str(node.name): node.as_text() for node in top.named("clients", values=(str, int))}
    if not clients:
        raise top.child("clients").wrong("at least one client id with its secret, or no section at all")
    return clients


def _connection(top: Node) -> Setup:
    default = Setup()
    workspace = Workspace(
        top.text("subscription_id", default.workspace.subscription),
        top.text("resource_group", default.workspace.group),
        top.text("workspace", default.workspace.name),
    )
    clients = _clients(top)
    if clients is None:
        return Setup(workspace)
    client_id, secret = next(iter(clients.items()))
    return Setup(workspace, client_id, secret)


@dataclass(frozen=True)
class _Assets:
    data: list[_Data]
    endpoints: list[_Endpoint]


def _read_assets(workspace: Workspace, top: Node) -> _Assets:
    endpoints = [_read_endpoint(workspace, node) for node in top.named("endpoints")]
    return _Assets([_read_data(node) for node in top.named("data")], endpoints)


def _put_assets(
    world: World, workspace: Workspace, location: str, assets: _Assets, *, keep: bool = False
) -> None:
    for data in assets.data:
        _put_data(world, workspace, data)
    for endpoint in assets.endpoints:
        kept = world.resources.get("batchEndpoints", workspace, endpoint.name) if keep else None
        _put_endpoint(world, workspace, location, endpoint.kept_as(kept))


@dataclass(frozen=True)
class _Data:
    name: str
    version: str
    kind: str
    uri: str
    local: Path | None


def _read_data(node: Node) -> _Data:
    node.only({"$schema", "name", "version", "type", "path", "description"})
    kind = node.choice("type", ("uri_folder", "uri_file"), "uri_folder")
    path = node.child("path")
    uri = path.as_text()
    if ":" in uri or (uri.startswith("/") and not Path(uri).exists()):
        try:
            parse(uri)
        except ValueError:
            raise path.wrong("an azureml:// URI, a storage URL or a path on this machine") from None
        return _Data(str(node.name), node.text("version", "1"), kind, uri, None)
    local = path.existing()
    if local.is_dir() != (kind == "uri_folder"):
        raise path.wrong(f"a {'folder' if kind == 'uri_folder' else 'file'}, since the type is {kind}")
    return _Data(str(node.name), node.text("version", "1"), kind, "", local)


def _put_data(world: World, workspace: Workspace, data: _Data) -> None:
    uri = data.uri
    if data.local is not None:
        path = upload.store(world.blobs, workspace, data.local)
        uri = f"azureml://datastores/{DEFAULT_DATASTORE}/paths/{path}"
    properties: dict[str, Any] = {"description": None, "tags": {}, "properties": {}, "isArchived": False}
    made = {"systemData": system_data(time.time(), "emulator")}
    asset = properties | {"dataType": data.kind, "latestVersion": data.version, "nextVersion": None}
    version = properties | {"dataType": data.kind, "dataUri": uri, "isAnonymous": False}
    world.resources.put("data", workspace, data.name, made | {"properties": asset})
    world.resources.put(
        "data/versions", workspace, f"{data.name}/{data.version}", made | {"properties": version}
    )


@dataclass(frozen=True)
class _Endpoint:
    name: str
    body: dict[str, Any]
    deployments: list[setup_deployment.Deployment]

    def kept_as(self, there: dict[str, Any] | None) -> _Endpoint:
        """Return what remains of an endpoint that is there already, with this one's default if it has one."""
        if there is None:
            return self
        defaults = self.body["properties"]["defaults"]
        if defaults["deploymentName"] is None:
            return replace(self, body=there)
        return replace(self, body=there | {"properties": there["properties"] | {"defaults": defaults}})


def _read_endpoint(workspace: Workspace, node: Node) -> _Endpoint:
    node.matches_name(_NAME, _NAME_RULE)
    node.only(_ENDPOINT)
    deployments = []
    for child in node.named("deployments"):
        child.matches_name(_NAME, _NAME_RULE)
        deployments.append(setup_deployment.read(workspace, child))
    defaults = node.mapping("defaults")
    defaults.only({"deployment_name"})
    default = defaults.text("deployment_name", "") or None
    names = [deployment.name for deployment in deployments]
    if default is not None and default not in names:
        raise defaults.child("deployment_name").wrong(
            f"one of the endpoint's deployments: {', '.join(names) or 'none'}"
        )
    body = {
        "tags": node.texts("tags"),
        "properties": {
            "description": node.text("description", "") or None,
            "properties": node.texts("properties") | {"BatchEndpointCreationApiVersion": "2023-10-01"},
            "scoringUri": None,
            "swaggerUri": None,
            "authMode": "AADToken",
            "defaults": {"deploymentName": default},
            "provisioningState": "Succeeded",
        },
        "identity": {"type": "None"},
        "kind": None,
        "sku": None,
    }
    return _Endpoint(str(node.name), body, deployments)


def _put_endpoint(world: World, workspace: Workspace, location: str, endpoint: _Endpoint) -> None:
    made = {"location": location, "systemData": system_data(time.time(), "emulator")}
    world.resources.put("batchEndpoints", workspace, endpoint.name, endpoint.body | made)
    for deployment in endpoint.deployments:
        body = setup_deployment.register(world, workspace, deployment)
        kind = "batchEndpoints/deployments"
        world.resources.put(kind, workspace, f"{endpoint.name}/{deployment.name}", body | made)
