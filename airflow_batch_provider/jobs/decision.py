"""What a task does about a job that an earlier run of it submitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from airflow_batch_provider.jobs.model import LATE_SECONDS, REQUEST_SECONDS, JobState
from airflow_batch_provider.jobs.record import Submission, TaskIdentity

OnRetry = Literal["reattach", "resubmit", "fail"]
OnClear = Literal["rerun", "reuse"]
OnAmbiguous = Literal["reconcile", "fail", "retry"]


@dataclass(frozen=True)
class Policy:
    """What the user wants of a task that runs again.

    Args:
        on_retry: ``reattach`` to the recorded job, ``resubmit`` a new one, or ``fail``.
        on_clear: ``rerun`` submits anew; ``reuse`` takes the recorded job's result.
        cancel_on_kill: Whether a run after a clear cancels the recorded job if that is still active.
        on_ambiguous: ``reconcile`` looks on the service for what an unanswered request started, and fails
            where that cannot be known; ``retry`` submits again there, at the risk of a second job; ``fail``
            does not look.
        outage_tolerance: Seconds without a good answer after which it gives up.
        under_way: Seconds for which a request may be under way after its intent was recorded.
        late: Seconds for which the service may not list a job that it has accepted.
    """

    on_retry: OnRetry = "reattach"
    on_clear: OnClear = "rerun"
    cancel_on_kill: bool = True
    on_ambiguous: OnAmbiguous = "reconcile"
    outage_tolerance: float = 900.0
    under_way: float = REQUEST_SECONDS
    late: float = LATE_SECONDS


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
    if cleared(record, task):
        return _after_clear(state, policy)
    if task.goes_on:
        return "take_up"
    if state is JobState.SUCCEEDED:
        return "submit" if _run_cleared(record, task) and policy.on_clear == "rerun" else "take_up"
    if state.done or state is JobState.CANCELING:
        return "submit"
    if policy.on_retry == "resubmit":
        return "cancel_and_submit" if policy.cancel_on_kill else "submit"
    return "fail" if policy.on_retry == "fail" else "take_up"


def cleared(record: Submission, task: TaskIdentity) -> bool:
    """Say whether the task was cleared since the record was made, as far as Airflow tells."""
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
