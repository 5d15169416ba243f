"""What runs the vendors' own clients: `conformance/__main__.py`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).parents[1] / "conformance" / "__main__.py"
ASKS = """
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[2])
asked = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
assert asked.open(f"{sys.argv[1]}/_emulator/health").status == 200
print("pass   0.0 s  it answers", flush=True)
"""
SCRIPTS = {
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


def conformance(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the clients of a folder that is laid out as the project is."""
    environment = {**os.environ, "PYTHONPATH": str(RUNNER.parents[1])}
    command = [sys.executable, folder / "conformance", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with one client that needs nothing, whose environment is made once."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "conformance" / "client").mkdir(parents=True)
    (folder / "conformance" / "__main__.py").symlink_to(RUNNER)
    (folder / "conformance" / "client" / "requirements.txt").write_text("")
    (folder / "conformance" / "client" / "run.py").write_text("")
    return folder


@pytest.mark.parametrize("how", SCRIPTS)
def test_the_runner_fails_unless_every_operation_passed(project, how):
    """Whatever keeps a script from telling of one passed operation and no failed one ends the run with 1."""
    script, code, word, told = SCRIPTS[how]
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
