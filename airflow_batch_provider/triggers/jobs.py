"""The trigger that waits for a job of any service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_batch_provider import errors
from airflow_batch_provider.bounds import bounded
from airflow_batch_provider.errors import BatchError, redact
from airflow_batch_provider.jobs import Job, JobRef, Log, Watch, told
from airflow_batch_provider.triggers.history import History
from airflow_batch_provider.triggers.settling import settle
from airflow_batch_provider.triggers.task_state import ended_by_user, task_state
from airflow_batch_provider.watching import shared_connection, watched

_LOGS_SECONDS = 30.0
_CANCEL_SECONDS = 18.0  # With the question before it, within Airflow's 30.

_ending: set[asyncio.Future[None]] = set()


class JobTrigger(BaseTrigger):
    """Wait for a job and tell its outcome.

    All arguments are JSON and hold no secret; they are what Airflow stores.

    Args:
        service: ``azure_ml`` or ``modelarts``.
        conn_id: The connection.
        place: What overrides the connection, as keyword arguments of the hook.
        ref: The job, see `jobs.JobRef.to_dict`.
        poll_interval: Longest seconds between two polls.
        deadline: Epoch seconds at which waiting ends, or ``None``.
        outage_tolerance: Seconds without a good answer after which waiting ends.
        cancel_on_kill: Whether the job is cancelled when the user kills the task.
        cancel_on_timeout: Whether the job is cancelled when the deadline passes.

    Yields:
        One event. ``outcome`` is ``done``, with ``job``, or ``error``, with ``kind`` and ``error``; always
        with ``ref`` and ``history``. Surprises are raised.
    """

    def __init__(
        self,
        *,
        service: str,
        conn_id: str,
        place: Mapping[str, Any],
        ref: Mapping[str, Any],
        poll_interval: float = 30.0,
        deadline: float | None = None,
        outage_tolerance: float = 900.0,
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = True,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow annotates no constructor
        self.service = service
        self.conn_id = conn_id
        self.place = dict(place)
        self.ref = dict(ref)
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.outage_tolerance = outage_tolerance
        self.cancel_on_kill = cancel_on_kill
        self.cancel_on_timeout = cancel_on_timeout
        self._history = History()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class's path and its arguments."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "service": self.service,
            "conn_id": self.conn_id,
            "place": self.place,
            "ref": self.ref,
            "poll_interval": self.poll_interval,
            "deadline": self.deadline,
            "outage_tolerance": self.outage_tolerance,
            "cancel_on_kill": self.cancel_on_kill,
            "cancel_on_timeout": self.cancel_on_timeout,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then yield the outcome."""
        started = time.monotonic()
        outcome = await self.outcome()
        await settle(started)
        yield TriggerEvent(outcome)

    async def on_kill(self) -> None:
        """Cancel the job if the user ended the task; Airflow calls this at other times, too."""
        # Airflow cancels this call when it is still under way at the triggerer's next turn, seconds later.
        work = asyncio.ensure_future(self._end_job())
        _ending.add(work)
        work.add_done_callback(_ending.discard)
        await asyncio.shield(work)

    async def _end_job(self) -> None:
        ref = JobRef.from_dict(self.ref)
        if not self.cancel_on_kill:
            self.log.info("Left job %s running, because cancel_on_kill is off.", ref.id)
            return
        state = await task_state(self.task_instance)
        if not ended_by_user(state):
            self.log.info("Left job %s to whoever goes on with the task, which is %s.", ref.id, state)
            return
        await self.cancel()

    async def cancel(self) -> None:
        """Ask the service to end the job; the log tells whether that was possible."""
        ref = JobRef.from_dict(self.ref)
        try:
            await bounded(self._cancel(ref), _CANCEL_SECONDS)
        except (BatchError, asyncio.TimeoutError) as error:
            self.log.error("Job %s could not be cancelled and may go on: %r", ref.id, error)  # noqa: TRY400
        else:
            self.log.info("Asked the service to cancel job %s.", ref.id)

    async def _cancel(self, ref: JobRef) -> None:
        async with shared_connection(self.service, self.conn_id, self.place) as connection:
            await connection.ask(lambda service: service.cancel(ref))

    async def write_logs(self, job: Job) -> None:
        """Write the ends of a finished job's logs that its failure does not tell; trouble is told there."""
        ref = JobRef.from_dict(self.ref)

        def tell(one: Log) -> None:
            if not one.told_in(job.detail):
                self.log.info("%s", one)

        async def written() -> None:
            async with shared_connection(self.service, self.conn_id, self.place) as connection:
                await connection.ask(lambda service: service.logs(ref, tell))

        try:
            await bounded(written(), _LOGS_SECONDS)
        except Exception as error:  # noqa: BLE001  # how the job ended is known, and is what must be told
            text = redact(str(error) or repr(error))
            self.log.warning("Not all logs of job %s could be fetched: %s", ref.id, text)

    async def outcome(self) -> dict[str, Any]:
        """Wait; return what `run` tells."""
        event = {"ref": self.ref, "history": self._history.lines}
        ref = JobRef.from_dict(self.ref)
        try:
            job = await watched(self.service, self.conn_id, self.place, ref, self._watch())
        except BatchError as error:
            return {**event, "outcome": "error", **error_to_dict(error)}
        return {**event, "outcome": "done", "job": job.to_dict()}

    def _watch(self) -> Watch:
        return Watch(
            poll_interval=self.poll_interval,
            deadline=self.deadline,
            outage_tolerance=self.outage_tolerance,
            on_change=self._changed,
            on_trouble=self._troubled,
        )

    def _changed(self, job: Job) -> None:
        line = told(job, JobRef.from_dict(self.ref))
        self.log.info("%s", line)
        self._history.add(line)

    def _troubled(self, error: BatchError) -> None:
        self.log.warning("Asking again: %s", error)
        self._history.add(f"asking again after: {error.message}")


def error_to_dict(error: BatchError) -> dict[str, Any]:
    """Return what an event says of an error: its class and its attributes."""
    told = {name: value for name, value in vars(error).items() if isinstance(value, str | int | float)}
    return {"kind": type(error).__name__, "error": told}


def error_in(event: Mapping[str, Any]) -> BatchError | None:
    """Return the error that an event tells of, or ``None``."""
    if event["outcome"] != "error":
        return None
    kind = getattr(errors, event["kind"], BatchError)
    error: BatchError = kind(event["error"]["message"])
    vars(error).update(event["error"])
    ref = JobRef.from_dict(event["ref"])
    return error.about(ref.id, ref.url)
