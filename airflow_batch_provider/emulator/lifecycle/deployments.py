"""Batch deployments: created, changed and deleted below an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from airflow_batch_provider.emulator import wire
from airflow_batch_provider.emulator.arm import shown_deployment
from airflow_batch_provider.emulator.batch import WORKSPACE
from airflow_batch_provider.emulator.errors import ServiceError, bad_request, not_found
from airflow_batch_provider.emulator.lifecycle import answers, call, change, deployment_form, endpoints, names

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from airflow_batch_provider.emulator.lifecycle.call import Call

KIND = "batchEndpoints/deployments"
MOST_IN_ENDPOINT, MOST_IN_REGION = 20, 500


async def put(request: Request) -> Response:
    """Create or change a deployment."""
    asked = await call.read(request)
    endpoint, name = _parent(asked), asked.path("d")
    names.check("deployments", name)
    path = f"{endpoint['name']}/{name}"
    change.refuse_while_busy(asked, KIND, path)
    old = asked.world.resources.get(KIND, asked.workspace, path)
    location = asked.location(old)
    if old is None:
        _check_limits(asked, endpoint)
    properties = deployment_form.read(asked)
    body = {
        "location": location,
        "tags": asked.texts("tags"),
        "properties": properties,
        "systemData": asked.system_data(old),
        "identity": asked.body.get("identity"),
        "kind": asked.body.get("kind"),
        "sku": asked.body.get("sku"),
    }
    operation, shown = change.write(asked, KIND, path, body)
    return answers.written(request, operation, shown_deployment(request, endpoint["name"], shown))


def _parent(asked: Call) -> dict[str, Any]:
    name = asked.path("e")
    endpoint = asked.world.resources.get(endpoints.KIND, asked.workspace, name)
    if endpoint is None:
        parent = f"{asked.workspace.name}/{name}"
        raise ServiceError(
            404,
            f"Can not perform requested operation on nested resource. Parent resource '{parent}' not found.",
            code="ParentResourceNotFound",
        )
    operation = asked.world.operations.latest(asked.workspace, endpoints.KIND, name)
    if operation and operation.verb == "delete" and not operation.done:
        raise ServiceError(409, f"The batch endpoint {name} is being deleted.", inner=("Conflict",))
    return endpoint


def _check_limits(asked: Call, endpoint: dict[str, Any]) -> None:
    resources = asked.world.resources
    if len(resources.list(KIND, asked.workspace, endpoint["name"])) >= MOST_IN_ENDPOINT:
        raise bad_request(f"The limit of {MOST_IN_ENDPOINT} deployments in a batch endpoint is reached.")
    if resources.count_in_region(KIND, endpoint["location"]) >= MOST_IN_REGION:
        raise bad_request(f"The limit of {MOST_IN_REGION} batch deployments in the region is reached.")


async def patch(request: Request) -> Response:
    """Change tags and description, which is all that a PATCH of a deployment may say."""
    asked = await call.read(request)
    endpoint, deployment = _parent(asked), _existing(asked)
    path = f"{endpoint['name']}/{deployment['name']}"
    change.refuse_while_busy(asked, KIND, path)
    properties = dict(deployment["properties"])
    if "properties" in asked.body:
        given = wire.fold(asked.properties, ("description",))
        if set(given) - {"description"}:
            raise bad_request(
                "A PATCH of a batch deployment changes only tags and properties.description. To change other"
                " properties, PUT the deployment."
            )
        properties["description"] = given.get("description")
    kept = change.stored(deployment)
    body = kept | {
        "tags": asked.texts("tags") if "tags" in asked.body else kept["tags"],
        "properties": properties,
        "systemData": asked.system_data(deployment),
    }
    operation, shown = change.write(asked, KIND, path, body)
    return answers.patched(request, operation, shown_deployment(request, endpoint["name"], shown))


def _existing(asked: Call) -> dict[str, Any]:
    path = f"{asked.path('e')}/{asked.path('d')}"
    deployment = asked.world.resources.get(KIND, asked.workspace, path)
    if deployment is None:
        raise not_found(f"Batch deployment {path} was not found in workspace {asked.workspace.name}.")
    return deployment


async def delete(request: Request) -> Response:
    """Delete a deployment; an endpoint whose default it was has none until another is chosen (assumed)."""
    asked = await call.read(request)
    path = f"{asked.path('e')}/{asked.path('d')}"
    deployment = asked.world.resources.get(KIND, asked.workspace, path)
    if deployment is None:
        return answers.gone()
    return answers.deleting(request, change.remove(asked, KIND, deployment, path))


_PATH = f"{WORKSPACE}/{KIND.replace('/', '/{e}/')}/{{d}}"
ROUTES = [
    Route(_PATH, put, methods=["PUT"]),
    Route(_PATH, patch, methods=["PATCH"]),
    Route(_PATH, delete, methods=["DELETE"]),
]
