"""What gets installed: the wheel and the source distribution that ``make dist`` has built."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "airflow_batch_provider"
NEEDED = {"apache-airflow", "azure-identity", "httpx", "obstore"}
BROUGHT = {"httptools", "pathspec"}
"""Declared because we import them; Airflow and httpx bring them."""

STORY = """
import importlib.util, json, os, sys
from pathlib import Path

import airflow_batch_provider
from airflow_batch_provider.demo import digits
from airflow_batch_provider.testing import BatchEmulator
from airflow_batch_provider.triggers import settling

here = Path(airflow_batch_provider.__file__).parent
settling.SETTLE_SECONDS = 0  # No worker of a scheduler's is about to exit here.
folder = Path(sys.argv[1])
digits.write(folder)
with BatchEmulator(setup=folder / "setup.yml") as emulator:
    os.environ.update(emulator.environment)
    path = here / "example_dags" / "example_azure_ml_batch_endpoint.py"
    spec = importlib.util.spec_from_file_location("example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    run = module.dag.test()
    tasks = {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
    jobs = [job["status"] for job in emulator.jobs(endpoint="digits")]
print("RESULT", json.dumps({"from": str(here), "tasks": tasks, "jobs": jobs}))
"""


@pytest.fixture(scope="module")
def built() -> Path:
    """Give the folder of what was built."""
    folder = os.environ.get("DIST")
    if folder is None:
        pytest.skip("'make dist' builds what this tests")
    return Path(folder)


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """Give the wheel."""
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def metadata(wheel: Path):
    """Give what the wheel says of itself."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def tracked(*folders: str) -> set[str]:
    """Return the files of folders that are under version control."""
    command = ["git", "ls-files", "-z", "--", *folders]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if name and (ROOT / name).is_file()}


def test_the_wheel_has_the_package_and_nothing_else(wheel):
    """It has each file of the package and of the examples; no tests, no documentation, nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    examples = {f"{PACKAGE}/{name}" for name in tracked("example_dags")}
    assert names == tracked(PACKAGE) | examples


def test_the_source_distribution_has_all_that_is_under_version_control(built):
    """Whoever has it can test, document and build it; nothing is in it that is not in the repository."""
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames() if archive.getmember(name).isfile()}

    assert names - {"PKG-INFO"} == tracked(".")
    assert {"tests/conftest.py", "docs/exactly-once.md", "LICENSE"} < names


def test_it_needs_little_at_run_time(metadata):
    """Airflow, an HTTP client, Azure's identities, an object store, and what those have brought already."""
    lines = metadata.get_all("Requires-Dist")
    required = {re.match(r"[\w.-]+", line)[0] for line in lines if "extra ==" not in line}

    assert required - BROUGHT == NEEDED


def test_what_it_says_of_pythons_is_consistent(metadata):
    """The oldest Python of ``Requires-Python`` is the first of the classifiers, and the README names it."""
    oldest = metadata["Requires-Python"].removeprefix(">=")
    named = [one.rpartition(" ")[2] for one in metadata.get_all("Classifier") if "Python :: 3." in one]

    assert named[0] == oldest
    assert f"Python {oldest} or newer" in metadata.get_payload()


def test_an_example_runs_from_the_wheel_alone(wheel, tmp_path):
    """In a fresh environment and an empty home, the emulator, the demo's model and the example are the wheel's."""
    python = environment_with(wheel, tmp_path / "venv")
    home = tmp_path / "home"
    home.mkdir()
    known = {"PATH": os.environ["PATH"], "HOME": str(home), "AIRFLOW_HOME": str(home / "airflow")}
    package = next((tmp_path / "venv").glob(f"lib/*/site-packages/{PACKAGE}"))
    known["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    known["AIRFLOW__CORE__DAGS_FOLDER"] = str(package / "example_dags")
    subprocess.run([python, "-m", "airflow", "db", "migrate"], env=known, cwd=home, check=True, timeout=300)
    shutil.copytree(package / "demo" / "deployment", tmp_path / "digits")

    run = subprocess.run(
        [python, "-c", STORY, tmp_path / "digits"],
        env=known,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )

    told = [line for line in run.stdout.splitlines() if line.startswith("RESULT ")]
    assert told, (run.stdout + run.stderr)[-5000:]
    result = json.loads(told[0].removeprefix("RESULT "))
    assert result["from"] == str(package)
    assert set(result["tasks"].values()) == {"success"}, run.stdout[-5000:]
    assert result["jobs"] == ["Completed"]


def test_pytest_finds_the_fixture_by_itself(wheel, tmp_path):
    """Where the wheel is installed, a test has the fixture with nothing written in any ``conftest.py``."""
    python = environment_with(wheel, tmp_path / "venv")
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "test_it.py").write_text("def test_it(batch_emulator):\n    assert batch_emulator.jobs() == []\n")

    run = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=suite,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert run.stdout.splitlines()[-1].startswith("1 passed"), run.stdout


def environment_with(wheel: Path, folder: Path) -> str:
    """Return the Python of a fresh environment with the wheel, and with the libraries of this one.

    A folder that is named in a ``.pth`` file is searched, but its own ``.pth`` files are not read: what is
    installed for development here cannot be imported there.
    """
    venv.create(folder)
    python = str(folder / "bin" / "python")
    command = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "install"]
    subprocess.run([*command, "--quiet", "--no-deps", "--no-index", str(wheel)], check=True, timeout=200)
    (site,) = folder.glob("lib/*/site-packages")
    (site / "others.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    return python
