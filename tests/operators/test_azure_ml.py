"""`AzureMLBatchEndpointOperator` on the emulator, over real HTTP."""

from __future__ import annotations

import json
import logging
import re

import pytest
from structlog.testing import capture_logs

from airflow_batch_provider import errors
from airflow_batch_provider.hooks.azure_ml import AzureMLHook
from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator

GOOD = {"endpoint_name": "letters", "input": "azureml:good@latest", "poll_interval": 0.5}
both_ways = pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])


def operator(**arguments):
    return AzureMLBatchEndpointOperator(task_id="task", **{**GOOD, **arguments})


@both_ways
def test_a_job_is_run_and_returned(emulator, task, deferrable):
    """The task returns the job, and pushes its id, its link and its outputs."""
    job = task.run(operator(deferrable=deferrable))

    assert job["state"] == "succeeded"
    assert job["status"] == "Completed"
    assert job["endpoint"] == "letters"
    assert emulator.job(job["id"])["status"] == "Completed"
    assert task.instance.xcoms["job_id"] == job["id"]
    assert task.instance.xcoms["outputs"] == job["outputs"]
    assert job["outputs"]["score"]["uri"].startswith("azureml://")
    assert job["id"] in task.instance.xcoms["_link_AzureMLJobLink"]


@both_ways
def test_each_state_is_logged_once(emulator, task, deferrable):
    """Every state is logged once, with the time that it took; after a deferral the history is told again."""
    with capture_logs() as logs:
        job = task.run(operator(deferrable=deferrable))

    told = [log["event"] % log.get("positional_args", ()) for log in logs]
    assert len([line for line in told if line.startswith(f"Submitted job {job['id']}")]) == 1
    completed = re.compile(rf"(While deferred: \S+ )?Job {job['id']} is Completed after \d+ s\.")
    ends = [match for line in told if (match := completed.fullmatch(line))]
    assert [bool(match[1]) for match in ends] == [False, True][: 1 + deferrable]


def test_without_waiting_the_task_ends_with_the_submission(emulator, task):
    """With ``wait_for_completion=False`` the job is returned as it was accepted."""
    job = task.run(operator(wait_for_completion=False, endpoint_name="endless"))

    assert job["state"] in ("pending", "running")
    assert emulator.job(job["id"])["status"] != "Completed"


def test_templates_are_rendered(emulator, task):
    """Every argument that a user might compute is a template."""
    job = task.run(
        operator(
            endpoint_name="{{ params.endpoint }}",
            deployment_name="{{ params.deployment }}",
            input=None,
            inputs={"x": {"type": "uri_folder", "path": "azureml:{{ params.data }}@latest"}},
            outputs={"score": {"path": "azureml://datastores/workspaceblobstore/paths/{{ params.out }}"}},
            tags={"team": "{{ params.team }}"},
            poll_interval="{{ params.interval }}",
        ),
        endpoint="letters",
        deployment="other",
        data="good",
        out="templates/out.csv",
        team="red",
        interval=0.5,
    )

    seen = emulator.job(job["id"])
    assert seen["deployment"] == "other"
    assert seen["tags"]["team"] == "red"
    assert job["outputs"]["score"]["uri"] == "azureml://datastores/workspaceblobstore/paths/templates/out.csv"
    assert job["outputs"]["score"]["url"].endswith("/templates/out.csv")


@both_ways
def test_a_failed_job_fails_the_task_and_is_named(emulator, task, deferrable):
    """The error tells what the service says of the failure, the job's id and its link."""
    failing = operator(
        deferrable=deferrable, input="azureml:one-bad@latest", job_overrides={"error_threshold": 0}
    )

    with pytest.raises(errors.JobFailed) as caught:
        task.run(failing)

    job = emulator.jobs()[-1]
    assert job["status"] == "Failed"
    assert job["id"] in str(caught.value)
    assert "error_threshold" in str(caught.value) or "Run failed" in str(caught.value)
    assert f"/runs/{job['id']}" in str(caught.value)


@both_ways
def test_a_failure_shows_the_end_of_the_script_s_traceback(emulator, task, deferrable):
    """What a scoring script raised is in the task's error, with the job's id and link, and no signature."""
    failing = operator(
        deferrable=deferrable,
        fetch_logs="never",
        input="azureml:one-bad@latest",
        job_overrides={"error_threshold": 0},
    )

    with pytest.raises(errors.JobFailed) as caught:
        task.run(failing)

    text, job = str(caught.value), emulator.jobs()[-1]
    assert "ended as Failed: UserError: User program failed with Exception" in text
    assert "The last lines of logs/user/error.txt:\n" in text
    assert "  | ValueError: this file cannot be scored\n" in text
    assert text.splitlines()[-1].startswith(f"Job: {job['id']} (http")
    assert "sig=" not in json.dumps(task.events)
    (read,) = [request for request in emulator.requests() if request["path"].endswith("logs/user/error.txt")]
    assert read["status"] == 206


def test_a_signature_is_in_no_log_of_the_http_client(emulator, task, caplog):
    """Whoever wants to see each request sees no signature in it."""
    caplog.set_level(logging.INFO, "httpx")

    with pytest.raises(errors.JobFailed):
        task.run(operator(input="azureml:one-bad@latest", job_overrides={"error_threshold": 0}))

    lines = [line for line in caplog.messages if "logs/user/error.txt?" in line]
    assert lines
    for line in lines:
        assert line.startswith("HTTP Request: GET http")
        assert "&sig=*** " in f"{line} ".replace('"', " ")


@both_ways
def test_a_log_that_cannot_be_read_hides_no_failure(emulator, task, deferrable):
    """Storage that refuses costs the log's lines, never the reason."""
    emulator.fail(action="status", status=403, match={"plane": "blob", "path": "/logs/"})
    failing = operator(
        deferrable=deferrable, input="azureml:one-bad@latest", job_overrides={"error_threshold": 0}
    )

    with pytest.raises(errors.JobFailed, match="UserError: User program failed with Exception") as caught:
        task.run(failing)

    assert "The last lines" not in str(caught.value)


def test_failed_files_are_left_out_if_the_threshold_ignores_them(emulator, task):
    """A script that raises on one file in ten: with -1 the job completes without those rows."""
    job = task.run(operator(input="azureml:each-tenth-bad@latest", job_overrides={"error_threshold": -1}))

    rows = AzureMLHook().read_file(f"{job['outputs']['score']['uri']}predictions.csv").decode().splitlines()
    assert len(rows) == 54
    assert not [row for row in rows if "bad" in row]


@pytest.mark.parametrize(("threshold", "status"), [(5, "Failed"), (6, "Completed")])
def test_more_failed_files_than_the_threshold_fail_the_job(emulator, task, threshold, status):
    """Six of sixty files fail: the job fails with a threshold of five, and not with one of six."""
    scoring = operator(input="azureml:each-tenth-bad@latest", job_overrides={"error_threshold": threshold})

    if status == "Failed":
        with pytest.raises(errors.JobFailed):
            task.run(scoring)
    else:
        task.run(scoring)

    assert emulator.jobs()[-1]["status"] == status


@both_ways
def test_a_try_after_a_crash_takes_the_job_up_again(emulator, task, deferrable):
    """The second try of a task submits nothing while the first one's job is there, and returns its result."""
    before = len(emulator.jobs())
    first = task.run(operator(wait_for_completion=False))

    second = task.run(operator(deferrable=deferrable))

    assert second["id"] == first["id"]
    assert second["outputs"]
    assert len(emulator.jobs()) == before + 1


def test_a_failed_job_is_not_taken_up_again(emulator, task):
    """A retry after a job that failed submits a new one."""
    failing = {"input": "azureml:one-bad@latest", "job_overrides": {"error_threshold": 0}}
    before = len(emulator.jobs())

    for _ in range(2):
        with pytest.raises(errors.JobFailed):
            task.run(operator(**failing))

    assert len(emulator.jobs()) == before + 2


@both_ways
@pytest.mark.parametrize("cancel", [True, False], ids=["cancel", "leave"])
def test_a_timeout_ends_waiting_and_names_the_job(emulator, task, deferrable, cancel):
    """The deadline counts from the submission; the job is cancelled unless the user says otherwise."""
    slow = operator(deferrable=deferrable, endpoint_name="endless", timeout=1, cancel_on_timeout=cancel)

    with pytest.raises(errors.JobTimedOut, match="batchjob-") as caught:
        task.run(slow)

    if cancel:
        emulator.wait_for_status(caught.value.job_id, "Canceled")
    assert cancel == any(request["path"].endswith("/cancel") for request in emulator.requests())


def test_killing_the_task_cancels_the_job(emulator, task):
    """``on_kill`` asks the service to cancel, and the job ends as cancelled."""
    killed = operator(endpoint_name="endless", wait_for_completion=False)
    job = task.run(killed)

    killed.on_kill()

    emulator.wait_for_status(job["id"], "Canceled")
    killed.on_kill()  # repeatable, and harmless when the job has ended


def test_a_job_is_left_running_if_the_user_says_so(emulator, task):
    """``cancel_on_kill=False`` sends no cancel."""
    killed = operator(endpoint_name="endless", wait_for_completion=False, cancel_on_kill=False)
    task.run(killed)

    killed.on_kill()

    assert not [request for request in emulator.requests() if request["path"].endswith("/cancel")]
