"""The coordinator's end of one worker process: start it, ask it, end it with all that it started."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from airflow_batch_provider.emulator.scoring_spec import ScoringSpec

_WORKER = Path(__file__).with_name("scoring_worker.py")
# A child of the script may hold the answer pipe open after the worker died: only asking the system tells.
_DEATH_CHECK_SECONDS = 0.1
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Reply:
    """What came of one request to a worker.

    Args:
        kind: ``ready`` and ``done`` are the worker's good answers, ``failed`` its report of an exception;
            after ``timeout`` and ``died`` the worker is of no more use.
        items: How many items `run()` returned.
        summary: One line that says what went wrong.
        traceback: The script's traceback, if it raised.
    """

    kind: Literal["ready", "done", "failed", "timeout", "died"]
    items: int = 0
    summary: str = ""
    traceback: str = ""


class WorkerProcess:
    """One running worker.

    Args:
        spec: The job.
        node: Number of the node that it plays a process of; names its log files.
        process: Its number on that node.

    Raises:
        OSError: The interpreter cannot be started.
    """

    def __init__(self, spec: ScoringSpec, node: int, process: int) -> None:
        self._killed = False
        stdout_log = _log_file(spec, "stdout", node, process)
        with _log_file(spec, "stderr", node, process).open("ab") as stderr:
            # Unbuffered: what the script printed is in the log even when the process is killed.
            # Its own session: what the script starts can then be ended together with it.
            self._process = subprocess.Popen(
                [spec.python, "-u", str(_WORKER), str(stdout_log)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=spec.code_dir,
                env=_environment(spec),
                start_new_session=True,
            )
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        self._send(
            {
                "code_dir": str(spec.code_dir),
                "script": spec.scoring_script,
                "logging_level": spec.logging_level,
            }
        )

    def wait_ready(self) -> Reply:
        """Wait until `init()` has ended, however long that takes."""
        return self._reply(None)

    def score(self, files: tuple[str, ...], rows: Path | None, timeout_seconds: float) -> Reply:
        """Have one mini-batch scored.

        Args:
            files: Absolute paths of its files.
            rows: File that the worker writes the returned rows to, or None if they are not wanted.
            timeout_seconds: How long `run()` may take.
        """
        self._send({"files": files, "rows": rows and str(rows)})
        return self._reply(timeout_seconds)

    def stop(self) -> None:
        """Let the process end in its own way, within bounds."""
        self._send({"stop": True})
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End the process and what it started; harmless when it is over."""
        if self._killed:  # By now the system may have given its number to another process.
            return
        self._killed = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None  # noqa: S101 - tells the type checker what PIPE means.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None  # noqa: S101 - see kill.
        line = json.dumps(message).encode() + b"\n"
        # It died, or was ended by another thread, which closed the pipe: the reply says so.
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - see kill.
        with self._process.stdout as answers:
            for line in answers:
                if line.endswith(b"\n"):  # A process that is killed may leave half a line.
                    self._answers.put(json.loads(line))
        self._answers.put(None)

    def _reply(self, timeout_seconds: float | None) -> Reply:
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            over = self._process.poll() is not None
            try:
                answer = self._answers.get(timeout=_wait(deadline))
            except queue.Empty:
                if over:
                    return self._died()
                if deadline is not None and time.monotonic() >= deadline:
                    return Reply("timeout", summary=f"run() took longer than {timeout_seconds:g} s")
                continue
            return self._died() if answer is None else Reply(**answer)

    def _died(self) -> Reply:
        try:
            code = self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return Reply("died", summary="the script closed the worker's pipes")
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return Reply("died", summary=f"the worker process ended with {how}")


def _wait(deadline: float | None) -> float:
    if deadline is None:
        return _DEATH_CHECK_SECONDS
    return min(_DEATH_CHECK_SECONDS, max(0.0, deadline - time.monotonic()))


def _log_file(spec: ScoringSpec, stream: str, node: int, process: int) -> Path:
    path = spec.work_dir / "logs" / "user" / stream / str(node) / f"process{process}.{stream}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _environment(spec: ScoringSpec) -> dict[str, str]:
    model = spec.work_dir / "model"
    return {
        **{name: value for name, value in os.environ.items() if name != "AZUREML_MODEL_DIR"},
        **{name: str(value) for name, value in spec.environment_variables.items()},
        **({"AZUREML_MODEL_DIR": str(model)} if spec.model_path is not None else {}),
        "AZUREML_BI_OUTPUT_PATH": str(spec.output_dir),
    }
