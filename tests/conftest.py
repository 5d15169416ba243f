"""What tests of several kinds share."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from . import secret_scan


def pytest_configure(config: pytest.Config) -> None:
    """Have the whole run scanned for secrets."""
    config.pluginmanager.register(secret_scan, "secret_scan")


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
