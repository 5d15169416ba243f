"""The services whose tasks are killed, and what is different about each in the eyes of the emulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .emulator_process import EmulatorProcess

Shown = dict[str, Any]
"""A job as the emulator's list of jobs shows it."""


@dataclass(frozen=True)
class ServiceUnderTest:
    """A service, whose DAGs have its name in front of theirs.

    Attributes:
        name: As ``jobs.Service.name``.
        plane: Of its API, in the emulator's journal.
        look_up: Matches the request that a task makes before it submits.
        submit: Matches the request that starts a job.
        jobs: Returns its jobs.
        folder: Returns the name of the folder that a job was given.
        running: Whether a job runs and nobody has told it to end.
        ending: Whether a job was told to end, or has ended so.
        done: The status of a job that succeeded.
        failed: The status of one that failed.
    """

    name: str
    plane: str
    look_up: dict[str, str]
    submit: dict[str, str]
    jobs: Callable[[EmulatorProcess], list[Shown]]
    folder: Callable[[Shown], str]
    running: Callable[[Shown], bool]
    ending: Callable[[Shown], bool]
    done: str
    failed: str


def _only(inputs: dict[str, Shown]) -> Shown:
    (given,) = inputs.values()
    return given


AZURE_ML = ServiceUnderTest(
    name="azure_ml",
    plane="batch",
    look_up={"method": "GET", "path": "batchEndpoints/simulated$"},
    submit={"method": "POST", "plane": "batch"},
    jobs=lambda emulator: emulator.jobs("simulated"),
    folder=lambda job: _only(job["request"]["inputData"])["uri"].rpartition("/")[2],
    running=lambda job: job["status"] == "Running",
    ending=lambda job: job["status"] in ("CancelRequested", "Canceled"),
    done="Completed",
    failed="Failed",
)


def _stops(execution: Shown) -> bool:
    """An execution has no status of its own for that: its steps have."""
    return any(step["status"] in ("stopping", "stopped") for step in execution["steps"])


MODELARTS = ServiceUnderTest(
    name="modelarts",
    plane="modelarts",
    look_up={"method": "GET", "path": "/workflows$"},
    submit={"method": "POST", "path": "/executions$"},
    jobs=lambda emulator: [
        job for name in ("failing", "brief", "endless") for job in emulator.executions(name)
    ],
    folder=lambda job: job["data"]["rows"]["obs_url"].strip("/").rpartition("/")[2],
    running=lambda job: job["status"] == "running" and not _stops(job),
    ending=lambda job: job["status"] == "stopped" or _stops(job),
    done="completed",
    failed="abnormal",
)

SERVICES = (AZURE_ML, MODELARTS)
