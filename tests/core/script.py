"""Drives a flow by hand: answers in, steps out. No loop, no clock, nothing is sent and nothing sleeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx

from airflow_batch_provider.flow import Alone, Flow, Load, Pause, Save
from airflow_batch_provider.jobs import JobRef

HOST = "https://service.test"


class Clock:
    """A clock that stands still, except while a scripted pause or a slow answer lasts."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Slow:
    """An answer that comes after *seconds*."""

    seconds: float
    answer: Any


@dataclass
class Played:
    """What a flow did with its script. It is not finished if it was closed, as a crash would."""

    steps: list[Any] = field(default_factory=list)
    returned: Any = None
    raised: Exception | None = None
    finished: bool = False

    @property
    def requests(self) -> list[str]:
        return [step for step in self.steps if isinstance(step, str)]

    @property
    def pauses(self) -> list[float]:
        return [step.seconds for step in self.steps if isinstance(step, Pause)]


_CRASH = object()


def play(
    flow: Flow[Any],
    answers: Iterable[Any] | Callable[[Any], Any] = (),
    clock: Clock | None = None,
    crash_after: int = 0,
) -> Played:
    """Hand a flow the answer to each of its steps; an exception among the answers is thrown in.

    Pauses take no answer: they pass, on *clock*. The flow is closed when the answers run out, or when its
    step number *crash_after* has had its effect and before the flow learns of it.
    """
    played, clock = Played(), clock or Clock()
    script = iter(() if callable(answers) else answers)
    answer: Any = None
    try:
        while True:
            step = flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer)
            played.steps.append(shown(step))
            answer = None
            if isinstance(step, Pause):
                clock.now += step.seconds
            else:
                answer = answers(step) if callable(answers) else next(script, _CRASH)
            if isinstance(answer, Slow):
                clock.now += answer.seconds
                answer = answer.answer
            if answer is _CRASH or len(played.steps) == crash_after:
                flow.close()
                return played
    except StopIteration as stop:
        played.returned = stop.value
    except Exception as error:  # noqa: BLE001  # whatever the flow raises is part of what it did
        played.raised = error
    played.finished = True
    return played


def shown(step: Any) -> Any:
    """Tell a request as ``GET /path``, and any other step as it is."""
    if isinstance(step, httpx.Request):
        return f"{step.method} {step.url.path}"
    assert isinstance(step, (Pause, Load, Save, Alone)), f"no step: {step!r}"
    return step


class OneRequestEach:
    """A service whose every method is one request, and whose answer is taken as it is."""

    name = "azure_ml"

    def plan(self, order: Any) -> Flow[Any]:
        return (yield httpx.Request("GET", f"{HOST}/plan/{order}"))

    def submit(self, plan: Any, marker: str) -> Flow[Any]:
        return (yield httpx.Request("POST", f"{HOST}/jobs", headers={"marker": marker, "plan": plan}))

    def traces(self, plan: Any, marker: str, since: float) -> Flow[Any]:
        return (yield httpx.Request("GET", f"{HOST}/jobs", headers={"marker": marker, "since": str(since)}))

    def about(self, plan: Any) -> str:
        return f"there {plan}"

    def get(self, ref: JobRef) -> Flow[Any]:
        return (yield httpx.Request("GET", f"{HOST}/jobs/{ref.id}"))

    def cancel(self, ref: JobRef) -> Flow[Any]:
        return (yield httpx.Request("DELETE", f"{HOST}/jobs/{ref.id}"))

    def outputs(self, ref: JobRef) -> Flow[Any]:
        return (yield httpx.Request("GET", f"{HOST}/jobs/{ref.id}/outputs"))

    def explain(self, ref: JobRef) -> Flow[Any]:
        return (yield httpx.Request("GET", f"{HOST}/jobs/{ref.id}/log"))
