"""Each command of the published guide to batch scoring by REST, and the task that sends the same.

The commands are those of ``tests/emulator/published.sh``, with their bodies as they were printed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from string import Template
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_batch_provider.emulator import wire
from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.operators import azure_ml
from tests.emulator import conftest as emulators

from .conftest import Service, Task

SCRIPT = Path(emulators.__file__).with_name("published.sh")
HOSTS = ("https://management.chinacloudapi.cn", "https://management.azure.com")
CONDA = json.dumps({"name": "mnist-env", "dependencies": ["python=3.8"]})
SCORE = "def init():\n    pass\n\ndef run(mini_batch):\n    return ['seven' for _ in mini_batch]\n"
ENDPOINT, DEPLOYMENT = "endpt-12345", "nonmlflowedp"
LONG = f"azureml://subscriptions/{emulators.SUBSCRIPTION}/resourceGroups/emulator/workspaces/emulator"
MNIST = "https://pipelinedata.blob.core.windows.net/sampledata/mnist"
SHORT = f"azureml://datastores/workspaceblobstore/paths/{ENDPOINT}/mnist"
VARIABLES = {
    "SUBSCRIPTION_ID": emulators.SUBSCRIPTION,
    "RESOURCE_GROUP": "emulator",
    "WORKSPACE": "emulator",
    "WORKSPACE_NAME": "emulator",
    "LOCATION": "eastus",
    "LOCATION_NAME": "eastus",
    "API_VERSION": "2022-05-01",
    "ENDPOINT_NAME": ENDPOINT,
    "DEPLOYMENT_NAME": DEPLOYMENT,
    "ENV_VERSION": "4711",
    "DATA_NAME": "mnist",
    "DATA_VERSION": "1",
    "OUTPUT_FILE_NAME": "mnist.csv",
    "AZUREML_DEFAULT_DATASTORE": "workspaceblobstore",
}


def invoke(key: str, uri: str, kind: str = "uri_folder", **said: Any) -> tuple[str, dict[str, Any]]:
    """Return the task of an invocation."""
    return "BatchEndpoint", {
        "endpoint_name": ENDPOINT,
        "inputs": {key: {"type": kind, "path": uri}},
        **said,
    }


# For each command of the script, in its order: the operator and its arguments.
TASKS: list[tuple[str, dict[str, Any]]] = [
    (
        "CreateCompute",
        {
            "compute_name": "batch-cluster",
            "vm_size": "STANDARD_D2_V2",
            "max_nodes": 5,
            "min_nodes": 0,
            "remote_login": "not_specified",
        },
    ),
    # A local path: the default datastore is looked up for it.
    ("RegisterCode", {"name": "local", "path": "{{ params.local }}"}),
    (
        "RegisterCode",
        {"name": "score-mnist", "version": 1, "path": "{{ params.root }}/score", "description": "Score code"},
    ),
    (
        "RegisterModel",
        {"name": "mnist", "version": 1, "path": f"{LONG}/datastores/workspaceblobstore/paths/model"},
    ),
    (
        "RegisterEnvironment",
        {
            "name": "mnist-env",
            "version": "4711",
            "image": "mcr.microsoft.com/azureml/openmpi3.1.2-ubuntu18.04:latest",
            "conda_file": CONDA,
        },
    ),
    ("CreateBatchEndpoint", {"endpoint_name": ENDPOINT}),
    (
        "CreateBatchDeployment",
        {
            "endpoint_name": ENDPOINT,
            "deployment_name": DEPLOYMENT,
            "model": "azureml:mnist:1",
            "code": "azureml:score-mnist:1",
            "scoring_script": "digit_identification.py",
            "environment": "azureml:mnist-env:4711",
            "compute": "batch-cluster",
            "instance_count": 1,
            "max_concurrency_per_instance": 4,
            "max_retries": 3,
            "mini_batch_timeout": 30,
            "error_threshold": 10,
            "logging_level": "info",
            "mini_batch_size": 5,
        },
    ),
    ("SetDefaultDeployment", {"endpoint_name": ENDPOINT, "deployment_name": DEPLOYMENT}),
    # The look-up of the scoring URI.
    invoke("mnistinput", MNIST),
    invoke("mnistinput", MNIST),
    invoke("mnistInput", SHORT),
    invoke("mnistinput", f"{LONG}/datastores/workspaceblobstore/paths/{ENDPOINT}/mnist"),
    (
        "RegisterData",
        {
            "name": "mnist",
            "version": 1,
            "path": MNIST,
            "type": "uri_folder",
            "description": "Mnist data asset",
        },
    ),
    invoke("mnistInput", "azureml://locations/eastus/workspaces/emulator/data/mnist/versions/1/"),
    invoke("mnistInput", f"{MNIST}/0.png", "uri_file"),
    invoke(
        "mnistInput",
        SHORT,
        outputs={
            "mnistOutput": {
                "path": f"azureml://datastores/workspaceblobstore/paths/{ENDPOINT}/mnistOutput/mnist.csv"
            }
        },
    ),
    ("DeleteBatchEndpoint", {"endpoint_name": ENDPOINT}),
]


def commands() -> list[tuple[str, str, str]]:
    """Return method, URL and body of each curl of the script, with its variables."""
    _, *told = SCRIPT.read_text().split("curl --location --request ")
    return [
        command(text.replace('$(echo \\"$CONDA_FILE\\")', json.dumps(CONDA).replace('"', '\\"')))
        for text in told
    ]


def command(text: str) -> tuple[str, str, str]:
    method, url = text.split()[:2]
    body = re.search(r'--data-raw "(.*?)(?<!\\)"', text, re.DOTALL)
    unquoted = re.sub(r'\\(["\\])', r"\1", body[1]) if body else ""
    return method, url.strip('"'), unquoted


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Run an emulator with what the guide uploads, and a connection with the guide's api-version."""
    local = tmp_path_factory.mktemp("local") / "code"
    local.mkdir()
    (local / "score.py").write_text(SCORE)
    with Emulator(speed=40) as running, pytest.MonkeyPatch.context() as patch:
        service = Service(running)
        service.connection["extra"]["api_version"] = "2022-05-01"
        patch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", json.dumps(service.connection))
        azure = emulators.Azure(running.url)
        store = azure.get("/datastores/workspaceblobstore").json()["properties"]
        blobs = f"{store['accountName']}/{store['containerName']}"
        for path, content in (
            (f"{blobs}/score/digit_identification.py", SCORE),
            (f"{blobs}/model/weights.txt", "seven"),
            (f"{blobs}/{ENDPOINT}/mnist/0.png", "image"),
            ("pipelinedata/sampledata/mnist/0.png", "image"),
        ):
            headers = azure.storage | {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-08-06"}
            azure.http.put(f"/blob/{path}", content=content, headers=headers).raise_for_status()
        azure.http.close()
        root = f"https://{store['accountName']}.blob.core.windows.net/{store['containerName']}"
        yield SimpleNamespace(service=service, root=root, local=str(local), url=running.url)


def filled(lab: Any, text: str) -> str:
    """Return a text of the script with its variables filled in."""
    return Template(text).safe_substitute(VARIABLES | {"BLOB_URI_ROOT": lab.root})


def plain(value: Any) -> Any:
    """Return a body with numbers as numbers and keys in one case: the service takes both."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: plain(item) for key, item in value.items()}
    return int(value) if isinstance(value, str) and value.isdigit() else value


def without_own(body: Any, operator: str) -> Any:
    """Return a body without what a task adds to the guide's."""
    if operator == "BatchEndpoint":
        # The marks by which a task finds its own job again.
        own: tuple[str, ...] = ("tags", "properties")
    elif operator == "SetDefaultDeployment":
        # It is a PUT of the whole, with what the service itself has added to that.
        own = ("properties",)
    else:
        return body
    kept = {key: value for key, value in body["properties"].items() if key not in own}
    return {**body, "properties": kept}


def run(lab: Any, operator: str, said: dict[str, Any]) -> tuple[list[dict[str, Any]], Any]:
    """Run a task; return the requests that it sent to the service, and what it returned."""
    lab.service.reset()
    one = getattr(azure_ml, f"AzureML{operator}Operator")(task_id="t", poll_interval=1, **said)
    returned = Task(run_id=str(said)).run(one, root=lab.root, local=lab.local)
    return [entry for entry in lab.service.requests() if entry["plane"] in ("arm", "batch")], returned


def test_every_command_has_a_task():
    """The script has seventeen commands."""
    assert len(commands()) == len(TASKS) == 17
    assert [bool(body) for _, _, body in commands()].count(False) == 3


@pytest.mark.parametrize("number", range(17), ids=[f"{number}-{one[0]}" for number, one in enumerate(TASKS)])
def test_a_task_sends_what_the_command_sends(lab, number):
    """The same method, URL and body, once; trailing commas, numbers as texts and a first capital aside."""
    method, address, body = commands()[number]
    operator, said = TASKS[number]
    requests, returned = run(lab, operator, said)

    path = filled(lab, re.sub("|".join(map(re.escape, HOSTS)), "", address))
    sent = [one for one in requests if one["method"] == method]
    if address == "$SCORING_URI":
        sent = [one for one in sent if one["plane"] == "batch" and one["path"].endswith("/jobs")]
    else:
        urls = [f"{one['path']}?{one['query']}" for one in sent]
        assert normal(path) in map(normal, urls)
        sent = [one for one, url in zip(sent, urls, strict=True) if normal(url) == normal(path)]
    if method != "GET":
        assert len(sent) == 1
        wanted = plain(wire.loads(filled(lab, body).encode())) if body else None
        assert plain(without_own(sent[0]["body"], operator)) == wanted
    if operator == "BatchEndpoint":
        assert returned["state"] == "succeeded"


def normal(url: str) -> tuple[str, list[str]]:
    """Return a URL with its parameters in one order."""
    path, _, query = url.partition("?")
    return path, sorted(query.split("&"))


def test_a_deployment_that_is_not_the_default_is_named_in_the_header(lab):
    """As the guide's tip says: azureml-model-deployment."""
    for operator, said in TASKS[:8]:
        run(lab, operator, said)
    operator, said = invoke("mnistInput", MNIST, deployment_name=DEPLOYMENT)
    requests, job = run(lab, operator, said)

    (sent,) = [one for one in requests if one["method"] == "POST"]
    assert sent["headers"]["azureml-model-deployment"] == DEPLOYMENT
    assert job["state"] == "succeeded"
