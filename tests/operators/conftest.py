"""An emulator with a few endpoints, and the part of Airflow that calls an operator."""

from __future__ import annotations

import asyncio
import json
import textwrap
import time
from collections.abc import Iterator, Mapping
from copy import copy
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.triggers.jobs import JobTrigger
from tests.secret_scan import CLIENT_SECRET, HUAWEI_ACCOUNT, IAM_PASSWORD, look

SCRIPT = """
import pathlib

def init():
    pass

def run(mini_batch):
    names = [pathlib.Path(path).name for path in mini_batch]
    if any("bad" in name for name in names):
        raise ValueError("this file cannot be scored")
    return [f"{name} scored" for name in names]
"""

SETUP = """
data:
  good: {type: uri_folder, path: ./good}
  one-bad: {type: uri_folder, path: ./one-bad}
  each-tenth-bad: {type: uri_folder, path: ./each-tenth-bad}
endpoints:
  letters:
    defaults: {deployment_name: plain}
    deployments:
      plain: &plain
        model: ./model
        code_configuration: {code: ./code, scoring_script: score.py}
        mini_batch_size: 1
        max_concurrency_per_instance: 2
        retry_settings: {max_retries: 0, timeout: 30}
      other:
        <<: *plain
        output_file_name: other.csv
  endless:
    defaults: {deployment_name: endless}
    deployments:
      endless: {emulator: {run_seconds: 100000}}
  empty:
    deployments: {}
modelarts:
  <<: {account}
  objects:
    obs://lab/code/: ./train
    obs://lab/in/: ./good
"""

TRAIN = """
import argparse, json, pathlib

parser = argparse.ArgumentParser()
parser.add_argument("--data_url", type=pathlib.Path)
parser.add_argument("--train_url", type=pathlib.Path)
parser.add_argument("--epochs", type=int)
options = parser.parse_args()
found = "".join(path.read_text() for path in sorted(options.data_url.iterdir()))
(options.train_url / "result.txt").write_text(found * options.epochs)
print(f"trained for {options.epochs} epochs")
"""


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a set-up file and what it names."""
    folder = tmp_path_factory.mktemp("deployment")
    (folder / "code").mkdir()
    (folder / "code" / "score.py").write_text(textwrap.dedent(SCRIPT))
    (folder / "train").mkdir()
    (folder / "train" / "train.py").write_text(TRAIN)
    (folder / "model").mkdir()
    (folder / "model" / "weights.txt").write_text("1")
    for name, files in {"good": "abc", "one-bad": "abcdefghi"}.items():
        (folder / name).mkdir()
        for letter in files:
            (folder / name / f"{letter}.txt").write_text(letter)
    (folder / "one-bad" / "bad.txt").write_text("x")
    (folder / "each-tenth-bad").mkdir()
    for number in range(60):
        name = f"{number:02}-{'good' if number % 10 else 'bad'}.txt"
        (folder / "each-tenth-bad" / name).write_text("x")
    (folder / "setup.yml").write_text(SETUP.replace("{account}", HUAWEI_ACCOUNT))
    return folder


@pytest.fixture(scope="session")
def shared_emulator(deployment: Path) -> Iterator[Emulator]:
    """Run one emulator, fast, for all tests."""
    with Emulator(setup=deployment / "setup.yml", speed=20) as emulator:
        yield emulator


@pytest.fixture
def emulator(shared_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """Give the emulator, without faults, behind the connection ``azure_ml_default``."""
    service = Service(shared_emulator)
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", json.dumps(service.connection))
    service.reset()
    yield service
    service.reset()


def connection_of(emulator: Emulator, kind: str) -> dict[str, Any]:
    """Return a connection to the emulator's ModelArts that signs requests, or carries an IAM token."""
    found = emulator.modelarts_connection()
    if kind == "token":
        user = {"auth": "token", "iam_user": "emulator", "iam_domain": "emulator"}
        found |= {"login": "", "password": IAM_PASSWORD, "extra": found["extra"] | user}
    return found


@pytest.fixture(params=["aksk"])
def modelarts(
    shared_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Service]:
    """Give the emulator, without faults, behind the connection ``modelarts_default``."""
    connection = connection_of(shared_emulator, request.param)
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(connection))
    service = Service(shared_emulator, connection)
    service.reset()
    yield service
    service.reset()


class Service:
    """What tests ask the emulator about itself."""

    def __init__(self, emulator: Emulator, connection: dict[str, Any] | None = None) -> None:
        self.url = emulator.url
        self.connection = connection or {**emulator.airflow_connection(), "password": CLIENT_SECRET}

    def reset(self) -> None:
        self._call("DELETE", "faults")
        self._call("DELETE", "requests")

    def fail(self, **fault: Any) -> None:
        self._call("POST", "faults", {"faults": [fault]})

    def set(self, **settings: Any) -> None:
        self._call("POST", "settings", settings)

    def requests(self) -> list[dict[str, Any]]:
        return self._call("GET", "requests").json()["requests"]

    def job(self, job_id: str) -> dict[str, Any]:
        return next(job for job in self.jobs() if job["id"] == job_id)

    def wait_for_status(self, job_id: str, status: str) -> None:
        """Wait, at most 20 seconds, until a job has a status."""
        deadline = time.monotonic() + 20
        while self.job(job_id)["status"] != status:
            assert time.monotonic() < deadline, self.job(job_id)
            time.sleep(0.05)

    def jobs(self) -> list[dict[str, Any]]:
        return self._call("GET", "jobs").json()["jobs"]

    def _call(self, method: str, what: str, body: Any = None) -> httpx.Response:
        with httpx.Client(trust_env=False) as client:
            return client.request(method, f"{self.url}/_emulator/{what}", json=body).raise_for_status()


class StateStore(dict[str, Any]):
    """Airflow's task state store, in memory."""

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        look("task state", json.dumps(value))
        self[key] = value


class TaskInstance:
    """The running task instance, as far as operators use it."""

    def __init__(self, task_id: str, run_id: str) -> None:
        self.dag_id, self.run_id, self.task_id, self.map_index = "dag", run_id, task_id, -1
        self.max_tries, self.try_number = 0, 1
        self.start_date = datetime.now(timezone.utc)
        self.xcoms: dict[str, Any] = {}
        self.runs = 1
        self.state = "failed"  # as the user marked it, when something asks

    def get_task_states(self, dag_id: str, task_ids: Any, run_ids: Any, map_index: Any) -> dict[str, Any]:
        assert (dag_id, task_ids, run_ids) == (self.dag_id, [self.task_id], [self.run_id])
        return {self.run_id: {self.task_id: self.state}}

    def get_dr_count(self, dag_id: str, states: list[str]) -> int:
        assert dag_id == self.dag_id
        assert states in (["running"], ["queued", "running", "success", "failed"])
        return self.runs

    def xcom_push(self, key: str, value: Any) -> None:
        look(f"XCom {key}", json.dumps(value))
        self.xcoms[key] = json.loads(json.dumps(value))

    def xcom_pull(self, task_ids: str, key: str, map_indexes: int) -> Any:
        # Without the index, Airflow 3.3.2 would look for mapped siblings.
        assert (task_ids, map_indexes) == (self.task_id, self.map_index)
        return self.xcoms.get(key)


class DagRun:
    """The DAG run, as far as operators use it."""

    clear_number = 0
    conf: Mapping[str, Any] = {}  # nobody writes it


def rendered(operator: Any) -> dict[str, Any]:
    """Return what Airflow shows of a task's fields."""
    return _serialize_rendered_fields(operator)


class Task:
    """Runs an operator as Airflow does: render, execute, wait in a trigger, go on."""

    def __init__(self, run_id: str = "run") -> None:
        self.store = StateStore()
        self.instance = TaskInstance("task", run_id)
        self.dag_run = DagRun()
        self.events: list[dict[str, Any]] = []
        self.triggers: list[JobTrigger] = []

    def context(self, **params: Any) -> Any:
        return {
            "ti": self.instance,
            "dag_run": self.dag_run,
            "task_state_store": self.store,
            "params": params,
        }

    def run(self, operator: Any, **params: Any) -> Any:
        context = self.context(**params)
        operator.render_template_fields(context)
        look("rendered fields", rendered(operator))
        returned = self._returned(operator, context)
        look("XCom return_value", json.dumps(returned))
        return returned

    def _returned(self, operator: Any, context: Any) -> Any:
        go_on = operator.execute
        while True:
            try:
                return go_on(context)
            except TaskDeferred as deferred:
                event = self._trigger(deferred)
                # The worker that goes on is another process with another operator.
                method = getattr(copy(operator), deferred.method_name)
                go_on = partial(method, event=event, **deferred.kwargs or {})

    def _trigger(self, deferred: TaskDeferred) -> Mapping[str, Any]:
        _, kwargs = deferred.trigger.serialize()
        look("trigger", json.dumps(kwargs))
        trigger = type(deferred.trigger)(**json.loads(json.dumps(kwargs)))
        self.triggers.append(trigger)

        async def first() -> Any:
            async for event in trigger.run():
                return event.payload
            return None

        event = json.loads(json.dumps(asyncio.run(first())))
        look("event", json.dumps(event))
        self.events.append(event)
        return event


@pytest.fixture
def task(request: pytest.FixtureRequest) -> Task:
    """Give a task instance of a run of its own."""
    return Task(run_id=request.node.name)


@pytest.fixture(autouse=True)
def no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let triggers fire at once: no worker of Airflow's is about to exit here."""
    monkeypatch.setattr("airflow_batch_provider.triggers.settling.SETTLE_SECONDS", 0.0)
