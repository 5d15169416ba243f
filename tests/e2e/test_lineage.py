"""What OpenLineage is told by a whole Airflow, where a task goes on in another process after a deferral."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_batch_provider.lineage.facets import KEY
from tests.lineage.validation import check
from tests.secret_scan import look

from .emulator_process import until

pytestmark = pytest.mark.e2e

SECONDS = 180
BUILD = Path(__file__).parents[2] / "build" / "lineage-e2e.jsonl"
WORKSPACE = (
    "azureml://subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/emulator/workspaces/emulator"
)


def names(datasets):
    return [f"{data['namespace']} {data['name']}" for data in datasets]


@pytest.fixture(scope="module")
def run(airflow):
    """Run the DAG; return its run's id and the events of its tasks, by task."""
    run_id = airflow.trigger("lineage")
    assert airflow.wait_for_run("lineage", run_id, SECONDS) == "failed"  # one task of three is meant to
    file = airflow._home / "openlineage.jsonl"
    # Airflow knows the end of a task before its listeners have been told.
    until(lambda: all(ended(events) for events in by_task(file).values()), 60, "the last events")
    recorded = file.read_text()
    look("OpenLineage events", recorded)
    BUILD.parent.mkdir(exist_ok=True)
    BUILD.write_text(recorded)
    return run_id, by_task(file)


def by_task(file):
    told = {"azure_ml": [], "failing": [], "modelarts": []}
    for event in map(json.loads, file.read_text().splitlines()):
        told.setdefault(event["job"]["name"].removeprefix("lineage."), []).append(event)
    return told


def ended(events):
    return any(event["eventType"] in ("COMPLETE", "FAIL") for event in events)


@pytest.mark.parametrize(
    ("task", "end", "read"),
    [
        ("azure_ml", "COMPLETE", f"{WORKSPACE} datastores/workspaceblobstore/paths/lineage/"),
        ("failing", "FAIL", "abfss://lake@contoso.dfs.core.windows.net lineage"),
        ("modelarts", "COMPLETE", "obs://lab lineage"),
    ],
)
def test_a_task_is_told_from_the_start_to_the_end(airflow, run, task, end, read):
    """A valid event at its start and at its end, with what it read under one name, and its job."""
    run_id, told = run
    events = told[task]
    for event in events:
        check(event)

    starts = ["START"] * (len(events) - 1)
    assert [event["eventType"] for event in events] == [*starts, end]
    assert starts
    assert all(len(event["inputs"]) == 1 and names(event["inputs"])[0].startswith(read) for event in events)
    assert len({tuple(names(event["inputs"])) for event in events}) == 1
    facets = events[-1]["run"]["facets"]
    assert facets[KEY]["jobId"] == airflow.xcom("lineage", run_id, task, "job_id")
    assert facets["parent"]["job"]["name"] == "lineage"


def test_a_deferred_task_tells_its_outputs(airflow, run):
    """They come out of the event of the trigger."""
    run_id, told = run
    outputs = airflow.xcom("lineage", run_id, "azure_ml", "outputs")

    end = told["azure_ml"][-1]

    assert [event["eventType"] for event in told["azure_ml"]] == ["START", "START", "COMPLETE"]
    places = [f"{data['namespace']}/{data['name']}" for data in end["outputs"]]
    assert places == [place["url"].rstrip("/") for place in outputs.values()]


def test_the_services_error_is_told(run):
    """With the words of the service, and no outputs."""
    end = run[1]["failing"][-1]

    assert "Out of luck." in end["run"]["facets"]["errorMessage"]["message"]
    assert (end["outputs"], end["run"]["facets"][KEY]["status"]) == ([], "Failed")


def test_a_task_that_needs_no_worker_gets_one(airflow, run):
    """A triggerer calls no listeners: the log says why the task ran on a worker in spite of its wish."""
    run_id, _ = run
    (task,) = (one for one in airflow.task_instances("lineage", run_id) if one["task_id"] == "modelarts")

    assert task["pid"] is not None
    assert "tells OpenLineage, whose listener is called on workers only." in airflow.task_log(
        "lineage", run_id, "modelarts"
    )
