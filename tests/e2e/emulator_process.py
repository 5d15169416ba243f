"""An emulator that can be killed and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import yaml

from airflow_batch_provider.demo import __file__ as demo_file
from airflow_batch_provider.demo import digits
from airflow_batch_provider.emulator.modelarts.account import Account
from tests.secret_scan import look

SECRET = "planted-secret-7f3a"
SIMULATED = {
    "defaults": {"deployment_name": "brief"},
    "deployments": {
        "brief": {"emulator": {"run_seconds": 5}},
        "endless": {"emulator": {"run_seconds": 100000}},
        "failing": {"emulator": {"run_seconds": 1, "status": "Failed", "error": "Out of luck."}},
    },
}


def workflow(seconds: float, **ends: str) -> dict:
    """Return a workflow of one step that only takes its time, and ends well unless told otherwise."""
    step = {"name": "train", "type": "model", "properties": {"emulator": {"run_seconds": seconds, **ends}}}
    rows = {"name": "rows", "type": "obs", "delay": True, "used_steps": ["train"]}
    return {"steps": [step], "data_requirements": [rows]}


class EmulatorProcess:
    """An emulator in a process of its own, always on the same port and state."""

    def __init__(self, folder: Path, speed: float = 1) -> None:
        shutil.copytree(Path(demo_file).parent / "deployment", folder / "deployment")
        digits.write(folder / "deployment")
        # Slow enough to be killed in the middle.
        script = folder / "deployment" / "code" / "digit_identification.py"
        script.write_text(
            script.read_text().replace("images = [", "import time; time.sleep(0.4)\n    images = [")
        )
        setup = folder / "deployment" / "setup.yml"
        content = yaml.safe_load(setup.read_text())
        content["endpoints"]["simulated"] = SIMULATED
        content["modelarts"]["workflows"] = {
            "brief": workflow(5),
            "endless": workflow(100000),
            "failing": workflow(1, status="failed", error="Out of luck."),
        }
        setup.write_text(yaml.safe_dump(content))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._folder, self._speed = folder, speed
        self.digits = folder / "deployment"
        self.log = folder / "emulator.log"
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

    @property
    def connections(self) -> dict[str, dict]:
        """Both services' connections by id."""
        return {"azure_ml_default": self.connection, "modelarts_default": self.modelarts_connection}

    @property
    def modelarts_connection(self) -> dict:
        account = Account()
        access, secret = next(iter(account.keys.items()))
        return {
            "conn_type": "modelarts",
            "host": self.url,
            "login": access,
            "password": secret,
            "extra": {
                "region": account.region,
                "project_id": account.project_id,
                "iam_endpoint": self.url,
                "obs_endpoint": f"{self.url}/obs",
            },
        }

    def start(self) -> None:
        command = [sys.executable, "-m", "airflow_batch_provider.emulator", "--port", str(self._port)]
        command += [
            "--state",
            str(self._folder / "state"),
            "--setup",
            str(self._folder / "deployment" / "setup.yml"),
            "--speed",
            str(self._speed),
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        until(self._answers, 60, "the emulator to answer")

    @classmethod
    @contextlib.contextmanager
    def running(cls, folder: Path, speed: float = 1) -> Iterator[EmulatorProcess]:
        """Run one until it is no longer needed, and have what it wrote scanned for secrets."""
        emulator = cls(folder, speed)
        emulator.start()
        yield emulator
        look("journal of the emulator", emulator.control("GET", "requests").text)
        emulator.end(signal.SIGTERM)
        look("log of the emulator", emulator.log.read_text())

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/_emulator/health", trust_env=False).is_success
        return False

    def end(self, how: signal.Signals) -> None:
        if self.process:
            os.kill(self.process.pid, how)
            self.process.wait(30)

    def control(self, method: str, what: str, body: object = None) -> httpx.Response:
        """Speak to the emulator about itself."""
        with httpx.Client(trust_env=False) as client:
            return client.request(method, f"{self.url}/_emulator/{what}", json=body).raise_for_status()

    def requests(self, plane: str) -> list[dict]:
        """Return the requests that were answered, or whose connection was dropped."""
        return self.control("GET", f"requests?plane={plane}").json()["requests"]

    def listed(self, kind: str) -> list[dict]:
        """Return the resources of a kind, as Resource Manager lists them."""
        extra = self.connection["extra"]
        form = {"grant_type": "client_credentials", "client_id": "emulator", "client_secret": SECRET}
        form["scope"] = "https://management.azure.com/.default"
        path = (
            f"/subscriptions/{extra['subscriptionId']}/resourceGroups/{extra['resource_group_name']}/providers"
            f"/Microsoft.MachineLearningServices/workspaces/{extra['workspace_name']}/{kind}"
        )
        with httpx.Client(base_url=self.url, trust_env=False) as client:
            token = client.post("/emulator/oauth2/v2.0/token", data=form).raise_for_status().json()
            headers = {"Authorization": f"Bearer {token['access_token']}"}
            return client.get(path, headers=headers).raise_for_status().json()["value"]

    def jobs(self, endpoint: str = "digits") -> list[dict]:
        """Return what the emulator knows of the jobs that an endpoint really accepted."""
        return self.control("GET", f"jobs?endpoint={endpoint}").json()["jobs"]

    def executions(self, workflow: str) -> list[dict]:
        """Return the same of the executions of a workflow."""
        return self.control("GET", f"jobs?workflowName={workflow}").json()["jobs"]


def until(ready, seconds, what):
    deadline = time.monotonic() + seconds
    while not (result := ready()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.1)
    return result
