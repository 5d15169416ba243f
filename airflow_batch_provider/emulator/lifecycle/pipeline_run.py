"""A pipeline's commands on this machine, one after the other; one that ended is not run again."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from airflow_batch_provider.emulator.execution import Outcome
from airflow_batch_provider.emulator.modelarts import job_supervisor
from airflow_batch_provider.emulator.whole_files import write_whole

_CANCEL_SECONDS = 5.0


class PipelineRun:
    """One job.

    Args:
        steps: What :func:`pipeline_plan.plan` returned, as JSON values, with ``code`` as a local path.
        folder: The private folder of the job.
    """

    def __init__(self, steps: list[dict[str, Any]], folder: Path) -> None:
        self._steps = steps
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def poll(self) -> Outcome | None:
        """Go on with the next command if none runs; return how the job ended, or None."""
        if self._process is not None:
            if self._process.poll() is None:
                return None
            self._close_pipe()
        for step in self._steps:
            ended = self._folder / "steps" / step["name"] / "exit.json"
            if not ended.exists():
                if self._process is not None and self._process.args == self._arguments(step):
                    return Outcome("Failed", f"The process of the step {step['name']} was lost.")
                self._start(step)
                return None
            code = json.loads(ended.read_text("utf-8"))["code"]
            log = self._keep_log(step["name"])
            if code:
                words = (log.strip().splitlines() or ["it wrote nothing"])[-1]
                return Outcome("Failed", f"The step {step['name']} failed with exit code {code}: {words}")
        return Outcome("Completed")

    def cancel(self) -> None:
        """End the command that runs; starting the job again runs that command again."""
        if self._process is None:
            return
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

    def _arguments(self, step: dict[str, Any]) -> list[str]:
        return [sys.executable, "-I", job_supervisor.__file__, str(self._folder / "steps" / step["name"])]

    def _start(self, step: dict[str, Any]) -> None:
        folder = self._folder / "steps" / step["name"]
        shutil.rmtree(folder / "code", ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        # A copy: what the command leaves beside its code must not become part of the registered code.
        if step["code"]:
            shutil.copytree(step["code"], folder / "code")
        (folder / "code").mkdir(exist_ok=True)
        for output in step["folders"]:
            Path(output).mkdir(parents=True, exist_ok=True)
        # 'python' means the emulator's own, as it does for scoring scripts.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        command = {
            "command": ["/bin/bash", "-c", step["command"]],
            "folder": str(folder / "code"),
            "environment": {"PATH": path} | step["environment"],
        }
        write_whole(folder / "command.json", json.dumps(command))
        self._process = subprocess.Popen(
            self._arguments(step), stdin=subprocess.PIPE, env=os.environ.copy(), start_new_session=True
        )

    def _keep_log(self, name: str) -> str:
        source, target = (
            self._folder / "steps" / name / "log.txt",
            self._folder / "logs" / "user" / f"{name}.txt",
        )
        if source.exists() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
        return source.read_text("utf-8", "replace") if source.exists() else ""
