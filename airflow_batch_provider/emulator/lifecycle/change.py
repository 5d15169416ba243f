"""What every change of a resource with a long-running operation has in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_batch_provider.emulator.errors import ServiceError
from airflow_batch_provider.emulator.lifecycle import script

if TYPE_CHECKING:
    from airflow_batch_provider.emulator.lifecycle.call import Call
    from airflow_batch_provider.emulator.lifecycle.operations import Operation

# Shorter than the service's minutes, and far longer than a client that does not wait.
# A deployment takes no less than what it names, so that it is ready no earlier.
SECONDS = {"computes": 4.0, "batchEndpoints": 2.0, "batchEndpoints/deployments": 4.0}
_DELETE_SECONDS = 2.0


def refuse_while_busy(asked: Call, kind: str, name: str) -> None:
    """Refuse a change of a resource that is being deleted, or changed if the settings say so.

    Raises:
        ServiceError: 409 (assumed: no such answer is recorded).
    """
    operation = asked.world.operations.latest(asked.workspace, kind, name)
    if operation is None or operation.done:
        return
    if operation.verb == "delete" or asked.world.settings.current.one_operation_at_a_time:
        raise ServiceError(
            409,
            f"The resource {kind}/{name} cannot be changed: its provisioning state is {operation.status}."
            " Try again when that operation has ended.",
            inner=("Conflict",),
        )


def write(
    asked: Call, kind: str, name: str, body: dict[str, Any], *, after: float = 0.0
) -> tuple[Operation, dict[str, Any]]:
    """Keep a resource and start the operation that makes it so.

    Args:
        asked: The request.
        kind: Its kind.
        name: Its name, with its parents' names before it.
        body: Its new body.
        after: Epoch second before which it cannot be ready.

    Returns:
        The operation, and the resource as it is now.
    """
    world = asked.world
    old = world.resources.get(kind, asked.workspace, name)
    error = script.failure(body, "update" if old else "create")
    with world.database.transaction():
        world.resources.put(kind, asked.workspace, name, body)
        operation = world.operations.begin(
            "update" if old else "create",
            asked.workspace,
            kind,
            name,
            region=body["location"],
            seconds=SECONDS[kind],
            error=error,
            after=after,
        )
    return operation, world.resources.get(kind, asked.workspace, name) or {}


def remove(asked: Call, kind: str, resource: dict[str, Any], name: str) -> Operation:
    """Start the operation that deletes a resource, and return it; the one under way if there is one."""
    operations = asked.world.operations
    under_way = operations.latest(asked.workspace, kind, name)
    if under_way and under_way.verb == "delete" and not under_way.done:
        return under_way
    error = script.failure(resource, "delete")
    with asked.world.database.transaction():
        return operations.begin(
            "delete",
            asked.workspace,
            kind,
            name,
            region=resource["location"],
            seconds=_DELETE_SECONDS,
            error=error,
        )


def stored(resource: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a resource: all but what follows from its address."""
    return {key: value for key, value in resource.items() if key not in {"id", "name", "type"}}
