"""Flows: what to ask and what answers mean, without asking anything.

A *flow* is a generator that yields steps and returns a value. It yields an ``httpx.Request`` and is sent the
``httpx.Response`` (or has the transport's exception thrown into it); it yields a `Pause` and is sent ``None``
when the time has passed; it yields `Load`, `Save` or `Alone` and is sent what the record store answers.
`drive.run` carries a flow out in a worker, blocking; `drive.arun` carries out the very same in the triggerer.
Code of a service never writes a bare ``yield``: it composes the helpers below with ``yield from``.

`send` holds the one retry rule. 429 is always asked again, because the service says that it did nothing.
408, 5xx and lost connections are asked again only where asking twice is asking once; a POST that starts a job
is not such a request, and what it then raises (`AnswerLost`) is for the caller to reconcile.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar

import httpx

from airflow_batch_provider.errors import AnswerLost, ConnectionFailed, ServiceUnavailable, UnexpectedAnswer
from airflow_batch_provider.values import http_date

T = TypeVar("T")


@dataclass(frozen=True)
class Pause:
    """Let time pass.

    Args:
        seconds: How long, at least.
    """

    seconds: float


@dataclass(frozen=True)
class Load:
    """Ask the record store for what is recorded; answered by a mapping, or ``None`` if nothing is."""


@dataclass(frozen=True)
class Save:
    """Have the record store keep a record, durably, before the flow goes on.

    Args:
        record: JSON scalars, lists and mappings only.
    """

    record: Mapping[str, Any]


@dataclass(frozen=True)
class Alone:
    """Ask the record store whether no other task instance can be submitting the same; answered by a bool.

    Args:
        ever: Or can have submitted it before, and ended since.
    """

    ever: bool = False


Step: TypeAlias = httpx.Request | Pause | Load | Save | Alone
Answer: TypeAlias = httpx.Response | Mapping[str, Any] | bool | None
Flow: TypeAlias = Generator[Step, Any, T]


@dataclass(frozen=True)
class Retry:
    """When and how often `send` asks again.

    Args:
        attempts: Requests in all, at least 1.
        first: Upper bound of the first delay, in seconds; doubled each time.
        longest: Upper bound of any delay that we choose, in seconds.
        patience: The longest Retry-After, in seconds, that is waited for within one call.
        deadline: Epoch seconds after which nothing is asked again.
        chance: Source of jitter, uniform in [0, 1).
        now: Wall clock, epoch seconds.
    """

    attempts: int = 5
    first: float = 1.0
    longest: float = 30.0
    patience: float = 120.0
    deadline: float | None = None
    chance: Callable[[], float] = random.random
    now: Callable[[], float] = time.time

    def delay(self, attempt: int, asked: float | None) -> float:
        """Return the seconds to wait after *attempt* (1, 2, …), *asked* being the service's Retry-After."""
        doubled = self.first * 2.0 ** min(attempt - 1, _DOUBLINGS)
        own = self.chance() * min(self.longest, doubled)
        return own if asked is None else asked + own * 0.1

    def allows(self, attempt: int, delay: float, asked: float | None) -> bool:
        """Say whether one more request may follow *attempt* after *delay* seconds."""
        if attempt >= self.attempts or (asked or 0) > self.patience:
            return False
        return self.deadline is None or self.now() + delay < self.deadline


RETRY = Retry()
_DOUBLINGS = 64  # More than any schedule needs, and a float still holds the result.
_REPEATABLE_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
# These fail before a byte of the request has left, so nothing can have happened. ProxyError is among them:
# it says that the proxy refused to open the tunnel through which the request would have been sent.
_NOTHING_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_SERVER_ERROR = 500


def pause(seconds: float) -> Flow[None]:
    """Let *seconds* pass."""
    yield Pause(max(0.0, seconds))


def load() -> Flow[Mapping[str, Any] | None]:
    """Return the recorded mapping, or ``None``."""
    record = yield Load()
    return record if record is None else dict(record)


def save(record: Mapping[str, Any]) -> Flow[None]:
    """Keep *record* durably."""
    yield Save(record)


def alone(*, ever: bool = False) -> Flow[bool]:
    """Say whether no other task instance can be submitting the same, or with *ever* can have submitted it."""
    answer: bool = yield Alone(ever)
    return answer


def after_pauses(flow: Flow[T], then: Callable[[], Flow[None]]) -> Flow[T]:
    """Carry out a flow, and another one after each of its pauses, before it goes on.

    Args:
        flow: What is carried out.
        then: Makes what follows a pause. If that raises, the flow ends with it.
    """
    with closing(flow):
        proceed = partial(next, flow)
        while True:
            try:
                step = proceed()
            except StopIteration as end:
                returned: T = end.value
                return returned
            try:
                answer = yield step
            except Exception as error:  # noqa: BLE001  # it is the flow's, as any answer is
                proceed = partial(flow.throw, error)
                continue
            if isinstance(step, Pause):
                yield from then()
            proceed = partial(flow.send, answer)


def send(
    request: httpx.Request, *, repeatable: bool | None = None, retry: Retry = RETRY
) -> Flow[httpx.Response]:
    """Send a request and return its response, whatever its status, asking again where that is safe.

    Args:
        request: A request with its body in memory, so that it can be sent twice.
        repeatable: Whether asking twice is asking once. Default: by the method, so not for POST and PATCH.
        retry: The schedule.

    Returns:
        The last response; one with a retryable status only when the schedule is exhausted.

    Raises:
        AnswerLost: The connection broke after a request was sent that is not safe to ask again.
        ConnectionFailed: Nothing answered, to the end of the schedule.
    """
    if repeatable is None:
        repeatable = request.method in _REPEATABLE_METHODS
    attempt = 0
    while True:
        attempt += 1
        try:
            outcome: httpx.Response | httpx.RequestError = yield request
        except httpx.RequestError as error:
            outcome = error
        if not _asks_again(outcome, repeatable):
            return _settled(request, outcome, repeatable)
        asked = retry_after(outcome) if isinstance(outcome, httpx.Response) else None
        delay = retry.delay(attempt, asked)
        if not retry.allows(attempt, delay, asked):
            return _settled(request, outcome, repeatable)
        yield Pause(delay)


def send_once(request: httpx.Request) -> Flow[httpx.Response]:
    """Send a request that may start something, and ask again only where certainly nothing was done.

    Raises:
        AnswerLost: It may have been carried out.
        ConnectionFailed: It was not.
    """
    try:
        return (yield from send(request, repeatable=False))
    except (ServiceUnavailable, UnexpectedAnswer) as error:
        # Raised where the credential was to come from, so the request was not sent.
        raise ConnectionFailed(error.summary(), fix=error.fix) from error


def _asks_again(outcome: httpx.Response | httpx.RequestError, repeatable: bool) -> bool:
    if isinstance(outcome, httpx.RequestError):
        return repeatable or isinstance(outcome, _NOTHING_SENT)
    status = outcome.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return True
    return repeatable and (status == httpx.codes.REQUEST_TIMEOUT or status >= _SERVER_ERROR)


def _settled(
    request: httpx.Request, outcome: httpx.Response | httpx.RequestError, repeatable: bool
) -> httpx.Response:
    if isinstance(outcome, httpx.Response):
        return outcome
    certain = repeatable or isinstance(outcome, _NOTHING_SENT)
    kind = ConnectionFailed if certain else AnswerLost
    said = str(outcome).rstrip(".") or "no details"
    url = request.url.copy_with(query=None)
    raise kind(f"{request.method} {url} got no answer: {type(outcome).__name__}: {said}.") from outcome


def retry_after(response: httpx.Response) -> float | None:
    """Read how long the service asks us to wait.

    Understands ``retry-after-ms`` and ``x-ms-retry-after-ms`` (milliseconds) and ``Retry-After`` in seconds
    or as an HTTP date, which is compared with the answer's own ``Date`` so that a wrong clock here does no
    harm (RFC 9110, section 10.2.3).

    Returns:
        Seconds, never negative, or ``None`` if the answer asks for nothing that can be understood.
    """
    headers = response.headers
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if (milliseconds := _number(headers.get(name))) is not None:
            return milliseconds / 1000
    value = headers.get("retry-after")
    if (seconds := _number(value)) is not None:
        return seconds
    until, since = http_date(value), http_date(headers.get("date"))
    if until is None:
        return None
    return max(0.0, until - (time.time() if since is None else since))


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
