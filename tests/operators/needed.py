"""The least that each operator of a resource needs."""

from __future__ import annotations

from typing import Any

_EVERYWHERE = {
    "compute_name": "cluster",
    "vm_size": "S",
    "max_nodes": 1,
    "endpoint_name": "endpoint",
    "deployment_name": "one",
    "name": "name",
    "path": "./path",
}
_BESIDES = {
    "AzureMLRegisterEnvironmentOperator": {"version": 1, "image": "ubuntu"},
    "AzureMLCreateBatchDeploymentOperator": {"model": "m:1", "compute": "cluster"},
}


def needed(operator: type[Any]) -> dict[str, Any]:
    """Return arguments that an operator takes, and none of which it can do without."""
    least = {key: value for key, value in _EVERYWHERE.items() if key in operator.fields}
    return least | _BESIDES.get(operator.__name__, {})
