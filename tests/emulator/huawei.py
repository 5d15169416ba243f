"""A plain HTTP client that knows Huawei Cloud's addresses, and what the emulated account holds."""

from __future__ import annotations

import copy
import json
from functools import cached_property
from pathlib import Path
from textwrap import dedent

import httpx

from tests.s3_signature import ObsAuth

from .conftest import wait_for

PROJECT = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
ACCESS, SECRET = "EMULATORACCESSKEY000", "emulator-secret-key"
FINAL = ("completed", "stopped", "abnormal")
EXAMPLE = Path(__file__).parents[1] / "services" / "modelarts" / "create_workflow_example.json"
SETUP = """
    modelarts:
      objects:
        obs://lab/code/: ./train
        obs://lab/in/: ./numbers
        obs://lab/single.txt: ./numbers/3.txt
      public_buckets: [open]
      algorithms:
        registered:
          code_dir: obs://lab/code/
          boot_file: power.py
          parameters: {power: 3}
          environments: {OFFSET: 1000}
"""
# Raises each number to a power and tells the sum; first waits until the file that is its gate exists.
POWER = """
    import argparse, json, os, pathlib, sys, time

    parser = argparse.ArgumentParser()
    parser.add_argument("--power", type=int, default=2)
    parser.add_argument("--gate")
    parser.add_argument("--data_url", type=pathlib.Path)
    parser.add_argument("--train_url", type=pathlib.Path)
    options = parser.parse_args()
    print("started", options.power, flush=True)
    while options.gate and not os.path.exists(options.gate):
        time.sleep(0.01)
    files = sorted(options.data_url.iterdir()) if options.data_url.is_dir() else [options.data_url]
    total = sum(int(file.read_text()) ** options.power for file in files) + int(os.environ.get("OFFSET", 0))
    (options.train_url / "deep").mkdir(parents=True, exist_ok=True)
    (options.train_url / "deep" / "sum.txt").write_text(str(total))
    metric = {"key": "total", "title": "the sum", "type": "float", "data": {"value": total}}
    (options.train_url / "metrics.json").write_text(json.dumps([metric]))
    if total == 0:
        sys.exit("nothing to sum")
"""


def write_cloud(folder):
    """Write a set-up file with the code and data that it names; return its path."""
    files = {
        "train/power.py": dedent(POWER),
        **{f"numbers/{number}.txt": str(number) for number in range(4)},
        "setup.yml": dedent(SETUP),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder / "setup.yml"


def job(name="train", inputs="obs://lab/in/", output="/lab/out/", parameters=(), **fields):
    """Return a job step that really runs."""
    algorithm = {"code_dir": "/lab/code/", "boot_file": "power.py", "parameters": list(parameters)}
    return {
        "name": name,
        "title": f"the step {name}",
        "type": "job",
        "inputs": [{"name": "data_url", "type": "obs", "value": {"obs_url": inputs}}],
        "outputs": [{"name": "train_url", "type": "obs", "config": {"obs_url": output}}],
        "properties": {"algorithm": algorithm},
    } | fields


def step(name, *before, emulator=None, **fields):
    """Return a step that only takes its time."""
    properties = {"emulator": {"run_seconds": 0.5} | (emulator or {})}
    return {"name": name, "type": "model", "properties": properties, "depend_steps": list(before)} | fields


def example():
    """Return the request example of the vendor's page."""
    return json.loads(EXAMPLE.read_text())


class Huawei:
    """The services as a client sees them, at the emulator's address."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=10)
        self.root = f"/v2/{PROJECT}/workflows"

    def ask_token(self, *, password="emulator", scope=True, **project) -> httpx.Response:
        user = {"name": "emulator", "password": password, "domain": {"name": "emulator"}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
        if scope:
            body["auth"]["scope"] = {"project": project or {"name": "cn-north-4"}}
        return self.http.post("/v3/auth/tokens", params={"nocatalog": "true"}, json=body)

    @cached_property
    def token(self) -> dict[str, str]:
        return {"X-Auth-Token": self.ask_token().headers["x-subject-token"]}

    def call(self, method, path="", **options) -> httpx.Response:
        return self.http.request(method, self.root + path, headers=self.token, **options)

    def get(self, path="", **params):
        return self.call("GET", path, params=params or None).json()

    def create(self, *steps, **fields) -> str:
        body = {"name": "flow", "steps": copy.deepcopy(list(steps))} | fields
        answer = self.call("POST", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["workflow_id"]

    def start(self, workflow, **body) -> str:
        answer = self.call("POST", f"/{workflow}/executions", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["execution_id"]

    def run(self, *steps, **body):
        """Create a workflow, start it and wait for its end; return workflow and execution."""
        workflow = self.create(*steps)
        return workflow, self.ended(workflow, self.start(workflow, **body))

    def execution(self, workflow, execution):
        return self.get(f"/{workflow}/executions/{execution}")

    def ended(self, workflow, execution):
        wait_for(lambda: self.execution(workflow, execution).get("status") in FINAL)
        return self.execution(workflow, execution)

    def waits(self, workflow, execution, name, status):
        """Wait until a step has a status; return the step."""
        return wait_for(lambda: find(self.execution(workflow, execution), name, status))

    def act(self, workflow, execution, action, step=None, **body) -> httpx.Response:
        path = f"/{workflow}/executions/{execution}{f'/step-executions/{step}' if step else ''}/actions"
        return self.call("POST", path, json={"action_name": action} | body)

    def object(self, place) -> httpx.Response:
        return self.http.get(f"/obs/{place}", auth=ObsAuth(ACCESS, SECRET))

    def journal_of(self, execution):
        (found,) = self.http.get("/_emulator/jobs", params={"id": execution}).json()["jobs"]
        return found

    def settings(self, **changes) -> None:
        self.http.post("/_emulator/settings", json=changes).raise_for_status()

    def faults(self, *faults) -> None:
        self.http.post("/_emulator/faults", json=list(faults)).raise_for_status()


def find(execution, name, status=None):
    """Return a step of an execution, if it is there and has the status."""
    for run in execution.get("steps_execution") or []:
        if run["step_name"] == name and status in (None, run["status"]):
            return run
    return None


def statuses(execution):
    """Return the status of each step by its name."""
    return {run["step_name"]: run["status"] for run in execution["steps_execution"]}
