"""A wait with an end."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from airflow_batch_provider.bounds import bounded, bounded_call
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


# --- what blocks ------------------------------------------------------------------------------------------


def test_a_call_that_ends_in_time_tells_its_outcome():
    """Its result or its error, and in the caller's context."""
    variable = ContextVar("variable")
    variable.set("mine")

    assert bounded_call(variable.get, 10) == "mine"
    with pytest.raises(ZeroDivisionError):
        bounded_call(lambda: 1 / 0, 10)


def test_a_call_that_hangs_is_left_behind():
    """Nobody waits for it any longer."""
    release = threading.Event()

    with pytest.raises(TimeoutError, match=r"longer than 0\.01 seconds"):
        bounded_call(release.wait, 0.01)
    release.set()
