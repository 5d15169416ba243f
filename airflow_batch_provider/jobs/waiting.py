"""Waiting for a job: the one loop, for workers and the triggerer alike."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

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

# A job that ends within its first half minute is noticed within two seconds.
_YOUNG_SECONDS, _YOUNG_INTERVAL = 30.0, 1.5


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
        """Return the seconds until the next poll of a job of *age* seconds, somewhat shorter than `longest`.

        Jitter keeps many jobs from asking at the same instant.
        """
        return self.longest(age) * (0.8 + 0.2 * self.chance())

    def longest(self, age: float) -> float:
        """Return the most seconds until the next poll of a job of *age* seconds.

        A second and a half at most in a job's first half minute, and about a tenth of its age later: a short
        job is noticed quickly, a long one costs little. It depends on the age alone, so a restarted process
        goes on as the old one would have.
        """
        young = max(1.0, min(_YOUNG_INTERVAL, age / 10))
        return min(self.poll_interval, max(young, (age - _YOUNG_SECONDS) / 10 + _YOUNG_INTERVAL))

    def expired(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and self.now() >= self.deadline

    def until(self, seconds: float) -> float:
        """Shorten *seconds* so as not to sleep past the deadline."""
        return seconds if self.deadline is None else min(seconds, max(0.0, self.deadline - self.now()))


@dataclass
class Waiting:
    """What is known of a job while one waits for it, whoever asks.

    Args:
        ref: The job.
        watch: How it is waited for.
    """

    ref: JobRef
    watch: Watch
    _seen: str | None = field(default=None, init=False)
    _outage_since: float | None = field(default=None, init=False)

    def heard(self, job: Job) -> bool:
        """Take note of a good answer.

        Returns:
            Whether the job is done.

        Raises:
            JobBlocked: It goes on only when a person acts.
        """
        self._outage_since = None
        if job.news != self._seen:
            self._seen = job.news
            self.watch.on_change(job)
        return _ends(self.ref, job)

    def missed(self, error: BatchError, asked_at: float) -> None:
        """Take note that there was none.

        Args:
            error: Instead of the answer.
            asked_at: Epoch seconds.

        Raises:
            JobUnreachable: No good answer for longer than the outage tolerance.
            BatchError: This error, if it does not pass by itself.
        """
        error.about(self.ref.id, self.ref.url)
        if not _passes(error, asked_at - self.ref.submitted_at):
            raise error
        if self._outage_since is None:
            self._outage_since = asked_at
            self.watch.on_trouble(error)
        if self.watch.now() - self._outage_since >= self.watch.outage_tolerance:
            raise _unreachable(self.ref, self.watch.outage_tolerance, error) from error

    def timed_out(self) -> BatchError:
        """Return the error that says that the job did not end before the deadline."""
        known = (
            "its status could not be learnt"
            if self._seen is None
            else f"its last known status is {self._seen}"
        )
        return JobTimedOut(f"The job did not end in time; {known}.").about(self.ref.id, self.ref.url)


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
    waiting = Waiting(ref, watch)
    while True:
        asked_at = watch.now()
        try:
            job = yield from service.get(ref)
        except BatchError as error:
            waiting.missed(error, asked_at)
        else:
            if waiting.heard(job):
                return job
        if watch.expired():
            raise waiting.timed_out()
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
    return (yield from details(service, ref, job, watch))


def details(service: Service, ref: JobRef, job: Job, watch: Watch) -> Flow[Job]:
    """Add to a job that is done what is only known at its end; see `finish`."""
    try:
        if job.state is JobState.SUCCEEDED:
            return replace(job, outputs=(yield from service.outputs(ref)))
        if job.state is JobState.FAILED:
            return replace(job, detail=(yield from service.explain(ref)) or job.detail)
    except BatchError as error:
        watch.on_trouble(error)
    return job
