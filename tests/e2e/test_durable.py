"""One job and a task that succeeds, whichever process of a real Airflow is killed when.

A part of the matrix runs always, the whole with ``make chaos``.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from .emulator_process import until

pytestmark = pytest.mark.e2e

WHOLE = bool(os.environ.get("CHAOS"))
INVOKE = {"method": "POST", "plane": "batch"}
LOOK_UP = {"method": "GET", "path": "batchEndpoints/simulated$"}
SECONDS = 150
DAGS = Path(__file__).parent / "dags"

in_the_whole = pytest.mark.skipif(not WHOLE, reason="runs with make chaos")
both_ways = pytest.mark.parametrize("waits", ["in_worker", pytest.param("deferred", marks=in_the_whole)])
some_ways = pytest.mark.parametrize("waits", [pytest.param("in_worker", marks=in_the_whole), "deferred"])


@pytest.fixture(autouse=True)
def healthy(emulator):
    yield
    emulator.control("DELETE", "faults")


class Run:
    """A run of one of the DAGs, and what the service knows of its jobs."""

    def __init__(self, airflow, emulator, dag, name, deployment="brief"):
        self.airflow, self.emulator, self.dag, self.name = airflow, emulator, dag, name
        self.id = airflow.trigger(dag, {"deployment": deployment, "input": name})

    def jobs(self):
        jobs = self.emulator.jobs("simulated")
        return [job for job in jobs if job["request"]["inputData"]["UriFolder"]["uri"].endswith(self.name)]

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
def start(airflow, emulator, request):
    def start(dag, deployment="brief"):
        name = request.node.name.replace("[", "-").replace("]", "")
        return Run(airflow, emulator, dag, name, deployment)

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


# --- the worker -------------------------------------------------------------------------------------------


@both_ways
def test_killed_before_the_request(start, airflow, emulator, waits):
    """Nothing was sent; the retry submits."""
    under_way = slow(emulator, LOOK_UP, effect=False)
    run = start(f"durable_{waits}")
    until(under_way, 60, "the look-up")
    kill_worker(airflow)

    assert run.end()["status"] == "Completed"


@some_ways
def test_killed_after_the_service_accepted(start, airflow, emulator, waits):
    """The answer never arrived; the retry finds the job by its marker."""
    under_way = slow(emulator, INVOKE, effect=True)
    run = start(f"durable_{waits}")
    until(under_way, 60, "the request")
    until(run.jobs, 30, "a job")
    kill_worker(airflow)

    assert run.end()["status"] == "Completed"


@in_the_whole
@pytest.mark.parametrize("waits", ["in_worker", "deferred"])
def test_killed_before_the_record(start, airflow, emulator, waits):
    """The answer arrived, but Airflow could not be told: its API server stood still."""
    under_way = slow(emulator, INVOKE, effect=True)
    run = start(f"durable_{waits}")
    until(under_way, 60, "the request")
    until(run.jobs, 30, "a job")
    server = psutil.Process(airflow.processes["api-server"].pid)
    for process in (server, *server.children(recursive=True)):
        process.suspend()
    try:
        emulator.control("DELETE", "faults")
        answered = [entry for entry in emulator.requests("batch") if entry["method"] == "POST"]
        until(
            lambda: len([e for e in emulator.requests("batch") if e["method"] == "POST"]) > len(answered),
            30,
            "the answer",
        )
        kill_worker(airflow)
    finally:
        for process in (server, *server.children(recursive=True)):
            process.resume()

    assert run.end()["status"] == "Completed"


@both_ways
def test_killed_after_the_record(start, airflow, emulator, waits):
    """The retry takes the recorded job up, while deferring or while it waits."""
    run = start(f"durable_{waits}")
    until(run.jobs, 60, "a job")
    if waits == "in_worker":
        until(lambda: [job for job in run.jobs() if job["status"] == "Running"], 30, "a running job")
    kill_worker(airflow)

    assert run.end()["status"] == "Completed"


@in_the_whole
def test_killed_while_it_goes_on(start, airflow):
    """A worker that dies on its way out of the deferral takes the finished job up again."""
    run = start("durable_deferred")
    run.wait_for("deferred")
    until(lambda: not airflow.worker_pids(), 30, "the worker to go")
    run.wait_for("queued", "running", "scheduled")
    kill_worker(airflow)

    assert run.end()["status"] == "Completed"


# --- the others -------------------------------------------------------------------------------------------


def test_the_triggerer_is_killed(start, airflow):
    """The next triggerer goes on with the job, which nobody cancels."""
    run = start("durable_deferred")
    run.wait_for("deferred")
    airflow.kill("triggerer")
    airflow.restart("triggerer")

    job = run.end()
    assert job["status"] == "Completed"
    assert run.task()["try_number"] == 1


def test_the_triggerer_is_killed_while_it_submits(start, airflow, emulator):
    """A trigger keeps its record where the next triggerer finds it; an answer that was lost is looked for."""
    under_way = slow(emulator, INVOKE, effect=True)
    run = start("in_trigger")
    until(under_way, 60, "the request")
    until(run.jobs, 30, "a job")
    airflow.kill("triggerer")
    airflow.restart("triggerer")

    assert airflow.wait_for_run(run.dag, run.id, SECONDS) == "success"
    (job,) = run.jobs()
    assert airflow.xcom(run.dag, run.id, "score") == {"job": job["id"], "alone": True}


@in_the_whole
@pytest.mark.parametrize("waits", ["in_worker", "deferred"])
def test_the_scheduler_is_killed(start, airflow, waits):
    """Its workers die with it: the task is found dead and tried again, and finds its job."""
    run = start(f"durable_{waits}")
    until(run.jobs, 60, "a job")
    airflow.kill("scheduler")
    airflow.restart("scheduler")

    assert run.end()["status"] == "Completed"


# --- what the user says -----------------------------------------------------------------------------------


def waiting(run, waits):
    """Let the task wait for its endless job; return the job."""
    until(lambda: [job for job in run.jobs() if job["status"] == "Running"], 60, "a running job")
    run.wait_for("deferred" if waits == "deferred" else "running")
    (job,) = run.jobs()
    return job


def status(run, at=0):
    return run.jobs()[at]["status"]


@pytest.mark.parametrize("waits", ["in_worker", "deferred"])
@pytest.mark.parametrize("state", ["failed", pytest.param("success", marks=in_the_whole)])
def test_marking_the_task_cancels_its_job(start, airflow, waits, state):
    """Whoever marks a task as failed or succeeded has no use for its job."""
    run = start(f"once_{waits}", "endless")
    waiting(run, waits)
    airflow.patch_task_state(run.dag, run.id, "score", state)

    until(lambda: status(run) in ("CancelRequested", "Canceled"), 60, "the cancellation")


@some_ways
def test_clearing_the_task_cancels_its_job_and_submits_another(start, airflow, waits):
    """A clear means: run it again."""
    run = start(f"once_{waits}", "endless")
    waiting(run, waits)
    airflow.clear(run.dag, run.id, ["score"])

    until(lambda: len(run.jobs()) == 2, 90, "the second job")
    until(lambda: status(run) in ("CancelRequested", "Canceled"), 60, "the cancellation")
    until(lambda: status(run, 1) == "Running", 30, "the second job to run")
    airflow.patch_task_state(run.dag, run.id, "score", "failed")


@pytest.mark.parametrize(
    "dag",
    [
        pytest.param("timeout_in_worker", marks=in_the_whole),
        "timeout_deferred",
        "execution_timeout_in_worker",
        pytest.param("execution_timeout_deferred", marks=in_the_whole),
    ],
)
def test_a_timeout_cancels_the_job(start, airflow, dag):
    """Of each kind, wherever the task waits; the task fails and names the job."""
    run = start(dag, "endless")
    job = run.end("failed")

    assert job["status"] in ("CancelRequested", "Canceled")
    assert job["id"] in airflow.task_log(run.dag, run.id, "score")


@in_the_whole
@pytest.mark.parametrize("waits", ["in_worker", "deferred"])
def test_a_job_that_shall_be_kept_is_kept(start, airflow, waits):
    """cancel_on_kill=False leaves it running."""
    run = start(f"kept_{waits}", "endless")
    waiting(run, waits)
    airflow.patch_task_state(run.dag, run.id, "score", "failed")

    airflow.wait_for_run(run.dag, run.id, 60)
    until(lambda: not airflow.worker_pids(), 30, "the worker to go")
    assert status(run) == "Running"


def test_a_restart_of_the_triggerer_and_an_outage_cancel_nothing(start, airflow, emulator):
    """Neither is the user's word."""
    run = start("durable_deferred", "endless")
    waiting(run, "deferred")
    emulator.control("POST", "faults", [{"action": "status", "status": 503, "match": {"plane": "batch"}}])
    airflow.restart("triggerer")
    seen = len(emulator.requests("batch"))
    until(lambda: len(emulator.requests("batch")) > seen + 3, 60, "polls that fail")
    emulator.control("DELETE", "faults")

    assert status(run) == "Running"
    assert run.task()["state"] == "deferred"
    airflow.patch_task_state(run.dag, run.id, "score", "failed")


@in_the_whole
def test_a_triggerer_that_stalls_and_comes_back_cancels_nothing(emulator, airflow_factory):
    """Airflow calls on_kill() of a trigger that another triggerer has taken over: nobody's word."""
    airflow = airflow_factory(
        DAGS,
        connections={"azure_ml_default": emulator.connection},
        env={"AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10"},
        triggerers=2,
    )
    run = Run(airflow, emulator, "once_deferred", "stalls", "endless")
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

    assert status(run) == "Running"
    assert run.task()["state"] == "deferred"


def moved(run, holder, seconds):
    """Wait until another triggerer has the trigger; say whether it came to that."""
    try:
        return until(lambda: triggerer_of(run) not in (None, holder), seconds, "another triggerer")
    except AssertionError:
        return False


def triggerer_of(run):
    return (run.task().get("triggerer_job") or {}).get("id")
