"""Making a resource be as it shall be, whatever is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from airflow_batch_provider.checks import choice
from airflow_batch_provider.errors import BadRequest, Conflict, NotFound
from airflow_batch_provider.flow import RETRY, Flow, send
from airflow_batch_provider.services.azure_ml.answers import inner, read
from airflow_batch_provider.services.azure_ml.history import describe
from airflow_batch_provider.services.azure_ml.operations import Operation, begun
from airflow_batch_provider.services.azure_ml.presentable import presentable
from airflow_batch_provider.services.azure_ml.resources.fields import merged
from airflow_batch_provider.services.azure_ml.resources.references import pinned
from airflow_batch_provider.services.azure_ml.resources.refusals import explained
from airflow_batch_provider.services.azure_ml.resources.resource import Resource
from airflow_batch_provider.services.azure_ml.resources.same import differences
from airflow_batch_provider.services.azure_ml.resources.writable import writable
from airflow_batch_provider.services.azure_ml.workspace import Workspace, ask
from airflow_batch_provider.values import shown

Action = Literal["created", "updated", "unchanged", "skipped", "deleted", "deleting", "gone"]
_SENTENCES = {
    "unchanged": "is as it shall be; nothing was sent",
    "skipped": "exists and is left as it is; nothing was sent",
    "deleting": "is being deleted already; nothing was sent",
    "gone": "does not exist; there is nothing to delete",
}

_BROKEN = ("failed", "canceled")
_ENDED = ("succeeded", "", *_BROKEN)


@dataclass(frozen=True)
class Ensured:
    """What was done to a resource.

    Args:
        action: What was done; with ``unchanged``, ``skipped``, ``deleting`` and ``gone`` nothing was sent.
        label: What people call the resource.
        operation: What is to be waited for; done if there is nothing to wait for.
        changed: The parts that differed, as dotted paths.
    """

    action: Action
    label: str
    operation: Operation
    changed: tuple[str, ...] = field(default=())

    @property
    def text(self) -> str:
        """One sentence for the log."""
        label = f"{self.label[:1].upper()}{self.label[1:]}"
        if self.action in _SENTENCES:
            return f"{label} {_SENTENCES[self.action]}."
        what = f": {', '.join(self.changed)}" if self.changed else ""
        return f"{label} is {'' if self.operation.done else 'being '}{self.action}{what}."


def ensure(
    workspace: Workspace,
    resource: Resource,
    *,
    if_exists: str = "update",
    create: bool = True,
    now: Callable[[], float] = RETRY.now,
) -> Flow[Ensured]:
    """Create a resource, or change what is there to what it shall be.

    What the resource does not say is left as it is. A change is a PUT of the whole, because PATCH takes next
    to nothing since api-version 2022-10-01.

    Args:
        workspace: Where.
        resource: As it shall be.
        if_exists: ``update``, ``skip`` to leave it as it is, or ``fail``.
        create: Whether it may be created, or must be there.
        now: Wall clock, epoch seconds, that stamps the operation.

    Returns:
        What was done, and the operation to wait for: also one that an earlier try began.

    Raises:
        NotFound: It is not there and must be.
        Conflict: It exists and must not; or it differs in what cannot be changed; or it is being deleted.
        ServiceError: The service refused; the message says which reference is missing, if one is.
        BatchError: A look-up failed.
    """
    choice("if_exists", if_exists, "update", "skip", "fail")
    found = yield from get(workspace, resource)
    if found is None:
        if not create:
            raise NotFound(f"There is no {resource.label}.", fix="Create it first.")
        resource = yield from pinned(workspace, resource)
        return (yield from _put(workspace, resource, "created", (), now()))
    _check_exists(resource, found, if_exists)
    left = _left(workspace, resource, found, now())
    if if_exists == "skip":
        return Ensured("skipped", resource.label, left)
    resource = yield from pinned(workspace, resource)
    changed = differences(resource.body, found, workspace)
    if not changed and state_of(found) not in _BROKEN:
        return Ensured("unchanged", resource.label, left)
    _check_changeable(resource, found, changed)
    resource = replace(resource, body=merged(writable(found), resource.body))
    return (yield from _put(workspace, resource, "updated", changed, now()))


def _left(workspace: Workspace, resource: Resource, found: dict[str, Any], at: float) -> Operation:
    """Return what is to be waited for where nothing was sent: what an earlier request began."""
    state = state_of(found)
    doing = f"creating or updating {resource.label}"
    left = Operation(doing, resource.url(workspace), started_at=at, status=state)
    return replace(left, done=True, resource=presentable(found)) if state in _ENDED else left


def get(workspace: Workspace, resource: Resource) -> Flow[dict[str, Any] | None]:
    """Return a resource as the service describes it, or ``None`` if there is none."""
    response = yield from send(ask("GET", resource.url(workspace), "arm"))
    try:
        return read(response, f"looking up {resource.label}", action=_action(resource, "read"))
    except NotFound:
        return None


def state_of(found: dict[str, Any]) -> str:
    """Return the provisioning state of a resource, in lower case."""
    return str(inner(found, "properties").get("provisioningState") or "").lower()


def _check_exists(resource: Resource, found: dict[str, Any], if_exists: str) -> None:
    if state_of(found) == "deleting":
        raise Conflict(f"There is still {resource.label}, which is being deleted.", fix="Try again later.")
    if if_exists == "fail":
        raise Conflict(
            f"There is {resource.label} already, and if_exists is 'fail'.",
            fix="Set if_exists to 'update' or 'skip', or take another name.",
        )


def _check_changeable(resource: Resource, found: dict[str, Any], changed: tuple[str, ...]) -> None:
    fixed = next((place for place in changed if resource.is_fixed(place)), None)
    if fixed is None:
        return
    here, there = _at(presentable(resource.body), fixed), _at(presentable(found), fixed)
    versioned = "versions" in resource.path
    raise Conflict(
        f"There is {resource.label} already, and it differs in {fixed}, which cannot be changed: it is "
        f"{shown(there)}, and shall be {shown(here)}.",
        fix="Register it under a new version." if versioned else "Delete it first, or take another name.",
    )


def _at(body: Any, place: str) -> Any:
    for key in place.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    return body


def _put(
    workspace: Workspace, resource: Resource, action: Action, changed: tuple[str, ...], at: float
) -> Flow[Ensured]:
    body = resource.body
    if resource.located and not body.get("location"):
        body = {**body, "location": str((yield from describe(workspace)).get("location") or "")}
    url = resource.url(workspace)
    doing = f"{'creating' if action == 'created' else 'updating'} {resource.label}"
    response = yield from send(ask("PUT", url, "arm", body=body))
    try:
        read(response, doing, action=_action(resource, "write"))
    except (BadRequest, NotFound) as error:
        raise (yield from explained(workspace, resource, error)) from None
    except Conflict as error:
        return (yield from _after_conflict(workspace, resource, action, error, at))
    operation = begun(response, workspace=workspace, doing=doing, resource_url=url, at=at)
    return Ensured(action, resource.label, operation, changed)


def _after_conflict(
    workspace: Workspace, resource: Resource, action: Action, error: Conflict, at: float
) -> Flow[Ensured]:
    """Look whether the conflict is with our own request, sent before and its answer lost, or one alike."""
    found = yield from get(workspace, resource)
    alike = found is not None and not differences(resource.body, found, workspace)
    if found is not None and alike and state_of(found) not in ("deleting", *_BROKEN):
        return Ensured(action, resource.label, _left(workspace, resource, found, at))
    error.fix = "It is being changed by somebody else: try again later."
    if found is None and resource.path[:-1] == ("batchEndpoints",):
        error.fix = "Names of endpoints are unique within a region: take another one."
    raise error


def _action(resource: Resource, verb: str) -> str:
    return "/".join((*resource.path[::2], verb))
