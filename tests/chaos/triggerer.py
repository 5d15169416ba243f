"""Triggerers as processes: a parent that has imported everything, and forks one whenever it is asked to.

The first line of its input is JSON: ``url`` of `airflow_by_http`, ``kwargs`` of all triggers, ``seed``. Each
further line is the name of a triggerer to start; its process id is written as a line.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from contextlib import suppress
from typing import Any

import httpx
import pytest

from airflow_batch_provider.triggers.run_job import RunJobTrigger
from tests.triggers.airflow_in_memory import PLAN, DagRun, Death, Instance, Plan

from .airflow_by_http import Supervisor

TURN_SECONDS = 0.2
WORDS = 14


class Told(RunJobTrigger):
    """Remembers why a try failed, which Airflow's event does not tell."""

    failure = ""

    async def _job(self, records: Any) -> Any:
        try:
            return await super()._job(records)
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"
            raise


class Triggerer:
    """Runs the triggers that it is told to run.

    Args:
        name: Its own.
        kwargs: Of all triggers.
        seed: Of chance.
    """

    def __init__(self, name: str, kwargs: dict[str, Any], seed: int) -> None:
        self.name = name
        self.kwargs = kwargs
        self.seed = seed
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.ends: list[dict[str, Any]] = []

    async def run(self, client: httpx.AsyncClient) -> None:
        """Take turns for ever, as a triggerer's runner does."""
        while True:
            ends, self.ends = self.ends, []
            running = [name for name, task in self.tasks.items() if not task.done()]
            told = {"triggerer": self.name, "running": running, "ends": ends}
            wanted = (await client.post("/turn", json=told)).raise_for_status().json()
            by_name = {one["name"]: one for one in wanted}
            for name, task in list(self.tasks.items()):
                if task.done():
                    del self.tasks[name]
                elif name not in by_name:
                    task.cancel()
            for name in by_name.keys() - self.tasks.keys() - {end["task"] for end in self.ends}:
                self.tasks[name] = asyncio.create_task(self._trigger(by_name[name]))
            await asyncio.sleep(TURN_SECONDS)

    async def _trigger(self, told: dict[str, Any]) -> None:
        chance = random.Random(f"{self.seed} {told['name']} {told['starts']}")
        dies = chance.random() < 0.4
        # Half of the deaths are where they do most harm: around the submission, or what is asked at the end.
        word = "POST" if chance.random() < 0.5 else chance.randrange(1, WORDS)
        PLAN.set(Plan(word if dies else 0, chance.random() < 0.5))
        trigger = Told(**json.loads(json.dumps(self.kwargs)))
        trigger.task_instance = Instance(told["name"], told["try_number"])
        trigger.task_instance.dag_id = told["dag_id"]
        trigger.render_template_fields(
            {
                "params": {"folder": told["folder"]},
                "run_id": told["name"],
                "dag_run": DagRun(told["name"]),
            }
        )
        end = {"task": told["name"], "state": "failed", "error": "no event"}
        try:
            async for event in trigger.run():
                end |= {"state": event.task_instance_state.value, "error": trigger.failure}
        except asyncio.CancelledError:
            PLAN.set(None)
            await trigger.on_kill()  # Airflow 3.3.2 calls it when a trigger was handed over, too.
            return
        except (Death, Exception) as error:  # noqa: BLE001  # told, whatever it is
            end |= {"error": f"{type(error).__name__}: {error}"}
        finally:
            await trigger.cleanup()
        self.ends.append(end)


async def triggerer(name: str, given: dict[str, Any]) -> None:
    """Be a triggerer until killed."""
    async with httpx.AsyncClient(base_url=given["url"], trust_env=False, timeout=60) as client:
        Supervisor(client).use(pytest.MonkeyPatch())
        await Triggerer(name, given["kwargs"], given["seed"]).run(client)


def main() -> None:
    """Fork triggerers until the input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # The dead are nobody's.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Where the logs of triggers go.
    given = json.loads(sys.stdin.readline())
    for line in sys.stdin:
        child = os.fork()
        if not child:
            with suppress(KeyboardInterrupt):
                asyncio.run(triggerer(line.strip(), given))
            os._exit(0)
        print(child, file=answers, flush=True)


if __name__ == "__main__":
    main()
