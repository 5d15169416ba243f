"""Tasks that run in the triggerer alone: one job each, whoever dies when, and no worker at all.

A part of the matrix runs always, the whole with ``make chaos``.
"""

from __future__ import annotations

import psutil
import pytest

from .emulator_process import until
from .services import AZURE_ML, MODELARTS
from .test_durable import (
    SECONDS,
    Run,
    healthy,
    in_the_whole,
    rows,
    slow,
    start,
    submissions,
    triggerer_of,
    two_triggerers,
)

__all__ = ["healthy", "start", "two_triggerers"]  # fixtures

pytestmark = pytest.mark.e2e


def no_worker(task):
    """Whether no executor ever got the task, and no process of a worker ever ran it."""
    return (task["queued_when"], task["pid"], task["executor"]) == (None, None, None)


@rows((MODELARTS,))
def test_a_task_runs_with_no_worker(start, airflow, service):
    """It is submitted, waited for and ended by the triggerer, with the XComs and the link of any other."""
    run = start("durable_worker_free")
    until(run.running, 60, "a running job")
    early = airflow.xcom(run.dag, run.id, "score", "job_id")
    job = run.end()

    assert (job["status"], early) == (service.done, job["id"])
    assert no_worker(run.task())
    result = airflow.xcom(run.dag, run.id, "score")
    assert (result["id"], result["state"], result["service"]) == (job["id"], "succeeded", service.name)
    assert airflow.xcom(run.dag, run.id, "score", "outputs") == result["outputs"]
    assert list(airflow.extra_links(run.dag, run.id, "score").values()) == [result["url"]]
    log = airflow.task_log(run.dag, run.id, "score")
    assert f"Submitted job {job['id']}" in log


def test_a_triggerer_renders_what_a_worker_would(airflow, emulator):
    """Dates, the run and its configuration, the task, and variables, for which the triggerer asks Airflow."""
    dag = "azure_ml_templates_worker_free"
    variables = {"owner": "night shift", "shop": '{"town": "Rome"}'}
    airflow.unpause(dag)
    for key, value in variables.items():
        airflow._api.call("POST", "variables", body={"key": key, "value": value})
    body = {"conf": {"input": "rendered"}, "logical_date": "2026-02-28T00:00:00Z"}
    run = airflow._api.call("POST", "dags", dag, "dagRuns", body=body)["dag_run_id"]

    assert airflow.wait_for_run(dag, run, SECONDS) == "success"
    assert no_worker(airflow.task_instances(dag, run)[0])
    job_id = airflow.xcom(dag, run, "score", "job_id")
    (job,) = [job for job in AZURE_ML.jobs(emulator) if job["id"] == job_id]
    assert (
        job["tags"].items()
        >= {
            "day": "2026-02-28 2026-03-01",
            "run": f"{run} rendered",
            "task": f"{dag}.score 1",
            "owner": "night shift, Rome, none",
        }.items()
    )


@rows((AZURE_ML,))
def test_a_job_that_fails_is_tried_again(start, airflow, service):
    """Airflow's retries hold; the second try submits a job of its own, and no worker helps."""
    run = start("recovers_worker_free")

    assert airflow.wait_for_run(run.dag, run.id, SECONDS) == "success"
    failed, done = run.jobs()
    assert (failed["status"], done["status"]) == (service.failed, service.done)
    assert no_worker(run.task())
    assert run.task()["try_number"] == 2
    assert airflow.xcom(run.dag, run.id, "score", "job_id") == done["id"]
    assert "Out of luck" in airflow.task_log(run.dag, run.id, "score", 1)


# --- the triggerer dies -----------------------------------------------------------------------------------


def die(airflow):
    airflow.kill("triggerer")
    airflow.restart("triggerer")


def one_job(run, service):
    assert run.end()["status"] == service.done
    assert no_worker(run.task())
    assert run.task()["try_number"] == 1


@rows()
def test_killed_before_the_request(start, airflow, emulator, service):
    """Nothing was sent; the next triggerer submits, in the same try."""
    under_way = slow(emulator, service.look_up, effect=False)
    run = start("durable_worker_free")
    until(under_way, 60, "the look-up")
    die(airflow)

    one_job(run, service)


@rows((AZURE_ML,))
def test_killed_after_the_service_accepted(start, airflow, emulator, service):
    """The answer never arrived; the next triggerer finds the job by its marker."""
    under_way = slow(emulator, service.submit, effect=True)
    run = start("durable_worker_free")
    until(under_way, 60, "the request")
    until(run.jobs, 30, "a job")
    die(airflow)

    one_job(run, service)


@rows()
def test_killed_before_the_record(start, airflow, emulator, service):
    """The answer arrived, but was not recorded: the process that speaks with the database stood still."""
    under_way = slow(emulator, service.submit, effect=True)
    run = start("durable_worker_free")
    until(under_way, 60, "the request")
    until(run.jobs, 30, "a job")
    main = psutil.Process(airflow.processes["triggerer"].pid)
    for process in (main, *main.children(recursive=True)):
        if process.children():  # The one without runs the triggers.
            process.suspend()
    emulator.control("DELETE", "faults")
    answered = len(submissions(emulator, service))
    until(lambda: len(submissions(emulator, service)) > answered, 30, "the answer")
    die(airflow)

    one_job(run, service)


@rows()
def test_killed_while_it_waits(start, airflow, service):
    """The next triggerer goes on with the job, which nobody cancels."""
    run = start("durable_worker_free")
    until(run.running, 60, "a running job")
    die(airflow)

    one_job(run, service)


@rows()
def test_a_job_that_fails_while_no_triggerer_is_there_ends_its_own_try(start, airflow, service):
    """A triggerer that goes on finds the try's job ended: the try fails, and nothing is submitted in it."""
    run = start("once_worker_free", "failing")
    until(run.jobs, 60, "a job")
    airflow.kill("triggerer")
    try:
        until(lambda: run.jobs()[0]["status"] == service.failed, 30, "the job's end")
    finally:
        airflow.restart("triggerer")

    run.end("failed")
    assert no_worker(run.task())


# --- what the user says -----------------------------------------------------------------------------------


def waiting(run):
    until(run.running, 60, "a running job")
    until(lambda: "Submitted" in run.airflow.task_log(run.dag, run.id, "score"), 30, "the record")


@rows((AZURE_ML, "failed"), state=("failed", "success"))
def test_marking_the_task_cancels_its_job(start, airflow, service, state):
    """Whoever marks a task as failed or succeeded has no use for its job."""
    run = start("once_worker_free", "endless")
    waiting(run)
    airflow.patch_task_state(run.dag, run.id, "score", state)

    until(run.ending, 60, "the cancellation")


@rows()
def test_marking_the_task_while_it_submits_cancels_its_job(start, airflow, emulator, service):
    """A request that is under way is not given up: its job would be left alone."""
    under_way = slow(emulator, service.submit, effect=True)
    run = start("once_worker_free", "endless")
    until(under_way, 60, "the request")
    airflow.patch_task_state(run.dag, run.id, "score", "failed")

    until(run.jobs, 30, "a job")
    until(run.ending, 60, "the cancellation")


@rows()
def test_clearing_the_task_cancels_its_job_and_submits_another(start, airflow, service):
    """A clear means: run it again."""
    run = start("once_worker_free", "endless")
    waiting(run)
    airflow.clear(run.dag, run.id, ["score"])

    until(lambda: len(run.jobs()) == 2, 90, "the second job")
    until(run.ending, 60, "the cancellation")
    until(lambda: run.running(1), 30, "the second job to run")
    airflow.patch_task_state(run.dag, run.id, "score", "failed")
    assert no_worker(run.task())


@rows()
def test_clearing_a_task_that_succeeded_submits_another_job(start, airflow, service):
    """The XComs of the first are gone as soon as the second is submitted."""
    run = start("durable_worker_free")
    first = run.end()
    airflow.clear(run.dag, run.id, ["score"])

    until(lambda: len(run.jobs()) == 2, 60, "the second job")
    assert airflow.wait_for_run(run.dag, run.id, SECONDS) == "success"
    second = run.jobs()[1]
    assert second["id"] != first["id"]
    assert airflow.xcom(run.dag, run.id, "score")["id"] == second["id"]
    assert no_worker(run.task())


@rows(kind=("timeout", "execution_timeout"))
def test_a_timeout_cancels_the_job(start, airflow, service, kind):
    """Of each kind; the task fails and names the job."""
    run = start(f"{kind}_worker_free", "endless")
    job = run.end("failed")

    assert service.ending(job)
    assert job["id"] in airflow.task_log(run.dag, run.id, "score")


@rows()
def test_a_job_that_shall_be_kept_is_kept(start, airflow, service):
    """cancel_on_kill=False leaves it running."""
    run = start("kept_worker_free", "endless")
    waiting(run)
    airflow.patch_task_state(run.dag, run.id, "score", "failed")

    airflow.wait_for_run(run.dag, run.id, 60)
    until(lambda: "Left job" in airflow.task_log(run.dag, run.id, "score"), 30, "the answer")
    assert run.running()


@in_the_whole
def test_mapped_tasks_are_deferred_by_workers(airflow, emulator):
    """Airflow tells the triggerer of a mapped task, too, that it starts there; no harm comes of it."""
    run_id = airflow.trigger("worker_free_mapped")

    assert airflow.wait_for_run("worker_free_mapped", run_id, SECONDS) == "success"
    for index in range(2):
        log = airflow.task_log("worker_free_mapped", run_id, "score", map_index=index)
        assert "in spite of start_from_trigger=True: it is mapped." in log
    jobs = emulator.jobs("simulated")
    paths = [given["uri"] for job in jobs for given in job["request"]["inputData"].values()]
    assert sorted(path[-1] for path in paths if "/worker_free_mapped/" in path) == ["a", "b"]


# --- two triggerers ---------------------------------------------------------------------------------------


@rows()
def test_one_of_two_triggerers_dies(emulator, two_triggerers, service):
    """The other takes over what it ran and what waited in it: one job each, in the first try of each."""
    airflow = two_triggerers
    # No end of a job is heard of before the kill, so that each triggerer holds tasks of both kinds by then.
    polls = {"method": "GET", "path": "/jobs|/executions"}
    emulator.control("POST", "faults", [{"action": "status", "status": 503, "match": polls}])

    def held_by_both(dag):
        """Start runs until both triggerers have some."""
        runs = []
        while len(set(map(triggerer_of, runs))) < 2:
            assert len(runs) < 20
            name = f"shared-{service.name}-{dag}-{len(runs)}"
            runs.append(Run(airflow, emulator, dag, name, service=service))
            until(runs[-1].jobs, 120, "a job")
            until(lambda: triggerer_of(runs[-1]), 60, "a triggerer")
        return runs

    worker_free, deferred = held_by_both("durable_worker_free"), held_by_both("durable_deferred")
    assert len(set(map(triggerer_of, worker_free))) == 2
    airflow.kill("triggerer")
    emulator.control("DELETE", "faults")
    try:
        for run in worker_free:
            one_job(run, service)
        for run in deferred:
            assert run.end()["status"] == service.done
            assert run.task()["try_number"] == 1
    finally:
        airflow.restart("triggerer")
