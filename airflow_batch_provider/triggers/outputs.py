"""The trigger that waits for files."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_batch_provider.errors import BatchError, redact
from airflow_batch_provider.hooks.outputs import OutputWatch
from airflow_batch_provider.triggers.settling import settle


class OutputTrigger(BaseTrigger):
    """Wait until the files at a place are complete.

    All arguments are JSON; they are what Airflow stores and shows, so *path* must not hold a SAS.

    Args:
        path: As for `sensors.outputs.BatchOutputSensor`.
        glob: Likewise.
        min_files: Likewise.
        min_bytes: Likewise.
        stable_for: Likewise.
        conn_id: The connection.
        poll_interval: Seconds between two looks, at most; jitter keeps many triggers apart.
        deadline: Epoch seconds at which waiting ends, or ``None``.
        outage_tolerance: Seconds without a good answer after which waiting ends.

    Yields:
        One event. ``outcome`` is ``found``, with ``files``; or ``timed_out``, with ``message``; or ``error``,
        with ``kind`` (of `errors`) and ``message``. Surprises are raised.
    """

    def __init__(
        self,
        *,
        path: str,
        glob: str | None = None,
        min_files: int = 1,
        min_bytes: int = 0,
        stable_for: float = 0.0,
        conn_id: str = "azure_ml_default",
        poll_interval: float = 60.0,
        deadline: float | None = None,
        outage_tolerance: float = 900.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow annotates no constructor
        self.path = path
        self.glob = glob
        self.min_files = min_files
        self.min_bytes = min_bytes
        self.stable_for = stable_for
        self.conn_id = conn_id
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.outage_tolerance = outage_tolerance

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class's path and its arguments."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "path": self.path,
            "glob": self.glob,
            "min_files": self.min_files,
            "min_bytes": self.min_bytes,
            "stable_for": self.stable_for,
            "conn_id": self.conn_id,
            "poll_interval": self.poll_interval,
            "deadline": self.deadline,
            "outage_tolerance": self.outage_tolerance,
        }

    def __repr__(self) -> str:
        return redact(super().__repr__())

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then yield the outcome."""
        started = time.monotonic()
        outcome = await self._outcome()
        await settle(started)
        yield TriggerEvent(outcome)

    async def _outcome(self) -> dict[str, Any]:
        try:
            watch = self._watch()
            while (files := await watch.alook()) is None:
                seconds = self._seconds_to_next_look()
                if seconds <= 0:
                    return {"outcome": "timed_out", "message": watch.missing}
                await asyncio.sleep(seconds)
        except BatchError as error:
            return {"outcome": "error", "kind": type(error).__name__, "message": str(error)}
        return {"outcome": "found", "files": [file.to_dict() for file in files]}

    def _watch(self) -> OutputWatch:
        return OutputWatch.read(
            path=self.path,
            conn_id=self.conn_id,
            glob=self.glob,
            min_files=self.min_files,
            min_bytes=self.min_bytes,
            stable_for=self.stable_for,
            outage_tolerance=self.outage_tolerance,
            log=self.log,
        )

    def _seconds_to_next_look(self, chance: float | None = None) -> float:
        """Return the seconds to sleep, never past the deadline, where the last look is made."""
        jitter = random.random() if chance is None else chance  # noqa: S311  # spreads load, guards nothing
        seconds = self.poll_interval * (0.8 + 0.2 * jitter)
        return seconds if self.deadline is None else min(seconds, self.deadline - time.time())
