"""The ends of a finished job's logs, in its task's log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_batch_provider.errors import redact

if TYPE_CHECKING:
    from airflow_batch_provider.hooks.base import BatchHook
    from airflow_batch_provider.jobs import Job, JobRef, Log

CHOICES = ("on_failure", "always", "never")
SECONDS = 30.0


def write_logs(log: Any, hook: BatchHook, ref: JobRef, job: Job) -> None:
    """Write the ends of a job's logs that its failure does not tell; whatever goes wrong, only this is told.

    Args:
        log: Of the task.
        hook: Of the job's service.
        ref: The job.
        job: Likewise, done.
    """

    def tell(one: Log) -> None:
        if not one.told_in(job.detail):
            log.info("%s", one)

    try:
        hook.open()
        hook.run(hook.service.logs(ref, tell), within=SECONDS)
    except Exception as error:  # noqa: BLE001  # how the job ended is known, and is what the task must tell
        log.warning("Not all logs of job %s could be fetched: %s", ref.id, redact(str(error) or repr(error)))
