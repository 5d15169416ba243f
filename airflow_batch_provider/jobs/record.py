"""The record of a submission: what survives the death of the process that made it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from airflow_batch_provider.jobs.model import JobRef

_PAST = 20


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
        first_try: Whether no earlier try can have submitted anything.
        salt: Tells it from a task instance of the same names: of another Airflow that uses the same service,
            or of a run that was deleted and made again. The same in every try.
        goes_on: Whether it is the try that recorded the intent, going on in another process: whatever it
            started is its own, however that ended.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    max_tries: int | None = None
    clear_number: int | None = None
    first_try: bool = True
    salt: str = ""
    goes_on: bool = False


def marker_of(task: TaskIdentity, submission: int) -> str:
    """Derive the marker that a submission carries: the same in every process that makes it.

    Args:
        task: Who submits.
        submission: 1 for the task's first job, one more after each job that ended.

    Returns:
        ``airflow-`` and 24 hexadecimal digits: safe in paths, tags and header values.
    """
    salt = [task.salt] if task.salt else []
    key = json.dumps([task.dag_id, task.run_id, task.task_id, task.map_index, submission, *salt])
    return f"airflow-{hashlib.sha256(key.encode()).hexdigest()[:24]}"


@dataclass(frozen=True)
class Submission:
    """The record of a submission, as a record store keeps it.

    Args:
        marker: See `marker_of`.
        number: 1 for the task's first job.
        intended_at: Epoch seconds at which the request was first about to be sent.
        max_tries: The task's when it was recorded.
        clear_number: The run's when it was recorded.
        ref: The job, once the service has accepted it; one without an id once it has refused.
        last_at: Epoch seconds at which the request was last about to be sent; 0 for *intended_at*.
        past: Ids of the jobs that the task submitted before, the latest last.
        about: What was sent where, see `Service.about`; empty in records of earlier versions.
    """

    marker: str
    number: int
    intended_at: float
    max_tries: int | None = None
    clear_number: int | None = None
    ref: JobRef | None = None
    last_at: float = 0.0
    past: tuple[str, ...] = ()
    about: str = ""

    @property
    def sent_at(self) -> float:
        """Epoch seconds at which the request was last about to be sent."""
        return max(self.last_at, self.intended_at)

    def refused(self) -> Submission:
        """Return the record of a submission that certainly started nothing and will not be repeated."""
        return replace(self, ref=JobRef("", "", marker=self.marker))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON scalars, lists and mappings only."""
        return {**asdict(self), "ref": self.ref.to_dict() if self.ref else None, "past": list(self.past)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Submission:
        """Read what `to_dict` wrote, in this version or another."""
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        ref = data.get("ref")
        past = tuple(data.get("past", ()))
        return cls(**{**known, "ref": JobRef.from_dict(ref) if ref else None, "past": past})


def next_submission(record: Submission | None, task: TaskIdentity, now: float) -> Submission:
    """Return the intent that follows what is recorded.

    Args:
        record: What is recorded. Without a ``ref`` it is known that its request started nothing, so that the
            same submission is made again, with the same marker.
        task: Who submits.
        now: Epoch seconds.
    """
    if record is None:
        return Submission(marker_of(task, 1), 1, now, task.max_tries, task.clear_number)
    if record.ref is None:
        return replace(record, max_tries=task.max_tries, clear_number=task.clear_number, last_at=now)
    number = record.number + 1
    past = (*record.past, record.ref.id) if record.ref.id else record.past
    return Submission(
        marker_of(task, number), number, now, task.max_tries, task.clear_number, past=past[-_PAST:]
    )
