"""Workflows, parameters, data and references."""

from __future__ import annotations

import json
from contextlib import suppress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_provider.errors import AnswerLost, BadRequest, InvalidInput, NotFound, UnexpectedAnswer
from airflow_batch_provider.services.modelarts import obs
from airflow_batch_provider.services.modelarts.definition import UPDATABLE, changes, definition
from airflow_batch_provider.services.modelarts.names import near
from airflow_batch_provider.services.modelarts.parameters import data_requirements, parameters
from airflow_batch_provider.services.modelarts.project import Project
from airflow_batch_provider.services.modelarts.refs import Ref, overridden, parse, resolve
from airflow_batch_provider.services.modelarts.starting import start
from airflow_batch_provider.services.modelarts.workflows import Workflows

from .script import (
    BASE,
    EXAMPLE,
    GONE,
    HTML,
    PROJECT,
    REF,
    SERVICE,
    WORKFLOW_ID,
    items,
    ok,
    play,
    refused,
    workflow,
)

WORKFLOWS = Workflows(PROJECT)
IN_WORKSPACE = Workflows(Project(PROJECT.endpoints, "cn-north-4", "p1", "7"))
ORDER = definition(EXAMPLE)
ROW = {"name": ORDER.name, "workflow_id": WORKFLOW_ID}
GONE_400 = refused(400, "ModelArts.7512")
RENDERED = "Did a template render to nothing?"


# --- workflows --------------------------------------------------------------------------------------------


def test_a_workflow_is_created_in_the_connections_workspace():
    """Unless the definition names one."""
    small = definition({"name": "a", "source_workflow_id": WORKFLOW_ID})
    created = play(IN_WORKSPACE.create(small), [ok(ROW, 201)])
    named = play(IN_WORKSPACE.create(ORDER), [ok(ROW, 201)])
    listed = play(IN_WORKSPACE.list(), [items()])

    assert (created.body["workspace_id"], named.body["workspace_id"]) == ("7", "0")
    assert listed.requests[0].url.params["workspace_id"] == "7"


def test_a_copy_of_what_is_not_there_names_the_field():
    """The service tells of a workflow; which argument named it, it does not know."""
    copied = play(WORKFLOWS.create(definition({"name": "a", "source_workflow_id": WORKFLOW_ID})), [GONE_400])
    other = play(WORKFLOWS.create(ORDER), [GONE_400])

    assert f"Check source_workflow_id '{WORKFLOW_ID}'" in str(copied.raised)
    assert "source_workflow_id" not in str(other.raised)


@pytest.mark.parametrize("lost", [httpx.ReadTimeout("x"), refused(500, "x"), HTML, ok({}, 201)])
def test_a_creation_is_sent_once(lost):
    """A lost answer is told, with what to look for; by name it can be looked up."""
    created = play(WORKFLOWS.create(ORDER), [lost])
    found = play(WORKFLOWS.ensure(ORDER), [items(), lost, items(ROW)])
    unknown = play(WORKFLOWS.ensure(ORDER), [items(), lost, items()])

    assert type(created.raised) is type(unknown.raised) is AnswerLost
    assert found.returned == (ROW, True)
    assert found.asked == [("GET", BASE), ("POST", BASE), ("GET", BASE)]


def test_a_workflow_is_ensured():
    """One of this name is taken as it is; several are refused; a refusal is told."""
    assert play(WORKFLOWS.ensure(ORDER), [items(ROW)]).returned == (ROW, False)
    assert play(WORKFLOWS.ensure(ORDER), [items(), ok(ROW, 201), items(ROW)]).returned == (ROW, True)
    assert play(WORKFLOWS.ensure(ORDER), [items(), ok(ROW, 201), items()]).returned == (ROW, True)
    assert isinstance(play(WORKFLOWS.find(ORDER.name), [items(ROW, ROW)]).raised, InvalidInput)
    assert isinstance(play(WORKFLOWS.create(ORDER), [refused(400)]).raised, BadRequest)


OTHER_ID = WORKFLOW_ID.replace("f", "e")
MINE = {**ROW, "created_at": "2022-09-09T11:28:29.639658+08:00"}


def created(at, workflow_id=OTHER_ID):
    return {**ROW, "workflow_id": workflow_id, "created_at": f"2022-09-09T11:28:{at}+08:00"}


@pytest.mark.parametrize(
    ("other", "mine_stays"),
    [
        (created("28.7"), False),
        (created("29.63"), False),
        (created("29.7"), True),
        (created("30.1"), True),
        (created("29.639658"), False),
        (created("29.639658", "ffffffff-43eb-4ab1-a0b1-9cc584182c60"), True),
        ({"name": ORDER.name, "created_at": "2021"}, True),
    ],
)
def test_who_creates_a_name_at_the_same_time_as_others_settles_on_the_oldest(other, mine_stays):
    """All decide alike, by the time and then by the id; one's own that is younger is deleted."""
    begun = [items(), ok(MINE, 201), items(other, MINE)]
    rest = [] if mine_stays else [ok(MINE), httpx.Response(204)]
    told = []
    played = play(Workflows(PROJECT, tell=told.append).ensure(ORDER), begun + rest)

    assert played.returned == ((MINE, True) if mine_stays else (other, False))
    assert [asked for asked in played.asked if asked[0] == "DELETE"] == (
        [] if mine_stays else [("DELETE", f"{BASE}/{WORKFLOW_ID}")]
    )
    assert bool(told) != mine_stays
    assert all(WORKFLOW_ID in line and OTHER_ID in line for line in told)


@pytest.mark.parametrize(
    "answers",
    [
        [ok({**MINE, "run_count": 1})],
        [ok({**MINE, "latest_execution": {"execution_id": "e"}})],
        [ok(MINE), refused(403, "ModelArts.0108")],
        [refused(400, GONE["workflow"])],
    ],
)
def test_ones_own_younger_workflow_stays_if_it_is_used_or_cannot_be_deleted(answers):
    """The oldest is used all the same, and the log says what is left."""
    begun, told = [items(), ok(MINE, 201), items(created("28"), MINE)], []
    played = play(Workflows(PROJECT, tell=told.append).ensure(ORDER), begun + answers)

    assert played.returned == (created("28"), False)
    assert WORKFLOW_ID in told[0]


def test_several_of_one_name_are_looked_at_again_before_they_are_refused():
    """Who else creates one at this moment deletes it soon; those that stay are the user's to tell apart."""
    two, one = items(ROW, {**ROW, "workflow_id": OTHER_ID}), items(ROW)
    settled = play(WORKFLOWS.ensure(ORDER), [two, two, one])
    stays = play(WORKFLOWS.ensure(ORDER), [two] * 4)

    assert (settled.returned, len(settled.pauses)) == ((ROW, False), 2)
    assert isinstance(stays.raised, InvalidInput)
    assert sum(stays.pauses) < 10


def test_workflows_are_listed():
    """By part of a name, label and status of the last execution, page by page."""
    played = play(WORKFLOWS.list(name="a b", label="l", status="running"), [items(*[ROW] * 100), items(ROW)])

    assert len(played.returned) == 101
    assert played.requests[1].url.query == (
        b"name=a%20b&search_type=contain&labels=l&status=running&limit=100&offset=100"
    )


def test_a_workflow_is_changed_and_deleted():
    """What was lost and asked again may be gone already."""
    changed = play(WORKFLOWS.update(WORKFLOW_ID, changes({"labels": ["a"]})), [ok(workflow())])
    deleted = play(WORKFLOWS.delete(WORKFLOW_ID), [httpx.Response(204)])
    gone = play(WORKFLOWS.delete(WORKFLOW_ID), [httpx.ReadError("x"), refused(400, GONE["workflow"])])

    assert (changed.asked, changed.body) == ([("PUT", f"{BASE}/{WORKFLOW_ID}")], {"labels": ["a"]})
    assert (deleted.asked, deleted.returned) == ([("DELETE", f"{BASE}/{WORKFLOW_ID}")], True)
    assert gone.returned is False


@pytest.mark.parametrize("workflow_id", ["digits", "", None, f"{WORKFLOW_ID}/x", "../x"])
def test_an_id_is_a_uuid(workflow_id):
    """The service refuses others in words that name no field; nothing is sent."""
    for flow in (WORKFLOWS.get(workflow_id), WORKFLOWS.delete(workflow_id)):
        played = play(flow)
        assert isinstance(played.raised, InvalidInput)
        assert f"workflow_id is {workflow_id!r}" in str(played.raised)
        assert "for a name, give workflow_name" in str(played.raised)


def test_what_is_not_there_is_told():
    """An answer without the workflow is none."""
    assert isinstance(play(WORKFLOWS.get(WORKFLOW_ID), [refused(400, GONE["workflow"])]).raised, NotFound)
    assert isinstance(play(WORKFLOWS.get(WORKFLOW_ID), [ok({"x": 1})]).raised, UnexpectedAnswer)


@pytest.mark.parametrize(
    ("flow", "code", "says"),
    [
        (WORKFLOWS.get(WORKFLOW_ID), GONE["workflow"], "Check workflow_id"),
        (SERVICE.get(REF), GONE["execution"], "Check execution_id"),
    ],
)
def test_an_id_that_nothing_has_is_told_with_its_field(flow, code, says):
    """The value is in what was asked; the fix names the field and what else may be wrong."""
    error = play(flow, [refused(400, code, "It was not found.")]).raised

    assert isinstance(error, NotFound)
    assert WORKFLOW_ID in str(error) or REF.id in str(error)
    assert error.fix.startswith(says)
    assert "region" in error.fix
    assert "project" in error.fix


def test_a_name_with_half_a_character_cannot_be_asked_for():
    """What no URL can carry is refused with its value."""
    assert isinstance(play(WORKFLOWS.list(name="\ud800")).raised, InvalidInput)


# --- what an execution is started with --------------------------------------------------------------------

REFUSED = {
    "nothing": ({}, "none of workflow_id, workflow_name, workflow is given.", "exactly one"),
    "two": (
        {"workflow_id": WORKFLOW_ID, "workflow_name": "a"},
        "workflow_id and workflow_name are given.",
        "one",
    ),
    "empty id": ({"workflow_id": ""}, "workflow_id is ''.", RENDERED),
    "a name as id": (
        {"workflow_id": "digits"},
        "workflow_id is 'digits', which is not an id",
        "workflow_name",
    ),
    "empty name": ({"workflow_name": "None"}, "workflow_name is 'None'", RENDERED),
    "blank name": ({"workflow_name": " "}, "workflow_name is ' ',", RENDERED),
    "definition": ({"workflow": {"name": "1"}}, "workflow.name is '1'", "letter first"),
    "name": ({"workflow_name": "a", "name": ""}, "name is ''.", RENDERED),
    "description": ({"workflow_name": "a", "description": 3}, "description is 3.", "Give a text"),
    "scene": ({"workflow_name": "a", "scene_id": "None"}, "scene_id is 'None'.", RENDERED),
    "labels": ({"workflow_name": "a", "labels": "x"}, "labels is 'x'.", "a list"),
    "label": ({"workflow_name": "a", "labels": ["x", 3]}, "labels[1] is 3.", "a text"),
    "no label": ({"workflow_name": "a", "labels": [None]}, "labels[0] is None.", RENDERED),
    "cache": ({"workflow_name": "a", "use_cache": "perhaps"}, "use_cache is 'perhaps'.", "true or false"),
    "waiting": (
        {"workflow_name": "a", "on_waiting_inputs": "x"},
        "on_waiting_inputs is 'x'.",
        "'fail', 'wait'",
    ),
    "parameters": ({"workflow_name": "a", "parameters": ["x"]}, "parameters is ['x'].", "Give a mapping"),
    "parameter name": ({"workflow_name": "a", "parameters": {3: 1}}, "parameters has the name 3.", "texts"),
    "data elsewhere": (
        {"workflow_name": "a", "data": {"in": "s3://"}},
        "data['in'] is 's3://', which is not a path of OBS.",
        "obs://bucket/folder/",
    ),
    "data of another scheme": (
        {"workflow_name": "a", "data": {"in": {"obs_url": "https://bucket/x"}}},
        "data['in'].obs_url is 'https://bucket/x', which is not a path of OBS.",
        "obs://bucket/folder/",
    ),
    "data that a template left empty": (
        {"workflow_name": "a", "data": {"in": "None"}},
        f"data['in'] is 'None', which is not a path of OBS. {RENDERED}",
        "obs://bucket/folder/",
    ),
    "data name": ({"workflow_name": "a", "data": {"": "/b"}}, "data has the name ''.", "texts"),
}


@pytest.mark.parametrize(("arguments", "begins", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_a_task_cannot_say_is_refused(arguments, begins, says):
    """The message names the field and its value."""
    with pytest.raises(InvalidInput) as caught:
        start(**arguments)

    assert str(caught.value).startswith(begins)
    assert says in str(caught.value)


def kinds(**fields):
    return {"parameters": [{"name": "p", **fields}]}


TYPED = [
    *[("str", given, wire) for given, wire in (("a", "a"), (3, "3"), (0.5, "0.5"), ("", ""))],
    *[("int", given, 3) for given in (3, "3", " 3 ", 3.0)],
    *[("bool", given, True) for given in (True, "true", "True", "TRUE")],
    *[("bool", given, False) for given in (False, "false", "False")],
    *[("float", given, 3.5) for given in (3.5, "3.5")],
    ("float", 3, 3.0),
    ("String", "a", "a"),
    ("integer", "7", 7),
    ("boolean", "false", False),
    ("json", '{"a": [1]}', {"a": [1]}),
    ("json", {"a": 1}, {"a": 1}),
    ("json", 3, 3),
    ("list", "[1, 2]", [1, 2]),
    ("list", (1, 2), [1, 2]),
    ("brand_new", {"a": 1}, {"a": 1}),
    (None, "x", "x"),
]


@pytest.mark.parametrize(("kind", "given", "wire"), TYPED)
def test_a_value_becomes_what_the_workflow_says(kind, given, wire):
    """A template renders to text; the service takes typed values."""
    (found,) = parameters(kinds(type=kind), {"p": given})

    assert found["value"] == wire
    assert type(found["value"]) is type(wire)


UNTYPED = [
    *[("int", given) for given in ("3.5", 3.5, True, "x", [1], {}, "9" * 5000, 10**5000)],
    *[("bool", given) for given in (1, 0, "yes", [True])],
    *[("float", given) for given in ("x", True, "nan", "inf", [1.0])],
    *[("str", given) for given in (True, ["a"], {"a": 1})],
    *[("json", given) for given in ("{", "[NaN]", "[" * 5000)],
    *[("list", given) for given in ("{}", 3, "x")],
    ("brand_new", {1, 2}),
]


@pytest.mark.parametrize(("kind", "given"), UNTYPED, ids=range(len(UNTYPED)))
def test_a_value_of_another_type_is_refused(kind, given):
    """With the name, the value, and the type that the workflow says."""
    with pytest.raises(InvalidInput) as caught:
        parameters(kinds(type=kind), {"p": given})

    assert str(caught.value).startswith("parameters['p'] is ")
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize(
    ("kind", "given"), [("str", None), ("str", "None"), ("int", ""), ("int", " "), ("json", "None")]
)
def test_a_template_that_found_nothing_is_told(kind, given):
    """An empty text is a value of a text only."""
    with pytest.raises(InvalidInput, match="render to nothing"):
        parameters(kinds(type=kind), {"p": given})


def test_a_parameter_is_one_of_the_workflows():
    """By name, and if the workflow lists values, by value."""
    allowed = kinds(type="int", enum=[1, 2], format="flavor", delay=False, used_steps=["a"])

    assert parameters(allowed, {"p": "2"}) == [
        {"name": "p", "type": "int", "format": "flavor", "delay": False, "used_steps": ["a"], "value": 2}
    ]
    with pytest.raises(InvalidInput, match=r"The workflow allows 1, 2\."):
        parameters(allowed, {"p": 3})
    with pytest.raises(InvalidInput, match="Did you mean 'p'"):
        parameters(allowed, {"pp": 3})


@pytest.mark.parametrize("kept", [{"name": "digits"}, {"name": "execution-1", "workflow_name": "digits"}])
def test_a_name_that_the_workflow_does_not_have_is_told_with_those_it_has(kept):
    """The field and the workflow are named, also where an execution of it is asked."""
    told = "the workflow 'digits' has no such"
    with pytest.raises(InvalidInput) as misspelt:
        parameters({**kept, "parameters": [{"name": "is_true"}, {"name": "rate"}]}, {"is_ture": 1})
    with pytest.raises(InvalidInput) as strange:
        data_requirements(kept, {"letters": "/bucket/x"})

    assert str(misspelt.value) == (
        f"parameters['is_ture']: {told} parameter; it has 'is_true', 'rate'. Did you mean 'is_true'?"
    )
    assert str(strange.value) == f"data['letters']: {told} data requirement; it has none."


DATA = {
    "data_requirements": [
        {"name": "input", "type": "obs"},
        {"name": "set", "type": "dataset"},
        {"name": "free"},
    ],
    "data": [{"name": "fixed", "type": "obs"}],
}


@pytest.mark.parametrize(
    ("name", "given", "wire"),
    [
        ("input", "obs://bucket/in/", {"obs_url": "/bucket/in/"}),
        ("input", "/bucket/in/", {"obs_url": "/bucket/in/"}),
        ("input", {"obs_url": "obs://bucket/x", "more": 1}, {"obs_url": "/bucket/x", "more": 1}),
        ("set", {"dataset_id": "d"}, {"dataset_id": "d"}),
        ("free", "/bucket/x", {"obs_url": "/bucket/x"}),
    ],
)
def test_data_is_given_as_a_path_or_as_the_service_takes_it(name, given, wire):
    """Both spellings of a place in OBS become the service's own."""
    (found,) = data_requirements(DATA, {name: given})

    assert found["value"] == wire


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("input", "s3://bucket/x", "data['input'] is 's3://bucket/x', which is not a path of OBS."),
        ("input", {"obs_url": "x"}, "data['input'].obs_url is 'x'"),
        ("input", 3, "data['input'] is 3"),
        ("input", "", RENDERED),
        ("input", None, RENDERED),
        ("input", {"x": {1}}, "not JSON"),
        ("set", "/bucket/x", "is of type dataset"),
        ("fixed", "/bucket/x", "data has 'fixed', which is fixed in the workflow."),
        ("inputs", "/bucket/x", "Did you mean 'input'?"),
    ],
)
def test_data_that_cannot_be_it_is_refused(name, given, says):
    """With the name, the value and what to give."""
    with pytest.raises(InvalidInput) as caught:
        data_requirements(DATA, {name: given})

    assert says in str(caught.value)


def test_names_are_offered():
    """Those that are like it, else the first of all."""
    assert near("epoch", {"epochs", "rate"}) == "Did you mean 'epochs'?"
    assert near("zzz", []) == "There are none."
    assert near("zzz", [f"n{number:02}" for number in range(25)]).endswith("'n19', ….")


# --- references and places --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("$ref/parameters/p", ("parameters", "p", (), False)),
        ("$ref/storages/s/a/b", ("storages", "s", ("a", "b"), False)),
        ("$ref/storages(with_execution_id=True, create_dir=True)/s/a/", ("storages", "s", ("a",), True)),
        ("$ref/storages(with_execution_id=False)/s", ("storages", "s", (), False)),
        ("$ref/consumptions/step one/out/field", ("consumptions", "step one", ("out", "field"), False)),
    ],
)
def test_references_are_read(text, ref):
    """Each form that the service writes."""
    assert parse(text) == Ref(text, *ref)


WHOLE = {
    "parameters": [
        {"name": "p", "default": 1},
        {"name": "v", "default": 1, "value": 2},
        {"name": "to", "value": "$ref/parameters/v"},
        {"name": "loop", "value": "$ref/parameters/loop"},
        {"name": "none"},
    ],
    "data": [{"name": "d", "value": {"obs_url": "/bucket/d/"}}],
    "storages": [{"name": "s", "path": "/bucket/base/"}, {"name": "odd"}],
    "steps": [
        {
            "name": "a",
            "outputs": [
                {"name": "o", "config": {"obs_url": "/bucket/o/", "kind": "x"}},
                {"name": "m", "config": {"model_id": "m"}},
            ],
        }
    ],
}
RESOLVED = [
    ("$ref/parameters/p", 1),
    ("$ref/parameters/v", 2),
    ("$ref/parameters/to", 2),
    ("$ref/parameters/loop", "$ref/parameters/loop"),
    ("$ref/parameters/none", "$ref/parameters/none"),
    ("$ref/parameters/", "$ref/parameters/"),
    ("$ref/models/m", "$ref/models/m"),
    (["$ref/data/d", {"x": "$ref/parameters/p"}, 3], [{"obs_url": "/bucket/d/"}, {"x": 1}, 3]),
    ("$ref/storages/s", "/bucket/base/"),
    ("$ref/storages/s/dir", "/bucket/base/dir"),
    ("$ref/storages/s/dir/", "/bucket/base/dir/"),
    ("$ref/storages/odd/dir", "$ref/storages/odd/dir"),
    ("$ref/storages(with_execution_id=True)/s/dir", "/bucket/base/E/dir/"),
    ("$ref/consumptions/a/o", "/bucket/o/"),
    ("$ref/consumptions/a/o/kind", "x"),
    ("$ref/consumptions/a/m", {"model_id": "m"}),
    ("$ref/consumptions/a", "$ref/consumptions/a"),
    ("$ref/consumptions/b/o", "$ref/consumptions/b/o"),
]


@pytest.mark.parametrize(("value", "found"), RESOLVED, ids=str)
def test_references_are_resolved_as_far_as_they_lead(value, found):
    """Values before defaults, references to references, and folders of each execution."""
    assert resolve(value, WHOLE, "E") == found


def test_a_folder_of_an_execution_needs_the_execution():
    """Before there is one, its folder cannot be told."""
    text = "$ref/storages(with_execution_id=True)/s/dir"

    assert resolve(text, WHOLE) == text


def test_an_execution_has_values_of_its_own():
    """What it was started with comes before what stands in the workflow; null is not given."""
    execution = {
        "parameters": [{"name": "p", "value": 5}, {"name": "v", "value": None}, {"name": "new", "value": 6}]
    }
    merged = overridden(WHOLE, execution)

    assert resolve(["$ref/parameters/p", "$ref/parameters/v", "$ref/parameters/new"], merged) == [5, 2, 6]


def test_places_in_obs():
    """Both spellings name the same place; the bucket is a subdomain except on this machine."""
    assert obs.bucket_and_key("obs://bucket/a/b/") == obs.bucket_and_key("/bucket/a/b/") == ("bucket", "a/b/")
    assert obs.bucket_and_key("/bucket") == ("bucket", "")
    with pytest.raises(InvalidInput, match="path is 'https://bucket/x', which is not a path of OBS"):
        obs.bucket_and_key("https://bucket/x")
    assert (obs.uri("/bucket/x"), obs.api_path("obs://bucket/x")) == ("obs://bucket/x", "/bucket/x")
    assert obs.url("/bucket/x y", "http://127.0.0.1:1") == "http://127.0.0.1:1/bucket/x%20y"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda b: st.lists(b, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([None, "str", "int", "bool", "float", "json", "list", "x"]), JSON, JSON)
def test_any_value_is_typed_or_refused(kind, value, enum):
    """Whatever a DAG gives for whatever the workflow says."""
    with suppress(InvalidInput):
        parameters(kinds(type=kind, enum=enum), {"p": value})
    with suppress(InvalidInput):
        data_requirements({"data_requirements": [{"name": "p", "type": kind}]}, {"p": value})


@given(st.text(alphabet="$ref/parmtsoage(=Tu,) x").map(lambda text: f"$ref/{text}"))
def test_any_reference_is_read_or_refused(text):
    """Whatever follows the prefix."""
    with suppress(InvalidInput):
        assert parse(text).text == text
    resolve(text, WHOLE, "E")


def test_data_that_only_the_workflow_can_judge_is_kept():
    """A mapping without a place in OBS is of another kind of data."""
    given = {"set": {"dataset_id": "d"}, "in": {"obs_url": "/bucket/in/"}}

    assert start(workflow_name="a", data=given).data == given


@pytest.mark.parametrize(
    ("if_exists", "sent"),
    [("reuse", ["GET", "GET"]), ("update", ["GET", "PUT", "GET"]), ("fail", ["GET"])],
)
def test_a_workflow_that_exists_is_taken_changed_or_refused(if_exists, sent):
    """It is described in full; what cannot be changed is left out of the change."""
    answers = {"reuse": [ok(workflow())], "update": [ok({}), ok(workflow())], "fail": []}[if_exists]
    played = play(WORKFLOWS.provide(ORDER, if_exists), [items(ROW), *answers])

    assert [method for method, _ in played.asked] == sent
    if if_exists == "fail":
        assert isinstance(played.raised, InvalidInput)
        assert WORKFLOW_ID in str(played.raised)
    else:
        assert played.returned == (workflow(), False)
    if if_exists == "update":
        changed = json.loads(played.requests[1].content)
        assert changed == {key: value for key, value in ORDER.body.items() if key in UPDATABLE}
