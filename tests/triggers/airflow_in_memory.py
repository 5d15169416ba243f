"""The part of Airflow that a trigger talks to, in memory, and deaths at any word with it or a service."""

from __future__ import annotations

import json
from collections import defaultdict
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from airflow.sdk.execution_time import comms, task_runner

from airflow_batch_provider.triggers.run_job import RunJobTrigger
from airflow_batch_provider.watching.client import PollingClient
from tests.secret_scan import look


class Death(BaseException):
    """The triggerer was killed."""


@dataclass
class Plan:
    """When to die: at which word, counted from 1 or by its beginning, and whether it has its effect first."""

    at: int | str = 0
    effect: bool = False
    said: list[str] = field(default_factory=list)

    async def step(self, what, do):
        self.said.append(what)
        is_it = what.startswith(self.at) if isinstance(self.at, str) else len(self.said) == self.at
        if not is_it:
            return await do()
        if self.effect:
            await do()
        raise Death(what)


PLAN: ContextVar[Plan | None] = ContextVar("plan", default=None)


class Airflow:
    """Answers as a triggerer's supervisor does; the tests are its database and its user."""

    def __init__(self) -> None:
        self.xcoms: dict[str, dict[str, Any]] = defaultdict(dict)
        self.states: dict[str, str | None] = defaultdict(lambda: "deferred")

    async def asend(self, message: Any) -> Any:
        return await (PLAN.get() or Plan()).step(type(message).__name__, lambda: self._answer(message))

    def send(self, message: Any) -> None:
        assert isinstance(message, comms.MaskSecret), message

    async def _answer(self, message: Any) -> Any:
        if isinstance(message, comms.GetTaskStates):
            (run_id,) = message.run_ids
            return comms.TaskStatesResult(task_states={run_id: {"task": self.states[run_id]}})
        if isinstance(message, comms.GetDRCount):
            return comms.DRCount(count=1)
        if isinstance(message, comms.MaskSecret):
            return comms.OKResponse(ok=True)
        mine = self.xcoms[message.run_id]
        if isinstance(message, comms.SetXCom):
            look(f"XCom {message.key}", json.dumps(message.value))
            mine[message.key] = json.loads(json.dumps(message.value))
        elif isinstance(message, comms.DeleteXCom):
            mine.pop(message.key, None)
        else:
            assert isinstance(message, comms.GetXCom), message
            return comms.XComResult(key=message.key, value=mine.get(message.key))
        return comms.OKResponse(ok=True)

    def use(self, monkeypatch: Any) -> Airflow:
        """Be the Airflow of all triggers from now on, and have their requests be words, too."""
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", self, raising=False)
        send = PollingClient.send

        async def step(client: Any, request: Any) -> Any:
            what = f"{request.method} {request.url.path}"
            return await (PLAN.get() or Plan()).step(what, lambda: send(client, request))

        monkeypatch.setattr(PollingClient, "send", step)
        return self


class Instance:
    """The task instance of a trigger."""

    dag_id, task_id, map_index = "dag", "task", -1

    def __init__(self, run_id: str, try_number: int) -> None:
        self.run_id, self.try_number = run_id, try_number


@dataclass
class DagRun:
    """The DAG run, as far as triggers use it."""

    run_id: str
    start_date: datetime = datetime(2026, 11, 1, tzinfo=timezone.utc)
    clear_number: int = 0  # as Airflow 3.3.2 tells triggers, however often the run was cleared


def trigger_of(operator: Any, run_id: str, try_number: int = 1, **params: Any) -> RunJobTrigger:
    """Return the trigger that Airflow makes for a try of a task."""
    assert operator.start_from_trigger, operator._why_worker
    kwargs = operator.start_trigger_args.trigger_kwargs
    look("trigger", json.dumps(kwargs))
    trigger = RunJobTrigger(**json.loads(json.dumps(kwargs)))
    trigger.task_instance = Instance(run_id, try_number)
    trigger.render_template_fields({"params": params, "run_id": run_id, "dag_run": DagRun(run_id)})
    return trigger


async def run(trigger: RunJobTrigger, plan: Plan | None = None) -> Any:
    """Run a trigger as the triggerer does; return the state that it ends its task with."""
    PLAN.set(plan or Plan())
    try:
        async for event in trigger.run():
            return event.task_instance_state.value
    finally:
        await trigger.cleanup()
