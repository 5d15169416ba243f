"""What tests of several kinds share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from . import secret_scan
from .azurite import Azurite, CannotRunError


def pytest_configure(config: pytest.Config) -> None:
    """Have the whole run scanned for secrets."""
    config.pluginmanager.register(secret_scan, "secret_scan")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Have one process run all tests that share an Airflow, and any other file run in one process."""
    return _OneAirflow(config, log)


class _OneAirflow(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return "tests/e2e" if nodeid.startswith("tests/e2e/") else super()._split_scope(nodeid)


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
