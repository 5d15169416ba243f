"""What must not happen to those who wait, whatever happens to the watcher, to another, or to the service."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from types import SimpleNamespace

import pytest
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import TaskStatesResult

from airflow_batch_provider.errors import ConnectionFailed
from airflow_batch_provider.jobs import JobRef, Watch
from airflow_batch_provider.services.azure_ml.batch import BatchEndpoints
from airflow_batch_provider.watching import registry
from airflow_batch_provider.watching.watcher import Waiter, Watcher

from .conftest import outcome, trigger_for, until, waits


@pytest.mark.parametrize("leaver", [0, 1, -1], ids=["first", "second", "last"])
@pytest.mark.parametrize("when", ["at-once", "later"])
def test_who_is_cancelled_takes_nobody_along(emulator, leaver, when):
    """Whoever leaves, be it the one who came first, and whenever, the others get their outcome."""
    refs = emulator.submit(4)

    async def story():
        tasks = waits(refs)
        await asyncio.sleep(0)
        if when == "later":
            await until(lambda: len(emulator.polls()) >= 2)
        tasks[leaver].cancel()
        await asyncio.to_thread(emulator.cancel, *(ref for ref in refs if ref is not refs[leaver]))
        return await asyncio.gather(*tasks, return_exceptions=True)

    told = asyncio.run(asyncio.wait_for(story(), 30))

    assert isinstance(told.pop(leaver), asyncio.CancelledError)
    assert [event["outcome"] for event in told] == ["done"] * 3
    assert emulator.jobs()[refs[leaver].id]["status"] not in ("CancelRequested", "Canceled")


def test_a_bug_in_the_answer_of_one_job_is_its_own(emulator, monkeypatch):
    """What goes wrong with one job's answer is raised to whoever waits for it; the others go on."""
    emulator.set(list_lag=1000)  # so that each is asked for by itself
    refs = emulator.submit(3)
    original = BatchEndpoints.asking

    def spoilt(self, ref):
        if ref.id == refs[0].id:
            raise KeyError("a bug")
        return original(self, ref)

    monkeypatch.setattr(BatchEndpoints, "asking", spoilt)

    async def story():
        tasks = waits(refs)
        with pytest.raises(KeyError, match="a bug"):
            await tasks[0]
        await asyncio.to_thread(emulator.cancel, *refs[1:])
        return await asyncio.gather(*tasks[1:])

    events = asyncio.run(asyncio.wait_for(story(), 30))

    assert [event["outcome"] for event in events] == ["done"] * 2


def test_a_bug_in_the_list_is_done_without_it(emulator, monkeypatch):
    """If reading the list goes wrong in a way that nobody thought of, jobs are asked for one by one."""
    refs = emulator.submit(3)
    monkeypatch.setattr(BatchEndpoints, "page", lambda *_: 1 / 0)

    async def story():
        tasks = waits(refs)
        await until(lambda: len(emulator.polls()) >= 6)
        await asyncio.to_thread(emulator.cancel, *refs)
        return await asyncio.gather(*tasks)

    events = asyncio.run(asyncio.wait_for(story(), 30))

    assert [event["outcome"] for event in events] == ["done"] * 3


def test_a_bug_in_the_watcher_leaves_nobody_waiting(emulator, monkeypatch):
    """If the watcher itself breaks, everybody hears of it, and the next to come has a new one."""
    refs = emulator.submit(3)
    original = Watcher._ask_for
    broken = [ZeroDivisionError("a bug in the watcher")]

    def spoilt(self, due, now):
        if broken:
            raise broken.pop()
        original(self, due, now)

    monkeypatch.setattr(Watcher, "_ask_for", spoilt)

    async def story():
        told = await asyncio.gather(*waits(refs), return_exceptions=True)
        again = waits(refs)
        await until(lambda: len(emulator.polls()) >= 1)
        await asyncio.to_thread(emulator.cancel, *refs)
        return told, await asyncio.gather(*again)

    told, events = asyncio.run(asyncio.wait_for(story(), 30))

    assert ["a bug in the watcher" in str(error) for error in told] == [True] * 3
    assert [event["outcome"] for event in events] == ["done"] * 3


class AsAirflow:
    """Tells a trigger what its supervisor would: the state of a task, or nothing."""

    def __init__(self, state):
        self.state = state

    async def asend(self, message):
        if self.state == "no answer":
            raise OSError("no answer")
        return TaskStatesResult(task_states={"run": {"task": self.state}})


@pytest.mark.parametrize("state", ["deferred", "running", "no answer"])
def test_a_trigger_that_moves_to_another_triggerer_waits_on_there(emulator, monkeypatch, state):
    """The old process says nothing to the service, though it is told of a kill; the new one goes on."""
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", AsAirflow(state), raising=False)
    refs = emulator.submit(3)
    stored = [trigger_for(ref, deadline=time.time() + 60).serialize() for ref in refs]

    async def old():
        triggers = [trigger_for(ref) for ref in refs]
        tasks = [asyncio.create_task(outcome(trigger)) for trigger in triggers]
        await until(lambda: len(emulator.polls()) >= 2)
        for task, trigger in zip(tasks, triggers, strict=True):
            trigger.task_instance = SimpleNamespace(dag_id="dag", run_id="run", task_id="task", map_index=-1)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(trigger.on_kill() for trigger in triggers))

    async def new():
        tasks = [asyncio.create_task(outcome(type(trigger_for(refs[0]))(**kwargs))) for _, kwargs in stored]
        await until(lambda: len(emulator.polls()) >= 2)
        await asyncio.to_thread(emulator.cancel, *refs)
        return await asyncio.gather(*tasks)

    asyncio.run(old())
    assert not emulator.requests(plane="arm", method="POST")
    emulator.forget()
    events = asyncio.run(asyncio.wait_for(new(), 30))

    assert [event["job"]["state"] for event in events] == ["canceled"] * 3


def test_a_user_s_kill_cancels_the_job_of_that_task_alone(emulator, monkeypatch):
    """The same call, once Airflow confirms that the task was marked."""
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", AsAirflow("failed"), raising=False)
    refs = emulator.submit(2)

    async def story():
        triggers = [trigger_for(ref) for ref in refs]
        tasks = [asyncio.create_task(outcome(trigger)) for trigger in triggers]
        await until(lambda: len(emulator.polls()) >= 2)
        triggers[0].task_instance = SimpleNamespace(dag_id="dag", run_id="run", task_id="task", map_index=-1)
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
        await triggers[0].on_kill()
        status = {ref.id: emulator.jobs()[ref.id]["status"] for ref in refs}
        await asyncio.to_thread(emulator.cancel, refs[1])
        return status, await tasks[1]

    status, event = asyncio.run(asyncio.wait_for(story(), 30))

    assert status[refs[0].id] in ("CancelRequested", "Canceled")
    assert status[refs[1].id] == "Running"
    assert event["job"]["state"] == "canceled"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of what was cut off
def test_a_loop_that_was_closed_in_the_middle_is_forgotten(emulator):
    """Nothing of a closed loop is used in the next one, nor kept."""
    refs = emulator.submit(3)

    async def begin():
        tasks = waits(refs)
        await until(lambda: len(emulator.polls()) >= 2)
        return tasks

    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin())
    before = list(registry._loops)
    _abandon(loop)

    async def story():
        tasks = waits(refs)
        await until(lambda: len(emulator.polls()) >= 4)
        await asyncio.to_thread(emulator.cancel, *refs)
        events = await asyncio.gather(*tasks)
        return events, list(registry._loops)

    events, known = asyncio.run(asyncio.wait_for(story(), 30))
    gc.collect()

    assert loop in before
    assert loop not in known
    assert [event["outcome"] for event in events] == ["done"] * 3


def _abandon(loop):
    """Close a loop under its tasks, as a process does that is in a hurry; only its sockets are seen to."""
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False
    for transport in list(loop._transports.values()):
        transport.abort()
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def test_two_loops_have_nothing_in_common(emulator):
    """Triggers in two threads, each with a loop of its own, wait at the same time."""
    refs = emulator.submit(4)
    events = []

    async def story(mine):
        tasks = waits(mine)
        await until(lambda: len(emulator.polls()) >= 6)
        await asyncio.to_thread(emulator.cancel, *mine)
        events.extend(await asyncio.gather(*tasks))

    threads = [threading.Thread(target=asyncio.run, args=(story(mine),)) for mine in (refs[:2], refs[2:])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert [event["outcome"] for event in events] == ["done"] * 4


@pytest.mark.parametrize("fault", [{"action": "status", "status": 503}, {"action": "drop_before"}])
def test_an_outage_is_tolerated_by_each_as_it_was_told(emulator, fault):
    """Who tolerates little gives up, who tolerates much goes on, though both share every question."""
    refs = emulator.submit(4)

    async def story():
        patient, hasty = waits(refs[:2], outage_tolerance=60), waits(refs[2:], outage_tolerance=2)
        await until(lambda: len(emulator.polls()) >= 2)
        await asyncio.to_thread(emulator.fail, fault)
        gave_up = await asyncio.gather(*hasty)
        assert not any(task.done() for task in patient)
        await asyncio.to_thread(emulator.heal)
        await asyncio.to_thread(emulator.cancel, *refs)
        return gave_up, await asyncio.gather(*patient)

    gave_up, events = asyncio.run(asyncio.wait_for(story(), 60))

    assert [event["kind"] for event in gave_up] == ["JobUnreachable"] * 2
    assert [event["outcome"] for event in events] == ["done"] * 2
    assert all(any("asking again" in line for line in event["history"]) for event in events)


def test_an_error_that_concerns_all_names_each_one_s_own_job(emulator):
    """Who waits names its job in an error; another's error is not changed by that."""

    async def story():
        error = ConnectionFailed("Refused.")
        waiters = [Waiter(JobRef("azure_ml", name), Watch(), "", 0.0) for name in "ab"]
        for waiter in waiters:
            waiter.fail(error, 0.0)
        letters = [await waiter.read() for waiter in waiters]
        return [letter.error.about(waiter.ref.id) for letter, waiter in zip(letters, waiters, strict=True)]

    assert [error.job_id for error in asyncio.run(story())] == ["a", "b"]


def test_deadlines_are_each_task_s_own(emulator):
    """The one whose time is over ends, having asked at its deadline; the others go on."""
    refs = emulator.submit(3)

    async def story():
        late = waits(refs[:1], poll_interval=60, deadline=time.time() + 2)
        others = waits(refs[1:], poll_interval=60)
        began = time.monotonic()
        (event,) = await asyncio.gather(*late)
        took = time.monotonic() - began
        assert not any(task.done() for task in others)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        return event, took

    event, took = asyncio.run(asyncio.wait_for(story(), 30))

    assert event["kind"] == "JobTimedOut"
    assert "its last known status is" in event["error"]["message"]
    assert 1.5 < took < 5


def test_a_deadline_ends_the_waiting_though_nothing_answers(emulator, monkeypatch):
    """A question that is never answered does not keep a task beyond its deadline."""
    monkeypatch.setattr("airflow_batch_provider.watching.watcher._LATE_SECONDS", 1.0)
    refs = emulator.submit(2)
    emulator.fail({"action": "latency", "seconds": 8, "match": {"plane": "batch"}})

    async def story():
        return await asyncio.gather(*waits(refs, deadline=time.time() + 1))

    began = time.monotonic()
    events = asyncio.run(asyncio.wait_for(story(), 30))

    assert [event["kind"] for event in events] == ["JobTimedOut"] * 2
    assert time.monotonic() - began < 6


def test_short_jobs_are_noticed_within_two_seconds(emulator):
    """Jobs that end in their first half minute are noticed soon, though old ones would be asked rarely."""
    refs = emulator.submit(10)

    async def story():
        tasks = waits(refs, poll_interval=60)
        ended = {}
        for index, ref in enumerate(refs):
            await asyncio.sleep(0.7)
            await asyncio.to_thread(emulator.cancel, ref)
            ended[index] = time.monotonic()
            tasks[index].add_done_callback(
                lambda _, index=index: took.setdefault(index, time.monotonic() - ended[index])
            )
        await asyncio.gather(*tasks)

    took = {}
    asyncio.run(asyncio.wait_for(story(), 60))

    assert len(took) == 10
    assert max(took.values()) <= 2.0


@pytest.mark.parametrize(
    "headers",
    [{"Retry-After": "3"}, {"x-ms-retry-after-ms": "3000"}, {"retry-after-ms": "3000", "Retry-After": "1"}],
)
def test_when_the_service_asks_for_a_pause_everybody_pauses(emulator, headers):
    """After a 429 nothing is asked, for whichever job, until the time that the service gave is over."""
    refs = [*emulator.submit(3), *emulator.submit(3, "other")]
    pause = {"action": "status", "status": 429, "headers": headers, "times": 1}

    async def story():
        tasks = waits(refs)
        await until(lambda: len(emulator.polls()) >= 4)
        await asyncio.to_thread(emulator.fail, {**pause, "match": {"plane": "batch"}})
        await until(lambda: any(one["status"] == 429 for one in emulator.requests()))
        await asyncio.sleep(5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(asyncio.wait_for(story(), 60))

    asked = emulator.requests(plane="batch", method="GET")
    (refused,) = [one["time"] + one["seconds"] for one in asked if one["status"] == 429]
    after = [one["time"] - refused for one in asked if one["time"] > refused + 0.1]
    assert after
    assert min(after) >= 2.9


def test_a_pause_asked_for_at_a_job_s_end_is_one_for_the_polls_of_all(emulator):
    """Resource Manager refuses to tell where an output is: polls, too, wait until it wants to hear again."""
    refs = [*emulator.submit(1, "brief"), *emulator.submit(3)]
    refused = {"action": "status", "status": 429, "headers": {"Retry-After": "3"}, "times": 1}
    emulator.fail({**refused, "match": {"path": "/workspaces/emulator$", "method": "GET"}})

    async def story():
        ending, *others = waits(refs)
        event = await ending
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        return event

    event = asyncio.run(asyncio.wait_for(story(), 60))

    (at,) = [one["time"] + one["seconds"] for one in emulator.requests() if one["status"] == 429]
    assert event["job"]["outputs"]
    assert not [one for one in emulator.requests() if at + 0.2 < one["time"] < at + 2.9]
    assert [one for one in emulator.requests(plane="batch", method="GET") if one["time"] < at]


def test_a_service_that_throttles_is_asked_less_and_tells_everything(emulator, monkeypatch):
    """At 5 requests a second allowed and 50 sent, refusals end soon, and every job is heard of."""
    monkeypatch.setenv("AIRFLOW__AIRFLOW_BATCH_PROVIDER__POLLS_PER_SECOND", "50")
    emulator.set(list_lag=1000)  # so that each is asked for by itself
    refs = emulator.submit(30)
    emulator.forget()
    emulator.set(requests_per_second=5)

    async def story():
        tasks = waits(refs, poll_interval=10.0)
        await asyncio.sleep(20)
        asked = await asyncio.to_thread(emulator.requests, plane="batch")
        emulator.set(requests_per_second=0)
        await asyncio.to_thread(emulator.cancel, *refs)
        return asked, await asyncio.gather(*tasks)

    asked, events = asyncio.run(asyncio.wait_for(story(), 90))

    refused = [one["time"] for one in asked if one["status"] == 429]
    assert refused
    assert max(refused) - min(refused) <= 10.0
    assert {one["path"].rpartition("/")[2] for one in asked if one["status"] == 200} >= {
        ref.id for ref in refs
    }
    assert [event["job"]["state"] for event in events] == ["canceled"] * 30
