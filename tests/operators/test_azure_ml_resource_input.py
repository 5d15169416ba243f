"""What a DAG can say wrong about a resource: it is told before anything is asked of the service."""

from __future__ import annotations

import pytest

from airflow_batch_provider import errors
from airflow_batch_provider.operators import azure_ml
from airflow_batch_provider.operators.azure_ml import (
    AzureMLCreateBatchDeploymentOperator,
    AzureMLCreateBatchEndpointOperator,
    AzureMLCreateComputeOperator,
    AzureMLDeleteBatchEndpointOperator,
    AzureMLDeleteComputeOperator,
    AzureMLRegisterCodeOperator,
    AzureMLRegisterDataOperator,
    AzureMLRegisterEnvironmentOperator,
    AzureMLRegisterModelOperator,
    AzureMLSetDefaultDeploymentOperator,
)

from .needed import needed

URI = "azureml://datastores/workspaceblobstore/paths/somewhere"
X = "{{ x }}"
# operator, what is said instead of the least that it needs, what the message says
LITERALS = {
    "compute name": (AzureMLCreateComputeOperator, {"compute_name": "1x"}, "compute_name is '1x'"),
    "no node": (AzureMLCreateComputeOperator, {"max_nodes": 0}, "max_nodes is 0"),
    "the others are templates": (
        AzureMLCreateComputeOperator,
        {"compute_name": X, "vm_size": X, "max_nodes": X, "extra_properties": {"x": [X]}, "tier": "cheap"},
        "tier is 'cheap'",
    ),
    "endpoint name": (AzureMLCreateBatchEndpointOperator, {"endpoint_name": "a_b"}, "endpoint_name is 'a_b'"),
    "if_exists": (AzureMLCreateBatchEndpointOperator, {"if_exists": "maybe"}, "if_exists is 'maybe'"),
    "timeout": (AzureMLCreateBatchEndpointOperator, {"timeout": 0}, "timeout is 0"),
    "interval": (AzureMLDeleteComputeOperator, {"poll_interval": -1}, "poll_interval is -1"),
    "delete endpoint": (AzureMLDeleteBatchEndpointOperator, {"endpoint_name": "-"}, "endpoint_name is '-'"),
    "delete compute": (AzureMLDeleteComputeOperator, {"compute_name": ""}, "compute_name is ''"),
    "default": (AzureMLSetDefaultDeploymentOperator, {"deployment_name": "x"}, "deployment_name is 'x'"),
    "code version": (AzureMLRegisterCodeOperator, {"path": "https://x.example/code"}, "version is None"),
    "a version without content": (AzureMLRegisterModelOperator, {"path": URI}, "version is None"),
    "model type": (AzureMLRegisterModelOperator, {"type": "onnx", "version": X}, "type is 'onnx'"),
    "data type": (AzureMLRegisterDataOperator, {"type": "mltable"}, "type is 'mltable'"),
    "data path": (AzureMLRegisterDataOperator, {"path": "ftp://x/y", "version": 1}, "path is 'ftp://x/y'"),
    "no image": (
        AzureMLRegisterEnvironmentOperator,
        {"image": None},
        "image is None and build_context is None",
    ),
    "script without code": (
        AzureMLCreateBatchDeploymentOperator,
        {"model": X, "scoring_script": "s.py"},
        "code is None and scoring_script is 's.py'",
    ),
    "nothing to deploy": (
        AzureMLCreateBatchDeploymentOperator,
        {"model": None},
        "none of model, component is given",
    ),
    "two to deploy": (
        AzureMLCreateBatchDeploymentOperator,
        {"component": "c:1"},
        "model and component are given",
    ),
    "a model's argument for a component": (
        AzureMLCreateBatchDeploymentOperator,
        {"component": X, "model": None, "compute": None, "mini_batch_size": 1},
        "mini_batch_size: a deployment of a component does not take it",
    ),
    "a component's argument for a model": (
        AzureMLCreateBatchDeploymentOperator,
        {"settings": {}},
        "settings: a deployment of a model does not take it",
    ),
    "no compute": (AzureMLCreateBatchDeploymentOperator, {"compute": None}, "compute is None"),
    "default or not": (
        AzureMLCreateBatchDeploymentOperator,
        {"set_default": "maybe"},
        "set_default is 'maybe'",
    ),
    "subnet": (AzureMLCreateComputeOperator, {"subnet_id": "default"}, "subnet_id is 'default'"),
}


@pytest.mark.parametrize(("operator", "said", "told"), LITERALS.values(), ids=LITERALS.keys())
def test_a_literal_is_checked_when_the_dag_is_parsed(operator, said, told):
    """The DAG cannot be imported, and the message names field and value; other arguments may be templates."""
    with pytest.raises(errors.InvalidInput) as caught:
        operator(task_id="t", **needed(operator) | said)

    assert told in str(caught.value)


# operator, literals, what templates render to, what the message says
RENDERED = {
    "tier": (AzureMLCreateComputeOperator, {}, {"tier": "cheap"}, "tier is 'cheap'"),
    "a number": (AzureMLCreateComputeOperator, {}, {"max_nodes": "none"}, "max_nodes is 'none'"),
    "endpoint name": (
        AzureMLCreateBatchEndpointOperator,
        {},
        {"endpoint_name": "a_b"},
        "endpoint_name is 'a_b'",
    ),
    "if_exists": (AzureMLCreateBatchEndpointOperator, {}, {"if_exists": "maybe"}, "if_exists is 'maybe'"),
    "timeout": (AzureMLDeleteBatchEndpointOperator, {}, {"timeout": "0"}, "timeout is '0'"),
    "data type": (
        AzureMLRegisterDataOperator,
        {"path": URI, "version": 1},
        {"type": "mltable"},
        "type is 'mltable'",
    ),
    "version": (AzureMLRegisterModelOperator, {"path": URI}, {"version": "a b"}, "version is 'a b'"),
    "script": (
        AzureMLCreateBatchDeploymentOperator,
        {"code": "c:1"},
        {"scoring_script": ""},
        "scoring_script is ''",
    ),
    "workspace": (
        AzureMLDeleteComputeOperator,
        {},
        {"workspace_name": ""},
        "workspace_name is ''",
    ),
}


@pytest.mark.parametrize("case", RENDERED.values(), ids=RENDERED.keys())
def test_a_template_is_checked_before_any_request(emulator, task, case):
    """What a template renders to is checked when the task runs; nothing is asked of the service."""
    operator, said, rendered, told = case
    templates = {key: "{{ params." + key + " }}" for key in rendered}

    with pytest.raises(errors.InvalidInput) as caught:
        task.run(operator(task_id="t", **needed(operator) | said | templates), **rendered)
    assert told in str(caught.value)
    assert emulator.requests() == []


@pytest.mark.parametrize("name", sorted(azure_ml._ELSEWHERE))
def test_a_template_that_renders_to_nothing_is_told(emulator, task, name):
    """A missing XCom is no name: the field is named, and nothing is asked of the service."""
    operator = getattr(azure_ml, name)
    for field in needed(operator):
        there = {"path": URI, "version": 1} if "path" in operator.fields else {}
        said = needed(operator) | there | {field: "{{ params.nothing }}"}
        with pytest.raises(errors.InvalidInput, match=f"{field} is '?None"):
            task.run(operator(task_id="t", **said), nothing=None)
    assert emulator.requests() == []


UNFIT = [
    ("Model", "./missing", {}, "no such file or folder"),
    ("Code", "./code/score.py", {}, "'./code/score.py' is a file"),
    ("Data", "./code", {"type": "uri_file"}, "'./code' is a folder"),
    ("Data", "./code", {"tags": {"a": "{{ none }}"}}, r"tags\['a'\] is 'None'"),
]


@pytest.mark.parametrize("case", UNFIT, ids=[one[1] for one in UNFIT])
def test_a_local_path_that_is_not_there_or_not_fit(emulator, task, tmp_path, monkeypatch, case):
    """What is wrong with it, or with what is said of it, is told before anything is sent."""
    kind, path, said, told = case
    monkeypatch.chdir(tmp_path)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "score.py").write_text("")
    operator = getattr(azure_ml, f"AzureMLRegister{kind}Operator")

    with pytest.raises(errors.BatchError, match=told):
        task.run(operator(task_id="t", name="name", path="{{ params.path }}", **said), path=path)
    assert emulator.requests() == []
