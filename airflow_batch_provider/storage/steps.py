"""One implementation for workers and the event loop, where what is asked is no HTTP request of ours.

It is the idea of `flow` once more: a generator yields steps and returns a value. A `Step` knows how to be
taken in both worlds, because the libraries below it come in both; `run` and `arun` only take steps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """One thing to do; its result is sent into the generator, its exception is thrown into it.

    Args:
        here: Does it, blocking.
        in_loop: Does it in an event loop.
    """

    here: Callable[[], Any]
    in_loop: Callable[[], Awaitable[Any]]


Steps: TypeAlias = Generator[Step, Any, T]


def run(steps: Steps[T]) -> T:
    """Take all steps, blocking, and return what the generator returns."""
    with closing(steps):
        try:
            step = next(steps)
            while True:
                try:
                    answer = step.here()
                except Exception as error:  # noqa: BLE001  # thrown into the generator, which decides
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as stop:
            value: T = stop.value
            return value


async def arun(steps: Steps[T]) -> T:
    """Take all steps in an event loop. The same contract as `run`; cancellation closes the generator."""
    with closing(steps):
        try:
            step = next(steps)
            while True:
                try:
                    answer = await step.in_loop()
                except Exception as error:  # noqa: BLE001  # thrown into the generator, which decides
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as stop:
            value: T = stop.value
            return value
