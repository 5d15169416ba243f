"""The process that carries out one scoring job: it hands mini-batches to workers and writes the result."""

from __future__ import annotations

import fcntl
import os
import threading
from collections import deque
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_batch_provider.emulator.scoring_failure import NOTHING_SUCCEEDED, JobFailedError, user_failure
from airflow_batch_provider.emulator.scoring_files import prepare, publish
from airflow_batch_provider.emulator.scoring_ledger import Ledger, Totals
from airflow_batch_provider.emulator.scoring_logs import JobLogs
from airflow_batch_provider.emulator.scoring_slot import Crew, DisbandedError, Slot
from airflow_batch_provider.emulator.scoring_spec import ScoringResult, ScoringSpec
from airflow_batch_provider.emulator.whole_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

# More processes than this only get in each other's way; how the input is divided does not depend on it.
_MOST_WORKERS = 2 * (os.cpu_count() or 1)


def main(spec_file: str) -> None:
    """Carry out the job that a file describes and leave ``result.json`` in its private folder.

    Ends, with all workers, as soon as standard input ends: then the emulator is gone.

    Args:
        spec_file: A `ScoringSpec` as JSON.
    """
    spec = ScoringSpec.from_json(Path(spec_file).read_text("utf-8"))
    crew = Crew(spec)
    threading.Thread(target=_end_with_parent, args=(crew,), daemon=True).start()
    # The coordinator of an emulator that was killed a moment ago may still be ending its workers.
    with _alone(spec.work_dir):
        if not result_path(spec.work_dir).exists():
            with suppress(DisbandedError):
                result = Coordinator(spec, crew).run()
                write_whole(result_path(spec.work_dir), result.to_json())


def result_path(work_dir: Path) -> Path:
    """Return the file that a finished job's result is in.

    Args:
        work_dir: The job's private folder.
    """
    return work_dir / "result.json"


class Coordinator:
    """One run of a job, from its first unfinished mini-batch to its result.

    Args:
        spec: The job.
        crew: Its worker processes.
    """

    def __init__(self, spec: ScoringSpec, crew: Crew) -> None:
        self._spec = spec
        self._crew = crew
        self._mini_batches = spec.mini_batches
        self._ledger = Ledger(spec)
        self._logs = JobLogs(spec.work_dir, len(self._mini_batches))
        self._pending = deque(self._ledger.unfinished())
        self._failure: Exception | None = None

    def run(self) -> ScoringResult:
        """Score what is left and write the output.

        Returns:
            How the job ended.

        Raises:
            DisbandedError: It did not end; what is finished is kept for the next run.
        """
        error = None
        try:
            prepare(self._spec)
            self._check(self._ledger.totals())
            self._score_all()
            publish(self._spec, self._ledger)
        except JobFailedError as failure:
            error = str(failure)
            self._logs.error(error)
        totals = self._ledger.totals()
        self._logs.progress(totals)  # Threads may have written theirs out of order.
        return ScoringResult(
            status="Completed" if error is None else "Failed",
            error=error,
            succeeded_files=totals.succeeded,
            failed_files=totals.failed,
            mini_batches_done=totals.done,
            mini_batches=len(self._mini_batches),
        )

    def _score_all(self) -> None:
        places = self._spec.instance_count * self._spec.max_concurrency_per_instance
        workers = min(places, _MOST_WORKERS, len(self._pending))
        threads = [threading.Thread(target=self._serve, args=(number,)) for number in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failure is not None:
            raise self._failure
        if (
            self._crew.disbanded
        ):  # The emulator is gone: what was not scored has neither succeeded nor failed.
            raise DisbandedError
        if self._ledger.totals().succeeded == 0:
            raise JobFailedError(f"{NOTHING_SUCCEEDED}. Please check logs/user/error.txt.")

    def _serve(self, number: int) -> None:
        try:
            self._score_pending(Slot(self._spec, number, self._crew, self._logs))
        except DisbandedError:
            return
        except Exception as failure:  # noqa: BLE001 - raised again by the thread that waits for this one.
            self._failure = self._failure or failure
            self._crew.disband()

    def _score_pending(self, slot: Slot) -> None:
        while (index := self._take()) is not None:
            rows = self._ledger.rows_path(index) if self._spec.output_action == "AppendRow" else None
            items = slot.score(index, self._mini_batches[index], rows)
            self._check(self._ledger.record(index, items))
        slot.close()

    def _take(self) -> int | None:
        try:
            return self._pending.popleft()
        except IndexError:
            return None

    def _check(self, totals: Totals) -> None:
        """Report progress, and fail the job once too many files have failed."""
        self._logs.progress(totals)
        threshold = self._spec.error_threshold
        if threshold >= 0 and totals.failed > threshold:
            raise user_failure(f"{totals.failed} files failed, more than the error threshold of {threshold}.")


def _end_with_parent(crew: Crew) -> None:
    while os.read(0, 1):
        pass
    crew.disband()
    os._exit(1)


@contextmanager
def _alone(work_dir: Path) -> Iterator[None]:
    with (work_dir / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
