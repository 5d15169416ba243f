"""One place at which a worker process sits: it scores mini-batches there, with retries."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from airflow_batch_provider.emulator.scoring_failure import JobFailedError, user_failure
from airflow_batch_provider.emulator.scoring_process import Reply, WorkerProcess

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_batch_provider.emulator.scoring_logs import JobLogs
    from airflow_batch_provider.emulator.scoring_spec import ScoringSpec


class DisbandedError(Exception):
    """The job is ending: no worker may be started any more."""


class Crew:
    """All worker processes of one job, so that they can be ended together.

    Args:
        spec: The job.
    """

    def __init__(self, spec: ScoringSpec) -> None:
        self._spec = spec
        self._lock = threading.Lock()
        self._workers: set[WorkerProcess] = set()
        self.disbanded = False

    def hire(self, node: int, process: int) -> WorkerProcess:
        """Start a worker process.

        Args:
            node: Number of its node.
            process: Its number on that node.

        Raises:
            DisbandedError: `disband` was called.
            JobFailedError: The interpreter cannot be started.
        """
        with self._lock:
            if self.disbanded:
                raise DisbandedError
            try:
                worker = WorkerProcess(self._spec, node, process)
            except OSError as error:
                raise JobFailedError(
                    f"The interpreter {self._spec.python!r} cannot be started: {error}"
                ) from error
            self._workers.add(worker)
            return worker

    def dismiss(self, worker: WorkerProcess) -> None:
        """End a worker that is of no more use, at once.

        Args:
            worker: The worker.
        """
        worker.kill()
        with self._lock:
            self._workers.discard(worker)

    def disband(self) -> None:
        """End all workers at once and let no new one start; may be repeated."""
        with self._lock:
            self.disbanded = True
            for worker in self._workers:
                worker.kill()


class Slot:
    """Scores mini-batches one after the other in a worker process, replaced when it dies or hangs.

    Args:
        spec: The job.
        number: The slot's number among all of the job; it plays process ``number // instance_count`` of
            node ``number % instance_count``.
        crew: Where its worker comes from.
        logs: Where failed tries are told.
    """

    def __init__(self, spec: ScoringSpec, number: int, crew: Crew, logs: JobLogs) -> None:
        self._spec = spec
        self._process, self._node = divmod(number, spec.instance_count)
        self._crew = crew
        self._logs = logs
        self._worker: WorkerProcess | None = None

    def score(self, index: int, files: tuple[str, ...], rows: Path | None) -> int:
        """Score one mini-batch, trying again as often as the job allows.

        Args:
            index: The mini-batch.
            files: Absolute paths of its files.
            rows: File for the returned rows, or None if they are not wanted.

        Returns:
            The number of items that `run()` returned; 0 if each try failed.

        Raises:
            JobFailedError: `init()` failed, or `run()` timed out on each try.
            DisbandedError: The job is ending.
        """
        tries = self._spec.max_retries + 1
        timeouts = 0
        for attempt in range(1, tries + 1):
            reply = self._ready_worker().score(files, rows, self._spec.timeout_seconds)
            if reply.kind == "done":
                return reply.items
            if self._crew.disbanded:  # Its worker was ended with the job, which is no failure of the script.
                raise DisbandedError
            self._note(f"Mini-batch {index}, try {attempt} of {tries}: {reply.summary}", reply)
            timeouts += reply.kind == "timeout"
        if timeouts == tries:
            raise user_failure(f"run() timed out on each try of mini-batch {index} ({tries} tries).")
        return 0

    def close(self) -> None:
        """Let the worker end in its own way."""
        if self._worker is not None:
            self._worker.stop()
            self._crew.dismiss(self._worker)

    def _ready_worker(self) -> WorkerProcess:
        if self._worker is None:
            self._worker = self._crew.hire(self._node, self._process)
            reply = self._worker.wait_ready()
            if reply.kind != "ready":
                what = reply.summary if reply.kind == "failed" else f"init() did not end: {reply.summary}"
                self._note(what, reply)
                raise user_failure(what)
        return self._worker

    def _note(self, what: str, reply: Reply) -> None:
        """Log a failed try and part with a worker that cannot go on."""
        if self._crew.disbanded:
            raise DisbandedError
        self._logs.error(what, reply.traceback)
        if reply.kind != "failed" and self._worker is not None:
            self._crew.dismiss(self._worker)
            self._worker = None
