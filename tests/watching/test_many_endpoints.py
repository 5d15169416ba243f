"""Many jobs with an endpoint each: the workspace's list stands in for theirs."""

from __future__ import annotations

import asyncio
import json

import pytest

from airflow_batch_provider.emulator.server import Emulator

from .conftest import Service, until, waits

ENDPOINTS = 26
ALONE = 20
"""So many are asked for one by one before the rest shares a list."""
DEPLOYED = "{defaults: {deployment_name: only}, deployments: {only: {emulator: {run_seconds: 100000}}}}"


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Give an emulator with many endpoints."""
    setup = tmp_path_factory.mktemp("many") / "setup.yml"
    endpoints = "\n".join(f"  many-{number}: {DEPLOYED}" for number in range(ENDPOINTS))
    setup.write_text(f"endpoints:\n{endpoints}\n")
    with Emulator(setup=setup, speed=20) as emulator:
        yield emulator


@pytest.fixture
def service(many, monkeypatch):
    """Give what tests ask the emulator, with a job of each endpoint."""
    service = Service(many)
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", json.dumps(service.connection))
    monkeypatch.setenv("AIRFLOW__AIRFLOW_BATCH_PROVIDER__POLLS_PER_SECOND", "1000")
    monkeypatch.setattr("airflow_batch_provider.triggers.settling.SETTLE_SECONDS", 0.0)
    service.refs = [service.submit(1, f"many-{number}")[0] for number in range(ENDPOINTS)]
    service.forget()
    yield service
    service.reset()
    service.close()


def lists(service):
    return [path for path in service.polls("arm") if path.endswith("/jobs")]


async def ended(service, tasks):
    await asyncio.to_thread(service.cancel, *service.refs)
    return [event["job"]["state"] for event in await asyncio.gather(*tasks)]


def test_jobs_of_many_endpoints_share_the_workspaces_list(service):
    """From the twenty-first endpoint on, one list is asked for instead of one job each."""

    async def story():
        tasks = waits(service.refs)
        await until(lambda: lists(service))
        service.forget()
        await until(lambda: len(lists(service)) >= 2)
        single = {path.rpartition("/")[2] for path in service.polls()}
        return single, await ended(service, tasks)

    single, states = asyncio.run(asyncio.wait_for(story(), 60))

    assert len(single) <= ALONE
    assert states == ["canceled"] * ENDPOINTS


def test_where_the_workspaces_list_is_refused_each_job_is_asked_for(service):
    """An identity that may not list the workspace's jobs loses nothing but the saving."""
    service.fail({"action": "status", "match": {"plane": "arm", "method": "GET"}, "status": 403})

    async def story():
        tasks = waits(service.refs)
        await until(lambda: len({path.rpartition("/")[2] for path in service.polls()}) == ENDPOINTS)
        service.heal()
        return await ended(service, tasks)

    assert asyncio.run(asyncio.wait_for(story(), 60)) == ["canceled"] * ENDPOINTS
