"""A request that changes a resource, read once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.emulator import wire
from airflow_batch_provider.emulator.access import bearer
from airflow_batch_provider.emulator.arm import workspace_of
from airflow_batch_provider.emulator.errors import ServiceError, bad_request
from airflow_batch_provider.emulator.world import World, world_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_batch_provider.emulator.ids import Workspace

_TOP = ("properties", "location", "tags", "identity", "kind", "sku", "id", "name", "type", "systemData")


@dataclass(frozen=True)
class Call:
    """The parts of a request that handlers look at; keys of the body in canonical case at its top level."""

    request: Request
    world: World
    workspace: Workspace
    body: dict[str, Any]

    @property
    def properties(self) -> dict[str, Any]:
        """The object ``properties`` of the body.

        Raises:
            ServiceError: 400, there is none.
        """
        value = self.body.get("properties")
        if not isinstance(value, dict):
            raise bad_request("The request body needs an object 'properties'.")
        return value

    @property
    def caller(self) -> str:
        """The client id that sent it."""
        token = self.world.tokens.find(bearer(self.request) or "")
        return token.client if token else "unknown"

    def path(self, parameter: str) -> str:
        """Return a segment of the path."""
        return str(self.request.path_params[parameter])

    def texts(self, key: str, holder: dict[str, Any] | None = None) -> dict[str, str]:
        """Return an object of texts, such as ``tags``; empty if it is missing.

        Raises:
            ServiceError: 400, it is no object, or a value is an object or a list.
        """
        value = (self.body if holder is None else holder).get(key) or {}
        if not isinstance(value, dict) or any(isinstance(item, dict | list) for item in value.values()):
            raise bad_request(f"The field {key} must be an object of texts.")
        return {str(name): item if isinstance(item, str) else str(item) for name, item in value.items()}

    def location(self, old: dict[str, Any] | None) -> str:
        """Return the region of a resource, which it needs at its creation and which never changes.

        Args:
            old: The resource that exists under this name, or None.

        Raises:
            ServiceError: 400 without one, 409 with another than before (codes and texts: ARM's own).
        """
        given = str(self.body.get("location") or "").lower().replace(" ", "")
        if not given:
            raise ServiceError(
                400, "The location property is required for this definition.", code="LocationRequired"
            )
        if old is not None and old.get("location", given).lower() != given:
            raise ServiceError(
                409,
                f"The resource '{old['name']}' already exists in location '{old['location']}'. A resource"
                f" with the same name cannot be created in location '{given}'.",
                code="InvalidResourceLocation",
            )
        return given

    def system_data(self, old: dict[str, Any] | None) -> dict[str, Any]:
        """Return the ``systemData`` after this change of a resource."""
        now = wire.timestamp(time.time())
        who = {"createdByType": "Application", "lastModifiedByType": "Application"}
        made = {"createdAt": now, "createdBy": self.caller} | who
        before = (old or {}).get("systemData") or {}
        return made | before | {"lastModifiedAt": now, "lastModifiedBy": self.caller}


async def read(request: Request) -> Call:
    """Read a request.

    Raises:
        ServiceError: 400, its body is no JSON object.
    """
    raw = await request.body()
    try:
        body = wire.loads(raw) if raw.strip() else {}
    except ValueError as error:
        message = f"The request content was invalid and could not be deserialized: '{error}'."
        raise ServiceError(400, message, code="InvalidRequestContent") from None
    if not isinstance(body, dict):
        raise ServiceError(400, "The request content must be a JSON object.", code="InvalidRequestContent")
    return Call(request, world_of(request), workspace_of(request), wire.fold(body, _TOP))
