"""Two object stores behind the connection ``modelarts_default``: the emulator's OBS, and moto's S3."""

from __future__ import annotations

import collections
import fcntl
import json
import os
import re
import subprocess
import sys
import threading
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from obstore.store import S3Store

from airflow_batch_provider.emulator.server import Emulator
from tests.s3_signature import REGION, S3Auth
from tests.secret_scan import HUAWEI_ACCOUNT, SECRET_KEY

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
ROOT = Path(__file__).parents[3] / "build" / "moto"
PYTHON = ROOT / "bin" / "python"
INSTALL_SECONDS = 300
ACCESS, SECRET = "PLANTEDACCESSKEY0000", SECRET_KEY


def missing(why: str) -> None:
    """Skip, or fail where the machine is meant to have it all."""
    told = f"moto cannot run here: {why}"
    if os.environ.get("REQUIRE_MOTO") == "1":
        pytest.fail(f"{told} (REQUIRE_MOTO is 1)", pytrace=False)
    pytest.skip(told)


def installed() -> Path:
    """Return the Python that has moto, installed once for all runs: its dependencies do not fit Airflow's."""
    ROOT.parent.mkdir(exist_ok=True)
    with ROOT.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Tests run in several processes.
        return _installed()


def _installed() -> Path:
    pins = ROOT / REQUIREMENTS.name
    if pins.is_file() and pins.read_text() == REQUIREMENTS.read_text():
        return PYTHON
    venv.create(ROOT, with_pip=True, clear=True)
    command = [PYTHON, "-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.CalledProcessError as error:
        missing(f"pip failed: {error.stderr[-500:]}")
    except subprocess.TimeoutExpired:
        missing(f"pip took longer than {INSTALL_SECONDS} seconds.")
    pins.write_text(REQUIREMENTS.read_text())
    return PYTHON


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """Run moto's server; its address."""
    command = [installed(), "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        lines = process.stdout or sys.stdin
        found = next(
            (match for line in lines if (match := re.search(r"http://127\.0\.0\.1:\d+", line))), None
        )
        assert found, "moto ended without listening"
        # It writes a line for each request, and stops when nobody reads them.
        reader = threading.Thread(target=collections.deque, args=(lines, 0))
        reader.start()
        yield found[0]
        process.terminate()
        reader.join()


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Run the emulator, fast."""
    setup = tmp_path_factory.mktemp("cloud") / "setup.yml"
    setup.write_text(f"modelarts: {HUAWEI_ACCOUNT}")
    with Emulator(setup=setup, speed=20) as running:
        yield running


class Bucket:
    """A bucket of a test's own, in one of the stores."""

    def __init__(self, connection: dict[str, Any], name: str) -> None:
        self.connection = connection
        self.name = name
        self.endpoint = connection["extra"]["obs_endpoint"]
        # moto makes buckets without further words in this region only.
        self.region = REGION if self.endpoint.endswith("/obs") else "us-east-1"

    def put(self, key: str, body: bytes = b"x") -> None:
        """Write an object; a key that ends in a slash is a folder's mark."""
        store = S3Store(
            self.name,
            endpoint=self.endpoint,
            region="cn-north-4",
            access_key_id=ACCESS,
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )
        if key.endswith("/"):
            self.call("PUT", f"/{key}")
        else:
            store.put(key, body)

    def call(self, method: str, key: str = "") -> None:
        """Make a request that obstore has no method for."""
        url, auth = f"{self.endpoint}/{self.name}{key}", S3Auth(ACCESS, SECRET, self.region)
        httpx.request(method, url, auth=auth, content=b"", trust_env=False).raise_for_status()


@pytest.fixture(params=["emulator", "moto"])
def bucket(request: pytest.FixtureRequest, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Give a bucket, and the connection that reads it."""
    connection = emulator.modelarts_connection()
    if request.param == "moto":
        connection["extra"]["obs_endpoint"] = request.getfixturevalue("moto")
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(connection))
    made = Bucket(connection, f"test-{abs(hash(request.node.nodeid)):x}")
    made.call("PUT")
    return made
