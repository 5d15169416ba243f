"""The ends of the logs of training jobs that steps have run.

Source: the API page of ShowTrainingJobLogsPreview (2026): the answer holds at most the last megabytes of the
log of one worker, the first of which is ``worker-0``. Where a step names its job is not documented:
``instance_id`` of other kinds of steps is a mapping, or JSON text of one, in recorded answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from airflow_batch_provider.answers import end_of_log, last_lines
from airflow_batch_provider.errors import BatchError, InvalidInput
from airflow_batch_provider.flow import Flow, Retry, send
from airflow_batch_provider.jobs import Log
from airflow_batch_provider.services.modelarts.answers import read
from airflow_batch_provider.services.modelarts.project import Project, uuid
from airflow_batch_provider.services.modelarts.steps import step_name

_WORKER = "worker-0"
_NAMED = ("training_job_id", "job_id", "id")
_TAIL, _FETCHED = 16384, 65536
_JOBS = 8
_READ = Retry(attempts=2, patience=5.0)
"""How the execution ended is known; its logs may keep nobody waiting."""


def last_log_lines(project: Project, runs: Sequence[dict[str, Any]]) -> Flow[str]:
    """Return the last lines of the first training job's log that says anything; empty if none can be read.

    Args:
        project: With its id.
        runs: Of steps, as the execution tells them.
    """
    for run in runs:
        job = training_job(run)
        text = ""
        with suppress(BatchError):
            text, _ = (yield from _log(project, job)) if job else ("", 0)
        told = last_lines(_named(job, run), text[-_TAIL:])
        if told:
            return told
    return ""


def tell_logs(project: Project, runs: Sequence[dict[str, Any]], tell: Callable[[Log], None]) -> Flow[None]:
    """Read the ends of the logs of steps' training jobs; none that cannot be read.

    Args:
        project: With its id.
        runs: Of steps, as the execution tells them.
        tell: Called with each that says something.
    """
    jobs = [(job, run) for run in runs if (job := training_job(run))]
    for job, run in jobs[:_JOBS]:
        with suppress(BatchError):
            text, before = yield from _log(project, job)
            end = text[-_FETCHED:]
            lines, left_out = end_of_log(end, before + len(text[:-_FETCHED].encode()))
            if lines:
                tell(Log(_named(job, run), lines, left_out))
    if jobs[_JOBS:]:
        tell(Log("the training jobs", (), f"the logs of {len(jobs) - _JOBS} further ones"))


def _named(job: str, run: dict[str, Any]) -> str:
    return f"{_WORKER} of training job {job}, step {step_name(run)!r}"


def training_job(run: dict[str, Any]) -> str:
    """Return the id of the training job that a step has run, or an empty text."""
    told: Any = run.get("instance_id")
    if isinstance(told, str) and told.startswith("{"):
        with suppress(ValueError, RecursionError):
            told = json.loads(told)
    if isinstance(told, dict):
        told = next((told[key] for key in _NAMED if told.get(key)), "")
    try:
        return uuid("instance_id", told)
    except InvalidInput:
        return ""


def _log(project: Project, job: str) -> Flow[tuple[str, int]]:
    """Return the end of a job's log, and how many bytes come before it."""
    request = project.ask("GET", job, "tasks", _WORKER, "logs", "preview", kind="training-jobs")
    answer = read((yield from send(request, retry=_READ)), f"asking for the log of training job {job}")
    # An older form of the answer has the misspelt key.
    text = str(answer.get("content") or answer.get("context") or "")
    sizes = [answer.get(key) for key in ("full_size", "current_size")]
    full, shown = (size if isinstance(size, int) else 0 for size in sizes)
    return text, max(0, full - shown)
