"""Computes: clusters are created, resized and deleted; nothing is bought and nothing runs on them.

Forms: the published commands, the ARM specification, and recorded answers of the SDK's own tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from airflow_batch_provider.emulator import wire
from airflow_batch_provider.emulator.batch import WORKSPACE
from airflow_batch_provider.emulator.errors import bad_request, not_found
from airflow_batch_provider.emulator.lifecycle import answers, call, change, names

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_batch_provider.emulator.lifecycle.call import Call

_TYPES = (
    *("AmlCompute", "ComputeInstance", "Kubernetes", "AKS", "VirtualMachine", "SynapseSpark", "Databricks"),
    *("HDInsight", "DataFactory", "DataLakeAnalytics"),
)
_OUTER = ("computeType", "properties", "description", "resourceId", "disableLocalAuth", "computeLocation")
_INNER = ("osType", "vmSize", "vmPriority", "scaleSettings", "remoteLoginPortPublicAccess", "subnet")
_SCALE = ("maxNodeCount", "minNodeCount", "nodeIdleTimeBeforeScaleDown")


async def put(request: Request) -> Response:
    """Create or change a compute."""
    asked = await call.read(request)
    name = asked.path("name")
    names.check("computes", name)
    change.refuse_while_busy(asked, "computes", name)
    old = asked.world.resources.get("computes", asked.workspace, name)
    location = asked.location(old)
    body = {
        "location": location,
        "tags": asked.texts("tags"),
        "properties": _properties(asked, location, old),
        "systemData": asked.system_data(old),
        "identity": asked.body.get("identity"),
        "sku": asked.body.get("sku"),
    }
    operation, shown = change.write(asked, "computes", name, body)
    return answers.written(request, operation, shown)


def _properties(asked: Call, location: str, old: dict[str, Any] | None) -> dict[str, Any]:
    given = wire.fold(asked.properties, _OUTER)
    kind = next((one for one in _TYPES if one.lower() == str(given.get("computeType")).lower()), None)
    if kind is None:
        known = ", ".join(_TYPES)
        raise bad_request(
            f"properties.computeType is {given.get('computeType')!r}, but must be one of {known}."
        )
    if old is not None and old["properties"]["computeType"] != kind:
        raise bad_request(f"The compute type of {old['name']} cannot be changed.")
    inner = wire.fold(given.get("properties"), _INNER)
    if kind in {"AmlCompute", "ComputeInstance"} and not inner.get("vmSize"):
        raise bad_request("The field properties.properties.vmSize is required.")
    if kind == "AmlCompute":
        inner = _cluster(inner, old)
    return {
        "description": None,
        "computeLocation": location,
        "provisioningErrors": None,
        "resourceId": None,
        "disableLocalAuth": True,
        "isAttachedCompute": bool(given.get("resourceId")),
        **given,
        "computeType": kind,
        "properties": inner,
        "provisioningState": "Creating",
    }


def _cluster(inner: dict[str, Any], old: dict[str, Any] | None) -> dict[str, Any]:
    before = old["properties"]["properties"] if old else {}
    if before and before["vmSize"].lower() != inner["vmSize"].lower():
        raise bad_request(f"The vmSize of a cluster cannot be changed from {before['vmSize']}.")
    scale = _scale({**before.get("scaleSettings", {}), **wire.fold(inner.get("scaleSettings"), _SCALE)})
    return {
        "osType": "Linux",
        "vmPriority": "Dedicated",
        "remoteLoginPortPublicAccess": "NotSpecified",
        "subnet": None,
        "isolatedNetwork": False,
        "enableNodePublicIp": True,
        **inner,
        "vmSize": inner["vmSize"].upper(),
        "scaleSettings": scale,
        "allocationState": "Steady",
        "allocationStateTransitionTime": None,
        "currentNodeCount": scale["minNodeCount"],
        "targetNodeCount": scale["minNodeCount"],
        "nodeStateCounts": {
            "idleNodeCount": scale["minNodeCount"],
            **dict.fromkeys(("leavingNodeCount", "preemptedNodeCount", "preparingNodeCount"), 0),
            **dict.fromkeys(("runningNodeCount", "unusableNodeCount"), 0),
        },
        "errors": None,
    }


def _scale(given: dict[str, Any]) -> dict[str, Any]:
    try:
        most, least = wire.integer(given.get("maxNodeCount", 1)), wire.integer(given.get("minNodeCount", 0))
        idle = wire.seconds(given.get("nodeIdleTimeBeforeScaleDown") or "PT120S")
    except (ValueError, TypeError) as error:
        raise bad_request(f"properties.properties.scaleSettings: {error}.") from None
    if not 0 <= least <= most or most < 1:
        raise bad_request(
            f"scaleSettings: minNodeCount {least} must be from 0 to maxNodeCount {most}, itself at least 1."
        )
    return {
        "minNodeCount": least,
        "maxNodeCount": most,
        "nodeIdleTimeBeforeScaleDown": wire.duration(idle),
    }


async def patch(request: Request) -> Response:
    """Change the scale settings of a cluster: all that a PATCH may change."""
    asked = await call.read(request)
    compute = _existing(asked)
    change.refuse_while_busy(asked, "computes", compute["name"])
    scale = wire.fold(wire.fold(asked.properties, _OUTER).get("properties"), _INNER).get("scaleSettings")
    if not isinstance(scale, dict) or compute["properties"]["computeType"] != "AmlCompute":
        raise bad_request("Only properties.properties.scaleSettings of an AmlCompute can be changed.")
    inner = compute["properties"]["properties"]
    merged = _scale({**inner["scaleSettings"], **wire.fold(scale, _SCALE)})
    properties = {**compute["properties"], "properties": {**inner, "scaleSettings": merged}}
    body = change.stored(compute) | {"properties": properties}
    operation, shown = change.write(asked, "computes", compute["name"], body)
    return answers.written(request, operation, shown)


async def delete(request: Request) -> Response:
    """Delete a compute; the query says what becomes of the machine behind it."""
    asked = await call.read(request)
    compute = asked.world.resources.get("computes", asked.workspace, asked.path("name"))
    if compute is None:
        return answers.gone()
    action = request.query_params.get("underlyingResourceAction", "")
    if action.lower() not in {"delete", "detach"}:
        raise bad_request(f"The query needs underlyingResourceAction=Delete or Detach, not {action!r}.")
    operation = change.remove(asked, "computes", compute, compute["name"])
    return answers.deleting(request, operation)


def _existing(asked: Call) -> dict[str, Any]:
    compute = asked.world.resources.get("computes", asked.workspace, asked.path("name"))
    if compute is None:
        raise not_found(f"Compute {asked.path('name')} was not found in workspace {asked.workspace.name}.")
    return compute


_PATH = f"{WORKSPACE}/computes/{{name}}"
ROUTES = [
    Route(_PATH, put, methods=["PUT"]),
    Route(_PATH, patch, methods=["PATCH"]),
    Route(_PATH, delete, methods=["DELETE"]),
]
