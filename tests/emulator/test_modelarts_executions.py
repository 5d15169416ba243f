"""Executions: their states, branches, waits, failures and actions."""

from __future__ import annotations

import re
import uuid

import pytest

from .conftest import wait_for
from .huawei import Huawei, example, find, statuses, step

LONG = {"run_seconds": 100000}


def code(answer):
    return answer.status_code, answer.json()["error_code"]


def chosen(left, kind="==", right=True, **fields):
    """Return a condition step that chooses between "yes" and "no"."""
    condition = {"type": kind, "left": left, "right": right}
    branches = {"if_then_steps": ["yes"], "else_then_steps": ["no"]}
    return {"name": "choice", "type": "condition", "conditions": [condition]} | branches | fields


class TestStart:
    def test_answer_tells_no_status_and_no_steps(self, huawei):
        workflow = huawei.create(step("a"), parameters=[{"name": "p", "type": "int", "default": 1}])

        answer = huawei.call("POST", f"/{workflow}/executions", json={"labels": ["x"]})

        told = answer.json()
        assert answer.status_code == 201
        assert set(told) == {
            *("created_at", "name", "execution_id", "description", "workspace_id", "workflow_id"),
            *("workflow_name", "steps_execution", "duration", "data_requirements", "parameters", "policies"),
        }
        assert (told["name"], told["steps_execution"], told["duration"]) == ("execution-001", None, 0)

    def test_status_is_missing_at_first_then_goes_through_the_states(self, huawei):
        workflow = huawei.create(step("a"))
        execution = huawei.start(workflow)
        seen = []

        def ended():
            told = huawei.execution(workflow, execution)
            seen.append(told.get("status", "none"))
            return told.get("status") == "completed"

        wait_for(ended)
        states = [state["status"] for state in huawei.journal_of(execution)["states"]]
        assert seen[0] == "none"
        assert states == ["init", "running", "completed"]

    def test_two_of_one_workflow_may_run_at_once(self, huawei):
        workflow = huawei.create(step("a", emulator=LONG))
        executions = [huawei.start(workflow) for _ in range(2)]

        for execution in executions:
            huawei.waits(workflow, execution, "a", "running")

        assert huawei.get(f"/{workflow}/executions")["items"][0]["name"] == "execution-002"

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"parameters": [{"name": "q", "value": 1}]}, "no parameters named 'q'"),
            (
                {"parameters": [{"name": "p", "value": "x"}]},
                "the value 'x' of parameter p is not of type int",
            ),
            ({"parameters": {"p": 1}}, "parameters is a list of objects"),
            ({"parameters": [{"name": "p", "value": True}]}, "is not of type int"),
            ({}, "parameters 'p' has no value"),
            ({"scene_id": "s"}, "no scene 's'"),
        ],
    )
    def test_what_does_not_fit_the_workflow_is_refused(self, huawei, body, words):
        workflow = huawei.create(step("a"), parameters=[{"name": "p", "type": "int"}])

        answer = huawei.call("POST", f"/{workflow}/executions", json=body)

        assert code(answer) == (400, "ModelArts.0104")
        assert words in answer.json()["error_msg"]

    def test_scene_runs_its_own_steps_only(self, huawei):
        scene = {"id": "s1", "name": "short", "steps": ["a", "c"]}
        policy = {"use_scene": "true", "scenes": [scene]}
        workflow = huawei.create(step("a"), step("b", "a"), step("c", "b"), policy=policy)

        ended = huawei.ended(workflow, huawei.start(workflow, scene_id="s1"))

        assert statuses(ended) == {"a": "completed", "c": "completed"}
        assert (ended["scene_id"], ended["scene_name"]) == ("s1", "short")


class TestSteps:
    def test_appear_when_they_begin_and_tell_what_happened(self, huawei):
        workflow, ended = huawei.run(step("a"), step("b", "a"))

        first, second = ended["steps_execution"]
        assert ended["status"] == "completed"
        assert (first["step_name"], second["step_name"]) == ("a", "b")
        assert first["created_at"] < second["created_at"]
        assert [event[20:] for event in first["events"]] == [
            "change status from init to creating",
            "change status from creating to created",
            "change status from created to running",
            "change status from running to completed",
        ]
        assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", event) for event in first["events"])
        assert isinstance(first["duration"], int)
        assert isinstance(first["instance_id"], str)
        listed = huawei.get(f"/{workflow}/step-executions", limit="1")
        assert (listed["total"], listed["count"], listed["default_order"]) == (2, 1, "desc")
        assert listed["compare_columns"] == {"parameters": [], "metrics": []}

    def test_later_one_is_not_shown_before_its_time(self, huawei):
        workflow = huawei.create(step("a", emulator=LONG), step("b", "a"))
        execution = huawei.start(workflow)

        huawei.waits(workflow, execution, "a", "running")

        assert statuses(huawei.execution(workflow, execution)) == {"a": "running"}


class TestConditions:
    @pytest.mark.parametrize(
        ("is_true", "ran", "skipped"),
        [(True, "training_job1", "training_job2"), (False, "training_job2", "training_job1")],
    )
    def test_example_takes_one_branch_and_skips_the_other(self, huawei, is_true, ran, skipped):
        workflow = huawei.call("POST", json=example()).json()["workflow_id"]
        execution = huawei.start(workflow, parameters=[{"name": "is_true", "value": is_true}])

        ended = huawei.ended(workflow, execution)

        assert ended["status"] == "completed"
        assert statuses(ended) == {
            "condition_step_test": "completed",
            ran: "completed",
            skipped: "skipped",
            "training_job3": "completed",
        }
        assert find(ended, "condition_step_test")["conditions_execution"]["result"] is is_true
        assert isinstance(find(ended, ran)["instance_id"], dict)
        assert find(ended, ran)["inputs"][0]["value"] == {"obs_url": "/test-lh/test-metrics/"}
        assert find(ended, ran)["properties"]["spec"]["resource"]["flavor_id"] == "modelarts.vm.cpu.8u"
        assert huawei.object("test-lh/test-metrics/result.json").status_code == 200

    @pytest.mark.parametrize(
        ("kind", "left", "right", "verdict"),
        [
            ("!=", 1, 2, True),
            (">", 2, 2, False),
            (">=", 2, 2, True),
            ("<", "a", "b", True),
            ("<=", 3, 2, False),
            ("in", "a", ["a", "b"], True),
            ("or", {"type": "==", "left": 1, "right": 2}, {"type": "==", "left": 1, "right": 1}, True),
        ],
    )
    def test_every_operator(self, huawei, kind, left, right, verdict):
        _, ended = huawei.run(chosen(left, kind, right), step("yes"), step("no"))

        taken, other = ("yes", "no") if verdict else ("no", "yes")
        assert (statuses(ended)[taken], statuses(ended)[other]) == ("completed", "skipped")

    def test_skipping_goes_on_where_all_before_was_skipped(self, huawei):
        after = [step("after_no", "no"), step("join", "yes", "after_no")]

        _, ended = huawei.run(chosen(1, "==", 1), step("yes"), step("no"), *after)

        assert statuses(ended)["after_no"] == "skipped"
        assert statuses(ended)["join"] == "completed"

    def test_one_that_cannot_be_decided_fails(self, huawei):
        _, ended = huawei.run(chosen("a", ">", 1), step("yes"), step("no"))

        assert ended["status"] == "abnormal"
        assert "cannot be evaluated" in find(ended, "choice")["error_info"]["error_message"]


class TestWaiting:
    PARAMETERS = ({"name": "p", "type": "int", "delay": True, "used_steps": ["b"]},)

    def test_step_without_its_delayed_parameter_waits_until_it_is_continued_with_one(self, huawei):
        workflow = huawei.create(step("a"), step("b", "a"), parameters=list(self.PARAMETERS))
        execution = huawei.start(workflow)
        waiting = huawei.waits(workflow, execution, "b", "wait_inputs")
        status = huawei.execution(workflow, execution)["status"]
        todo = [item for item in huawei.get("/todolist")["items"] if item["execution_id"] == execution]
        without = huawei.act(workflow, execution, "continue", waiting["uuid"])

        values = [{"name": "p", "value": 3}]
        answer = huawei.act(workflow, execution, "continue", waiting["uuid"], parameters=values)

        ended = huawei.ended(workflow, execution)
        assert status == "running"
        assert (todo[0]["step_name"], todo[0]["status"]) == ("b", "wait_inputs")
        assert (without.status_code, without.json()["status"]) == (201, "wait_inputs")
        assert (answer.status_code, answer.json()["step_name"]) == (201, "b")
        assert ended["status"] == "completed"
        assert ended["parameters"][0]["value"] == 3

    def test_step_with_its_delayed_parameter_does_not_wait(self, huawei):
        workflow = huawei.create(step("b"), parameters=list(self.PARAMETERS))

        ended = huawei.ended(workflow, huawei.start(workflow, parameters=[{"name": "p", "value": 1}]))

        events = find(ended, "b")["events"]
        assert ended["status"] == "completed"
        assert not [event for event in events if "wait_inputs" in event]

    def test_value_given_by_an_update_lets_it_go_on_when_it_is_continued(self, huawei):
        workflow = huawei.create(step("b"), parameters=list(self.PARAMETERS))
        execution = huawei.start(workflow)
        waiting = huawei.waits(workflow, execution, "b", "wait_inputs")

        body = {"parameters": [{"name": "p", "value": 1}], "labels": ["later"]}
        changed = huawei.call("PUT", f"/{workflow}/executions/{execution}", json=body).json()
        huawei.act(workflow, execution, "continue", waiting["uuid"])

        assert changed["labels"] == ["later"]
        assert huawei.ended(workflow, execution)["status"] == "completed"

    def test_hold_lasts_until_someone_continues(self, huawei):
        workflow = huawei.create(step("a"))
        execution = huawei.start(workflow, labels=["emulate:hold@a"])
        held = huawei.waits(workflow, execution, "a", "hold")

        huawei.act(workflow, execution, "continue", held["uuid"])

        assert huawei.ended(workflow, execution)["status"] == "completed"


class TestFailures:
    @pytest.mark.parametrize("status", ["failed", "create_failed", "timeout"])
    def test_label_makes_a_step_fail_and_the_execution_abnormal(self, huawei, status):
        _, ended = huawei.run(step("a"), step("b", "a"), labels=[f"emulate:{status}@a"])

        assert ended["status"] == "abnormal"
        assert statuses(ended) == {"a": status}
        assert find(ended, "a")["error_info"]["error_message"]
        assert "error_info" not in ended

    def test_property_makes_some_attempts_fail_with_its_text(self, huawei):
        failing = step("a", emulator={"status": "failed", "error": "out of quota", "times": 1})
        workflow, ended = huawei.run(failing)

        huawei.act(workflow, ended["execution_id"], "rerun", policies={"rerun_steps": ["a"]})

        again = huawei.ended(workflow, ended["execution_id"])
        assert find(ended, "a")["error_info"]["error_message"] == "out of quota"
        assert again["status"] == "completed"

    def test_policy_continue_lets_the_others_go_on(self, huawei):
        failing = step("a", emulator={"status": "failed"}, policy={"execution_policy": "continue"})

        _, ended = huawei.run(failing, step("b", "a"))

        assert (ended["status"], statuses(ended)) == ("completed", {"a": "failed", "b": "completed"})

    def test_policy_retry_tries_once_more(self, huawei):
        failing = step("a", emulator={"status": "failed", "times": 1}, policy={"execution_policy": "retry"})

        _, ended = huawei.run(failing)

        assert ended["status"] == "completed"
        assert huawei.journal_of(ended["execution_id"])["attempts"] == {"a": 2}

    def test_step_that_takes_longer_than_its_policy_allows_times_out(self, huawei):
        slow = step("a", emulator=LONG, policy={"max_execution_minutes": "1"})

        _, ended = huawei.run(slow)

        assert statuses(ended) == {"a": "timeout"}

    def test_running_steps_end_before_the_execution_is_abnormal(self, huawei):
        _, ended = huawei.run(
            step("bad", emulator={"status": "failed"}), step("slow", emulator={"run_seconds": 8})
        )

        assert (ended["status"], statuses(ended)) == ("abnormal", {"bad": "failed", "slow": "completed"})


class TestActions:
    def running(self, huawei: Huawei, *more):
        workflow = huawei.create(step("a", emulator=LONG), *more)
        execution = huawei.start(workflow)
        return workflow, execution, huawei.waits(workflow, execution, "a", "running")

    def test_stop_ends_what_runs_and_begins_nothing_more(self, huawei):
        workflow, execution, _ = self.running(huawei, step("b", "a"))

        answer = huawei.act(workflow, execution, "stop")

        ended = huawei.ended(workflow, execution)
        assert (answer.status_code, answer.json()["status"]) == (201, "running")
        assert find(answer.json(), "a")["status"] == "stopping"
        assert (ended["status"], statuses(ended)) == ("stopped", {"a": "stopped"})
        assert code(huawei.act(workflow, execution, "stop")) == (400, "ModelArts.0104")

    def test_stop_before_anything_began(self, huawei):
        workflow = huawei.create(step("a"))
        execution = huawei.start(workflow)

        assert huawei.act(workflow, execution, "stop").json()["status"] == "stopped"

    def test_rerun_of_a_step_keeps_what_was_before_it(self, huawei):
        workflow, ended = huawei.run(
            step("a"), step("b", "a"), step("c", "b"), labels=["emulate:failed_once@b"]
        )

        answer = huawei.act(workflow, ended["execution_id"], "rerun", policies={"rerun_steps": ["b"]})

        again = huawei.ended(workflow, ended["execution_id"])
        assert (answer.status_code, answer.json()["status"]) == (201, "running")
        assert again["status"] == "completed"
        assert find(again, "a") == find(ended, "a")
        assert find(again, "b")["uuid"] != find(ended, "b")["uuid"]

    def test_rerun_of_a_step_runs_all_that_waits_for_it_again(self, huawei):
        workflow, ended = huawei.run(step("a"), step("b", "a"), step("c", "b"), step("other"))

        huawei.act(workflow, ended["execution_id"], "rerun", policies={"rerun_steps": ["a"]})

        again = huawei.ended(workflow, ended["execution_id"])
        kept = [run["step_name"] for run in again["steps_execution"] if run in ended["steps_execution"]]
        assert (again["status"], kept) == ("completed", ["other"])

    def test_rerun_without_steps_begins_anew(self, huawei):
        workflow, ended = huawei.run(step("a"))

        huawei.act(workflow, ended["execution_id"], "rerun")

        again = huawei.ended(workflow, ended["execution_id"])
        assert find(again, "a")["uuid"] != find(ended, "a")["uuid"]

    def test_step_can_be_stopped_and_retried(self, huawei):
        workflow, execution, run = self.running(huawei, step("b", "a"))

        stopped = huawei.act(workflow, execution, "stop", run["uuid"])
        ended = huawei.ended(workflow, execution)
        retried = huawei.act(workflow, execution, "retry", run["uuid"])

        assert (stopped.status_code, stopped.json()["status"]) == (201, "stopping")
        assert ended["status"] == "stopped"
        assert (retried.status_code, retried.json()["status"]) == (201, "init")
        huawei.waits(workflow, execution, "a", "running")

    @pytest.mark.parametrize("action", ["retry", "continue", "explode"])
    def test_what_does_not_fit_the_step_is_refused(self, huawei, action):
        workflow, execution, run = self.running(huawei)

        assert code(huawei.act(workflow, execution, action, run["uuid"])) == (400, "ModelArts.0104")

    @pytest.mark.parametrize("body", [{"action_name": "rerun"}, {"action_name": "explode"}, {}])
    def test_what_does_not_fit_the_execution_is_refused(self, huawei, body):
        workflow, execution, _ = self.running(huawei)

        answer = huawei.call("POST", f"/{workflow}/executions/{execution}/actions", json=body)

        assert code(answer) == (400, "ModelArts.0104")

    def test_deleted_execution_is_gone(self, huawei):
        workflow, execution, run = self.running(huawei)

        answer = huawei.call("DELETE", f"/{workflow}/executions/{execution}")

        assert answer.status_code == 204
        assert code(huawei.call("GET", f"/{workflow}/executions/{execution}")) == (400, "ModelArts.7511")
        assert huawei.act(workflow, execution, "stop", run["uuid"]).status_code == 400


class TestList:
    def test_newest_first_by_rows_and_filtered(self, huawei):
        workflow = huawei.create(step("a"))
        made = [huawei.start(workflow, labels=["all", f"n{number}"]) for number in range(12)]
        path = f"/{workflow}/executions"

        first, rest = huawei.get(path), huawei.get(path, offset="10", limit="100")
        oldest = huawei.get(path, sort_by="create_time", order="asc", limit="1")
        labelled = huawei.get(path, labels="n3")
        both = huawei.get(path, labels="all,n3")

        assert [one["execution_id"] for one in first["items"] + rest["items"]] == made[::-1]
        assert (first["total"], first["count"], rest["count"]) == (12, 10, 2)
        assert oldest["items"][0]["execution_id"] == made[0]
        assert [one["execution_id"] for one in labelled["items"]] == [made[3]]
        assert both["total"] == 1
        assert huawei.get(f"{path}/labels") == sorted(["all", *(f"n{number}" for number in range(12))])

    def test_new_one_may_appear_late(self, huawei):
        huawei.settings(list_lag=60)
        workflow = huawei.create(step("a"))
        execution = huawei.start(workflow)

        assert huawei.get(f"/{workflow}/executions")["items"] == []
        assert huawei.execution(workflow, execution)["execution_id"] == execution

    def test_labels_may_be_dropped(self, huawei):
        huawei.settings(keep_labels=False)
        workflow = huawei.create(step("a"))
        execution = huawei.start(workflow, labels=["x", "emulate:failed@a"])

        assert huawei.execution(workflow, execution)["labels"] == []
        assert huawei.get(f"/{workflow}/executions", labels="x")["total"] == 0
        assert huawei.ended(workflow, execution)["status"] == "abnormal"

    def test_labels_may_be_dropped_from_a_share(self, huawei):
        huawei.settings(drop_labels=0.5)
        workflow = huawei.create(step("a"))
        for _ in range(40):
            huawei.start(workflow, labels=["x"])

        assert 0 < huawei.get(f"/{workflow}/executions", labels="x")["total"] < 40

    def test_status_filters(self, huawei):
        workflow, _ = huawei.run(step("a"))

        assert huawei.get(f"/{workflow}/executions", status="completed")["total"] == 1
        assert huawei.get(f"/{workflow}/executions", status="running")["total"] == 0


class TestControl:
    def test_jobs_of_the_emulator_tell_executions_beside_the_other_clouds(self, huawei):
        known = [{"name": name, "type": "int", "default": 1} for name in ("epochs", "layers")]
        workflow = huawei.create(step("a"), parameters=known)
        given = [{"name": "epochs", "value": 2}]
        execution = huawei.start(workflow, labels=["mine"], parameters=given)
        huawei.ended(workflow, execution)

        told = huawei.journal_of(execution)

        assert (told["service"], told["workflow"], told["labels"]) == ("modelarts", workflow, ["mine"])
        assert (told["status"], told["steps"][0]["status"]) == ("completed", "completed")
        assert (told["parameters"], told["data"]) == ({"epochs": 2, "layers": 1}, {})
        assert told["createdAt"] < told["states"][0]["time"]

    @pytest.mark.parametrize(("status", "told"), [(429, "APIGW.0308"), (503, "ModelArts.0010")])
    def test_fault_has_the_planes_own_shape(self, huawei, status, told):
        huawei.token  # noqa: B018 - asked for before the fault
        huawei.faults({"action": "status", "status": status, "times": 1, "match": {"plane": "modelarts"}})

        assert code(huawei.call("GET")) == (status, told)
        assert huawei.call("GET").status_code == 200

    def test_journal_names_the_plane_and_the_caller(self, huawei):
        huawei.call("GET", f"/{uuid.uuid4()}")

        (entry,) = huawei.http.get("/_emulator/requests", params={"plane": "modelarts"}).json()["requests"]
        assert (entry["status"], entry["caller"]) == (400, "emulator")
