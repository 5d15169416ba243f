"""Waiting in an event loop for no longer than some seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def bounded(work: Awaitable[T], seconds: float) -> T:
    """Wait for something, but not for longer than some seconds; then it is cancelled.

    ``asyncio.wait_for`` swallows a cancellation that comes together with the result (until Python 3.12): what
    Airflow has cancelled would go on.

    Args:
        work: What is waited for.
        seconds: How long at most.

    Raises:
        asyncio.TimeoutError: It took longer.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait((task,), timeout=seconds)
        if not task.done():
            raise asyncio.TimeoutError(f"This took longer than {seconds:g} seconds.")
        return task.result()
    finally:
        task.cancel()
