"""What tests of several kinds share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from airflow_batch_provider import drive

from . import secret_scan
from .azurite import Azurite, CannotRunError


def pytest_configure(config: pytest.Config) -> None:
    """Have the whole run scanned for secrets."""
    config.pluginmanager.register(secret_scan, "secret_scan")


SHARED_AIRFLOW, OWN_AIRFLOW = "tests/e2e, one Airflow", "tests/e2e, an Airflow each"
OWN = ("tests/e2e/test_lifecycle.py", "tests/e2e/test_local_airflow.py")
BOUNDARIES = "tests/e2e/test_boundaries.py"
LONGEST_FIRST = (SHARED_AIRFLOW, OWN_AIRFLOW, "tests/test_examples.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Have one process run all tests that share an Airflow, and any other file run in one process."""
    return _TwoAirflows(config, log)


class _TwoAirflows(LoadFileScheduling):
    """At most two Airflows at once: the shared one, and in another process those of files with their own.

    With ``make chaos`` a third: what is killed at the boundaries takes half an hour for each service.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)


def _group(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    if file == BOUNDARIES:
        return f"{file} {'modelarts' in nodeid}"
    if file in OWN:
        return OWN_AIRFLOW
    return SHARED_AIRFLOW if file.startswith("tests/e2e/") else file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, or one process would still work when the others have ended."""
    order = {group: at for at, group in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(_group(item.nodeid), len(order)))


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the pauses of flows pass at once, where it is no matter how long it takes until one gives up."""

    async def pass_by(seconds: float) -> None:
        del seconds

    monkeypatch.setitem(drive.run.__kwdefaults__, "sleep", lambda seconds: None)
    monkeypatch.setitem(drive.arun.__kwdefaults__, "sleep", pass_by)


@pytest.fixture(scope="session")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give the environment of a terminal whose Airflow home has a database, for ``dag.test()``."""
    home = tmp_path_factory.mktemp("home")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment |= {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    environment["AIRFLOW__CORE__FERNET_KEY"] = secret_scan.FERNET_KEY
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(command, env=environment, check=True, timeout=180)
    return environment


@pytest.fixture(scope="session")
def azurite_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Run Azurite; skip, or fail where the machine is meant to have all that it needs."""
    try:
        running = Azurite(tmp_path_factory.mktemp("azurite"))
    except CannotRunError as error:
        if os.environ.get("REQUIRE_AZURITE") == "1":
            pytest.fail(f"{error} (REQUIRE_AZURITE is 1)", pytrace=False)
        pytest.skip(str(error))
    yield running
    running.close()
