"""What an operator writes of its job's logs into the task's log."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from airflow_batch_provider.errors import InvalidInput, JobFailed
from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator
from airflow_batch_provider.operators.modelarts import ModelArtsWorkflowOperator

from .test_modelarts import definition

both_ways = pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
RAISED = "ValueError: this file cannot be scored"


def azure_ml(name="good", **arguments):
    given = {"endpoint_name": "letters", "input": f"azureml:{name}@latest", "poll_interval": 0.2}
    if name == "one-bad":
        given["job_overrides"] = {"error_threshold": 0}
    return AzureMLBatchEndpointOperator(task_id="task", **given | arguments)


def training(epochs, **arguments):
    flow = definition(parameters=[{"name": "epochs", "type": "str", "default": "1"}])
    return ModelArtsWorkflowOperator(
        task_id="task",
        workflow=flow,
        parameters={"epochs": epochs},
        data={"letters": "obs://lab/in/"},
        poll_interval=0.2,
        **arguments,
    )


def ends(logs):
    """Return what was told of logs."""
    told = [log["event"] % log.get("positional_args", ()) for log in logs]
    return [line for line in told if line.startswith(("The end of", "Not all logs"))]


@both_ways
def test_by_default_the_logs_of_a_failed_job_are_written(emulator, task, deferrable):
    """All that the failure itself does not tell, with the name of file and run."""
    with capture_logs() as logs, pytest.raises(JobFailed):
        task.run(azure_ml("one-bad", deferrable=deferrable))

    (told,) = ends(logs)
    assert told.startswith("The end of logs/job_progress_overview.txt of run ")
    assert "Files failed: 1" in told


@pytest.mark.parametrize("fetch_logs", ["on_failure", "never"])
def test_of_a_job_that_went_well_nothing_is_fetched(emulator, task, fetch_logs):
    """Unless one asks for it: no request more is sent."""
    with capture_logs() as logs:
        task.run(azure_ml(fetch_logs=fetch_logs))

    assert ends(logs) == []
    assert not [request for request in emulator.requests() if request["path"].endswith("/details")]


@both_ways
def test_always_is_also_after_success(emulator, task, deferrable):
    """It is told how the mini-batches went."""
    with capture_logs() as logs:
        task.run(azure_ml(fetch_logs="always", deferrable=deferrable))

    assert any("Files succeeded: 3" in text for text in ends(logs))


def test_never_leaves_the_failure_as_it_tells_itself(emulator, task):
    """The error names the last lines of the most telling log in any case."""
    with capture_logs() as logs, pytest.raises(JobFailed, match=RAISED):
        task.run(azure_ml("one-bad", fetch_logs="never"))

    assert ends(logs) == []


def test_logs_that_cannot_be_had_change_nothing(emulator, task):
    """The task succeeds as its job did, and its log says what is missing."""
    emulator.fail(action="status", status=403, match={"path": "/details$"})
    with capture_logs() as logs:
        job = task.run(azure_ml(fetch_logs="always"))

    assert job["state"] == "succeeded"
    (told,) = ends(logs)
    assert told.startswith(f"Not all logs of job {job['id']} could be fetched: ")


def test_logs_that_are_slow_keep_nobody_waiting(emulator, task, monkeypatch):
    """After half a minute the task goes on."""
    monkeypatch.setattr("airflow_batch_provider.operators.logs.SECONDS", 1.0)
    emulator.fail(action="latency", seconds=20, match={"path": "/details$"})
    with capture_logs() as logs:
        job = task.run(azure_ml(fetch_logs="always"))

    assert job["state"] == "succeeded"
    assert "Not all logs" in ends(logs)[0]


def test_a_log_that_is_longer_than_what_the_failure_tells(emulator, task):
    """Then it is written whole."""
    many = {"error_threshold": 0, "max_retries": 5}
    with capture_logs() as logs, pytest.raises(JobFailed):
        task.run(azure_ml("one-bad", job_overrides=many))

    first, *_ = ends(logs)
    assert first.startswith("The end of logs/user/error.txt of run ")
    assert first.count(RAISED) > 3


@both_ways
def test_the_log_of_a_training_job_is_written(modelarts, task, deferrable):
    """ModelArts keeps a log for each; what the failure tells whole is not written twice."""
    with capture_logs() as logs, pytest.raises(JobFailed, match="invalid int value: 'many'"):
        task.run(training("many", deferrable=deferrable))
    assert ends(logs) == []

    with capture_logs() as logs:
        type(task)("again").run(training("2", deferrable=deferrable, fetch_logs="always"))
    (told,) = ends(logs)
    assert told.startswith("The end of worker-0 of training job ")
    assert told.endswith("  | trained for 2 epochs")


def test_another_word_is_refused():
    """The message offers the right ones."""
    with pytest.raises(InvalidInput, match="Use one of 'on_failure', 'always', 'never'"):
        azure_ml(fetch_logs="sometimes")
