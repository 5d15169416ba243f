"""Asking again while what goes wrong usually passes by itself."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from airflow_batch_provider.errors import PASSING
from airflow_batch_provider.flow import Flow, pause

T = TypeVar("T")

_FIRST, _LONGEST = 2.0, 30.0


def patiently(
    ask: Callable[[], Flow[T]],
    tolerance: float,
    now: Callable[[], float],
    chance: Callable[[], float] = random.random,
) -> Flow[T]:
    """Carry out a flow that starts nothing, anew after each error that usually passes.

    Args:
        ask: Makes the flow.
        tolerance: Seconds after which the error is raised.
        now: Wall clock, epoch seconds.
        chance: Source of jitter, uniform in [0, 1).

    Raises:
        BatchError: One that does not pass, at once; one that does, when the time is over.
    """
    until, delay = now() + tolerance, _FIRST
    while True:
        try:
            return (yield from ask())
        except PASSING:
            if now() + delay > until:
                raise
        yield from pause(delay * (0.5 + 0.5 * chance()))
        delay = min(2 * delay, _LONGEST)
