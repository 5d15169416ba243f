"""The trigger that waits for a long-running operation on an Azure Machine Learning resource."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_batch_provider.errors import BatchError
from airflow_batch_provider.hooks.azure_ml import AzureMLHook
from airflow_batch_provider.jobs import JobRef, Watch
from airflow_batch_provider.triggers import jobs
from airflow_batch_provider.triggers.history import History
from airflow_batch_provider.triggers.settling import settle


class OperationTrigger(BaseTrigger):
    """Wait for an operation and tell its outcome. It never ends the operation: the service cannot.

    All arguments are JSON and hold no secret; they are what Airflow stores.

    Args:
        conn_id: The connection.
        place: What overrides the connection, as keyword arguments of the hook.
        operation: It, see `services.azure_ml.operations.Operation.to_dict`.
        poll_interval: Longest seconds between two looks; a young operation is looked at more often.
        deadline: Epoch seconds at which waiting ends, or ``None``.
        outage_tolerance: Seconds without a good answer after which waiting ends.

    Yields:
        One event. ``outcome`` is ``done``, with ``operation``, or ``error``, with ``kind`` and ``error``;
        always with ``history``. Surprises are raised.
    """

    def __init__(
        self,
        *,
        conn_id: str,
        place: Mapping[str, Any],
        operation: Mapping[str, Any],
        poll_interval: float = 30.0,
        deadline: float | None = None,
        outage_tolerance: float = 900.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow annotates no constructor
        self.conn_id = conn_id
        self.place = dict(place)
        self.operation = dict(operation)
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.outage_tolerance = outage_tolerance
        self._history = History()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class's path and its arguments."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "conn_id": self.conn_id,
            "place": self.place,
            "operation": self.operation,
            "poll_interval": self.poll_interval,
            "deadline": self.deadline,
            "outage_tolerance": self.outage_tolerance,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then yield the outcome."""
        started = time.monotonic()
        outcome = await self._outcome()
        await settle(started)
        yield TriggerEvent(outcome)

    async def _outcome(self) -> dict[str, Any]:
        hook = AzureMLHook(self.conn_id, **self.place)
        await hook.aopen()
        told: dict[str, Any] = {"history": self._history.lines}
        try:
            begun = hook.resources.operation(self.operation)
            operation = await hook.arun(hook.resources.follow(begun, self._watch(), self._changed))
        except BatchError as error:
            return {**told, "outcome": "error", **jobs.error_to_dict(error)}
        return {**told, "outcome": "done", "operation": operation.to_dict()}

    def _watch(self) -> Watch:
        return Watch(
            poll_interval=self.poll_interval,
            deadline=self.deadline,
            outage_tolerance=self.outage_tolerance,
            on_trouble=self._troubled,
        )

    def _changed(self, operation: Any) -> None:
        self.log.info("%s", operation.news)
        self._history.add(operation.news)

    def _troubled(self, error: BatchError) -> None:
        self.log.warning("Asking again: %s", error)
        self._history.add(f"asking again after: {error.message}")


def error_in(event: Mapping[str, Any]) -> BatchError | None:
    """Return the error that an event tells of, or ``None``."""
    # The events of jobs name a job, too.
    return jobs.error_in({**event, "ref": JobRef("azure_ml", "").to_dict()})
