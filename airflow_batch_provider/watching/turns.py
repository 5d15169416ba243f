"""Taking turns: few submissions are under way at once, and one that has to pause lets others go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


class Turns:
    """Turns of one kind of work.

    A request that was recorded to be about to be sent must not wait in a queue: whoever takes over after a
    death counts on it to be sent soon. So the work itself waits, before it begins.

    Args:
        most: How much of it may be under way at once.
    """

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Callable[[float], Awaitable[None]]]:
        """Wait for a turn, and have it; enter a function that pauses, in seconds, and makes way meanwhile."""
        await self._free.acquire()
        has_turn = True

        async def pause(seconds: float) -> None:
            nonlocal has_turn
            has_turn = False
            self._free.release()
            await asyncio.sleep(seconds)
            await self._free.acquire()
            has_turn = True

        try:
            yield pause
        finally:
            if has_turn:
                self._free.release()
