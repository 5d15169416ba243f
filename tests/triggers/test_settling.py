"""When triggers may fire."""

from __future__ import annotations

import asyncio
import time

import pytest

from airflow_batch_provider.triggers import settling
from airflow_batch_provider.triggers.outputs import OutputTrigger


async def first_event(trigger):
    return await anext(trigger.run())


def test_no_trigger_fires_in_its_first_seconds(tmp_path, monkeypatch):
    """What is there at once is told only after the time in which the scheduler would misunderstand it."""
    monkeypatch.setattr(settling, "SETTLE_SECONDS", 0.5)
    (tmp_path / "a.csv").write_text("x")
    trigger = OutputTrigger(path=str(tmp_path), conn_id="azure_ml_default")
    began = time.monotonic()

    event = asyncio.run(first_event(trigger))

    assert event.payload["outcome"] == "found"
    assert time.monotonic() - began >= 0.5


@pytest.mark.parametrize("waited", [0.5, 60.0])
def test_whoever_waited_longer_fires_at_once(monkeypatch, waited):
    """The first seconds count from the trigger's start, not from its outcome."""
    monkeypatch.setattr(settling, "SETTLE_SECONDS", 0.5)
    began = time.monotonic()

    asyncio.run(settling.settle(began - waited))

    assert time.monotonic() - began < 0.4
