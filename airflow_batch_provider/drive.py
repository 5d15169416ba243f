"""The only code that waits: two drivers that carry out the flows of `flow`.

`run` blocks and is for workers; `arun` is for the triggerer's event loop. Both send requests with an
``httpx`` client, throw what goes wrong back into the flow so that the flow decides, and let pauses pass.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary

import httpx

from airflow_batch_provider.flow import Alone, Answer, Flow, Load, Pause, Save, Step

T = TypeVar("T")

IN_FLIGHT = 20
"""Requests under way at once per asynchronous client. Bounded here and not by the client's pool, whose cost
grows with the square of its queue."""


class RecordStore(Protocol):
    """Keeps one small record for one task instance, durably, across its tries."""

    def load(self) -> Mapping[str, Any] | None:
        """Return what was saved last, or ``None``."""

    def save(self, record: Mapping[str, Any]) -> None:
        """Keep *record*; when this returns, it survives the death of the process."""

    def alone(self, *, ever: bool = False) -> bool:
        """Say whether no other task instance can be submitting the same now, or can *ever* have done so."""


class AsyncRecordStore(Protocol):
    """The same for an event loop."""

    async def load(self) -> Mapping[str, Any] | None:
        """Return what was saved last, or ``None``."""

    async def save(self, record: Mapping[str, Any]) -> None:
        """Keep *record*; when this returns, it survives the death of the process."""

    async def alone(self, *, ever: bool = False) -> bool:
        """Say whether no other task instance can be submitting the same now, or can *ever* have done so."""


class AsyncSender(Protocol):
    """Sends requests in an event loop, as ``httpx.AsyncClient`` does."""

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return the whole answer."""


_gates: WeakKeyDictionary[AsyncSender, asyncio.Semaphore] = WeakKeyDictionary()


def run(
    flow: Flow[T],
    client: httpx.Client,
    *,
    store: RecordStore | None = None,
    sleep: Callable[[float], None] = time.sleep,
    within: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Carry out a flow, blocking.

    Args:
        flow: The flow; it is closed at the end, whatever happens.
        client: Sends its requests.
        store: Answers its `Load`, `Save` and `Alone` steps.
        sleep: Lets its pauses pass.
        within: Seconds after which no further step is begun; ``None`` for no limit.
        clock: Measures them.

    Returns:
        What the flow returns.

    Raises:
        TimeoutError: The time was over.
        Exception: What the flow raises.
    """
    ends = None if within is None else clock() + within

    def answer(step: Step) -> Answer:
        if ends is not None and clock() + (step.seconds if isinstance(step, Pause) else 0) >= ends:
            raise TimeoutError(f"Not done within {within:g} seconds.")
        if isinstance(step, Pause):
            sleep(step.seconds)
            return None
        if isinstance(step, Load):
            return _kept(store).load()
        if isinstance(step, Save):
            _kept(store).save(step.record)
            return None
        if isinstance(step, Alone):
            return _kept(store).alone(ever=step.ever)
        return client.send(step)

    with closing(flow):
        answers = _Answers(flow)
        while (step := answers.next_step()) is not None:
            try:
                answers.value = answer(step)
            except Exception as error:  # noqa: BLE001  # thrown into the flow, which decides
                answers.error = error
        return answers.returned


async def arun(
    flow: Flow[T],
    client: AsyncSender,
    *,
    store: AsyncRecordStore | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Carry out a flow in an event loop. The same contract as `run`; cancellation closes the flow."""

    async def answer(step: Pause | Load | Save | Alone) -> Answer:
        if isinstance(step, Pause):
            await sleep(step.seconds)
            return None
        if isinstance(step, Load):
            return await _kept(store).load()
        if isinstance(step, Save):
            await _kept(store).save(step.record)
            return None
        return await _kept(store).alone(ever=step.ever)

    gate = _gate(client)
    with closing(flow):
        answers = _Answers(flow)
        while (step := answers.next_step()) is not None:
            try:
                if isinstance(step, httpx.Request):
                    async with gate:
                        answers.value = await client.send(step)
                else:
                    answers.value = await answer(step)
            except Exception as error:  # noqa: BLE001  # thrown into the flow, which decides
                answers.error = error
        return answers.returned


class _Answers(Generic[T]):
    """Hands answers and errors to a flow, and keeps what it returns: what both drivers share."""

    def __init__(self, flow: Flow[T]) -> None:
        self.value: Answer = None
        self.error: Exception | None = None
        self._flow = flow

    def next_step(self) -> Step | None:
        """Return the flow's next step, or ``None`` when it has returned."""
        value, error = self.value, self.error
        self.value = self.error = None
        try:
            return self._flow.send(value) if error is None else self._flow.throw(error)
        except StopIteration as stop:
            self.returned: T = stop.value
            return None


S = TypeVar("S")


def _kept(store: S | None) -> S:
    if store is None:
        raise TypeError("This flow keeps a record, but no record store was given to its driver.")
    return store


def _gate(client: AsyncSender) -> asyncio.Semaphore:
    gate = _gates.get(client)
    if gate is None:
        gate = _gates[client] = asyncio.Semaphore(IN_FLIGHT)
    return gate
