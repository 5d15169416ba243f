"""What a log says of a job that is waited for: the same lines wherever one waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from airflow_batch_provider.jobs.model import Job, JobRef, Step

_ROWS = 30
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def told(job: Job, ref: JobRef, now: Callable[[], float] = time.time) -> str:
    """Tell what a job is, since when, and how far it has come; worth a log entry when `Job.news` changes.

    Args:
        job: As its service last described it.
        ref: Where it is; says when it was submitted.
        now: Wall clock, epoch seconds.

    Returns:
        A line, and below it a table of the job's steps with status and duration, if it has any.
    """
    since = now() - ref.submitted_at
    after = f" after {spent(since)}" if ref.submitted_at and since >= 0 else ""
    done = f", {_done(job)}" if job.steps else ""
    # The table says what the detail of a job that goes on says in one line.
    detail = "" if job.steps and job.detail == summary(job.steps) else job.detail.rstrip(".")
    line = f"Job {job.id} is {job.status}{after}{done}{f': {detail}' if detail else ''}."
    return "\n".join([line, *_table(job.steps)])


def summary(steps: Sequence[Step]) -> str:
    """Tell how far steps have come in one line: ``train completed, check running``."""
    return ", ".join(f"{step.name} {step.status}" for step in steps)


def spent(seconds: float) -> str:
    """Tell a duration by its two largest units: ``1 h 5 min``, ``12 s``."""
    left, parts = int(seconds), list[str]()
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
    return " ".join(part for part in parts[:2] if part) or "0 s"


def _done(job: Job) -> str:
    count = sum(step.done for step in job.steps)
    of_all = f" of {max(job.steps_in_all, len(job.steps))}" if job.steps_in_all else ""
    return f"{count}{of_all} step{'s' if of_all or count != 1 else ''} done"


def _table(steps: Sequence[Step]) -> list[str]:
    shown = steps[-_ROWS:]
    names, states, times = (
        [step.name for step in shown],
        [step.status for step in shown],
        ["" if step.seconds is None else spent(step.seconds) for step in shown],
    )
    name, state, taken = (max(map(len, column), default=0) for column in (names, states, times))
    rows = [
        f"  {one:<{name}}  {two:<{state}}  {three:>{taken}}".rstrip()
        for one, two, three in zip(names, states, times, strict=True)
    ]
    left_out = len(steps) - len(shown)
    return [f"  ({left_out} earlier steps)", *rows] if left_out else rows
