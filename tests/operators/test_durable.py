"""What an operator does when its task is killed, times out, or meets trouble after its job was accepted."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
from airflow.sdk.exceptions import AirflowTaskTimeout, TaskDeferred
from airflow.sdk.execution_time.timeout import timeout
from structlog.testing import capture_logs

from airflow_batch_provider import errors
from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator
from airflow_batch_provider.operators.records import KEY

ENDLESS = {"endpoint_name": "endless", "input": "azureml:good@latest", "poll_interval": 0.5}
INVOKE = {"method": "POST", "plane": "batch"}
ENDING = ("CancelRequested", "Canceled")


def operator(**arguments):
    return AzureMLBatchEndpointOperator(task_id="task", **{**ENDLESS, **arguments})


def told(logs):
    return "\n".join(log["event"] % log.get("positional_args", ()) for log in logs)


def new_jobs(emulator, before):
    return emulator.jobs()[before:]


# --- before -----------------------------------------------------------------------------------------------


def test_a_trigger_that_airflow_could_not_store_is_found_before_anything_is_sent(emulator, task):
    """What fails after the submission would leave a job alone."""
    before = len(emulator.jobs())
    scoring = operator(deferrable=True)
    scoring.cancel_on_kill = object()

    with pytest.raises(TypeError, match="JSON"):
        task.run(scoring)

    assert new_jobs(emulator, before) == []
    assert KEY not in task.store


def test_a_later_try_without_a_record_looks_before_it_submits(emulator, task):
    """The record was lost, but the job carries the task's marker."""
    first = task.run(operator(wait_for_completion=False))
    task.store.clear()
    task.instance.try_number = 2
    again = task.run(operator(wait_for_completion=False))

    assert again["id"] == first["id"]
    assert task.store[KEY]["ref"]["id"] == first["id"]


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("refused", ["job_id", "outputs"])
def test_an_airflow_that_takes_no_xcom_is_told_with_the_job(emulator, task, monkeypatch, *, waits, refused):
    """After acceptance no error is silent about the job, also if it is Airflow that fails."""
    push = task.instance.xcom_push

    def breaks(*, key, value):
        if key == refused:
            raise RuntimeError("The API server is gone.")
        push(key, value)

    monkeypatch.setattr(task.instance, "xcom_push", breaks)
    scoring = operator(endpoint_name="letters", wait_for_completion=waits)
    if not waits and refused == "outputs":
        assert task.run(scoring)["id"]
        return
    with pytest.raises(errors.JobError, match=f"XCom '{refused}'.*The API server is gone") as raised:
        task.run(scoring)

    assert emulator.jobs()[-1]["id"] in str(raised.value)


# --- killed -----------------------------------------------------------------------------------------------


def test_killed_while_it_submits(emulator, task):
    """The job is not known yet; it is cancelled as soon as it is."""
    before = len(emulator.jobs())
    emulator.fail(action="latency", seconds=2, effect=True, match=INVOKE, times=1)
    scoring = operator()

    def kill():
        while not new_jobs(emulator, before):
            time.sleep(0.02)
        scoring.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(errors.JobCanceled, match="killed while it submitted") as raised:
        task.run(scoring)
    killer.join()

    (job,) = new_jobs(emulator, before)
    assert job["id"] in str(raised.value)
    emulator.wait_for_status(job["id"], "Canceled")


def test_a_kill_never_takes_longer_than_airflow_grants(emulator, task):
    """A service that does not answer costs no more than the time there is; the log names the job."""
    scoring = operator(wait_for_completion=False)
    job = task.run(scoring)
    emulator.fail(action="status", status=503, match={"path": "/cancel$"})
    emulator.fail(action="status", status=503)
    began = time.monotonic()
    with capture_logs() as logs:
        scoring.on_kill()

    assert time.monotonic() - began < 30
    assert f"Job {job['id']} could not be cancelled and may go on" in told(logs)


def test_nor_does_one_that_waits_for_something_else(emulator, task):
    """What issues tokens, for example, takes its own time."""
    release = threading.Event()

    def flow():
        release.wait(20)
        return
        yield

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        operator().hook().run(flow(), within=0.2)
    release.set()

    assert time.monotonic() - began < 10


@pytest.mark.parametrize("state", ["running", "up_for_retry", "queued", "scheduled", "deferred"])
def test_a_process_that_is_ended_for_another_reason_leaves_the_job(emulator, task, state):
    """A worker shuts down, or another process has taken the task over: nobody asked for a cancellation."""
    scoring = operator(wait_for_completion=False)
    job = task.run(scoring)
    task.instance.state = state
    scoring.on_kill()

    assert emulator.job(job["id"])["status"] not in ENDING


def test_an_airflow_that_does_not_answer_leaves_the_job(emulator, task, monkeypatch):
    """What became of the task is not known, so its job is left to a retry; the wait for it is short."""
    scoring = operator(wait_for_completion=False)
    job = task.run(scoring)
    silent = threading.Event()
    monkeypatch.setattr(task.instance, "get_task_states", lambda **_: silent.wait(30))
    began = time.monotonic()
    scoring.on_kill()
    silent.set()

    assert time.monotonic() - began < 20
    assert emulator.job(job["id"])["status"] not in ENDING


def test_a_retry_that_is_killed_early_cancels_the_recorded_job(emulator, task):
    """The job of the try before is known before anything is asked of the service."""
    job = task.run(operator(wait_for_completion=False))
    retry = operator()
    retry.poll_interval = -1
    with pytest.raises(errors.InvalidInput) as raised:
        task.run(retry)
    retry.on_kill()

    assert job["id"] in str(raised.value)
    emulator.wait_for_status(job["id"], "Canceled")


# --- too late ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cancel", [True, False])
def test_airflows_own_timeout_counts_as_a_timeout(emulator, task, cancel):
    """``execution_timeout`` interrupts a worker anywhere; then ``cancel_on_timeout`` decides."""
    before = len(emulator.jobs())
    scoring = operator(cancel_on_timeout=cancel)

    with pytest.raises(errors.JobTimedOut) as raised, timeout(2):
        task.run(scoring)

    (job,) = new_jobs(emulator, before)
    assert job["id"] in str(raised.value)
    assert isinstance(raised.value.__cause__, AirflowTaskTimeout)
    if cancel:
        emulator.wait_for_status(job["id"], "Canceled")
    else:
        assert emulator.job(job["id"])["status"] not in ENDING


def resumed(scoring, task, **kwargs):
    """Resume a task as Airflow does when the deferral itself has failed."""
    with pytest.raises(errors.BatchError) as raised:
        scoring.resume_execution("__fail__", kwargs, task.context())
    return raised.value


@pytest.fixture
def deferred(emulator, task):
    """Give the id of the job of a task that has deferred."""
    with pytest.raises(TaskDeferred):
        operator(deferrable=True).execute(task.context())
    return task.instance.xcoms["job_id"]


@pytest.mark.parametrize("cancel", [True, False])
def test_a_deferral_that_times_out_cancels_the_job(emulator, task, deferred, cancel):
    """Airflow calls no trigger then, so the task that resumes does it, and the error names the job."""
    error = resumed(operator(cancel_on_timeout=cancel), task, error="Trigger timeout")

    assert type(error) is errors.JobTimedOut
    assert deferred in str(error)
    if cancel:
        emulator.wait_for_status(deferred, "Canceled")
    else:
        assert emulator.job(deferred)["status"] not in ENDING


def test_the_end_of_another_tries_job_is_not_its_own(emulator, task):
    """Where Airflow hands over the event of a cleared try's trigger, the task waits on for its own job."""
    scoring = operator(deferrable=True)
    with pytest.raises(TaskDeferred) as first:
        scoring.execute(task.context())
    event = {"ref": {**first.value.kwargs["ref"], "id": "another"}, "history": [], "outcome": "done"}

    with pytest.raises(TaskDeferred) as second:
        operator(deferrable=True).resume_execution(
            "execute_complete", {**first.value.kwargs, "event": event}, task.context()
        )

    assert second.value.kwargs == first.value.kwargs
    assert second.value.trigger.serialize() == first.value.trigger.serialize()


def test_a_trigger_that_fails_leaves_the_job(emulator, task, deferred):
    """A surprise in the triggerer is not the user's word; a retry takes the job up."""
    error = resumed(operator(), task, error="Trigger failure", traceback=["boom"])

    assert type(error) is errors.JobUnreachable
    assert deferred in str(error)
    assert emulator.job(deferred)["status"] not in ENDING
    assert task.run(operator(wait_for_completion=False))["id"] == deferred


def test_the_deadline_counts_from_the_submission(emulator, task):
    """A retry that takes a job up has no more time than the try that submitted it."""
    task.run(operator(wait_for_completion=False))
    record = task.store[KEY]
    record["ref"]["submitted_at"] -= 3600
    task.store[KEY] = record

    with pytest.raises(errors.JobTimedOut):
        task.run(operator(timeout=timedelta(minutes=30)))


def test_the_earlier_of_two_deadlines_counts(task):
    """``execution_timeout`` counts from the start of the task, ``timeout`` from the submission."""
    from airflow_batch_provider.jobs import JobRef

    scoring = operator(timeout=1000, execution_timeout=timedelta(seconds=100))
    task.instance.start_date = datetime.fromtimestamp(5000, timezone.utc)

    assert scoring._deadline(task.context(), JobRef("azure_ml", "j", submitted_at=4000)) == 5000
    assert scoring._deadline(task.context(), JobRef("azure_ml", "j", submitted_at=4500)) == 5100


# --- after acceptance -------------------------------------------------------------------------------------


def test_an_api_server_that_takes_no_xcom_does_not_lose_the_job(emulator, task, monkeypatch):
    """The job is running and recorded; its id and link are pushed again at the end."""
    push, failures = task.instance.xcom_push, iter([True])

    def fragile(key, value):
        if next(failures, False):
            raise OSError("API server is away")
        push(key, value)

    monkeypatch.setattr(task.instance, "xcom_push", fragile)
    with capture_logs() as logs:
        job = task.run(operator(endpoint_name="letters"))

    assert job["state"] == "succeeded"
    assert task.instance.xcoms["job_id"] == job["id"]
    assert f"The XComs of job {job['id']} could not be pushed yet" in told(logs)


def test_reuse_and_kill_contradict_each_other():
    """A warning says what a clear will do to a job that runs."""
    with capture_logs() as logs:
        operator(on_clear="reuse")
        operator(on_clear="reuse", cancel_on_kill=False)
        operator()

    assert told(logs).count("on_clear='reuse' is for finished jobs") == 1
