"""Workflows: created, validated, listed, changed, deleted."""

from __future__ import annotations

import re
import uuid

import pytest

from .huawei import example, step

INPUT = {"name": "data_url", "type": "obs", "data": "$ref/data/missing"}


def code(answer):
    return answer.status_code, answer.json()["error_code"]


class TestCreate:
    def test_example_of_the_vendors_page_is_accepted_and_given_back(self, huawei):
        sent = example()

        answer = huawei.call("POST", json=sent)

        told = answer.json()
        assert answer.status_code == 201
        assert {key: told[key] for key in sent} == sent
        assert uuid.UUID(told["workflow_id"]).version == 4
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?\+08:00", told["created_at"])
        assert told["param_ready"] is True
        assert told["run_count"] == 0

    def test_copy_has_the_steps_and_a_name_of_its_own(self, huawei):
        source = huawei.create(step("a"), parameters=[{"name": "p", "type": "int", "default": 1}])

        copy = huawei.call("POST", json={"name": "copy", "source_workflow_id": source}).json()

        original = huawei.get(f"/{source}")
        assert (copy["name"], original["name"]) == ("copy", "flow")
        assert (copy["steps"], copy["parameters"]) == (original["steps"], original["parameters"])
        assert copy["workflow_id"] != source

    def test_subscription_to_the_gallery_gives_a_workflow_that_runs(self, huawei):
        body = {"name": "g", "gallery_subscription": {"content_id": "c", "version_id": "v"}}
        workflow = huawei.call("POST", json=body).json()

        ended = huawei.ended(workflow["workflow_id"], huawei.start(workflow["workflow_id"]))

        assert workflow["source"] == "ai_gallery"
        assert ended["status"] == "completed"

    def test_copy_of_what_does_not_exist_is_refused_with_400(self, huawei):
        answer = huawei.call("POST", json={"name": "copy", "source_workflow_id": str(uuid.uuid4())})

        assert code(answer) == (400, "ModelArts.7512")

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({}, "exactly one of steps, source_workflow_id, gallery_subscription"),
            ({"steps": [step("a")], "source_workflow_id": "x"}, "exactly one of"),
            ({"steps": [step("a")], "name": ""}, "'Name' failed on the 'required' tag"),
            ({"steps": [step("a")], "name": "1a"}, "Key: 'Workflow.Name'"),
            ({"steps": [step("a")], "name": "a" * 65}, "Key: 'Workflow.Name'"),
            ({"steps": [step("a"), step("a")]}, "steps are not unique: a"),
            ({"steps": [step("a", "b")]}, "depend_steps of step a names the step 'b'"),
            ({"steps": [step("a", "b"), step("b", "a")]}, "wait for each other in a circle"),
            ({"steps": [step("a", inputs=[INPUT])]}, "$ref/data/missing names nothing in data"),
            ({"steps": [step("a", inputs=[INPUT | {"data": "$ref/x"}])]}, "$ref/x is no reference"),
            ({"steps": [{"name": "a"}]}, "Key: 'WorkflowStep.Type'"),
            ({"steps": [step("a", if_then_steps=["b"])]}, "if_then_steps of step a names the step 'b'"),
            ({"steps": [step("a")], "parameters": [{"name": "p q"}]}, "Key: 'WorkflowParameter.Name'"),
            ({"steps": [step("a")], "parameters": [{"name": "p", "used_steps": ["b"]}]}, "used_steps of p"),
            ({"steps": "a"}, "Workflow.steps is a list of objects"),
            ({"steps": [step("a", depend_steps="b")]}, "depend_steps of step a is a list of strings"),
            ({"steps": [step("a", policy=[1])]}, "policy of step a is an object"),
            ({"gallery_subscription": {"version_id": "v"}}, "gallery_subscription.content_id is required"),
            ({"steps": [step("a")], "labels": "x"}, "labels is a list of strings"),
            ({"steps": [step("a", policy={"max_execution_minutes": "x"})]}, "max_execution_minutes"),
        ],
    )
    def test_what_is_not_valid_is_refused_in_the_validators_words(self, huawei, body, words):
        answer = huawei.call("POST", json={"name": "flow"} | body)

        assert code(answer) == (400, "ModelArts.0104")
        assert words in answer.json()["error_msg"]

    @pytest.mark.parametrize("name", ["流程 one_two-3", "a", "Z" * 64])
    def test_names_may_be_chinese(self, huawei, name):
        assert huawei.call("POST", json={"name": name, "steps": [step(name)]}).status_code == 201

    def test_body_that_is_not_json_is_refused(self, huawei):
        assert code(huawei.call("POST", content=b"{")) == (400, "ModelArts.0104")


class TestShow:
    def test_what_does_not_exist_is_told_with_400(self, huawei):
        unknown = str(uuid.uuid4())
        workflow = huawei.create(step("a"))

        answer = huawei.call("GET", f"/{unknown}")

        assert code(answer) == (400, "ModelArts.7512")
        assert answer.json()["error_msg"] == f"Workflow {unknown} not found"
        assert answer.headers["x-request-id"]
        assert code(huawei.call("GET", f"/{workflow}/executions/{unknown}")) == (400, "ModelArts.7511")

    def test_id_that_is_no_uuid_is_told_by_the_validator(self, huawei):
        answer = huawei.call("GET", "/nonsense")

        assert answer.json() == {
            "error_code": "ModelArts.0104",
            "error_msg": (
                "Invalid parameter, error: Key: '' Error:Field validation for '' failed on the 'uuid4' tag."
            ),
        }

    def test_latest_execution_is_shown(self, huawei):
        workflow, execution = huawei.run(step("a"))

        told = huawei.get(f"/{workflow}")

        assert told["run_count"] == 1
        assert told["latest_execution"]["execution_id"] == execution["execution_id"]
        assert told["latest_execution"]["status"] == "completed"


class TestList:
    def test_none_is_an_empty_page(self, huawei):
        assert huawei.get(name="nobody has this name") == {
            "total": 0, "count": 0, "items": [], "default_order": "asc",
        }  # fmt: skip

    def test_pages_count_rows(self, huawei):
        made = [huawei.create(step("a"), name=f"paged{number}") for number in range(12)]

        first = huawei.get(name="paged")
        rest = huawei.get(name="paged", offset="10", limit="100")

        assert (first["total"], first["count"], rest["count"]) == (12, 10, 2)
        assert [one["workflow_id"] for one in first["items"] + rest["items"]] == made

    def test_name_is_searched_or_compared(self, huawei):
        huawei.create(step("a"), name="searched")
        huawei.create(step("a"), name="searched more")

        assert huawei.get(name="searched")["total"] == 2
        assert huawei.get(name="searched", search_type="equal")["total"] == 1

    def test_labels_filter(self, huawei):
        workflow = huawei.create(step("a"), labels=["one", "two"])

        assert [one["workflow_id"] for one in huawei.get(labels="one,two")["items"]] == [workflow]
        assert "one" in huawei.get("/labels")

    @pytest.mark.parametrize("query", [{"limit": "0"}, {"offset": "-1"}, {"limit": "x"}, {"sort_by": "x"}])
    def test_bad_query_is_refused(self, huawei, query):
        assert code(huawei.call("GET", params=query)) == (400, "ModelArts.0104")

    def test_overview_counts_by_status(self, huawei):
        huawei.run(step("a"))

        told = huawei.get("/overview")

        assert told["total"] == sum(told["stat"].values())
        assert told["stat"]["completed"] >= 1


def test_update_changes_what_may_be_changed_and_nothing_else(huawei):
    workflow = huawei.create(step("a"))

    body = {"description": "new", "labels": ["l"], "workflow_id": "x", "run_count": 9}
    answer = huawei.call("PUT", f"/{workflow}", json=body)

    told = answer.json()
    assert answer.status_code == 200
    assert (told["description"], told["labels"]) == ("new", ["l"])
    assert (told["workflow_id"], told["run_count"]) == (workflow, 0)
    assert code(huawei.call("PUT", f"/{workflow}", json={"name": "1"})) == (400, "ModelArts.0104")


def test_deleted_workflow_is_gone_with_its_executions(huawei):
    workflow = huawei.create(step("a", emulator={"run_seconds": 100000}))
    execution = huawei.start(workflow)

    answer = huawei.call("DELETE", f"/{workflow}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert code(huawei.call("GET", f"/{workflow}")) == (400, "ModelArts.7512")
    assert huawei.http.get("/_emulator/jobs", params={"id": execution}).json()["jobs"] == []
