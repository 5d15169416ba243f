"""The end of the log of a training job that a step has run.

Source: the API page of ShowTrainingJobLogsPreview (2026): the answer holds at most the last megabytes of the
log of one worker, the first of which is ``worker-0``. Where a step names its job is not documented:
``instance_id`` of other kinds of steps is a mapping, or JSON text of one, in recorded answers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from airflow_batch_provider.answers import last_lines
from airflow_batch_provider.errors import BatchError, InvalidInput
from airflow_batch_provider.flow import Flow, Retry, send
from airflow_batch_provider.services.modelarts.answers import read
from airflow_batch_provider.services.modelarts.project import Project, uuid
from airflow_batch_provider.services.modelarts.steps import step_name

_WORKER = "worker-0"
_NAMED = ("training_job_id", "job_id", "id")
_TAIL = 16384
_READ = Retry(attempts=2, patience=5.0)
"""The failure itself is known; its log may keep nobody waiting."""


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
            text = (yield from _log(project, job)) if job else ""
        told = last_lines(f"{_WORKER} of training job {job}, step {step_name(run)!r}", text[-_TAIL:])
        if told:
            return told
    return ""


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


def _log(project: Project, job: str) -> Flow[str]:
    request = project.ask("GET", job, "tasks", _WORKER, "logs", "preview", kind="training-jobs")
    answer = read((yield from send(request, retry=_READ)), f"asking for the log of training job {job}")
    # An older form of the answer has the misspelt key.
    return str(answer.get("content") or answer.get("context") or "")
