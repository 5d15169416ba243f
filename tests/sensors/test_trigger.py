"""`OutputTrigger` by itself."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from airflow_batch_provider.triggers.outputs import OutputTrigger


def first_event(trigger):
    async def run():
        return [event.payload async for event in trigger.run()]

    (event,) = asyncio.run(run())
    return event


def test_arguments_survive_being_stored():
    """What is serialised is JSON, and makes the same trigger again."""
    arguments = {
        "path": "/data",
        "glob": "*.csv",
        "min_files": 2,
        "min_bytes": 3,
        "stable_for": 4.5,
        "conn_id": "other",
        "poll_interval": 5.0,
        "deadline": 6.0,
        "outage_tolerance": 7.0,
    }
    path, kwargs = OutputTrigger(**arguments).serialize()

    assert path == "airflow_batch_provider.triggers.outputs.OutputTrigger"
    assert kwargs == arguments
    assert OutputTrigger(**json.loads(json.dumps(kwargs))).serialize() == (path, kwargs)


def test_the_last_look_is_at_the_deadline(tmp_path):
    """A long interval neither sleeps past the deadline nor ends before it."""
    deadline = time.time() + 0.3

    event = first_event(OutputTrigger(path=str(tmp_path), poll_interval=3600, deadline=deadline))

    assert event == {"outcome": "timed_out", "message": "What is there is not enough: 0 of 1 files, 0 bytes."}
    assert deadline <= time.time() < deadline + 5


def test_looks_are_spread():
    """Between four and five fifths of the interval, so that many triggers do not ask at one instant."""
    trigger = OutputTrigger(path="/data", poll_interval=100, deadline=None)
    seconds = [trigger._seconds_to_next_look() for _ in range(200)]

    assert 80 <= min(seconds) < 85
    assert 95 < max(seconds) <= 100


def test_bad_stored_arguments_are_an_error_event(tmp_path):
    """A path that cannot be watched is told in the event, by the name of its error."""
    event = first_event(OutputTrigger(path="s3://bucket/out"))

    assert event["outcome"] == "error"
    assert event["kind"] == "InvalidInput"
    assert "fits no form" in event["message"]


def test_a_surprise_is_raised(tmp_path):
    """What is no error of ours is a bug or a broken Airflow, and must be seen."""
    trigger = OutputTrigger(path="azureml://datastores/d/paths/x", conn_id="no_such_connection")

    with pytest.raises(Exception, match="no_such_connection"):
        first_event(trigger)


def test_a_cancelled_trigger_ends(tmp_path):
    """A triggerer that shuts down is not held up."""

    async def cancel():
        task = asyncio.create_task(anext(OutputTrigger(path=str(tmp_path), poll_interval=3600).run()))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())


def test_many_triggers_share_a_token(service, folder):
    """However many sensors wait with one connection, a process asks for one token of each kind."""
    name, path = folder
    triggers = [OutputTrigger(path=path, poll_interval=0.2) for _ in range(20)]

    async def run():
        waits = [asyncio.create_task(anext(trigger.run())) for trigger in triggers]
        await asyncio.to_thread(service.wait_for_looks, 45)
        await asyncio.to_thread(service.put, f"{name}/a.csv")
        return [event.payload["outcome"] for event in await asyncio.gather(*waits)]

    assert asyncio.run(run()) == ["found"] * 20
    assert len(service.requests("entra")) <= 2
