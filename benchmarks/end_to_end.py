"""What many tasks cost a whole Airflow on PostgreSQL: deferred, with no worker, and the official provider's.

Scheduler with its local executor, triggerer, DAG processor, API server and database run on this machine. Each
task starts a remote job of twenty seconds and waits for it: at the emulator, or, for the deferred operator of
the official Data Factory provider, at a service that answers as Data Factory does. Each kind has a new
Airflow. Time and CPU are from the run's start to its end; CPU is that of Airflow's processes and of
PostgreSQL, and so is memory, shared pages counted once.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from waits.postgres import NoPostgresError, postgres
from waits.server import JOB_SECONDS

from airflow_batch_provider.demo.local_airflow import LocalAirflow
from airflow_batch_provider.emulator.server import Emulator

HERE = Path(__file__).parent
_ROW = "| {:<12} | {:>5} | {:>9} | {:>8} | {:>6} | {:>9} | {:>13} | {:>14} |"
_HEAD = ("", "tasks", "succeeded", "wall s", "CPU s", "peak MB", "worker starts", "worker seconds")
_KINDS = {
    "deferred": "deferred",
    "worker_free": "no worker",
    "data_factory": "Data Factory",
}
_SETUP = f"""
endpoints:
  endless:
    defaults: {{deployment_name: endless}}
    deployments:
      endless: {{emulator: {{run_seconds: {JOB_SECONDS}}}}}
"""
_SHOWN, _SHOWN_LINES = 3, 20
_LOOK_SECONDS, _WEIGH_SECONDS = 0.1, 2.0


class Watched:
    """What an Airflow and its database cost, looked at from outside.

    Args:
        airflow: Running.
        database: Process id of PostgreSQL.
    """

    def __init__(self, airflow: LocalAirflow, database: int) -> None:
        self.peak = 0.0
        self.workers: set[int] = set()
        self.worker_seconds = 0.0
        self._airflow = airflow
        self._roots = [*(one.pid for one in airflow.processes.values()), database]
        self._over = threading.Event()
        self._spent = self._cpu()

    @contextmanager
    def looked_at(self) -> Iterator[None]:
        """Look, until the block ends."""
        looking = [threading.Thread(target=self._look), threading.Thread(target=self._weigh)]
        for thread in looking:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in looking:
                thread.join()

    def cpu(self) -> float:
        """Return the seconds of computing since the beginning."""
        return self._cpu() - self._spent

    def _cpu(self) -> float:
        total = 0.0
        for process in self._all():
            with suppress(psutil.NoSuchProcess):
                used = process.cpu_times()
                # Of those below it that have ended; the living are counted by themselves.
                total += used.user + used.system + used.children_user + used.children_system
        return total

    def _all(self) -> set[psutil.Process]:
        found = set()
        for root in self._roots:
            with suppress(psutil.NoSuchProcess):
                leader = psutil.Process(root)
                found |= {leader, *leader.children(recursive=True)}
        return found

    def _look(self) -> None:
        scheduler = psutil.Process(self._airflow.processes["scheduler"].pid)
        before = time.monotonic()
        while not self._over.wait(_LOOK_SECONDS):
            now = time.monotonic()
            running = set(_tasks(scheduler))
            self.workers |= running
            self.worker_seconds += len(running) * (now - before)
            before = now

    def _weigh(self) -> None:
        while not self._over.wait(_WEIGH_SECONDS):
            self.peak = max(self.peak, sum(map(_megabytes, self._all())))


def _tasks(scheduler: psutil.Process) -> Iterator[int]:
    """Give the processes that run a task: children of the executor's workers, one for each start."""
    with suppress(psutil.NoSuchProcess):
        for worker in scheduler.children():
            with suppress(psutil.NoSuchProcess):
                yield from (task.pid for task in worker.children())


def _megabytes(process: psutil.Process) -> float:
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        return next(float(line.split()[1]) / 1000 for line in lines if line.startswith("Pss:"))
    return 0.0


@contextmanager
def service() -> Iterator[str]:
    """Run what answers as Data Factory does; give its address."""
    command = [sys.executable, str(HERE / "waits" / "server.py"), "0", "1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        port = (server.stdout or sys.stdin).readline().strip()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.communicate()


def measured(kind: str, tasks: int, interval: float, folder: Path) -> str:
    """Run one kind of tasks in an Airflow of its own; return a line of the table."""
    dags = folder / "dags"
    dags.mkdir()
    shutil.copy(HERE / "waits" / "end_to_end_dags.py", dags)
    (folder / "setup.yml").write_text(_SETUP)
    with (
        postgres() as (database, pid),
        service() as url,
        Emulator(folder / "state", setup=folder / "setup.yml") as emulator,
        LocalAirflow(
            folder / "home",
            dags,
            connections={"service": emulator.airflow_connection(), "factory": _factory()},
            env={
                "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)]),
                "WAITS_URL": url,
                "WAITS_TASKS": str(tasks),
                "WAITS_INTERVAL": str(interval),
                "WAITS_DATA_FACTORY": "1" if kind == "data_factory" else "",
                "AIRFLOW__CORE__DEFAULT_POOL_TASK_SLOT_COUNT": str(tasks),
                "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": str(tasks),
                "AIRFLOW__AIRFLOW_BATCH_PROVIDER__POLLS_PER_SECOND": "0",
            },
            database=database,
        ) as airflow,
    ):
        airflow.unpause(kind)
        watched = Watched(airflow, pid)
        with watched.looked_at():
            began = time.monotonic()
            run = airflow.trigger(kind)
            while airflow.dag_run(kind, run)["state"] not in ("success", "failed"):
                if time.monotonic() - began > 60 + 10 * tasks:
                    break
                time.sleep(1)
            took = time.monotonic() - began
            spent = watched.cpu()
        others = [one for one in airflow.task_instances(kind, run) if one["state"] != "success"]
        for one in others[:_SHOWN]:
            told = airflow.task_log(kind, run, one["task_id"], max(1, one["try_number"])).splitlines()
            print(one["task_id"], one["state"], *told[-_SHOWN_LINES:], sep="\n  ", file=sys.stderr)
    return _ROW.format(
        _KINDS[kind],
        tasks,
        tasks - len(others),
        f"{took:.0f}",
        f"{spent:.0f}",
        f"{watched.peak:.0f}",
        len(watched.workers),
        f"{watched.worker_seconds:.0f}",
    )


def _factory() -> dict[str, Any]:
    extra = json.dumps({"tenantId": "t", "subscriptionId": "s"})
    return {"conn_type": "azure_data_factory", "login": "i", "password": "p", "extra": extra}


def main() -> None:
    """Print a table, or why there is none."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between two polls")
    parser.add_argument("--kinds", nargs="+", choices=_KINDS, default=list(_KINDS))
    options = parser.parse_args()
    if importlib.util.find_spec("psycopg2") is None or importlib.util.find_spec("asyncpg") is None:
        print("Skipped: Airflow needs psycopg2 and asyncpg for PostgreSQL, which the extra 'bench' installs.")
        return
    print(__doc__)
    print(_ROW.format(*_HEAD))
    print("|" + len(_HEAD) * "---|", flush=True)
    try:
        for kind in options.kinds:
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                print(measured(kind, options.tasks, options.interval, Path(folder)), flush=True)
    except NoPostgresError as error:
        print(f"Skipped: {error}.")


if __name__ == "__main__":
    main()
