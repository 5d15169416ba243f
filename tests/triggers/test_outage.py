"""Two hundred deferred tasks while the service restarts and is out of order."""

from __future__ import annotations

import asyncio
import json
import socket

import httpx

from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.hooks.azure_ml import AzureMLHook
from airflow_batch_provider.jobs import Policy, TaskIdentity
from airflow_batch_provider.jobs.submission import submit_once
from airflow_batch_provider.triggers.jobs import JobTrigger

JOBS = 200
SETUP = """
endpoints:
  busy:
    defaults: {deployment_name: only}
    deployments:
      only: {emulator: {run_seconds: 4}}
"""


class Records:
    """A record store in memory."""

    record = None

    async def load(self):
        return self.record

    async def save(self, record):
        self.record = json.loads(json.dumps(record))

    async def alone(self, *, ever=False):
        return True


async def submitted(hook):
    """Submit all jobs; return their references."""
    async with hook.aclient() as client:
        from airflow_batch_provider.drive import arun

        order = hook.order(endpoint_name="busy", input="azureml:data@latest")
        flows = [
            arun(
                submit_once(hook.service, order, TaskIdentity("dag", str(number), "task"), Policy()),
                client,
                store=Records(),
            )
            for number in range(JOBS)
        ]
        return [accepted.ref for accepted in await asyncio.gather(*flows)]


async def ended(trigger):
    async for event in trigger.run():
        return event.payload
    return None


def test_two_hundred_waiting_jobs_survive_a_restart_and_an_outage(tmp_path, monkeypatch):
    """All end well, and none is submitted again. The outage is a thirtieth of five minutes."""
    monkeypatch.setattr("airflow_batch_provider.triggers.settling.SETTLE_SECONDS", 0.0)
    (tmp_path / "setup.yml").write_text(SETUP)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def emulator():
        return Emulator(tmp_path / "state", setup=tmp_path / "setup.yml", port=port)

    async def story(first):
        hook = AzureMLHook()
        refs = await submitted(hook)
        waits = [
            asyncio.create_task(
                ended(
                    JobTrigger(
                        service="azure_ml",
                        conn_id="azure_ml_default",
                        place={},
                        ref=ref.to_dict(),
                        poll_interval=2.0,
                        outage_tolerance=60.0,
                    )
                )
            )
            for ref in refs
        ]
        await asyncio.sleep(2)
        await asyncio.to_thread(first.stop)
        await asyncio.sleep(5)
        with (
            emulator() as second,
            httpx.Client(base_url=f"{second.url}/_emulator", trust_env=False) as control,
        ):
            outage = [{"action": "status", "status": 503}]
            await asyncio.to_thread(control.post, "faults", json=outage)
            await asyncio.sleep(5)
            assert not any(wait.done() for wait in waits)
            await asyncio.to_thread(control.delete, "faults")
            events = await asyncio.gather(*waits)
            jobs = (await asyncio.to_thread(control.get, "jobs")).json()["jobs"]
        return refs, events, jobs

    first = emulator().start()
    connection = json.dumps(first.airflow_connection())
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", connection)
    refs, events, jobs = asyncio.run(story(first))

    assert [event["outcome"] for event in events] == ["done"] * JOBS
    assert [event["job"]["state"] for event in events] == ["succeeded"] * JOBS
    assert sorted(job["id"] for job in jobs) == sorted(ref.id for ref in refs)
    assert all(any("asking again" in line for line in event["history"]) for event in events)
