"""The trigger that waits for a long-running operation, against the emulator."""

from __future__ import annotations

import asyncio
import json
import time
from uuid import uuid4

import httpx
import pytest

from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.errors import OperationFailed, OperationTimedOut, OperationUnreachable
from airflow_batch_provider.hooks.azure_ml import AzureMLHook
from airflow_batch_provider.triggers.operations import OperationTrigger, error_in
from tests.secret_scan import CLIENT_SECRET, look


@pytest.fixture(scope="module")
def running():
    with Emulator(speed=20) as emulator:
        yield emulator


@pytest.fixture
def emulator(running, monkeypatch):
    """Give the emulator, without faults, behind the connection ``azure_ml_default``."""
    monkeypatch.setattr("airflow_batch_provider.triggers.settling.SETTLE_SECONDS", 0.0)
    connection = {**running.airflow_connection(), "password": CLIENT_SECRET}
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", json.dumps(connection))
    control(running, "DELETE", "faults")
    control(running, "DELETE", "requests")
    yield running
    control(running, "DELETE", "faults")


def control(emulator, method, what, body=None):
    with httpx.Client(trust_env=False) as client:
        return client.request(method, f"{emulator.url}/_emulator/{what}", json=body).raise_for_status()


def begun(**said):
    """Begin to create a cluster; return the operation as a trigger takes it."""
    hook = AzureMLHook()
    hook.open()
    wanted = hook.resources.compute(f"c{uuid4().hex[:12]}", vm_size="STANDARD_D2_V2", max_nodes=1, **said)
    return hook.run(hook.resources.ensure(wanted)).operation


def waited(operation, **said):
    """Return the event of a trigger that went through Airflow's database."""
    _, kwargs = trigger(operation, **said).serialize()
    look("trigger", json.dumps(kwargs))

    async def first():
        async for event in OperationTrigger(**json.loads(json.dumps(kwargs))).run():
            return event.payload
        return None

    event = json.loads(json.dumps(asyncio.run(first())))
    look("event", json.dumps(event))
    return event


def trigger(operation, **said):
    return OperationTrigger(
        conn_id="azure_ml_default", place={}, operation=operation.to_dict(), poll_interval=1, **said
    )


def changes(emulator):
    entries = control(emulator, "GET", "requests").json()["requests"]
    return [one["method"] for one in entries if one["plane"] == "arm" and one["method"] != "GET"]


def test_the_event_tells_the_resource_and_what_was_seen(emulator):
    """All that the task needs crosses as JSON; nothing but looks is sent."""
    operation = begun()
    before = changes(emulator)
    event = waited(operation)

    assert (event["outcome"], event["operation"]["done"]) == ("done", True)
    assert event["operation"]["resource"]["properties"]["provisioningState"] == "Succeeded"
    assert "Succeeded" in event["history"][-1]
    assert error_in(event) is None
    assert changes(emulator) == before


def test_an_operation_that_ended_before_the_trigger_began_is_told_at_once(emulator):
    """A triggerer that was down for a while misses nothing."""
    operation = begun()
    waited(operation)
    started = time.monotonic()

    assert (
        waited(operation)["operation"]["resource"]["id"] == waited(operation)["operation"]["resource"]["id"]
    )
    assert time.monotonic() - started < 5


def test_a_failure_is_told_with_the_services_words(emulator):
    """The event becomes the error that a worker would have raised, of the same class and text."""
    error = error_in(waited(begun(tags={"emulate": "failed: The rack is on fire."})))

    assert isinstance(error, OperationFailed)
    assert "The rack is on fire." in str(error)
    assert error.job_id == ""


def test_a_deadline_that_has_passed_ends_waiting_and_nothing_else(emulator):
    """It is a moment, not a time span: a restarted triggerer does not begin anew. The operation goes on."""
    operation = begun()
    error = error_in(waited(operation, deadline=time.time() - 1))

    assert isinstance(error, OperationTimedOut)
    assert waited(operation)["outcome"] == "done"
    assert changes(emulator) == ["PUT"]


def test_an_outage_is_tolerated_by_time(emulator):
    """A few bad answers are passed over and remembered; too long an outage ends waiting and nothing else."""
    operation = begun()
    bad = {"action": "status", "status": 503, "match": {"path": "OperationsStatus"}, "times": 6}
    control(emulator, "POST", "faults", {"faults": [bad]})
    event = waited(operation)
    assert event["outcome"] == "done"
    assert any("asking again after" in line for line in event["history"])

    other = begun()
    control(emulator, "POST", "faults", {"faults": [bad | {"times": 99}]})
    error = error_in(waited(other, outage_tolerance=0))
    assert isinstance(error, OperationUnreachable)
    assert changes(emulator) == ["PUT", "PUT"]


def test_its_arguments_hold_no_secret(emulator):
    """What Airflow stores of a trigger is the connection's name, and where the operation is asked about."""
    _, kwargs = trigger(begun()).serialize()

    assert CLIENT_SECRET not in json.dumps(kwargs)
    assert kwargs["operation"]["resource"] == {}
    assert kwargs["conn_id"] == "azure_ml_default"


def test_a_trigger_that_is_stopped_stops_nothing(emulator):
    """A triggerer that shuts down, and a user who kills the task, leave the operation to go on."""
    operation = begun()

    async def stopped():
        one = trigger(operation)
        waiting = asyncio.ensure_future(anext(one.run()))
        await asyncio.sleep(0.2)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await one.cleanup()
        await one.on_kill()

    asyncio.run(stopped())
    assert waited(operation)["outcome"] == "done"
    assert changes(emulator) == ["PUT"]
