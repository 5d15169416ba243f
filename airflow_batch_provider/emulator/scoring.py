"""Execute a batch model deployment for real: `ScoringJob` starts, watches and ends one job.

    emulator ── ScoringJob ──stdin pipe──> coordinator ──JSON lines──> workers (init(), run(mini_batch))
                    └── reads ── work_dir: result.json, mini_batches/, logs/ <──┘

Each arrow down is a pipe whose end is noticed: when the emulator dies, the coordinator and the workers end
too, and starting the same job again goes on after the mini-batches that were finished.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from airflow_batch_provider.emulator import scoring_coordinator
from airflow_batch_provider.emulator.scoring_ledger import Ledger, finished_count
from airflow_batch_provider.emulator.scoring_spec import OutputAction, ScoringResult, ScoringSpec
from airflow_batch_provider.emulator.whole_files import write_whole

__all__ = ["OutputAction", "ScoringJob", "ScoringResult", "ScoringSpec"]

_IMPORT_ROOT = str(Path(__file__).resolve().parents[2])
_CANCEL_SECONDS = 5.0


class ScoringJob:
    """One job that was started; made by `start`.

    Args:
        spec: The job.
        process: Its coordinator, or None if the job had ended before it was started again.
    """

    def __init__(self, spec: ScoringSpec, process: subprocess.Popen[bytes] | None) -> None:
        self._spec = spec
        self._process = process
        self._canceled = False

    @classmethod
    def start(cls, spec: ScoringSpec) -> ScoringJob:
        """Start a job, or continue one that was started before in the same *work_dir*.

        Args:
            spec: The job.

        Raises:
            ValueError: *work_dir* holds a job with other mini-batches.
        """
        spec.work_dir.mkdir(parents=True, exist_ok=True)
        spec_file = spec.work_dir / "spec.json"
        _refuse_other_job(spec, spec_file)
        write_whole(spec_file, spec.to_json())
        if scoring_coordinator.result_path(spec.work_dir).exists():
            return cls(spec, None)
        return cls(spec, _start_coordinator(spec_file))

    @property
    def pid(self) -> int | None:
        """Process id of the coordinator, or None if there is none."""
        return None if self._process is None else self._process.pid

    def poll(self) -> ScoringResult | None:
        """Return how the job ended, or None while it runs. Does not wait."""
        if self._process is not None and self._process.poll() is None:
            return None
        self._close_pipe()
        result = scoring_coordinator.result_path(self._spec.work_dir)
        if result.exists():
            return ScoringResult.from_json(result.read_text("utf-8"))
        return self._lost()

    def progress(self) -> tuple[int, int]:
        """Return how many mini-batches are finished, and of how many."""
        size = self._spec.mini_batch_size
        return finished_count(self._spec.work_dir), -(-len(self._spec.input_files) // size)

    def cancel(self) -> None:
        """End the coordinator and its workers, within a few seconds; may be repeated."""
        if self._process is None:
            return
        self._canceled = True
        self._close_pipe()
        try:
            self._process.wait(_CANCEL_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _close_pipe(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    def _lost(self) -> ScoringResult:
        totals = Ledger(self._spec).totals()
        error = "The job was canceled." if self._canceled else self._obituary()
        mini_batches = len(self._spec.mini_batches)
        return ScoringResult("Failed", error, totals.succeeded, totals.failed, totals.done, mini_batches)

    def _obituary(self) -> str:
        log = _coordinator_log(self._spec.work_dir)
        last = (log.read_text("utf-8", "replace").strip().splitlines() or ["it wrote nothing"])[-1]
        code = self._process and self._process.returncode
        return f"The job's coordinator ended with exit code {code} and left no result. {log}: {last}"


def _start_coordinator(spec_file: Path) -> subprocess.Popen[bytes]:
    with _coordinator_log(spec_file.parent).open("ab") as log:
        # Its own session: Ctrl-C at a terminal is the emulator's to handle.
        return subprocess.Popen(
            [sys.executable, "-m", "airflow_batch_provider.emulator.scoring", str(spec_file)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=spec_file.parent,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(_import_paths())},
            start_new_session=True,
        )


def _import_paths() -> list[str]:
    inherited = os.environ.get("PYTHONPATH")
    return [_IMPORT_ROOT, inherited] if inherited else [_IMPORT_ROOT]


def _forget_import_root() -> None:
    """Undo `_import_paths`: the user's script must not see our folder before its own interpreter's."""
    _, _, inherited = os.environ["PYTHONPATH"].partition(os.pathsep)
    if inherited:
        os.environ["PYTHONPATH"] = inherited
    else:
        del os.environ["PYTHONPATH"]


def _coordinator_log(work_dir: Path) -> Path:
    return work_dir / "coordinator.txt"


def _refuse_other_job(spec: ScoringSpec, spec_file: Path) -> None:
    if not spec_file.exists():
        return
    before = ScoringSpec.from_json(spec_file.read_text("utf-8"))
    if before.mini_batches != spec.mini_batches:
        raise ValueError(
            f"work_dir {str(spec.work_dir)!r} holds another job: its mini-batches differ. "
            "Give each job its own folder, and start a job again with the same files and mini_batch_size."
        )


if __name__ == "__main__":
    _forget_import_root()
    scoring_coordinator.main(sys.argv[1])
