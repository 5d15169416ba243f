"""The tries of a task that its trigger runs: what tells a restart, a retry and a clear apart.

In a trigger of Airflow 3.3.2 the task's ``max_tries`` and the run's ``clear_number`` are always 0, so the
trigger keeps an account of its own, beside the record of the submission. Each try has a number of its own. A
triggerer that goes on has the number of the one before it. A higher number is a retry if the try before it is
recorded to have failed and Airflow had tries left, and a clear otherwise: nothing else runs a task again that
succeeded, or that was still waiting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

_KEY = "tries"

Ended = Literal["", "failed", "success"]


@dataclass(frozen=True)
class Tries:
    """The account.

    Args:
        number: Of the try that runs, or that ran last.
        limit: The last try after whose failure Airflow tries again.
        clears: How often the task was cleared; this is what a submission records as ``max_tries``.
        ended: How the try ended, if it did.
        job: Id of the job that this try has submitted or taken up.
        sent: Whether this try was about to send a request that starts a job.
    """

    number: int
    limit: int
    clears: int = 0
    ended: Ended = ""
    job: str = ""
    sent: bool = False

    def kept_in(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return a record with this account in it."""
        return {**record, _KEY: asdict(self)}


def tries_in(record: Mapping[str, Any] | None) -> Tries | None:
    """Return the account in a record, or ``None``."""
    return Tries(**record[_KEY]) if record and _KEY in record else None


def submission_in(record: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return a record's part about the submission, or ``None`` if nothing was about to be submitted."""
    return record if record and "marker" in record else None


def begin(kept: Tries | None, number: int, retries: int) -> Tries:
    """Return the account of the try that begins or goes on.

    Args:
        kept: What is recorded.
        number: Of this try, from 1 on.
        retries: Of the task.
    """
    if kept is None:
        return Tries(number, number - 1 + retries)
    if number == kept.number:
        return replace(kept, ended="")
    if kept.ended == "failed" and kept.number <= kept.limit:
        return replace(kept, number=number, ended="", job="", sent=False)
    return Tries(number, number - 1 + retries, kept.clears + 1)


def failed(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record whose try has failed."""
    tries = tries_in(record)
    return replace(tries, ended="failed").kept_in(record) if tries else dict(record)
