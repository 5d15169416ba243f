"""Drives all executions: those whose time has come, and those in which a job has ended.

What waits for the clock is in a heap, so that thousands of waiting executions cost nothing. Each change is
kept in the database, so that a restarted emulator goes on where the killed one stopped; a job whose process
died with it is run again.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from typing import TYPE_CHECKING

from airflow_batch_provider.emulator.waking import woken

if TYPE_CHECKING:
    from airflow_batch_provider.emulator.modelarts.bench import Bench
    from airflow_batch_provider.emulator.modelarts.executions import Execution, ExecutionStore
    from airflow_batch_provider.emulator.modelarts.machine import Machine

_POLL = 0.05
_log = logging.getLogger(__name__)


class Runner:
    """The scheduler of all executions. Everything happens on the event loop that runs :meth:`run`.

    Args:
        executions: Where they are kept.
        machine: How they change.
        bench: Where their jobs run.
    """

    def __init__(self, executions: ExecutionStore, machine: Machine, bench: Bench) -> None:
        self._executions = executions
        self._machine = machine
        self._bench = bench
        self._due: list[tuple[float, str]] = []
        self._pending: set[str] = set()
        self._wake = asyncio.Event()

    def keep(self, execution: Execution) -> None:
        """Keep an execution's state, and take care of it from now on."""
        self._executions.save(execution)
        due = execution.next_due()
        if due is not None:
            heapq.heappush(self._due, (due, execution.id))
        if any(step.status == "pending" for step in execution.steps):
            self._pending.add(execution.id)
        self._wake.set()

    def advance(self, execution: Execution) -> None:
        """Make the changes that are due, and keep them."""
        self._machine.advance(execution)
        self.keep(execution)

    async def run(self) -> None:
        """Resume the executions of an earlier run, then drive all until cancelled."""
        for execution in self._executions.unfinished():
            heapq.heappush(self._due, (0.0, execution.id))
        while True:
            self._wake.clear()
            self._step()
            await woken(self._wake, self._pause())

    def stop(self) -> None:
        """End the jobs that run, without ending their steps: the next start runs them again."""
        self._bench.stop()

    def _step(self) -> None:
        come = set(self._bench.ended())
        while self._due and self._due[0][0] <= time.time():
            come.add(heapq.heappop(self._due)[1])
        for execution_id in come:
            self._advance(execution_id)
        if self._pending and self._bench.has_room:
            waiting, self._pending = self._pending, set()
            for execution_id in waiting:
                self._advance(execution_id)

    def _advance(self, execution_id: str) -> None:
        execution = self._executions.get(execution_id)
        if execution is None or execution.done:
            return
        try:
            self.advance(execution)
        except Exception:  # noqa: BLE001 - logged; the other executions must go on
            _log.exception("Execution %s stands still after an error.", execution_id)

    def _pause(self) -> float | None:
        due = max(0.0, self._due[0][0] - time.time()) if self._due else None
        if self._bench.busy:
            return _POLL if due is None else min(_POLL, due)
        return due
