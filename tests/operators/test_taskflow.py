"""``@task.azure_ml_batch``: a function says what to score."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from airflow.sdk import DAG
from airflow.sdk import task as airflow_task
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime
from structlog.testing import capture_logs

from airflow_batch_provider.decorators import azure_ml_batch
from airflow_batch_provider.decorators.kept import KEY as KEPT
from airflow_batch_provider.errors import InvalidInput, JobFailed
from airflow_batch_provider.operators.records import KEY

ROOT = Path(__file__).parents[2]
GOOD, BAD = "azureml:good@latest", "azureml:one-bad@latest"
SIGNED = "https://emulatorstore.blob.core.windows.net/public/x?sv=1&sig=Zm9vYmFy"

DAG_FILE = """
import json, sys
from airflow.sdk import DAG, task
from airflow_batch_provider.triggers import settling
settling.SETTLE_SECONDS = 0

with DAG("taskflow", schedule=None) as dag:

    @task
    def endpoint():
        return "letters"

    @task.azure_ml_batch(endpoint_name=endpoint(), multiple_outputs=True, deferrable=True)
    def single(letter: str, run_id: str | None = None) -> dict[str, str]:
        assert run_id
        return {"type": "uri_folder", "path": f"azureml:{letter}@latest"}

    @task.azure_ml_batch(endpoint_name="letters", deferrable=True)
    def mapped(name: str, version: str):
        return f"azureml:{name}@{version}"

    @task
    def told(status, outputs, jobs):
        print("RESULT", json.dumps({"status": status, "outputs": outputs, "jobs": list(jobs)}))

    one = single("good")
    many = mapped.partial(version="latest").expand(name=["good", "good"])
    told(one["status"], one["outputs"], many)

if __name__ == "__main__":
    print("STATE", str(dag.test().state))
"""


def decorated(function, **arguments):
    """Return the operator of a decorated function that is called without arguments."""
    settings = {"endpoint_name": "letters", "task_id": "task", "wait_for_completion": False}
    with DAG("dag", schedule=None):
        operator = airflow_task.azure_ml_batch(**{**settings, **arguments})(function)().operator
    policy = operator._policy()
    operator._policy = lambda: replace(policy, under_way=1.0, late=1.0)  # The emulator is never late.
    return operator


def told(logs):
    return "\n".join(log["event"] % log.get("positional_args", ()) for log in logs)


def sent(emulator, job):
    return [given["uri"] for given in emulator.job(job["id"])["request"]["inputData"].values()]


@pytest.mark.e2e
def test_tasks_of_functions_run_in_a_terminal(emulator, terminal, tmp_path):
    """A call and a mapped call submit what the function returns; results and arguments are chained."""
    (tmp_path / "dag.py").write_text(DAG_FILE)
    environment = {
        **terminal,
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path),
        "AIRFLOW_CONN_AZURE_ML_DEFAULT": json.dumps(emulator.connection),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, str(tmp_path / "dag.py")]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=400, check=False, cwd=tmp_path
    )

    assert "STATE success" in done.stdout, (done.stdout + done.stderr)[-5000:]
    line = next(line for line in done.stdout.splitlines() if "RESULT " in line)
    result = json.loads(line.partition("RESULT ")[2])
    assert result["status"] == "Completed"
    assert result["outputs"]["score"]["uri"].startswith("azureml://")
    assert [job["status"] for job in result["jobs"]] == ["Completed", "Completed"]
    assert len({job["id"] for job in result["jobs"]}) == 2
    assert all(sent(emulator, job) == [GOOD] for job in result["jobs"])


@pytest.mark.parametrize(
    ("returned", "inputs"),
    [
        (GOOD, {"UriFolder": GOOD}),
        ({"type": "uri_folder", "path": GOOD}, {"UriFolder": GOOD}),
        ({"type": GOOD}, {"type": GOOD}),
        ({"images": {"type": "uri_folder", "path": GOOD}}, {"images": GOOD}),
    ],
)
def test_a_function_returns_the_one_input_or_named_ones(emulator, task, returned, inputs):
    """A URI, a described input, or a mapping of names; a name may be one that describes, too."""
    job = task.run(decorated(lambda: returned))

    data = emulator.job(job["id"])["request"]["inputData"]
    assert {name: given["uri"] for name, given in data.items()} == inputs


@pytest.mark.parametrize("returned", [None, 5, ["azureml:good@latest"], object()])
def test_what_is_no_input_is_refused_before_anything_is_sent(emulator, task, returned):
    """The error names the function and what it returned."""

    def wrong():
        return returned

    with pytest.raises(InvalidInput, match=r"The function wrong returned .*Return the URI"):
        task.run(decorated(wrong))

    assert emulator.requests() == []


@pytest.mark.parametrize("name", ["input", "inputs"])
def test_the_inputs_are_not_given_twice(name):
    """What the function returns is not an argument of the decorator, too."""
    with pytest.raises(InvalidInput, match=f"{name} is given"):
        decorated(lambda: GOOD, **{name: GOOD})


def test_an_async_function_is_refused():
    """It would be called and never awaited."""

    async def later():
        return GOOD

    with pytest.raises(InvalidInput, match="later is an async function"):
        decorated(later)


def test_what_a_function_returns_is_not_a_template(emulator, task):
    """Data that happens to hold braces is sent as it is."""
    path = "azureml://datastores/workspaceblobstore/paths/{{ task_id }}"
    job = task.run(decorated(lambda: path))

    assert sent(emulator, job) == [path]


def test_the_result_is_the_job_whatever_the_function_is_annotated_with():
    """Airflow would split a result that is annotated as a mapping; the job is split if one asks for it."""

    def named() -> dict[str, str]:
        return {"images": GOOD}

    assert decorated(named).multiple_outputs is False
    assert decorated(named, multiple_outputs=True).multiple_outputs is True


def test_a_function_is_never_run_without_a_worker(emulator, task):
    """start_from_trigger has no effect, and the log says why."""
    scoring = decorated(lambda: GOOD, start_from_trigger=True)
    with capture_logs() as logs:
        task.run(scoring)

    assert scoring.start_from_trigger is False
    assert "Runs on a worker in spite of start_from_trigger=True: it calls a function" in told(logs)


# --- once -------------------------------------------------------------------------------------------------


class Function:
    """Returns other inputs each time."""

    def __init__(self, *returns):
        self.left = list(returns)

    def __call__(self):
        return self.left.pop(0)


def counted(*returns):
    function = Function(*returns)

    def inputs():
        return function()

    inputs.left = function.left
    return inputs


def interrupted(task):
    """Leave what a worker leaves that dies right after the request, before it learns of the job."""
    task.store[KEY]["ref"] = None
    task.instance.try_number += 1


def test_a_job_that_is_taken_up_needs_no_function(emulator, task):
    """A retry does not call it again."""
    function = counted(GOOD)
    first = task.run(decorated(function))
    task.instance.try_number = 2
    again = task.run(decorated(function))

    assert again["id"] == first["id"]
    assert function.left == []


def test_a_retry_after_a_failed_job_calls_the_function_again(emulator, task):
    """Each job has inputs of its own."""
    function = counted(BAD, GOOD)
    settings = {"wait_for_completion": True, "poll_interval": 0.2, "job_overrides": {"error_threshold": 0}}
    with pytest.raises(JobFailed):
        task.run(decorated(function, **settings))
    task.instance.try_number = 2
    job = task.run(decorated(function, **settings))

    assert sent(emulator, job) == [GOOD]


def test_a_job_of_an_interrupted_submission_is_known_by_the_inputs_that_were_sent(emulator, task):
    """The service has lost the marker, and the function would now return other inputs: still one job."""
    before = len(emulator.jobs())
    emulator.set(keep_tags=False)
    function = counted(GOOD, BAD)
    first = task.run(decorated(function))
    interrupted(task)
    again = task.run(decorated(function))

    assert again["id"] == first["id"]
    assert function.left == [BAD]
    assert len(emulator.jobs()) == before + 1


def test_a_clear_calls_the_function_again(emulator, task):
    """The interrupted submission is settled with its own inputs; what follows is what the function says."""
    function = counted(GOOD, BAD)
    task.run(decorated(function))
    interrupted(task)
    task.instance.max_tries += 1
    job = task.run(decorated(function))

    assert sent(emulator, job) == [BAD]


def test_signed_addresses_are_not_kept(emulator, task):
    """A secret is nowhere but where it is sent to; a later try asks the function again."""
    task.run(decorated(lambda: SIGNED))

    assert task.store[KEPT] == ""


# --- as Airflow and type checkers see it --------------------------------------------------------------------


def test_airflow_knows_the_decorator():
    """It is registered by the provider's info, under the name by which @task finds it."""
    assert ProvidersManagerTaskRuntime().taskflow_decorators["azure_ml_batch"] is azure_ml_batch


def test_type_checkers_know_the_decorator(tmp_path):
    """Right uses pass; wrong arguments and results are found, as the comments of the sample say."""
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "tests/operators/typed_taskflow.py"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False, env=os.environ
    )

    assert (done.stdout, done.returncode) == ("", 0)
