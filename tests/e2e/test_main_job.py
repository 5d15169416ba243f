"""The main job in a real Airflow: submit, defer, survive, wake, find the file, return the outputs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from airflow_batch_provider.demo import __file__ as demo_file
from airflow_batch_provider.demo import digits
from airflow_batch_provider.demo.local_airflow import LocalAirflow

pytestmark = pytest.mark.e2e

DAG = "example_azure_ml_batch_endpoint"
SECRET = "planted-secret-7f3a"
EXAMPLES = Path(__file__).parents[2] / "example_dags"


class EmulatorProcess:
    """An emulator in a process of its own, always on the same port and state."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(Path(demo_file).parent / "deployment", folder / "deployment")
        digits.write(folder / "deployment")
        # Slow enough to be killed in the middle.
        script = folder / "deployment" / "code" / "digit_identification.py"
        script.write_text(
            script.read_text().replace("images = [", "import time; time.sleep(0.4)\n    images = [")
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._folder = folder
        self.url = f"http://127.0.0.1:{self._port}"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def connection(self) -> dict:
        return {
            "conn_type": "azure_ml",
            "host": self.url,
            "login": "emulator",
            "password": SECRET,
            "extra": {
                "tenantId": "emulator",
                "subscriptionId": "00000000-0000-0000-0000-000000000000",
                "resource_group_name": "emulator",
                "workspace_name": "emulator",
            },
        }

    def start(self) -> None:
        command = [sys.executable, "-m", "airflow_batch_provider.emulator", "--port", str(self._port)]
        command += [
            "--state",
            str(self._folder / "state"),
            "--setup",
            str(self._folder / "deployment" / "setup.yml"),
        ]
        with (self._folder / "emulator.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        until(self._answers, 60, "the emulator to answer")

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/_emulator/health", trust_env=False).is_success
        return False

    def end(self, how: signal.Signals) -> None:
        if self.process:
            os.kill(self.process.pid, how)
            self.process.wait(30)

    def jobs(self) -> list[dict]:
        return httpx.get(f"{self.url}/_emulator/jobs", trust_env=False).json()["jobs"]


def until(ready, seconds, what):
    deadline = time.monotonic() + seconds
    while not (result := ready()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.1)
    return result


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    emulator = EmulatorProcess(tmp_path_factory.mktemp("emulator"))
    emulator.start()
    yield emulator
    emulator.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def airflow(emulator, tmp_path_factory):
    connections = {"azure_ml_default": emulator.connection}
    with LocalAirflow(tmp_path_factory.mktemp("airflow"), EXAMPLES, connections=connections) as airflow:
        yield airflow


def test_the_job_survives_the_service_and_needs_no_worker(airflow, emulator):
    """A deferred task holds no worker and survives a restart of the service.

    While the job runs no worker process exists, and the task's link works already; the emulator is killed and
    restarted in the middle; the job ends, the sensor finds the file, the outputs are in XCom, and one job was
    submitted.
    """
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
    assert [job["status"] for job in emulator.jobs()] == ["Completed"]
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
