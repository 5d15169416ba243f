"""The part of a triggerer that runs watchers, with Airflow's own shared streams and accessors."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from contextlib import suppress

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import AssetStateStoreResult, ErrorResponse, SetAssetStateStoreByName
from airflow.sdk.execution_time.context import AssetStateStoreAccessors
from airflow.triggers.shared_stream import SharedStreamManager

from tests.secret_scan import look
from tests.sensors.conftest import folder, service, shared_service

__all__ = ["folder", "service", "shared_service"]

PATIENCE = 20.0


class Airflow:
    """What survives a triggerer: the states of assets, and the events that were stored."""

    def __init__(self):
        self.states = {}
        self.events = []
        self.is_out_of_order = False
        self.writes = 0

    async def asend(self, message):
        """Answer what an accessor asks of a triggerer's supervisor."""
        await asyncio.sleep(0)
        if self.is_out_of_order:
            raise RuntimeError("Airflow is out of order")
        place = message.name, message.key
        if isinstance(message, SetAssetStateStoreByName):
            look("asset state", json.dumps(message.value))
            self.states[place] = json.loads(json.dumps(message.value))
            self.writes += 1
            return None
        if place in self.states:
            return AssetStateStoreResult(value=self.states[place])
        return ErrorResponse(error=ErrorType.ASSET_STORE_NOT_FOUND, detail={"key": message.key})

    def told(self, *fields):
        """Return what was told, by these fields of the payloads, or the last part of their paths."""
        if fields:
            return [tuple(one[field] for field in fields) for one in self.arrivals()]
        return [one["path"].rpartition("/")[2] for one in self.arrivals()]

    def arrivals(self):
        """Return what all events told; each repeats its newest arrival."""
        found = []
        for _, event in self.events:
            told = event.get("files") or event["jobs"]
            assert told[-1].items() <= event.items()
            found += told
        return found


class Triggerer:
    """Runs watchers until it is killed.

    Args:
        airflow: Where events are stored.
        ack_timeout: Seconds after which a follower that is not done is given up.
    """

    def __init__(self, airflow, ack_timeout=300.0):
        self.airflow = airflow
        self.manager = SharedStreamManager(ack_timeout=ack_timeout)
        self.stores = True
        self.tasks = {}
        self.unstored = []
        self._ids = itertools.count(1)

    def watch(self, trigger, *assets):
        """Run a trigger for assets, made anew from what is stored; return its number."""
        _, kwargs = trigger.serialize()
        look("trigger", json.dumps(kwargs))
        trigger = type(trigger)(**json.loads(json.dumps(kwargs)))
        trigger.asset_state_store = AssetStateStoreAccessors(inlets=[Asset(name) for name in assets])
        number = next(self._ids)
        self.tasks[number] = asyncio.create_task(self._run(number, trigger))
        return number

    async def _run(self, number, trigger):
        key = trigger.shared_stream_key()
        stream = self.manager.subscribe(trigger_id=number, trigger=trigger, key=key)
        try:
            async for event in trigger.filter_shared_stream(stream):
                await asyncio.sleep(0)
                seq = self.manager.bind_pending_event(trigger_id=number, key=key)
                self.unstored.append((number, json.loads(json.dumps(event.payload)), seq))
                look("event", json.dumps(event.payload))
                if self.stores:
                    asyncio.get_running_loop().call_later(0.01, self.store)
        finally:
            await self.manager.unsubscribe(number, key)

    def store(self):
        """Store the events that fired, as the supervisor does at its next turn."""
        fired, self.unstored = self.unstored, []
        self.airflow.events += [(number, payload) for number, payload, _ in fired]
        self.manager.confirm_persisted([seq for _, _, seq in fired if seq is not None])

    async def kill(self):
        """End at once: nothing more reaches Airflow."""
        self.airflow.is_out_of_order = True
        for task in self.tasks.values():
            task.cancel()
            with suppress(BaseException):
                await task
        await self.manager.stop_all()
        self.airflow.is_out_of_order = False


async def until(ready, what):
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE
    while not (result := ready()):
        assert time.monotonic() < deadline, f"waited for {what}"
        await asyncio.sleep(0.02)
    return result


@pytest.fixture
def airflow(monkeypatch):
    """What survives triggerers."""
    kept = Airflow()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", kept, raising=False)
    return kept
