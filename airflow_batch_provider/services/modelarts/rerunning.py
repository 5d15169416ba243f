"""Running the execution of an earlier try again, from where it failed, instead of starting a new one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from airflow_batch_provider.errors import NotFound
from airflow_batch_provider.flow import Flow, load, save
from airflow_batch_provider.jobs import Accepted, JobState, Submission, TaskIdentity
from airflow_batch_provider.jobs.decision import cleared
from airflow_batch_provider.jobs.patience import patiently
from airflow_batch_provider.services.modelarts.acting import Actions


def rerun_recorded(
    service: Actions, task: TaskIdentity, tolerance: float, now: Callable[[], float]
) -> Flow[Accepted | None]:
    """Run the recorded execution again if it has ended badly and the task was not cleared since.

    It is recorded first that the execution counts as submitted now, so that its deadline is the new run's.
    A process that dies between the two requests leaves an execution that its next try finds going on, or
    runs again itself.

    Args:
        service: Where it is.
        task: Who asks.
        tolerance: Seconds without a good answer after which looking for it raises.
        now: Wall clock, epoch seconds.

    Returns:
        The execution, going on; ``None`` if there is none to run again.

    Raises:
        AnswerLost: It may run again; the error names it.
        BatchError: The service refused; the error names it.
    """
    kept = yield from load()
    record = Submission.from_dict(kept) if kept else None
    if record is None or record.ref is None or not record.ref.id or cleared(record, task):
        return None
    ref = record.ref
    try:
        job = yield from patiently(lambda: service.get(ref), tolerance, now)
    except NotFound:
        return None
    if job.state not in (JobState.FAILED, JobState.CANCELED):
        return None
    ref = replace(ref, submitted_at=now())
    yield from save(replace(record, ref=ref).to_dict())
    return Accepted(ref, (yield from service.rerun_failed(ref)), taken_up=True)
