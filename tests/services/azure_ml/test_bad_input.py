"""What the service would refuse is refused before a request: the field, the value and the fix are named."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.services.azure_ml.inputs import input_data, output_data, single_input
from airflow_batch_provider.services.azure_ml.invocation import invocation
from airflow_batch_provider.services.azure_ml.workspace import ask

from .script import BATCH, play

MNIST = "https://pipelinedata.blob.core.windows.net/sampledata/mnist"
PLACE = "azureml://datastores/store/paths/out.csv"
ARM = "/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices/workspaces/W"
RENDERED = "Did a template render to nothing?"
HUGE = 10**5000  # has no repr in Python: more digits than int may be turned into

# arguments; the message begins with; it also says
REFUSED = {
    "nothing to invoke": (
        {"endpoint_name": None},
        "endpoint_name is None and scoring_uri is None.",
        "Give endpoint_name, or the endpoint's scoring_uri.",
    ),
    "endpoint name rendered to nothing": ({"endpoint_name": ""}, "endpoint_name is ''.", RENDERED),
    "endpoint name rendered to None": ({"endpoint_name": "None"}, "endpoint_name is 'None'.", RENDERED),
    "endpoint name too short": ({"endpoint_name": "ab"}, "endpoint_name is 'ab',", "3 to 32 letters"),
    "endpoint name too long": ({"endpoint_name": "a" * 33}, "endpoint_name is 'aaaa", "3 to 32 letters"),
    "endpoint name begins with a digit": (
        {"endpoint_name": "1abc"},
        "endpoint_name is '1abc',",
        "a letter first",
    ),
    "endpoint name ends in a hyphen": (
        {"endpoint_name": "abc-"},
        "endpoint_name is 'abc-',",
        "no hyphen last",
    ),
    "endpoint name with underscore": (
        {"endpoint_name": "my_endpoint"},
        "endpoint_name is 'my_endpoint',",
        "hyphens",
    ),
    "endpoint name of other letters": ({"endpoint_name": "größe"}, "endpoint_name is 'größe',", "letters"),
    "endpoint name with a line break": (
        {"endpoint_name": "digits\n"},
        "endpoint_name is 'digits\\n',",
        "letters",
    ),
    "endpoint name is a number": ({"endpoint_name": 123}, "endpoint_name is 123.", "Give a text"),
    "deployment name": ({"deployment_name": "blue/green"}, "deployment_name is 'blue/green',", "3 to 32"),
    "deployment name rendered to nothing": ({"deployment_name": ""}, "deployment_name is ''.", RENDERED),
    "experiment rendered to nothing": ({"experiment_name": " "}, "experiment_name is ' '.", RENDERED),
    "both inputs": (
        {"input": MNIST, "inputs": {"a": MNIST}},
        "input and inputs are both given.",
        "Give input (one, for model deployments) or inputs",
    ),
    # --- inputs
    "inputs rendered to nothing": ({"inputs": ""}, "inputs is ''.", RENDERED),
    "inputs are a text": ({"inputs": "a: b"}, "inputs is 'a: b'.", "It is a str. Give a mapping"),
    "inputs are a list": ({"inputs": [MNIST]}, "inputs is ['https", "It is a list."),
    "input name": (
        {"inputs": {"my-data": MNIST}},
        "inputs has the name 'my-data',",
        "letters, digits and underscores",
    ),
    "input name with a line break": (
        {"inputs": {"data\n": MNIST}},
        "inputs has the name 'data\\n',",
        "letters",
    ),
    "empty input name": ({"inputs": {"": MNIST}}, "inputs has the name '',", "letters"),
    "input name is a number": ({"inputs": {1: MNIST}}, "inputs has the name 1,", "letters"),
    "input rendered to nothing": ({"inputs": {"a": ""}}, "inputs['a'] is ''.", RENDERED),
    "input rendered to None": (
        {"inputs": {"a": "None"}},
        "inputs['a'] is 'None'.",
        'write {"type": "string", "default": "None"}',
    ),
    "input is None": ({"inputs": {"a": None}}, "inputs['a'] is None.", RENDERED),
    "the input is blank": ({"input": " "}, "input is ' '.", RENDERED),
    "path rendered to nothing": ({"inputs": {"a": {"path": ""}}}, "inputs['a'] has the path ''.", RENDERED),
    "path rendered to None": (
        {"inputs": {"a": {"path": "None"}}},
        "inputs['a'] has the path 'None'.",
        RENDERED,
    ),
    "no path": (
        {"inputs": {"a": {"type": "uri_file"}}},
        "inputs['a'] has the path None.",
        "azureml:NAME@latest",
    ),
    "path is a list": ({"inputs": {"a": {"path": [1]}}}, "inputs['a'] has the path [1].", "Give it a URI"),
    "nothing described": ({"inputs": {"a": {}}}, "inputs['a'] has the path None.", "Give it a URI"),
    "misspelt key": (
        {"inputs": {"a": {"typ": "uri_file", "path": MNIST}}},
        "inputs['a'] has 'typ', which means nothing here.",
        "Use one of type, path,",
    ),
    "MLTable": (
        {"inputs": {"a": {"type": "mltable", "path": "azureml:t:1"}}},
        "inputs['a'] has the type 'mltable',",
        "do not read tables: give the folder or the file",
    ),
    "MLTable as in REST": (
        {"inputs": {"a": {"JobInputType": "MLTable", "Uri": "azureml:t:1"}}},
        "inputs['a'] has the type 'MLTable',",
        "do not read tables",
    ),
    "V1 dataset type": (
        {"input": {"type": "FileDataset", "path": "azureml:d:1"}},
        "input has the type 'FileDataset',",
        "register the data as a data asset of type uri_folder",
    ),
    "V1 dataset by name": (
        {"inputs": {"a": {"dataset_name": "d", "dataset_version": 1}}},
        "inputs['a'] has 'dataset_name': it describes a V1 dataset.",
        "register the data as a data asset",
    ),
    "V1 dataset by id": (
        {"inputs": {"a": f"{ARM}/datasets/d/versions/1"}},
        f"inputs['a'] is '{ARM}/datasets/d/versions/1', a V1 dataset.",
        "register the data as a data asset",
    ),
    "unknown type": (
        {"inputs": {"a": {"type": "folder", "path": MNIST}}},
        "inputs['a'] has the type 'folder',",
        "Use one of uri_folder, uri_file,",
    ),
    "type rendered to nothing": (
        {"inputs": {"a": {"type": "", "path": MNIST}}},
        "inputs['a'] has the type ''",
        "Use one",
    ),
    "type is a list": ({"inputs": {"a": {"type": ["x"]}}}, "inputs['a'] has the type ['x']", "Use one"),
    "unknown mode": (
        {"inputs": {"a": {"path": MNIST, "mode": "mount"}}},
        "inputs['a'] has the mode 'mount'.",
        "Use one of ro_mount,",
    ),
    "datastore without paths": (
        {"inputs": {"a": "azureml://datastores/store/folder"}},
        "inputs['a'] is 'azureml://datastores/store/folder', which names a datastore but no path in it.",
        "azureml://datastores/store/paths/folder",
    ),
    "unknown URI": (
        {"input": "azureml:digits"},
        "input is 'azureml:digits', which fits no form",
        "azureml:NAME:VERSION",
    ),
    "local path": (
        {"inputs": {"a": {"path": "./images"}}},
        "inputs['a'].path is the local path './images',",
        "Upload it to a datastore",
    ),
    # --- literals
    "the input is a literal": ({"input": "append"}, "input is 'append', a literal;", "takes one data input"),
    "the input is a typed literal": (
        {"input": {"type": "string", "default": "append"}},
        "input is {'type': 'string', 'default': 'append'}, a literal;",
        "takes one data input",
    ),
    "literal without a value": (
        {"inputs": {"a": {"type": "string"}}},
        "inputs['a'] has the value None, which is no literal.",
        "Give a string, boolean, float or integer.",
    ),
    "literal is a list": ({"inputs": {"a": [1]}}, "inputs['a'] has the value [1],", "no literal"),
    "literal is a date": (
        {"inputs": {"a": datetime(2026, 11, 21, tzinfo=timezone.utc)}},
        "inputs['a'] has the value datetime",
        "no literal",
    ),
    "literal is bytes": ({"inputs": {"a": b"x"}}, "inputs['a'] has the value b'x',", "no literal"),
    "no integer": (
        {"inputs": {"a": {"type": "integer", "default": 1.5}}},
        "inputs['a'] has the value 1.5, which is not of its type integer.",
        "Change the value or the type.",
    ),
    "a boolean is no integer": (
        {"inputs": {"a": {"type": "integer", "default": True}}},
        "inputs['a'] has the value True, which is not of its type integer.",
        "Change",
    ),
    "no boolean": (
        {"inputs": {"a": {"type": "boolean", "default": "yes"}}},
        "inputs['a'] has the value 'yes', which is not of its type boolean.",
        "Change",
    ),
    "no float": (
        {"inputs": {"a": {"type": "float", "default": "1,5"}}},
        "inputs['a'] has the value '1,5', which is not of its type float.",
        "Change",
    ),
    "not a number": ({"inputs": {"a": float("nan")}}, "inputs['a'] has the value nan,", "finite number"),
    "infinity out of a text": (
        {"inputs": {"a": {"type": "float", "default": "inf"}}},
        "inputs['a'] has the value 'inf', which JSON cannot carry.",
        "finite number",
    ),
    "integer too large for a float": (
        {"inputs": {"a": {"type": "float", "default": 10**400}}},
        "inputs['a'] has the value 1000",
        "not of its type float",
    ),
    "integer of 65 bits": (
        {"inputs": {"a": 2**63}},
        "inputs['a'] has the value 9223372036854775808,",
        "64 bits",
    ),
    "integer without a repr": (
        {"inputs": {"a": HUGE}},
        "inputs['a'] has the value a value of type int,",
        "64 bits",
    ),
    # --- outputs
    "outputs rendered to None": ({"outputs": "None"}, "outputs is 'None'.", RENDERED),
    "output name": ({"outputs": {"my score": PLACE}}, "outputs has the name 'my score',", "letters, digits"),
    "output rendered to nothing": ({"outputs": {"score": ""}}, "outputs['score'] has the path ''.", RENDERED),
    "output path rendered to None": (
        {"outputs": {"score": {"path": "None"}}},
        "outputs['score'] has the path 'None'.",
        RENDERED,
    ),
    "output without a path": (
        {"outputs": {"score": {}}},
        "outputs['score'] has the path None.",
        "azureml://datastores",
    ),
    "output in a storage account": (
        {"outputs": {"score": {"path": f"{MNIST}/out.csv"}}},
        f"outputs['score'].path is '{MNIST}/out.csv'; outputs can be written only to a registered blob",
        "Give azureml://datastores/DATASTORE/paths/PATH.",
    ),
    "output on this machine": (
        {"outputs": {"score": "./out"}},
        "outputs['score'].path is './out';",
        "datastore",
    ),
    "output is an asset": (
        {"outputs": {"score": "azureml:d:1"}},
        "outputs['score'].path is 'azureml:d:1';",
        "datastore",
    ),
    "output without paths": (
        {"outputs": {"score": "azureml://datastores/store"}},
        "outputs['score'].path is 'azureml://datastores/store', which names a datastore but no path",
        "azureml://datastores/store/paths/PATH",
    ),
    "output type": (
        {"outputs": {"score": {"path": PLACE, "type": "mltable"}}},
        "outputs['score'] has the type 'mltable',",
        "Use one of uri_folder, uri_file.",
    ),
    "output is a literal": (
        {"outputs": {"score": {"path": PLACE, "type": "string"}}},
        "outputs['score'] has the type 'string',",
        "Use one of uri_folder, uri_file.",
    ),
    "output mode": (
        {"outputs": {"score": {"path": PLACE, "mode": "download"}}},
        "outputs['score'] has the mode 'download'.",
        "Use one of rw_mount, upload.",
    ),
    "output with a default": (
        {"outputs": {"score": {"path": PLACE, "default": 1}}},
        "outputs['score'] has 'default', which means nothing here.",
        "Use one of type, path, uri, mode, description.",
    ),
    # --- what else a job carries
    "unknown override": (
        {"job_overrides": {"max_concurrency": 4}},
        "job_overrides has 'max_concurrency', which cannot be set for one job.",
        "Use mini_batch_size, instance_count,",
    ),
    "override rendered to None": (
        {"job_overrides": {"instance_count": None}},
        "job_overrides['instance_count'] is None.",
        RENDERED,
    ),
    "override below its least": (
        {"job_overrides": {"mini_batch_size": 0}},
        "job_overrides['mini_batch_size'] is 0.",
        "Give an integer from 1.",
    ),
    "override is a boolean": (
        {"job_overrides": {"error_threshold": True}},
        "job_overrides['error_threshold'] is True.",
        "Give an integer from -1.",
    ),
    "override without a repr": (
        {"job_overrides": {"max_retries": HUGE}},
        "job_overrides['max_retries'] is a value of type int.",
        "Give an integer from 0.",
    ),
    "timeout": ({"job_overrides": {"timeout": 1.5}}, "job_overrides['timeout'] is 1.5.", "whole seconds"),
    "timeout of nothing": (
        {"job_overrides": {"timeout": "PT"}},
        "job_overrides['timeout'] is 'PT'.",
        "whole seconds",
    ),
    "output file name": (
        {"job_overrides": {"output_file_name": "a/b.csv"}},
        "job_overrides['output_file_name'] is 'a/b.csv'.",
        "Give a file name without a path.",
    ),
    "output file name rendered to nothing": (
        {"job_overrides": {"output_file_name": ""}},
        "job_overrides['output_file_name'] is ''.",
        RENDERED,
    ),
    "logging level": (
        {"job_overrides": {"logging_level": "loud"}},
        "job_overrides['logging_level'] is 'loud'.",
        "info, warning or debug",
    ),
    "overrides are a list": (
        {"job_overrides": ["timeout"]},
        "job_overrides is ['timeout'].",
        "Give a mapping",
    ),
    "tags rendered to nothing": ({"tags": ""}, "tags is ''.", RENDERED),
    "tag rendered to None": ({"tags": {"team": None}}, "tags['team'] is None.", RENDERED),
    "tag is a list": ({"tags": {"team": ["a"]}}, "tags['team'] is ['a'].", "Give a text or a number."),
    "tag without a repr": ({"tags": {"n": HUGE}}, "tags['n'] is a value of type int.", "Give it as a text."),
    "property without a name": (
        {"properties": {"": "x"}},
        "properties has the name ''.",
        "names that are texts",
    ),
    "property name is a number": (
        {"properties": {1: "x"}},
        "properties has the name 1.",
        "names that are texts",
    ),
    # --- scoring URI
    "scoring URI rendered to nothing": ({"scoring_uri": ""}, "scoring_uri is ''.", RENDERED),
    "scoring URI rendered to None": ({"scoring_uri": "None"}, "scoring_uri is 'None'.", RENDERED),
    "no URL": (
        {"scoring_uri": "digits/jobs"},
        "scoring_uri is 'digits/jobs', which is not the URL",
        "inference.ml.azure",
    ),
    "URL of something else": (
        {"scoring_uri": "ftp://x/jobs"},
        "scoring_uri is 'ftp://x/jobs',",
        "not the URL",
    ),
    "URL that is none": (
        {"scoring_uri": "https://a:b:c/jobs"},
        "scoring_uri is 'https://a:b:c/jobs',",
        "not the URL",
    ),
    "scoring URI with a query": (
        {"scoring_uri": "https://e.r.inference.ml.azure.com/jobs?api-version=1"},
        "scoring_uri is 'https://e.r.inference.ml.azure.com/jobs?api-version=1',",
        "not the URL",
    ),
    "scoring URI with a user": (
        {"scoring_uri": "https://me@e.r.inference.ml.azure.com/jobs"},
        "scoring_uri is 'https://me@e.r.inference.ml.azure.com/jobs',",
        "not the URL",
    ),
}


@pytest.mark.parametrize(("arguments", "begins", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_the_service_would_refuse_is_refused_here(arguments, begins, says):
    """The message begins with the field and the value and ends with the fix."""
    with pytest.raises(InvalidInput) as caught:
        invocation(**{"endpoint_name": "digits"} | arguments)

    text = str(caught.value)
    assert text.startswith(begins)
    assert says in text
    assert caught.value.fix


@pytest.mark.parametrize("name", ["abc", "a-b", "A1c", "a" * 32, "mnist-batch-2"])
def test_names_that_the_service_takes_are_taken(name):
    """3 to 32 letters, digits and hyphens, a letter first, no hyphen last."""
    order = invocation(endpoint_name=name, deployment_name=name)

    assert (order.endpoint_name, order.deployment_name) == (name, name)


FOREIGN = {
    "of another cloud": (
        "https://e.chinaeast2.inference.ml.azure.cn/jobs",
        "its host 'e.chinaeast2.inference",
    ),
    "of nobody we know": ("https://example.com/jobs", "its host 'example.com'"),
    "that only looks alike": (
        "https://evil-inference.ml.azure.com/jobs",
        "its host 'evil-inference.ml.azure.com'",
    ),
    "that no library decodes": ("https://xn--/jobs", "its host 'xn--'"),
    "not encrypted": ("http://e.r.inference.ml.azure.com/jobs", "is not encrypted"),
    "on this machine": ("http://127.0.0.1:8787/jobs", "its host '127.0.0.1:8787'"),
}


@pytest.mark.parametrize(("scoring_uri", "says"), FOREIGN.values(), ids=FOREIGN.keys())
def test_a_scoring_uri_is_of_the_connections_cloud(scoring_uri, says):
    """A scoring URI with a host that gets no token is refused before anything is recorded or sent."""
    played = play(BATCH.plan(invocation(scoring_uri=scoring_uri)))

    assert isinstance(played.raised, InvalidInput)
    assert str(played.raised).startswith(f"scoring_uri is '{scoring_uri}'")
    assert says in str(played.raised)
    assert "cloud_environment" in str(played.raised) or "https://" in played.raised.fix


def test_a_long_value_is_cut_in_the_message():
    """A message shows enough of a value to find it, not megabytes."""
    with pytest.raises(InvalidInput) as caught:
        invocation(endpoint_name="digits", inputs={"a": ["x" * 1_000_000]})

    assert len(str(caught.value)) < 500


SAS = "https://acct.blob.core.windows.net/c/p?sv=2024-11-04&sp=rl&sig=TOPSECRET%2Bx%3D"


def test_a_sas_is_sent_and_not_shown():
    """A SAS in a URI works; no repr and no message shows it."""
    order = invocation(endpoint_name="digits", inputs={"a": SAS, "b": {"type": "uri_file", "path": SAS}})

    assert order.properties["InputData"]["a"]["Uri"] == SAS
    assert "TOPSECRET" not in repr(order)


REFUSED_SAS = {
    "input": {"inputs": {"a": {"type": "nope", "path": SAS}}},
    "key": {"inputs": {"a": {"typ": "uri_file", SAS: 1}}},
    "name": {"inputs": {SAS: SAS}},
    "output": {"outputs": {"score": SAS}},
    "list": {"inputs": {"a": [SAS]}},
    "scoring URI": {"scoring_uri": SAS},
    "override": {"job_overrides": {"timeout": SAS}},
    "tag": {"tags": {"a": [SAS]}},
    "endpoint": {"endpoint_name": SAS},
    "inputs": {"inputs": SAS},
}


@pytest.mark.parametrize("arguments", REFUSED_SAS.values(), ids=REFUSED_SAS.keys())
def test_a_refusal_shows_no_signature(arguments):
    """Wherever a signed URL is given wrongly, the message redacts it."""
    with pytest.raises(InvalidInput) as caught:
        invocation(**{"endpoint_name": "digits"} | arguments)

    error = caught.value
    assert "TOPSECRET" not in f"{error} {error!r} {error.message} {error.fix} {error.args}"


# --- properties -------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        *("type", "path", "uri", "default", "value", "mode", "description", "JobInputType", "None", ""),
        *("uri_file", "uri_folder", "string", "integer", "float", "boolean", "literal", "download", "upload"),
        *(MNIST, PLACE, SAS),
    ]
)
NUMBERS = st.integers() | st.builds(pow, st.just(10), st.just(5000)) | st.just(-(2**63) - 1) | st.floats()
SCALARS = st.none() | st.booleans() | NUMBERS | st.text() | WORDS
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(), inner, max_size=4)
)
NAMED = st.dictionaries(st.sampled_from(["a", "b_2"]) | st.text(), JSON, max_size=3) | JSON


def is_strict_json(value):
    return json.loads(json.dumps(value, allow_nan=False)) == value


@given(NAMED)
def test_any_inputs_are_sent_or_refused(value):
    """Whatever value comes in, it turns into JSON that the service can read, or `InvalidInput`."""
    with suppress(InvalidInput):
        assert is_strict_json(input_data(value))


@given(NAMED)
def test_any_outputs_are_sent_or_refused(value):
    """The same for outputs, which always lie on a datastore."""
    with suppress(InvalidInput):
        found = output_data(value)
        assert is_strict_json(found)
        assert all("datastores/" in output["Uri"].lower() for output in found.values())


@given(JSON)
def test_any_single_input_is_sent_or_refused(value):
    """The same for the one input of a model deployment, which is never a literal."""
    with suppress(InvalidInput):
        (wire,) = single_input(value).values()
        assert wire["JobInputType"] != "Literal"
        assert is_strict_json(wire)


ARGUMENTS = {
    "endpoint_name": JSON | st.just("digits"),
    "scoring_uri": JSON | st.just("https://e.r.inference.ml.azure.com/jobs"),
    "deployment_name": JSON | st.just("blue"),
    "input": JSON,
    "inputs": NAMED,
    "outputs": NAMED,
    "experiment_name": JSON,
    "job_overrides": JSON
    | st.dictionaries(st.sampled_from(["timeout", "max_retries", "output_file_name", "logging_level"]), JSON),
    "tags": JSON,
    "properties": JSON,
}


@given(st.fixed_dictionaries({}, optional=ARGUMENTS))
def test_any_arguments_are_sent_or_refused(arguments):
    """Whatever a DAG says, there is a request to send, or `InvalidInput`."""
    with suppress(InvalidInput):
        order = invocation(**arguments)
        assert is_strict_json(order.properties)
        assert ask("POST", order.scoring_uri or "https://x/", "ml", body=order.properties).content
