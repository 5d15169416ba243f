"""What Airflow does with watchers beside running them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest
from airflow.models.trigger import Trigger
from airflow.serialization.encoders import encode_trigger
from airflow.triggers.base import BaseEventTrigger

from airflow_batch_provider.triggers.job_events import JobEventTrigger
from airflow_batch_provider.triggers.output_events import OutputEventTrigger

from .conftest import until

WATCHERS = [
    OutputEventTrigger(path="azureml://datastores/d/paths/x", glob="*.csv", stable_for=1, since="2026-11-21"),
    JobEventTrigger(endpoint_name="quick", states=("failed", "succeeded")),
]


@pytest.mark.parametrize("watcher", WATCHERS, ids=lambda watcher: type(watcher).__name__)
def test_airflow_knows_a_watcher_again(watcher):
    """Else it would end and begin the watching each time that it parses the DAG file."""
    told = encode_trigger(watcher)
    stored = Trigger(told["classpath"], told["kwargs"])

    assert BaseEventTrigger.hash(stored.classpath, stored.kwargs) == BaseEventTrigger.hash(
        told["classpath"], told["kwargs"]
    )


def test_a_triggerer_without_shared_streams_tells_too(tmp_path):
    """Each trigger by itself, with no watermark stored."""
    (tmp_path / "a").write_text("1")

    async def story():
        found = []

        async def run():
            async for event in OutputEventTrigger(path=str(tmp_path), poll_interval=0.05).run():
                found.extend(event.payload["files"])

        task = asyncio.create_task(run())
        await until(lambda: len(found) == 1, "a")
        (tmp_path / "b").write_text("1")
        await until(lambda: len(found) == 2, "b")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return [file["path"][-1] for file in found]

    assert asyncio.run(story()) == ["a", "b"]


def test_a_dag_file_with_watchers_loads_nothing_heavy(tmp_path):
    """No cloud library, no service and no HTTP client of ours."""
    code = (
        "import sys; "
        "from airflow_batch_provider.triggers.output_events import OutputEventTrigger as O; "
        "from airflow_batch_provider.triggers.job_events import JobEventTrigger as J; "
        "O(path='obs://bucket/x'); J(endpoint_name='x'); "
        "print([m for m in ('azure.identity', 'obstore', 'airflow_batch_provider.services', "
        "'airflow_batch_provider.storage', 'airflow_batch_provider.hooks.base') if m in sys.modules])"
    )
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"
