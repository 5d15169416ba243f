"""The environment and the compute that a deployment in a set-up file names.

Nothing uses them, but a deployment that is read, changed and written by REST may only name what exists.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.emulator.resources import system_data

if TYPE_CHECKING:
    from airflow_batch_provider.emulator.ids import Workspace
    from airflow_batch_provider.emulator.world import World

_META: dict[str, Any] = {"description": None, "tags": {}, "properties": {}, "isArchived": False}
_ENVIRONMENT = {
    "image": "emulator",
    "condaFile": None,
    "build": None,
    "osType": "Linux",
    "isAnonymous": False,
}
_COMPUTE = {
    "computeType": "AmlCompute",
    "provisioningState": "Succeeded",
    "properties": {
        "osType": "Linux",
        "vmSize": "STANDARD_D2_V2",
        "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 4, "nodeIdleTimeBeforeScaleDown": "PT120S"},
    },
}


def put(world: World, workspace: Workspace, properties: dict[str, Any]) -> None:
    """Register what a deployment names, unless it exists.

    Args:
        world: Where it goes.
        workspace: The deployment's workspace.
        properties: The deployment's.
    """
    made = {"systemData": system_data(time.time(), "emulator")}
    resources = world.resources
    compute = (properties.get("compute") or "").rpartition("/computes/")[2]
    if compute and resources.get("computes", workspace, compute) is None:
        outer = {"location": resources.see(workspace)["location"], "tags": {}, "identity": None, "sku": None}
        resources.put("computes", workspace, compute, outer | made | {"properties": _COMPUTE})
    environment = (properties.get("environmentId") or "").rpartition("/environments/")[2]
    name, _, version = environment.partition("/versions/")
    if version and resources.get("environments/versions", workspace, f"{name}/{version}") is None:
        holder = _META | {"latestVersion": version, "nextVersion": "2"}
        resources.put("environments", workspace, name, made | {"properties": holder})
        content = made | {"properties": _META | _ENVIRONMENT}
        resources.put("environments/versions", workspace, f"{name}/{version}", content)
