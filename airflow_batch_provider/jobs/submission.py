"""Submitting a job exactly once, whatever dies when."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from airflow_batch_provider.errors import (
    AnswerLost,
    BatchError,
    ConnectionFailed,
    JobError,
    JobUnreachable,
    NotFound,
    ServiceUnavailable,
    SubmissionUnknown,
    Throttled,
    UnexpectedAnswer,
)
from airflow_batch_provider.flow import Flow, after_pauses, load, pause, save
from airflow_batch_provider.jobs.decision import Policy, cleared, decide
from airflow_batch_provider.jobs.model import FRESH_SECONDS, Job, JobRef, Service
from airflow_batch_provider.jobs.patience import patiently
from airflow_batch_provider.jobs.reconcile import because, marked, reconcile, unknown
from airflow_batch_provider.jobs.record import Submission, TaskIdentity, next_submission

# After these a job may run: the request was carried out, or not, and nobody said which.
_AMBIGUOUS = (AnswerLost, UnexpectedAnswer, ServiceUnavailable)
# After these certainly none runs, and the request may be sent again later.
_NOTHING_DONE = (ConnectionFailed, Throttled)
_LOOK_AGAIN_SECONDS = 5.0
_REQUESTS = 5
_SOON_SECONDS = 10.0
_RENEWALS = 5


@dataclass(frozen=True)
class Accepted:
    """A job that a task has, new or taken up again."""

    ref: JobRef
    job: Job
    taken_up: bool


def submit_once(
    service: Service,
    order: Any,
    task: TaskIdentity,
    policy: Policy,
    *,
    now: Callable[[], float] = time.time,
) -> Flow[Accepted]:
    """Submit a job, unless an earlier run of the task has one that is to be taken up.

    The intent is recorded before the request is sent and the job's reference directly after the answer, so a
    death at any point leaves a record that says what may have happened; whoever reads it looks on the service
    for the job before anything is sent again. So does this run when an answer is lost.

    Args:
        service: Where to submit.
        order: What to submit, in the service's own terms; or a function that makes it, such as one that
            uploads files first: it is called before anything is planned, not at all if there is a job to take
            up, and once more if the task was cleared since it may have been sent. It may block only where the
            driver does.
        task: Who submits.
        policy: What to do about a job that an earlier run left.
        now: Wall clock, epoch seconds.

    Returns:
        The job.

    Raises:
        SubmissionUnknown: It cannot be known whether a job was started.
        JobError: A job was accepted but is not to be waited for; it is named.
        BatchError: The service refused, and no job exists.
    """
    run = _Run(service, cache(order) if callable(order) else lambda: order, task, policy, now)
    kept = yield from load()
    record = Submission.from_dict(kept) if kept else None
    plan: Any = None
    if record is None and not task.first_try:
        plan = yield from run.plan()
        record = yield from run.look_up(plan)
    elif record and record.ref is None:
        plan = yield from run.plan()
        record = yield from run.resolve(plan, record)
        if callable(order) and cleared(record, task):
            plan, run = None, replace(run, order=cache(order))
    if record and record.ref and record.ref.id:
        taken = yield from run.earlier(record, record.ref)
        if taken:
            return taken
    if plan is None:
        plan = yield from run.plan()
    intent = replace(next_submission(record, task, now()), about=service.about(plan))
    intent = yield from run.intend(intent)
    ref, job = yield from run.submit(plan, intent)
    return Accepted(ref, job, taken_up=False)


@dataclass(frozen=True)
class _Run:
    """One run of a task, and what it does on the service."""

    service: Service
    order: Callable[[], Any]
    task: TaskIdentity
    policy: Policy
    now: Callable[[], float]

    def plan(self) -> Flow[Any]:
        tolerance, order = self.policy.outage_tolerance, self.order()
        return (yield from patiently(lambda: self.service.plan(order), tolerance, self.now))

    # --- a request that an earlier run may have sent ---

    def look_up(self, plan: Any) -> Flow[Submission | None]:
        """Look for a job by its marker: earlier tries left no record, so they should have sent nothing.

        A job that has ended is that of a task that succeeded, and whose record was removed with that. What
        follows it is another submission, with a marker of its own.
        """
        tolerance = self.policy.outage_tolerance
        found: Submission | None = None
        while True:
            intent = next_submission(found, self.task, self.now())
            traces = yield from patiently(
                partial(self.service.traces, plan, intent.marker, 0.0), tolerance, self.now
            )
            mine = marked(traces, intent.marker)
            if mine is None:
                return found and replace(found.refused(), past=intent.past)
            at = mine.ref.submitted_at or self.now()
            ref = replace(mine.ref, submitted_at=at)
            found = Submission(intent.marker, intent.number, at, ref=ref, past=intent.past)
            if not mine.job.state.done:
                yield from save(found.to_dict())
                return found

    def resolve(self, plan: Any, record: Submission) -> Flow[Submission]:
        """Find out what an earlier run started that recorded its intent and no outcome.

        Returns:
            The record with a ``ref`` if there is a job; without one if nothing was started; as refused if
            that is not known and the user wants a new job all the same.
        """
        try:
            if self.policy.on_ambiguous == "fail":
                raise unknown(record, f"An earlier run of this task died while it submitted, {_at(record)}.")
            # The earlier of two clocks, so that one that ran ahead cannot keep us here.
            until = min(record.sent_at, self.now()) + self.policy.under_way + self.policy.late
            mine = yield from reconcile(
                self.service, plan, record, until=until, policy=self.policy, now=self.now
            )
        except SubmissionUnknown:
            # A clear is what the error asks for once the user knows.
            if not cleared(record, self.task) and self.policy.on_ambiguous != "retry":
                raise
            return record.refused()
        if mine is None:
            return record
        found = replace(record, ref=_own(mine.ref, record))
        yield from save(found.to_dict())
        return found

    # --- a job that an earlier run has recorded ---

    def earlier(self, record: Submission, ref: JobRef) -> Flow[Accepted | None]:
        """Take up the recorded job, or make way for a new one."""
        try:
            return (yield from self._act(record, ref, (yield from self._find(ref))))
        except BatchError as error:
            error.about(ref.id, ref.url)
            raise

    def _find(self, ref: JobRef) -> Flow[Job | None]:
        # The earlier of two clocks, so that one that runs ahead cannot keep us here.
        fresh_until = min(ref.submitted_at, self.now()) + FRESH_SECONDS
        tolerance = self.policy.outage_tolerance
        while True:
            try:
                return (yield from patiently(lambda: self.service.get(ref), tolerance, self.now))
            except NotFound:
                if self.now() >= fresh_until:
                    return None
            yield from pause(_LOOK_AGAIN_SECONDS)

    def _act(self, record: Submission, ref: JobRef, job: Job | None) -> Flow[Accepted | None]:
        if job is None:
            return None
        decision = decide(record, job.state, self.task, self.policy)
        if decision == "take_up":
            return Accepted(ref, job, taken_up=True)
        if decision == "fail":
            raise JobUnreachable(
                f"An earlier try submitted a job that is still {job.status}, and on_retry is 'fail'.",
                fix="Wait for it or cancel it, or set on_retry='reattach'.",
            )
        if decision == "cancel_and_submit":
            self.order()  # What the new job needs must be there before the old one is cancelled for it.
            tolerance = self.policy.outage_tolerance
            yield from patiently(lambda: self.service.cancel(ref), tolerance, self.now)
        return None

    # --- a new job ---

    def intend(self, intent: Submission) -> Flow[Submission]:
        """Record what is about to be sent.

        Whoever reads the record goes by its time, so it is kept again if keeping it has taken long.
        """
        yield from save(intent.to_dict())
        for _ in range(_RENEWALS):
            if self.now() - intent.sent_at <= _SOON_SECONDS:
                break
            intent = replace(intent, last_at=self.now())
            yield from save(intent.to_dict())
        return intent

    def submit(self, plan: Any, intent: Submission) -> Flow[tuple[JobRef, Job]]:
        """Send the request until it is accepted or refused, never twice without a look in between."""
        requests, began, delay = 0, self.now(), _LOOK_AGAIN_SECONDS

        def renewed() -> Flow[None]:
            # Who looks for what a dead try has sent goes by when that was last about to be sent.
            nonlocal intent
            intent = yield from self.intend(replace(intent, last_at=self.now()))

        while True:
            try:
                ref, job = yield from after_pauses(self.service.submit(plan, intent.marker), renewed)
            except _AMBIGUOUS as error:
                requests += 1
                found = yield from self._after(error, plan, intent)
                if found is None and requests >= _REQUESTS:
                    raise
                if found is None:
                    yield from renewed()
                    continue
                ref, job = found
            except _NOTHING_DONE:
                if self.now() + delay > began + self.policy.outage_tolerance:
                    yield from save(intent.refused().to_dict())
                    raise
                yield from pause(delay)
                yield from renewed()
                continue
            except BatchError:
                # Refused: recorded, so that the next try knows that there is no job to look for.
                yield from save(intent.refused().to_dict())
                raise
            yield from _keep(intent, ref)
            return ref, job

    def _after(self, error: BatchError, plan: Any, intent: Submission) -> Flow[tuple[JobRef, Job] | None]:
        """Find the job that an ambiguous answer has left; ``None`` if the request may be sent again."""
        if self.policy.on_ambiguous == "fail":
            raise unknown(intent, error.summary()) from error
        answered = replace(intent, last_at=self.now())
        until = self.now() + self.policy.late
        try:
            mine = yield from reconcile(
                self.service, plan, answered, until=until, policy=self.policy, now=self.now
            )
        except SubmissionUnknown as trouble:
            if self.policy.on_ambiguous == "retry":
                return None
            raise because(error, trouble, intent) from error
        return None if mine is None else (_own(mine.ref, intent), mine.job)


def _own(ref: JobRef, intent: Submission) -> JobRef:
    return replace(ref, marker=intent.marker, submitted_at=ref.submitted_at or intent.sent_at)


def _keep(intent: Submission, ref: JobRef) -> Flow[None]:
    try:
        yield from save(replace(intent, ref=ref).to_dict())
    except Exception as error:
        raise JobError(
            f"The job was accepted, but could not be recorded: {type(error).__name__}: {error}.",
            fix="It was left running; a retry of this task looks for it by its marker.",
        ).about(ref.id, ref.url) from error


def _at(record: Submission) -> str:
    return time.strftime("at %Y-%m-%d %H:%M:%SZ", time.gmtime(record.sent_at))
