"""Each command of the published guide to batch scoring by REST, and the task that sends the same.

The bodies are those of the guide as they were printed: with trailing commas, and numbers as texts.
"""

from __future__ import annotations

import json
from string import Template
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_batch_provider.emulator import wire
from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.operators import azure_ml
from tests.emulator import test_seed as guide
from tests.emulator.conftest import WORKSPACE

from .conftest import Service, Task

ENDPOINT, DEPLOYMENT, ENVIRONMENT_VERSION = "endpt-12345", "nonmlflowedp", "4711"
BLOBS = "https://emulatorstore.blob.core.windows.net"
MNIST = "https://pipelinedata.blob.core.windows.net/sampledata/mnist"
SHORT = f"azureml://datastores/workspaceblobstore/paths/{ENDPOINT}/mnist"
CONDA = json.dumps({"name": "mnist-env", "dependencies": ["python=3.8"]})
INVOKED = f"/{ENDPOINT}/jobs"


def folder(container: str) -> str:
    return f"{BLOBS}/{container}/score"


# What is sent before the first invocation: path, body as printed, operator, its arguments.
PUTS: list[tuple[str, str, str, dict[str, Any]]] = [
    (
        "/computes/batch-cluster",
        guide.COMPUTE,
        "CreateCompute",
        {
            "compute_name": "batch-cluster",
            "vm_size": "STANDARD_D2_V2",
            "max_nodes": 5,
            "min_nodes": 0,
            "remote_login": "not_specified",
        },
    ),
    (
        "/codes/score-mnist/versions/1",
        guide.CODE,
        "RegisterCode",
        {
            "name": "score-mnist",
            "version": 1,
            "path": "{{ params.root }}/score",
            "description": "Score code",
        },
    ),
    (
        "/models/mnist/versions/1",
        guide.MODEL,
        "RegisterModel",
        {
            "name": "mnist",
            "version": 1,
            "path": f"azureml://{guide.LONG}/datastores/workspaceblobstore/paths/model",
        },
    ),
    (
        f"/environments/mnist-env/versions/{ENVIRONMENT_VERSION}",
        guide.ENVIRONMENT,
        "RegisterEnvironment",
        {
            "name": "mnist-env",
            "version": ENVIRONMENT_VERSION,
            "image": "mcr.microsoft.com/azureml/openmpi3.1.2-ubuntu18.04:latest",
            "conda_file": CONDA,
        },
    ),
    (f"/batchEndpoints/{ENDPOINT}", guide.ENDPOINT, "CreateBatchEndpoint", {"endpoint_name": ENDPOINT}),
    (
        f"/batchEndpoints/{ENDPOINT}/deployments/{DEPLOYMENT}",
        guide.DEPLOYMENT,
        "CreateBatchDeployment",
        {
            "endpoint_name": ENDPOINT,
            "deployment_name": DEPLOYMENT,
            "model": "azureml:mnist:1",
            "code": "azureml:score-mnist:1",
            "scoring_script": "digit_identification.py",
            "environment": f"azureml:mnist-env:{ENVIRONMENT_VERSION}",
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
    (
        f"/batchEndpoints/{ENDPOINT}",
        guide.DEFAULT,
        "SetDefaultDeployment",
        {"endpoint_name": ENDPOINT, "deployment_name": DEPLOYMENT},
    ),
    (
        "/data/mnist/versions/1",
        guide.DATA,
        "RegisterData",
        {
            "name": "mnist",
            "version": 1,
            "path": MNIST,
            "type": "uri_folder",
            "description": "Mnist data asset",
        },
    ),
]
# How the guide invokes: kind and URI of the input.
INPUTS = [
    ("UriFolder", MNIST),
    ("UriFolder", SHORT),
    ("UriFolder", f"azureml://{guide.LONG}/datastores/workspaceblobstore/paths/{ENDPOINT}/mnist"),
    ("UriFolder", "azureml://locations/eastus/workspaces/emulator/data/mnist/versions/1/"),
    ("UriFile", f"{MNIST}/0.png"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Run an emulator of its own, with the guide's api-version, and what the guide's variables hold."""
    with Emulator(speed=40) as running, pytest.MonkeyPatch.context() as patch:
        service = Service(running)
        service.connection["extra"]["api_version"] = "2022-05-01"
        patch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", json.dumps(service.connection))
        shell = guide.Shell(running.url)
        store = shell.curl("GET", "/datastores", isDefault="true").json()["value"][0]
        container = store["properties"]["containerName"]
        shell.variables |= {
            "AZUREML_DEFAULT_DATASTORE": store["name"],
            "BLOB_URI_ROOT": f"{BLOBS}/{container}",
            "CONDA_FILE": json.dumps(CONDA),
        }
        shell.upload(f"/blob/emulatorstore/{container}/score/digit_identification.py", guide.SCRIPT.encode())
        shell.upload(f"/blob/emulatorstore/{container}/model/weights.txt", b"seven")
        for place in ("pipelinedata/sampledata/mnist", f"emulatorstore/{container}/{ENDPOINT}/mnist"):
            shell.upload(f"/blob/{place}/0.png", b"image")
        yield SimpleNamespace(service=service, shell=shell, root=f"{BLOBS}/{container}")
        shell.azure.http.close()


def run(lab, operator, **said):
    """Run an operator; return what it sent that changes something, and what it returned."""
    lab.service.reset()
    one = getattr(azure_ml, f"AzureML{operator}Operator")(task_id="t", poll_interval=1, **said)
    returned = Task(run_id=str(said)).run(one, root=lab.root)
    changes = [entry for entry in lab.service.requests() if entry["method"] in ("PUT", "POST", "DELETE")]
    return [entry for entry in changes if entry["plane"] in ("arm", "batch")], returned


def plain(value: Any) -> Any:
    """Return a body with numbers as numbers, and keys in one case: the service takes both."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: plain(item) for key, item in value.items()}
    return int(value) if isinstance(value, str) and value.isdigit() else value


def printed(lab, body: str, **variables: str) -> Any:
    """Return a body of the guide with its variables filled in."""
    return plain(wire.loads(Template(body).substitute(lab.shell.variables | variables).encode()))


@pytest.mark.parametrize(("path", "body", "operator", "said"), PUTS, ids=[one[2] for one in PUTS])
def test_each_resource_is_put_as_the_guide_does(lab, path, body, operator, said):
    """One request: the same method, URL and body; where the endpoint is changed, with what it had already."""
    (sent,), _ = run(lab, operator, **said)

    assert (sent["method"], sent["path"]) == ("PUT", WORKSPACE + path)
    assert sent["query"] == "api-version=2022-05-01"
    wanted, found = printed(lab, body), plain(sent["body"])
    if operator == "SetDefaultDeployment":
        # It is a PUT of the whole, and the service itself has added to that.
        found["properties"].pop("properties")
    assert found == wanted


@pytest.mark.parametrize(("kind", "uri"), INPUTS)
def test_each_form_of_input_is_invoked_as_the_guide_does(lab, kind, uri):
    """One POST to the scoring URI, with the same body; and the job succeeds."""
    said = {"type": {"UriFolder": "uri_folder", "UriFile": "uri_file"}[kind], "path": uri}
    (sent,), job = run(lab, "BatchEndpoint", endpoint_name=ENDPOINT, inputs={"mnistInput": said})

    assert (sent["method"], sent["query"]) == ("POST", "")
    assert sent["path"].endswith("/jobs")
    assert plain(without_own(sent["body"])) == printed(lab, guide.INPUT, KIND=kind, URI=uri)
    assert job["state"] == "succeeded"


def test_the_output_goes_where_the_guide_says(lab):
    """The body with InputData and OutputData; and a deployment of one's choice is named in the header."""
    place = f"azureml://datastores/workspaceblobstore/paths/{ENDPOINT}/mnistOutput/mnist.csv"
    (sent,), job = run(
        lab,
        "BatchEndpoint",
        endpoint_name=ENDPOINT,
        deployment_name=DEPLOYMENT,
        inputs={"mnistInput": {"type": "uri_folder", "path": SHORT}},
        outputs={"mnistOutput": {"path": place}},
    )

    assert plain(without_own(sent["body"])) == printed(lab, guide.OUTPUT)
    assert sent["headers"]["azureml-model-deployment"] == DEPLOYMENT
    assert job["state"] == "succeeded"


def without_own(body: Any) -> Any:
    """Return a body without the marks by which a task finds its own job again."""
    kept = {key: value for key, value in body["properties"].items() if key not in ("tags", "properties")}
    return {"properties": kept}


def test_the_endpoint_is_deleted_as_the_guide_does(lab):
    """One DELETE, without a body."""
    (sent,), existed = run(lab, "DeleteBatchEndpoint", endpoint_name=ENDPOINT)

    assert (sent["method"], sent["path"]) == ("DELETE", f"{WORKSPACE}/batchEndpoints/{ENDPOINT}")
    assert (sent["query"], sent["body"], existed) == ("api-version=2022-05-01", None, True)
