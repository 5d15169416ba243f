"""Drives a flow of the service by hand: answers in, requests out as they would be sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from airflow_batch_provider.services.azure_ml.batch import BatchEndpoints
from airflow_batch_provider.services.azure_ml.clouds import CLOUDS
from airflow_batch_provider.services.azure_ml.workspace import AUDIENCE, Workspace
from tests.services import script

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


class Played(script.Played):
    """What a flow did with the answers that it got."""

    @property
    def asked(self) -> list[tuple[str, ...]]:
        """Each request as audience, method and path."""
        return [(sent.extensions[AUDIENCE], sent.method, sent.url.path) for sent in self.requests]


def play(flow: Flow[Any], answers: Iterable[Any] | Callable[[httpx.Request], Any] = ()) -> Played:
    """Run a flow to its end."""
    return script.carry_out(Played(), flow, answers)


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
