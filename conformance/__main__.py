"""Run vendors' own clients against the emulator, each in a virtual environment of its own.

Every folder beside this file with a ``requirements.txt`` and a ``run.py`` is one client. Its script is called
as ``python run.py URL CA_FILE`` while an emulator of its own runs there with TLS; it prints a line for each
operation, ``pass`` or ``FAIL`` first (see ``operations.py``), and ends with 1 if one failed. What they said
is written to ``docs/conformance.md`` (see ``table.py``), which keeps what it says of clients that do not run
now.

Usage::

    python conformance [CLIENT …]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import threading
import time
import venv
from dataclasses import dataclass
from pathlib import Path

import table

from airflow_batch_provider.emulator.server import Emulator

HERE = Path(__file__).parent
BUILD = HERE.parent / "build" / "conformance"
PAGE = HERE.parent / "docs" / "conformance.md"
SCRIPT, REQUIREMENTS = "run.py", "requirements.txt"
INSTALL_SECONDS = 900
RUN_SECONDS = 900
# The name ends where two spaces follow: then it is told why the operation failed.
_OPERATION = re.compile(r"(?P<word>pass|FAIL) +[\d.]+ s  (?P<name>.+?)(?:  .*)?$")
# What would send a client to another machine, or have it trust another authority.
_LEFT_OUT = ("AIRFLOW", "AZURE_", "HUAWEI", "PYTHON", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@dataclass
class Outcome:
    """How one client got on.

    Args:
        client: Name of its folder.
        passed: Number of operations that passed.
        failed: Number of operations that failed.
        trouble: Why the script is not to be believed, if so.
        seconds: How long it took.
        told: What it said of itself and of its operations, if it began.
    """

    client: str
    passed: int = 0
    failed: int = 0
    trouble: str = ""
    seconds: float = 0.0
    told: table.Client | None = None

    @property
    def good(self) -> bool:
        """Whether every operation passed, and there was one."""
        return self.passed > 0 and not self.failed and not self.trouble

    def __str__(self) -> str:
        how = "pass" if self.good else "FAIL"
        told = f"{self.passed} of {self.passed + self.failed} operations passed"
        return f"{how} {self.seconds:5.0f} s  {self.client:<24} {self.trouble or told}"


def clients() -> list[str]:
    """Return the names of the clients."""
    return sorted(script.parent.name for script in HERE.glob(f"*/{SCRIPT}"))


def installed(client: str) -> Path:
    """Return the Python of a client's environment, made anew when what it requires has changed.

    Raises:
        subprocess.SubprocessError: pip failed, or took too long.
    """
    root, wanted = BUILD / client, (HERE / client / REQUIREMENTS).read_text()
    python, kept = root / "bin" / "python", root / REQUIREMENTS
    if not kept.is_file() or kept.read_text() != wanted:
        print(f"Installing what {client} needs into {root}: once.", flush=True)
        venv.create(root, with_pip=True, clear=True)
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--requirement", HERE / client / REQUIREMENTS]
        subprocess.run(command, check=True, timeout=INSTALL_SECONDS)
        kept.write_text(wanted)
    return python


def run(client: str) -> Outcome:
    """Run a client's script against an emulator of its own, and print what it prints."""
    print(f"== {client}", flush=True)
    began, outcome = time.monotonic(), Outcome(client)
    try:
        python = installed(client)
        with Emulator(tls=True) as emulator:
            # Some clients want a host's name, with subdomains; both are this machine.
            url = emulator.url.replace("127.0.0.1", "localhost")
            _follow([python, HERE / client / SCRIPT, url, str(emulator.ca_file)], outcome)
    except (subprocess.SubprocessError, OSError) as error:
        outcome.trouble = f"it could not be run: {error}"
    outcome.seconds = time.monotonic() - began
    return outcome


def _follow(command: list[str | Path], outcome: Outcome) -> None:
    """Carry a command out and count the operations that it tells of."""
    environment = {key: value for key, value in os.environ.items() if not key.upper().startswith(_LEFT_OUT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        limit = threading.Timer(RUN_SECONDS, process.kill)
        limit.start()
        try:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                _note(line.rstrip(), outcome)
        finally:
            limit.cancel()
    if process.returncode < 0:
        outcome.trouble = f"its script was killed; it may take {RUN_SECONDS} seconds"
    elif process.returncode and not outcome.failed:
        outcome.trouble = f"its script ended with {process.returncode}"


def _note(line: str, outcome: Outcome) -> None:
    """Take down what a line tells."""
    if line.startswith("client "):
        outcome.told = table.Client(*line.split()[1:])
    operation = _OPERATION.match(line)
    if operation is None:
        return
    passed = operation["word"] == "pass"
    outcome.passed += passed
    outcome.failed += not passed
    if outcome.told is not None:
        outcome.told.operations.append((operation["name"], passed))


def _write_page(outcomes: list[Outcome]) -> None:
    """Tell how the clients got on, and of the others what was told before."""
    kept = table.read(PAGE.read_text()) if PAGE.is_file() else []
    told = {one.name: one for one in kept}
    told |= {one.told.name: one.told for one in outcomes if one.told is not None and not one.trouble}
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(table.write(list(told.values())))


def main() -> int:
    """Run the clients that are named, or all; return 0 if every operation of each passed."""
    parser = argparse.ArgumentParser(prog="python conformance", description=__doc__.splitlines()[0])
    parser.add_argument("client", nargs="*", help=f"of {', '.join(clients())}; default: all")
    names = parser.parse_args().client or clients()
    unknown = sorted(set(names) - set(clients()))
    if unknown:
        parser.error(f"there is no client {', '.join(unknown)}; there are {', '.join(clients())}")
    outcomes = [run(name) for name in names]
    _write_page(outcomes)
    print("== in all")
    for outcome in outcomes:
        print(outcome)
    return 0 if outcomes and all(outcome.good for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
