"""Run one Airflow command: import what it needs, wait for the word on standard input, then run it.

Most of Airflow's start-up is imports. So they run while the database is still being migrated, and only the
command itself waits for that.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import signal
import sys

GO = b"go\n"

_PR_SET_PDEATHSIG = 1  # From Linux's <sys/prctl.h>.

# What each command imports by itself, only later.
_IMPORTS = {
    "api-server": ("airflow.api_fastapi.main",),
    "scheduler": ("airflow.jobs.scheduler_job_runner", "airflow.executors.local_executor"),
    "dag-processor": ("airflow.dag_processing.manager", "airflow.api_fastapi.execution_api.routes"),
    "triggerer": ("airflow.jobs.triggerer_job_runner", "airflow.api_fastapi.execution_api.routes"),
}


def main() -> None:
    """Run ``airflow`` with the arguments after the parent's pid, once standard input says so.

    The end of standard input means never.
    """
    _end_with(parent=int(sys.argv.pop(1)))
    gc.disable()  # Modules are no garbage, and looking for some takes a fifth of the time.
    for module in _IMPORTS.get(sys.argv[1], ()):
        importlib.import_module(module)
    gc.freeze()  # Nor at later collections, nor at the end.
    gc.enable()
    if sys.stdin.buffer.readline() == GO:
        from airflow.__main__ import main as airflow

        airflow()


def _end_with(*, parent: int) -> None:
    """Have Linux end this process when its parent is killed and so cannot do it.

    Strictly, when the thread ends that started it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit("The parent has ended.")


if __name__ == "__main__":
    main()
