"""Files that start DAGs in a real Airflow, whose triggerer is killed."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from tests.sensors.conftest import Service

from .emulator_process import until

pytestmark = pytest.mark.e2e

INTERVAL = 2.0  # of the DAG file
MANY = 25
WINDOW = 3 * INTERVAL


@pytest.fixture
def storage(emulator):
    """The default datastore of the session's emulator."""
    told = SimpleNamespace(url=emulator.url, airflow_connection=lambda: emulator.connection)
    service = Service(told)
    yield service
    service.close()


def names(airflow):
    """Return the names of the files that started runs, from what their tasks returned."""
    found = []
    for run in airflow._api.pages("dag_runs", "dags", "watching", "dagRuns"):
        if run["state"] == "success":
            payloads = airflow.xcom("watching", run["dag_run_id"], "payloads")
            assert all(payload["etag"] and payload["size"] == 5 for payload in payloads)
            found += [payload["path"].rpartition("/")[2] for payload in payloads]
    return sorted(found)


def watermarks(airflow, prefix):
    """Return the stored states of assets."""
    assets = airflow._api.pages("assets", "assets", name_pattern=f"{prefix}%")
    return [
        state["value"]
        for asset in assets
        for state in airflow._api.get("assets", str(asset["id"]), "state-store")["asset_state_store"]
    ]


def listings(emulator):
    return sum("many" in request["query"] for request in emulator.requests("blob"))


def test_files_start_runs_and_a_killed_triggerer_misses_none(airflow, emulator, storage):
    """A file is told once, also one that came while no triggerer lived; 25 assets cost one listing."""
    for dag in ("watching", "watching_many"):
        airflow.unpause(dag)
    storage.put("watched/one/a.csv", b"12345")
    until(lambda: names(airflow) == ["a.csv"], 60, "the first run")
    until(lambda: watermarks(airflow, "arrived"), 20, "the watermark")

    airflow.kill("triggerer")
    storage.put("watched/one/b.csv", b"12345")
    for number in range(MANY):
        storage.put(f"watched/many/{number:02}.csv")
    airflow.restart("triggerer")
    storage.put("watched/one/c.csv", b"12345")

    until(lambda: set(names(airflow)) == {"a.csv", "b.csv", "c.csv"}, 90, "the other runs")
    until(lambda: len(watermarks(airflow, "many")) == MANY, 30, "the watermarks of 25 assets")
    before = listings(emulator)
    time.sleep(WINDOW)
    looks = listings(emulator) - before
    assert 1 <= looks <= WINDOW / (0.8 * INTERVAL) + 1  # of one stream
    assert names(airflow) == ["a.csv", "b.csv", "c.csv"]
    (run,) = airflow._api.pages("dag_runs", "dags", "watching_many", "dagRuns")
    assert airflow.wait_for_run("watching_many", run["dag_run_id"], 30) == "success"
