"""What is said of a template that cannot be rendered."""

from __future__ import annotations

import pytest
from airflow.sdk import DAG

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.operators.azure_ml import (
    AzureMLBatchEndpointOperator,
    AzureMLDeleteBatchEndpointOperator,
)
from airflow_batch_provider.operators.modelarts import (
    ModelArtsCreateWorkflowOperator,
    ModelArtsDeleteWorkflowOperator,
    ModelArtsWorkflowOperator,
)
from airflow_batch_provider.sensors import BatchOutputSensor, ModelArtsExecutionSensor

GONE = "{{ params.gone }}"
DEFAULT = "{{ name | default('x') }}"


def rendered(task, kind, **arguments):
    with DAG("dag", schedule=None):
        operator = kind(task_id="task", **arguments)
    context = task.context(here="x")
    operator.render_template_fields(context)
    return operator, context


@pytest.mark.parametrize(
    ("kind", "arguments", "place"),
    [
        (AzureMLBatchEndpointOperator, {"endpoint_name": GONE}, "endpoint_name"),
        (AzureMLDeleteBatchEndpointOperator, {"endpoint_name": GONE}, "endpoint_name"),
        (ModelArtsWorkflowOperator, {"workflow_name": GONE}, "workflow_name"),
        (
            ModelArtsWorkflowOperator,
            {"workflow_name": "x", "parameters": {"a": ["{{ params.here }}", {"b": GONE}], "c": GONE}},
            "parameters['a'][1]['b']",
        ),
        (ModelArtsCreateWorkflowOperator, {"name": "x", "labels": ["y", GONE]}, "labels[1]"),
        (ModelArtsDeleteWorkflowOperator, {"workflow_name": GONE}, "workflow_name"),
        (ModelArtsExecutionSensor, {"workflow_name": "x", "execution_id": GONE}, "execution_id"),
        (BatchOutputSensor, {"path": GONE}, "path"),
    ],
)
def test_an_argument_whose_template_finds_nothing_is_named(task, kind, arguments, place):
    """With the template and what to do, in the error itself."""
    with pytest.raises(InvalidInput) as caught:
        rendered(task, kind, **arguments)

    assert str(caught.value).startswith(f"{place} is '{GONE}', which cannot be rendered: ")
    assert "gone" in str(caught.value).partition("rendered: ")[2]
    assert DEFAULT in caught.value.fix


def test_a_template_that_is_none_is_named(task):
    """A bracket that is missing is told the same way."""
    with pytest.raises(InvalidInput, match=r"^name is '\{\{ x', which cannot be rendered: "):
        rendered(task, ModelArtsWorkflowOperator, workflow_name="x", name="{{ x")


@pytest.mark.parametrize("text", ["{name: {{ params.gone }}}", "{name: {{ x}"])
def test_a_template_in_a_file_is_named(modelarts, task, tmp_path, text):
    """The argument and the file are, and the line where it is known."""
    file = tmp_path / "flow.yml"
    file.write_text(text)
    operator, context = rendered(task, ModelArtsWorkflowOperator, workflow=str(file))
    with pytest.raises(InvalidInput) as caught:
        operator.execute(context)

    assert str(caught.value).startswith(f"workflow is '{file}")
    assert "which cannot be rendered" in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize(("name", "language"), [("flow.json", "JSON"), ("flow.yml", "YAML")])
def test_a_file_that_cannot_be_read_is_of_its_own_language(modelarts, task, tmp_path, name, language):
    """Nobody is told to mend YAML in a JSON file."""
    (tmp_path / name).write_text('{"name": ')
    operator, context = rendered(task, ModelArtsWorkflowOperator, workflow=str(tmp_path / name))
    with pytest.raises(InvalidInput, match=rf"Mend the file's {language}\.$"):
        operator.execute(context)
