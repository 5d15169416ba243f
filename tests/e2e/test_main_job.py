"""The main job in a real Airflow: submit, defer, survive, wake, find the file, return the outputs."""

from __future__ import annotations

import signal

import pytest

from .emulator_process import SECRET, until

pytestmark = pytest.mark.e2e

DAG = "example_azure_ml_batch_endpoint"


def test_the_job_survives_the_service_and_needs_no_worker(airflow, emulator):
    """A deferred task holds no worker and survives a restart of the service.

    While the job runs no worker process exists, and the task's link works already; the emulator is killed and
    restarted in the middle; the job ends, the sensor finds the file, the outputs are in XCom, and one job was
    submitted.
    """
    before = {job["id"] for job in emulator.jobs()}
    run = airflow.trigger(DAG)
    airflow.wait_for_task(DAG, run, "score", ["deferred"], 120)
    job = until(lambda: [job for job in emulator.jobs() if job["status"] == "Running"], 60, "a running job")[
        0
    ]

    assert airflow.worker_pids() == []
    assert airflow.xcom(DAG, run, "score", "job_id") == job["id"]
    assert f"/runs/{job['id']}" in airflow.extra_links(DAG, run, "score")["Azure ML job"]

    emulator.end(signal.SIGKILL)
    emulator.start()
    state = airflow.wait_for_run(DAG, run, 240)

    log = airflow.task_log(DAG, run, "score")
    assert state == "success", log
    assert [job["status"] for job in emulator.jobs() if job["id"] not in before] == ["Completed"]
    outputs = airflow.xcom(DAG, run, "score", "outputs")
    (file,) = airflow.xcom(DAG, run, "predictions")
    assert file["path"].startswith(outputs["score"]["uri"].rstrip("/"))
    assert file["size"] > 0
    assert airflow.xcom(DAG, run, "accuracy") > 0.9
    assert f"Submitted job {job['id']}" in log
    assert airflow.xcom(DAG, run, "score")["state"] == "succeeded"


def test_the_credential_is_written_nowhere(airflow, emulator, tmp_path_factory):
    """After the run no file of Airflow or of the emulator holds the client secret: no log, no database."""
    folders = [tmp_path_factory.getbasetemp()]
    written = [path for folder in folders for path in folder.rglob("*") if path.is_file()]

    assert len(written) > 10
    assert [str(path) for path in written if SECRET.encode() in path.read_bytes()] == []
