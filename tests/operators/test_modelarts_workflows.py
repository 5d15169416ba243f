"""Creating and deleting workflows on the emulator, and the hook's own ways."""

from __future__ import annotations

import json
import re
from pathlib import Path
from uuid import uuid4

import pytest
from airflow.sdk import DAG

from airflow_batch_provider import errors
from airflow_batch_provider.hooks import hook_for
from airflow_batch_provider.hooks.modelarts import ModelArtsHook
from airflow_batch_provider.operators.modelarts import (
    ModelArtsCreateWorkflowOperator,
    ModelArtsDeleteWorkflowOperator,
    ModelArtsWorkflowOperator,
)
from airflow_batch_provider.provider_info import PROVIDER_INFO

EXAMPLE = Path(__file__).parents[1] / "services" / "modelarts" / "create_workflow_example.json"
STEPS = [{"name": "train", "type": "model", "properties": {"emulator": {"run_seconds": 0.1}}}]
both_kinds = pytest.mark.parametrize("modelarts", ["aksk", "token"], indirect=True)


def create(**arguments):
    return ModelArtsCreateWorkflowOperator(task_id="create", **arguments)


def delete(**arguments):
    return ModelArtsDeleteWorkflowOperator(task_id="delete", **arguments)


def created(modelarts):
    return [
        one for one in modelarts.requests() if one["method"] == "POST" and one["path"].endswith("/workflows")
    ]


def fresh():
    return f"flow-{uuid4().hex[:8]}"


@both_kinds
def test_the_vendors_example_goes_through_unchanged(modelarts, task):
    """What the API page shows is sent as it is, and the workflow is returned with its id."""
    example = json.loads(EXAMPLE.read_text()) | {"name": fresh()}

    workflow = task.run(create(workflow=example))

    (sent,) = created(modelarts)
    assert sent["body"] == example
    assert task.instance.xcoms["workflow_id"] == workflow["workflow_id"]
    assert [step["name"] for step in workflow["steps"]] == [step["name"] for step in example["steps"]]


def test_a_definition_is_read_from_a_file_and_added_to(modelarts, task, tmp_path):
    """Templates in the file are rendered; arguments add what the file does not say."""
    (tmp_path / "flow.yml").write_text(json.dumps({"name": "{{ params.name }}", "steps": STEPS}))
    name = fresh()
    workflow = task.run(create(workflow=str(tmp_path / "flow.yml"), labels=["{{ params.name }}"]), name=name)

    assert (workflow["name"], workflow["labels"]) == (name, [name])
    with pytest.raises(errors.InvalidInput, match="name: given as arguments and in workflow, too"):
        task.run(create(workflow=str(tmp_path / "flow.yml"), name="x"), name=name)


def test_a_workflow_is_copied_or_taken_from_the_gallery(modelarts, task):
    """The three ways to create one exclude each other."""
    first = task.run(create(name=fresh(), steps=STEPS))
    copy = task.run(create(name=fresh(), source_workflow_id=first["workflow_id"]))
    gallery = task.run(create(name=fresh(), gallery_subscription={"content_id": str(uuid4())}))

    assert [step["name"] for step in copy["steps"]] == ["train"]
    assert gallery["workflow_id"] != copy["workflow_id"] != first["workflow_id"]
    with pytest.raises(errors.InvalidInput, match="steps and source_workflow_id are all given"):
        task.run(create(name=fresh(), steps=STEPS, source_workflow_id=first["workflow_id"]))


@pytest.mark.parametrize("if_exists", ["reuse", "update", "fail"])
def test_a_name_that_exists(modelarts, task, if_exists):
    """It is taken as it is, changed, or refused; a second workflow of the name is never created."""
    name = fresh()
    first = task.run(create(name=name, steps=STEPS, description="old"))
    again = create(name=name, steps=STEPS, description="new", if_exists=if_exists)

    if if_exists == "fail":
        with pytest.raises(errors.InvalidInput, match=first["workflow_id"]):
            task.run(again)
    else:
        found = task.run(again)
        assert found["workflow_id"] == first["workflow_id"]
        assert found["description"] == ("new" if if_exists == "update" else "old")
    assert len(created(modelarts)) == 1


@pytest.mark.parametrize("if_exists", ["reuse", "update"])
def test_a_definition_that_was_not_applied_is_told(modelarts, task, capsys, if_exists):
    """The log of a task that took a workflow as it is says so; creating and changing one says nothing."""
    del modelarts
    said = "its definition was left as it is (if_exists='reuse')"
    name = fresh()
    task.run(create(name=name, steps=STEPS, description="old", if_exists=if_exists))
    first = capsys.readouterr().out
    task.run(create(name=name, steps=STEPS, description="new", if_exists=if_exists))
    second = capsys.readouterr().out

    assert "Created workflow" in first
    assert said not in first
    assert "Found workflow" in second
    assert (said in second) == (if_exists == "reuse")


@pytest.mark.parametrize("action", ["drop_after", "truncate"])
def test_a_workflow_whose_answer_was_lost_is_found(modelarts, task, action):
    """It is looked up by its name, and not created twice."""
    modelarts.fail(action=action, match={"method": "POST", "path": "/workflows$"}, times=1)

    task.run(create(name=fresh(), steps=STEPS))

    assert len(created(modelarts)) == 1


def test_a_bad_definition_is_told_before_any_request(modelarts, task):
    """Names, references and circles are checked here."""
    loop = [{**STEPS[0], "name": name, "depend_steps": [other]} for name, other in (("a", "b"), ("b", "a"))]
    with pytest.raises(errors.InvalidInput, match="in a circle"):
        task.run(create(name=fresh(), steps=loop))
    with pytest.raises(errors.InvalidInput, match=r"workflow\.name is 'None'"):
        task.run(create(name="{{ none }}", steps=STEPS))

    assert modelarts.requests() == []


@both_kinds
def test_a_workflow_is_deleted_by_its_name_or_id(modelarts, task):
    """One that is gone is no error, so a teardown may run twice."""
    one, other = (task.run(create(name=fresh(), steps=STEPS)) for _ in range(2))

    assert task.run(delete(workflow_id=one["workflow_id"])) is True
    assert task.run(delete(workflow_id=one["workflow_id"])) is False
    assert task.run(delete(workflow_name="{{ params.name }}"), name=other["name"]) is True
    assert task.run(delete(workflow_name=other["name"])) is False


# --- mapping ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "rest", "field", "value"),
    [
        (ModelArtsCreateWorkflowOperator, {"steps": STEPS}, "name", "{{ word }}"),
        (ModelArtsCreateWorkflowOperator, {}, "workflow", {"name": "{{ word }}", "steps": STEPS}),
        (
            ModelArtsWorkflowOperator,
            {"wait_for_completion": False},
            "workflow",
            {"name": "{{ word }}", "steps": STEPS},
        ),
        (
            ModelArtsWorkflowOperator,
            {"wait_for_completion": False, "workflow": {"name": "mapped", "steps": STEPS}},
            "labels",
            ["{{ word }}"],
        ),
    ],
)
def test_arguments_are_mapped(  # noqa: PLR0917  # fixtures and the table
    modelarts, task, operator, rest, field, value
):
    """Each task instance renders and uses its own value."""
    word = fresh()
    with DAG("dag", schedule=None):
        mapped = operator.partial(task_id="task", **rest).expand(**{field: ["unused", value]})
    task.instance.map_index = 1
    context = {**task.context(), "dag": mapped.dag, "word": word}
    mapped.render_template_fields(context)
    context["task"].execute(context)

    assert word in json.dumps([one["body"] for one in modelarts.requests()])


@pytest.mark.parametrize(
    "operator", [ModelArtsCreateWorkflowOperator, ModelArtsDeleteWorkflowOperator, ModelArtsWorkflowOperator]
)
def test_every_template_field_is_an_argument(operator):
    """Airflow would refuse the DAG otherwise."""
    given = {"workflow_name": "x"} if "workflow_name" in operator.template_fields else {}
    assert all(hasattr(operator(task_id="t", **given), field) for field in operator.template_fields)


# --- the hook ---------------------------------------------------------------------------------------------


@both_kinds
def test_a_connection_that_works_says_what_it_reached(modelarts):
    """*Test connection* finds the project and lists its workflows."""
    works, told = hook_for("modelarts", "modelarts_default", {}).test_connection()

    assert works, told
    assert "cn-north-4 answers" in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"login": ""}, r"^Failed while reading the connection\. Connection 'modelarts_default': auth is"),
        ({"extra": {"auth": "x"}}, r"^Failed while reading the connection\. Connection .*auth is 'x'"),
        ({"password": "wrong"}, "credential, it is not accepted"),
        ({"extra": {"project_id": "0" * 32}}, "permissions"),
        (
            {"extra": {"project_id": "", "region": "cn-south-1"}},
            "Failed while finding the project.*project, it",
        ),
        ({"host": "http://127.0.0.1:9"}, "Failed while listing.*network, nothing answers"),
        ({"extra": {"project_id": "", "iam_endpoint": "http://127.0.0.1:9"}}, "finding the project.*network"),
        ({"host": "https://nowhere.invalid"}, "name resolution"),
    ],
)
@pytest.mark.usefixtures("no_pauses")
def test_a_connection_that_fails_says_at_which_hop(modelarts, monkeypatch, changes, told):
    """The step, the addresses and the layer are named."""
    found = json.loads(json.dumps(modelarts.connection))
    changed = {**found, **changes, "extra": found["extra"] | changes.get("extra", {})}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(changed))

    works, said = ModelArtsHook().test_connection()

    assert not works
    assert re.search(told, said), said


def test_a_server_without_tls_is_told(modelarts, monkeypatch):
    """A host without a scheme is asked with TLS; that the server speaks none is no matter of certificates."""
    plain = {**modelarts.connection, "host": modelarts.connection["host"].removeprefix("http://")}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(plain))

    works, said = ModelArtsHook().test_connection()

    assert not works
    assert re.search("the server speaks none there; .* http://", said), said
    assert "certificate" not in said


def test_the_project_is_looked_up_once_for_all_tasks(modelarts, task, monkeypatch):
    """IAM is asked by the first task of a process, not by each."""
    found = json.loads(json.dumps(modelarts.connection))
    found["extra"] |= {"project_id": "", "workspace_id": uuid4().hex[:6]}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(found))

    for _ in range(3):
        task.run(create(name=fresh(), steps=STEPS))

    assert len([one for one in modelarts.requests() if one["path"].startswith("/v3/projects")]) == 1


def test_the_form_offers_the_ways_to_authenticate():
    """A dropdown, and a description for each field."""
    (form,) = [one for one in PROVIDER_INFO["connection-types"] if one["connection-type"] == "modelarts"]

    assert form["conn-fields"]["auth"]["schema"]["enum"] == ["aksk", "token"]
    assert all(field["description"] for field in form["conn-fields"].values())
