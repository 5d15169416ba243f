"""The published commands for batch scoring by REST, from the first to the last, with their bodies as printed.

Source: the service's page "Deploy models for batch scoring with REST" (2022-05-01). Its bodies carry trailing
commas, numbers as strings and the mode aadToken in lower case; nowhere but at its end does it wait.
"""

from __future__ import annotations

import json
from string import Template
from types import SimpleNamespace

import httpx
import pytest

from airflow_batch_provider.emulator.server import Emulator

from .conftest import SUBSCRIPTION, WORKSPACE, Azure, wait_for
from .lifecycle import FINAL, Lifecycle

LONG = f"subscriptions/{SUBSCRIPTION}/resourceGroups/emulator/workspaces/emulator"
VERSION = {"api-version": "2022-05-01"}
COMPUTE = """{
    "properties":{
        "computeType": "AmlCompute",
        "properties": {
            "osType": "Linux",
            "vmSize": "STANDARD_D2_V2",
            "scaleSettings": {
                "maxNodeCount": 5,
                "minNodeCount": 0
            },
            "remoteLoginPortPublicAccess": "NotSpecified"
        },
    },
    "location": "$LOCATION"
}"""
CODE = """{
  "properties": {
    "description": "Score code",
    "codeUri": "$BLOB_URI_ROOT/score"
  }
}"""
MODEL = """{
    "properties": {
        "modelUri":"azureml://subscriptions/$SUBSCRIPTION_ID/resourceGroups/$RESOURCE_GROUP/workspaces/$WORKSPACE/datastores/$AZUREML_DEFAULT_DATASTORE/paths/model"
    }
}"""
ENVIRONMENT = """{
    "properties":{
        "condaFile": $CONDA_FILE,
        "image": "mcr.microsoft.com/azureml/openmpi3.1.2-ubuntu18.04:latest"
    }
}"""
ENDPOINT = """{
    "properties": {
        "authMode": "aadToken"
    },
    "location": "$LOCATION"
}"""
DEPLOYMENT = """{
    "location": "$LOCATION",
    "properties": {        
        "model": {
            "referenceType": "Id",
            "assetId": "$WS/models/mnist/versions/1"
        },
        "codeConfiguration": {
            "codeId": "$WS/codes/score-mnist/versions/1",
            "scoringScript": "digit_identification.py"
        },
        "environmentId": "$WS/environments/mnist-env/versions/$ENV_VERSION",
        "compute": "$WS/computes/batch-cluster",
        "resources": {
            "instanceCount": 1
        },
        "maxConcurrencyPerInstance": "4",
        "retrySettings": {
            "maxRetries": 3,
            "timeout": "PT30S"
        },
        "errorThreshold": "10",
        "loggingLevel": "info",
        "miniBatchSize": "5",
    }
}"""  # noqa: W291 - as published
DEFAULT = """{
    "properties": {
        "authMode": "aadToken",
        "defaults": {
            "deploymentName": "$DEPLOYMENT_NAME"
        }
    },
    "location": "$LOCATION"
}"""
DATA = """{
    "properties": {
        "dataType": "uri_folder",
  "dataUri": "https://pipelinedata.blob.core.windows.net/sampledata/mnist",
  "description": "Mnist data asset"
    }
}"""
INPUT = """{
    "properties": {
        "InputData": {
            "mnistInput": {
                "JobInputType" : "$KIND",
                "Uri":  "$URI"
            }
        }
    }
}"""
OUTPUT = """{
    "properties": {
        "InputData":
        {
            "mnistInput": {
                "JobInputType" : "UriFolder",
                "Uri": "azureml://datastores/workspaceblobstore/paths/$ENDPOINT_NAME/mnist"
            }
        },
        "OutputData":
        {
            "mnistOutput": {
                "JobOutputType": "UriFile",
                "Uri": "azureml://datastores/workspaceblobstore/paths/$ENDPOINT_NAME/mnistOutput/$OUTPUT_FILE_NAME"
            }
        }
    }
}"""
SCRIPT = """
import glob, os

def init():
    global model
    (path,) = glob.glob(os.environ["AZUREML_MODEL_DIR"] + "/*/*.txt")
    model = open(path).read().strip()

def run(mini_batch):
    return [f"{os.path.basename(path)} {model}" for path in mini_batch]
"""


class Shell:
    """The commands' variables, and curl."""

    def __init__(self, url):
        self.azure = Azure(url)
        self.variables = {
            "LOCATION": "eastus",
            "SUBSCRIPTION_ID": SUBSCRIPTION,
            "RESOURCE_GROUP": "emulator",
            "WORKSPACE": "emulator",
            "WS": WORKSPACE,
            "ENDPOINT_NAME": "endpt-12345",
            "DEPLOYMENT_NAME": "nonmlflowedp",
            "ENV_VERSION": "4711",
            "CONDA_FILE": json.dumps(json.dumps({"name": "mnist-env", "dependencies": ["python=3.8"]})),
            "OUTPUT_FILE_NAME": "mnist.csv",
        }

    def curl(self, method, path, body=None, **query):
        """Send what a command of the page sends to Resource Manager."""
        url = WORKSPACE + Template(path).substitute(self.variables)
        content = None if body is None else Template(body).substitute(self.variables)
        headers = self.azure.arm | {"Content-Type": "application/json"}
        return self.azure.http.request(method, url, params=VERSION | query, headers=headers, content=content)

    def invoke(self, uri, body, **variables):
        content = Template(body).substitute(self.variables | variables)
        headers = self.token | {"Content-Type": "application/json"}
        return self.azure.http.post(uri, headers=headers, content=content)

    @property
    def token(self):
        # A resource, not a scope: what 'az account get-access-token --resource' asks for.
        return self.azure.bearer("https://studio.ml.azure.cn")

    def upload(self, url, content):
        """Do as 'az storage blob upload-batch' does for one file."""
        headers = self.azure.storage | {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-08-06"}
        self.azure.http.put(url, content=content, headers=headers).raise_for_status()


@pytest.fixture(scope="module")
def page():
    """Carry out the page up to its invocations; return the shell and what the page then knows."""
    with Emulator(speed=40) as running:
        shell = Shell(running.url)
        yield set_up(shell)
        shell.azure.http.close()


def set_up(shell):
    answers = [shell.curl("PUT", "/computes/batch-cluster", COMPUTE)]
    listed = shell.curl("GET", "/datastores", isDefault="true").json()["value"][0]
    store = listed["properties"]
    account, container = store["accountName"], store["containerName"]
    shell.variables |= {
        "AZUREML_DEFAULT_DATASTORE": listed["name"],
        "BLOB_URI_ROOT": f"{store['protocol']}://{account}.blob.{store['endpoint']}/{container}",
    }
    shell.upload(f"/blob/{account}/{container}/score/digit_identification.py", SCRIPT.encode())
    answers.append(shell.curl("PUT", "/codes/score-mnist/versions/1", CODE))
    shell.upload(f"/blob/{account}/{container}/model/weights.txt", b"seven")
    answers.append(shell.curl("PUT", "/models/mnist/versions/1", MODEL))
    answers.append(shell.curl("PUT", "/environments/mnist-env/versions/$ENV_VERSION", ENVIRONMENT))
    answers.append(shell.curl("PUT", "/batchEndpoints/$ENDPOINT_NAME", ENDPOINT))
    answers.append(
        shell.curl("PUT", "/batchEndpoints/$ENDPOINT_NAME/deployments/$DEPLOYMENT_NAME", DEPLOYMENT)
    )
    answers.append(shell.curl("PUT", "/batchEndpoints/$ENDPOINT_NAME", DEFAULT))
    operation = answers[-1].json()["properties"]["properties"]["AzureAsyncOperationUri"]
    waited = wait_for(
        lambda: (
            (told := shell.azure.http.get(operation, headers=shell.azure.arm).json()["status"]) in FINAL
            and told
        )
    )
    deployment = shell.curl("GET", "/batchEndpoints/$ENDPOINT_NAME/deployments/$DEPLOYMENT_NAME").json()
    endpoint = shell.curl("GET", "/batchEndpoints/$ENDPOINT_NAME").json()
    for place in ("pipelinedata/sampledata/mnist", f"{account}/{container}/endpt-12345/mnist"):
        for number in range(7):
            shell.upload(f"/blob/{place}/{number}.png", b"image")
    answers.append(shell.curl("PUT", "/data/mnist/versions/1", DATA))
    return SimpleNamespace(
        shell=shell,
        uri=endpoint["properties"]["scoringUri"],
        statuses=[answer.status_code for answer in answers],
        waited=waited,
        deployment=deployment["properties"],
        container=f"/blob/{account}/{container}",
    )


def finished(page, answer):
    """Do as the page's wait_for_completion does at the job, then return the job as the journal knows it."""
    assert answer.status_code == 201, answer.text
    url = f"{page.uri}/{answer.json()['id'].rpartition('/')[2]}"
    wait_for(
        lambda: (
            httpx.get(url, headers=page.shell.token).json()["properties"]["status"]
            in {"Completed", "Failed", "Canceled"}
        )
    )
    return page.shell.azure.journal_of(answer.json()["name"])


def rows(page, path):
    text = page.shell.azure.http.get(f"{page.container}/{path}", headers=page.shell.azure.storage).text
    return text.split("\n")[:-1]


def test_each_resource_is_created_without_a_wait_in_between(page):
    """The page waits for one operation only, that of the default deployment: then everything is ready."""
    assert page.statuses == [201, 201, 201, 201, 201, 201, 200, 201]
    assert page.waited == "Succeeded"
    properties = page.deployment
    assert properties["provisioningState"] == "Succeeded"
    assert (properties["miniBatchSize"], properties["errorThreshold"]) == (5, 10)
    assert (properties["maxConcurrencyPerInstance"], properties["loggingLevel"]) == (4, "Info")
    environment = page.shell.curl("GET", "/environments/mnist-env/versions/4711").json()["properties"]
    assert json.loads(environment["condaFile"])["name"] == "mnist-env"


@pytest.mark.parametrize(
    ("kind", "uri", "files"),
    [
        ("UriFolder", "https://pipelinedata.blob.core.windows.net/sampledata/mnist", 7),
        ("UriFolder", "azureml://datastores/workspaceblobstore/paths/endpt-12345/mnist", 7),
        (
            "UriFolder",
            f"azureml://{LONG}/datastores/workspaceblobstore/paths/endpt-12345/mnist",
            7,
        ),
        ("UriFolder", "azureml://locations/eastus/workspaces/emulator/data/mnist/versions/1/", 7),
        ("UriFile", "https://pipelinedata.blob.core.windows.net/sampledata/mnist/0.png", 1),
    ],
)
def test_each_form_of_input_is_executed(page, kind, uri, files):
    """The job of every invocation on the page ends with a prediction for each file."""
    job = finished(page, page.shell.invoke(page.uri, INPUT, KIND=kind, URI=uri))

    assert (job["status"], job["error"]) == ("Completed", None)
    folder = job["outputs"]["score"]["uri"].rpartition("/paths/")[2]
    assert rows(page, f"{folder}predictions.csv") == [f"{number}.png seven" for number in range(files)]


def test_output_goes_where_the_request_says_and_is_never_overwritten(page):
    first = finished(page, page.shell.invoke(page.uri, OUTPUT))
    second = finished(page, page.shell.invoke(page.uri, OUTPUT))

    assert (first["status"], second["status"]) == ("Completed", "Failed")
    assert len(rows(page, "endpt-12345/mnistOutput/mnist.csv")) == 7


def test_last_command_deletes_the_endpoint(page):
    answer = page.shell.curl("DELETE", "/batchEndpoints/$ENDPOINT_NAME")

    assert (answer.status_code, answer.json()) == (202, None)
    assert Lifecycle(page.shell.azure).waited(answer)["status"] == "Succeeded"
    for path in ("", "/deployments/$DEPLOYMENT_NAME"):
        assert page.shell.curl("GET", f"/batchEndpoints/$ENDPOINT_NAME{path}").status_code == 404
