"""Many tasks with no worker, run by two triggerers that are killed, while a fifth of all requests goes wrong.

The triggers are the real ones, and so is what they do with XComs, but for Airflow's own supervisor and API
server, which `airflow_by_http` stands for. ``CHAOS_SUBMISSIONS`` and ``CHAOS_SEED`` are as for
`test_submissions`, but there are a quarter as many tasks, for the sake of time; without them there are few,
and the service is less late.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from airflow_batch_provider.jobs import Policy
from tests.secret_scan import look

from .airflow_by_http import AirflowByHttp, InTrigger, Scheduler
from .conftest import SEED
from .services import AZURE_ML, MODELARTS
from .verdict import check, names

IN_FULL = os.environ.get("CHAOS") == "1"
TASKS = int(os.environ.get("CHAOS_SUBMISSIONS", "150")) // 4 if IN_FULL else 24
KILL_SECONDS = (10.0, 25.0) if IN_FULL else (2.0, 3.0)
MOVES = 0.002 if IN_FULL else 0.01
POLICY = Policy(under_way=4.0, late=6.0) if IN_FULL else Policy(under_way=2.0, late=2.0)
TRIES = 8


@pytest.fixture(params=[AZURE_ML, MODELARTS] if IN_FULL else [AZURE_ML], ids=lambda service: service.name)
def service(request):
    return request.param


@pytest.fixture
def list_lag():
    return 3.0 if IN_FULL else 1.0


def trigger_kwargs(service):
    """Return what Airflow stores of the task, which reads the folder that its run has as a parameter."""

    class Brisk(service.operator):
        def _policy(self):
            return POLICY

    operator = Brisk(
        task_id="task",
        start_from_trigger=True,
        poll_interval=2,
        outage_tolerance=120,
        retries=TRIES - 1,
        **service.order("{{ params.folder }}"),
    )
    assert operator.start_from_trigger, operator._why_worker
    return operator.start_trigger_args.trigger_kwargs


@pytest.fixture
def triggerers(tmp_path):
    """Start triggerers that write into one log."""
    command = [sys.executable, "-m", "tests.chaos.triggerer"]
    with (tmp_path / "log").open("w") as log:
        parent = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1
        )
    children = {}

    def start(line):
        print(line, file=parent.stdin, flush=True)
        children[line] = int(parent.stdout.readline())

    yield parent, children, start
    for child in children.values():
        os.kill(child, signal.SIGKILL)
    parent.stdin.close()
    parent.stdout.close()
    parent.wait(10)
    look("log of the triggerers", (tmp_path / "log").read_text())


def kill(children, name):
    os.kill(children.pop(name), signal.SIGKILL)


def test_every_task_has_one_job_whoever_dies(emulator, service, triggerers):
    """At any word, by SIGKILL, or because another triggerer is given the task."""
    print(f"{service.name}: {TASKS} tasks with no worker, seed {SEED}")
    parent, children, start = triggerers
    tasks = {
        name: InTrigger(name, folder, dag_id=name.partition(" ")[0] if "twin" in name else name)
        for name, folder in names(TASKS)
    }
    chance = random.Random(SEED)
    scheduler = Scheduler(tasks, TRIES, MOVES, chance)
    began, killed = time.monotonic(), 0
    with AirflowByHttp(scheduler) as airflow:
        given = {"url": airflow.url, "kwargs": trigger_kwargs(service), "seed": SEED}
        print(json.dumps(given), file=parent.stdin, flush=True)
        for number in (1, 2):
            start(f"triggerer-{number}")
            scheduler.alive.append(f"triggerer-{number}")
        scheduler.share()
        next_kill = time.monotonic() + chance.uniform(*KILL_SECONDS)
        while not all(task.ended for task in tasks.values()):
            going = [task.name for task in tasks.values() if not task.ended]
            assert time.monotonic() - began < 120 + 3 * TASKS, f"still going: {going}"
            time.sleep(0.1)
            if time.monotonic() > next_kill and (IN_FULL or killed < 2):
                victim = chance.choice(scheduler.alive)
                kill(children, victim)
                start(f"triggerer-{killed + 3}")
                with airflow.lock:
                    scheduler.alive.append(f"triggerer-{killed + 3}")
                    scheduler.died(victim)
                killed += 1
                next_kill = time.monotonic() + chance.uniform(*KILL_SECONDS)
    xcoms = airflow.airflow.xcoms
    for task in tasks.values():
        if task.outcome != "SubmissionUnknown":
            result = xcoms[task.name].get("return_value", {})
            task.outcome, task.job_id = result.get("status", task.outcome), result.get("id", "")
            assert xcoms[task.name]["job_id"] == task.job_id
    print(f"{killed} triggerers killed, {scheduler.deaths} triggers died, {scheduler.moved} moved")

    assert killed
    assert scheduler.deaths
    check(tasks.values(), service, emulator, time.monotonic() - began)
