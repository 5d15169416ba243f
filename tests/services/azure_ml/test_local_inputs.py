"""Which inputs are local paths, and what becomes of them."""

from __future__ import annotations

import pytest

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.services.azure_ml.local_inputs import Inputs, LocalInput, local_input

THERE = {"data", "/data", "sub/data"}
URIS = [
    "azureml:data:1",
    "azureml://datastores/d/paths/p",
    "https://account.blob.core.windows.net/c/p",
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/data/n/versions/1",
]


def found(value, *, literal):
    return local_input(value, "input", THERE.__contains__, literal=literal)


@pytest.mark.parametrize("text", ["./a", "../a", ".", "..", "file:///a", " ./a ", "/data"])
@pytest.mark.parametrize("literal", [False, True])
def test_a_text_that_can_only_be_a_path_is_one(text, literal):
    """Whether or not a literal were possible, and for the first of them whether or not it exists."""
    assert found(text, literal=literal) == LocalInput("input", text.strip())


@pytest.mark.parametrize(
    ("text", "literal", "is_path"),
    [
        ("data", False, True),
        ("data", True, False),
        ("sub/data", False, True),
        ("sub/data", True, False),
        ("/nothing", False, False),
        ("/nothing", True, False),
        ("append", False, False),
    ],
)
def test_a_text_that_can_be_a_literal_is_one(text, literal, is_path):
    """A relative path without a mark is a path only where no literal is possible, and if it exists."""
    assert (found(text, literal=literal) is not None) == is_path


@pytest.mark.parametrize(
    "value",
    [
        *URIS,
        None,
        "",
        "None",
        3,
        True,
        {"type": "string", "default": "./a"},
        {"default": 1},
        {"type": "literal", "value": "./a"},
        {"type": "uri_folder", "path": None},
        {"path": "None"},
        *({"path": uri} for uri in URIS),
    ],
)
@pytest.mark.parametrize("literal", [False, True])
def test_everything_else_is_left_alone(value, literal):
    """URIs, literals, and what is refused elsewhere."""
    assert found(value, literal=literal) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"path": "data"}, LocalInput("input", "data")),
        ({"uri": " nothing/there "}, LocalInput("input", "nothing/there")),
        ({"path": "file:///a"}, LocalInput("input", "file:///a")),
        (
            {"type": "uri_file", "path": "a.csv", "mode": "download"},
            LocalInput("input", "a.csv", "uri_file", {"mode": "download"}),
        ),
        ({"jobInputType": "UriFolder", "Uri": "a"}, LocalInput("input", "a", "uri_folder")),
        ({"type": "mlflow_model", "path": "model"}, LocalInput("input", "model", "mlflow_model")),
    ],
)
@pytest.mark.parametrize("literal", [False, True])
def test_in_a_mapping_whatever_is_no_uri_is_a_path(value, expected, literal):
    """As in the YAML of the command line; the other keys stay."""
    assert found(value, literal=literal) == expected


@pytest.mark.parametrize(
    "value", [{"type": "sting", "path": "a"}, {"path": "ftp:/a", "pth": 1}, {"path": "ftp://a"}]
)
def test_what_means_nothing_is_refused(value):
    """A wrong type, key or URI is told before anything is uploaded."""
    with pytest.raises(InvalidInput):
        found(value, literal=True)


@pytest.mark.parametrize(
    ("type", "is_folder", "expected"),
    [
        ("", True, "uri_folder"),
        ("", False, "uri_file"),
        ("uri_file", False, "uri_file"),
        ("custom_model", True, "custom_model"),
    ],
)
def test_the_type_is_that_of_what_is_there(type, is_folder, expected):  # noqa: A002
    """Unless the user says one."""
    local = LocalInput("input", "a", type, {"mode": "download"})

    local.check(is_folder=is_folder)

    assert local.at("azureml://x", is_folder=is_folder) == {
        "type": expected,
        "path": "azureml://x",
        "mode": "download",
    }


@pytest.mark.parametrize(
    ("type", "is_folder", "kind"), [("uri_file", True, "a folder"), ("uri_folder", False, "a file")]
)
def test_a_type_that_does_not_fit_is_refused(type, is_folder, kind):  # noqa: A002
    """The service would not find what it expects."""
    with pytest.raises(InvalidInput, match=f"input has the type {type}, but 'a' is {kind}"):
        LocalInput("input", "a", type).check(is_folder=is_folder)


def test_local_paths_are_replaced_where_they_are():
    """The one input and the named ones, each by its own; literals and URIs stay."""
    named = {"x": "./a", "mode": "data", "y": {"type": "uri_file", "path": "b"}, "z": "azureml:c:1"}
    inputs = Inputs.read("data", named, THERE.__contains__)

    placed = inputs.at(lambda local: {"path": f"at {local.path}"})

    assert {key: local.name for key, local in inputs.local.items()} == {
        None: "input",
        "x": "inputs['x']",
        "y": "inputs['y']",
    }
    assert placed.input == {"path": "at data"}
    assert placed.inputs == named | {"x": {"path": "at ./a"}, "y": {"path": "at b"}}
    assert not placed.local


@pytest.mark.parametrize(
    ("one", "named"), [(None, None), ("azureml:a:1", None), (None, {"x": 1}), (None, "text")]
)
def test_without_local_paths_nothing_changes(one, named):
    """Whatever the arguments are."""
    inputs = Inputs.read(one, named, THERE.__contains__)

    assert inputs.at(lambda _: {}) is inputs
    assert (inputs.input, inputs.inputs) == (one, named)


def test_one_of_the_two_may_be_local():
    """The other argument stays as it is."""
    placed = Inputs.read("./a", None, THERE.__contains__).at(lambda _: {"path": "p"})

    assert (placed.input, placed.inputs) == ({"path": "p"}, None)
