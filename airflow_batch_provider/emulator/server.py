"""The emulator as a server: in a thread for tests, in a process by the command line."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from airflow_batch_provider.emulator import setup as setup_file
from airflow_batch_provider.emulator.app import build
from airflow_batch_provider.emulator.connections import Connections
from airflow_batch_provider.emulator.whole_files import write_whole
from airflow_batch_provider.emulator.world import World

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

# Longer than usual poll intervals, so that pooled connections are not closed under a client's hands.
_KEEP_ALIVE_SECONDS = 120
_START_SECONDS = 20


class Emulator:
    """One emulator on one port; a context manager that runs it in a thread.

    Args:
        state_dir: Where its state is kept; without it a temporary folder, removed at the end.
        host: The address to listen on.
        port: The port; 0 picks a free one.
        speed: How many times faster than the service jobs go through their states.
        setup: A YAML file of endpoints and deployments to load.
        tls: Whether to serve https with a certificate of its own authority, ``ca.pem`` in the state folder.

    Raises:
        SetupError: The set-up file is not valid.
        StateInUseError: Another emulator works in the state folder.
        OSError: The port is taken.

    Attributes:
        url: The base URL.
        state_dir: The state folder.
        ca_file: The certificate authority, or None without TLS.
    """

    def __init__(
        self,
        state_dir: Path | str | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float = 1.0,
        setup: Path | str | None = None,
        tls: bool = False,
    ) -> None:
        self._cleanup = contextlib.ExitStack()
        self.state_dir = Path(state_dir).resolve() if state_dir else self._temporary_folder()
        with contextlib.ExitStack() as undo:
            undo.enter_context(self._cleanup)
            self._world = World(self.state_dir, speed=speed)
            self._cleanup.callback(self._world.close)
            # One that was left behind by a killed emulator names a port where nobody answers.
            self._ready.unlink(missing_ok=True)
            self._setup = setup_file.load(self._world, Path(setup) if setup else None)
            self._socket = _listen(host, port)
            self._cleanup.callback(self._socket.close)
            self.ca_file: Path | None = None
            options: dict[str, str] = {}
            if tls:
                self.ca_file, options = self._tls_options(host)
            self.url = f"{'https' if tls else 'http'}://{_shown(host)}:{self._socket.getsockname()[1]}"
            self._server = uvicorn.Server(self._config(options))
            undo.pop_all()
        self._thread: threading.Thread | None = None
        self._serving = False

    @property
    def _ready(self) -> Path:
        return self.state_dir / "ready.json"

    def _temporary_folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="batch-emulator-"))
        self._cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def _tls_options(self, host: str) -> tuple[Path, dict[str, str]]:
        from airflow_batch_provider.emulator import tls as certificates

        ca_file, chain, key = certificates.server_certificate(self.state_dir, host)
        return ca_file, {"ssl_certfile": str(chain), "ssl_keyfile": str(key)}

    def _config(self, options: dict[str, str]) -> uvicorn.Config:
        connections = Connections()
        return uvicorn.Config(
            build(self._world, connections),
            http=connections.protocol(),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=2,
            ssl_certfile=options.get("ssl_certfile"),
            ssl_keyfile=options.get("ssl_keyfile"),
        )

    def airflow_connection(self) -> dict[str, Any]:
        """Return the Airflow connection that reaches this emulator, as the JSON of ``AIRFLOW_CONN_…``."""
        return {
            "conn_type": "azure_ml",
            "host": self.url,
            "login": self._setup.client_id,
            "password": self._setup.client_secret,
            "extra": {
                "tenantId": "emulator",
                "subscriptionId": self._setup.workspace.subscription,
                "resource_group_name": self._setup.workspace.group,
                "workspace_name": self._setup.workspace.name,
            }
            | ({"verify": str(self.ca_file)} if self.ca_file else {}),
        }

    def modelarts_connection(self) -> dict[str, Any]:
        """Return the Airflow connection to the emulator's ModelArts, in the same form."""
        account = self._world.modelarts.account
        access, secret = next(iter(account.keys.items()))
        return {
            "conn_type": "modelarts",
            "host": self.url,
            "login": access,
            "password": secret,
            "extra": {
                "region": account.region,
                "project_id": account.project_id,
                "iam_endpoint": self.url,
                "obs_endpoint": f"{self.url}/obs",
            }
            | ({"verify": str(self.ca_file)} if self.ca_file else {}),
        }

    def run(self) -> None:
        """Serve in this thread until SIGINT, SIGTERM or :meth:`stop`."""
        self._serving = True
        write_whole(self._ready, json.dumps({"url": self.url, "pid": os.getpid()}))
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._ready.unlink(missing_ok=True)
            self._cleanup.close()

    def start(self) -> Self:
        """Serve in a thread of its own; return when requests are answered."""
        self._thread = threading.Thread(target=self.run, name="batch-emulator", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError(f"The emulator did not start at {self.url}; its log says why.")
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        """End the server; its jobs are stopped and go on at the next start with the same state."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()
        elif not self._serving:
            self._cleanup.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        told = f"port {port} of {host} cannot be used: {error.strerror}; choose another"
        raise OSError(error.errno, told) from error
    return listener


def _shown(host: str) -> str:
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared with, not bound to
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
