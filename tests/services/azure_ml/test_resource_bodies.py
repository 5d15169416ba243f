"""What the guide "Deploy models with REST for batch scoring" sends, out of our arguments.

Each row names its place in the guide. Numbers that the guide writes as texts, and its trailing commas, are
numbers and no commas here.
"""

from __future__ import annotations

import json

import httpx
import pytest

from airflow_batch_provider.services.azure_ml.operations import advance
from airflow_batch_provider.services.azure_ml.resources.assets import code, data, environment, model
from airflow_batch_provider.services.azure_ml.resources.computes import compute
from airflow_batch_provider.services.azure_ml.resources.datastores import default_datastore
from airflow_batch_provider.services.azure_ml.resources.deployments import model_deployment
from airflow_batch_provider.services.azure_ml.resources.endpoints import batch_endpoint, set_default
from airflow_batch_provider.services.azure_ml.resources.ensure import ensure
from airflow_batch_provider.services.azure_ml.resources.removal import delete_endpoint
from airflow_batch_provider.services.azure_ml.workspace import Workspace

from .script import CHINA, NOON, play, recorded, refused

SUBSCRIPTION = "5e4a1b36-9f5b-4a3c-8c1f-0d6a1ad26d11"
IN_CHINA = Workspace(CHINA, SUBSCRIPTION, "my-group", "my-workspace", api_version="2022-05-01")
WS = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/my-group"
    "/providers/Microsoft.MachineLearningServices/workspaces/my-workspace"
)
HOST = "https://management.chinacloudapi.cn"
ROOT = "https://acct.blob.core.chinacloudapi.cn/azureml-blobstore"
MODEL_URI = (
    f"azureml://subscriptions/{SUBSCRIPTION}/resourceGroups/my-group/workspaces/my-workspace"
    "/datastores/workspaceblobstore/paths/model"
)
CONDA = '{"channels": ["conda-forge"], "dependencies": ["python=3.8"], "name": "mnist-env"}'
IMAGE = "mcr.microsoft.com/azureml/openmpi3.1.2-ubuntu18.04:latest"
MNIST = "https://pipelinedata.blob.core.windows.net/sampledata/mnist"

# Section of the guide: what is described, the path below the workspace, the body.
PUTS = {
    "Create compute": (
        compute(
            "batch-cluster",
            vm_size="STANDARD_D2_V2",
            max_nodes=5,
            min_nodes=0,
            remote_login="NotSpecified",
            location="chinaeast2",
        ),
        "computes/batch-cluster",
        {
            "properties": {
                "computeType": "AmlCompute",
                "properties": {
                    "osType": "Linux",
                    "vmSize": "STANDARD_D2_V2",
                    "scaleSettings": {"maxNodeCount": 5, "minNodeCount": 0},
                    "remoteLoginPortPublicAccess": "NotSpecified",
                },
            },
            "location": "chinaeast2",
        },
    ),
    "Upload & register code": (
        code("score-mnist", "1", path=f"{ROOT}/score", description="Score code"),
        "codes/score-mnist/versions/1",
        {"properties": {"description": "Score code", "codeUri": f"{ROOT}/score"}},
    ),
    "Upload and register model": (
        model("mnist", 1, path=MODEL_URI),
        "models/mnist/versions/1",
        {"properties": {"modelUri": MODEL_URI}},
    ),
    "Create environment": (
        environment("mnist-env", "31337", image=IMAGE, conda_file=CONDA),
        "environments/mnist-env/versions/31337",
        {"properties": {"condaFile": CONDA, "image": IMAGE}},
    ),
    "Create batch endpoint": (
        batch_endpoint("endpt-123", location="chinaeast2"),
        "batchEndpoints/endpt-123",
        {"properties": {"authMode": "aadToken"}, "location": "chinaeast2"},
    ),
    "Create batch deployment": (
        model_deployment(
            IN_CHINA,
            "endpt-123",
            "nonmlflowedp",
            model="azureml:mnist:1",
            code="azureml:score-mnist:1",
            scoring_script="digit_identification.py",
            environment=f"{WS}/environments/mnist-env/versions/31337",
            compute="batch-cluster",
            instance_count=1,
            max_concurrency_per_instance="4",
            max_retries=3,
            mini_batch_timeout=30,
            error_threshold="10",
            logging_level="info",
            mini_batch_size="5",
            location="chinaeast2",
        ),
        "batchEndpoints/endpt-123/deployments/nonmlflowedp",
        {
            "location": "chinaeast2",
            "properties": {
                "model": {"referenceType": "Id", "assetId": f"{WS}/models/mnist/versions/1"},
                "codeConfiguration": {
                    "codeId": f"{WS}/codes/score-mnist/versions/1",
                    "scoringScript": "digit_identification.py",
                },
                "environmentId": f"{WS}/environments/mnist-env/versions/31337",
                "compute": f"{WS}/computes/batch-cluster",
                "resources": {"instanceCount": 1},
                "maxConcurrencyPerInstance": 4,
                "retrySettings": {"maxRetries": 3, "timeout": "PT30S"},
                "errorThreshold": 10,
                "loggingLevel": "info",
                "miniBatchSize": 5,
            },
        },
    ),
    "Invoke: create a V2 data asset": (
        data("mnist", 31337, path=MNIST, type="uri_folder", description="Mnist data asset"),
        "data/mnist/versions/31337",
        {"properties": {"dataType": "uri_folder", "dataUri": MNIST, "description": "Mnist data asset"}},
    ),
}


@pytest.mark.parametrize(("resource", "path", "body"), PUTS.values(), ids=PUTS.keys())
def test_what_the_guide_puts(resource, path, body):
    """What is not there is created by the guide's own PUT: same URL, same keys, same values."""
    played = play(
        ensure(IN_CHINA, resource, now=lambda: NOON), [refused(404), httpx.Response(201, json=body)]
    )

    assert played.raised is None
    sent = played.requests[-1]
    assert (sent.method, str(sent.url)) == ("PUT", f"{HOST}{WS}/{path}?api-version=2022-05-01")
    assert sent.headers["content-type"] == "application/json"
    assert played.body == body
    assert played.returned.action == "created"
    assert [request.method for request in played.requests] == ["GET", "PUT"]


ENDPOINT = {
    "id": f"{WS}/batchEndpoints/endpt-123",
    "name": "endpt-123",
    "type": "Microsoft.MachineLearningServices/workspaces/batchEndpoints",
    "location": "chinaeast2",
    "tags": {},
    "properties": {
        "description": None,
        "properties": {},
        "scoringUri": "https://endpt-123.chinaeast2.inference.ml.azure.cn/jobs",
        "swaggerUri": None,
        "authMode": "AADToken",
        "defaults": {"deploymentName": None},
        "provisioningState": "Succeeded",
    },
    "systemData": {"createdAt": "2023-04-09T00:28:19+00:00"},
    "identity": {"type": "None"},
}


def test_what_the_guide_sets_as_default():
    """The section on the default deployment: the endpoint's PUT with defaults, then a poll."""
    operation = (
        f"{HOST}/subscriptions/{SUBSCRIPTION}/providers/X/locations/chinaeast2/mfeOperationsStatus/be:1"
    )
    updating = json.loads(json.dumps(ENDPOINT))
    updating["properties"] |= {
        "provisioningState": "Updating",
        "properties": {"AzureAsyncOperationUri": operation},
    }
    deployment = httpx.Response(200, json={"name": "nonmlflowedp"})
    answers = [deployment, httpx.Response(200, json=ENDPOINT), httpx.Response(200, json=updating)]
    played = play(set_default(IN_CHINA, "endpt-123", "nonmlflowedp", now=lambda: NOON), answers)

    assert played.raised is None
    sent = played.requests[-1]
    url = f"{HOST}{WS}/batchEndpoints/endpt-123?api-version=2022-05-01"
    assert (sent.method, str(sent.url)) == ("PUT", url)
    assert played.body == {
        "properties": {"authMode": "aadToken", "defaults": {"deploymentName": "nonmlflowedp"}},
        "location": "chinaeast2",
    }
    done = httpx.Response(200, json={"status": "Succeeded"})
    polled = play(advance(played.returned.operation), [done, httpx.Response(200, json=ENDPOINT)])
    assert [str(request.url) for request in polled.requests] == [operation, url]
    assert polled.returned.done


def test_what_the_guide_asks_of_the_default_datastore():
    """The section on the storage account: the same GET, and out of it the same root URL."""
    played = play(default_datastore(IN_CHINA), [recorded("datastore_list_default")])

    (sent,) = played.requests
    assert (sent.method, sent.url.path) == ("GET", f"{WS}/datastores")
    assert dict(sent.url.params) == {"isDefault": "true", "api-version": "2022-05-01"}
    store = played.returned
    assert store.id.endswith("/datastores/workspaceblobstore")
    root = (
        "https://saveorz2izv2bas.blob.core.windows.net/azureml-blobstore-2d1e66ae-85e3-42c0-be91-34de66397f26"
    )
    assert (store.name, store.url("score")) == ("workspaceblobstore", f"{root}/score")
    assert store.uri(IN_CHINA, "model") == MODEL_URI


def test_what_the_guide_deletes():
    """The section on deleting the batch endpoint: the same DELETE."""
    there = httpx.Response(200, json={"properties": {"provisioningState": "Succeeded"}})
    played = play(delete_endpoint(IN_CHINA, "endpt-123"), [there, httpx.Response(204)])

    _, sent = played.requests
    url = f"{HOST}{WS}/batchEndpoints/endpt-123?api-version=2022-05-01"
    assert (sent.method, str(sent.url), sent.content) == ("DELETE", url, b"")
    assert played.returned.operation.done
