"""The jobs that run now: a few at a time, the others wait for a place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from airflow_batch_provider.emulator.modelarts.local_job import LOG, JobSpec, LocalJob, Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_batch_provider.emulator.modelarts.executions import Execution, StepRun
    from airflow_batch_provider.emulator.obs.store import ObjectStore

_AT_ONCE = max(2, os.cpu_count() or 2)


class Bench:
    """The places for jobs, by the UUID of their steps.

    Args:
        store: The objects that jobs read and write.
        folder: Holds one private folder for each job.
    """

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._places: dict[str, str] = {}
        self._jobs: dict[str, LocalJob] = {}

    def reserve(self, execution: Execution, step: StepRun) -> bool:
        """Take a place for a step; False if all are taken."""
        if step.uuid not in self._places and not self.has_room:
            return False
        self._places[step.uuid] = execution.id
        return True

    def poll(self, execution: Execution, step: StepRun) -> Outcome | None:
        """Return how a step's job ended, or None while it runs. One that does not run is started."""
        if step.uuid not in self._jobs:
            assert step.job is not None  # noqa: S101 - only such steps run here
            self._places[step.uuid] = execution.id
            self._jobs[step.uuid] = LocalJob(JobSpec(**step.job), self._store, self.folder(step.uuid))
        return self._jobs[step.uuid].poll()

    def free(self, step: StepRun) -> None:
        """End a step's job if it runs, and give its place to another."""
        job = self._jobs.pop(step.uuid, None)
        if job is not None:
            job.cancel()
        self._places.pop(step.uuid, None)

    def ended(self) -> list[str]:
        """Return the executions in which a job has ended that nobody has looked at yet."""
        return [self._places[uuid] for uuid, job in self._jobs.items() if job.poll() is not None]

    @property
    def has_room(self) -> bool:
        """Whether another job may run."""
        return len(self._places) < _AT_ONCE

    @property
    def busy(self) -> bool:
        """Whether any job runs."""
        return bool(self._jobs)

    def folder(self, uuid: str) -> Path:
        """Return the private folder of a step's job."""
        return self._folder / uuid

    def log(self, uuid: str) -> Path:
        """Return the file that holds what a step's job has written, if it has begun."""
        return self.folder(uuid) / LOG

    def stop(self) -> None:
        """End all jobs, without ending their steps: the next start runs them again."""
        for job in self._jobs.values():
            job.cancel()
        self._jobs.clear()
        self._places.clear()
