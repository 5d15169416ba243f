"""Batch endpoints: created, changed and deleted with their deployments; their jobs stay.

Rules: the service's page on batch endpoints, the ARM specification, and recorded answers of the SDK's tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from airflow_batch_provider.emulator import wire
from airflow_batch_provider.emulator.arm import shown_endpoint
from airflow_batch_provider.emulator.batch import WORKSPACE
from airflow_batch_provider.emulator.errors import ServiceError, bad_request, not_found
from airflow_batch_provider.emulator.ids import new_guid
from airflow_batch_provider.emulator.lifecycle import answers, call, change, names

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from airflow_batch_provider.emulator.lifecycle.call import Call

KIND = "batchEndpoints"
MOST_IN_REGION = 100
_KEYS = (
    "authMode",
    "description",
    "properties",
    "defaults",
    "keys",
    "provisioningState",
    "scoringUri",
    "swaggerUri",
)
_OWN_MARKS = ("BatchEndpointCreationApiVersion", "azureml.onlineendpointid")
_DEFAULTS_BY_PATCH = ("2022-02-01-preview", "2022-05-01")


async def put(request: Request) -> Response:
    """Create or change an endpoint."""
    asked = await call.read(request)
    name = asked.path("e")
    names.check(KIND, name)
    change.refuse_while_busy(asked, KIND, name)
    old = asked.world.resources.get(KIND, asked.workspace, name)
    location = asked.location(old)
    if old is None:
        _check_region(asked, location, name)
    default = _default(asked, name)
    body = {
        "location": location,
        "tags": asked.texts("tags"),
        "properties": _properties(asked, old, default),
        "systemData": asked.system_data(old),
        "identity": asked.body.get("identity") or {"type": "None"},
        "kind": asked.body.get("kind"),
        "sku": asked.body.get("sku"),
    }
    # The endpoint routes to its default deployment, so it is not ready before that.
    after = asked.world.operations.pending_until(asked.workspace, f"{KIND}/deployments", f"{name}/{default}")
    operation, shown = change.write(asked, KIND, name, body, after=after)
    return answers.written(request, operation, shown_endpoint(request, shown))


def _check_region(asked: Call, location: str, name: str) -> None:
    resources = asked.world.resources
    if resources.find_endpoint(location, name) is not None:
        raise ServiceError(
            409,
            f"There is already a batch endpoint named {name} in the region {location}. Endpoint names are"
            " unique in a region: use another name.",
            inner=("Conflict", "EndpointNameTaken"),
        )
    if resources.count_in_region(KIND, location) >= MOST_IN_REGION:
        raise bad_request(
            f"The limit of {MOST_IN_REGION} batch endpoints in the region {location} is reached."
        )


def _default(asked: Call, name: str) -> str | None:
    given = wire.fold(asked.properties, _KEYS)
    defaults = wire.fold(given.get("defaults"), ("deploymentName",))
    default = defaults.get("deploymentName") or None
    if default is not None:
        check_deployment(asked, name, str(default))
    return str(default) if default is not None else None


def check_deployment(asked: Call, endpoint: str, deployment: str) -> None:
    """Refuse a default deployment that does not exist."""
    if asked.world.resources.get(f"{KIND}/deployments", asked.workspace, f"{endpoint}/{deployment}") is None:
        raise bad_request(
            f"properties.defaults.deploymentName: the endpoint {endpoint} has no deployment {deployment}."
        )


def _properties(asked: Call, old: dict[str, Any] | None, default: str | None) -> dict[str, Any]:
    given = wire.fold(asked.properties, _KEYS)
    if str(given.get("authMode")).lower() != "aadtoken":
        raise bad_request(
            f"properties.authMode is {given.get('authMode')!r}, but batch endpoints support only AADToken."
        )
    custom = asked.texts("properties", given)
    custom.pop("AzureAsyncOperationUri", None)
    return {
        "description": given.get("description"),
        "properties": custom | _marks(asked, old),
        "scoringUri": None,
        "swaggerUri": None,
        "authMode": "AADToken",
        "defaults": {"deploymentName": default},
        "provisioningState": "Creating",
    }


def _marks(asked: Call, old: dict[str, Any] | None) -> dict[str, str]:
    if old is not None:
        before = old["properties"].get("properties") or {}
        return {key: before[key] for key in _OWN_MARKS if key in before}
    version = asked.request.query_params.get("api-version", "2023-10-01")
    return dict(zip(_OWN_MARKS, (version, new_guid()), strict=True))


async def patch(request: Request) -> Response:
    """Change tags and identity; the default deployment only where an old api-version lets a PATCH do so.

    That a PATCH refuses other fields, instead of ignoring them, is assumed.
    """
    asked = await call.read(request)
    endpoint = existing(asked)
    change.refuse_while_busy(asked, KIND, endpoint["name"])
    properties = endpoint["properties"]
    if "properties" in asked.body:
        properties = {**properties, "defaults": _patched_defaults(asked, endpoint["name"])}
    kept = change.stored(endpoint)
    body = kept | {
        "tags": asked.texts("tags") if "tags" in asked.body else kept["tags"],
        "identity": asked.body.get("identity") or kept.get("identity"),
        "properties": properties,
        "systemData": asked.system_data(endpoint),
    }
    operation, shown = change.write(asked, KIND, endpoint["name"], body)
    return answers.patched(request, operation, shown_endpoint(request, shown))


def _patched_defaults(asked: Call, name: str) -> dict[str, Any]:
    given = wire.fold(asked.properties, _KEYS)
    version = asked.request.query_params.get("api-version", "")
    if set(given) != {"defaults"} or version not in _DEFAULTS_BY_PATCH:
        raise bad_request(
            "A PATCH of a batch endpoint changes only tags and identity. To change the default deployment,"
            " PUT the endpoint with properties.defaults.deploymentName."
        )
    return {"deploymentName": _default(asked, name)}


async def delete(request: Request) -> Response:
    """Delete an endpoint and its deployments."""
    asked = await call.read(request)
    endpoint = asked.world.resources.get(KIND, asked.workspace, asked.path("e"))
    if endpoint is None:
        return answers.gone()
    return answers.deleting(request, change.remove(asked, KIND, endpoint, endpoint["name"]))


async def list_keys(request: Request) -> Response:
    """Refuse: batch endpoints have no keys, since they take tokens only (text assumed)."""
    existing(await call.read(request))
    raise bad_request("Keys are available only for endpoints with the authentication mode Key.")


def existing(asked: Call) -> dict[str, Any]:
    """Return the endpoint that the path names.

    Raises:
        ServiceError: 404, there is none.
    """
    endpoint = asked.world.resources.get(KIND, asked.workspace, asked.path("e"))
    if endpoint is None:
        raise not_found(
            f"Batch endpoint {asked.path('e')} was not found in workspace {asked.workspace.name}."
        )
    return endpoint


_PATH = f"{WORKSPACE}/{KIND}/{{e}}"
ROUTES = [
    Route(_PATH, put, methods=["PUT"]),
    Route(_PATH, patch, methods=["PATCH"]),
    Route(_PATH, delete, methods=["DELETE"]),
    Route(f"{_PATH}/listkeys", list_keys, methods=["POST"]),
    Route(f"{_PATH}/listKeys", list_keys, methods=["POST"]),
]
