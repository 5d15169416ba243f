"""Definitions of workflows: every table is sent as it is given, and what cannot work is refused."""

from __future__ import annotations

import copy
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_provider.errors import BatchError, InvalidInput
from airflow_batch_provider.services.modelarts.definition import (
    ENUMERATIONS,
    SERVER_OWNED,
    TABLES,
    UPDATABLE,
    changes,
    definition,
)
from airflow_batch_provider.services.modelarts.workflows import Workflows

from .script import EXAMPLE, PROJECT, WORKFLOW_ID, ok, play

RENDERED = "Did a template render to nothing?"


def wf(**fields):
    """Return a small workflow of two steps, changed."""
    small = {
        "name": "digits",
        "steps": [
            {"name": "a", "type": "job", "outputs": [{"name": "out", "type": "obs", "config": {}}]},
            {"name": "b", "type": "job", "depend_steps": ["a"]},
        ],
        "parameters": [{"name": "epochs", "type": "int"}],
        "data": [{"name": "d", "type": "obs"}],
        "storages": [{"name": "s", "type": "obs", "path": "/bucket/root/"}],
    }
    return {key: value for key, value in {**small, **fields}.items() if value is not None}


def steps(*changed):
    """Return the two steps with fields of each replaced."""
    return [{**one, **fields} for one, fields in zip(wf()["steps"], changed, strict=False)]


# --- every table ------------------------------------------------------------------------------------------

STEP = {
    "name": "节点 one",
    "type": "job",
    "inputs": [{"name": "0-data_url", "type": "obs", "data": "$ref/data/d", "value": {"obs_url": "/b-b/x/"}}],
    "outputs": [{"name": "train_url", "type": "obs", "config": {"obs_url": "/bucket/out/"}}],
    "created_at": "2022-09-09T11:28:29.6438+08:00",
    "title": "first",
    "description": "trains",
    "properties": {"kind": "job", "spec": {"flavor": "$ref/parameters/p"}},
    "depend_steps": ["check"],
    "conditions": [{"type": "==", "left": "$ref/parameters/p", "right": 1}],
    "if_then_steps": [],
    "else_then_steps": [],
    "policy": {"poll_interval_seconds": "10", "max_execution_minutes": 600},
}
CHECK = {
    "name": "check",
    "type": "condition",
    "conditions": [{"type": "or", "left": True, "right": False}],
    "if_then_steps": ["节点 one"],
    "else_then_steps": ["other"],
}
OTHER = {"name": "other", "type": "labeling", "inputs": [{"name": "i", "data": "$ref/consumptions/check2/o"}]}
CHECK2 = {"name": "check2", "type": "model", "outputs": [{"name": "o", "type": "model", "config": {}}]}
WHOLE = {
    "name": "everything",
    "workflow_id": WORKFLOW_ID,
    "created_at": "2022",
    "description": "all of it",
    "steps": [STEP, CHECK, OTHER, CHECK2],
    "user_name": "u",
    "workspace_id": "0",
    "data_requirements": [
        {
            "name": "needed",
            "type": "obs",
            "conditions": [{"attribute": "object_type", "operator": "equal", "value": "directory"}],
            "value": {"obs_url": "/bucket/in/"},
            "used_steps": ["other"],
            "delay": False,
        }
    ],
    "data": [{"name": "d", "type": "obs", "value": {"obs_url": "/bucket/d/"}, "used_steps": ["other"]}],
    "parameters": [
        {
            "name": "p",
            "type": "int",
            "description": "how often",
            "example": 3,
            "delay": True,
            "default": 1,
            "value": 2,
            "enum": [1, 2, 3],
            "used_steps": ["check"],
            "format": "flavor",
            "constraint": {"max": 3},
        }
    ],
    "latest_execution": {
        "execution_id": "e",
        "created_at": "2022",
        "status": "running",
        "running_steps": ["check"],
        "current_steps": ["check"],
        "duration": 3,
    },
    "run_count": 4,
    "param_ready": True,
    "source": "ai_gallery",
    "storages": [{"name": "root", "type": "obs", "path": "obs://bucket/root/"}],
    "labels": ["one"],
    "assets": [
        {"name": "a", "type": "algorithm", "content_id": "c", "subscription_id": "s", "expired_at": "2030"}
    ],
    "sub_graphs": [{"name": "stage", "steps": ["check", "other"]}],
    "extend": {"x": {"y": 1}},
    "policy": {
        "use_scene": "s",
        "scene_id": "1",
        "scenes": [{"id": "1", "name": "quick", "steps": ["check"]}],
    },
    "with_subscription": False,
    "smn_switch": True,
    "subscription_id": "s",
    "exeml_template_id": "t",
    "last_modified_at": "2022",
    "package": {
        "package_id": "p",
        "status": "ok",
        "pool_id": "p",
        "service_id": "s",
        "workflow_id": "w",
        "order": {
            "id": "o",
            "sku": {"code": "c", "period": "month", "queries_limit": 1, "price": 0.5},
            "sku_count": "2",
        },
        "consume_limit": 10,
        "current_consume": 1,
        "current_date": "2022",
        "limit_enable": True,
        "created_at": "2022",
    },
}
COPY = {"name": "copy", "source_workflow_id": WORKFLOW_ID}
GALLERY = {
    "name": "from-gallery",
    "gallery_subscription": {"content_id": "c", "version_id": "v", "expired_at": "2030"},
}


def test_every_field_of_every_table_is_sent_as_it_is_given():
    """The three kinds of workflow use each documented field, and come through unchanged and unremarked."""
    made = [definition(body) for body in (WHOLE, COPY, GALLERY)]
    used = set()

    def note(table, row):
        for key, value in row.items():
            used.add((table, key))
            kind = TABLES[table][key].strip("[]")
            for below in value if isinstance(value, list) else [value]:
                if kind in TABLES:
                    note(kind, below)

    for body in (WHOLE, COPY, GALLERY):
        note("workflow", body)

    assert used == {(table, key) for table, fields in TABLES.items() for key in fields}
    assert [one.body for one in made] == [
        {key: value for key, value in body.items() if key not in SERVER_OWNED}
        for body in (WHOLE, COPY, GALLERY)
    ]
    assert set(made[0].warnings) == {
        f"workflow.{key} is set by the service and was left out." for key in SERVER_OWNED
    }
    assert made[1].warnings == made[2].warnings == ()


def test_the_example_of_the_page_is_sent_unchanged():
    """The request that the service's own page shows is posted as it stands."""
    before = copy.deepcopy(EXAMPLE)
    order = definition(EXAMPLE)
    played = play(Workflows(PROJECT).create(order), [ok({**EXAMPLE, "workflow_id": WORKFLOW_ID}, 201)])

    assert played.body == EXAMPLE == before
    assert played.asked == [("POST", "/v2/p1/workflows")]
    assert played.requests[0].headers["x-project-id"] == "p1"
    assert played.returned["workflow_id"] == WORKFLOW_ID
    assert order.warnings == ()


def test_an_answer_can_be_a_definition():
    """What the service described can be sent again; what is null in it is not given."""
    answer = {**EXAMPLE, "workflow_id": WORKFLOW_ID, "run_count": 3, "gallery_subscription": None}

    assert definition(answer).body == EXAMPLE


@pytest.mark.parametrize(("table", "field"), ENUMERATIONS, ids=str)
def test_words_that_are_not_documented_are_told_and_sent(table, field):
    """The service knows more words than its page: an unknown one is reported, never refused."""
    body = copy.deepcopy(WHOLE)
    row = {
        "workflow": body,
        "step": body["steps"][3],
        "input": body["steps"][0]["inputs"][0],
        "output": body["steps"][3]["outputs"][0],
        "condition": body["steps"][1]["conditions"][0],
        "data_requirement": body["data_requirements"][0],
        "constraint": body["data_requirements"][0]["conditions"][0],
        "data": body["data"][0],
        "parameter": body["parameters"][0],
        "storage": body["storages"][0],
        "asset": body["assets"][0],
    }[table]
    row[field] = "brand_new"
    row["brand_new"] = 1
    row_of = definition(body)

    assert any("'brand_new'; documented are" in one and f".{field} is" in one for one in row_of.warnings), (
        row_of.warnings
    )
    assert any(
        one.endswith(".brand_new is not documented; it is passed on as it is.") for one in row_of.warnings
    )
    assert row_of.body == {key: value for key, value in body.items() if key not in SERVER_OWNED}


def test_other_kinds_of_references_are_told_and_sent():
    """A kind of reference that is not documented is no reason to refuse."""
    order = definition(wf(extend={"x": ["$ref/models/m"]}))

    assert order.warnings == (
        "workflow.extend.x[0] is '$ref/models/m', a kind of reference that is not documented.",
    )


@pytest.mark.parametrize(
    ("kind", "given", "sent"),
    [
        ("int", "3", 3),
        ("int", 3.0, 3),
        ("float", "0.5", 0.5),
        ("float", 1, 1),
        ("bool", "False", False),
        ("str", 3, "3"),
        ("str", "", ""),
        ("String", "a", "a"),
    ],
)
@pytest.mark.parametrize("field", ["default", "value"])
def test_a_default_is_of_its_parameters_type(kind, given, sent, field):
    """What a template rendered to text becomes what the type says, as it does for an execution."""
    (found,) = definition(wf(parameters=[{"name": "epochs", "type": kind, field: given}])).body["parameters"]

    assert (found[field], type(found[field])) == (sent, type(sent))


def test_a_condition_that_chooses_nothing_is_told_and_sent():
    """Whether a condition may stand without branches is not documented."""
    chooses_nothing = {"type": "condition", "conditions": [{"type": "==", "left": 1, "right": 1}]}

    (warning,) = definition(wf(steps=steps(chooses_nothing, {}))).warnings

    assert warning.startswith("workflow.steps[0] is a condition step that chooses nothing: it has neither")


# --- what is refused --------------------------------------------------------------------------------------

REFUSED = {
    "no mapping": ("x", "workflow is 'x'. It is a str.", "Give a mapping"),
    "nothing": (None, f"workflow is None. {RENDERED}", "Give a mapping"),
    "not JSON": (wf(extend={"x": {1, 2}}), "workflow is {", "Use mappings, lists"),
    "not a number": (wf(extend={"x": float("nan")}), "workflow is {", "finite numbers"),
    "too deep": (
        wf(extend={"x": json.loads("[" * 60 + "]" * 60)}),
        "workflow is nested more than 50",
        "Flatten",
    ),
    "no name": (
        wf(name=None),
        f"workflow.name is None, which is not a name that ModelArts accepts. {RENDERED}",
        "1 to 64",
    ),
    "empty name": (wf(name=""), "workflow.name is '',", RENDERED),
    "name of 65": (wf(name="a" * 65), "workflow.name is 'aaa", "1 to 64"),
    "name with a digit first": (wf(name="1a"), "workflow.name is '1a',", "a letter first"),
    "name with a line break": (wf(name="a\n"), "workflow.name is 'a\\n',", "letters"),
    "name of other letters": (wf(name="größe"), "workflow.name is 'größe',", "English or Chinese"),
    "no mode": (wf(steps=None), "workflow: none of steps, source_workflow_id", "exactly one"),
    "no steps": (wf(steps=[]), "workflow: none of steps", "exactly one"),
    "two modes": (
        wf(source_workflow_id="x"),
        "workflow: steps and source_workflow_id are all given.",
        "exactly one",
    ),
    "three modes": (
        wf(source_workflow_id="x", gallery_subscription={"content_id": "c"}),
        "workflow: steps and",
        "one",
    ),
    "a copy of what is no id": (
        {"name": "c", "source_workflow_id": "digits"},
        "workflow.source_workflow_id is 'digits', which is not an id",
        "Give a UUID",
    ),
    "gallery without content": (
        {"name": "g", "gallery_subscription": {"version_id": "v"}},
        "workflow.gallery_subscription is {'version_id': 'v'}, which lacks content_id.",
        "AI Gallery",
    ),
    "steps no list": (wf(steps={"name": "a"}), "workflow.steps is {'name': 'a'}. It is a dict.", "a list"),
    "step no mapping": (wf(steps=["a"]), "workflow.steps[0] is 'a'. It is a str.", "a mapping"),
    "step is null": (wf(steps=[None]), f"workflow.steps[0] is None. {RENDERED}", "a mapping"),
    "step without name": (wf(steps=[{"type": "job"}]), "workflow.steps[0].name is None,", "1 to 64"),
    "step without type": (wf(steps=[{"name": "a"}]), "workflow.steps[0].type is None.", "what kind"),
    "step twice": (
        wf(steps=[*wf()["steps"], *wf()["steps"]]),
        "workflow.steps[2].name is 'a', which is there already",
        "own",
    ),
    "text for a number": (
        wf(run_count=None, package={"consume_limit": "3"}),
        "workflow.package.consume_limit is '3'. It is a str.",
        "a whole number",
    ),
    "boolean for a number": (
        wf(package={"consume_limit": True}),
        "workflow.package.consume_limit is True.",
        "a whole number",
    ),
    "text for a boolean": (
        wf(smn_switch="true"),
        "workflow.smn_switch is 'true'. It is a str.",
        "true or false",
    ),
    "number for a boolean": (wf(smn_switch=1), "workflow.smn_switch is 1.", "true or false"),
    "text for a price": (
        wf(package={"order": {"sku": {"price": "1"}}}),
        "workflow.package.order.sku.price is '1'",
        "a number",
    ),
    "number for a text": (wf(description=3), "workflow.description is 3. It is a int.", "a text"),
    "list for a map": (wf(extend=[]), "workflow.extend is [].", "a mapping"),
    "label is a number": (wf(labels=["a", 3]), "workflow.labels[1] is 3.", "a text"),
    "interval": (
        wf(steps=steps({"policy": {"poll_interval_seconds": "1.5"}})),
        "workflow.steps[0].policy.poll_interval_seconds is '1.5'.",
        "a whole number",
    ),
    "input name": (
        wf(steps=steps({"inputs": [{"name": "my data"}]})),
        "workflow.steps[0].inputs[0].name is 'my data'",
        "digits",
    ),
    "input twice": (
        wf(steps=steps({"inputs": [{"name": "i"}, {"name": "i"}]})),
        "workflow.steps[0].inputs[1].name is 'i'",
        "own",
    ),
    "output without name": (
        wf(steps=steps({"outputs": [{"type": "obs"}]})),
        "workflow.steps[0].outputs[0].name is None.",
        "own",
    ),
    "output twice": (
        wf(steps=steps({"outputs": [{"name": "o"}, {"name": "o"}]})),
        "workflow.steps[0].outputs[1].name is 'o'.",
        "own",
    ),
    "parameter name": (
        wf(parameters=[{"name": "_a"}]),
        "workflow.parameters[0].name is '_a'",
        "a letter first",
    ),
    "parameter name of 65": (
        wf(parameters=[{"name": "a" * 65}]),
        "workflow.parameters[0].name is 'aaa",
        "64",
    ),
    "parameter twice": (
        wf(parameters=[{"name": "a"}, {"name": "a"}]),
        "workflow.parameters[1].name is 'a'",
        "own",
    ),
    "data name": (wf(data=[{"name": "a b"}]), "workflow.data[0].name is 'a b'", "letters"),
    "requirement name": (
        wf(data_requirements=[{"name": ""}]),
        "workflow.data_requirements[0].name is ''",
        RENDERED,
    ),
    "storage name": (wf(storages=[{"name": "é"}]), "workflow.storages[0].name is 'é'", "English"),
    "storage elsewhere": (
        wf(storages=[{"name": "s", "path": "https://x/y"}]),
        "workflow.storages[0].path is 'https://x/y', which is not a path of OBS.",
        "/bucket/folder/",
    ),
    "unknown dependency": (
        wf(steps=steps({}, {"depend_steps": ["aa"]})),
        "workflow.steps[1].depend_steps[0] is 'aa', but there is no such step.",
        "Did you mean 'a'?",
    ),
    "unknown branch": (
        wf(steps=steps({"if_then_steps": ["zzz"]})),
        "workflow.steps[0].if_then_steps[0] is 'zzz'",
        "There are 'a'.",
    ),
    "unknown other branch": (
        wf(steps=steps({"else_then_steps": ["zzz"]})),
        "workflow.steps[0].else_then_steps[0] is 'zzz'",
        "There are",
    ),
    "parameter used nowhere": (
        wf(parameters=[{"name": "p", "used_steps": ["x"]}]),
        "workflow.parameters[0].used_steps[0] is 'x'",
        "There are 'a', 'b'.",
    ),
    "data used nowhere": (
        wf(data=[{"name": "p", "used_steps": ["x"]}]),
        "workflow.data[0].used_steps[0] is 'x'",
        "'a'",
    ),
    "requirement used nowhere": (
        wf(data_requirements=[{"name": "p", "used_steps": ["x"]}]),
        "workflow.data_requirements[0].used_steps[0] is 'x'",
        "'a'",
    ),
    "sub-graph of nothing": (
        wf(sub_graphs=[{"name": "g", "steps": ["x"]}]),
        "workflow.sub_graphs[0].steps[0] is 'x'",
        "'a'",
    ),
    "scene of nothing": (
        wf(policy={"scenes": [{"id": "1", "steps": ["x"]}]}),
        "workflow.policy.scenes[0].steps[0] is 'x'",
        "'a'",
    ),
    "unknown scene": (
        wf(policy={"scene_id": "2", "scenes": [{"id": "1"}]}),
        "workflow.policy.scene_id is '2', but there is no such scene.",
        "There are '1'.",
    ),
    "default of another type": (
        wf(parameters=[{"name": "epochs", "type": "int", "default": "x"}]),
        "workflow.parameters[0].default is 'x', and the workflow says that it is of type int.",
        "a whole number",
    ),
    "value of another type": (
        wf(parameters=[{"name": "epochs", "type": "Bool", "value": 1}]),
        "workflow.parameters[0].value is 1, and the workflow says that it is of type bool.",
        "true or false",
    ),
    "condition without anything": (
        wf(steps=steps({"type": "condition"}, {})),
        "workflow.steps[0] is a condition step without conditions.",
        "if_then_steps",
    ),
    "condition without conditions": (
        wf(steps=steps({}, {"type": "condition", "conditions": [], "if_then_steps": ["a"]})),
        "workflow.steps[1] is a condition step without conditions.",
        "left",
    ),
    "data at a scheme": (
        wf(data=[{"name": "d", "type": "obs", "value": {"obs_url": "s3://"}}]),
        "workflow.data[0].value.obs_url is 's3://', which is not a path of OBS.",
        "obs://bucket/folder/",
    ),
    "requirement elsewhere": (
        wf(data_requirements=[{"name": "r", "value": {"obs_url": "https://bucket/x"}}]),
        "workflow.data_requirements[0].value.obs_url is 'https://bucket/x', which",
        "obs://bucket/folder/",
    ),
    "output at nothing": (
        wf(steps=steps({"outputs": [{"name": "o", "config": {"obs_url": " "}}]}, {})),
        f"workflow.steps[0].outputs[0].config.obs_url is ' ', which is not a path of OBS. {RENDERED}",
        "obs://bucket/folder/",
    ),
    "default outside its enum": (
        wf(parameters=[{"name": "p", "type": "str", "enum": ["a", "b"], "default": "c"}]),
        "workflow.parameters[0].default is 'c', which its enum does not have.",
        "Its enum has 'a', 'b'.",
    ),
    "value outside its enum": (
        wf(parameters=[{"name": "p", "type": "int", "enum": [1, "2"], "default": 2, "value": 3}]),
        "workflow.parameters[0].value is 3, which",
        "'1', '2'",
    ),
    "circle": (
        wf(steps=steps({"depend_steps": ["b"]}, {})),
        "workflow.steps wait for each other in a circle: 'a' → 'b' → 'a'.",
        "depend_steps",
    ),
    "circle of one": (
        wf(steps=steps({"depend_steps": ["a"]}, {})),
        "workflow.steps wait for each other in a circle: 'a' → 'a'.",
        "depend",
    ),
    "circle through a branch": (
        wf(steps=steps({}, {"if_then_steps": ["a"]})),
        "workflow.steps wait for each other",
        "if_then_steps",
    ),
    "circle through an output": (
        wf(
            steps=steps(
                {"inputs": [{"name": "i", "data": "$ref/consumptions/b/o"}]}, {"outputs": [{"name": "o"}]}
            )
        ),
        "workflow.steps wait for each other",
        "$ref/consumptions",
    ),
    "no such parameter": (
        wf(steps=steps({"properties": {"n": ["$ref/parameters/epoch"]}})),
        "workflow.steps[0].properties.n[0], '$ref/parameters/epoch': the name is 'epoch', but there is no",
        "Did you mean 'epochs'?",
    ),
    "no such data": (
        wf(extend={"x": "$ref/data/nope"}),
        "workflow.extend.x, '$ref/data/nope': the name is 'nope'",
        "There are 'd'.",
    ),
    "no data requirements": (
        wf(extend={"x": "$ref/data_requirements/nope"}),
        "workflow.extend.x, '$ref/data_requirements/nope'",
        "There are none.",
    ),
    "no such storage": (
        wf(extend={"x": "$ref/storages(with_execution_id=True, create_dir=True)/t/x"}),
        "workflow.extend.x, '$ref/storages(",
        "There are 's'.",
    ),
    "no such step": (
        wf(extend={"x": "$ref/consumptions/zz/out"}),
        "workflow.extend.x, '$ref/consumptions/zz/out': the step 'zz'",
        "There are 'a', 'b'.",
    ),
    "no such output": (
        wf(extend={"x": "$ref/consumptions/a/ou"}),
        "workflow.extend.x, '$ref/consumptions/a/ou': the output is 'ou'",
        "Did you mean 'out'?",
    ),
    "no output named": (
        wf(extend={"x": "$ref/consumptions/a"}),
        "workflow.extend.x, '$ref/consumptions/a': the output is ''",
        "'out'",
    ),
    "reference to nothing": (
        wf(extend={"x": "$ref/parameters/"}),
        "workflow.extend.x is '$ref/parameters/', which names nothing.",
        "$ref/parameters/NAME",
    ),
    "no flag": (
        wf(extend={"x": "$ref/storages(often)/s/x"}),
        "workflow.extend.x is '$ref/storages(often)/s/x', in which 'often' is no flag.",
        "create_dir=True",
    ),
}


@pytest.mark.parametrize(("body", "begins", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_work_is_refused_before_a_request(body, begins, says):
    """The message names the field and its value, and the fix says what to do."""
    with pytest.raises(InvalidInput) as caught:
        definition(body)

    assert str(caught.value).startswith(begins), str(caught.value)
    assert says in str(caught.value)
    assert caught.value.fix


ALLOWED = {
    "name of 64": wf(name="a" * 64),
    "Chinese name": wf(name="工作流 one_-2"),
    "input name with a digit first": wf(steps=steps({"inputs": [{"name": "1-a_B"}]})),
    "references": wf(
        extend={
            "x": [
                "$ref/parameters/epochs",
                "$ref/data/d",
                "$ref/storages/s/sub/dir",
                "$ref/storages()/s",
                "$ref/consumptions/a/out/field",
                "$reference",
                "text $ref/parameters/none",
            ]
        }
    ),
    "storage by reference": wf(storages=[{"name": "s", "path": "$ref/parameters/epochs"}]),
    "scene without a list": wf(policy={"scene_id": "2"}),
    "places by reference": wf(
        steps=steps({"outputs": [{"name": "out", "config": {"obs_url": "$ref/storages/s/x/", "n": 3}}]}, {})
    ),
    "place that is no text": wf(data=[{"name": "d", "value": {"obs_url": None}}]),
    "default by reference": wf(parameters=[{"name": "p", "type": "int", "default": "$ref/parameters/p"}]),
    "default of a type that is not a scalar": wf(
        parameters=[{"name": "epochs", "type": "json", "default": "{"}, {"name": "p", "default": "x"}]
    ),
    "null in a step": wf(steps=steps({"title": None})),
    "copy with references": {**COPY, "parameters": [{"name": "p", "used_steps": ["any"]}]},
    "copy that refers to what it brings": {
        **COPY,
        "extend": {"x": "$ref/data/any", "y": "$ref/consumptions/s/o"},
    },
}


@pytest.mark.parametrize("body", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_can_work_is_sent(body):
    """The rules refuse nothing that the documentation allows."""
    assert definition(body) == definition(definition(body).body)


# --- changes ----------------------------------------------------------------------------------------------


def test_a_workflow_is_changed_in_what_can_be_changed():
    """The documented fields go through; the others are refused with their names."""
    body = {key: WHOLE[key] for key in UPDATABLE}

    assert changes(body).body == body
    assert changes({"labels": ["a"]}).name == ""


@pytest.mark.parametrize(
    ("body", "begins"),
    [
        ({}, "changes is {}."),
        (None, "changes is None."),
        ({"data": []}, "changes has 'data', which cannot be changed."),
        ({"name": "1"}, "changes.name is '1'"),
        ({"labels": "a"}, "changes.labels is 'a'."),
        ({"steps": wf()["steps"][1:]}, "changes.steps[0].depend_steps[0] is 'a'"),
        (
            {"parameters": [{"name": "p"}], "steps": steps({"properties": {"x": "$ref/parameters/q"}})},
            "changes.steps[0].properties.x, '$ref/parameters/q': the name is 'q'",
        ),
    ],
)
def test_changes_that_cannot_work_are_refused(body, begins):
    """Changes are checked as far as they hold both ends of a reference."""
    with pytest.raises(InvalidInput) as caught:
        changes(body)

    assert str(caught.value).startswith(begins)


# --- properties -------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        *{key for table in TABLES.values() for key in table},
        *("a", "b", "job", "None", "", "$ref/parameters/a", "$ref/consumptions/a/b", "$ref/", "/bucket/x/"),
        "$ref/storages(with_execution_id=True)/a/b",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | WORDS
JSON = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(WORDS, below, max_size=5),
    max_leaves=12,
)
NAMES = st.lists(st.sampled_from(["a", "b", "c"]), max_size=2)
STEPS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["a", "b", "c"]), "type": st.just("job")},
        optional={"depend_steps": NAMES, "if_then_steps": NAMES, "properties": JSON, "outputs": JSON},
    ),
    min_size=1,
    max_size=3,
)
WORKFLOWS = st.fixed_dictionaries(
    {"name": st.just("w") | st.text()},
    optional={**dict.fromkeys(TABLES["workflow"].keys() - {"name", "steps"}, JSON), "steps": STEPS | JSON},
)


@given(WORKFLOWS | JSON)
def test_any_definition_is_sent_or_refused(value):
    """Whatever comes in, it turns into strict JSON that is a request's body, or a `BatchError`."""
    with suppress(BatchError):
        order = definition(value)
        assert json.loads(json.dumps(order.body, allow_nan=False)) == order.body
        assert play(Workflows(PROJECT).create(order), [ok({"workflow_id": "w"}, 201)]).body == order.body


@given(st.dictionaries(st.sampled_from(UPDATABLE) | st.text(), JSON, max_size=4) | JSON)
def test_any_changes_are_sent_or_refused(value):
    """The same for changes."""
    with suppress(BatchError):
        order = changes(value)
        assert play(Workflows(PROJECT).update(WORKFLOW_ID, order), [ok({})]).body == order.body
