"""What an Airflow on this machine is told: its environment variables and its commands."""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"

_CHECKOUT = Path(__file__).parents[2]


def environment(home: Path, dags_folder: Path, url: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of every component.

    This process's own environment is passed on without what it says about Airflow: another installation of
    the user must not matter. The secrets are new each time.

    Args:
        home: The ``AIRFLOW_HOME``.
        dags_folder: The folder of the DAG files.
        url: Where the API server will listen.
        given: Variables that win over all others.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return {
        **inherited,
        **_no_proxy(inherited),
        **_import_path(inherited),
        "AIRFLOW_HOME": str(home),
        **_core(dags_folder),
        **_secrets(),
        **_addresses(url),
        **_pace(),
        **given,
    }


def _core(dags_folder: Path) -> dict[str, str]:
    return {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def _secrets() -> dict[str, str]:
    return {
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(64),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
    }


def _addresses(url: str) -> dict[str, str]:
    return {
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",  # The default asks the name server.
        # All logs are files here. A port where nobody listens makes the attempt to fetch them end at once.
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": "9",
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": "9",
    }


def _pace() -> dict[str, str]:
    """Return shorter waits than in production, and longer timeouts: the machine may be small and busy."""
    return {
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
        # Also how late a worker notices that its task has ended. When a trigger fires before that, the
        # scheduler takes the late news of the deferral for the death of the task's second part.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "30",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
        "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "1",
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "120",
        "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "180",
    }


def _no_proxy(inherited: Mapping[str, str]) -> dict[str, str]:
    others = inherited.get("no_proxy") or inherited.get("NO_PROXY")
    return dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(filter(None, [HOST, "localhost", others])))


def _import_path(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return a PYTHONPATH for another working folder, with this checkout, if it is one."""
    entries = [Path(entry).resolve() for entry in inherited.get("PYTHONPATH", "").split(os.pathsep) if entry]
    if (_CHECKOUT / "pyproject.toml").is_file():
        entries.insert(0, _CHECKOUT)
    return {"PYTHONPATH": os.pathsep.join(map(str, entries))} if entries else {}


def connection_variables(connections: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the environment variables that define *connections*, by connection id."""
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(fields) for name, fields in connections.items()}


def users(home: Path, login: tuple[str, str] | None) -> dict[str, str]:
    """Return the environment variables that say who may log in; write the password where Airflow reads it."""
    if login is None:
        return {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True"}
    user, password = login
    file = home / "passwords.json"
    file.write_text(json.dumps({user: password}))
    file.chmod(0o600)
    return {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{user}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(file),
    }


def commands(port: int, triggerers: int) -> dict[str, tuple[str, ...]]:
    """Return, by component name, what follows ``airflow`` on the command line."""
    names = ["triggerer", *(f"triggerer-{number}" for number in range(2, triggerers + 1))]
    return {
        "api-server": ("api-server", "--host", HOST, "--port", str(port), "--workers", "1"),
        "scheduler": ("scheduler", "--skip-serve-logs"),
        "dag-processor": ("dag-processor",),
        **dict.fromkeys(names[:triggerers], ("triggerer", "--skip-serve-logs")),
    }


def free_port(wanted: int) -> int:
    """Return *wanted*, or a free port if it is 0.

    Raises:
        OSError: The port is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError as error:
            raise OSError(
                error.errno, f"Port {wanted} of {HOST} cannot be used: choose another port"
            ) from error
        port: int = probe.getsockname()[1]
        return port
