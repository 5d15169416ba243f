"""The command line: ready line, files, signals, TLS."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import airflow_batch_provider
from airflow_batch_provider.emulator.__main__ import main
from airflow_batch_provider.emulator.tls import server_certificate

from .conftest import wait_for, write_setup

ROOT = Path(airflow_batch_provider.__file__).parents[1]


@contextmanager
def emulator(folder, *arguments):
    """Run the command line with a state folder; yield its process and the content of ready.json."""
    state = folder / "state"
    command = [sys.executable, "-m", "airflow_batch_provider.emulator", "--port", "0", "--state", str(state)]
    process = subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=folder,
    )
    try:
        yield process, wait_for(lambda: ready(state, process))
    finally:
        process.kill()
        process.communicate()


def ready(state, process):
    """Return what ready.json says once this very process has written it."""
    assert process.poll() is None, process.communicate()[1]
    try:
        content = json.loads((state / "ready.json").read_text())
    except FileNotFoundError:  # not written yet, or the starting emulator has just removed an earlier one's
        return None
    return content if content["pid"] == process.pid else None


def test_ready_line_can_be_pasted_into_a_shell(tmp_path):
    with emulator(tmp_path) as (process, told):
        process.terminate()
        lines = process.communicate(timeout=10)[0].splitlines()
        pasted = subprocess.run(
            ["/bin/sh", "-c", f'{lines[2]}; printf %s "$AIRFLOW_CONN_AZURE_ML_DEFAULT"'],
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    connection = json.loads(pasted)
    assert lines[0].endswith(f"is ready at {told['url']}")
    assert (connection["conn_type"], connection["host"]) == ("azure_ml", told["url"])
    assert told["pid"] == process.pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_cleanly(tmp_path, number):
    with emulator(tmp_path) as (process, told):
        assert httpx.get(f"{told['url']}/_emulator/health").json()["status"] == "ok"

        process.send_signal(number)
        _, errors = process.communicate(timeout=10)

    assert (process.returncode, errors) == (0, "")
    assert not (tmp_path / "state" / "ready.json").exists()
    assert (tmp_path / "state" / "emulator.db").exists()


def test_tls_serves_with_a_certificate_of_its_own_authority(tmp_path):
    with emulator(tmp_path, "--tls") as (_, told):
        trusted = ssl.create_default_context(cafile=str(tmp_path / "state" / "ca.pem"))
        urls = [told["url"], told["url"].replace("127.0.0.1", "localhost")]
        codes = [httpx.get(f"{url}/_emulator/health", verify=trusted).status_code for url in urls]
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{told['url']}/_emulator/health")

    keys = list((tmp_path / "state" / "tls").glob("*-key.pem"))
    assert told["url"].startswith("https://")
    assert codes == [200, 200]
    assert [oct(key.stat().st_mode)[-3:] for key in keys] == ["600", "600"]


@pytest.mark.parametrize("name", ["store1.blob.localhost", "store1.blob.core.localhost"])
def test_certificate_is_good_for_hosts_of_storage_accounts(tmp_path, name):
    """Microsoft's storage clients tell the account by a host that contains ".blob.core."."""
    with emulator(tmp_path, "--tls") as (_, told):
        trusted = ssl.create_default_context(cafile=str(tmp_path / "state" / "ca.pem"))
        with httpx.Client(verify=trusted) as http:
            answer = http.get(
                f"{told['url']}/container/blob", headers={"host": name}, extensions={"sni_hostname": name}
            )

    assert answer.headers["x-ms-error-code"] == "NoAuthenticationInformation"


def test_authority_stays_the_same_for_one_state_folder(tmp_path):
    first, second = (server_certificate(tmp_path, "127.0.0.1")[0].read_bytes() for _ in range(2))

    assert first == second


def test_second_emulator_on_one_state_folder_is_refused(tmp_path, capsys):
    with emulator(tmp_path):
        code = main(["--port", "0", "--state", str(tmp_path / "state")])

    assert code == 2
    assert "is in use by another emulator" in capsys.readouterr().err


def test_taken_port_is_told(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = main(["--port", str(port)])

    assert code == 2
    assert f"port {port} of 127.0.0.1 cannot be used: Address already in use" in capsys.readouterr().err


def test_bad_set_up_file_is_told(tmp_path, capsys):
    file = write_setup(tmp_path, "colour: red")

    code = main(["--port", "0", "--setup", str(file)])

    assert code == 2
    assert capsys.readouterr().err.startswith(f"error: {file}: colour is not a known key")


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--speed", "0"], ["--speed", "x"]])
def test_bad_argument_is_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)

    assert arguments[0] in capsys.readouterr().err
