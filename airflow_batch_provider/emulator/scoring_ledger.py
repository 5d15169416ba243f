"""Which mini-batches of a job are finished: one record file each, so that a restarted job goes on."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from airflow_batch_provider.emulator.whole_files import write_whole

if TYPE_CHECKING:
    from airflow_batch_provider.emulator.scoring_spec import ScoringSpec

_FOLDER = "mini_batches"


class Totals(NamedTuple):
    """How far a job is.

    Args:
        done: Finished mini-batches.
        succeeded: Their files that an item was returned for.
        failed: Their other files.
    """

    done: int
    succeeded: int
    failed: int


class Ledger:
    """The finished mini-batches of one job. Its methods may be called from several threads.

    Args:
        spec: The job.
    """

    def __init__(self, spec: ScoringSpec) -> None:
        self._mini_batches = spec.mini_batches
        self._folder = spec.work_dir / _FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._succeeded: dict[int, int] = {}
        for index in range(len(self._mini_batches)):
            if self._record_path(index).exists():
                self._succeeded[index] = json.loads(self._record_path(index).read_text("utf-8"))["succeeded"]

    def unfinished(self) -> list[int]:
        """Return the indices of the mini-batches that are still to be scored, in order."""
        return [index for index in range(len(self._mini_batches)) if index not in self._succeeded]

    def rows_path(self, index: int) -> Path:
        """Return the file that collects the rows of one mini-batch; it counts once `record` was called.

        Args:
            index: The mini-batch.
        """
        return self._folder / f"{index:06d}.rows"

    def record(self, index: int, items: int) -> Totals:
        """Record a mini-batch as finished.

        Args:
            index: The mini-batch.
            items: How many items `run()` returned; more than it has files count as one for each file.

        Returns:
            How far the job is now.
        """
        succeeded = min(items, len(self._mini_batches[index]))
        write_whole(self._record_path(index), json.dumps({"succeeded": succeeded}))
        with self._lock:
            self._succeeded[index] = succeeded
            return self._totals()

    def totals(self) -> Totals:
        """Return how far the job is."""
        with self._lock:
            return self._totals()

    def copy_rows(self, target: BinaryIO) -> None:
        """Write the rows of all mini-batches in their order, whatever order they were finished in.

        Args:
            target: The binary file to write to.
        """
        for index, succeeded in sorted(self._succeeded.items()):
            if succeeded:
                with self.rows_path(index).open("rb") as rows:
                    shutil.copyfileobj(rows, target)

    def outcomes(self) -> list[tuple[int, str, str]]:
        """Return mini-batch index, file and ``Succeeded``, ``Failed`` or ``Partial`` for each finished file.

        A script returns items, not names, so the outcome is that of the file's mini-batch.
        """
        return [
            (index, file, _outcome(succeeded, len(self._mini_batches[index])))
            for index, succeeded in sorted(self._succeeded.items())
            for file in self._mini_batches[index]
        ]

    def _totals(self) -> Totals:
        files = sum(len(self._mini_batches[index]) for index in self._succeeded)
        succeeded = sum(self._succeeded.values())
        return Totals(len(self._succeeded), succeeded, files - succeeded)

    def _record_path(self, index: int) -> Path:
        return self._folder / f"{index:06d}.json"


def finished_count(work_dir: Path) -> int:
    """Count a job's finished mini-batches without reading them.

    Args:
        work_dir: The job's private folder.
    """
    return sum(1 for _ in (work_dir / _FOLDER).glob("[0-9]*.json"))


def _outcome(succeeded: int, files: int) -> str:
    if succeeded == 0:
        return "Failed"
    return "Succeeded" if succeeded == files else "Partial"
