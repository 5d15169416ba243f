"""Pipeline component deployments made by REST: command components run in order and pass data on."""

from __future__ import annotations

import json

import pytest

from airflow_batch_provider.emulator.server import Emulator

from .conftest import WORKSPACE, Azure, wait_for
from .lifecycle import ENDPOINT, Lifecycle

SQUARE = """
    import argparse, pathlib
    parser = argparse.ArgumentParser()
    for name in ("--numbers", "--plus", "--label", "--out"):
        parser.add_argument(name)
    given = parser.parse_args()
    out = pathlib.Path(given.out)
    for file in sorted(pathlib.Path(given.numbers).glob("*.txt")):
        out.joinpath(file.name).write_text(str(int(file.read_text()) ** 2 + int(given.plus)))
    out.joinpath("label").write_text(repr(given.label))
"""
COMMAND = "python square.py --numbers ${{inputs.numbers}} --plus ${{inputs.plus}} --out ${{outputs.squares}}"
PIPELINE = {
    "type": "pipeline",
    "inputs": {"data": {"type": "uri_folder"}, "plus": {"type": "integer", "default": 1}},
    "outputs": {"total": {"type": "uri_folder"}},
    # Written against their order, which is decided by who reads whose output.
    "jobs": {
        "sum": {
            "type": "command",
            "component": {
                "type": "command",
                "inputs": {"parts": {"type": "uri_folder"}},
                "outputs": {"total": {"type": "uri_folder"}},
                "command": "cat ${{inputs.parts}}/label > ${{outputs.total}}/label && "
                "cat ${{inputs.parts}}/*.txt | wc -c > ${{outputs.total}}/count",
            },
            "inputs": {"parts": "${{parent.jobs.square.outputs.squares}}"},
            "outputs": {"total": "${{parent.outputs.total}}"},
        },
        "square": {
            "type": "command",
            "componentId": f"{WORKSPACE}/components/square/versions/1",
            "inputs": {
                "numbers": "${{parent.inputs.data}}",
                "plus": {"job_input_type": "literal", "value": "${{parent.inputs.plus}}"},
            },
        },
    },
}


@pytest.fixture(scope="module")
def module_azure():
    with Emulator(speed=40) as running:
        azure = Azure(running.url)
        life = Lifecycle(azure)
        life.parts()
        root = life.blob("square/square.py", SQUARE)
        life.put("/codes/square/versions/1", {"properties": {"codeUri": f"{root}/square"}})
        square = {
            "type": "command",
            "inputs": {
                "numbers": {"type": "uri_folder"},
                "plus": {"type": "integer"},
                "label": {"type": "string", "optional": True},
            },
            "outputs": {"squares": {"type": "uri_folder"}},
            "code": f"{WORKSPACE}/codes/square/versions/1",
            "command": f"{COMMAND} $[[--label ${{{{inputs.label}}}}]]",
        }
        life.put("/components/square/versions/1", {"properties": {"componentSpec": square}})
        yield azure
        azure.http.close()


@pytest.fixture
def life(module_azure):
    module_azure.reset()
    return Lifecycle(module_azure)


def deploy(life, name, spec):
    """Deploy a pipeline component and make it the default of an endpoint of the same name."""
    life.put(f"/components/{name}/versions/1", {"properties": {"componentSpec": spec}})
    life.put(f"/batchEndpoints/{name}", ENDPOINT)
    configuration = {
        "deploymentConfigurationType": "PipelineComponent",
        "componentId": {"referenceType": "Id", "assetId": f"{WORKSPACE}/components/{name}/versions/1"},
        "settings": {"default_compute": "cluster", "continue_on_step_failure": "False"},
    }
    body = {"location": "eastus", "properties": {"deploymentConfiguration": configuration}}
    life.waited(life.put(f"/batchEndpoints/{name}/deployments/one", body))


def invoke(life, name, **inputs):
    uri = life.properties(f"/batchEndpoints/{name}")["scoringUri"]
    headers = life.azure.ml | {"azureml-model-deployment": "one"}
    job = life.azure.http.post(uri, json={"properties": {"inputData": inputs}}, headers=headers).json()
    return life.azure.finished(name, job["name"])


def folder(path):
    return {"jobInputType": "UriFolder", "uri": str(path)}


def blob(life, output, name):
    """Return the text of a file in an output."""
    store = life.properties("/datastores/workspaceblobstore")
    place = f"{store['accountName']}/{store['containerName']}/{output['uri'].rpartition('/paths/')[2]}"
    return life.azure.http.get(f"/blob/{place}{name}", headers=life.azure.storage).text


@pytest.mark.parametrize(("plus", "characters"), [(None, "7"), (100, "15")])
def test_steps_run_in_the_order_of_their_data_with_literals(life, numbers, plus, characters):
    """The squares of 0 to 4 plus the default 1 have seven digits; plus 100, each has three."""
    name = f"pipe-{characters}"
    deploy(life, name, PIPELINE)
    literal = {"plus": {"jobInputType": "Literal", "value": plus}} if plus else {}

    job = invoke(life, name, data=folder(numbers), **literal)

    assert (job["status"], job["error"]) == ("Completed", None)
    assert blob(life, job["outputs"]["total"], "label") == "None"
    assert blob(life, job["outputs"]["total"], "count").strip() == characters


def changed(path, value):
    """Return the pipeline with one place changed."""
    spec = json.loads(json.dumps(PIPELINE))
    place = spec["jobs"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return spec


WRONG = [
    (("sum", "component", "command"), "echo no space left; exit 3", ["sum", "3", "no space left"]),
    (("square", "componentId"), "azureml:nobody:4", ["nobody", "4"]),
    (("sum", "component", "type"), "sweep", ["sum", "sweep", "command components only"]),
    (("square", "inputs", "numbers"), "${{parent.jobs.sum.outputs.total}}", ["need each other"]),
    (("square", "inputs", "numbers"), "${{parent.jobs.none.outputs.total}}", ["none", "does not exist"]),
    (("square", "inputs", "numbers"), "${{parent.inputs.none}}", ["numbers", "has no value"]),
    (("sum", "component", "command"), "cat ${{inputs.none}}", ["inputs.none"]),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_failure_names_the_step_and_the_reason(life, numbers, number):
    (path, value, words), name = WRONG[number], f"bad-{number}"
    deploy(life, name, changed(path, value))

    job = invoke(life, name, data=folder(numbers))

    assert job["status"] == "Failed"
    for word in words:
        assert word in job["error"]


def test_command_gets_texts_files_and_variables_as_they_are(life):
    """A literal with blanks and quotes is one word; an output that is a file has its folder made."""
    spec = {
        "type": "pipeline",
        "inputs": {"words": {"type": "string"}},
        "outputs": {"told": {"type": "uri_folder"}},
        "jobs": {
            "write": {
                "component": {
                    "type": "command",
                    "inputs": {"words": {"type": "string"}},
                    "outputs": {"file": {"type": "uri_file"}},
                    "environment_variables": {"GREETING": "hello $HOME"},
                    "command": 'printf "%s|%s" ${{inputs.words}} "$GREETING" > ${{outputs.file}}',
                },
                "inputs": {"words": "${{parent.inputs.words}}"},
            },
            "copy": {
                "component": {
                    "type": "command",
                    "inputs": {"file": {"type": "uri_file"}},
                    "outputs": {"told": {"type": "uri_folder"}},
                    "command": "cp ${{inputs.file}} ${{outputs.told}}/words",
                },
                "inputs": {"file": "${{parent.jobs.write.outputs.file}}"},
                "outputs": {"told": "${{parent.outputs.told}}"},
            },
        },
    }
    deploy(life, "texts", spec)
    words = 'two words; it\'s "$(true)"'

    job = invoke(life, "texts", words={"jobInputType": "Literal", "value": words})

    assert (job["status"], job["error"]) == ("Completed", None)
    assert blob(life, job["outputs"]["told"], "words") == f"{words}|hello $HOME"


def test_input_that_does_not_exist_is_named(life):
    deploy(life, "absent", PIPELINE)

    job = invoke(life, "absent", data=folder("/nowhere/at/all"))

    assert job["status"] == "Failed"
    assert "input data" in job["error"]
    assert "/nowhere/at/all" in job["error"]


def test_deployment_needs_an_existing_pipeline_component_and_compute(life):
    life.put("/batchEndpoints/wrong", ENDPOINT)
    life.put("/components/whole/versions/1", {"properties": {"componentSpec": PIPELINE}})
    for component, compute, word in (
        ("none", "cluster", "components/none"),
        ("square", "cluster", "type is pipeline"),
        ("whole", "nowhere", "computes/nowhere"),
    ):
        named = {"referenceType": "Id", "assetId": f"{WORKSPACE}/components/{component}/versions/1"}
        configuration = {
            "deploymentConfigurationType": "PipelineComponent",
            "componentId": named,
            "settings": {"default_compute": compute},
        }
        body = {"location": "eastus", "properties": {"deploymentConfiguration": configuration}}

        answer = life.put("/batchEndpoints/wrong/deployments/one", body)

        assert answer.status_code == 400
        assert word in answer.json()["error"]["message"]


def test_pipeline_that_a_restart_interrupted_runs_only_what_was_left(tmp_path, numbers):
    """A step that ended is not run again; the step that was running is."""
    mark = tmp_path / "mark"
    spec = {
        "type": "pipeline",
        "inputs": {"data": {"type": "uri_folder"}},
        "jobs": {
            "first": {
                "component": {
                    "type": "command",
                    "outputs": {"out": {"type": "uri_folder"}},
                    "command": f"echo first >> {mark}; touch ${{{{outputs.out}}}}/x",
                }
            },
            "second": {
                "component": {
                    "type": "command",
                    "inputs": {"x": {"type": "uri_folder"}},
                    "command": f"echo second >> {mark}; ls ${{{{inputs.x}}}};"
                    f" until test -e {mark}.open; do sleep .01; done",
                },
                "inputs": {"x": "${{parent.jobs.first.outputs.out}}"},
            },
        },
    }
    with Emulator(tmp_path / "state", speed=40) as running:
        life = Lifecycle(Azure(running.url))
        life.parts()
        deploy(life, "halting", spec)
        uri = life.properties("/batchEndpoints/halting")["scoringUri"]
        headers = life.azure.ml | {"azureml-model-deployment": "one"}
        body = {"properties": {"inputData": {"data": folder(numbers)}}}
        name = life.azure.http.post(uri, json=body, headers=headers).json()["name"]
        wait_for(lambda: mark.exists() and "second" in mark.read_text())
        life.azure.http.close()
    (tmp_path / "mark.open").touch()
    with Emulator(tmp_path / "state", speed=40) as running:
        azure = Azure(running.url)
        job = azure.finished("halting", name)
        azure.http.close()

    assert (job["status"], job["error"]) == ("Completed", None)
    assert mark.read_text().split() == ["first", "second", "second"]
