"""Waiting for a job: the one loop, for workers and the triggerer alike."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from airflow_batch_provider.errors import (
    PASSING,
    BatchError,
    JobBlocked,
    JobTimedOut,
    JobUnreachable,
    NotFound,
)
from airflow_batch_provider.flow import Flow, pause
from airflow_batch_provider.jobs.model import FRESH_SECONDS, Job, JobRef, JobState, Service


@dataclass(frozen=True)
class Watch:
    """How a job is waited for.

    Args:
        poll_interval: Longest seconds between two polls. A young job is asked more often.
        deadline: Epoch seconds after which waiting ends with `JobTimedOut`, or ``None``.
        outage_tolerance: Seconds without one good answer after which waiting ends with `JobUnreachable`.
        on_change: Called with the job whenever its status or detail differs from the last one seen.
        on_trouble: Called with the error when an outage begins.
        now: Wall clock, epoch seconds.
        chance: Source of jitter, uniform in [0, 1).
    """

    poll_interval: float = 30.0
    deadline: float | None = None
    outage_tolerance: float = 900.0
    on_change: Callable[[Job], None] = lambda _: None
    on_trouble: Callable[[BatchError], None] = lambda _: None
    now: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random

    def interval(self, age: float) -> float:
        """Return the seconds until the next poll of a job of *age* seconds.

        A tenth of its age: a short job is noticed quickly, a long one costs little. It depends on the age
        alone, so a restarted process goes on as the old one would have. Jitter keeps many jobs from asking
        at the same instant.
        """
        seconds = min(self.poll_interval, max(1.0, age / 10))
        return seconds * (0.8 + 0.2 * self.chance())

    def expired(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and self.now() >= self.deadline

    def until(self, seconds: float) -> float:
        """Shorten *seconds* so as not to sleep past the deadline."""
        return seconds if self.deadline is None else min(seconds, max(0.0, self.deadline - self.now()))


def wait(service: Service, ref: JobRef, watch: Watch) -> Flow[Job]:
    """Ask until the job is done.

    An outage is tolerated by time, never by a count of tries, and never ends the remote job.

    Args:
        service: Whom to ask.
        ref: The job.
        watch: How.

    Returns:
        The job, done.

    Raises:
        JobBlocked: The job goes on only when a person acts.
        JobTimedOut: The deadline passed.
        JobUnreachable: No good answer for longer than the outage tolerance.
        BatchError: The service refuses to tell; the error names the job.
    """
    seen: str | None = None
    outage_since: float | None = None
    while True:
        asked_at = watch.now()
        try:
            job = yield from service.get(ref)
        except BatchError as error:
            error.about(ref.id, ref.url)
            if not _passes(error, asked_at - ref.submitted_at):
                raise
            if outage_since is None:
                outage_since = asked_at
                watch.on_trouble(error)
            if watch.now() - outage_since >= watch.outage_tolerance:
                raise _unreachable(ref, watch.outage_tolerance, error) from error
        else:
            outage_since = None
            if job.news != seen:
                seen = job.news
                watch.on_change(job)
            if _ends(ref, job):
                return job
        if watch.expired():
            raise _timed_out(ref, seen)
        yield from pause(watch.until(watch.interval(watch.now() - ref.submitted_at)))


def _passes(error: BatchError, age: float) -> bool:
    return isinstance(error, PASSING) or (isinstance(error, NotFound) and age < FRESH_SECONDS)


def _ends(ref: JobRef, job: Job) -> bool:
    """Whether waiting ends with this job; raises if it would never."""
    if job.state is not JobState.BLOCKED:
        return job.state.done
    detail = f": {job.detail}" if job.detail else "."
    raise JobBlocked(
        f"The job is {job.status} and goes on only when somebody acts on the service{detail}",
        fix="It was left as it is: have it go on there, and a retry of this task takes it up again; or "
        "cancel it.",
    ).about(ref.id, ref.url)


def _timed_out(ref: JobRef, seen: str | None) -> BatchError:
    known = "its status could not be learnt" if seen is None else f"its last known status is {seen}"
    return JobTimedOut(f"The job did not end in time; {known}.").about(ref.id, ref.url)


def _unreachable(ref: JobRef, tolerance: float, error: BatchError) -> BatchError:
    return JobUnreachable(
        f"No good answer for {tolerance:.0f} seconds, the last problem being: {error.summary()}",
        fix="The job was left running; a retry of this task takes it up again.",
    ).about(ref.id, ref.url)


def finish(service: Service, ref: JobRef, watch: Watch) -> Flow[Job]:
    """Wait for a job and add what is only known at its end: its outputs, or why it failed.

    A look-up that fails is reported as trouble and leaves the job as it is: its outcome is known.

    Args:
        service: Whom to ask.
        ref: The job.
        watch: How to wait.

    Returns:
        The job, done, with ``outputs`` or ``detail``.

    Raises:
        BatchError: As `wait`.
    """
    job = yield from wait(service, ref, watch)
    try:
        if job.state is JobState.SUCCEEDED:
            return replace(job, outputs=(yield from service.outputs(ref)))
        if job.state is JobState.FAILED:
            return replace(job, detail=(yield from service.explain(ref)) or job.detail)
    except BatchError as error:
        watch.on_trouble(error)
    return job
