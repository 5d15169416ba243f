"""Many submissions through the real client, while a fifth of all requests goes wrong and processes die.

``CHAOS_SUBMISSIONS`` and ``CHAOS_SEED`` change the size and the choice of what goes wrong (``random`` for a
seed of its own each time); ``make chaos`` runs a thousand. Both are printed.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field, replace

import httpx
import pytest

from airflow_batch_provider import drive
from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.errors import SubmissionUnknown
from airflow_batch_provider.jobs import Policy, TaskIdentity, Watch, finish, submit_once

from .services import AZURE_ML, MODELARTS

SUBMISSIONS = int(os.environ.get("CHAOS_SUBMISSIONS", "150"))
WANTED_SEED = os.environ.get("CHAOS_SEED", "1")
SEED = random.SystemRandom().randrange(1_000_000) if WANTED_SEED == "random" else int(WANTED_SEED)
TWINS = 20
TRIES = 8
LIST_LAG = 3.0
POLICY = Policy(under_way=4.0, late=6.0, outage_tolerance=120.0)
TWIN_FOLDER = "in/twin"
# The share of each among all requests: together a fifth.
FAULTS = [
    {"action": "status", "status": 429, "headers": {"Retry-After": "1"}},
    {"action": "status", "status": 429},
    {"action": "status", "status": 500},
    {"action": "status", "status": 503, "effect": True},
    {"action": "drop_before"},
    {"action": "drop_after"},
    {"action": "truncate"},
    {"action": "not_json"},
    {"action": "expire_tokens"},
    {"action": "latency", "seconds": 1.0},
]


class Crash(BaseException):
    """The process dies."""


def crashing(flow, step):
    """Carry out a flow until its step number *step* has had its effect."""
    answer = error = None
    count = 0
    while True:
        try:
            asked = flow.send(answer) if error is None else flow.throw(error)
        except StopIteration as stop:
            return stop.value
        answer = error = None
        count += 1
        try:
            answer = yield asked
        except Exception as raised:  # noqa: BLE001  # thrown in by the driver
            error = raised
        if count == step:
            flow.close()
            raise Crash


@dataclass
class Task:
    """A task instance as Airflow would run it, and the store that outlives its processes."""

    identity: TaskIdentity
    folder: str
    chance: random.Random
    record: str | None = None
    outcome: str = ""
    job_id: str = ""
    errors: list[str] = field(default_factory=list)

    async def load(self):
        return json.loads(self.record) if self.record else None

    async def save(self, record):
        self.record = json.dumps(record)

    async def alone(self):
        return self.identity.map_index == -1

    async def run(self, hook, client, order):
        """Try and try again, as a task with retries does."""
        for number in range(1, TRIES + 1):
            identity = replace(self.identity, max_tries=TRIES, clear_number=0, first_try=number == 1)
            flow = submit_once(hook.service, order, identity, POLICY)
            if self.chance.random() < 0.15:
                flow = crashing(flow, self.chance.randrange(1, 9))
            try:
                accepted = await drive.arun(flow, client, store=self)
                job = await drive.arun(finish(hook.service, accepted.ref, Watch(poll_interval=2)), client)
            except (Crash, Exception) as error:  # noqa: BLE001  # counted, whatever it is
                self.errors.append(f"{type(error).__name__}: {error}")
                self.outcome = type(error).__name__
                if isinstance(error, SubmissionUnknown):
                    return
            else:
                self.outcome, self.job_id = job.status, job.id
                return


def tasks():
    chance = random.Random(SEED)
    for number in range(SUBMISSIONS - TWINS):
        identity = TaskIdentity("dag", f"run {number}", "score")
        yield Task(identity, f"in/{number:04}", random.Random(chance.random()))
    for index in range(TWINS):
        identity = TaskIdentity("dag", "run", "mapped", index)
        yield Task(identity, TWIN_FOLDER, random.Random(chance.random()))


@pytest.fixture(params=[AZURE_ML, MODELARTS], ids=lambda service: service.name)
def service(request):
    return request.param


@pytest.fixture
def emulator(tmp_path, monkeypatch, service):
    (tmp_path / "setup.yml").write_text(service.setup)
    with Emulator(tmp_path / "state", setup=tmp_path / "setup.yml", speed=5) as emulator:
        variable = f"AIRFLOW_CONN_{service.name.upper()}_DEFAULT"
        monkeypatch.setenv(variable, json.dumps(service.connection(emulator)))
        with httpx.Client(base_url=f"{emulator.url}/_emulator", trust_env=False) as control:
            settings = {"list_lag": LIST_LAG, **service.settings}
            control.post("settings", json=settings).raise_for_status()
            faults = [
                {**fault, "probability": 0.022, "seed": SEED + number} for number, fault in enumerate(FAULTS)
            ]
            control.post("faults", json=faults).raise_for_status()
            yield control


async def all_of(submissions, service):
    hook = service.hook()
    async with hook.aclient() as client:
        orders = [hook.order(**service.order(task.folder)) for task in submissions]
        await asyncio.gather(
            *(task.run(hook, client, order) for task, order in zip(submissions, orders, strict=True))
        )


def test_every_submission_has_one_job_whatever_goes_wrong(emulator, service):
    """No duplicate, nothing lost, nobody else's job, and no failure but where no honest answer exists."""
    print(f"{service.name}: {SUBMISSIONS} submissions, seed {SEED}")
    submissions, began = list(tasks()), time.monotonic()
    asyncio.run(all_of(submissions, service))
    seconds = time.monotonic() - began

    emulator.delete("faults").raise_for_status()
    jobs = {job["id"]: job for job in emulator.get("jobs").json()["jobs"]}
    requests = emulator.get("requests").json()["requests"]
    hit = sum(bool(entry["faults"]) for entry in requests)
    outcomes = Counter(task.outcome for task in submissions)
    tries = Counter(error.partition(":")[0] for task in submissions for error in task.errors)
    print(f"{len(requests)} requests, {hit / len(requests):.0%} with a fault, {seconds:.0f} s")
    print(f"outcomes {dict(outcomes)}, ends of tries {dict(tries)}")
    for task in submissions:
        if task.outcome != service.done:
            print(task.identity.run_id, task.identity.map_index, *task.errors, sep="\n  ")

    unknown = [task for task in submissions if task.outcome == "SubmissionUnknown"]
    assert set(outcomes) <= {service.done, "SubmissionUnknown"}
    taken = [task.job_id for task in submissions if task.job_id]
    assert len(set(taken)) == len(taken)
    for task in submissions:
        if task.job_id:
            assert service.read(jobs[task.job_id]) == task.folder
    by_folder = Counter(service.read(job) for job in jobs.values())
    twins = by_folder.pop(TWIN_FOLDER)
    assert twins <= TWINS
    assert [path for path, count in by_folder.items() if count > 1] == []
    assert len(jobs) >= SUBMISSIONS - len(unknown)
    # Of a twin without a marker it cannot be known whose job is whose.
    assert len([task for task in unknown if task.identity.map_index == -1]) <= SUBMISSIONS // 200
    assert len(unknown) <= max(TWINS // 2, SUBMISSIONS // 100)
