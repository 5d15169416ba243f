"""One job and a task that succeeds, whichever process of a real Airflow is killed when.

A part of the matrix runs always, the whole with ``make chaos``.
"""

from __future__ import annotations

import os
import re
import signal
from itertools import product
from pathlib import Path

import psutil
import pytest

from .emulator_process import until
from .services import AZURE_ML, MODELARTS, SERVICES

pytestmark = pytest.mark.e2e

WHOLE = bool(os.environ.get("CHAOS"))
SECONDS = 150
DAGS = Path(__file__).parent / "dags"

in_the_whole = pytest.mark.skipif(not WHOLE, reason="runs with make chaos")
WAYS = ("in_worker", "deferred")


def rows(*always, **axes):
    """Parametrize by service and *axes*; the rows that are not among *always* run in the whole."""
    matrix = [
        pytest.param(
            service,
            *row,
            id="-".join((service.name, *row)),
            marks=[] if (service, *row) in always else in_the_whole,
        )
        for service, *row in product(SERVICES, *axes.values())
    ]
    return pytest.mark.parametrize(("service", *axes), matrix)


@pytest.fixture(autouse=True)
def healthy(emulator):
    yield
    emulator.control("DELETE", "faults")


class Run:
    """A run of one of a service's DAGs, and what the service knows of its jobs."""

    def __init__(self, airflow, emulator, dag, name, deployment="brief", *, service=AZURE_ML):
        self.airflow, self.emulator, self.service, self.name = airflow, emulator, service, name
        self.dag = f"{service.name}_{dag}"
        self.id = airflow.trigger(self.dag, {"deployment": deployment, "input": name})

    def jobs(self):
        return [job for job in self.service.jobs(self.emulator) if self.service.folder(job) == self.name]

    def running(self, at=0):
        return len(self.jobs()) > at and self.service.running(self.jobs()[at])

    def ending(self):
        return self.service.ending(self.jobs()[0])

    def task(self):
        (task,) = self.airflow.task_instances(self.dag, self.id)
        return task

    def wait_for(self, *states, seconds=60):
        return self.airflow.wait_for_task(self.dag, self.id, "score", states, seconds)

    def end(self, state="success"):
        """Wait for the end of the run, and return its one job."""
        ended = self.airflow.wait_for_run(self.dag, self.id, SECONDS)
        logs = [
            self.airflow.task_log(self.dag, self.id, "score", number)
            for number in range(1, self.task()["try_number"] + 1)
        ]
        assert ended == state, "\n".join(logs)
        (job,) = self.jobs()
        assert self.airflow.xcom(self.dag, self.id, "score", "job_id") == job["id"]
        return job


@pytest.fixture
def start(airflow, emulator, service, request):
    def start(dag, deployment="brief"):
        name = request.node.name.replace("[", "-").replace("]", "")
        return Run(airflow, emulator, dag, name, deployment, service=service)

    return start


def kill_worker(airflow):
    """Kill the process that executes a task; its supervisor lives on and tells the scheduler."""
    pids = until(airflow.worker_pids, 30, "a process that executes the task")
    leaves = [pid for pid in pids if not children(pid)]
    for pid in leaves:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(map(alive, leaves)), 20, "the end of the process")


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def children(pid):
    try:
        return psutil.Process(pid).children()
    except psutil.NoSuchProcess:
        return []


def slow(emulator, match, *, effect):
    """Have the service take ten seconds for the next such request, after or before its effect."""
    fault = {"action": "latency", "seconds": 10, "effect": effect, "times": 1, "match": match}
    emulator.control("POST", "faults", [fault])
    return lambda: emulator.control("GET", "faults").json()["faults"][0]["times"] == 0


def submissions(emulator, service):
    path = service.submit.get("path", "")
    return [
        request
        for request in emulator.requests(service.plane)
        if request["method"] == "POST" and re.search(path, request["path"])
    ]


# --- the worker -------------------------------------------------------------------------------------------


@rows((AZURE_ML, "in_worker"), waits=WAYS)
def test_killed_before_the_request(start, airflow, emulator, service, waits):
    """Nothing was sent; the retry submits."""
    under_way = slow(emulator, service.look_up, effect=False)
    run = start(f"durable_{waits}")
    until(under_way, 60, "the look-up")
    kill_worker(airflow)

    assert run.end()["status"] == service.done


@rows((AZURE_ML, "deferred"), (MODELARTS, "deferred"), waits=WAYS)
def test_killed_after_the_service_accepted(start, airflow, emulator, service, waits):
    """The answer never arrived; the retry finds the job by its marker."""
    under_way = slow(emulator, service.submit, effect=True)
    run = start(f"durable_{waits}")
    until(under_way, 60, "the request")
    until(run.jobs, 30, "a job")
    kill_worker(airflow)

    assert run.end()["status"] == service.done


@rows(waits=WAYS)
def test_killed_before_the_record(start, airflow, emulator, service, waits):
    """The answer arrived, but Airflow could not be told: its API server stood still."""
    under_way = slow(emulator, service.submit, effect=True)
    run = start(f"durable_{waits}")
    until(under_way, 60, "the request")
    until(run.jobs, 30, "a job")
    server = psutil.Process(airflow.processes["api-server"].pid)
    for process in (server, *server.children(recursive=True)):
        process.suspend()
    try:
        emulator.control("DELETE", "faults")
        answered = len(submissions(emulator, service))
        until(lambda: len(submissions(emulator, service)) > answered, 30, "the answer")
        kill_worker(airflow)
    finally:
        for process in (server, *server.children(recursive=True)):
            process.resume()

    assert run.end()["status"] == service.done


@rows((AZURE_ML, "in_worker"), waits=WAYS)
def test_killed_after_the_record(start, airflow, service, waits):
    """The retry takes the recorded job up, while deferring or while it waits."""
    run = start(f"durable_{waits}")
    until(run.jobs, 60, "a job")
    if waits == "in_worker":
        until(run.running, 30, "a running job")
    kill_worker(airflow)

    assert run.end()["status"] == service.done


@rows()
def test_killed_while_it_goes_on(start, airflow, service):
    """A worker that dies on its way out of the deferral takes the finished job up again."""
    run = start("durable_deferred")
    run.wait_for("deferred")
    until(lambda: not airflow.worker_pids(), 30, "the worker to go")
    run.wait_for("queued", "running", "scheduled")
    kill_worker(airflow)

    assert run.end()["status"] == service.done


# --- the others -------------------------------------------------------------------------------------------


@rows((AZURE_ML,), (MODELARTS,))
def test_the_triggerer_is_killed(start, airflow, service):
    """The next triggerer goes on with the job, which nobody cancels."""
    run = start("durable_deferred")
    run.wait_for("deferred")
    airflow.kill("triggerer")
    airflow.restart("triggerer")

    job = run.end()
    assert job["status"] == service.done
    assert run.task()["try_number"] == 1


@rows((AZURE_ML,))
def test_the_triggerer_is_killed_while_it_submits(start, airflow, emulator, service):
    """A trigger keeps its record where the next triggerer finds it; an answer that was lost is looked for."""
    under_way = slow(emulator, service.submit, effect=True)
    run = start("in_trigger")
    until(under_way, 60, "the request")
    until(run.jobs, 30, "a job")
    airflow.kill("triggerer")
    airflow.restart("triggerer")

    assert airflow.wait_for_run(run.dag, run.id, SECONDS) == "success"
    (job,) = run.jobs()
    assert airflow.xcom(run.dag, run.id, "score") == {"job": job["id"], "alone": True}


@rows(waits=WAYS)
def test_the_scheduler_is_killed(start, airflow, service, waits):
    """Its workers die with it: the task is found dead and tried again, and finds its job."""
    run = start(f"durable_{waits}")
    until(run.jobs, 60, "a job")
    airflow.kill("scheduler")
    airflow.restart("scheduler")

    assert run.end()["status"] == service.done


# --- what the user says -----------------------------------------------------------------------------------


def waiting(run, waits):
    """Let the task wait for its endless job; return the job."""
    until(run.running, 60, "a running job")
    run.wait_for("deferred" if waits == "deferred" else "running")
    (job,) = run.jobs()
    return job


@rows(
    (AZURE_ML, "failed", "in_worker"),
    (AZURE_ML, "failed", "deferred"),
    (MODELARTS, "failed", "deferred"),
    state=("failed", "success"),
    waits=WAYS,
)
def test_marking_the_task_cancels_its_job(start, airflow, service, state, waits):
    """Whoever marks a task as failed or succeeded has no use for its job."""
    run = start(f"once_{waits}", "endless")
    waiting(run, waits)
    airflow.patch_task_state(run.dag, run.id, "score", state)

    until(run.ending, 60, "the cancellation")


@rows((AZURE_ML, "deferred"), (MODELARTS, "deferred"), waits=WAYS)
def test_clearing_the_task_cancels_its_job_and_submits_another(start, airflow, service, waits):
    """A clear means: run it again."""
    run = start(f"once_{waits}", "endless")
    waiting(run, waits)
    airflow.clear(run.dag, run.id, ["score"])

    until(lambda: len(run.jobs()) == 2, 90, "the second job")
    until(run.ending, 60, "the cancellation")
    until(lambda: run.running(1), 30, "the second job to run")
    airflow.patch_task_state(run.dag, run.id, "score", "failed")


@rows(
    (AZURE_ML, "timeout", "deferred"),
    (AZURE_ML, "execution_timeout", "in_worker"),
    kind=("timeout", "execution_timeout"),
    waits=WAYS,
)
def test_a_timeout_cancels_the_job(start, airflow, service, kind, waits):
    """Of each kind, wherever the task waits; the task fails and names the job."""
    run = start(f"{kind}_{waits}", "endless")
    job = run.end("failed")

    assert service.ending(job)
    assert job["id"] in airflow.task_log(run.dag, run.id, "score")


@rows(waits=WAYS)
def test_a_job_that_shall_be_kept_is_kept(start, airflow, service, waits):
    """cancel_on_kill=False leaves it running."""
    run = start(f"kept_{waits}", "endless")
    waiting(run, waits)
    airflow.patch_task_state(run.dag, run.id, "score", "failed")

    airflow.wait_for_run(run.dag, run.id, 60)
    until(lambda: not airflow.worker_pids(), 30, "the worker to go")
    assert run.running()


@rows((AZURE_ML,))
def test_a_restart_of_the_triggerer_and_an_outage_cancel_nothing(start, airflow, emulator, service):
    """Neither is the user's word."""
    run = start("durable_deferred", "endless")
    waiting(run, "deferred")
    emulator.control(
        "POST", "faults", [{"action": "status", "status": 503, "match": {"plane": service.plane}}]
    )
    airflow.restart("triggerer")
    seen = len(emulator.requests(service.plane))
    until(lambda: len(emulator.requests(service.plane)) > seen + 3, 60, "polls that fail")
    emulator.control("DELETE", "faults")

    assert run.running()
    assert run.task()["state"] == "deferred"
    airflow.patch_task_state(run.dag, run.id, "score", "failed")


@pytest.fixture(scope="module")
def two_triggerers(emulator, airflow_factory):
    env = {"AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10"}
    return airflow_factory(DAGS, connections=emulator.connections, env=env, triggerers=2)


@rows()
def test_a_triggerer_that_stalls_and_comes_back_cancels_nothing(emulator, two_triggerers, service):
    """Airflow calls on_kill() of a trigger that another triggerer has taken over: nobody's word."""
    airflow = two_triggerers
    run = Run(airflow, emulator, "once_deferred", f"stalls-{service.name}", "endless", service=service)
    waiting(run, "deferred")
    holder = until(lambda: triggerer_of(run), 30, "a triggerer")
    for name in ("triggerer", "triggerer-2"):
        airflow.suspend(name)
        if moved(run, holder, 40):
            break
        airflow.resume(name)
    else:
        pytest.fail("no other triggerer took over")
    airflow.resume(name)
    until(
        lambda: "Trigger cancelled" in airflow.task_log(run.dag, run.id, "score"), 60, "the call of on_kill"
    )
    until(lambda: "Left job" in airflow.task_log(run.dag, run.id, "score"), 30, "the answer")

    assert run.running()
    assert run.task()["state"] == "deferred"


def moved(run, holder, seconds):
    """Wait until another triggerer has the trigger; say whether it came to that."""
    try:
        return until(lambda: triggerer_of(run) not in (None, holder), seconds, "another triggerer")
    except AssertionError:
        return False


def triggerer_of(run):
    return (run.task().get("triggerer_job") or {}).get("id")
