"""Drives every job through its states: by the clock, and while it runs by what user code does.

The clock's transitions wait in a heap, so that thousands of waiting jobs cost nothing. Each transition is
kept in the database with its time, so that a restarted emulator goes on where the killed one stopped.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import logging
import os
import time
from collections import deque
from typing import TYPE_CHECKING

from airflow_batch_provider.emulator.data_uris import Locator
from airflow_batch_provider.emulator.execution import (
    Execution,
    JobFailedError,
    Outcome,
    Scoring,
    outputs_of,
    scoring_spec,
    simulated,
    write_simulated,
)
from airflow_batch_provider.emulator.lifecycle.pipeline_job import pipeline_spec
from airflow_batch_provider.emulator.lifecycle.pipeline_run import PipelineRun
from airflow_batch_provider.emulator.scoring import ScoringJob, ScoringSpec
from airflow_batch_provider.emulator.waking import woken

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_batch_provider.emulator.blob import BlobStore
    from airflow_batch_provider.emulator.jobs import Job, JobStore
    from airflow_batch_provider.emulator.resources import ResourceStore

PREPARING, QUEUED, FINALIZING, CANCELING = 2.0, 2.0, 1.0, 0.5
_POLL = 0.05
_AT_ONCE = max(2, os.cpu_count() or 2)
_log = logging.getLogger(__name__)


class Runner:
    """The scheduler of all jobs of one emulator. Everything happens on the event loop that runs :meth:`run`.

    Args:
        jobs: Where jobs are kept.
        resources: Where code and models are registered.
        blobs: The folder behind the storage accounts.
        folder: Holds one private folder for each job.
        speed: How many times faster than the service the clock's transitions are.
    """

    def __init__(
        self, jobs: JobStore, resources: ResourceStore, blobs: BlobStore, folder: Path, speed: float
    ) -> None:
        self._jobs = jobs
        self._resources = resources
        self._locator = Locator(resources, blobs)
        self._folder = folder
        self._speed = speed
        self._due: list[tuple[float, str]] = []
        self._queue: deque[str] = deque()
        self._running: dict[str, Execution] = {}
        self._ending: dict[str, asyncio.Future[None]] = {}
        self._wake = asyncio.Event()

    def begin(self, job: Job) -> None:
        """Put a new job into its first state."""
        job.enter("Preparing", due=self._after(PREPARING))

    def watch(self, job: Job) -> None:
        """Take care of a job from now on; call it once the job is in the store."""
        if job.due is not None:
            heapq.heappush(self._due, (job.due, job.id))
        elif job.status == "Queued":
            self._queue.append(job.id)
        elif job.status == "Running":
            self._start(job)
        self._wake.set()

    def cancel(self, job: Job) -> None:
        """Ask a job to stop; harmless when it has ended or was asked before."""
        if job.done or job.status == "CancelRequested":
            return
        job.outcome = "Canceled"
        self._enter(job, "CancelRequested", CANCELING)
        execution = self._running.pop(job.id, None)
        if execution is not None:
            # Ending processes takes up to some seconds, in which other requests must be answered.
            self._ending[job.id] = asyncio.get_running_loop().run_in_executor(None, execution.cancel)

    async def run(self) -> None:
        """Resume the jobs of an earlier run, then drive all jobs until cancelled."""
        for job in self._jobs.unfinished():
            self.watch(job)
        while True:
            self._wake.clear()
            try:
                self._step()
            except Exception:  # noqa: BLE001 - logged; the other jobs must go on
                _log.exception("The runner goes on after an error.")
            await woken(self._wake, self._pause())

    def stop(self) -> None:
        """Stop what runs, without ending the jobs: the next start resumes them."""
        for execution in self._running.values():
            execution.cancel()
        self._running.clear()

    def _step(self) -> None:
        now = time.time()
        while self._due and self._due[0][0] <= now:
            _, job_id = heapq.heappop(self._due)
            job = self._jobs.get(job_id)
            if job is not None and job.due is not None and job.due <= now:
                self._advance(job)
        for job_id, execution in list(self._running.items()):
            outcome = execution.poll()
            if outcome is not None:
                self._finished(job_id, outcome)
        while self._queue and len(self._running) < _AT_ONCE:
            job = self._jobs.get(self._queue.popleft())
            if job is not None and job.status == "Queued":
                self._start(job)

    def _pause(self) -> float | None:
        if self._running:
            return _POLL / min(self._speed, 5)
        return max(0.0, self._due[0][0] - time.time()) if self._due else None

    def _after(self, seconds: float) -> float:
        return time.time() + seconds / self._speed

    def _enter(self, job: Job, status: str, seconds: float | None = None) -> None:
        job.enter(status, due=None if seconds is None else self._after(seconds))
        self._jobs.save(job)
        if job.due is not None:
            heapq.heappush(self._due, (job.due, job.id))
            self._wake.set()

    def _advance(self, job: Job) -> None:
        if job.status == "Preparing":
            self._enter(job, "Queued", QUEUED)
        elif job.status == "Queued" and simulated(job) is not None:
            self._simulate(job)
        elif job.status == "Queued":
            job.due = None
            self._jobs.save(job)
            self._queue.append(job.id)
        elif job.status == "Running":
            self._simulated(job)
        elif job.id in self._ending and not self._ending[job.id].done():
            heapq.heappush(self._due, (self._after(_POLL), job.id))
        elif job.outcome is not None:
            self._ending.pop(job.id, None)
            self._enter(job, job.outcome)

    def _simulate(self, job: Job) -> None:
        section = simulated(job) or {}
        self._enter(job, "Running", section["run_seconds"])

    def _simulated(self, job: Job) -> None:
        section = simulated(job) or {}
        outcome = Outcome(section["status"], section.get("error"))
        try:
            if outcome.status == "Completed":
                write_simulated(job, self._locator)
        except (JobFailedError, OSError) as error:
            outcome = Outcome("Failed", str(error))
        self._finish(job, outcome)

    def _start(self, job: Job) -> None:
        try:
            self._running[job.id] = self._launch(job)
        except Exception as error:  # noqa: BLE001 - one job's defect must not stop the others
            if job.status == "Queued":
                job.enter("Running")
            self._finish(job, Outcome("Failed", str(error)))
            return
        if job.status == "Queued":
            self._enter(job, "Running")

    def _launch(self, job: Job) -> Execution:
        work_dir, pipeline = self._folder / job.id, job.kind == "pipeline"
        if job.spec is None and pipeline:
            job.spec = pipeline_spec(job, self._resources, self._locator, work_dir)
            self._jobs.save(job)
        elif job.spec is None:
            job.spec = scoring_spec(job, self._resources, self._locator, work_dir).to_json()
            self._jobs.save(job)
        if pipeline:
            return PipelineRun(json.loads(job.spec)["steps"], work_dir)
        return Scoring(ScoringJob.start(ScoringSpec.from_json(job.spec)))

    def _finished(self, job_id: str, outcome: Outcome) -> None:
        del self._running[job_id]
        job = self._jobs.get(job_id)
        if job is not None and not job.done:
            self._finish(job, outcome)

    def _finish(self, job: Job, outcome: Outcome) -> None:
        if outcome.status != "Completed":
            _log.info("job %s failed: %s", job.id, outcome.error)
            job.error, job.outcome = outcome.error, "Failed"
            self._enter(job, "Failed")
            return
        job.outcome = "Completed"
        job.outputs = outputs_of(job)
        self._enter(job, "Finalizing", FINALIZING)
