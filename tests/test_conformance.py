"""What runs the vendors' own clients: `conformance/__main__.py`."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(ROOT.glob("conformance/*/run.py"))
PAGE = ROOT / "docs" / "conformance.md"
ASKS = """
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[2])
asked = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
assert asked.open(f"{sys.argv[1]}/_emulator/health").status == 200
print("client a-client 1.2", flush=True)
print("pass   0.0 s  it answers", flush=True)
"""
ENDS = {
    "good": (ASKS, 0, "pass", "1 of 1 operations passed"),
    "failing": (
        f"{ASKS}print('FAIL   0.0 s  the other')\nsys.exit(1)",
        1,
        "FAIL",
        "1 of 2 operations passed",
    ),
    "forgetful": (f"{ASKS}print('FAIL   0.0 s  the other')", 1, "FAIL", "1 of 2 operations passed"),
    "broken": (f"{ASKS}raise OSError", 1, "FAIL", "its script ended with 1"),
    "killed": (f"{ASKS}import os\nos.kill(os.getpid(), 9)", 1, "FAIL", "its script was killed"),
    "empty": ("", 1, "FAIL", "0 of 0 operations passed"),
}


def _loaded(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("conformance_table", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


TABLE = _loaded(ROOT / "conformance" / "table.py")


def conformance(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the clients of a folder that is laid out as the project is."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, folder / "conformance", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with one client that needs nothing, whose environment is made once."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "conformance" / "client").mkdir(parents=True)
    for name in ("__main__.py", "table.py"):
        (folder / "conformance" / name).symlink_to(ROOT / "conformance" / name)
    (folder / "conformance" / "client" / "requirements.txt").write_text("")
    (folder / "conformance" / "client" / "run.py").write_text("")
    return folder


@pytest.mark.parametrize("how", ENDS)
def test_the_runner_fails_unless_every_operation_passed(project, how):
    """Whatever keeps a script from telling of one passed operation and no failed one ends the run with 1."""
    script, code, word, told = ENDS[how]
    (project / "conformance" / "client" / "run.py").write_text(script)

    run = conformance(project)

    last = run.stdout.splitlines()[-1]
    assert (run.returncode, last[:4]) == (code, word), run.stdout + run.stderr
    assert "client" in last
    assert told in last


def test_an_unknown_client_is_refused_with_the_known_ones(project):
    """A name that no folder has is an error of use."""
    run = conformance(project, "klient")

    assert run.returncode == 2
    assert "there are client" in run.stderr


def test_a_run_writes_the_page_and_keeps_what_other_clients_did(project):
    """The page has the clients that ran, with what failed, and leaves alone those that did not run."""
    other = TABLE.Client("other-client", "3", [("it | waits", True), ("it fails", False)])
    page = project / "docs" / "conformance.md"
    page.parent.mkdir(exist_ok=True)
    page.write_text(TABLE.write([other]))
    failing = "print('FAIL   0.1 s  the other one  ValueError: no  reason')"
    (project / "conformance" / "client" / "run.py").write_text(f"{ASKS}{failing}")

    conformance(project)

    mine = TABLE.Client("a-client", "1.2", [("it answers", True), ("the other one", False)])
    assert TABLE.read(page.read_text()) == [mine, other]
    assert "| a-client | 1.2 | 1 of 2 |" in page.read_text()
    assert TABLE.is_sealed(page.read_text())


def test_a_client_that_broke_down_does_not_replace_what_it_did(project):
    """Half of a run is not told as a whole one."""
    page = project / "docs" / "conformance.md"
    before = TABLE.write([TABLE.Client("a-client", "1.1", [("it answers", True)])])
    page.parent.mkdir(exist_ok=True)
    page.write_text(before)
    (project / "conformance" / "client" / "run.py").write_text(f"{ASKS}raise OSError")

    conformance(project)

    assert page.read_text() == before


def operations(script: Path) -> tuple[str, list[str]]:
    """Return a script's client, and its operations as regular expressions."""
    calls = [node for node in ast.walk(ast.parse(script.read_text())) if isinstance(node, ast.Call)]
    named = [(ast.unparse(call.func), call.args[0]) for call in calls if call.args]
    (client,) = (ast.literal_eval(first) for name, first in named if name == "Operations")
    return client, [pattern(first) for name, first in named if name == "done"]


def pattern(name: ast.expr) -> str:
    """Return a regular expression for the name of an operation."""
    if isinstance(name, ast.JoinedStr):
        return "".join(
            ".+" if isinstance(part, ast.FormattedValue) else pattern(part) for part in name.values
        )
    return re.escape(ast.literal_eval(name))


def test_the_page_was_written_by_a_run():
    """The committed page is as a run left it: whoever edits a row by hand breaks its seal."""
    page = PAGE.read_text()

    assert TABLE.is_sealed(page)
    assert not TABLE.is_sealed(page.replace(" ✓ |", " ✗ |", 1))
    assert TABLE.write(TABLE.read(page)) == page


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.parent.name)
def test_the_page_has_the_operations_of_each_client(script):
    """The committed page tells of every operation of each script and of no other, and each has passed."""
    client, known = operations(script)
    (told,) = [one for one in TABLE.read(PAGE.read_text()) if one.name == client]
    names = [name for name, _ in told.operations]

    assert [one for one in known if not any(re.fullmatch(one, name) for name in names)] == []
    assert [name for name in names if not any(re.fullmatch(one, name) for one in known)] == []
    assert [name for name, passed in told.operations if not passed] == []


def test_the_page_has_no_other_clients():
    """The committed page tells of the clients that there are."""
    assert {one.name for one in TABLE.read(PAGE.read_text())} == {operations(one)[0] for one in SCRIPTS}
