"""Finding out what a request started whose answer never arrived.

By marker, where the service keeps it: that is certain. Else by likeness: the one job of the time in question,
with the same inputs and outputs, that carries nobody's marker, while no other task can be submitting the
same. Anything else is not known, and is said to be so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_batch_provider.errors import BatchError, SubmissionUnknown
from airflow_batch_provider.flow import Flow, alone, pause
from airflow_batch_provider.jobs.decision import Policy
from airflow_batch_provider.jobs.model import REQUEST_SECONDS, Service, Trace, Traces
from airflow_batch_provider.jobs.patience import patiently
from airflow_batch_provider.jobs.record import Submission

# Between the clocks of the workers and the service's: what is to be expected, and what is possible.
_USUAL_SKEW_SECONDS = 60.0
_SKEW_SECONDS = 300.0
_LOOK_AGAIN_SECONDS = 5.0


def reconcile(
    service: Service,
    plan: Any,
    intent: Submission,
    *,
    until: float,
    policy: Policy,
    now: Callable[[], float],
) -> Flow[Trace | None]:
    """Look for the job of an intent.

    Args:
        service: Where to look.
        plan: What was, or was about to be, submitted.
        intent: Its record.
        until: Epoch seconds; before, a job that is not listed may still appear.
        policy: Of the task.
        now: Wall clock, epoch seconds.

    Returns:
        The job, or ``None`` if certainly none was started.

    Raises:
        SubmissionUnknown: It cannot be known.
    """
    since = intent.intended_at - _SKEW_SECONDS
    where, _, what = service.about(plan).partition(" ")
    was_sent_to, _, said = (intent.about or service.about(plan)).partition(" ")
    while True:
        looked_at = now()
        try:
            traces = yield from patiently(
                lambda: service.traces(plan, intent.marker, since), policy.outage_tolerance, now
            )
        except BatchError as error:
            raise unknown(intent, f"Looking for it failed: {error.summary()}") from error
        if mine := marked(traces, intent.marker, since):
            return mine
        if looked_at >= until:
            break
        yield from pause(min(_LOOK_AGAIN_SECONDS, until - looked_at))
    if was_sent_to != where:
        raise unknown(intent, "It may have been sent elsewhere: what this task submits to has changed since.")
    # What the jobs were compared with is not what was sent, if that has changed since.
    same = said == what
    alike = [trace for trace in traces.found if _may_be(trace, intent, since, compared=same)]
    if not alike and traces.complete:
        return None
    if not alike:
        raise unknown(intent, "The service lists more jobs than can be read.")
    # Not alone ever: one that has ended may be of another run, which has ended with it.
    one, *more = alike
    likely = same and one.alike and not more and _of_the_moment(one, intent)
    if likely and (yield from alone(ever=one.job.state.done)):
        return one
    ids = ", ".join(trace.ref.id for trace in alike)
    raise unknown(intent, f"Without a marker, each of these may be it or another task's: {ids}.")


def marked(traces: Traces, marker: str, since: float = 0.0) -> Trace | None:
    """Return the oldest job that carries a marker and is not certainly older than *since*, epoch seconds."""
    mine = [
        trace
        for trace in traces.found
        if trace.ref.marker == marker and (not trace.ref.submitted_at or trace.ref.submitted_at >= since)
    ]
    return min(mine, key=lambda trace: trace.ref.submitted_at, default=None)


def _may_be(trace: Trace, intent: Submission, since: float, *, compared: bool) -> bool:
    if (compared and trace.alike is False) or trace.ref.marker or trace.ref.id in intent.past:
        return False
    at = trace.ref.submitted_at
    return not at or since <= at <= intent.sent_at + REQUEST_SECONDS + _SKEW_SECONDS


def _of_the_moment(trace: Trace, intent: Submission) -> bool:
    earliest = intent.intended_at - _USUAL_SKEW_SECONDS
    return earliest <= trace.ref.submitted_at <= intent.sent_at + REQUEST_SECONDS + _USUAL_SKEW_SECONDS


_NOT_KNOWN = "It is not known whether a job was started. "


def because(error: BatchError, trouble: SubmissionUnknown, intent: Submission) -> SubmissionUnknown:
    """Return the same error, which tells first how the answer was lost."""
    return unknown(intent, f"{error.summary()} {trouble.message.removeprefix(_NOT_KNOWN)}")


def unknown(intent: Submission, what: str) -> SubmissionUnknown:
    """Return the error that says that it is not known whether an intent has a job."""
    return SubmissionUnknown(
        _NOT_KNOWN + what,
        marker=intent.marker,
        fix="Look on the service for a job that carries this marker in its tags, properties or labels, "
        "and clear the task once you know.",
    )
