"""An emulator with endpoints whose jobs take their time, and triggers that wait for them."""

from __future__ import annotations

import asyncio
import json
import time

import httpx
import pytest

from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.hooks.azure_ml import AzureMLHook
from airflow_batch_provider.triggers.jobs import JobTrigger
from tests.secret_scan import CLIENT_SECRET, look

SETUP = """
endpoints:
  endless:
    defaults: {deployment_name: endless}
    deployments:
      endless: {emulator: {run_seconds: 100000}}
  other:
    defaults: {deployment_name: other}
    deployments:
      other: {emulator: {run_seconds: 100000}}
  brief:
    defaults: {deployment_name: brief}
    deployments:
      brief: {emulator: {run_seconds: 80}}
modelarts:
  objects: {}
"""


class Service:
    """What tests ask the emulator about itself."""

    def __init__(self, emulator):
        self.connection = {**emulator.airflow_connection(), "password": CLIENT_SECRET}
        self._http = httpx.Client(base_url=f"{emulator.url}/_emulator", trust_env=False)

    def reset(self):
        self._http.post("reset").raise_for_status()

    def close(self):
        self._http.close()

    def set(self, **settings):
        self._http.post("settings", json=settings).raise_for_status()

    def fail(self, *faults):
        self._http.post("faults", json=list(faults)).raise_for_status()

    def heal(self):
        self._http.delete("faults").raise_for_status()

    def forget(self):
        self._http.delete("requests").raise_for_status()

    def requests(self, **match):
        found = self._http.get("requests").json()["requests"]
        return [one for one in found if all(one[key] == value for key, value in match.items())]

    def polls(self, plane="batch"):
        """Return the paths that were asked, without what submits and cancels."""
        return [one["path"] for one in self.requests(plane=plane, method="GET")]

    def jobs(self):
        return {job["id"]: job for job in self._http.get("jobs").json()["jobs"]}

    def submit(self, number, endpoint="endless"):
        """Start jobs; return their references."""
        hook = AzureMLHook()
        hook.open()
        order = hook.order(endpoint_name=endpoint, input="azureml:data@latest")
        plan = hook.run(hook.service.plan(order))
        with hook.client() as client:
            from airflow_batch_provider import drive

            return [drive.run(hook.service.submit(plan, ""), client)[0] for _ in range(number)]

    def cancel(self, *refs):
        """End jobs."""
        hook = AzureMLHook()
        with hook.client() as client:
            from airflow_batch_provider import drive

            for ref in refs:
                drive.run(hook.service.cancel(ref), client)


@pytest.fixture(scope="session")
def shared_emulator(tmp_path_factory):
    folder = tmp_path_factory.mktemp("watching")
    (folder / "setup.yml").write_text(SETUP)
    with Emulator(setup=folder / "setup.yml", speed=20) as emulator:
        yield emulator


@pytest.fixture
def emulator(shared_emulator, monkeypatch):
    """Give the emulator, as it was at first, behind the connection ``azure_ml_default``."""
    service = Service(shared_emulator)
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", json.dumps(service.connection))
    monkeypatch.setattr("airflow_batch_provider.triggers.settling.SETTLE_SECONDS", 0.0)
    service.reset()
    yield service
    service.reset()
    service.close()


def trigger_for(ref, **options):
    """Return a trigger that asks each second at least."""
    options = {"poll_interval": 1.0, "conn_id": "azure_ml_default", "place": {}, **options}
    return JobTrigger(service=ref.service, ref=ref.to_dict(), **options)


async def outcome(trigger):
    """Return the trigger's event, as it crosses to the worker."""
    async for event in trigger.run():
        told = json.dumps(event.payload)
        look("event", told)
        return json.loads(told)
    return None


def waits(refs, **options):
    """Start a task for each job that waits for it."""
    return [asyncio.create_task(outcome(trigger_for(ref, **options))) for ref in refs]


async def until(condition, seconds=20.0):
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not (found := await asyncio.to_thread(condition)):
        assert time.monotonic() < end, "it did not come to that"
        await asyncio.sleep(0.05)
    return found
