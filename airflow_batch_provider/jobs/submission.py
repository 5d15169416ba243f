"""Submitting a job once, whatever dies when."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from airflow_batch_provider.errors import (
    AnswerLost,
    BatchError,
    JobError,
    JobUnreachable,
    NotFound,
    ServiceUnavailable,
    SubmissionUnknown,
    UnexpectedAnswer,
)
from airflow_batch_provider.flow import Flow, load, pause, save
from airflow_batch_provider.jobs.model import FRESH_SECONDS, Job, JobRef, JobState, Service

# After these a job may run: the request was carried out, or not, and nobody said which.
_AMBIGUOUS = (AnswerLost, UnexpectedAnswer, ServiceUnavailable)
_LOOK_AGAIN_SECONDS = 5.0


@dataclass(frozen=True)
class TaskIdentity:
    """The task instance that submits, as far as it is the same in every try.

    Args:
        dag_id: Of the task instance.
        run_id: Of the task instance.
        task_id: Of the task instance.
        map_index: Of the task instance, -1 if not mapped.
        max_tries: Airflow raises it when the task is cleared, never on a retry; ``None`` if not known.
        clear_number: How often tasks of the DAG run were cleared; ``None`` if not known.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    max_tries: int | None = None
    clear_number: int | None = None


def marker_of(task: TaskIdentity, submission: int) -> str:
    """Derive the marker that a submission carries: the same in every process that makes it.

    Args:
        task: Who submits.
        submission: 1 for the task's first job, one more after each job that ended.

    Returns:
        ``airflow-`` and 24 hexadecimal digits: safe in paths, tags and header values.
    """
    key = json.dumps([task.dag_id, task.run_id, task.task_id, task.map_index, submission])
    return f"airflow-{hashlib.sha256(key.encode()).hexdigest()[:24]}"


@dataclass(frozen=True)
class Submission:
    """The record of a submission, as a record store keeps it.

    Args:
        marker: See `marker_of`.
        number: 1 for the task's first job.
        intended_at: Epoch seconds at which the request was about to be sent.
        max_tries: The task's when it was recorded.
        clear_number: The run's when it was recorded.
        ref: The job, once the service has accepted it.
    """

    marker: str
    number: int
    intended_at: float
    max_tries: int | None = None
    clear_number: int | None = None
    ref: JobRef | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON scalars and mappings only."""
        return {**asdict(self), "ref": self.ref.to_dict() if self.ref else None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Submission:
        """Read what `to_dict` wrote."""
        ref = data.get("ref")
        return cls(**{**data, "ref": JobRef.from_dict(ref) if ref else None})


OnRetry = Literal["reattach", "resubmit", "fail"]
OnClear = Literal["rerun", "reuse"]


@dataclass(frozen=True)
class Policy:
    """What the user wants of a task that runs again.

    Args:
        on_retry: ``reattach`` to the recorded job, ``resubmit`` a new one, or ``fail``.
        on_clear: ``rerun`` submits anew; ``reuse`` takes the recorded job's result.
        cancel_on_kill: Whether a run after a clear cancels the recorded job if that is still active.
    """

    on_retry: OnRetry = "reattach"
    on_clear: OnClear = "rerun"
    cancel_on_kill: bool = True


Decision = Literal["take_up", "submit", "cancel_and_submit", "fail"]


def decide(record: Submission, state: JobState, task: TaskIdentity, policy: Policy) -> Decision:
    """Decide what a task does about the job that an earlier run of it recorded.

    Airflow keeps a task's state across a clear, so a clear has to be told from a retry: ``max_tries`` changes
    on a clear and not on a retry, and ``clear_number`` rises when any task of the run is cleared.

    Args:
        record: What the earlier run recorded; it names a job.
        state: That job's state now.
        task: Who asks.
        policy: What the user wants.

    Returns:
        ``take_up`` that job, ``submit`` a new one, ``cancel_and_submit``, or ``fail``.
    """
    if _cleared(record, task):
        return _after_clear(state, policy)
    if state is JobState.SUCCEEDED:
        return "submit" if _run_cleared(record, task) and policy.on_clear == "rerun" else "take_up"
    if state.done:
        return "submit"
    if policy.on_retry == "resubmit":
        return "cancel_and_submit" if policy.cancel_on_kill else "submit"
    return "fail" if policy.on_retry == "fail" else "take_up"


def _cleared(record: Submission, task: TaskIdentity) -> bool:
    return None not in (record.max_tries, task.max_tries) and record.max_tries != task.max_tries


def _run_cleared(record: Submission, task: TaskIdentity) -> bool:
    then, now = record.clear_number, task.clear_number
    return then is not None and now is not None and now > then


def _after_clear(state: JobState, policy: Policy) -> Decision:
    if state.done:
        reusable = policy.on_clear == "reuse" and state is JobState.SUCCEEDED
        return "take_up" if reusable else "submit"
    if policy.on_clear == "reuse" and not policy.cancel_on_kill:
        return "take_up"
    return "cancel_and_submit" if policy.cancel_on_kill else "submit"


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
    death at any point leaves a record that says what may have happened.

    Args:
        service: Where to submit.
        order: What to submit, in the service's own terms.
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
    kept = yield from load()
    record = Submission.from_dict(kept) if kept else None
    if record:
        taken = yield from _earlier(service, record, task, policy, now)
        if taken:
            return taken
    plan = yield from service.plan(order)
    number = record.number + 1 if record else 1
    intent = Submission(marker_of(task, number), number, now(), task.max_tries, task.clear_number)
    yield from save(intent.to_dict())
    ref, job = yield from _submit(service, plan, intent)
    yield from _record(intent, ref)
    return Accepted(ref, job, taken_up=False)


def _submit(service: Service, plan: Any, intent: Submission) -> Flow[tuple[JobRef, Job]]:
    try:
        return (yield from service.submit(plan, intent.marker))
    except _AMBIGUOUS as error:
        raise _unknown(intent, error.summary()) from error
    except BatchError:
        # Refused: recorded, so that the next try knows that there is no job to look for.
        refused = JobRef(service.name, "", marker=intent.marker)
        yield from save(replace(intent, ref=refused).to_dict())
        raise


def _record(intent: Submission, ref: JobRef) -> Flow[None]:
    try:
        yield from save(replace(intent, ref=ref).to_dict())
    except Exception as error:
        raise JobError(
            f"The job was accepted, but could not be recorded: {type(error).__name__}: {error}.",
            fix="It was left running, and a retry cannot find it: cancel it or wait for it, "
            "then clear the task.",
        ).about(ref.id, ref.url) from error


def _earlier(
    service: Service, record: Submission, task: TaskIdentity, policy: Policy, now: Callable[[], float]
) -> Flow[Accepted | None]:
    ref = record.ref
    if ref is None:
        if _cleared(record, task):  # as the error below asked for
            return None
        at = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(record.intended_at))
        raise _unknown(record, f"An earlier run of this task died while it submitted a job, at {at}.")
    if not ref.id:
        return None
    try:
        job = yield from _find(service, ref, now)
        return (yield from _act(service, ref, job, decide(record, job.state, task, policy))) if job else None
    except BatchError as error:
        error.about(ref.id, ref.url)
        raise


def _find(service: Service, ref: JobRef, now: Callable[[], float]) -> Flow[Job | None]:
    # The earlier of two clocks, so that one that runs ahead cannot keep us here.
    fresh_until = min(ref.submitted_at, now()) + FRESH_SECONDS
    while True:
        try:
            return (yield from service.get(ref))
        except NotFound:
            if now() >= fresh_until:
                return None
        yield from pause(_LOOK_AGAIN_SECONDS)


def _act(service: Service, ref: JobRef, job: Job, decision: Decision) -> Flow[Accepted | None]:
    if decision == "take_up":
        return Accepted(ref, job, taken_up=True)
    if decision == "fail":
        raise JobUnreachable(
            f"An earlier try submitted a job that is still {job.status}, and on_retry is 'fail'.",
            fix="Wait for it or cancel it, or set on_retry='reattach'.",
        )
    if decision == "cancel_and_submit":
        yield from service.cancel(ref)
    return None


def _unknown(record: Submission, what: str) -> SubmissionUnknown:
    return SubmissionUnknown(
        f"It is not known whether a job was started. {what}",
        marker=record.marker,
        fix="Look on the service for a job that carries this marker in its tags or properties, "
        "and clear the task once you know.",
    )
