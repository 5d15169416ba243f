"""Many waiting tasks, ``WAITING_JOBS`` of them, and a service that answers 25 requests a second, or fewer."""

from __future__ import annotations

import asyncio
import json
import os
import time

import pytest

from airflow_batch_provider.emulator.server import Emulator

from .conftest import Service, waits

JOBS = int(os.environ.get("WAITING_JOBS", "39"))
# Few jobs have a list with as many pages as many have, and are over soon.
PAGE = max(2, JOBS // 60)
INTERVAL = 10.0 if JOBS > 1000 else 3.0
ALLOWED = min(25, JOBS // 3)
SUBMITTING_SECONDS = 0.04 * JOBS
LASTING = SUBMITTING_SECONDS + 3 * INTERVAL
SETUP = """
endpoints:
  busy:
    defaults: {deployment_name: busy}
    deployments:
      busy: {emulator: {run_seconds: %f}}
"""


@pytest.fixture
def busy(tmp_path, monkeypatch):
    """Give an emulator whose jobs end some intervals after all were submitted."""
    (tmp_path / "setup.yml").write_text(SETUP % (20 * LASTING))
    with Emulator(setup=tmp_path / "setup.yml", speed=20) as emulator:
        service = Service(emulator)
        monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", json.dumps(service.connection))
        monkeypatch.setenv("AIRFLOW__AIRFLOW_BATCH_PROVIDER__POLLS_PER_SECOND", "1000")
        monkeypatch.setattr("airflow_batch_provider.triggers.settling.SETTLE_SECONDS", 0.0)
        yield service
        service.close()


def test_all_end_well_and_refusals_end_within_an_interval(busy):
    """The watcher finds the rate at which it is answered; nobody goes unheard, nothing is lost."""
    refs = busy.submit(JOBS, "busy")
    busy.set(requests_per_second=ALLOWED, page_size=PAGE)
    busy.forget()

    async def story():
        return await asyncio.gather(*waits(refs, poll_interval=INTERVAL))

    began = time.time()
    events = asyncio.run(story())

    took, ended = time.time() - began, max(refs, key=lambda ref: ref.submitted_at).submitted_at + LASTING
    asked = [*busy.requests(plane="batch"), *busy.requests(plane="arm")]
    refused = [one["time"] for one in asked if one["status"] == 429]
    print(f"{JOBS} jobs: {len(asked)} requests, refused after {[round(at - began) for at in refused]} s,")  # noqa: T201
    print(f"{took:.0f} s, until {began + took - ended:.0f} s after the last job's end")  # noqa: T201
    assert refused
    assert max(refused) - min(refused) <= INTERVAL
    assert len(refused) <= 0.01 * len(asked) + 1
    assert [event["outcome"] for event in events] == ["done"] * JOBS
    assert [event["job"]["state"] for event in events] == ["succeeded"] * JOBS
    assert all(event["job"]["outputs"] for event in events)
