"""Real Airflows for end-to-end tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from airflow_batch_provider.demo.local_airflow import LocalAirflow
from tests.secret_scan import FERNET_KEY, keep_triggers

from .emulator_process import EmulatorProcess

HERE = Path(__file__).parent
# How soon a task is found dead whose worker cannot tell any more.
SOON = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
}
EXAMPLES = HERE.parents[1] / "example_dags"
LOGIN = ("night-watch", "nobody is awake")
READABLE = {"AIRFLOW__CORE__FERNET_KEY": FERNET_KEY}


@pytest.fixture(scope="module")
def airflow_factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., LocalAirflow]]:
    """Start an Airflow for a folder of DAG files, with LocalAirflow's options; it ends with the test module.

    Its start takes half a minute, so a module makes one, in a fixture of its own with the same scope.
    """
    with ExitStack() as stack:

        def start(dags_folder, **options) -> LocalAirflow:
            home = tmp_path_factory.mktemp("airflow")
            options["env"] = READABLE | options.get("env", {})
            airflow = stack.enter_context(LocalAirflow(home, dags_folder, **options))
            keep_triggers(home)
            return airflow

        yield start


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    """Run one emulator in a process of its own."""
    with EmulatorProcess.running(tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def airflow(emulator: EmulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    """Run one Airflow with the example DAGs, unchanged, and the DAGs of these tests."""
    dags = tmp_path_factory.mktemp("dags")
    for folder in (EXAMPLES, HERE / "dags"):
        shutil.copytree(folder, dags, dirs_exist_ok=True)
    connections = emulator.connections
    home = tmp_path_factory.mktemp("airflow")
    with LocalAirflow(home, dags, connections=connections, env=SOON | READABLE, login=LOGIN) as airflow:
        keep_triggers(home)
        yield airflow
