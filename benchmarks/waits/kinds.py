"""The triggers that are compared, each pointed at the same service. Only look-ups are patched."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
from airflow.sdk import BaseHook, Connection
from airflow.triggers.base import BaseTrigger, TriggerEvent

LOOK_UPS: Counter[str] = Counter()
OLD = 36_000.0
"""Seconds since the jobs were started: as old as to be asked for at the full interval."""

Make = Callable[[int], BaseTrigger]


def look_up(answers: dict[str, Connection]) -> None:
    """Have connections be looked up here, and counted."""

    def found(conn_id: str) -> Connection:
        LOOK_UPS["look-ups"] += 1
        return answers[conn_id]

    async def afound(conn_id: str) -> Connection:
        await asyncio.sleep(0)
        return found(conn_id)

    BaseHook.get_connection = classmethod(lambda _, conn_id: found(conn_id))
    BaseHook.aget_connection = classmethod(lambda _, conn_id: afound(conn_id))


class Empty(BaseTrigger):
    """Waits for nothing: what a trigger costs that only sleeps."""

    def __init__(self, interval: float) -> None:
        super().__init__()
        self.interval = interval

    def serialize(self) -> Any:
        return "", {}

    async def run(self) -> Any:
        while True:  # noqa: ASYNC110  # that is all it does
            await asyncio.sleep(self.interval)
        yield TriggerEvent({})


class Plain(BaseTrigger):
    """What a careful user writes with httpx: one client and one token for all, few requests at once."""

    client: httpx.AsyncClient | None = None
    token: asyncio.Task[str] | None = None
    few = asyncio.Semaphore(20)  # The client's pool takes long over a long queue.

    def __init__(self, url: str, number: int, endpoint: int, interval: float) -> None:
        super().__init__()
        self.url, self.interval = url, interval
        self.job = f"{url}/endpoints/r/e{endpoint}/jobs/job-{number}"

    def serialize(self) -> Any:
        return "", {}

    async def run(self) -> Any:
        if Plain.client is None or Plain.token is None:
            Plain.client = httpx.AsyncClient(trust_env=False, timeout=30)
            Plain.token = asyncio.create_task(self.ask_for_token(Plain.client))
        token = await Plain.token
        while True:
            with contextlib.suppress(httpx.TransportError):
                async with Plain.few:
                    answer = await Plain.client.get(self.job, headers={"Authorization": f"Bearer {token}"})
                if answer.raise_for_status().json()["properties"]["status"] == "Completed":
                    break
            await asyncio.sleep(self.interval)
        yield TriggerEvent({})

    async def ask_for_token(self, client: httpx.AsyncClient) -> str:
        await BaseHook.aget_connection("plain")
        answer = await client.post(f"{self.url}/t/oauth2/v2.0/token")
        return str(answer.json()["access_token"])


def empty(url: str, endpoints: int, interval: float, age: float) -> Make:  # noqa: ARG001  # alike
    """Return triggers that wait for nothing."""
    return lambda _: Empty(interval)


def plain(url: str, endpoints: int, interval: float, age: float) -> Make:  # noqa: ARG001  # alike
    """Return triggers that share a client."""
    look_up({"plain": Connection(conn_id="plain", conn_type="http", host=url)})
    return lambda number: Plain(url, number, number % endpoints, interval)


def ours(url: str, endpoints: int, interval: float, age: float) -> Make:
    """Return the triggers of this package."""
    from airflow_batch_provider.hooks import hook_for
    from airflow_batch_provider.jobs import JobRef
    from airflow_batch_provider.triggers import settling
    from airflow_batch_provider.triggers.jobs import JobTrigger

    settling.SETTLE_SECONDS = 0.0
    hook_for("azure_ml", "c", {})  # Has it imported; the other triggers import theirs at once.
    place = {"subscriptionId": "s", "resource_group_name": "g", "workspace_name": "w", "tenantId": "t"}
    connection = Connection(
        conn_id="c", conn_type="azure_ml", host=url, login="i", password="p", extra=_json(place)
    )
    look_up({"c": connection})
    began = time.time()

    def make(number: int) -> BaseTrigger:
        endpoint = f"e{number % endpoints}"
        told = {
            "scoring_uri": f"{url}/endpoints/r/{endpoint}/jobs",
            "endpoint": endpoint,
            "output:score": "azureml://datastores/d/paths/out/file",
        }
        ref = JobRef("azure_ml", f"job-{number}", told, began - age)
        return JobTrigger(
            service="azure_ml", conn_id="c", place={}, ref=ref.to_dict(), poll_interval=interval
        )

    return make


def ours_by_get(url: str, endpoints: int, interval: float, age: float) -> Make:
    """Return the triggers of this package, where no list shows jobs of several endpoints."""
    from airflow_batch_provider.services.azure_ml.batch import BatchEndpoints

    BatchEndpoints.common_group = lambda *_: ""  # type: ignore[method-assign]
    return ours(url, endpoints, interval, age)


def databricks(url: str, endpoints: int, interval: float, age: float) -> Make:  # noqa: ARG001  # alike
    """Return the official Databricks provider's triggers."""
    from airflow.providers.databricks.triggers.databricks import DatabricksExecutionTrigger

    host, _, port = url.removeprefix("http://").partition(":")
    connection = Connection(
        conn_id="c", conn_type="databricks", host=host, port=int(port), schema="http", password="token"
    )
    look_up({"c": connection})
    return lambda number: DatabricksExecutionTrigger(number, "c", polling_period_seconds=interval)


def data_factory(url: str, endpoints: int, interval: float, age: float) -> Make:  # noqa: ARG001  # alike
    """Return the official Azure provider's triggers."""
    os.environ["WAITS_URL"] = url
    from waits.factory import LocalTrigger, hooks

    extra = _json({"tenantId": "t", "subscriptionId": "s"})
    look_up(
        {"c": Connection(conn_id="c", conn_type="azure_data_factory", login="i", password="p", extra=extra)}
    )
    hooks.get_async_connection = functools.partial(BaseHook.aget_connection)
    return lambda number: LocalTrigger(str(number), "c", time.time() + 1e6, "g", "f", check_interval=interval)


def _json(value: Any) -> str:
    import json

    return json.dumps(value)


KINDS: dict[str, Callable[[str, int, float, float], Make]] = {
    "empty": empty,
    "ours": ours,
    "ours by GET": ours_by_get,
    "databricks": databricks,
    "data_factory": data_factory,
    "plain httpx": plain,
}
