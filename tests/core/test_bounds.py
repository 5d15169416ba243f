"""A wait with an end."""

from __future__ import annotations

import asyncio

import pytest

from airflow_batch_provider.bounds import bounded
from airflow_batch_provider.errors import InvalidInput

PATIENT = 10.0


def test_what_comes_in_time_is_returned_and_what_fails_is_raised():
    """As without a bound."""

    async def fail():
        raise InvalidInput("No.")

    assert asyncio.run(bounded(asyncio.sleep(0, "here"), PATIENT)) == "here"
    with pytest.raises(InvalidInput):
        asyncio.run(bounded(fail(), PATIENT))


def test_what_takes_too_long_is_cancelled():
    """Nothing of it is left."""

    async def play():
        with pytest.raises(asyncio.TimeoutError, match=r"longer than 0.01 seconds"):
            await bounded(asyncio.sleep(PATIENT), 0.01)
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(play()) == 1


@pytest.mark.parametrize("turns", range(6))
def test_a_cancellation_that_comes_with_the_result_is_obeyed(turns):
    """However many turns of the event loop lie between the two: Airflow cancels a trigger only once."""

    async def for_ever(come):
        while True:
            await bounded(come.wait(), PATIENT)
            come.clear()

    async def play():
        come = asyncio.Event()
        trigger = asyncio.create_task(for_ever(come))
        await asyncio.sleep(0.01)
        come.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        trigger.cancel()
        await asyncio.wait((trigger,), timeout=2)
        return trigger.cancelled()

    assert asyncio.run(play())
