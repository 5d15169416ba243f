"""For the tests of your DAGs: the emulator as a pytest fixture.

pytest finds the fixtures of this module by itself when this package is installed. Nothing happens unless a
test asks for one of them::

    def test_scoring(batch_emulator):
        batch_emulator.add_deployment("churn", emulator={"run_seconds": 1})

        run = dag.test()  # whose task invokes the endpoint 'churn' with the connection azure_ml_default

        assert run.state == "success"
        (job,) = batch_emulator.jobs(endpoint="churn")
        assert job["status"] == "Completed"

Where plugins are not loaded by themselves (``PYTEST_DISABLE_PLUGIN_AUTOLOAD``), write
``pytest_plugins = ["airflow_batch_provider.testing"]`` into the topmost ``conftest.py``.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["BatchEmulator", "EmulatorError", "batch_emulator", "batch_emulator_options"]

_START_SECONDS = 60
_STOP_SECONDS = 10
_REQUEST_SECONDS = 60


class EmulatorError(Exception):
    """The emulator could not be started, or refused what it was told; the text says why."""


class BatchEmulator:
    """An emulator in a process of its own, on a free port of this machine; a context manager that runs it.

    The fixture `batch_emulator` is one for each test. For one that lives longer, or several at once::

        @pytest.fixture(scope="module")
        def shared_emulator():
            with BatchEmulator(setup=Path(__file__).parent / "setup.yml") as emulator:
                yield emulator

    The process ends with the block, and with this process however that ends.

    Args:
        setup: What exists there: the path of a YAML file, or its content as a mapping, in which local paths
            are absolute (`pathlib.Path` will do). The keys are those of ``az ml``, see
            ``docs/develop/emulator.md``.
        speed: How many times faster than the services jobs and operations go through their states.
        folder: Where state and log are kept; without it a temporary folder, removed at the end.

    Attributes:
        url: The base URL; empty while it does not run.
        connections: Airflow's connections to it by id, ``azure_ml_default`` and ``modelarts_default``, in the
            JSON form of ``AIRFLOW_CONN_…``.
    """

    def __init__(
        self,
        *,
        setup: Mapping[str, Any] | Path | str | None = None,
        speed: float = 20.0,
        folder: Path | None = None,
    ) -> None:
        self.url = ""
        self.connections: dict[str, dict[str, Any]] = {}
        self._setup = setup
        self._speed = speed
        self._keep = folder is not None
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables ``AIRFLOW_CONN_…`` with which Airflow finds the connections."""
        named = self.connections.items()
        return {f"AIRFLOW_CONN_{conn_id.upper()}": json.dumps(fields) for conn_id, fields in named}

    @property
    def log(self) -> str:
        """What the process has printed: the connections, and complaints if there were any."""
        return self._log.read_text("utf-8", "replace") if self._folder else ""

    def start(self) -> Self:
        """Start it; return when it answers.

        Raises:
            EmulatorError: It did not start, such as for an invalid set-up, which the text explains.
        """
        if self._process is not None:
            raise EmulatorError(f"This emulator runs already, at {self.url}. For a second one, make another.")
        self._folder = self._folder or Path(tempfile.mkdtemp(prefix="batch-emulator-"))
        try:
            self._start_process()
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the process, by force if need be, and remove a temporary folder. Once more does nothing."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            finally:
                assert process.stdin  # noqa: S101 - for the type checker
                process.stdin.close()
        if self._folder and not self._keep:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        self.url, self.connections = "", {}

    def add_deployment(
        self, endpoint_name: str, deployment_name: str = "default", *, default: bool = True, **fields: Any
    ) -> None:
        """Add a deployment, or replace the one of its name; the endpoint is created if there is none.

        Args:
            endpoint_name: 3 to 32 letters, digits and hyphens.
            deployment_name: Likewise.
            default: Whether it becomes the endpoint's default.
            **fields: As in the YAML of a deployment of ``az ml``; local paths must be absolute. With
                ``code_configuration={"code": FOLDER, "scoring_script": "score.py"}`` the script is really
                run; ``emulator={"run_seconds": 5, "status": "failed", "error": TEXT}`` only pretends, and
                without either the job takes a second and succeeds.

        Raises:
            EmulatorError: A field is not valid; the text names it and says what to write.
        """
        if "code_configuration" not in fields:
            fields.setdefault("emulator", {"run_seconds": 1})
        endpoint: dict[str, Any] = {"deployments": {deployment_name: fields}}
        if default:
            endpoint["defaults"] = {"deployment_name": deployment_name}
        self._control("POST", "setup", {"endpoints": {endpoint_name: endpoint}})

    def add_data(self, name: str, path: Path | str, *, version: str = "1") -> None:
        """Register a data asset, such as ``azureml:NAME@latest``.

        Args:
            name: Of the asset.
            path: A local folder or file, which is copied, absolute; or an ``azureml://`` or storage URI.
            version: Of the asset.

        Raises:
            EmulatorError: It is not valid; the text says why.
        """
        kind = "uri_file" if Path(path).is_file() else "uri_folder"
        asset = {"type": kind, "path": os.fspath(path), "version": version}
        self._control("POST", "setup", {"data": {name: asset}})

    def jobs(self, **wanted: str) -> list[dict[str, Any]]:
        """Return the jobs and executions that were really accepted, the oldest first.

        Args:
            **wanted: Fields that must be equal, such as ``endpoint="churn"`` or ``workflowName="train"``.
        """
        found: list[dict[str, Any]] = self._control("GET", "jobs", params=wanted)["jobs"]
        return found

    def requests(self, **wanted: str) -> list[dict[str, Any]]:
        """Return the journal: the requests that were answered or dropped, the oldest first.

        Args:
            **wanted: Fields that must be equal, such as ``method="POST"`` or ``plane="batch"``.
        """
        found: list[dict[str, Any]] = self._control("GET", "requests", params=wanted)["requests"]
        return found

    def set_faults(self, *faults: Mapping[str, Any]) -> None:
        """Let requests go wrong; what was set before is replaced, and without arguments nothing does.

        Args:
            *faults: Such as ``{"action": "status", "status": 503, "match": {"plane": "batch"}, "times": 2}``;
                `airflow_batch_provider.emulator.faults.Fault` has every field and action.

        Raises:
            EmulatorError: A fault is not valid; the text names the field.
        """
        self._control("POST", "faults", list(faults))

    def change_settings(self, **changes: Any) -> None:
        """Change how the services behave.

        Args:
            **changes: Such as ``token_lifetime=5``; `airflow_batch_provider.emulator.settings.Settings` has
                every name.

        Raises:
            EmulatorError: A name is unknown or its value of the wrong type.
        """
        self._control("POST", "settings", changes)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _log(self) -> Path:
        assert self._folder  # noqa: S101 - for the type checker
        return self._folder / "emulator.log"

    def _start_process(self) -> None:
        assert self._folder  # noqa: S101 - for the type checker
        command = [sys.executable, "-m", "airflow_batch_provider.emulator", "--port", "0"]
        command += ["--speed", str(self._speed), "--state", str(self._folder / "state"), "--until-stdin-ends"]
        if self._setup is not None:
            command += ["--setup", str(_setup_file(self._setup, self._folder))]
        # In a folder of its own: what lies in the current one must not be imported instead.
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=_environment(), cwd=self._folder
            )

    def _wait_until_ready(self) -> None:
        assert self._process  # noqa: S101 - for the type checker
        deadline = time.monotonic() + _START_SECONDS
        ready = self._folder / "state" / "ready.json" if self._folder else Path()
        while not ready.is_file():
            code = self._process.poll()
            if code is not None or time.monotonic() > deadline:
                why = f"it ended with {code}" if code is not None else f"not in {_START_SECONDS} seconds"
                raise EmulatorError(f"The emulator did not start: {why}. {self.log.strip()}")
            time.sleep(0.02)
        self.url = json.loads(ready.read_text())["url"]
        self.connections = dict(_connections(self.log))
        self._control("GET", "health")

    def _control(
        self, method: str, what: str, body: Any = None, *, params: Mapping[str, str] | None = None
    ) -> Any:
        import httpx  # not for every run of pytest that loads this module

        if self._process is None or not self.url:
            raise EmulatorError("The emulator does not run: call start(), or use it in a with statement.")
        content = None if body is None else json.dumps(body, default=os.fspath)
        with httpx.Client(trust_env=False, timeout=_REQUEST_SECONDS) as client:
            url = f"{self.url}/_emulator/{what}"
            answer = client.request(method, url, content=content, params=dict(params or {}))
        if answer.is_error:
            raise EmulatorError(f"The emulator refused what it was told: {answer.json()['error']}")
        return answer.json() if answer.content else None


def _setup_file(setup: Mapping[str, Any] | Path | str, folder: Path) -> Path:
    if not isinstance(setup, Mapping):
        return Path(setup).resolve()
    file = folder / "setup.yml"  # JSON is YAML.
    file.write_text(json.dumps(setup, default=os.fspath))
    return file


def _environment() -> dict[str, str]:
    """Return the environment of the process: this one's, with the folders that this one imports from."""
    found = os.pathsep.join(filter(None, sys.path))
    return {**os.environ, "PYTHONPATH": found, "PYTHONUNBUFFERED": "1"}


def _connections(log: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the connections that the emulator prints for pasting into a shell."""
    prefix = "export AIRFLOW_CONN_"
    for line in log.splitlines():
        if line.startswith(prefix):
            name, _, value = shlex.split(line)[1].partition("=")
            yield name.removeprefix("AIRFLOW_CONN_").lower(), json.loads(value)


@pytest.fixture
def batch_emulator_options() -> dict[str, Any]:
    """Give the arguments of `BatchEmulator` for the fixture `batch_emulator`; override it to change them.

    In a test module or ``conftest.py``::

        @pytest.fixture
        def batch_emulator_options():
            return {"setup": Path(__file__).parent / "setup.yml", "speed": 50}
    """
    return {}


@pytest.fixture
def batch_emulator(
    batch_emulator_options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[BatchEmulator]:
    """Run an emulator of the test's own, with Airflow's connections to it in the environment.

    ``AIRFLOW_CONN_AZURE_ML_DEFAULT`` and ``AIRFLOW_CONN_MODELARTS_DEFAULT`` lead to it until the test ends;
    for other ids, put `BatchEmulator.connections` where your test needs them. It starts with nothing
    deployed, unless `batch_emulator_options` gives a set-up; see `BatchEmulator` for what can be asked of it.

    Raises:
        EmulatorError: It did not start.
    """
    with BatchEmulator(**batch_emulator_options) as emulator:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        yield emulator
