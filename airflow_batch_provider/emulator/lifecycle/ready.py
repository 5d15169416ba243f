"""Whether a deployment can take a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_batch_provider.emulator.errors import ServiceError, bad_request
from airflow_batch_provider.emulator.invoke import kind_of

if TYPE_CHECKING:
    from airflow_batch_provider.emulator.ids import Workspace
    from airflow_batch_provider.emulator.world import World


def check(world: World, workspace: Workspace, endpoint: dict[str, Any], deployment: dict[str, Any]) -> None:
    """Refuse an invoke that nothing could execute.

    A resource that is being changed still serves. That one which is not ready yet is refused with 409 is
    assumed.

    Raises:
        ServiceError: 409, the endpoint or the deployment is not ready; 400, the emulator cannot run it.
    """
    _check_state(world, workspace, "batchEndpoints", endpoint["name"], endpoint)
    path = f"{endpoint['name']}/{deployment['name']}"
    _check_state(world, workspace, "batchEndpoints/deployments", path, deployment)
    properties = deployment["properties"]
    if (
        "emulator" not in properties
        and kind_of(properties) == "model"
        and not properties["codeConfiguration"]
    ):
        raise bad_request(
            f"The deployment {path} has an MLflow model without a scoring script, which is not supported by"
            " the emulator. Give it a codeConfiguration with a script that loads the model."
        )


def _check_state(world: World, workspace: Workspace, kind: str, name: str, resource: dict[str, Any]) -> None:
    state = resource["properties"]["provisioningState"]
    if state == "Deleting" or not world.operations.was_ready(workspace, kind, name):
        raise ServiceError(
            409,
            f"{kind}/{name} is in the provisioning state {state} and cannot be invoked. It can be once that"
            " state is Succeeded.",
            inner=("Conflict",),
        )
