"""A whole lifecycle in a real Airflow: created, used and taken down, also when the work in between fails.

The Airflow and the emulator are its own: nothing here is killed half-way, so the clock can run faster.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .emulator_process import EmulatorProcess

pytestmark = pytest.mark.e2e

DAG = "example_azure_ml_lifecycle"
FILE = Path(__file__).parents[2] / "example_dags" / f"{DAG}.py"
BROKEN = "def init():\n    raise ValueError('no such model')\n\ndef run(mini_batch):\n    return []\n"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    with EmulatorProcess.running(tmp_path_factory.mktemp("emulator"), speed=10) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def airflow(airflow_factory, emulator, tmp_path_factory):
    """Run an Airflow with the example, unchanged, as its only DAG."""
    dags = tmp_path_factory.mktemp("dags")
    shutil.copy(FILE, dags)
    return airflow_factory(dags, connections=emulator.connections)


@pytest.fixture(scope="module")
def runs(airflow, emulator, tmp_path_factory):
    """Run the example twice at the same time, once with a scoring script that fails.

    Returns:
        By the name of the endpoint, the run's id and how it ended.
    """
    broken = tmp_path_factory.mktemp("broken") / "digits"
    shutil.copytree(emulator.digits, broken)
    (broken / "code" / "digit_identification.py").write_text(BROKEN)
    started = {
        name: airflow.trigger(DAG, {"endpoint": name, "compute": f"{name}-cc", "folder": str(folder)})
        for name, folder in {"good-life": emulator.digits, "bad-life": broken}.items()
    }
    return {name: (run, airflow.wait_for_run(DAG, run, 240)) for name, run in started.items()}


def states(airflow, run):
    return {one["task_id"]: one["state"] for one in airflow.task_instances(DAG, run)}


def left(emulator, name):
    """Return what of a run is still there, by what the emulator answers to Resource Manager's lists."""
    paths = {"batchEndpoints": name, "computes": f"{name}-cc"}
    return [
        f"{kind}/{one['name']}"
        for kind, mine in paths.items()
        for one in emulator.listed(kind)
        if one["name"] == mine
    ]


def test_the_example_goes_from_nothing_to_predictions_and_back(airflow, emulator, runs):
    """Every step of the guide succeeds; the predictions are right, and nothing that costs is left."""
    run, state = runs["good-life"]

    assert state == "success", states(airflow, run)
    assert airflow.xcom(DAG, run, "accuracy") > 0.9
    assert airflow.xcom(DAG, run, "create_deployment")["properties"]["provisioningState"] == "Succeeded"
    assert airflow.xcom(DAG, run, "set_default")["properties"]["defaults"]["deploymentName"] == "first"
    assert (airflow.xcom(DAG, run, "delete_endpoint"), airflow.xcom(DAG, run, "delete_compute")) == (
        True,
        True,
    )
    assert "While deferred" in airflow.task_log(DAG, run, "create_deployment")
    assert left(emulator, "good-life") == []


def test_the_teardown_runs_when_the_work_fails(airflow, emulator, runs):
    """The run fails with its job, and what it set up is deleted nevertheless."""
    run, state = runs["bad-life"]
    found = states(airflow, run)

    assert (state, found["score"], found["accuracy"]) == ("failed", "failed", "upstream_failed"), found
    assert "no such model" in airflow.task_log(DAG, run, "score")
    assert (found["delete_endpoint"], found["delete_compute"]) == ("success", "success")
    assert [job["status"] for job in emulator.jobs("bad-life")] == ["Failed"]
    assert left(emulator, "bad-life") == []


def test_nothing_was_created_twice(emulator, runs):
    """Both runs together sent one PUT for each endpoint, cluster and deployment, and one for each default."""
    sent = [one["path"] for one in emulator.requests("arm") if one["method"] == "PUT"]
    for name in runs:
        mine = sorted(Path(path).name for path in sent if name in path)
        assert mine == sorted(["first", name, name, f"{name}-cc"])
