"""What many waiting tasks share: questions, tokens, look-ups, pools."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from contextvars import ContextVar
from dataclasses import replace
from itertools import pairwise

import pytest

from airflow_batch_provider.hooks.azure_ml import AzureMLHook
from airflow_batch_provider.hooks.base import BatchHook
from airflow_batch_provider.services.azure_ml.batch import BatchEndpoints
from airflow_batch_provider.watching import connection as connections
from airflow_batch_provider.watching import registry

from .conftest import outcome, trigger_for, until, waits

IN_COMMON = ("/workspaces/emulator", "/discovery", "/datastores/workspaceblobstore")
TASK = ContextVar("TASK", default="nobody")


@pytest.fixture
def look_ups(monkeypatch):
    """Count how often a connection is looked up."""
    found, original = [], BatchHook.aopen

    async def counted(self):
        if self._connection is None:
            found.append(self.conn_id)
        await original(self)

    monkeypatch.setattr(BatchHook, "aopen", counted)
    return found


def rounds(paths):
    """Return how many lists and single questions there were."""
    single = sum("batchjob" in path.rpartition("/")[2] for path in paths)
    return len(paths) - single, single


def test_forty_jobs_cost_as_many_requests_as_their_list_has_pages(emulator, look_ups):
    """In each round ⌈N / page⌉ requests; one look-up of the connection and one token for all."""
    refs = emulator.submit(40)
    emulator.set(page_size=10)
    emulator.forget()

    async def story():
        tasks = waits(refs)
        await until(lambda: rounds(emulator.polls())[0] >= 12)
        asked = [one["query"] for one in emulator.requests(plane="batch") if one["path"].endswith("/jobs")]
        await asyncio.to_thread(emulator.cancel, *refs)
        return asked, emulator.polls(), await asyncio.gather(*tasks)

    pages, polls, events = asyncio.run(story())

    lists, single = rounds(polls)
    firsts = [index for index, query in enumerate(pages) if not query]
    assert {after - before for before, after in pairwise(firsts[1:])} == {4}
    assert lists >= 12
    assert single <= 4  # those who came before the others
    assert [event["job"]["state"] for event in events] == ["canceled"] * 40
    assert look_ups.count("azure_ml_default") == 1
    assert len(emulator.requests(plane="entra")) <= 2  # one for each audience


def test_what_the_outputs_of_many_jobs_have_in_common_is_looked_up_once(emulator):
    """Jobs that end together ask once for the workspace, its region's services and the datastore."""
    refs = emulator.submit(30, "brief")
    emulator.forget()

    async def story():
        return await asyncio.gather(*waits(refs))

    events = asyncio.run(story())

    assert [event["job"]["state"] for event in events] == ["succeeded"] * 30
    assert len({event["job"]["outputs"]["score"]["url"] for event in events}) == 30
    asked = Counter(one["path"] for one in emulator.requests())
    in_common = {path: times for path, times in asked.items() if path.endswith(IN_COMMON)}
    assert len(in_common) == len(IN_COMMON)
    assert max(in_common.values()) == 1


def test_a_job_that_the_list_lacks_is_asked_for_by_itself(emulator):
    """New jobs are not listed for a while; they are found nevertheless."""
    emulator.set(list_lag=1000)
    refs = emulator.submit(5)
    emulator.forget()

    async def story():
        tasks = waits(refs)
        await until(lambda: rounds(emulator.polls())[1] >= 10)
        await asyncio.to_thread(emulator.cancel, *refs)
        return await asyncio.gather(*tasks)

    events = asyncio.run(story())

    assert [event["job"]["state"] for event in events] == ["canceled"] * 5
    assert rounds(emulator.polls())[0] <= 2


@pytest.mark.parametrize("status", [404, 403, 405, 500, 503])
def test_a_list_that_fails_is_done_without(emulator, status):
    """Microsoft's own examples work round a list that fails: jobs are then asked for one by one."""
    refs = emulator.submit(5)
    emulator.fail({"action": "status", "status": status, "match": {"path": "/jobs$", "plane": "batch"}})

    async def story():
        tasks = waits(refs)
        await until(lambda: rounds(emulator.polls())[1] >= 10)
        await asyncio.to_thread(emulator.cancel, *refs)
        return await asyncio.gather(*tasks)

    events = asyncio.run(story())

    assert [event["job"]["state"] for event in events] == ["canceled"] * 5


def test_a_list_that_takes_long_is_not_read_twice_at_once(emulator):
    """Who comes while it is read is asked for with the next one."""
    refs = emulator.submit(6)
    emulator.fail({"action": "latency", "seconds": 2, "match": {"path": "/jobs$", "plane": "batch"}})
    emulator.forget()

    async def story():
        tasks = waits(refs[:3])
        for _ in range(6):
            await asyncio.sleep(0.5)
            tasks += waits(refs[3:])
        await until(lambda: len(read()) >= 2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def read():
        return [one for one in emulator.requests(plane="batch") if one["path"].endswith("/jobs")]

    asyncio.run(story())

    lists = read()
    assert all(before["time"] + 2 <= after["time"] for before, after in pairwise(lists))


def old(refs):
    """Return the same jobs, as if they had been submitted an hour ago: asked for at the full interval."""
    return [replace(ref, submitted_at=ref.submitted_at - 3600) for ref in refs]


def firsts(emulator):
    """Return the first pages of the lists that were read."""
    pages = [one for one in emulator.requests(plane="batch") if one["path"].endswith("/jobs")]
    return [one for one in pages if not one["query"]]


def test_those_who_come_one_by_one_share_a_list(emulator):
    """A triggerer that takes over many tasks reads the list a few times, not once for each that begins."""
    refs = old(emulator.submit(60))
    emulator.forget()

    async def story():
        tasks, began = [], time.monotonic()
        for ref in refs:
            tasks += waits([ref], poll_interval=6.0)
            await asyncio.sleep(0.05)
        took, lists = time.monotonic() - began, len(firsts(emulator))
        await until(lambda: len(firsts(emulator)) > lists)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return took, lists

    took, lists = asyncio.run(story())

    assert 1 <= lists <= took / 1.5 + 2  # a quarter of the interval apart


def test_who_waits_for_a_list_is_asked_for_before_the_deadline_ends_it(emulator):
    """A resumed task whose deadline is near learns that its job has ended, though a list was just read."""
    refs = old(emulator.submit(5))
    emulator.cancel(refs[4])
    emulator.forget()

    async def story():
        tasks = waits(refs[:4], poll_interval=30.0)
        await until(lambda: firsts(emulator))
        last = trigger_for(refs[4], poll_interval=30.0, deadline=time.time() + 1)
        event = await asyncio.wait_for(outcome(last), 5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return event

    event = asyncio.run(story())

    assert event["outcome"] == "done"
    assert event["job"]["state"] == "canceled"


def test_a_long_history_is_not_read_for_a_few_jobs(emulator):
    """Few old jobs behind many pages are asked for one by one, once that is known."""
    refs = emulator.submit(3)
    emulator.submit(40)
    emulator.set(page_size=2)
    emulator.forget()

    async def story():
        tasks = waits(refs)
        await until(lambda: rounds(emulator.polls())[1] >= 12)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(story())

    assert rounds(emulator.polls())[0] <= 4


def test_each_task_logs_its_own_changes_and_nobody_the_others(emulator, monkeypatch):
    """What a change brings to a log is written in the context of the task that waits for that job."""
    refs = emulator.submit(6)
    seen, told = [], []

    def asked(name):
        original = getattr(BatchEndpoints, name)

        def seeing(self, *arguments):
            seen.append(TASK.get())
            return original(self, *arguments)

        monkeypatch.setattr(BatchEndpoints, name, seeing)

    asked("asking")
    asked("page")

    async def one(ref):
        TASK.set(ref.id)
        trigger = trigger_for(ref)
        trigger._changed = lambda job, changed=trigger._changed: (
            told.append((TASK.get(), job.id)),
            changed(job),
        )
        return await outcome(trigger)

    async def story():
        tasks = [asyncio.create_task(one(ref)) for ref in refs]
        await until(lambda: len(emulator.polls()) >= 4)
        await asyncio.to_thread(emulator.cancel, *refs)
        return await asyncio.gather(*tasks)

    asyncio.run(story())

    assert told
    assert all(task == job for task, job in told)
    assert min(Counter(job for _, job in told).values()) >= 2
    assert set(seen) == {"nobody"}


def changed(service, **extra):
    connection = json.loads(json.dumps(service.connection))
    connection["extra"] |= extra
    return json.dumps(connection)


def test_the_connection_is_read_again_after_a_while(emulator, look_ups, monkeypatch):
    """Once in five minutes, here in a second, however many wait."""
    monkeypatch.setattr(connections, "FRESH_SECONDS", 1.0)
    refs = emulator.submit(10)
    emulator.forget()
    look_ups.clear()

    async def story():
        tasks = waits(refs)
        await until(lambda: rounds(emulator.polls())[0] >= 4)
        await asyncio.to_thread(emulator.cancel, *refs)
        return await asyncio.gather(*tasks)

    asyncio.run(story())

    looked_up = look_ups.count("azure_ml_default") - 1  # `cancel` looks it up, too
    assert 2 <= looked_up <= len(emulator.requests(plane="batch"))


def test_while_airflow_does_not_answer_the_connection_stays_as_it_was(emulator, monkeypatch, caplog):
    """A look-up that fails ends nothing: what was read last goes on being used, and the log says so."""
    monkeypatch.setattr(connections, "FRESH_SECONDS", 0.5)
    refs = emulator.submit(1)
    original = BatchHook.aopen
    failed = []

    async def unanswered(self):
        if is_silent:
            failed.append(self.conn_id)
            raise OSError("Airflow does not answer")
        await original(self)

    is_silent = []
    monkeypatch.setattr(BatchHook, "aopen", unanswered)

    async def story():
        tasks = waits(refs)
        await until(lambda: len(emulator.polls()) >= 2)
        is_silent.append(True)
        await until(lambda: failed)
        emulator.forget()
        await until(lambda: len(emulator.polls()) >= 2)
        await asyncio.to_thread(emulator.cancel, *refs)
        return await asyncio.gather(*tasks)

    events = asyncio.run(asyncio.wait_for(story(), 30))

    assert [event["job"]["state"] for event in events] == ["canceled"]
    assert "Going on with the connection as it was" in caplog.text


def test_a_refused_credential_is_read_again(emulator, monkeypatch):
    """A secret that was renewed in the connection meanwhile is taken up; no task fails."""
    monkeypatch.setattr(connections, "_AGAIN_SECONDS", 0.0)
    refs = emulator.submit(3)
    refused = {"action": "status", "status": 401, "match": {"plane": "batch"}}

    async def story():
        tasks = waits(refs)
        await until(lambda: len(emulator.polls()) >= 2)
        monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", changed(emulator, tenantId="another"))
        await asyncio.to_thread(emulator.fail, {**refused, "times": 4})
        await asyncio.sleep(3)
        assert not any(task.done() for task in tasks)
        await asyncio.to_thread(emulator.cancel, *refs)
        return await asyncio.gather(*tasks)

    events = asyncio.run(story())

    assert [event["outcome"] for event in events] == ["done"] * 3


def test_a_credential_that_stays_refused_ends_the_waiting(emulator, monkeypatch):
    """If the connection is what it was, its refusal is raised, to everybody."""
    monkeypatch.setattr(connections, "_AGAIN_SECONDS", 0.0)
    refs = emulator.submit(3)
    emulator.fail({"action": "status", "status": 401, "match": {"plane": "batch"}})

    async def story():
        return await asyncio.gather(*waits(refs))

    events = asyncio.run(story())

    assert [event["kind"] for event in events] == ["AuthenticationFailed"] * 3
    assert sorted(event["error"]["job_id"] for event in events) == sorted(ref.id for ref in refs)


def test_the_last_to_leave_takes_it_down(emulator):
    """While somebody waits there is one connection, with a watcher for each endpoint; then nothing."""
    refs = [*emulator.submit(2), *emulator.submit(1, "other")]
    seen = []

    async def story():
        tasks = waits(refs)
        await until(lambda: len(emulator.polls()) >= 3)
        shared = registry._connections()
        (one,) = shared.values()
        seen.append(len(one.watchers))
        await asyncio.to_thread(emulator.cancel, refs[2])
        await tasks[2]
        seen.append(len(one.watchers))
        tasks[0].cancel()
        await asyncio.to_thread(emulator.cancel, refs[1])
        await asyncio.gather(*tasks, return_exceptions=True)
        return dict(shared)

    assert asyncio.run(story()) == {}
    assert seen == [2, 1]


def test_connections_and_places_are_told_apart(emulator, monkeypatch):
    """Another connection's id, or another workspace, is another connection: nothing is shared with it."""
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(emulator.connection))
    (ref,) = emulator.submit(1)
    place = {"resource_group_name": "elsewhere"}
    seen = []

    async def story():
        tasks = [
            *waits([ref]),
            *waits([ref], conn_id="other"),
            *waits([ref], place=place),
            *waits([ref], place=dict(place)),
        ]
        await until(lambda: len(emulator.polls()) >= 3)
        seen.extend(registry._connections())
        await asyncio.to_thread(emulator.cancel, ref)
        return await asyncio.gather(*tasks)

    events = asyncio.run(story())

    assert len(seen) == 3
    assert [event["outcome"] for event in events] == ["done"] * 4


def test_hooks_of_old_are_as_they_were(emulator):
    """A hook's own client still opens and closes by itself."""
    (ref,) = emulator.submit(1)

    async def story():
        hook = AzureMLHook()
        return await hook.arun(hook.service.get(ref)) if await hook.aopen() is None else None

    assert asyncio.run(story()).id == ref.id
