"""`JobEventTrigger` in Airflow's own shared streams, on jobs that the emulator runs."""

from __future__ import annotations

import asyncio
import json
import math
import time
from uuid import uuid4

import httpx
import pytest

from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.hooks.azure_ml import AzureMLHook
from airflow_batch_provider.hooks.modelarts import ModelArtsHook
from airflow_batch_provider.jobs import Job, JobRef, JobState, Trace
from airflow_batch_provider.triggers.events import DAY
from airflow_batch_provider.triggers.job_events import JobEventTrigger
from airflow_batch_provider.triggers.looks import Look, Sighting
from tests.secret_scan import CLIENT_SECRET

from .conftest import Triggerer, until

SETUP = """
endpoints:
  quick: &quick
    defaults: {deployment_name: only}
    deployments:
      only: &only {emulator: {run_seconds: 0.2}}
      failing: {emulator: {run_seconds: 0.2, status: Failed}}
      long: {emulator: {run_seconds: 30}}
  other: *quick
"""
SOON = 0.2


class Service:
    """The emulator, and what starts jobs on it."""

    def __init__(self, emulator):
        self.url = emulator.url

    def invoke(self, endpoint="quick", deployment="only"):
        return AzureMLHook().invoke(endpoint, deployment_name=deployment, input="azureml:data@latest").id

    def start(self, workflow, **emulator):
        """Start an execution of a workflow, which is created if there is none; return its id."""
        step = {"name": "train", "type": "model", "properties": {"emulator": {"run_seconds": 0.2} | emulator}}
        hook = ModelArtsHook()
        hook.open()
        order = hook.order(workflow={"name": workflow, "steps": [step]})
        plan = hook.run(hook.service.plan(order))
        return plan.workflow_id, hook.run(hook.service.submit(plan, ""))[0].id

    def call(self, method, what, body=None):
        with httpx.Client(trust_env=False) as client:
            answer = client.request(method, f"{self.url}/_emulator/{what}", json=body).raise_for_status()
        return answer.json() if answer.content else None

    def lists(self):
        """Return how often jobs were listed."""
        requests = asked(self, "batch")
        return sum(one["method"] == "GET" and one["path"].endswith("/jobs") for one in requests)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    setup = tmp_path_factory.mktemp("setup") / "setup.yml"
    setup.write_text(SETUP)
    with Emulator(setup=setup, speed=5) as emulator:
        yield emulator


@pytest.fixture
def jobs(running, monkeypatch):
    connection = {**running.airflow_connection(), "password": CLIENT_SECRET}
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(running.modelarts_connection()))
    service = Service(running)
    service.call("DELETE", "requests")
    yield service
    service.call("DELETE", "faults")


def watching(**arguments):
    return JobEventTrigger(**{"poll_interval": SOON, **arguments})


def asked(jobs, plane):
    return jobs.call("GET", f"requests?plane={plane}")["requests"]


def told_and_stored(airflow, number):
    known = max((len(state["seen"]) // 8 for state in airflow.states.values()), default=0)
    return len(airflow.told("id")) == known == number


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def a_new_second():
    """Let a second begin: what was created before it can be told from what is created after."""
    time.sleep(1.05 - time.time() % 1)


def test_arguments_survive_being_stored():
    """What is serialised is JSON, and makes the same trigger again."""
    arguments = {
        "endpoint_name": "quick",
        "workflow_name": None,
        "workflow_id": None,
        "states": ["canceled", "failed"],
        "azure_ml_conn_id": "a",
        "modelarts_conn_id": "b",
        "subscription_id": "c",
        "resource_group_name": "d",
        "workspace_name": "e",
        "cloud_environment": "AzureChinaCloud",
        "poll_interval": 5.0,
        "since": None,
    }
    path, kwargs = JobEventTrigger(**arguments).serialize()

    assert path == "airflow_batch_provider.triggers.job_events.JobEventTrigger"
    assert kwargs == json.loads(json.dumps(kwargs)) == arguments
    assert watching(endpoint_name="quick", states="failed").states == ["failed"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "whose jobs"),
        ({"endpoint_name": "a", "workflow_id": "b"}, "endpoint_name and workflow_id"),
        ({"endpoint_name": " "}, "endpoint_name is ' '"),
        ({"endpoint_name": "a", "states": []}, "states is empty"),
        ({"endpoint_name": "a", "states": ["done"]}, "states is 'done'"),
        ({"endpoint_name": "a", "poll_interval": -1}, "poll_interval"),
    ],
)
def test_bad_arguments_are_told_when_the_dag_is_parsed(arguments, told):
    """By their name, with what to give instead."""
    with pytest.raises(InvalidInput, match=told):
        JobEventTrigger(**arguments)


def test_each_end_of_an_endpoints_jobs_is_told_once(airflow, jobs):
    """With id, status, outputs and link; also after a restart, and for a job that ran meanwhile."""
    a_new_second()
    watch = watching(endpoint_name="quick", since=now())

    async def story():
        ids = [await asyncio.to_thread(jobs.invoke, deployment=name) for name in ("only", "failing", "long")]
        first = Triggerer(airflow)
        first.watch(watch, "scores")
        await until(lambda: told_and_stored(airflow, 2), "two ends")
        await first.kill()
        ids.append(await asyncio.to_thread(jobs.invoke))
        second = Triggerer(airflow)
        second.watch(watch, "scores")
        await until(lambda: len(airflow.told("id")) == 4, "four ends")
        await asyncio.sleep(3 * SOON)
        await second.kill()
        return ids

    done, failed, late, between = asyncio.run(story())

    assert sorted(airflow.told("id", "status", "state", "endpoint")) == sorted(
        [
            (done, "Completed", "succeeded", "quick"),
            (failed, "Failed", "failed", "quick"),
            (late, "Completed", "succeeded", "quick"),
            (between, "Completed", "succeeded", "quick"),
        ]
    )
    for event in airflow.arrivals():
        assert event["id"] in event["url"]
        assert event["name"]
        assert bool(event["outputs"]) is (event["state"] == "succeeded")
        assert all(place["uri"].startswith("azureml://") for place in event["outputs"].values())


def test_only_the_wanted_ends_of_the_wanted_endpoint_are_told(airflow, jobs):
    """And jobs that were created before are not."""
    old = jobs.invoke("other")
    a_new_second()
    watch = watching(endpoint_name="other", states=["failed"], since=now())

    async def story():
        ids = [await asyncio.to_thread(jobs.invoke, "other", name) for name in ("failing", "only")]
        ids.append(await asyncio.to_thread(jobs.invoke, "quick", "failing"))
        triggerer = Triggerer(airflow)
        triggerer.watch(watch, "scores")
        triggerer.watch(watching(endpoint_name="other", since=watch.since), "all")
        await until(lambda: len(airflow.told("id")) == 3, "three events")
        await asyncio.sleep(2 * SOON)
        await triggerer.kill()
        return ids

    failed, done, _ = asyncio.run(story())

    assert sorted(airflow.told("id")) == sorted([(failed,), (failed,), (done,)])
    assert (old,) not in airflow.told("id")


def test_watchers_of_one_endpoint_share_one_list(airflow, jobs):
    """Whatever ends they tell, and however far they go back; outputs are asked for once."""
    jobs.invoke()

    async def story():
        triggerer = Triggerer(airflow)
        for number in range(10):
            since = None if number % 2 else now()
            states = ["succeeded"] if number % 3 else ["succeeded", "failed"]
            watch = watching(endpoint_name="quick", states=states, since=since, poll_interval=0.5)
            triggerer.watch(watch, f"scores-{number}")
        await until(lambda: len(airflow.told("id")) >= 5, "the history")
        await asyncio.sleep(0.5)
        before, started = jobs.lists(), time.monotonic()
        await asyncio.sleep(2)
        looks, seconds = jobs.lists() - before, time.monotonic() - started
        await triggerer.kill()
        return looks, seconds

    looks, seconds = asyncio.run(story())

    assert 1 <= looks <= seconds / 0.4 + 1


def test_outputs_that_cannot_be_had_now_are_waited_for(airflow, jobs):
    """The event is told late rather than without them."""
    a_new_second()
    watch = watching(endpoint_name="quick", since=now())

    async def story():
        jobs.call("POST", "faults", [{"action": "html", "match": {"plane": "history"}}])
        await asyncio.to_thread(jobs.invoke)
        triggerer = Triggerer(airflow)
        triggerer.watch(watch, "scores")
        await until(lambda: len(asked(jobs, "history")) > 1, "two looks for the outputs")
        assert airflow.events == []
        jobs.call("DELETE", "faults")
        await until(lambda: airflow.events, "the end")
        await triggerer.kill()

    asyncio.run(story())

    ((_, event),) = airflow.events
    assert event["outputs"]


def test_an_end_whose_outputs_are_refused_is_told_without_them(airflow, jobs):
    """No later look would know more, and that the job ended is certain."""
    a_new_second()
    watch = watching(endpoint_name="quick", since=now())

    async def story():
        refused = {"action": "status", "status": 403, "match": {"plane": "history"}}
        jobs.call("POST", "faults", [refused])
        await asyncio.to_thread(jobs.invoke)
        triggerer = Triggerer(airflow)
        triggerer.watch(watch, "scores")
        await until(lambda: airflow.events, "the end")
        await triggerer.kill()

    asyncio.run(story())

    ((_, event),) = airflow.events
    assert (event["state"], event["outputs"]) == ("succeeded", {})


@pytest.mark.parametrize("short", [math.inf, time.time() - 5 * DAY], ids=["the first", "of others"])
def test_a_look_that_does_not_go_back_far_enough_says_nothing(short):
    """Neither that older jobs are not there, nor how far the next look may go back."""
    began, present = time.time() - 10 * DAY, time.time()
    trace = Trace(
        JobRef("azure_ml", "old", submitted_at=began),
        Job("azure_ml", "old", state=JobState.SUCCEEDED),
        alike=False,
    )

    async def payload():
        return trace.job.to_dict()

    first, second = Look(Sighting((), present, short)), Look(Sighting([(trace, payload)], present, 0.0))

    async def looks():
        yield first
        yield second

    async def story():
        stream = watching(endpoint_name="quick").filter_shared_stream(looks())
        return [event.payload["id"] async for event in stream]

    assert asyncio.run(story()) == ["old"]
    assert (first.is_short, first.floors) == (True, [0.0])
    assert second.floors[0] > began  # What was told holds the next look back no more.


@pytest.mark.parametrize(
    ("state", "days", "waited_for"),
    [(JobState.RUNNING, 1, True), (JobState.RUNNING, 31, False), (JobState.FAILED, 31, True)],
)
def test_a_job_that_never_ends_is_not_waited_for(state, days, waited_for):
    """Each look would have to go back to it."""
    began = time.time() - days * DAY
    trace = Trace(JobRef("azure_ml", "j", submitted_at=began), Job("azure_ml", "j", state=state), alike=False)

    found = watching(endpoint_name="quick")._arrivals(Sighting([(trace, None)], time.time()))

    assert bool(found) is waited_for


@pytest.mark.parametrize("by", ["workflow_name", "workflow_id"])
def test_each_end_of_a_workflows_executions_is_told_once(airflow, jobs, by):
    """The same for ModelArts, by the workflow's name or id."""
    name = f"watched-{uuid4().hex[:8]}"
    workflow_id, done = jobs.start(name)
    watch = watching(**{by: {"workflow_name": name, "workflow_id": workflow_id}[by]})

    async def story():
        first = Triggerer(airflow)
        first.watch(watch, "models")
        await until(lambda: told_and_stored(airflow, 1), "the first end")
        await first.kill()
        _, second_id = await asyncio.to_thread(jobs.start, name)
        second = Triggerer(airflow)
        second.watch(watch, "models")
        await until(lambda: told_and_stored(airflow, 2), "the second end")
        await asyncio.sleep(2 * SOON)
        await second.kill()
        return second_id

    second = asyncio.run(story())

    assert airflow.told("id", "status", "endpoint") == [(one, "completed", name) for one in (done, second)]
