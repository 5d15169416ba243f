"""What of a resource that the service describes can be sent back to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SENT = ("location", "tags", "kind", "sku", "identity", "properties")

# Source: the read-only fields of the Resource Manager specification.
_READ_ONLY = frozenset(
    f"properties.{name}"
    for name in (
        *("provisioningState", "scoringUri", "swaggerUri", "properties.AzureAsyncOperationUri"),
        *("createdOn", "modifiedOn", "provisioningErrors", "isAttachedCompute"),
    )
)
_READ_ONLY_OF_CLUSTERS = frozenset(
    f"properties.properties.{name}"
    for name in (
        *("allocationState", "allocationStateTransitionTime", "currentNodeCount", "targetNodeCount"),
        *("nodeStateCounts", "errors"),
    )
)


def writable(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that leaves a resource as it is.

    Args:
        found: As the service describes it.
    """
    properties = found.get("properties")
    cluster = isinstance(properties, Mapping) and "computeType" in properties
    read_only = _READ_ONLY | _READ_ONLY_OF_CLUSTERS if cluster else _READ_ONLY
    body = {key: _kept(found[key], key, read_only) for key in _SENT if key in found}
    body["identity"] = _identity(found.get("identity"))
    return {key: value for key, value in body.items() if value not in (None, {})}


def _kept(value: Any, place: str, read_only: frozenset[str]) -> Any:
    if not isinstance(value, Mapping):
        return value
    below = {key: f"{place}.{key}" for key in value}
    kept = {key: _kept(value[key], below[key], read_only) for key in value if below[key] not in read_only}
    return {key: item for key, item in kept.items() if item is not None and item != {}}


def _identity(identity: Any) -> dict[str, Any]:
    kind = identity.get("type") if isinstance(identity, Mapping) else None
    if kind in (None, "None"):
        return {}
    users = identity.get("userAssignedIdentities")
    # Such an identity is named by its key alone.
    return {"type": kind, **({"userAssignedIdentities": {key: {} for key in users}} if users else {})}
