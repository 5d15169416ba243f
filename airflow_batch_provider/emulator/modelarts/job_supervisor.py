"""Run by its path in a process of its own: it runs a job's command and notes how it ended.

The emulator holds the other end of standard input. When that end closes, because the emulator was killed or
the step is stopped, the command and all that it started are ended. A command that ended leaves its exit
code in ``exit.json``; one that was ended leaves none, so that an emulator that is started again runs it
again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path


def main(folder: Path) -> None:
    """Carry out ``command.json`` in a folder, once the supervisor of a killed emulator has let go of it."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "exit.json").exists():
            _run(folder, json.loads((folder / "command.json").read_text("utf-8")))


def _run(folder: Path, job: dict[str, object]) -> None:
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            job["command"],  # type: ignore[call-overload] # the emulator's own list of texts
            cwd=job["folder"],
            env={**os.environ, **job["environment"]},  # type: ignore[dict-item]
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    threading.Thread(target=_end_with_parent, args=(process,), daemon=True).start()
    code = process.wait()
    unfinished = folder / "exit.json.partial"
    unfinished.write_text(json.dumps({"code": code}), "utf-8")
    unfinished.replace(folder / "exit.json")


def _end_with_parent(process: subprocess.Popen[bytes]) -> None:
    while os.read(0, 1):
        pass
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
