"""What is shared in an event loop, and by whom: the last to leave closes it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

from airflow_batch_provider.jobs import JobRef, Watch
from airflow_batch_provider.watching.connection import SharedConnection, apart
from airflow_batch_provider.watching.watcher import Waiter, Watcher

_ALONE = 20
"""Watchers with a single job each, from which on jobs of further groups are asked for together."""


_Key = tuple[str, str, str]


class Shared(SharedConnection):
    """A shared connection with its watchers."""

    def __init__(self, key: _Key, place: Mapping[str, Any]) -> None:
        super().__init__(*key[:2], place)
        self.key = key
        self.watchers: dict[str, Watcher] = {}

    async def join(self, ref: JobRef, watch: Watch) -> Waiter:
        """Begin to wait for a job, with all who wait for jobs of the same list; until `leave`.

        Args:
            ref: The job.
            watch: How it is waited for.
        """
        service = await self.service()
        group = self._chosen(service.group(ref), service.common_group(ref))
        watcher = self.watchers.get(group)
        if watcher is None:
            watcher = self.watchers[group] = Watcher(self, group)
        return watcher.join(ref, watch)

    async def leave(self, waiter: Waiter) -> None:
        """Wait no more."""
        watcher = self.watchers[waiter.group]
        watcher.leave(waiter)
        if watcher.is_idle:
            del self.watchers[waiter.group]
            await _surely(watcher.close())

    def _chosen(self, own: str, common: str) -> str:
        """Choose the list: many jobs with a list of their own each are better asked for with a common one."""
        if own in self.watchers or not common:
            return own
        alone = sum(watcher.is_alone for watcher in self.watchers.values())
        return common if common in self.watchers or alone >= _ALONE else own


_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Key, Shared]] = WeakKeyDictionary()


@asynccontextmanager
async def shared_connection(service: str, conn_id: str, place: Mapping[str, Any]) -> AsyncIterator[Shared]:
    """Use a connection together with all who use it in this event loop.

    Args:
        service: Of `hooks.hook_for`.
        conn_id: The connection's id.
        place: What overrides the connection, as keyword arguments of the hook.
    """
    connection = take(service, conn_id, place)
    try:
        yield connection
    finally:
        await give_back(connection)


def take(service: str, conn_id: str, place: Mapping[str, Any]) -> Shared:
    """Begin to use a connection; see `shared_connection`. Until `give_back`."""
    connections = _connections()
    key = (service, conn_id, json.dumps(place, sort_keys=True))
    connection = connections.get(key)
    if connection is None:
        connection = connections[key] = Shared(key, place)
    connection.users += 1
    return connection


async def give_back(connection: Shared) -> None:
    """Use it no more."""
    connection.users -= 1
    if not connection.users:
        del _connections()[connection.key]
        await _surely(connection.close())


def _connections() -> dict[_Key, Shared]:
    # What is shared refers to its loop, so a loop that was closed would never be forgotten by itself.
    for loop in [loop for loop in _loops if loop.is_closed()]:
        del _loops[loop]
    return _loops.setdefault(asyncio.get_running_loop(), {})


_closing: set[asyncio.Task[None]] = set()


async def _surely(work: Any) -> None:
    """Carry something out even if whoever waits for it is cancelled."""
    task = apart(work)
    _closing.add(task)
    task.add_done_callback(_closing.discard)
    await asyncio.shield(task)
