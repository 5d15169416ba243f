"""A loop that sleeps until there is something to do ends when it is told to."""

from __future__ import annotations

import asyncio

import pytest

from airflow_batch_provider.emulator.waking import woken


async def woken_for_ever(wake):
    while True:
        wake.clear()
        await woken(wake, 60)


@pytest.mark.parametrize("turns", range(6))
def test_a_cancellation_that_comes_with_the_event_is_obeyed(turns):
    """However many turns of the event loop lie between the two."""

    async def play():
        wake = asyncio.Event()
        loop = asyncio.create_task(woken_for_ever(wake))
        await asyncio.sleep(0.01)
        wake.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        loop.cancel()
        await asyncio.wait((loop,), timeout=2)
        return loop.cancelled()

    assert asyncio.run(play())


def test_nobody_waits_longer_than_asked():
    """Nothing that wakes is no error."""

    async def play():
        await asyncio.wait_for(woken(asyncio.Event(), 0.01), 5)
        return len(asyncio.all_tasks())

    assert asyncio.run(play()) == 1
