"""A job step run for real: code and inputs out of OBS, a boot file in a child process, outputs into OBS."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.emulator.blob_errors import BlobError
from airflow_batch_provider.emulator.modelarts.places import read_place
from airflow_batch_provider.emulator.whole_files import write_whole

if TYPE_CHECKING:
    from airflow_batch_provider.emulator.obs.store import ObjectStore

_SUPERVISOR = Path(__file__).with_name("job_supervisor.py")
_METRICS = "metrics.json"
LOG = "log.txt"
"""Written by the supervisor into the job's folder."""


class JobFailedError(Exception):
    """The job cannot run or failed; the text is what the service tells its user."""


@dataclass(frozen=True)
class JobSpec:
    """What a job runs.

    Attributes:
        code: The ``obs://`` folder of its code.
        boot_file: The script, relative to that folder.
        parameters: Passed as ``--name=value``.
        inputs: ``obs://`` addresses of its inputs by name; each is passed as ``--name=local path``.
        outputs: The same for its outputs, which are folders.
        environment: Further environment variables.
    """

    code: str
    boot_file: str
    parameters: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a job ended: no error means that it completed."""

    error: str | None = None
    metrics: list[dict[str, Any]] = field(default_factory=list)


class LocalJob:
    """One job in a thread of its own, since copying files takes time and others must be answered.

    Starting it again in the same folder takes up a command that ended meanwhile; any other is run again from
    the beginning.

    Args:
        spec: What to run.
        store: The objects.
        folder: The job's private folder.
    """

    def __init__(self, spec: JobSpec, store: ObjectStore, folder: Path) -> None:
        self._spec = spec
        self._store = store
        self._folder = folder
        self._canceled = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._outcome: Outcome | None = None
        self._thread = threading.Thread(target=self._carry_out, name=f"job {folder.name}", daemon=True)
        self._thread.start()

    def poll(self) -> Outcome | None:
        """Return how it ended, or None while it runs. Does not wait."""
        return self._outcome

    def cancel(self) -> None:
        """End the command; may be repeated. The job can be started again later."""
        self._canceled.set()
        self._close_pipe()

    def _close_pipe(self) -> None:
        with self._lock:
            if self._process is not None and self._process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    self._process.stdin.close()

    def _carry_out(self) -> None:
        try:
            self._outcome = Outcome(metrics=self._run())
        except (JobFailedError, BlobError, OSError) as error:
            self._outcome = Outcome(str(error))
        except Exception as error:  # noqa: BLE001 - a thread's error is seen by nobody
            self._outcome = Outcome(f"The emulator failed: {type(error).__name__}: {error}")

    def _run(self) -> list[dict[str, Any]]:
        self._folder.mkdir(parents=True, exist_ok=True)
        ended = self._folder / "exit.json"
        # The supervisor of an emulator that was killed a moment ago may still be ending its command.
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not ended.exists():
                self._prepare()
        self._supervise()
        if not ended.exists():
            raise JobFailedError(
                "The job was stopped." if self._canceled.is_set() else "The job's process was lost."
            )
        code = json.loads(ended.read_text("utf-8"))["code"]
        if code != 0:
            raise JobFailedError(f"The training process exited with code {code}: {self._last_words()}")
        return self._publish()

    def _prepare(self) -> None:
        for name in ("code", "inputs", "outputs"):
            shutil.rmtree(self._folder / name, ignore_errors=True)
        code = read_place(self._spec.code)
        assert code is not None  # noqa: S101 - checked when the step was created
        self._store.download(code.bucket, code.folder, self._folder / "code")
        arguments = [f"--{name}={_written(value)}" for name, value in self._spec.parameters.items()]
        arguments += [f"--{name}={self._input(name, at)}" for name, at in self._spec.inputs.items()]
        for name in self._spec.outputs:
            (self._folder / "outputs" / name).mkdir(parents=True)
            arguments.append(f"--{name}={self._folder / 'outputs' / name}")
        command = {
            "command": [sys.executable, "-u", self._spec.boot_file, *arguments],
            "folder": str(self._folder / "code"),
            "environment": self._spec.environment,
        }
        write_whole(self._folder / "command.json", json.dumps(command))

    def _input(self, name: str, address: str) -> Path:
        place = read_place(address)
        if place is None:
            raise JobFailedError(f"The input {name} is at {address!r}, which is no OBS path.")
        folder = self._folder / "inputs" / name
        if place.key and not place.key.endswith("/") and self._store.exists(*place):
            folder.mkdir(parents=True)
            target = folder / Path(place.key).name
            self._store.copy_out(*place, target)
            return target
        self._store.download(place.bucket, place.folder, folder)
        return folder

    def _supervise(self) -> None:
        with self._lock:
            if self._canceled.is_set():
                raise JobFailedError("The job was stopped.")
            # Isolated, and in its own session: Ctrl-C at a terminal is the emulator's to handle.
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(_SUPERVISOR), str(self._folder)],
                stdin=subprocess.PIPE,
                env=os.environ.copy(),
                start_new_session=True,
            )
        self._process.wait()
        self._close_pipe()

    def _last_words(self) -> str:
        log = self._folder / LOG
        lines = log.read_text("utf-8", "replace").strip().splitlines() if log.exists() else []
        return lines[-1] if lines else "it wrote nothing"

    def _publish(self) -> list[dict[str, Any]]:
        metrics: list[dict[str, Any]] = []
        for name, address in self._spec.outputs.items():
            place = read_place(address)
            if place is None:
                raise JobFailedError(f"The output {name} is at {address!r}, which is no OBS path.")
            folder = self._folder / "outputs" / name
            self._store.upload_folder(folder, place.bucket, place.folder)
            metrics += _read_metrics(folder / _METRICS)
        return metrics


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _read_metrics(file: Path) -> list[dict[str, Any]]:
    """Read the file in which a job tells its metrics: a list of ``{key, title, type, data}``."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise JobFailedError(f"{_METRICS} is not valid JSON: {error}") from None
    listed = found if isinstance(found, list) else [found]
    return [metric for metric in listed if isinstance(metric, dict) and "key" in metric]
