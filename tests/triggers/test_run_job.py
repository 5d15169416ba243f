"""A task that its trigger runs: one job, whatever dies when, and the user's word obeyed."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from dataclasses import replace
from datetime import datetime, timezone

import httpx
import pytest

from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator
from airflow_batch_provider.operators.base import BatchOperator
from airflow_batch_provider.operators.modelarts import ModelArtsWorkflowOperator
from airflow_batch_provider.triggers.records import KEY
from tests.secret_scan import CLIENT_SECRET

from .airflow_in_memory import Airflow, Death, Plan, run, trigger_of

SETUP = """
endpoints:
  simulated:
    defaults: {deployment_name: brief}
    deployments:
      brief: {emulator: {run_seconds: 1}}
      failing: {emulator: {run_seconds: 1, status: Failed, error: Out of luck.}}
      endless: {emulator: {run_seconds: 100000}}
modelarts:
  workflows:
"""
WORKFLOW = """
    {name}:
      steps: [{{name: train, type: model, properties: {{emulator: {emulator}}}}}]
      data_requirements: [{{name: rows, type: obs, delay: true, used_steps: [train]}}]
"""
WORKFLOWS = {
    "brief": "{run_seconds: 1}",
    "failing": "{run_seconds: 1, status: failed, error: Out of luck.}",
    "endless": "{run_seconds: 100000}",
}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emulator")
    workflows = "".join(WORKFLOW.format(name=name, emulator=how) for name, how in WORKFLOWS.items())
    (folder / "setup.yml").write_text(SETUP + workflows)
    with Emulator(setup=folder / "setup.yml", speed=10) as emulator:
        yield emulator


@pytest.fixture
def airflow(monkeypatch, emulator):
    azure = {**emulator.airflow_connection(), "password": CLIENT_SECRET}
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", json.dumps(azure))
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(emulator.modelarts_connection()))
    monkeypatch.setattr("airflow_batch_provider.triggers.settling.SETTLE_SECONDS", 0.0)
    return Airflow().use(monkeypatch)


class Brisk(BatchOperator):
    """Waits for a job that the service may not list yet only as long as this emulator takes."""

    def _policy(self):
        return replace(super()._policy(), under_way=0.5, late=0.5)


class Endpoint(Brisk, AzureMLBatchEndpointOperator):
    """Scores one folder."""


class Workflow(Brisk, ModelArtsWorkflowOperator):
    """Trains on one folder."""


COMMON = {"task_id": "task", "start_from_trigger": True, "poll_interval": 1}


def azure_ml(**arguments):
    folder = "azureml://datastores/workspaceblobstore/paths/{{ run_id }}"
    given = {
        "endpoint_name": "simulated",
        "deployment_name": "{{ params.deployment }}",
        "input": {"type": "uri_folder", "path": folder},
    }
    return Endpoint(**COMMON | given | arguments)


def modelarts(**arguments):
    given = {"workflow_name": "{{ params.deployment }}", "data": {"rows": "obs://lab/{{ run_id }}/"}}
    return Workflow(**COMMON | given | arguments)


def control(emulator, what):
    with httpx.Client(trust_env=False) as client:
        return client.get(f"{emulator.url}/_emulator/{what}").raise_for_status().json()


def jobs(emulator, run_id):
    """Return the jobs of a run, oldest first."""

    def folder(job):
        if job.get("service") == "modelarts":
            return job["data"]["rows"]["obs_url"]
        return job["request"]["inputData"]["UriFolder"]["uri"]

    return [job for job in control(emulator, "jobs")["jobs"] if folder(job).strip("/").endswith(f"/{run_id}")]


async def until(ready, seconds=15):
    ends = time.monotonic() + seconds
    while not (result := await asyncio.to_thread(ready)):
        assert time.monotonic() < ends
        await asyncio.sleep(0.05)
    return result


def test_a_task_that_waits_holds_no_dag(airflow, emulator):
    """Airflow gives each trigger a copy of the whole DAG, and keeps context and instance while it runs."""
    trigger = trigger_of(azure_ml(), "light", deployment="brief")
    kept = trigger._context
    trigger.task_instance.task = "with its DAG"

    assert asyncio.run(run(trigger)) == "success"
    assert (kept, trigger.task_instance.task) == ({}, None)


@pytest.mark.parametrize("operator", [azure_ml, modelarts])
@pytest.mark.parametrize(
    ("effect", "again"), [(False, 1), (True, 1), (True, 2)], ids=["before", "after", "after-twice"]
)
def test_one_job_whichever_word_is_the_last(airflow, emulator, operator, effect, again):
    """The triggerer dies before or after any word with Airflow or the service, once or twice in a row."""

    async def story(at):
        run_id, died = f"{operator.__name__}-{effect}-{again}-{at}", ""
        for one in range(again + 1):
            plan = Plan(at - one if one < again else 0, effect)
            try:
                state = await run(trigger_of(operator(), run_id, deployment="brief"), plan)
            except Death as death:
                died = died or str(death)
            else:
                return state, run_id, plan, died
        return "", run_id, plan, died

    async def stories():
        _, _, plan, _ = await story(100_000)
        return await asyncio.gather(*(story(at) for at in range(again, len(plan.said) + 1)))

    ended = asyncio.run(stories())

    died = Counter(one for *_, one in ended)
    assert died["SetXCom"] >= 5, died
    assert {state for state, *_ in ended} == {"success"}
    assert {run_id: len(jobs(emulator, run_id)) for _, run_id, *_ in ended} == {
        run_id: 1 for _, run_id, *_ in ended
    }
    for _, run_id, *_ in ended:
        (job,) = jobs(emulator, run_id)
        assert airflow.xcoms[run_id]["job_id"] == airflow.xcoms[run_id]["return_value"]["id"] == job["id"]
        assert "outputs" in airflow.xcoms[run_id]


def outcomes(emulator, operator, run_id, *tries):
    """Run tries, each ``(number, deployment)``; return how each ended, and the jobs."""

    async def story():
        return [await run(trigger_of(operator, run_id, number, deployment=name)) for number, name in tries]

    return asyncio.run(story()), jobs(emulator, run_id)


@pytest.mark.parametrize("operator", [azure_ml, modelarts])
def test_a_retry_submits_anew_when_the_job_failed(airflow, emulator, operator):
    """A failed job is a finished try."""
    ended, found = outcomes(
        emulator, operator(retries=3), f"retry-{operator.__name__}", (1, "failing"), (2, "brief")
    )

    assert ended == ["failed", "success"]
    assert len(found) == 2


def test_a_retry_runs_the_same_execution_again_if_wished(airflow, emulator):
    """As in a worker, ``rerun_failed`` starts no second execution."""
    ended, found = outcomes(
        emulator,
        modelarts(retries=3, rerun_failed=True, workflow_name="failing"),
        "rerun",
        (1, ""),
        (2, ""),
    )

    assert ended == ["failed", "failed"]
    assert len(found) == 1
    posted = [one["path"] for one in control(emulator, "requests")["requests"] if one["method"] == "POST"]
    assert any(found[0].get("id", "?") in path for path in posted)


def test_a_triggerer_that_goes_on_fails_the_try_whose_job_has_failed(airflow, emulator):
    """The same number is the same try, which has had its job."""
    ended, found = outcomes(emulator, azure_ml(), "same-try", (1, "failing"), (1, "failing"))

    assert ended == ["failed", "failed"]
    assert len(found) == 1


@pytest.mark.parametrize("operator", [azure_ml, modelarts])
def test_a_try_whose_job_fails_between_two_triggerers_has_one_job(airflow, emulator, operator):
    """Whichever word was the last, and also if the job was not recorded yet: the try fails with that job."""

    async def story(at):
        run_id, plan = f"gone-{operator.__name__}-{at}", Plan(at, effect=True)
        try:
            return run_id, plan, await run(trigger_of(operator(), run_id, deployment="failing"), plan)
        except Death:
            await until(
                lambda: all(job["status"] in ("Failed", "abnormal") for job in jobs(emulator, run_id))
            )
        return run_id, plan, await run(trigger_of(operator(), run_id, deployment="failing"))

    async def stories():
        _, plan, _ = await story(100_000)
        return await asyncio.gather(*(story(at) for at in range(1, len(plan.said) + 1)))

    ended = asyncio.run(stories())

    assert len(ended) >= 5
    assert {state for *_, state in ended} == {"failed"}
    assert {len(jobs(emulator, run_id)) for run_id, *_ in ended} == {1}


@pytest.mark.parametrize(("on_clear", "expected"), [("rerun", 2), ("reuse", 1)])
def test_a_clear_after_success_does_what_on_clear_says(airflow, emulator, on_clear, expected):
    """A higher number after a success is a clear: nothing else runs such a task again."""
    ended, found = outcomes(
        emulator,
        azure_ml(on_clear=on_clear, cancel_on_kill=False, retries=5),
        f"clear-{on_clear}",
        (1, "brief"),
        (2, "brief"),
    )

    assert ended == ["success", "success"]
    assert len(found) == expected


def test_a_cleared_task_forgets_what_it_pushed(airflow, emulator):
    """Nothing of the first run is left to be taken for the second's."""
    run_id = "forgets"
    airflow.xcoms[run_id]["other"] = "somebody's"

    async def story():
        await run(trigger_of(azure_ml(), run_id, 1, deployment="brief"))
        before = dict(airflow.xcoms[run_id])
        with pytest.raises(Death):
            await run(trigger_of(azure_ml(), run_id, 2, deployment="brief"), Plan("POST"))
        return before

    before = asyncio.run(story())

    assert before.keys() == {KEY, "other", "job_id", "outputs", "return_value", "_link_AzureMLJobLink"}
    assert airflow.xcoms[run_id].keys() == {KEY, "other"}


async def started(emulator, trigger, run_id, number=1):
    """Run a trigger until the last of the run's jobs runs and is known."""
    task = asyncio.create_task(run(trigger))
    await until(lambda: len(jobs(emulator, run_id)) == number)
    await until(lambda: trigger._waiting)
    return task


async def killed(trigger, task):
    """Cancel a trigger's task as Airflow does for a user's action and for a trigger that was handed over."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await trigger.on_kill()


async def given_up(trigger):
    await asyncio.wait({trigger._submitting}, timeout=5)
    return trigger._submitting.cancelled()


def ending(job):
    return job["status"] in ("CancelRequested", "Canceled")


def test_a_clear_while_it_waits_cancels_the_job_and_submits_another(airflow, emulator):
    """The next try finds the end of the one before it missing, and the job going on."""
    run_id, operator = "clear-waiting", azure_ml(retries=3)

    async def story():
        first = trigger_of(operator, run_id, 1, deployment="endless")
        await killed(first, await started(emulator, first, run_id))
        still = [ending(job) for job in jobs(emulator, run_id)]
        second = run(trigger_of(operator, run_id, 2, deployment="brief"))
        return still, await asyncio.wait_for(second, 30)

    still, state = asyncio.run(story())

    assert still == [False]  # the state was "deferred" again: whoever goes on decides
    assert state == "success"
    assert [ending(job) for job in jobs(emulator, run_id)] == [True, False]


@pytest.mark.parametrize("cancel", [True, False])
@pytest.mark.parametrize("state", ["failed", "success", None])
def test_a_mark_cancels_the_job(airflow, emulator, state, cancel):
    """Only if Airflow confirms that it was the user, and ``cancel_on_kill`` says so."""
    run_id = f"mark-{state}-{cancel}"

    async def story():
        trigger = trigger_of(azure_ml(cancel_on_kill=cancel), run_id, deployment="endless")
        task = await started(emulator, trigger, run_id)
        airflow.states[run_id] = state
        await killed(trigger, task)

    asyncio.run(story())

    assert [ending(job) for job in jobs(emulator, run_id)] == [cancel]


def fault(emulator, **what):
    with httpx.Client(trust_env=False) as client:
        client.post(f"{emulator.url}/_emulator/faults", json={"faults": [what]}).raise_for_status()


@pytest.fixture
def slow_answer(emulator):
    """Have the service accept the next job, and answer a second later."""
    match = {"method": "POST", "plane": "batch"}
    fault(emulator, action="latency", seconds=1, effect=True, times=1, match=match)
    yield
    with httpx.Client(trust_env=False) as client:
        client.delete(f"{emulator.url}/_emulator/faults").raise_for_status()


@pytest.mark.parametrize("state", ["failed", "deferred"])
def test_a_kill_while_the_request_is_under_way(airflow, emulator, slow_answer, state):
    """For the user, its job is waited for and cancelled; for another triggerer, it is left alone."""
    run_id = f"kill-request-{state}"

    async def story():
        trigger = trigger_of(azure_ml(), run_id, deployment="endless")
        task = asyncio.create_task(run(trigger))
        await until(lambda: jobs(emulator, run_id))
        airflow.states[run_id] = state
        task.cancel()
        trigger._killed = True  # Airflow calls on_kill() before cleanup().
        with pytest.raises(asyncio.CancelledError):
            await task
        await trigger.on_kill()
        return await given_up(trigger)

    assert asyncio.run(story()) is (state == "deferred")
    assert [ending(job) for job in jobs(emulator, run_id)] == [state == "failed"]


def test_a_shutdown_gives_the_submission_up(airflow, emulator, slow_answer):
    """The next triggerer looks for the job; two must not be at it."""
    run_id = "shutdown"

    async def story():
        trigger = trigger_of(azure_ml(), run_id, deployment="brief")
        task = asyncio.create_task(run(trigger))
        await until(lambda: jobs(emulator, run_id))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await given_up(trigger), await run(trigger_of(azure_ml(), run_id, deployment="brief"))

    assert asyncio.run(story()) == (True, "success")
    assert len(jobs(emulator, run_id)) == 1


@pytest.mark.parametrize("kind", ["timeout", "execution_timeout"])
@pytest.mark.parametrize("cancel", [True, False])
def test_a_timeout_fails_the_task_and_cancels_the_job(airflow, emulator, kind, cancel):
    """``execution_timeout`` comes as the trigger's own, from Airflow."""
    run_id = f"{kind}-{cancel}"

    async def story():
        operator = azure_ml(cancel_on_timeout=cancel, timeout=2 if kind == "timeout" else None)
        trigger = trigger_of(operator, run_id, deployment="endless")
        if kind == "execution_timeout":
            now = datetime.now(timezone.utc).timestamp()
            trigger.timeout_after = datetime.fromtimestamp(now + 2, timezone.utc)
        return await run(trigger)

    assert asyncio.run(story()) == "failed"
    assert [ending(job) for job in jobs(emulator, run_id)] == [cancel]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"tags": {"a": "{{ params.nothing }}"}}, "tags.a is '{{ params.nothing }}', a template that cannot"),
        ({"endpoint_name": "no such endpoint!"}, "endpoint_name"),
        ({"poll_interval": "{{ run_id }}"}, "poll_interval is 'bad-poll_interval'"),
        ({"azure_ml_conn_id": "nobody"}, "nobody"),
    ],
)
def test_bad_input_fails_the_task_and_tells(airflow, emulator, capsys, arguments, told):
    """Nothing is submitted, no worker is needed to say so, and the next try may submit."""
    run_id = f"bad-{next(iter(arguments))}"
    ended, found = outcomes(emulator, azure_ml(retries=1, **arguments), run_id, (1, "brief"))

    assert (ended, found) == (["failed"], [])
    assert told in capsys.readouterr().out
    assert "marker" not in airflow.xcoms[run_id][KEY]


def test_a_try_that_only_failed_to_render_needs_no_look_up(airflow, emulator):
    """It is recorded that nothing was about to be sent, so the next try submits at once."""
    run_id = "renders-later"
    ended, _ = outcomes(emulator, azure_ml(retries=1), run_id, (1, "{{"))
    listed = len(control(emulator, "requests")["requests"])
    plan = Plan()
    state = asyncio.run(run(trigger_of(azure_ml(retries=1), run_id, 2, deployment="brief"), plan))

    assert (ended, state) == (["failed"], "success")
    before = itertools.takewhile(lambda word: not word.startswith("POST"), plan.said)
    assert not [word for word in before if word.startswith("GET /") and word.endswith("/jobs")], listed


# --- the job's logs -----------------------------------------------------------------------------------------


LOGS = {"on_failure failing": True, "on_failure brief": False, "always brief": True, "never failing": False}


@pytest.mark.parametrize("given", LOGS)
def test_the_trigger_writes_the_logs_of_its_job(airflow, emulator, capsys, given):
    """As a worker would; a job whose steps have none has one of its own."""
    written, (fetch_logs, deployment) = LOGS[given], given.split()
    outcomes(emulator, azure_ml(fetch_logs=fetch_logs), given.replace(" ", "-"), (1, deployment))

    said = capsys.readouterr().out
    assert ("The end of logs/azureml/executionlogs.txt of run" in said) == written
    assert "Not all logs" not in said
