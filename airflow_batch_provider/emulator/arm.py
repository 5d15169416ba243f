"""Azure Resource Manager: workspace, datastores, endpoints, deployments and data assets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_batch_provider.emulator import arm_lists
from airflow_batch_provider.emulator.batch import WORKSPACE
from airflow_batch_provider.emulator.errors import ServiceError, not_found
from airflow_batch_provider.emulator.ids import PROVIDER, Workspace
from airflow_batch_provider.emulator.lifecycle.answers import status_url
from airflow_batch_provider.emulator.world import base_url, world_of

if TYPE_CHECKING:
    from starlette.requests import Request


ASSET_KINDS = ("data", "models", "codes", "environments", "components")


def workspace_of(request: Request) -> Workspace:
    """Return the workspace that a path names; any exists at first sight."""
    path = request.path_params
    workspace = Workspace(path["s"], path["g"], path["w"])
    world_of(request).resources.see(workspace)
    return workspace


async def get_workspace(request: Request) -> Response:
    """Answer with the workspace."""
    workspace = workspace_of(request)
    shown = world_of(request).resources.see(workspace)
    links = {
        "discoveryUrl": f"{base_url(request)}/discovery",
        "mlFlowTrackingUri": _mlflow(request, workspace),
    }
    return JSONResponse(shown | {"properties": shown["properties"] | links})


def _mlflow(request: Request, workspace: Workspace) -> str:
    return f"azureml://{request.url.netloc}/mlflow/v1.0{workspace.id}"


async def list_datastores(request: Request) -> Response:
    """Answer with the datastores; ``isDefault=true`` leaves the default one."""
    stores = world_of(request).resources.list("datastores", workspace_of(request))
    return arm_lists.answer(request, [shown_datastore(request, store) for store in stores])


def shown_datastore(request: Request, store: dict[str, Any]) -> dict[str, Any]:
    """Return a datastore as the service shows it: without its secrets."""
    shown = {key: value for key, value in store.items() if key != "secret"}
    if store["properties"].get("endpoint"):  # in an account elsewhere
        return shown
    # An IP address as endpoint means path-style addresses, as with every local storage emulator.
    host = request.url.netloc.replace("localhost", "127.0.0.1")
    own = {"protocol": request.url.scheme, "endpoint": f"{host}/blob"}
    return shown | {"properties": {**store["properties"], **own}}


async def get_datastore(request: Request) -> Response:
    """Answer with one datastore, without its secrets."""
    return JSONResponse(shown_datastore(request, _resource(request, "datastores", "name")))


async def list_secrets(request: Request) -> Response:
    """Answer with the credential of a datastore."""
    store = _resource(request, "datastores", "name")
    own = {"secretsType": "AccountKey", "key": world_of(request).resources.account_key()}
    secret = store.get("secret", own)
    if not secret:
        raise ServiceError(400, f"Datastore {store['name']} has no credentials.")
    return JSONResponse(secret)


def _resource(request: Request, kind: str, *parameters: str) -> dict[str, Any]:
    name = "/".join(request.path_params[parameter] for parameter in parameters)
    found = world_of(request).resources.get(kind, workspace_of(request), name)
    if found is None:
        raise not_found(f"The resource {kind}/{name} was not found in workspace {request.path_params['w']}.")
    return found


async def list_endpoints(request: Request) -> Response:
    """Answer with the batch endpoints."""
    found = world_of(request).resources.list("batchEndpoints", workspace_of(request))
    return arm_lists.answer(request, [shown_endpoint(request, endpoint) for endpoint in found])


async def get_endpoint(request: Request) -> Response:
    """Answer with one batch endpoint."""
    return JSONResponse(shown_endpoint(request, _resource(request, "batchEndpoints", "e")))


def shown_endpoint(request: Request, endpoint: dict[str, Any]) -> dict[str, Any]:
    """Return an endpoint as the service shows it; it has no scoring URI while it is being created."""
    scoring = f"{base_url(request)}/endpoints/{endpoint['location']}/{endpoint['name']}/jobs"
    if endpoint["properties"]["provisioningState"] == "Creating":
        return _with_operation(request, "batchEndpoints", endpoint["name"], endpoint)
    shown = endpoint | {"properties": {**endpoint["properties"], "scoringUri": scoring}}
    return _with_operation(request, "batchEndpoints", endpoint["name"], shown)


def _with_operation(request: Request, kind: str, name: str, shown: dict[str, Any]) -> dict[str, Any]:
    world = world_of(request)
    operation = world.operations.latest(workspace_of(request), kind, name)
    if operation is None or not world.settings.current.operation_uri_in_body:
        return shown
    inner = {
        **(shown["properties"].get("properties") or {}),
        "AzureAsyncOperationUri": status_url(request, operation),
    }
    return shown | {"properties": {**shown["properties"], "properties": inner}}


async def list_deployments(request: Request) -> Response:
    """Answer with the deployments of an endpoint."""
    endpoint = _resource(request, "batchEndpoints", "e")["name"]
    found = world_of(request).resources.list("batchEndpoints/deployments", workspace_of(request), endpoint)
    return arm_lists.answer(
        request, [shown_deployment(request, endpoint, deployment) for deployment in found]
    )


async def get_deployment(request: Request) -> Response:
    """Answer with one deployment."""
    deployment = _resource(request, "batchEndpoints/deployments", "e", "d")
    return JSONResponse(shown_deployment(request, request.path_params["e"], deployment))


def shown_deployment(request: Request, endpoint: str, deployment: dict[str, Any]) -> dict[str, Any]:
    """Return a deployment of an endpoint as the service shows it."""
    # The emulator's own section says how a deployment is simulated; the service knows no such key.
    properties = {key: value for key, value in deployment["properties"].items() if key != "emulator"}
    shown = deployment | {"properties": properties}
    return _with_operation(request, "batchEndpoints/deployments", f"{endpoint}/{deployment['name']}", shown)


def _list(kind: str, *parents: str) -> Any:
    async def answer(request: Request) -> Response:
        parent = "/".join(request.path_params[name] for name in parents)
        found = world_of(request).resources.list(kind, workspace_of(request), parent)
        return arm_lists.answer(request, found)

    return answer


def _get(kind: str, *parameters: str) -> Any:
    async def answer(request: Request) -> Response:
        return JSONResponse(_resource(request, kind, *parameters))

    return answer


async def unknown(request: Request) -> Response:
    """Refuse what is no resource of the emulator, in ARM's words."""
    raise ServiceError(
        404,
        f"The resource or operation {request.method} {request.url.path} was not found.",
        code="ResourceNotFound",
    )


def _asset_routes(kind: str) -> list[Route]:
    return [
        Route(f"{WORKSPACE}/{kind}", _list(kind)),
        Route(f"{WORKSPACE}/{kind}/{{name}}", _get(kind, "name")),
        Route(f"{WORKSPACE}/{kind}/{{name}}/versions", _list(f"{kind}/versions", "name")),
        Route(
            f"{WORKSPACE}/{kind}/{{name}}/versions/{{version}}", _get(f"{kind}/versions", "name", "version")
        ),
    ]


ROUTES = [
    Route(WORKSPACE, get_workspace),
    Route(f"{WORKSPACE}/datastores", list_datastores),
    Route(f"{WORKSPACE}/datastores/{{name}}", get_datastore),
    Route(f"{WORKSPACE}/datastores/{{name}}/listSecrets", list_secrets, methods=["POST"]),
    Route(f"{WORKSPACE}/batchEndpoints", list_endpoints),
    Route(f"{WORKSPACE}/batchEndpoints/{{e}}", get_endpoint),
    Route(f"{WORKSPACE}/batchEndpoints/{{e}}/deployments", list_deployments),
    Route(f"{WORKSPACE}/batchEndpoints/{{e}}/deployments/{{d}}", get_deployment),
    Route(f"{WORKSPACE}/computes", _list("computes")),
    Route(f"{WORKSPACE}/computes/{{name}}", _get("computes", "name")),
    *(route for kind in ASSET_KINDS for route in _asset_routes(kind)),
]
CATCH_ALL = Route("/subscriptions/{path:path}", unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
PROVIDER_ROOT = f"/subscriptions/{{s}}/providers/{PROVIDER}"
