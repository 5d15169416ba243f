"""Many tasks that their triggers run, and that start at the same time: what they share."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from airflow_batch_provider.drive import IN_FLIGHT
from airflow_batch_provider.hooks.base import BatchHook
from airflow_batch_provider.watching import client, connection

from .airflow_in_memory import run, trigger_of
from .test_run_job import airflow, azure_ml, control, emulator, jobs, modelarts

__all__ = ["airflow", "emulator"]  # fixtures

TASKS = 50


@pytest.fixture
def made(monkeypatch):
    """Count what is made: look-ups of the connection, clients, connections to the service."""
    counts = {"look-ups": 0, "clients": 0, "other clients": 0, "connections": 0}

    def counted(owner, name, what, counts_it=lambda *_: True):
        original = getattr(owner, name)

        def counting(*arguments, **options):
            counts[what] += counts_it(*arguments)
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, counting)

    counted(BatchHook, "aopen", "look-ups", lambda hook: hook._connection is None)
    counted(connection, "PollingClient", "clients")
    counted(httpx.AsyncClient, "__init__", "other clients")
    counted(client, "connect", "connections")
    return counts


async def together(operator, name):
    triggers = [trigger_of(operator, f"{name}-{one}", deployment="brief") for one in range(TASKS)]
    return await asyncio.gather(*(run(trigger) for trigger in triggers))


@pytest.mark.parametrize("operator", [azure_ml, modelarts])
def test_fifty_tasks_start_with_one_look_up_one_client_and_few_connections(airflow, emulator, made, operator):
    """They share the connection, and no more of them submit at once than requests may be under way."""
    before = len([one for one in control(emulator, "requests")["requests"] if one["plane"] == "entra"])

    ended = asyncio.run(together(operator(), f"together-{operator.__name__}"))

    assert ended == ["success"] * TASKS
    assert (made["look-ups"], made["clients"], made["other clients"]) == (1, 1, 0)
    # Submissions, polls, and what is asked at the end of jobs.
    assert made["connections"] <= 3 * IN_FLIGHT
    tokens = [one for one in control(emulator, "requests")["requests"] if one["plane"] == "entra"]
    assert len(tokens) - before <= 2  # one for each audience
    for one in range(TASKS):
        assert len(jobs(emulator, f"together-{operator.__name__}-{one}")) == 1
