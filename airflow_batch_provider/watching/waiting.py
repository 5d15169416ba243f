"""Waiting for one job, with whoever else waits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_batch_provider.jobs import Job, JobRef, Waiting, Watch, details
from airflow_batch_provider.watching.registry import Shared, give_back, take
from airflow_batch_provider.watching.watcher import Missed, Waiter


async def watched(service: str, conn_id: str, place: Mapping[str, Any], ref: JobRef, watch: Watch) -> Job:
    """Wait for a job, and add what is only known at its end; as `jobs.finish` does, but shared.

    Args:
        service: Of `hooks.hook_for`.
        conn_id: The connection's id.
        place: What overrides the connection, as keyword arguments of the hook.
        ref: The job.
        watch: How to wait.

    Raises:
        BatchError: As `jobs.finish`.
    """
    # No context managers: the generator of each would be kept for as long as one waits, and thousands do.
    connection = take(service, conn_id, place)
    try:
        waiter = await connection.join(ref, watch)
        try:
            job = await _ended(waiter)
        finally:
            await connection.leave(waiter)
        return await _detailed(connection, ref, job, watch)
    finally:
        await give_back(connection)


async def _detailed(connection: Shared, ref: JobRef, job: Job, watch: Watch) -> Job:
    return await connection.ask(lambda service: details(service, ref, job, watch))


async def _ended(waiter: Waiter) -> Job:
    waiting = Waiting(waiter.ref, waiter.watch)
    while True:
        letter = await waiter.read()
        if isinstance(letter, Missed):
            waiting.missed(letter.error, letter.asked_at)
        elif letter is not None and waiting.heard(letter):
            return letter
        if waiter.watch.expired():
            raise waiting.timed_out()
