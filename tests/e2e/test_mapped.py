"""A task that is mapped over many inputs in a real Airflow."""

from __future__ import annotations

import pytest

from .emulator_process import until

pytestmark = pytest.mark.e2e

TASKS = 20


def mapped(emulator):
    return [job for job in emulator.jobs("simulated") if "images" in job["request"]["inputData"]]


def test_twenty_mapped_tasks_score_twenty_inputs(airflow, emulator):
    """Each mapped task has one job of its own, on its own input, and its own XComs and link."""
    run = airflow.trigger("mapped")
    until(lambda: len(mapped(emulator)) == TASKS, 180, "twenty jobs")
    assert airflow.wait_for_run("mapped", run, 240) == "success"

    inputs = {job["id"]: job["request"]["inputData"]["images"]["uri"] for job in mapped(emulator)}
    mine = [airflow.xcom("mapped", run, "score", "job_id", map_index=index) for index in range(TASKS)]
    assert len(set(mine)) == len(inputs) == TASKS
    assert [inputs[job_id].rpartition("/")[2] for job_id in mine] == [f"{day:02}" for day in range(TASKS)]
    for index, job_id in enumerate(mine):
        result = airflow.xcom("mapped", run, "score", map_index=index)
        assert (result["id"], result["state"]) == (job_id, "succeeded")
    links = airflow.extra_links("mapped", run, "score", map_index=TASKS - 1)
    assert f"/runs/{mine[-1]}" in links["Azure ML job"]


def test_a_mapped_function_says_what_each_task_scores(airflow, emulator):
    """``@task.azure_ml_batch`` calls its function in each mapped task, and the next task gets the jobs."""
    run = airflow.trigger("taskflow")
    assert airflow.wait_for_run("taskflow", run, 240) == "success"

    inputs = {job["id"]: job["request"]["inputData"] for job in emulator.jobs("simulated")}
    ids = airflow.xcom("taskflow", run, "scored")
    places = [inputs[job_id]["pictures"]["uri"].rpartition("paths/")[2] for job_id in ids]
    assert places == ["taskflow/01", "taskflow/02", "taskflow/03"]
    assert "Submitted job" in airflow.task_log("taskflow", run, "score", map_index=1)
