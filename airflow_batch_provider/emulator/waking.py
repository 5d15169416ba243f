"""Sleeping until there is something to do."""

from __future__ import annotations

import asyncio


async def woken(wake: asyncio.Event, seconds: float | None) -> None:
    """Wait until *wake* is set, or some seconds have passed.

    ``asyncio.wait_for`` swallows a cancellation that comes together with the event (until Python 3.12), and
    whoever cancels a loop around it waits for ever.

    Args:
        wake: Set by whoever has something to do.
        seconds: The longest wait; ``None`` for no limit.
    """
    waiter = asyncio.ensure_future(wake.wait())
    try:
        await asyncio.wait((waiter,), timeout=seconds)
    finally:
        waiter.cancel()
