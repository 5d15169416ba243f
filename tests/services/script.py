"""Drives a flow of a service by hand: answers in, requests out as they would be sent."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from airflow_batch_provider.flow import Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_batch_provider.flow import Flow

P = TypeVar("P", bound="Played")


@dataclass
class Played:
    """What a flow did with the answers that it got."""

    requests: list[httpx.Request] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    returned: Any = None
    raised: Exception | None = None

    @property
    def asked(self) -> list[tuple[str, ...]]:
        """Each request as method and path."""
        return [(sent.method, sent.url.path) for sent in self.requests]

    @property
    def body(self) -> Any:
        """The body of the last request."""
        return json.loads(self.requests[-1].content)


def carry_out(played: P, flow: Flow[Any], answers: Iterable[Any] | Callable[[httpx.Request], Any]) -> P:
    """Run a flow to its end; an exception among the answers is thrown in, as a client's would be."""
    script = iter(() if callable(answers) else answers)
    answer: Any = None
    try:
        while True:
            step = flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer)
            if isinstance(step, Pause):
                played.pauses.append(step.seconds)
                answer = None
                continue
            assert isinstance(step, httpx.Request), f"no request: {step!r}"
            played.requests.append(step)
            answer = answers(step) if callable(answers) else next(script, None)
            assert answer is not None, f"no answer is left for {step!r}"
            if isinstance(answer, httpx.Response):
                answer.request = step
    except AssertionError:
        raise
    except StopIteration as stop:
        played.returned = stop.value
    except Exception as error:  # noqa: BLE001  # whatever the flow raises is part of what it did
        played.raised = error
    assert next(script, None) is None, "not every answer was asked for"
    return played
