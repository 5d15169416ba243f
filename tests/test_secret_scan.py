"""The scan itself: a run in which anything puts out a secret fails, and says where."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).parents[1]

LEAKY = """
import logging, sqlite3
import structlog
from cryptography.fernet import Fernet
from airflow_batch_provider.emulator.database import Database
from airflow_batch_provider.emulator.journal import Journal
from airflow_batch_provider.emulator.modelarts.keys import KeyStore
from airflow_batch_provider.errors import BatchError, ServiceError
from tests.secret_scan import CLIENT_SECRET, FERNET_KEY, IAM_PASSWORD, SECRET_KEY, keep_triggers, look

TOKEN = "emu_" + "t" * 43
KEY = "k" * 86 + "=="
SIGNATURE = "a?sp=r&sig=" + "s" * 43

def test_log():
    logging.getLogger("any").warning("using %s", CLIENT_SECRET)

def test_secret_key():
    logging.getLogger("any").warning("signing with %s", SECRET_KEY)

def test_iam_password():
    look("trigger", {"password": IAM_PASSWORD})

def test_iam_token():
    BatchError(f"X-Auth-Token {TOKEN} is refused.")

def test_temporary_key(tmp_path):
    database = Database(tmp_path / "emulator.db")
    key = KeyStore(database).issue(900)
    database.close()
    print(key.secret)
    look("XCom keys", key.token)

def test_structlog():
    structlog.get_logger().info("asking", with_=TOKEN)

def test_captured_structlog():
    with structlog.testing.capture_logs():
        structlog.get_logger().info("asking", with_=TOKEN)

def test_print():
    print(KEY)

def test_error():
    BatchError(f"The key {KEY} is wrong.")

def test_field_of_an_error():
    ServiceError("No.", request_id=TOKEN)

def test_journal(tmp_path):
    database = Database(tmp_path / "emulator.db")
    Journal(database).add({"query": SIGNATURE})
    database.close()

def test_harness():
    look("XCom job", {"id": 1, "uri": SIGNATURE})

def test_airflow_home(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "task.log").write_text(f"event: {TOKEN}")
    row = Fernet(FERNET_KEY).encrypt(CLIENT_SECRET.encode()).decode()
    database = sqlite3.connect(tmp_path / "airflow.db", isolation_level=None)
    database.execute("create table trigger (kwargs text)")
    keep_triggers(tmp_path)
    database.execute("insert into trigger values (?)", (row,))
    database.execute("delete from trigger")
    database.close()
"""
CLEAN = """
import logging
from airflow_batch_provider.errors import BatchError
from tests.secret_scan import CLIENT_SECRET

def test_holds_and_sends_a_secret():
    headers = {"Authorization": f"Bearer {CLIENT_SECRET}"}
    assert headers["Authorization"].endswith(CLIENT_SECRET)

def test_shows_none():
    logging.getLogger("any").warning("GET a?sp=r&sig=***")
    str(BatchError(f"client_secret={CLIENT_SECRET}&a=b and a?sig={'s' * 43}"))
"""


@pytest.fixture
def folder():
    """A folder that the scan of this run does not look into, as it does below ``tmp_path``."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


def run(folder, tests, *options):
    (folder / "test_it.py").write_text(tests)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.secret_scan", f"--basetemp={folder / 'tmp'}"]
    return subprocess.run(
        [*command, *options, "-c", folder / "pytest.ini", folder],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.mark.parametrize("options", [(), ("--numprocesses", "2")], ids=["alone", "shared"])
def test_each_way_out_is_watched(folder, options):
    """Every test passes and the run fails; each leak is named with its place and test, and not repeated."""
    done = run(folder, LEAKY, *options)

    told = [line for line in done.stdout.splitlines() if " secret after " in line]
    for where, kind, test in [
        ("Captured log call", "planted", "::test_log"),
        ("Captured log call", "planted", "::test_secret_key"),
        ("trigger", "planted", "::test_iam_password"),
        ("error", "token", "::test_iam_token"),
        ("Captured stdout call", "token", "::test_temporary_key"),
        ("XCom keys", "token", "::test_temporary_key"),
        ("log", "token", "::test_structlog"),
        ("log", "token", "::test_captured_structlog"),
        ("Captured stdout call", "key", "::test_print"),
        ("error", "key", "::test_error"),
        ("error", "token", "::test_field_of_an_error"),
        ("journal of the emulator", "signature", "::test_journal"),
        ("XCom job", "signature", "::test_harness"),
        ("task.log", "token", "no test"),
        ("rows of an Airflow database", "planted", "no test"),
    ]:
        assert [line for line in told if f"{where}: a {kind}" in line and line.endswith(test)], (where, told)
    assert " 13 passed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1
    assert not [line for line in told if "kkkk" in line or "ssss" in line or "tttt" in line]


def test_a_run_without_a_leak_passes(folder):
    """A test may hold a secret and send it, and what is redacted is no leak."""
    done = run(folder, CLEAN)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "secrets were put out" not in done.stdout
