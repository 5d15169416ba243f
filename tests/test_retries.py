"""`BatchRetryPolicy`: what it decides, and what Airflow makes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from textwrap import dedent

import httpx
import pytest
from airflow.sdk import RetryAction, RetryPolicy

import airflow_batch_provider
from airflow_batch_provider import errors
from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.errors import BatchError, InvalidInput, JobFailed
from airflow_batch_provider.retries import BatchRetryPolicy
from airflow_batch_provider.triggers.jobs import error_in, error_to_dict

QUARTER = timedelta(minutes=15)
RETRY, FAIL, DEFAULT = RetryAction.RETRY, RetryAction.FAIL, RetryAction.DEFAULT

DECISIONS = {
    "Throttled": RETRY,
    "ServiceUnavailable": RETRY,
    "ConnectionFailed": RETRY,
    "AnswerLost": RETRY,
    "JobUnreachable": RETRY,
    "OperationUnreachable": RETRY,
    "InvalidInput": FAIL,
    "BadRequest": FAIL,
    "AuthenticationFailed": FAIL,
    "PermissionDenied": FAIL,
    "NotFound": FAIL,
    "SubmissionUnknown": FAIL,
    "JobFailed": FAIL,
    "JobCanceled": DEFAULT,
    "JobTimedOut": DEFAULT,
    "JobBlocked": DEFAULT,
    "Conflict": DEFAULT,
    "UnexpectedAnswer": DEFAULT,
    "BatchError": DEFAULT,
    "ServiceError": DEFAULT,
    "JobError": DEFAULT,
    "OperationFailed": DEFAULT,
    "OperationTimedOut": DEFAULT,
    "OperationError": DEFAULT,
}
SHORT = {
    "quota": "JobNodeCountExceedsCoreQuota, The specified subscription has a total vCPU quota of 2",
    "more quota": "Operation results in exceeding quota limits of the region.",
    "capacity": "AllocationFailed: We do not have sufficient capacity for the requested VM size here.",
    "size": "SkuNotAvailable: Standard_NC6 is currently not available in location eastus.",
    "preemption": "PreemptionError: Nodes of this job got pre-empted. Check if the run has restarted.",
    "eviction": "The spot node was evicted.",
    "disk": "OSError: [Errno 28] No space left on device: '/tmp/model'",
    "throttling": "TooManyRequests: the storage account is throttled.",
}
OWN = {
    "user code": "User program failed with Exception: Run failed. Please check logs for details.",
    "a value error": "ValueError: battery capacity must be positive",
    "nothing succeeded": "No succeeded mini batch item returned from run()",
}


def decide(exception, **arguments):
    return BatchRetryPolicy(**arguments).evaluate(exception, 1, 3)


def resumed(error):
    """Return an error as a task that was deferred raises it."""
    told = json.loads(json.dumps({"outcome": "error", "ref": {"service": "s", "id": "1"}}))
    return error_in(json.loads(json.dumps({**told, **error_to_dict(error)})))


def every_error():
    found = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, BatchError)]
    return {one.__name__: one for one in found}


@pytest.mark.parametrize(("kind", "action"), DECISIONS.items())
def test_each_error_has_its_decision(kind, action):
    """An outage waits, a fault fails at once, the rest is Airflow's; also after a deferral."""
    error = every_error()[kind]("It went wrong.")

    for one in (error, resumed(error)):
        decision = decide(one)
        assert decision.action is action
        assert decision.retry_delay == (QUARTER if action is RETRY else None)
        assert (kind in (decision.reason or "")) == (action is not DEFAULT)


def test_no_error_is_forgotten():
    """Whoever adds an error decides here what a retry policy makes of it."""
    assert DECISIONS.keys() == every_error().keys()


@pytest.mark.parametrize("text", SHORT.values(), ids=SHORT.keys())
def test_a_shortage_is_retried_later(text):
    """What failed for want of quota, capacity, a node or disk space is tried again later."""
    assert decide(JobFailed(f"The job on 'churn' ended as Failed: {text}")).action is RETRY
    assert decide(errors.OperationFailed(f"It ended as Failed: {text}")).action is RETRY


@pytest.mark.parametrize("text", OWN.values(), ids=OWN.keys())
def test_user_code_fails_at_once(text):
    """A job that failed by itself is not run again, unless Airflow's own rule is asked for."""
    assert decide(JobFailed(text)).action is FAIL
    assert decide(JobFailed(text), retry_user_code=True).action is DEFAULT


@pytest.mark.parametrize(
    ("kind", "argument"),
    [("AuthenticationFailed", "retry_authentication"), ("SubmissionUnknown", "retry_unknown_submission")],
)
def test_what_fails_at_once_can_be_left_to_airflow(kind, argument):
    """Each argument changes its own error and no other."""
    assert decide(every_error()[kind]("No."), **{argument: True}).action is DEFAULT
    assert decide(InvalidInput("No."), **{argument: True}).action is FAIL


def test_errors_of_others_are_airflow_s():
    """Nothing is decided about errors that are not ours."""
    assert decide(ValueError("quota")).action is DEFAULT
    assert decide(KeyboardInterrupt()).action is DEFAULT


@pytest.mark.parametrize("later", [timedelta(hours=1), 3600, 3600.0])
def test_later_is_a_time_or_seconds(later):
    """The delay is what was given."""
    assert decide(errors.Throttled("No."), later=later).retry_delay == timedelta(hours=1)


@pytest.mark.parametrize("later", [0, -1, "soon", None])
def test_a_wrong_delay_is_told_when_the_dag_is_parsed(later):
    """Bad input names the field."""
    with pytest.raises(InvalidInput, match="later"):
        BatchRetryPolicy(later=later)


def test_it_is_a_policy_of_airflow_s():
    """It is what ``retry_policy`` takes, makes the way through JSON, and is where users look for it."""
    policy = BatchRetryPolicy(later=60, retry_user_code=True)

    again = BatchRetryPolicy.deserialize(json.loads(json.dumps(policy.serialize())))

    assert isinstance(policy, RetryPolicy)
    assert vars(again) == vars(policy)
    assert airflow_batch_provider.BatchRetryPolicy is BatchRetryPolicy
    with pytest.raises(AttributeError, match="has no attribute 'NoSuchPolicy'"):
        _ = airflow_batch_provider.NoSuchPolicy


SETUP = """
endpoints:
  short:
    defaults: {deployment_name: poor}
    deployments:
      fine: {emulator: {run_seconds: 1}}
      poor: {emulator: {run_seconds: 1, status: failed, error: out of quota}}
      buggy: {emulator: {run_seconds: 1, status: failed, error: User program failed with Exception}}
"""
DAG = """
import json
from airflow.sdk import DAG
from airflow_batch_provider import BatchRetryPolicy
from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator
from airflow_batch_provider.triggers import settling

settling.SETTLE_SECONDS = 0
URI = "azureml://datastores/workspaceblobstore/paths/a"
given = {
    "endpoint_name": "short", "input": URI, "poll_interval": 0.2,
    "retries": 2, "retry_delay": 3600, "retry_policy": BatchRetryPolicy(later=0.1),
}
with DAG("retries", schedule=None) as dag:
    first = AzureMLBatchEndpointOperator(
        task_id="throttled", deployment_name="fine", outage_tolerance=0, **given
    )
    for name, changed in {
        "bad_request": {"deployment_name": "nobody"},
        "buggy": {"deployment_name": "buggy", "deferrable": True},
        "poor": {"deployment_name": "poor", "deferrable": True},
    }.items():
        task = AzureMLBatchEndpointOperator(task_id=name, trigger_rule="all_done", **{**given, **changed})
        first >> task

if __name__ == "__main__":
    tasks = dag.test().get_task_instances()
    print("RESULT", json.dumps({one.task_id: [str(one.state), one.try_number] for one in tasks}))
"""


@pytest.mark.e2e
def test_airflow_obeys(terminal, tmp_path):
    """A bad request and user code end a task with its first try; an outage and a shortage are retried.

    Airflow's own delay is an hour here, so whatever was retried was retried as the policy says.
    """
    (tmp_path / "setup.yml").write_text(SETUP)
    (tmp_path / "dags").mkdir()
    dag = tmp_path / "dags" / "retries.py"
    dag.write_text(dedent(DAG))
    throttled = {"action": "status", "status": 429, "headers": {"Retry-After": "1000"}, "times": 1}
    with Emulator(setup=tmp_path / "setup.yml", speed=20) as emulator:
        fault = {**throttled, "match": {"plane": "batch", "method": "POST"}}
        httpx.post(f"{emulator.url}/_emulator/faults", json=[fault], trust_env=False).raise_for_status()
        environment = {**terminal, "AIRFLOW__CORE__DAGS_FOLDER": str(dag.parent)}
        environment["AIRFLOW_CONN_AZURE_ML_DEFAULT"] = json.dumps(emulator.airflow_connection())
        command = [sys.executable, str(dag)]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=240, check=False
        )

    results = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert results, (done.stdout + done.stderr)[-5000:]
    assert json.loads(results[0].removeprefix("RESULT ")) == {
        "throttled": ["success", 2],
        "bad_request": ["failed", 1],
        "buggy": ["failed", 1],
        "poor": ["failed", 3],
    }, done.stdout[-8000:]
