"""Datastores: created and deleted at once; their secrets are taken and never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_batch_provider.emulator import wire
from airflow_batch_provider.emulator.arm import shown_datastore
from airflow_batch_provider.emulator.batch import WORKSPACE
from airflow_batch_provider.emulator.errors import bad_request
from airflow_batch_provider.emulator.ids import STORAGE_ACCOUNT
from airflow_batch_provider.emulator.lifecycle import answers, call, names

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_batch_provider.emulator.lifecycle.call import Call

_CONTAINERS = {
    "azureblob": ("AzureBlob", ("accountName", "containerName")),
    "azuredatalakegen2": ("AzureDataLakeGen2", ("accountName", "filesystem")),
    "azurefile": ("AzureFile", ("accountName", "fileShareName")),
    "azuredatalakegen1": ("AzureDataLakeGen1", ("storeName",)),
    "onelake": ("OneLake", ("oneLakeWorkspaceName", "artifact")),
}
_KEYS = (
    *("datastoreType", "accountName", "containerName", "filesystem", "fileShareName", "storeName"),
    *("credentials", "isDefault", "description", "tags", "properties", "endpoint", "protocol"),
    *("serviceDataAccessAuthIdentity", "subscriptionId", "resourceGroup", "oneLakeWorkspaceName", "artifact"),
)
_CREDENTIALS = {
    "accountkey": ("AccountKey", "key"),
    "sas": ("Sas", "sasToken"),
    "serviceprincipal": ("ServicePrincipal", "clientSecret"),
    "certificate": ("Certificate", "certificate"),
    "none": ("None", None),
}


async def put(request: Request) -> Response:
    """Create or replace a datastore; a new default one takes the place of the old."""
    asked = await call.read(request)
    name = asked.path("name")
    names.check("datastores", name)
    resources = asked.world.resources
    old = resources.get("datastores", asked.workspace, name)
    properties, secret = _read(asked)
    body: dict[str, Any] = {"properties": properties, "systemData": asked.system_data(old)}
    if secret is not None:
        body["secret"] = secret
    with asked.world.database.transaction():
        if properties["isDefault"]:
            _end_default(asked)
        resources.put("datastores", asked.workspace, name, body)
    shown = resources.get("datastores", asked.workspace, name) or {}
    return JSONResponse(shown_datastore(request, shown), 200 if old else 201)


def _read(asked: Call) -> tuple[dict[str, Any], dict[str, str] | None]:
    given = wire.fold(asked.properties, _KEYS)
    form = _CONTAINERS.get(str(given.get("datastoreType")).lower())
    if form is None:
        known = ", ".join(name for name, _ in _CONTAINERS.values())
        raise bad_request(
            f"properties.datastoreType is {given.get('datastoreType')!r}, but must be one of {known}."
        )
    kind, required = form
    for key in required:
        if not given.get(key):
            raise bad_request(f"The field properties.{key} is required.")
    credentials, secret = _credentials(given.get("credentials"))
    own = kind == "AzureBlob" and given["accountName"] == STORAGE_ACCOUNT
    endpoint = {} if own else {"endpoint": given.get("endpoint") or "core.windows.net"}
    properties = {
        "description": given.get("description"),
        "tags": asked.texts("tags", given),
        "properties": asked.texts("properties", given),
        "serviceDataAccessAuthIdentity": "None",
        "subscriptionId": asked.workspace.subscription,
        "resourceGroup": asked.workspace.group,
        "protocol": "https",
        **{key: value for key, value in given.items() if key != "endpoint" and value is not None},
        **endpoint,
        "datastoreType": kind,
        "credentials": credentials,
        "isDefault": bool(given.get("isDefault")),
    }
    return properties, None if own and not secret else secret


def _credentials(value: Any) -> tuple[dict[str, Any], dict[str, str]]:
    given = wire.fold(value, ("credentialsType", "secrets"))
    kind = _CREDENTIALS.get(str(given.get("credentialsType") or "").lower())
    if kind is None:
        known = ", ".join(name for name, _ in _CREDENTIALS.values())
        raise bad_request(f"properties.credentials.credentialsType is required: one of {known}.")
    name, key = kind
    shown = {k: v for k, v in given.items() if k != "secrets"} | {"credentialsType": name}
    if key is None:
        return shown, {}
    secrets = wire.fold(given.get("secrets"), (key,))
    if not secrets.get(key):
        raise bad_request(f"properties.credentials.secrets.{key} is required.")
    return shown, {"secretsType": name, key: str(secrets[key])}


def _end_default(asked: Call) -> None:
    for store in asked.world.resources.list("datastores", asked.workspace):
        if store["properties"].get("isDefault"):
            kept = {key: value for key, value in store.items() if key not in {"id", "name", "type"}}
            body = kept | {"properties": {**store["properties"], "isDefault": False}}
            asked.world.resources.put("datastores", asked.workspace, store["name"], body)


async def delete(request: Request) -> Response:
    """Delete a datastore, but never the default one; its files stay."""
    asked = await call.read(request)
    store = asked.world.resources.get("datastores", asked.workspace, asked.path("name"))
    if store is None:
        return answers.gone()
    if store["properties"].get("isDefault"):
        raise bad_request(f"The default datastore {store['name']} cannot be deleted.")
    asked.world.resources.remove("datastores", asked.workspace, asked.path("name"))
    return Response(status_code=200)


ROUTES = [
    Route(f"{WORKSPACE}/datastores/{{name}}", put, methods=["PUT"]),
    Route(f"{WORKSPACE}/datastores/{{name}}", delete, methods=["DELETE"]),
]
