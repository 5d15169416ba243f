"""Long-running operations of Resource Manager: followed from the answer that began them to their end.

Sources: the asynchronous operations page of Resource Manager, and recorded exchanges in azure-sdk-for-python,
where a PUT of a batch endpoint names ``Azure-AsyncOperation``, a DELETE that and a ``Location`` which answers
202 until the end, and older clusters name ``properties.properties.AzureAsyncOperationUri`` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import httpx

from airflow_batch_provider.answers import opening
from airflow_batch_provider.errors import (
    PASSING,
    BatchError,
    InvalidInput,
    NotFound,
    OperationFailed,
    OperationTimedOut,
    OperationUnreachable,
    UnexpectedAnswer,
)
from airflow_batch_provider.flow import Flow, pause, retry_after, send
from airflow_batch_provider.jobs import Watch
from airflow_batch_provider.jobs.model import FRESH_SECONDS
from airflow_batch_provider.services.azure_ml.answers import inner, read, rows
from airflow_batch_provider.services.azure_ml.failures import error_lines
from airflow_batch_provider.services.azure_ml.hosts import check_host, token_hosts
from airflow_batch_provider.services.azure_ml.listing import POLL
from airflow_batch_provider.services.azure_ml.presentable import presentable
from airflow_batch_provider.services.azure_ml.workspace import Workspace, ask
from airflow_batch_provider.values import shown
from airflow_batch_provider.web import netloc

_GOOD, _BAD = ("", "succeeded"), ("failed", "canceled", "cancelled")
_LONGEST_PAUSE = 600.0


@dataclass(frozen=True)
class Operation:
    """What a service has accepted to do to a resource. It crosses from worker to trigger to worker.

    Args:
        doing: What is done, as a gerund, for messages: "creating batch endpoint 'digits'".
        resource_url: The resource's own address, with its api-version.
        address: Of the operation; empty to ask the resource itself.
        kind: What the address answers: the operation's ``status``, or nothing but the ``result``.
        deleting: Whether it ends when the resource is gone.
        status: The service's last word.
        done: Whether it has ended well.
        started_at: Epoch seconds.
        wait: Seconds that the service asked to be left alone.
        resource: As the service describes it at the end, see `presentable`; empty if it was deleted.
    """

    doing: str
    resource_url: str
    address: str = ""
    kind: Literal["status", "result", "resource"] = "resource"
    deleting: bool = False
    status: str = ""
    done: bool = False
    started_at: float = 0.0
    wait: float = 0.0
    resource: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def news(self) -> str:
        """One sentence for the log: how far it is."""
        return f"{self.doing[:1].upper()}{self.doing[1:]}: {self.status or 'under way'}."

    def to_dict(self) -> dict[str, Any]:
        """Return JSON scalars and mappings only."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Operation:
        """Read what `to_dict` wrote."""
        return cls(**data)


def begun(
    response: httpx.Response,
    *,
    workspace: Workspace,
    doing: str,
    resource_url: str,
    at: float,
    deleting: bool = False,
) -> Operation:
    """Read the operation out of the answer that began it.

    An address on a host that may not see the token is passed over: the resource itself tells the same.

    Args:
        response: The answer to a PUT, DELETE or POST.
        workspace: Of the resource.
        doing: What is done, as a gerund.
        resource_url: The resource's own address.
        at: Epoch seconds of the request.
        deleting: Whether the resource is to be gone at the end.

    Returns:
        The operation; done, if the answer already says so.

    Raises:
        ServiceError: The service refused.
        OperationFailed: The answer already says so.
        UnexpectedAnswer: It is none of this service.
    """
    body = read(response, doing)
    status = _status(body)
    fresh = Operation(doing, resource_url, deleting=deleting, status=status, started_at=at)
    fresh = replace(fresh, wait=_asked(response))
    accepted = response.status_code == httpx.codes.ACCEPTED
    pending = accepted or status.lower() not in _GOOD
    for kind, address in _addresses(response, body, follow_location=pending):
        if _may_be_asked(address, workspace):
            return replace(fresh, kind=kind, address=address)
    if accepted or not _settled(fresh, body):
        return fresh
    return replace(fresh, done=True, resource={} if deleting else presentable(body))


def _addresses(
    response: httpx.Response, body: Mapping[str, Any], *, follow_location: bool
) -> Iterator[tuple[Literal["status", "result"], str]]:
    yield "status", response.headers.get("azure-asyncoperation", "")
    yield "status", str(inner(body, "properties", "properties").get("AzureAsyncOperationUri") or "")
    # A 201 of something that is complete names itself there.
    yield "result", response.headers.get("location", "") if follow_location else ""


def _may_be_asked(address: str, workspace: Workspace) -> bool:
    try:
        check_host(address, token_hosts(workspace.cloud, workspace.arm_url)["arm"], "The operation")
        ask("GET", address, "arm")
    except InvalidInput:
        return False
    return True


def advance(operation: Operation) -> Flow[Operation]:
    """Look once.

    Args:
        operation: Not done yet, or it is returned as it is.

    Returns:
        The operation as it is now; done, with the resource, if it has ended well.

    Raises:
        OperationFailed: It failed or was cancelled; the text holds the service's error tree.
        BatchError: The look failed, or the resource does not exist.
    """
    if operation.done:
        return operation
    if operation.kind != "resource":
        operation = yield from _address(operation)
    if operation.done or operation.kind != "resource":
        return operation
    return (yield from _resource(operation))


def _address(operation: Operation) -> Flow[Operation]:
    """Ask the operation's address; what is to be asked next is the resource once that has no more to tell."""
    response = yield from send(ask("GET", operation.address, "arm"), retry=POLL)
    try:
        body = read(response, operation.doing)
    except NotFound:
        # Operations are forgotten some time after their end; the resource is not.
        return _by_resource(operation)
    seen = replace(_moved(operation, response), status=_status(body), wait=_asked(response))
    accepted = response.status_code == httpx.codes.ACCEPTED
    if operation.kind == "status" and not seen.status and not accepted:
        raise UnexpectedAnswer(
            f"{opening(operation.doing)}: the answer lacks status; it has {shown(list(body))}."
        )
    if not _settled(seen, body) or (accepted and not seen.status):
        return seen
    return replace(seen, done=True) if operation.deleting else _by_resource(seen)


def _by_resource(operation: Operation) -> Operation:
    return replace(operation, kind="resource", address="", wait=0.0)


def _resource(operation: Operation) -> Flow[Operation]:
    response = yield from send(ask("GET", operation.resource_url, "arm"), retry=POLL)
    try:
        body = read(response, operation.doing)
    except NotFound:
        if operation.deleting:
            return replace(operation, done=True)
        raise
    seen = replace(operation, status=_status(body), wait=_asked(response))
    ended = _settled(seen, body) and not operation.deleting
    return replace(seen, done=True, resource=presentable(body)) if ended else seen


def look(operation: Operation) -> Flow[dict[str, Any]]:
    """Return the resource as it is now, however far its operation is, see `presentable`.

    Raises:
        BatchError: The look failed, or there is no resource.
    """
    response = yield from send(ask("GET", operation.resource_url, "arm"), retry=POLL)
    shown_now: dict[str, Any] = presentable(read(response, operation.doing))
    return shown_now


def _moved(operation: Operation, response: httpx.Response) -> Operation:
    """Follow a result to where the service moves it, on the same host."""
    location = response.headers.get("location", "")
    try:
        same = bool(location) and httpx.URL(location).scheme == httpx.URL(operation.address).scheme
        same = same and netloc(location) == netloc(operation.address)
    except (httpx.InvalidURL, ValueError):
        same = False
    return replace(operation, address=location) if same and operation.kind == "result" else operation


def _status(body: Mapping[str, Any]) -> str:
    status = body.get("status") or inner(body, "properties").get("provisioningState")
    return status if isinstance(status, str) else ""


def _settled(operation: Operation, body: Mapping[str, Any]) -> bool:
    """Whether it has ended well; a status that nobody knew when this was written counts as under way.

    Raises:
        OperationFailed: It has not.
    """
    word = operation.status.lower()
    if word in _BAD:
        told = "\n".join(line for line in (error_lines(root) for root in _errors(body)) if line)
        raise OperationFailed(
            f"{opening(operation.doing)}: it ended as {operation.status}{f': {told}' if told else '.'}"
        )
    return word in _GOOD


def _errors(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield body
    # A compute carries its errors itself.
    yield from rows(inner(body, "properties"), "provisioningErrors")


def _asked(response: httpx.Response) -> float:
    return min(retry_after(response) or 0.0, _LONGEST_PAUSE)


def finish(
    operation: Operation, watch: Watch, on_change: Callable[[Operation], None] = lambda _: None
) -> Flow[Operation]:
    """Look until the operation is done.

    An outage is tolerated by time, never by a count of tries, and never ends the operation.

    Args:
        operation: What is waited for.
        watch: How; its ``on_change`` is for jobs, and not called.
        on_change: Called with the operation whenever its status differs from the last one seen.

    Returns:
        The operation, done, with the resource.

    Raises:
        OperationFailed: It failed or was cancelled.
        OperationTimedOut: The deadline passed.
        OperationUnreachable: No good answer for longer than the outage tolerance.
        BatchError: The service refuses to tell.
    """
    seen: str | None = None
    outage_since: float | None = None
    while not operation.done:
        asked_at = watch.now()
        try:
            operation = yield from advance(operation)
        except BatchError as error:
            if not _passes(error, operation, asked_at):
                raise
            if outage_since is None:
                outage_since = asked_at
                watch.on_trouble(error)
            if watch.now() - outage_since >= watch.outage_tolerance:
                raise _unreachable(operation, watch.outage_tolerance, error) from error
        else:
            outage_since = None
            if operation.status != seen:
                seen = operation.status
                on_change(operation)
        if operation.done:
            break
        if watch.expired():
            raise _timed_out(operation)
        interval = max(watch.interval(watch.now() - operation.started_at), operation.wait)
        yield from pause(watch.until(interval))
    return operation


def _passes(error: BatchError, operation: Operation, at: float) -> bool:
    fresh = at - operation.started_at < FRESH_SECONDS
    return isinstance(error, PASSING) or (isinstance(error, NotFound) and fresh)


_GOES_ON = "It goes on at the service; a retry of this task takes it up again."


def _timed_out(operation: Operation) -> BatchError:
    known = f"its last known status is {operation.status}" if operation.status else "its status is not known"
    return OperationTimedOut(f"{opening(operation.doing)}: it did not end in time; {known}.", fix=_GOES_ON)


def _unreachable(operation: Operation, tolerance: float, error: BatchError) -> BatchError:
    return OperationUnreachable(
        f"{opening(operation.doing)}: no good answer for {tolerance:.0f} seconds, the last problem being: "
        f"{error.summary()}",
        fix=_GOES_ON,
    )
