"""A real emulator on a real port, and a plain HTTP client that knows the services' addresses."""

from __future__ import annotations

import time
from functools import cached_property
from textwrap import dedent

import httpx
import pytest

from airflow_batch_provider.emulator.server import Emulator

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
WORKSPACE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/emulator"
    "/providers/Microsoft.MachineLearningServices/workspaces/emulator"
)
TERMINAL = ("Completed", "Failed", "Canceled")

SETUP = """
    data:
      numbers: {type: uri_folder, path: ./numbers}
    endpoints:
      digits:
        defaults: {deployment_name: squares}
        deployments:
          squares:
            model: ./model
            code_configuration: {code: ./code, scoring_script: squares.py}
            settings:
              mini_batch_size: 2
              max_concurrency_per_instance: 1
              error_threshold: -1
              retry_settings: {max_retries: 0, timeout: 20}
          gated:
            code_configuration: {code: ./code, scoring_script: gated.py}
            mini_batch_size: 1
            retry_settings: {max_retries: 0, timeout: 20}
      waiting:
        defaults: {deployment_name: long}
        deployments:
          long: {emulator: {run_seconds: 100000}}
          short: {emulator: {run_seconds: 1}}
          doomed: {emulator: {run_seconds: 1, status: failed, error: out of quota}}
      pipes:
        defaults: {deployment_name: pipe}
        deployments:
          pipe: {type: pipeline, component: "azureml:scorer@2", emulator: {run_seconds: 1}}
      bare:
        deployments:
          only: {emulator: {run_seconds: 1}}
"""
SQUARES = """
    import os

    def init():
        global offset
        folder = os.environ["AZUREML_MODEL_DIR"]
        offset = int(open(os.path.join(folder, "model", "offset.txt")).read())

    def run(mini_batch):
        rows = []
        for path in mini_batch:
            number = int(open(path).read())
            if number >= 0:
                rows.append(f"{os.path.basename(path)} {number * number + offset}")
        return rows
"""
# Waits before each file until the file "open" lies beside it.
GATED = """
    import os, time

    def init():
        pass

    def run(mini_batch):
        while not os.path.exists(os.path.join(os.path.dirname(mini_batch[0]), os.pardir, "open")):
            time.sleep(0.01)
        return [os.path.basename(path) for path in mini_batch]
"""


def wait_for(condition, seconds=20.0):
    """Return the first true value of a condition."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)
    return value


class Azure:
    """The services as a client sees them, at the emulator's address."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=10)

    def token(self, scope: str, **form: str) -> httpx.Response:
        data = {"grant_type": "client_credentials", "client_id": "app", "client_secret": "s3cret"}
        return self.http.post("/tenant/oauth2/v2.0/token", data=data | {"scope": scope} | form)

    def bearer(self, audience: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(audience + '/.default').json()['access_token']}"}

    @cached_property
    def arm(self) -> dict[str, str]:
        return self.bearer("https://management.azure.com")

    @cached_property
    def ml(self) -> dict[str, str]:
        return self.bearer("https://ml.azure.com")

    @cached_property
    def storage(self) -> dict[str, str]:
        return self.bearer("https://storage.azure.com")

    def get(self, path: str, **params: str) -> httpx.Response:
        """Ask ARM about something in the workspace."""
        return self.http.get(WORKSPACE + path, headers=self.arm, params=params or None)

    def scoring_uri(self, endpoint: str) -> str:
        return self.get(f"/batchEndpoints/{endpoint}").json()["properties"]["scoringUri"]

    def invoke(self, endpoint: str, uri: str = "/nowhere", deployment: str = "", headers=(), **properties):
        body = {"properties": {"inputData": {"data": {"jobInputType": "UriFolder", "uri": uri}}} | properties}
        chosen = {"azureml-model-deployment": deployment} if deployment else {}
        return self.http.post(self.scoring_uri(endpoint), json=body, headers=self.ml | chosen | dict(headers))

    def job(self, endpoint: str, name: str) -> dict:
        return self.http.get(f"{self.scoring_uri(endpoint)}/{name}", headers=self.ml).json()

    def status(self, endpoint: str, name: str) -> str:
        return self.job(endpoint, name)["properties"]["status"]

    def finished(self, endpoint: str, name: str) -> dict:
        """Wait for the end of a job and return what the emulator's own journal knows of it."""
        wait_for(lambda: self.status(endpoint, name) in TERMINAL)
        return self.journal_of(name)

    def journal_of(self, name: str) -> dict:
        (job,) = self.http.get("/_emulator/jobs", params={"id": name}).json()["jobs"]
        return job

    def requests(self, **filters: str) -> list[dict]:
        return self.http.get("/_emulator/requests", params=filters).json()["requests"]

    def faults(self, *faults: dict) -> None:
        self.http.post("/_emulator/faults", json=list(faults)).raise_for_status()

    def settings(self, **changes) -> None:
        self.http.post("/_emulator/settings", json=changes).raise_for_status()

    def reset(self) -> None:
        # Tokens at hand keep token requests out of what a test counts and disturbs.
        if not {"arm", "ml", "storage"} <= self.__dict__.keys():
            self.http.post("/_emulator/reset")
            assert self.arm
            assert self.ml
            assert self.storage
        self.http.post("/_emulator/reset").raise_for_status()


def write_setup(folder, text=SETUP):
    """Write a set-up file with the code, model and data that it names; return its path."""
    files = {
        "code/squares.py": dedent(SQUARES),
        "code/gated.py": dedent(GATED),
        "model/offset.txt": "100",
        **{f"numbers/{number}.txt": str(number) for number in range(5)},
        "setup.yml": dedent(text),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder / "setup.yml"


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    setup = write_setup(tmp_path_factory.mktemp("setup"))
    with Emulator(speed=40, setup=setup) as running:
        yield running


@pytest.fixture(scope="session")
def session_azure(emulator):
    azure = Azure(emulator.url)
    yield azure
    azure.http.close()


@pytest.fixture
def azure(session_azure):
    session_azure.reset()
    return session_azure


@pytest.fixture
def numbers(tmp_path):
    """A folder with the files 0.txt to 4.txt, each holding its number, and a folder that must be ignored."""
    folder = tmp_path / "numbers"
    (folder / "nested").mkdir(parents=True)
    (folder / "nested" / "9.txt").write_text("9")
    for number in range(5):
        (folder / f"{number}.txt").write_text(str(number))
    return folder


@pytest.fixture(scope="session")
def cloud_emulator(tmp_path_factory):
    from .huawei import write_cloud

    with Emulator(speed=40, setup=write_cloud(tmp_path_factory.mktemp("cloud"))) as running:
        yield running


@pytest.fixture(scope="session")
def session_huawei(cloud_emulator):
    from .huawei import Huawei

    client = Huawei(cloud_emulator.url)
    yield client
    client.http.close()


@pytest.fixture
def huawei(session_huawei):
    session_huawei.http.post("/_emulator/reset").raise_for_status()
    return session_huawei
