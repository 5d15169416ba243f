"""One job and a task that succeeds, wherever between two words with Airflow the process of a task is killed.

They run with ``make chaos``.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from airflow_batch_provider.demo.airflow_settings import free_port

from .conftest import SOON
from .emulator_process import until
from .gate import Gate
from .services import SERVICES
from .test_durable import Run, alive, children, in_the_whole

pytestmark = [pytest.mark.e2e, in_the_whole]

DAGS = Path(__file__).parent / "dags"
POINTS = {
    "intent": lambda method, path, body: method == "PUT" and "/store/ti/" in path,
    "record": lambda method, path, body: (
        method == "PUT" and "/store/ti/" in path and json.loads(body)["value"].get("ref")
    ),
    "job_id": lambda method, path, body: method == "POST" and path.endswith("/job_id"),
    "deferral": lambda method, path, body: method == "PATCH" and _state(body) == "deferred",
    "resumption": lambda method, path, body: method == "PATCH" and path.endswith("/run"),
    "result": lambda method, path, body: method == "POST" and path.endswith("/return_value"),
    "success": lambda method, path, body: method == "PATCH" and _state(body) == "success",
}


def _state(body):
    return json.loads(body).get("state")


@pytest.fixture(scope="module")
def gate():
    with Gate(f"http://127.0.0.1:{free_port(0)}") as gate:
        yield gate


@pytest.fixture(scope="module")
def airflow(airflow_factory, emulator, gate):
    return airflow_factory(
        DAGS,
        connections=emulator.connections,
        env=SOON | {"AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{gate.url}/execution/"},
        port=int(gate.upstream.rpartition(":")[2]),
    )


ON_A_WORKER = [point for point in POINTS if point not in ("deferral", "resumption")]


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
@pytest.mark.parametrize("effect", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("victim", ["process", "worker", "scheduler"])
@pytest.mark.parametrize(
    ("waits", "point"),
    [("in_worker", point) for point in ON_A_WORKER] + [("deferred", point) for point in POINTS],
)
def test_killed_at(airflow, emulator, gate, service, waits, *, point, victim, effect):
    """Before or after the effect of each request to Airflow.

    The task's process; its supervisor, too; or the scheduler, with all workers of its executor.
    """
    resumes = point == "resumption"
    if resumes and victim == "worker" and not effect:
        pytest.skip("Nothing of the task runs yet, and that nobody runs a queued task is Airflow's to find")
    # A supervisor of the test before may still say its last word, which the gate would take for this one's.
    until(lambda: airflow.worker_pids() == [], 60, "the end of all processes that execute tasks")
    if not resumes:
        gate.hold(POINTS[point], effect=effect)
    name = f"{waits}-{point}-{victim}-{'after' if effect else 'before'}"
    run = Run(airflow, emulator, f"durable_{waits}", name, service=service)
    if resumes:
        run.wait_for("deferred")
        gate.hold(POINTS[point], effect=effect)
    gate.wait(60)
    kill(airflow, victim)
    gate.open()
    if victim == "scheduler":
        airflow.restart("scheduler")

    assert run.end()["status"] == service.done


def kill(airflow, victim):
    pids = until(airflow.worker_pids, 30, "a process that executes the task")
    chosen = [pid for pid in pids if not children(pid)] if victim == "process" else pids
    if victim == "scheduler":
        airflow.kill("scheduler")
    else:
        for pid in chosen:
            os.kill(pid, signal.SIGKILL)
    until(lambda: not any(map(alive, chosen)), 20, "the end of the process")
