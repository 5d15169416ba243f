"""Types as users' checkers see them: right calls pass, wrong ones are found where they are written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DAG = Path(__file__).parent / "typing" / "users_dag.py"


def wrong_lines() -> set[int]:
    """Return the numbers of the lines that are wrong."""
    lines = DAG.read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}


def ran(*command: str) -> str:
    """Return what a checker prints."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def by_mypy() -> dict[int, str]:
    """Return the lines at which mypy, strict, finds an error."""
    options = ("--strict", "--no-error-summary", "--hide-error-context", "--config-file=pyproject.toml")
    said = ran("mypy", *options, str(DAG))
    line = re.compile(rf"{re.escape(str(DAG.relative_to(ROOT)))}:(\d+): error: (.*)")
    return {int(one[1]): one[2] for one in map(line.match, said.splitlines()) if one}


def by_pyright() -> dict[int, str]:
    """Return the lines at which pyright finds an error."""
    options = ("--outputjson", "--project", str(DAG.parent), "--pythonpath", sys.executable)
    told = json.loads(ran("basedpyright", *options))
    errors = [one for one in told["generalDiagnostics"] if one["severity"] == "error"]
    return {one["range"]["start"]["line"] + 1: one["message"] for one in errors}


@pytest.mark.parametrize("checked", [by_mypy, by_pyright])
def test_a_checker_finds_what_is_wrong_and_nothing_else(checked):
    """Operators, sensors and event triggers take what they should; what is wrong is found on its line."""
    found = checked()

    assert wrong_lines() - found.keys() == set()
    assert {number: message for number, message in found.items() if number not in wrong_lines()} == {}
