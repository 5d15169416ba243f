"""What the vendor's pages send, and what their command line says, out of the arguments of an invocation."""

from __future__ import annotations

import json
from uuid import NAMESPACE_URL, uuid5

import pytest
import yaml

from airflow_batch_provider.services.azure_ml.calls import Call
from airflow_batch_provider.services.azure_ml.invocation import invocation
from airflow_batch_provider.services.azure_ml.listing import MARKER

from .script import BATCH, SCORING_URI, play, recorded

CREATE_JOBS_CN = "Create jobs and input data for batch endpoints (docs.azure.cn)"
DEPLOY_REST = "Deploy models with REST for batch scoring"
CREATE_JOBS = "Create jobs and input data for batch endpoints (learn.microsoft.com)"

SUBSCRIPTION = "5e4a1b36-9f5b-4a3c-8c1f-0d6a1ad26d11"
ARM = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/my-group"
    "/providers/Microsoft.MachineLearningServices/workspaces/my-workspace"
)
ARM_DATA = f"{ARM.replace('resourceGroups', 'resourcegroups')}/data/heart-dataset-unlabeled/versions/1"
CN_FOLDER = "https://azuremlexampledata.blob.core.chinacloudapi.cn/data/heart-disease-uci/data"
CN_FILE = f"{CN_FOLDER}/heart.csv"
FOLDER = "https://azuremlexampledata.blob.core.windows.net/data/heart-disease-uci/data"
LATEST = "azureml://locations/chinaeast2/workspaces/my-workspace/data/heart-dataset-unlabeled/versions/labels/latest"
DATASTORE_ARM = f"azureml:{ARM}/datastores/workspaceblobstore/paths/heart-disease-uci-unlabeled"
OUTPUT_ID = f"{ARM}/datastores/workspaceblobstore/paths/batch-jobs/my-unique-path"
OUTPUT_ARM = f"azureml:{OUTPUT_ID}"
MNIST = "https://pipelinedata.blob.core.windows.net/sampledata/mnist"
SHORT = "azureml://datastores/workspaceblobstore/paths/endpt-123/mnist"
LONG = (
    f"azureml://subscriptions/{SUBSCRIPTION}/resourceGroups/my-group/workspaces/my-workspace"
    "/datastores/workspaceblobstore/paths/endpt-123/mnist"
)
VERSION = "azureml://locations/chinaeast2/workspaces/my-workspace/data/mnist/versions/31337/"
MNIST_OUTPUT = "azureml://datastores/workspaceblobstore/paths/endpt-123/mnistOutput/out.csv"


def folder(uri):
    return {"JobInputType": "UriFolder", "Uri": uri}


def file(uri):
    return {"JobInputType": "UriFile", "Uri": uri}


def heart(wire):
    return {"InputData": {"heart_dataset": wire}}


# page, section, arguments, the body's properties
REST_BODIES = [
    (
        CREATE_JOBS_CN,
        "Create jobs basics",
        {"inputs": {"heart_dataset": CN_FOLDER}},
        heart(folder(CN_FOLDER)),
    ),
    (
        CREATE_JOBS_CN,
        "Invoke a specific deployment",
        {"inputs": {"heart_dataset": CN_FOLDER}, "deployment_name": "classifier-xgboost"},
        heart(folder(CN_FOLDER)),
    ),
    (
        CREATE_JOBS_CN,
        "Configure experiment name",
        {"inputs": {"heart_dataset": CN_FOLDER}, "experiment_name": "my-batch-job-experiment"},
        heart(folder(CN_FOLDER)) | {"properties": {"experimentName": "my-batch-job-experiment"}},
    ),
    (
        CREATE_JOBS_CN,
        "Use input data from a data asset",
        {"inputs": {"heart_dataset": LATEST}},
        heart(folder(LATEST)),
    ),
    (
        CREATE_JOBS_CN,
        "Use input data from data stores",
        {"inputs": {"heart_dataset": DATASTORE_ARM}},
        heart(folder(DATASTORE_ARM)),
    ),
    (
        CREATE_JOBS_CN,
        "Use input data from data stores (a file)",
        {"inputs": {"heart_dataset": {"type": "uri_file", "path": DATASTORE_ARM}}},
        heart(file(DATASTORE_ARM)),
    ),
    (
        CREATE_JOBS_CN,
        "Use input data from Azure Storage accounts",
        {"inputs": {"heart_dataset": {"type": "uri_folder", "path": CN_FOLDER}}},
        heart(folder(CN_FOLDER)),
    ),
    (
        CREATE_JOBS_CN,
        "Use input data from Azure Storage accounts (a file)",
        {"inputs": {"heart_dataset": {"type": "uri_file", "path": CN_FILE}}},
        heart(file(CN_FILE)),
    ),
    (
        CREATE_JOBS_CN,
        "Create jobs with literal inputs",
        {"inputs": {"score_mode": {"type": "string", "default": "append"}}},
        {"InputData": {"score_mode": {"JobInputType": "Literal", "Value": "append"}}},
    ),
    (
        CREATE_JOBS_CN,
        "Create jobs with data outputs",
        {"inputs": {"heart_dataset": CN_FOLDER}, "outputs": {"score": {"path": OUTPUT_ARM}}},
        heart(folder(CN_FOLDER)) | {"OutputData": {"score": {"JobOutputType": "UriFile", "Uri": OUTPUT_ARM}}},
    ),
    (
        DEPLOY_REST,
        "Invoke the batch endpoint with different input options",
        {"inputs": {"mnistinput": MNIST}},
        {"InputData": {"mnistinput": folder(MNIST)}},
    ),
    (
        DEPLOY_REST,
        "A folder on a registered datastore, short form",
        {"inputs": {"mnistInput": SHORT}},
        {"InputData": {"mnistInput": folder(SHORT)}},
    ),
    (
        DEPLOY_REST,
        "A folder on a registered datastore, long form",
        {"inputs": {"mnistinput": LONG}},
        {"InputData": {"mnistinput": folder(LONG)}},
    ),
    (
        DEPLOY_REST,
        "Uri of a folder, long form with a slash at the end",
        {"inputs": {"mnistinput": f"{LONG}/"}},
        {"InputData": {"mnistinput": folder(f"{LONG}/")}},
    ),
    (
        DEPLOY_REST,
        "Reference the data asset in the batch scoring job",
        {"inputs": {"mnistInput": VERSION}},
        {"InputData": {"mnistInput": folder(VERSION)}},
    ),
    (
        DEPLOY_REST,
        "Uri of a data asset, ARM id",
        {"inputs": {"mnistInput": ARM_DATA}},
        {"InputData": {"mnistInput": folder(ARM_DATA)}},
    ),
    (
        DEPLOY_REST,
        "A single file publicly available from the web",
        {"inputs": {"mnistInput": {"type": "uri_file", "path": f"{MNIST}/0.png"}}},
        {"InputData": {"mnistInput": file(f"{MNIST}/0.png")}},
    ),
    (
        DEPLOY_REST,
        "Configure the output location and overwrite settings",
        {"inputs": {"mnistInput": SHORT}, "outputs": {"mnistOutput": MNIST_OUTPUT}},
        {
            "InputData": {"mnistInput": folder(SHORT)},
            "OutputData": {"mnistOutput": {"JobOutputType": "UriFile", "Uri": MNIST_OUTPUT}},
        },
    ),
]


@pytest.mark.parametrize(
    ("arguments", "properties"),
    [row[2:] for row in REST_BODIES],
    ids=[f"{page}: {section}" for page, section, *_ in REST_BODIES],
)
def test_a_rest_body_comes_out_of_the_arguments(arguments, properties):
    """Each body that the REST pages send comes out key for key."""
    order = invocation(endpoint_name="endpt-123", **arguments)

    assert order.properties == properties


@pytest.mark.parametrize(
    ("arguments", "properties"),
    [row[2:] for row in REST_BODIES],
    ids=[f"{page}: {section}" for page, section, *_ in REST_BODIES],
)
def test_what_is_sent_is_that_body_and_the_marker(arguments, properties):
    """Besides the body of the page, only the marker is sent, as a tag, a property and a header."""
    order = invocation(scoring_uri=SCORING_URI, **arguments)
    played = play(BATCH.submit(Call(order, SCORING_URI), "airflow-1"), [recorded("invoke_model_deployment")])

    sent = played.body["properties"]
    assert sent["tags"].pop(MARKER) == sent["properties"].pop(MARKER) == "airflow-1"
    assert {key: value for key, value in sent.items() if value} == properties
    request = played.requests[0]
    assert (request.method, str(request.url)) == ("POST", SCORING_URI)
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["repeatability_request-id"] == str(uuid5(NAMESPACE_URL, "airflow-1"))
    assert request.headers.get("azureml-model-deployment") == arguments.get("deployment_name")


def test_the_marker_never_replaces_what_the_user_says():
    """The user's own tags and properties travel beside the marker."""
    order = invocation(
        scoring_uri=SCORING_URI, experiment_name="night", tags={"team": "risk"}, properties={"run": 7}
    )
    played = play(BATCH.submit(Call(order, SCORING_URI), "airflow-1"), [recorded("invoke_model_deployment")])

    assert played.body == {
        "properties": {
            "tags": {"team": "risk", MARKER: "airflow-1"},
            "properties": {"run": "7", "experimentName": "night", MARKER: "airflow-1"},
        }
    }


def test_without_a_marker_nothing_is_added():
    """A call outside of a task carries no marker, not an empty one."""
    order = invocation(scoring_uri=SCORING_URI, inputs={"a": MNIST})
    played = play(BATCH.submit(Call(order, SCORING_URI), ""), [recorded("invoke_model_deployment")])

    assert played.body == {"properties": {"InputData": {"a": folder(MNIST)}}}
    assert "repeatability_request-id" not in played.requests[0].headers


# page, section, the argument of the command (YAML as on the page), the body's properties
COMMANDS = [
    (
        CREATE_JOBS,
        "Create jobs basics: --input",
        f"input: {FOLDER}",
        {"InputData": {"UriFolder": folder(FOLDER)}},
    ),
    (
        CREATE_JOBS,
        "Configure experiment name: --experiment-name",
        f"{{input: {FOLDER}, experiment_name: my-batch-job-experiment}}",
        {
            "InputData": {"UriFolder": folder(FOLDER)},
            "properties": {"experimentName": "my-batch-job-experiment"},
        },
    ),
    (
        CREATE_JOBS,
        "Use input data from data asset: --set",
        f"inputs: {{heart_dataset: {{type: uri_folder, path: {ARM_DATA}}}}}",
        heart(folder(ARM_DATA)),
    ),
    (
        CREATE_JOBS,
        "Use input data from data asset: --input",
        f"input: {ARM_DATA}",
        {"InputData": {"UriFolder": folder(ARM_DATA)}},
    ),
    (
        CREATE_JOBS,
        "Use input data from data asset: inputs.yml",
        "inputs: {heart_dataset: 'azureml:/heart-dataset-unlabeled@latest'}",
        heart(folder("azureml:heart-dataset-unlabeled@latest")),
    ),
    (
        CREATE_JOBS_CN,
        "Use input data from data asset: the format azureml:NAME@latest",
        "inputs: {heart_dataset: 'azureml:heart-dataset-unlabeled@latest'}",
        heart(folder("azureml:heart-dataset-unlabeled@latest")),
    ),
    (
        CREATE_JOBS,
        "Use input data from data stores: --set, the datastore's id and /paths/",
        f"inputs: {{heart_dataset: {{type: uri_folder, path: {DATASTORE_ARM.removeprefix('azureml:')}}}}}",
        heart(folder(DATASTORE_ARM)),
    ),
    (
        CREATE_JOBS,
        "Use input data from data stores: inputs.yml",
        f"inputs: {{heart_dataset: {{type: uri_folder, path: '{SHORT}'}}}}",
        heart(folder(SHORT)),
    ),
    (
        CREATE_JOBS,
        "Use input data from data stores: a file",
        f"inputs: {{heart_dataset: {{type: uri_file, path: '{SHORT}/a.csv'}}}}",
        heart(file(f"{SHORT}/a.csv")),
    ),
    (
        CREATE_JOBS,
        "Use input data from Azure Storage Accounts: --input and --input-type",
        f"input: {{type: uri_file, path: {FOLDER}/heart.csv}}",
        {"InputData": {"UriFile": file(f"{FOLDER}/heart.csv")}},
    ),
    (
        CREATE_JOBS,
        "Use input data from Azure Storage Accounts: inputs.yml",
        f"inputs: {{heart_dataset: {{type: uri_folder, path: {FOLDER}}}}}",
        heart(folder(FOLDER)),
    ),
    (
        CREATE_JOBS,
        "Create jobs with literal inputs: inputs.yml",
        "inputs: {score_mode: {type: string, default: append}}",
        {"InputData": {"score_mode": {"JobInputType": "Literal", "Value": "append"}}},
    ),
    (
        CREATE_JOBS,
        "Create jobs with data outputs: --set",
        f"{{inputs: {{heart_dataset: {{path: {FOLDER}}}}}, outputs: {{score: {{path: {OUTPUT_ID}}}}}}}",
        heart(folder(FOLDER)) | {"OutputData": {"score": {"JobOutputType": "UriFile", "Uri": OUTPUT_ARM}}},
    ),
]


@pytest.mark.parametrize(
    ("command", "properties"),
    [row[2:] for row in COMMANDS],
    ids=[f"{page}: {section}" for page, section, *_ in COMMANDS],
)
def test_a_command_line_says_the_same_as_the_arguments(command, properties):
    """What ``az ml batch-endpoint invoke`` is told, by option or file, an invocation is told likewise."""
    order = invocation(endpoint_name="endpt-123", **yaml.safe_load(command))

    assert order.properties == properties


# The types of literals that the pages list, and the further spellings of the CLI and the REST body.
SHAPES = {
    "no inputs at all": (None, None),
    "empty inputs": ({}, None),
    "string": ({"type": "string", "default": "append"}, "append"),
    "string out of a number": ({"type": "string", "default": 3}, "3"),
    "string that says None": ({"type": "string", "default": "None"}, "None"),
    "empty string": ({"type": "string", "default": ""}, ""),
    "boolean": ({"type": "boolean", "default": True}, True),
    "boolean rendered to text": ({"type": "boolean", "default": "False"}, False),
    "float": ({"type": "float", "default": 0.5}, 0.5),
    "float out of an integer": ({"type": "float", "default": 3}, 3.0),
    "float rendered to text": ({"type": "number", "default": "2.5"}, 2.5),
    "integer": ({"type": "integer", "default": 3}, 3),
    "integer rendered to text": ({"type": "integer", "default": "-7"}, -7),
    "whole float as integer": ({"type": "integer", "default": 3.0}, 3),
    "literal without a type": ({"value": 3}, 3),
    "literal as in the REST body": ({"JobInputType": "Literal", "Value": "append"}, "append"),
    "literal as the client writes it": ({"jobInputType": "literal", "value": True}, True),
    "plain string": ("append", "append"),
    "plain boolean": (False, False),
    "plain integer": (0, 0),
    "plain float": (1.5, 1.5),
    "a name with a dot is no file": ("model.json", "model.json"),
}


@pytest.mark.parametrize(("given", "value"), SHAPES.values(), ids=SHAPES.keys())
def test_every_shape_of_a_literal(given, value):
    """A literal keeps its JSON type, whichever way it is said; an integer never turns into a boolean."""
    inputs = given if not given and given not in (False, 0) else {"mode": given}
    order = invocation(endpoint_name="endpt-123", inputs=inputs)

    expected = {} if value is None else {"mode": {"JobInputType": "Literal", "Value": value}}
    assert json.dumps(order.properties.get("InputData", {})) == json.dumps(expected)


DATA_SHAPES = {
    "wasbs": (
        "wasbs://c@acct.blob.core.chinacloudapi.cn/p",
        folder("wasbs://c@acct.blob.core.chinacloudapi.cn/p"),
    ),
    "abfss": ("abfss://fs@acct.dfs.core.windows.net/p", folder("abfss://fs@acct.dfs.core.windows.net/p")),
    "public URL": ("https://example.com/data.csv", folder("https://example.com/data.csv")),
    "a file that ends in .json": (
        {"type": "uri_file", "path": f"{FOLDER}/x.json"},
        file(f"{FOLDER}/x.json"),
    ),
    "another job's output": (
        "azureml://jobs/batchjob-1/outputs/score/paths/predictions.csv",
        folder("azureml://jobs/batchjob-1/outputs/score/paths/predictions.csv"),
    ),
    "version": ("azureml:mnist:3", folder("azureml:mnist:3")),
    "registry": (
        "azureml://registries/shared/data/mnist/versions/2",
        folder("azureml://registries/shared/data/mnist/versions/2"),
    ),
    "REST body": ({"JobInputType": "UriFile", "Uri": f"{MNIST}/0.png"}, file(f"{MNIST}/0.png")),
    "mode and description": (
        {"type": "uri_folder", "path": MNIST, "mode": "download", "description": "Digits."},
        folder(MNIST) | {"Mode": "Download", "Description": "Digits."},
    ),
    "model": (
        {"type": "mlflow_model", "path": "azureml:classifier:1"},
        {"JobInputType": "MLFlowModel", "Uri": "azureml:classifier:1"},
    ),
    "blanks around it": (f"  {MNIST}\n", folder(MNIST)),
    "a SAS": (f"{MNIST}?sp=r&sig=abc%3D", folder(f"{MNIST}?sp=r&sig=abc%3D")),
}


@pytest.mark.parametrize(("given", "wire"), DATA_SHAPES.values(), ids=DATA_SHAPES.keys())
def test_every_shape_of_a_data_input(given, wire):
    """A data input is a URI, or a mapping with its type, as named input and as the only one."""
    order = invocation(endpoint_name="endpt-123", inputs={"x": given})
    alone = invocation(endpoint_name="endpt-123", input=given)

    assert order.properties["InputData"] == {"x": wire}
    assert alone.properties["InputData"] == {wire["JobInputType"]: wire}


def test_several_inputs_and_outputs_at_once():
    """A pipeline component deployment takes any number of both."""
    order = invocation(
        endpoint_name="endpt-123",
        inputs={"data": MNIST, "labels": {"type": "uri_file", "path": CN_FILE}, "mode": "append", "n": 3},
        outputs={
            "score": {"path": f"{SHORT}/", "type": "uri_folder", "mode": "rw_mount"},
            "log": {"Uri": MNIST_OUTPUT, "JobOutputType": "UriFile"},
        },
    )

    assert order.properties == {
        "InputData": {
            "data": folder(MNIST),
            "labels": file(CN_FILE),
            "mode": {"JobInputType": "Literal", "Value": "append"},
            "n": {"JobInputType": "Literal", "Value": 3},
        },
        "OutputData": {
            "score": {"JobOutputType": "UriFolder", "Uri": f"{SHORT}/", "Mode": "ReadWriteMount"},
            "log": {"JobOutputType": "UriFile", "Uri": MNIST_OUTPUT},
        },
    }


def test_every_override_has_its_place():
    """What can be set for one job stands where the client puts it."""
    order = invocation(
        endpoint_name="endpt-123",
        job_overrides={
            "mini_batch_size": "50",
            "instance_count": 4,
            "error_threshold": -1,
            "max_retries": 0,
            "timeout": 30,
            "output_file_name": "custom.csv",
            "logging_level": "WARNING",
        },
    )

    assert order.properties == {
        "miniBatchSize": 50,
        "compute": {"instanceCount": 4},
        "errorThreshold": -1,
        "retrySettings": {"maxRetries": 0, "timeout": "PT30S"},
        "outputFileName": "custom.csv",
        "loggingLevel": "Warning",
    }


@pytest.mark.parametrize("given", ["PT30S", "PT1H30M", 1, "45"])
def test_a_timeout_is_seconds_or_a_duration(given):
    """A timeout per mini-batch is whole seconds, or the ISO 8601 duration that the service shows."""
    order = invocation(endpoint_name="endpt-123", job_overrides={"timeout": given})

    assert order.properties["retrySettings"]["timeout"] == {1: "PT1S", "45": "PT45S"}.get(given, given)
