"""Many submissions through the real client, while a fifth of all requests goes wrong and processes die.

``CHAOS_SUBMISSIONS`` and ``CHAOS_SEED`` change the size and the choice of what goes wrong (``random`` for a
seed of its own each time); ``make chaos`` runs a thousand. Both are printed.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass, replace

from airflow_batch_provider import drive
from airflow_batch_provider.errors import SubmissionUnknown
from airflow_batch_provider.jobs import Policy, TaskIdentity, Watch, finish, submit_once

from .conftest import SEED, SUBMISSIONS
from .verdict import Task, check, names

TRIES = 8
POLICY = Policy(under_way=4.0, late=6.0, outage_tolerance=120.0)


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
class InWorker(Task):
    """A task instance as workers run it, and the store that outlives its processes."""

    identity: TaskIdentity | None = None
    chance: random.Random | None = None
    record: str | None = None

    async def load(self):
        return json.loads(self.record) if self.record else None

    async def save(self, record):
        self.record = json.dumps(record)

    async def alone(self, *, ever=False):
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
    for name, folder in names(SUBMISSIONS):
        task = InWorker(name, folder, chance=random.Random(chance.random()))
        mapped = ("run", "mapped", int(name.rpartition(" ")[2]))
        task.identity = TaskIdentity("dag", *(mapped if task.is_twin else (name, "score")))
        yield task


async def all_of(submissions, service):
    hook = service.hook()
    async with hook.aclient() as client:
        orders = [hook.order(**service.order(task.folder)) for task in submissions]
        await asyncio.gather(
            *(task.run(hook, client, order) for task, order in zip(submissions, orders, strict=True))
        )


def test_every_submission_has_one_job_whatever_goes_wrong(emulator, service):
    """Whichever step of a worker is its last, and whatever becomes of a request."""
    print(f"{service.name}: {SUBMISSIONS} submissions, seed {SEED}")
    submissions, began = list(tasks()), time.monotonic()
    asyncio.run(all_of(submissions, service))

    check(submissions, service, emulator, time.monotonic() - began)
