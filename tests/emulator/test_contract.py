"""The emulator's answers have the keys, types, status codes and headers of the contract pairs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_batch_provider.emulator.server import Emulator

from .conftest import SUBSCRIPTION, WORKSPACE, Azure, wait_for, write_setup

FOLDER = Path(__file__).parents[1] / "contract"
PAIRS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
HISTORY = f"/history/v1.0{WORKSPACE}"
# Objects whose keys are data, not names of the contract.
MAPS = {"values", "inputData"}
SETUP = """
    clients: {app: s3cret}
    data:
      list_data_v2_test: {version: 2, path: ./numbers}
    endpoints:
      digits:
        defaults: {deployment_name: squares}
        deployments:
          squares:
            model: ./model
            code_configuration: {code: ./code, scoring_script: squares.py}
          gated:
            code_configuration: {code: ./code, scoring_script: gated.py}
      pipes:
        defaults: {deployment_name: pipe}
        deployments:
          pipe: {type: pipeline, emulator: {run_seconds: 1}}
      bare: {}
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An emulator with one finished job, one running job, and a client."""
    folder = tmp_path_factory.mktemp("contract")
    with Emulator(speed=40, setup=write_setup(folder, SETUP)) as emulator:
        azure = Azure(emulator.url)
        azure.numbers = str(folder / "numbers")
        azure.done = azure.invoke("digits", azure.numbers).json()["name"]
        azure.running = azure.invoke("digits", azure.numbers, deployment="gated").json()["name"]
        azure.child = azure.finished("digits", azure.done)["childRun"]
        wait_for(lambda: azure.status("digits", azure.running) == "Running")
        azure.settings(page_size=1)
        yield azure
        azure.http.close()


def arm(azure, path):
    return azure.http.get(path, headers=azure.arm)


def post(azure, path, body=None, headers=None):
    return azure.http.post(path, json=body, headers=headers or azure.arm)


def operation(azure, job):
    guid = arm(azure, WORKSPACE).json()["properties"]["workspaceId"]
    root = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.MachineLearningServices/locations/eastus"
    return arm(azure, f"{root}/mfeOperationResults/jc:{guid}:{job}")


def invoke(azure, name, endpoint):
    body = PAIRS[name]["request"]["body"]
    return post(azure, azure.scoring_uri(endpoint), body, azure.ml)


def score_asset(azure):
    run = post(azure, f"{HISTORY}/rundata", {"runId": azure.child}).json()
    return run["runMetadata"]["outputs"]["score"]["assetId"]


EXCHANGES = {
    "token": lambda azure: azure.token("https://ml.azure.com/.default"),
    "token_invalid_client": lambda azure: azure.token("https://ml.azure.com/.default", client_secret="wrong"),
    "discovery": lambda azure: azure.http.get("/discovery"),
    "workspace_get": lambda azure: arm(azure, WORKSPACE),
    "datastore_list_default": lambda azure: azure.get("/datastores", isDefault="true"),
    "datastore_get": lambda azure: azure.get("/datastores/workspaceblobstore"),
    "datastore_list_secrets": lambda azure: post(
        azure, f"{WORKSPACE}/datastores/workspaceblobstore/listSecrets"
    ),
    "endpoint_get": lambda azure: azure.get("/batchEndpoints/digits"),
    "deployment_get": lambda azure: azure.get("/batchEndpoints/digits/deployments/squares"),
    "invoke_model_deployment": lambda azure: invoke(azure, "invoke_model_deployment", "digits"),
    "invoke_pipeline_component": lambda azure: invoke(azure, "invoke_pipeline_component", "pipes"),
    "invoke_no_default_deployment": lambda azure: invoke(azure, "invoke_no_default_deployment", "bare"),
    "batch_job_get": lambda azure: azure.http.get(
        f"{azure.scoring_uri('digits')}/{azure.running}", headers=azure.ml
    ),
    "batch_job_list": lambda azure: azure.http.get(azure.scoring_uri("digits"), headers=azure.ml),
    "data_plane_not_found": lambda azure: azure.http.get(
        f"{azure.scoring_uri('digits')}/batchjob-none", headers=azure.ml
    ),
    "arm_job_get": lambda azure: azure.get(f"/jobs/{azure.done}"),
    "arm_job_list": lambda azure: azure.get("/jobs", jobType="Pipeline", tag="azureml.batchrun"),
    "arm_not_found": lambda azure: azure.get("/batchEndpoints/missing-endpoint"),
    "arm_unauthorized": lambda azure: azure.http.get(WORKSPACE),
    "job_cancel": lambda azure: post(azure, f"{WORKSPACE}/jobs/{azure.done}/cancel"),
    "cancel_operation_running": lambda azure: operation(azure, azure.running),
    "cancel_operation_done": lambda azure: operation(azure, azure.done),
    "run_children": lambda azure: arm(azure, f"{HISTORY}/runs/{azure.done}/children"),
    "run_data": lambda azure: post(azure, f"{HISTORY}/rundata", {"runId": azure.child}),
    "run_details": lambda azure: arm(azure, f"{HISTORY}/runs/{azure.child}/details"),
    "resolved_uris": lambda azure: post(
        azure, f"/data/v1.0{WORKSPACE}/dataversion/batchGetResolvedUris", {"values": [score_asset(azure)]}
    ),
}


def differences(contract, answer, where="$"):
    """Return where an answer lacks a key or has another JSON type than the contract; null fits anything."""
    if contract is None or answer is None:
        return []
    if json_type(contract) != json_type(answer):
        return [f"{where}: {json_type(answer)} instead of {json_type(contract)}"]
    if isinstance(contract, dict):
        return object_differences(contract, answer, where)
    if isinstance(contract, list) and contract:
        empty = [] if answer else [f"{where}: is empty"]
        return empty + [
            found for item in answer[:1] for found in differences(contract[0], item, f"{where}[0]")
        ]
    return []


def object_differences(contract, answer, where):
    if where.rpartition(".")[2] in MAPS:
        contract = dict(zip(answer, contract.values(), strict=True))
    missing = [f"{where}.{key}: is missing" for key in contract if key not in answer]
    inner = [differences(contract[key], answer[key], f"{where}.{key}") for key in contract if key in answer]
    return missing + [found for part in inner for found in part]


def json_type(value):
    if isinstance(value, bool):
        return "boolean"
    return {int: "number", float: "number", str: "string", dict: "object", list: "array"}[type(value)]


@pytest.mark.parametrize("name", PAIRS)
def test_answer_has_the_shape_of_the_contract(world, name):
    expected = PAIRS[name]["response"]

    answer = EXCHANGES[name](world)

    assert answer.status_code == expected["status"]
    assert [header for header in expected["headers"] if header not in answer.headers] == []
    body = answer.json() if answer.content else None
    assert (body is None) == (expected["body"] is None)
    assert differences(expected["body"], body) == []


def test_every_exchange_has_its_pair():
    assert sorted(EXCHANGES) == sorted(PAIRS)


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_pair_names_its_source_and_holds_one_exchange(pair):
    assert pair["source"]
    assert {"method", "path"} <= set(pair["request"])
    assert set(pair["response"]) == {"status", "headers", "body"}


@pytest.mark.parametrize(
    ("contract", "answer", "found"),
    [
        ({"a": 1}, {"a": 2, "b": 3}, []),
        ({"a": 1}, {}, ["$.a: is missing"]),
        ({"a": 1}, {"a": "1"}, ["$.a: string instead of number"]),
        ({"a": True}, {"a": 1}, ["$.a: number instead of boolean"]),
        ({"a": None}, {"a": 1}, []),
        ({"a": {"b": []}}, {"a": None}, []),
        ({"a": [{"b": 1}]}, {"a": [{}]}, ["$.a[0].b: is missing"]),
        ({"a": [1]}, {"a": []}, ["$.a: is empty"]),
        ({"values": {"x": {"uri": "u"}}}, {"values": {"y": {}}}, ["$.values.y.uri: is missing"]),
    ],
)
def test_comparison_finds_what_is_missing_or_of_another_type(contract, answer, found):
    assert differences(contract, answer) == found
