"""The log files of a job, with the names and places that the service gives them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from airflow_batch_provider.emulator.whole_files import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_batch_provider.emulator.scoring_ledger import Totals

_README = """\
Layout of the logs of this batch job

logs/job_progress_overview.txt                  how many mini-batches and files are done
logs/readme.txt                                 this text
logs/user/error.txt                             exceptions of the scoring script, time-outs, dead processes
logs/user/stdout/{node}/process{n}.stdout.txt   what the script wrote to standard output
logs/user/stderr/{node}/process{n}.stderr.txt   what the script wrote to standard error
"""


class JobLogs:
    """Writes the logs that are not the script's own output.

    Args:
        work_dir: The job's private folder.
        mini_batches: Mini-batches of the whole input.
    """

    def __init__(self, work_dir: Path, mini_batches: int) -> None:
        self._folder = work_dir / "logs"
        self._mini_batches = mini_batches
        self._lock = threading.Lock()
        (self._folder / "user").mkdir(parents=True, exist_ok=True)
        write_whole(self._folder / "readme.txt", _README)

    def progress(self, totals: Totals) -> None:
        """Write the overview anew.

        Args:
            totals: How far the job is.
        """
        text = (
            f"Mini-batches processed: {totals.done} of {self._mini_batches}\n"
            f"Files succeeded: {totals.succeeded}\n"
            f"Files failed: {totals.failed}\n"
        )
        with self._lock:
            write_whole(self._folder / "job_progress_overview.txt", text)

    def error(self, what: str, traceback: str = "") -> None:
        """Add an error.

        Args:
            what: One line: where it happened and what.
            traceback: The script's traceback, if there is one.
        """
        with self._lock, (self._folder / "user" / "error.txt").open("a", encoding="utf-8") as file:
            file.write(f"{what}\n{traceback}\n" if traceback else f"{what}\n")
