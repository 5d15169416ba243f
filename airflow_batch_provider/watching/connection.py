"""A connection that all who wait on it share: one look-up, one credential, one pool, one budget."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import httpx
from airflow.sdk import conf

from airflow_batch_provider import drive
from airflow_batch_provider.errors import AuthenticationFailed, BatchError, NotFound, PermissionDenied
from airflow_batch_provider.flow import Flow, retry_after
from airflow_batch_provider.hooks import hook_for
from airflow_batch_provider.jobs import Service
from airflow_batch_provider.watching.budget import Budget
from airflow_batch_provider.watching.client import PollingClient
from airflow_batch_provider.watching.lasting import Lasting
from airflow_batch_provider.watching.turns import Turns

T = TypeVar("T")

_log = logging.getLogger(__name__)

FRESH_SECONDS = 300.0
"""After which a connection is read again."""
_AGAIN_SECONDS = 10.0
"""Between two readings because of errors that a change of the connection may explain."""
_AFTER_FAILURE_SECONDS = 30.0
_STALE = (AuthenticationFailed, PermissionDenied, NotFound)


def apart(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start a task in an empty context, so that what it logs is nobody's in particular."""
    loop = asyncio.get_running_loop()
    return contextvars.Context().run(loop.create_task, work)


class Lane:
    """Sends requests within a budget; what a driver takes for a client.

    Args:
        client: Sends them.
        budget: When.
        other: Budget of the connection's other requests, which pause when these have to.
    """

    def __init__(self, client: PollingClient, budget: Budget, other: Budget) -> None:
        self._client = client
        self._budget = budget
        self._other = other

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request when its turn has come."""
        sent_at = await self._budget.admit()
        response = await self._client.send(request)
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            seconds = retry_after(response)
            self._budget.slow(sent_at, seconds)
            self._other.hold(seconds)
        return response


class PromptLane:
    """Sends requests at once, and has all others pause when it is told to.

    Args:
        client: Sends them.
        budgets: Of the connection's other requests.
    """

    def __init__(self, client: PollingClient, *budgets: Budget) -> None:
        self._client = client
        self._budgets = budgets

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request; whoever asks waits itself before it asks again."""
        response = await self._client.send(request)
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            for budget in self._budgets:
                budget.hold(retry_after(response))
        return response


class Link:
    """A connection as it was read, with an open client.

    Args:
        hook: With its connection read.
        client: With its credential.
        polls: Budget of polls.
        rest: Budget of all other requests.
    """

    def __init__(self, hook: Any, client: PollingClient, polls: Budget, rest: Budget) -> None:
        self.service: Service = hook.service
        self.content: Any = hook.connection
        self.read_at = time.monotonic()
        self._client = client
        self._polls = Lane(client, polls, rest)
        self._rest = Lasting(Lane(client, rest, polls))
        self._prompt = Lasting(PromptLane(client, polls, rest))
        self._users = 0
        self._retired = False

    async def run(self, flow: Flow[T], *, polls: bool) -> T:
        """Carry out a flow."""
        async with self._used():
            return await drive.arun(flow, self._polls if polls else self._rest)

    async def submit(self, flow: Flow[T], store: drive.AsyncRecordStore, turns: Turns) -> T:
        """Carry out a flow that keeps a record, when its turn has come."""
        async with self._used(), turns.turn() as pause:
            return await drive.arun(flow, self._prompt, store=store, sleep=pause)

    @asynccontextmanager
    async def _used(self) -> AsyncIterator[None]:
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if self._retired and not self._users:
                await self._client.aclose()

    async def retire(self) -> None:
        """Close the client, once nobody uses it."""
        self._retired = True
        if not self._users:
            await self._client.aclose()


class SharedConnection:
    """An Airflow connection, for all who wait on it in one event loop.

    Args:
        service: Of `hooks.hook_for`.
        conn_id: The connection's id.
        place: What overrides the connection, as keyword arguments of the hook.
    """

    def __init__(self, service: str, conn_id: str, place: Mapping[str, Any]) -> None:
        self._hook_of = (service, conn_id, place)
        rate = conf.getfloat("airflow_batch_provider", "polls_per_second", fallback=10.0)
        # What is asked at the end of jobs has no limit, until the service sets one.
        self._budgets = Budget(rate), Budget(0.0)
        self._turns = Turns(drive.IN_FLIGHT)
        self._link: Link | None = None
        self._reading: asyncio.Task[Link] | None = None
        self._read_at = float("-inf")
        self.users = 0

    async def poll(self, make: Callable[[Service], Flow[T]]) -> T:
        """Carry out a flow whose requests count against the budget; see `ask`."""
        return await self._ask(make, polls=True)

    async def ask(self, make: Callable[[Service], Flow[T]]) -> T:
        """Carry out a flow of the connection's service.

        Args:
            make: Makes the flow; again, if the connection turns out to have changed.
        """
        return await self._ask(make, polls=False)

    async def submit(self, make: Callable[[Service], Flow[T]], store: drive.AsyncRecordStore) -> T:
        """Carry out a flow that keeps a record, when its turn has come; see `ask`.

        Args:
            make: Makes the flow, which goes on from the record where one before it has ended.
            store: Keeps the record.
        """
        return await self._carry_out(
            lambda link: link.submit(make(link.service), store, self._turns), only_refusals=False
        )

    async def service(self) -> Service:
        """Return the connection's service."""
        return (await self._current()).service

    async def _ask(self, make: Callable[[Service], Flow[T]], *, polls: bool) -> T:
        # While polling, that a job is not found is no news of the connection.
        return await self._carry_out(
            lambda link: link.run(make(link.service), polls=polls), only_refusals=polls
        )

    async def _carry_out(self, work: Callable[[Link], Awaitable[T]], *, only_refusals: bool) -> T:
        link = await self._current()
        try:
            return await work(link)
        except _STALE as error:
            if only_refusals and not isinstance(error, AuthenticationFailed):
                raise
            changed = await self._changed(link)
            if changed is None:
                raise
        return await work(changed)

    async def _current(self) -> Link:
        link = self._link
        if link is None:
            return await self._read()
        if time.monotonic() - self._read_at >= FRESH_SECONDS:
            self._start_reading()  # Meanwhile, what was read last does.
        return link

    async def _changed(self, link: Link) -> Link | None:
        """Return the connection if it is no longer what *link* is."""
        if link is self._link and time.monotonic() - self._read_at >= _AGAIN_SECONDS:
            with suppress(Exception):
                await self._read()
        return None if self._link is link else self._link

    async def _read(self) -> Link:
        # Whoever gives up waiting for it ends it for nobody else.
        try:
            return await asyncio.shield(self._start_reading())
        except BatchError as error:
            # A copy for each waiter, who names its own job in it.
            raise copied(error) from error.__cause__

    def _start_reading(self) -> asyncio.Task[Link]:
        if self._reading is None:
            self._reading = apart(self._reread())
            self._reading.add_done_callback(self._was_read)
        return self._reading

    def _was_read(self, task: asyncio.Task[Link]) -> None:
        self._reading = None
        if not task.cancelled() and task.exception() and self._link:
            self._read_at = time.monotonic() - FRESH_SECONDS + _AFTER_FAILURE_SECONDS
            _log.warning("Going on with the connection as it was; it cannot be read: %r", task.exception())

    async def _reread(self) -> Link:
        self._read_at = time.monotonic()
        hook: Any = hook_for(*self._hook_of)
        await hook.aopen()
        old = self._link
        if old is not None and old.content == hook.connection:
            return old
        self._link = link = Link(hook, PollingClient(**await hook.client_options()), *self._budgets)
        if old is not None:
            await old.retire()
        return link

    async def close(self) -> None:
        """Close what is open. Nobody waits any more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if self._link is not None:
            await self._link.retire()


def copied(error: BatchError) -> BatchError:
    """Return an error of one's own: whoever waits names its own job in it."""
    own = copy.copy(error)
    own.__cause__ = error.__cause__
    return own
