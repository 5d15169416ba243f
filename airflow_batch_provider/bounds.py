"""Waiting for no longer than some seconds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from typing import NoReturn, TypeVar

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


def bounded_call(work: Callable[[], T], seconds: float) -> T:
    """Call something that blocks, but wait for it no longer than some seconds; then it is left behind.

    Args:
        work: What is called, in a thread of its own.
        seconds: How long it may take.

    Raises:
        TimeoutError: It took longer.
    """
    outcome: list[Callable[[], T]] = []

    def call() -> None:
        try:
            found = work()
        except BaseException as error:  # noqa: BLE001  # raised below
            outcome.append(partial(_raised, error))
        else:
            outcome.append(lambda: found)

    thread = threading.Thread(target=copy_context().run, args=(call,), daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(f"This took longer than {seconds:g} seconds.")
    return outcome[0]()


def _raised(error: BaseException) -> NoReturn:
    raise error
