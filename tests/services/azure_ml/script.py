"""Drives a flow of the service by hand: answers in, requests out as they would be sent."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from airflow_batch_provider.flow import Pause
from airflow_batch_provider.services.azure_ml.batch import BatchEndpoints
from airflow_batch_provider.services.azure_ml.clouds import CLOUDS
from airflow_batch_provider.services.azure_ml.workspace import AUDIENCE, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_batch_provider.flow import Flow

CONTRACT = Path(__file__).parents[2] / "contract"
ZEROS = "00000000-0000-0000-0000-000000000000"
PUBLIC, CHINA = CLOUDS["AzurePublicCloud"], CLOUDS["AzureChinaCloud"]
# The workspace and the endpoint of the contract pairs.
WORKSPACE = Workspace(PUBLIC, ZEROS, "00000", "00000")
SCORING_URI = "https://batch-ept-11a618d470304b2.westus2-main.inference.ml.azure.com/jobs"
NOON = 1_800_000_000.0
BATCH = BatchEndpoints(WORKSPACE, now=lambda: NOON)


@dataclass
class Played:
    """What a flow did with the answers that it got."""

    requests: list[httpx.Request] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    returned: Any = None
    raised: Exception | None = None

    @property
    def asked(self) -> list[tuple[str, str, str]]:
        """Each request as audience, method and path."""
        return [(sent.extensions[AUDIENCE], sent.method, sent.url.path) for sent in self.requests]

    @property
    def body(self) -> Any:
        """The body of the last request."""
        return json.loads(self.requests[-1].content)


def play(flow: Flow[Any], answers: Iterable[Any] | Callable[[httpx.Request], Any] = ()) -> Played:
    """Run a flow to its end; an exception among the answers is thrown in, as a client's would be."""
    played, script = Played(), iter(() if callable(answers) else answers)
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


def recorded(name: str) -> httpx.Response:
    """Return the answer of a contract pair."""
    answer = json.loads((CONTRACT / f"{name}.json").read_text())["response"]
    return httpx.Response(answer["status"], headers=answer["headers"], json=answer["body"])


def recorded_body(name: str) -> Any:
    """Return the body of the answer of a contract pair, to be changed."""
    return json.loads((CONTRACT / f"{name}.json").read_text())["response"]["body"]


def refused(status: int, message: str = "No.", code: str = "UserError", **headers: str) -> httpx.Response:
    """Return an error of the batch data plane."""
    body = {"error": {"code": code, "message": message, "innerError": {"code": "InnerCode"}}}
    return httpx.Response(status, json=body, headers=headers)


HTML = httpx.Response(200, html="<!DOCTYPE html><title>Sign in</title>")
