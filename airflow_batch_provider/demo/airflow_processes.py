"""Airflow's processes: started in sessions of their own, watched, and ended with all that they forked."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil  # type: ignore[import-untyped,unused-ignore]  # its stubs are a package of their own

from airflow_batch_provider.demo.airflow_component import GO

_KILL_SECONDS = 10
_TAIL_LINES = 20
_TAIL_BYTES = 20_000


class ComponentDied(RuntimeError):
    """A process ended that should have gone on running."""


class Processes:
    """The processes of one Airflow, by component name.

    Tasks, trigger runners and DAG parsers are forks of forks, some in process groups of their own. All stay
    in the session of their component, even when their parent is gone: that is how they are found.

    Args:
        folder: The working folder of every process.
        logs: Where each component's output goes, as ``NAME.log``.
        environment: The environment of every process.

    Attributes:
        running: The components by name; one that was killed from outside stays listed.
    """

    def __init__(self, folder: Path, logs: Path, environment: Mapping[str, str]) -> None:
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._folder = folder
        self._logs = logs
        self._environment = dict(environment)

    def start(self, name: str, *command: str) -> None:
        """Start ``airflow COMMAND`` as *name*; it imports, then waits for ``release()``."""
        module = "airflow_batch_provider.demo.airflow_component"
        arguments = [sys.executable, "-m", module, str(os.getpid()), *command]
        with (self._logs / f"{name}.log").open("ab") as output:
            self.running[name] = subprocess.Popen(
                arguments,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def release(self, names: Iterable[str]) -> None:
        """Let the started components *names* go on from their imports."""
        for name in names:
            _close_input(self.running[name], GO)

    def finish(self, name: str, seconds: float) -> None:
        """Wait at most *seconds* until the component *name* has ended well, and forget it.

        Raises:
            ComponentDied: It ended with an error.
            TimeoutError: It did not end.
        """
        try:
            status = self.running[name].wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{name} did not end within {seconds:.0f} s.\n{self.tails([name])}") from None
        if status:
            raise ComponentDied(f"{name} ended with status {status}.\n{self.tails([name])}")
        self.end([name], 0)

    def require_alive(self, names: Iterable[str]) -> None:
        """Raise if one of the components *names* has ended.

        Raises:
            ComponentDied: With the end of the component's log.
        """
        for name in names:
            process = self.running[name]
            if process.poll() is not None:
                raise ComponentDied(f"{name} ended with status {process.returncode}.\n{self.tails([name])}")

    def tails(self, names: Iterable[str] | None = None) -> str:
        """Return the last lines of the logs of *names*, by default of every component."""
        return "\n".join(self._tail(name) for name in (self.running if names is None else names))

    def _tail(self, name: str) -> str:
        path = self._logs / f"{name}.log"
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n".join([f"--- the end of {path}", *(lines or ["(empty)"])])

    def end(self, names: Iterable[str], grace: float) -> None:
        """End the components *names*: ask, wait at most *grace* seconds in all, then kill what is left.

        Raises:
            RuntimeError: A process survived being killed.
        """
        ending = {name: self.running[name] for name in names}
        try:
            for process in ending.values():
                if process.poll() is None:
                    process.terminate()
                    process.send_signal(signal.SIGCONT)  # A stopped process would not hear it.
            _wait_for_exit(ending.values(), grace)
        finally:
            self._kill(list(ending))
            for name, process in ending.items():
                _close_input(process)
                process.wait(_KILL_SECONDS)
                del self.running[name]

    def kill(self, name: str) -> None:
        """End the component *name* by SIGKILL."""
        self._kill([name])

    def _kill(self, names: list[str]) -> None:
        deadline = time.monotonic() + _KILL_SECONDS
        while left := [process for name in names for process in self.members(name)]:
            if time.monotonic() > deadline:
                raise RuntimeError(f"Processes survive SIGKILL: {[process.pid for process in left]}")
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(0.02)

    def members(self, name: str) -> list[psutil.Process]:
        """Return the living processes of the component *name*: itself and all that it forked."""
        leader = self.running[name]
        if leader.returncode is not None and psutil.pid_exists(leader.pid):
            return []  # A number is only given anew when its session is empty: this one is a stranger's.
        return [
            process
            for pid in psutil.pids()
            if _session(pid) == leader.pid and (process := _living(pid)) is not None
        ]

    def executing(self) -> list[int]:
        """Return the pids that are executing a task now: LocalExecutor's busy workers and all below them.

        The executor forks its workers ahead. One that waits for work says so in its title and has no child;
        one that got a task supervises it in a child.
        """
        if "scheduler" not in self.running:
            return []
        leader = self.running["scheduler"].pid
        members = [
            (one.pid, *facts) for one in self.members("scheduler") if (facts := _parent_and_title(one))
        ]
        parents = {parent for _, parent, _ in members}
        below = {pid for pid, _, _ in members} - {leader}
        return [
            pid
            for pid, parent, title in members
            if pid in below and (pid in parents or parent in below or _says_busy(title))
        ]


def _says_busy(title: str) -> bool:
    return title.startswith("airflow worker --") and not title.endswith("<idle>")


def _parent_and_title(process: psutil.Process) -> tuple[int, str] | None:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.ppid(), " ".join(process.cmdline()).strip()
    return None


def _close_input(process: subprocess.Popen[bytes], last: bytes = b"") -> None:
    if process.stdin and not process.stdin.closed:
        with contextlib.suppress(BrokenPipeError):  # It has died: require_alive() tells why.
            process.stdin.write(last)
            process.stdin.close()


def _session(pid: int) -> int | None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        return os.getsid(pid)
    return None


def _living(pid: int) -> psutil.Process | None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    return None


def _wait_for_exit(processes: Iterable[subprocess.Popen[bytes]], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
