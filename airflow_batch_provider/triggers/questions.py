"""Asking Airflow from triggers, a few questions at a time.

A triggerer's supervisor answers one question after the other, in the order in which they are asked, and its
own messages stand in the same queue. If a thousand triggers asked at once, each would wait for all others,
and so would new triggers and those that have ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from enum import IntEnum
from heapq import heappop, heappush
from itertools import count
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from airflow_batch_provider.bounds import bounded

T = TypeVar("T")

_AT_ONCE = 8
# A supervisor that is given many tasks with no worker reads their whole DAG for each of them first.
_SECONDS = 120.0


class Turn(IntEnum):
    """Who asks first: what is under way is finished before anything is begun."""

    SUBMITTING = 0
    ENDING = 1
    BEGINNING = 2


async def answered(ask: Callable[[], Coroutine[Any, Any, T]], turn: Turn) -> T:
    """Ask Airflow when it is one's turn.

    Args:
        ask: Asks.
        turn: Before whom.

    Raises:
        TimeoutError: Airflow did not answer within two minutes from then on.
    """
    line = _lines.setdefault(asyncio.get_running_loop(), _Line())
    await line.enter(turn)
    try:
        return await bounded(ask(), _SECONDS)
    finally:
        line.leave()


class _Line:
    """Who asks, and who waits to."""

    def __init__(self) -> None:
        self._free = _AT_ONCE
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()

    async def enter(self, turn: Turn) -> None:
        if self._free:
            self._free -= 1
            return
        place = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (turn, next(self._numbers), place))
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # It was given to one who is gone.
                self.leave()
            raise

    def leave(self) -> None:
        while self._waiting:
            *_, place = heappop(self._waiting)
            if not place.done():
                place.set_result(None)
                return
        self._free += 1


_lines: WeakKeyDictionary[asyncio.AbstractEventLoop, _Line] = WeakKeyDictionary()
