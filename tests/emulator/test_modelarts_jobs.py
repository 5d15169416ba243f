"""Job steps really run: code, inputs and outputs through OBS, their log, metrics and ends."""

from __future__ import annotations

import os

import psutil
import pytest

from airflow_batch_provider.emulator.server import Emulator
from tests.s3_signature import ObsAuth

from .conftest import wait_for
from .huawei import ACCESS, SECRET, Huawei, find, job, statuses, write_cloud
from .test_cli import emulator

SUM_OF_SQUARES = "14"


def result(huawei, output="lab/out"):
    return huawei.object(f"{output}/deep/sum.txt").text


class TestRun:
    def test_boot_file_gets_parameters_and_folders_and_its_outputs_are_uploaded(self, huawei):
        workflow, ended = huawei.run(job(output="/lab/first/", parameters=[{"name": "power", "value": 3}]))

        run = find(ended, "train")
        log = huawei.http.get(f"/_emulator/steps/{run['uuid']}/log").text
        metrics = huawei.get(
            f"/{workflow}/executions/{ended['execution_id']}/step-executions/{run['uuid']}/metrics"
        )
        assert ended["status"] == "completed"
        assert result(huawei, "lab/first") == "36"
        assert log == "started 3\n"
        assert [(one["key"], one["title"], one["data"]) for one in metrics] == [
            ("total", "the sum", {"value": 36})
        ]
        assert run["outputs"][0]["config"] == {"obs_url": "/lab/first/"}
        assert isinstance(run["instance_id"], dict)

    def test_its_log_is_that_of_a_training_job(self, huawei):
        """By the id that the step tells; another job, and another worker of it, do not exist."""
        _, ended = huawei.run(job(output="/lab/logged/", parameters=[{"name": "power", "value": 3}]))
        made = find(ended, "train")["instance_id"]["training_job_id"]
        root = huawei.root.replace("/workflows", "/training-jobs")

        def ask(made, worker="worker-0"):
            path = f"{root}/{made}/tasks/{worker}/logs/preview"
            return huawei.http.get(path, headers=huawei.token)

        told = ask(made).json()
        assert told == {"content": "started 3\n", "current_size": 10, "full_size": 10}
        for answer in (ask(made, "worker-1"), ask(find(ended, "train")["uuid"])):
            assert (answer.status_code, answer.json()["error_code"]) == (404, "ModelArts.2753")

    def test_registered_algorithm_has_its_own_parameters_and_environment(self, huawei):
        step = job(
            output="/lab/registered/", properties={"algorithm": {"id": "registered", "parameters": []}}
        )

        _, ended = huawei.run(step)

        assert ended["status"] == "completed"
        assert result(huawei, "lab/registered") == "1036"

    def test_input_may_be_one_object(self, huawei):
        _, ended = huawei.run(job(inputs="obs://lab/single.txt", output="/lab/one"))

        assert ended["status"] == "completed"
        assert result(huawei, "lab/one") == "9"

    def test_references_reach_from_step_to_step_and_into_the_executions_own_folder(self, huawei):
        place = "$ref/storages(with_execution_id=True, create_dir=True)/store/model"
        first = job("first", parameters=[{"name": "power", "value": "$ref/parameters/power"}])
        first["inputs"][0] = {"name": "data_url", "type": "obs", "data": "$ref/data_requirements/numbers"}
        first["outputs"][0]["config"] = {"obs_url": place}
        check = {
            "name": "check",
            "type": "condition",
            "conditions": [{"type": ">", "left": "$ref/consumptions/first/train_url/total", "right": 10}],
            "depend_steps": ["first"],
            "if_then_steps": ["second"],
        }
        second = job("second", depend_steps=["first"], output="/lab/second/")
        second["inputs"][0] = {"name": "data_url", "type": "obs", "data": "$ref/consumptions/first/train_url"}
        second["properties"]["algorithm"]["boot_file"] = "/lab/code/list.py"
        listing = b"import sys, os\nprint(sorted(os.listdir(sys.argv[1].partition('=')[2])))\n"
        huawei.http.put("/obs/lab/code/list.py", content=listing, auth=ObsAuth(ACCESS, SECRET))
        workflow = huawei.create(
            first,
            check,
            second,
            storages=[{"name": "store", "type": "obs", "path": "/lab/base/"}],
            parameters=[{"name": "power", "type": "int", "default": 1}],
            data_requirements=[{"name": "numbers", "type": "obs", "delay": True}],
        )
        numbers = {"name": "numbers", "value": {"obs_url": "/lab/in/"}}
        execution = huawei.start(
            workflow, parameters=[{"name": "power", "value": 2}], data_requirements=[numbers]
        )

        ended = huawei.ended(workflow, execution)

        own = f"/lab/base/{execution}/model/"
        log = huawei.http.get(f"/_emulator/steps/{find(ended, 'second')['uuid']}/log").text
        assert statuses(ended) == {"first": "completed", "check": "completed", "second": "completed"}
        assert find(ended, "first")["outputs"][0]["config"]["obs_url"] == own
        assert result(huawei, own.strip("/")) == SUM_OF_SQUARES
        assert huawei.object(own.strip("/") + "/").status_code == 200
        assert find(ended, "second")["inputs"][0]["value"] == {"obs_url": own}
        assert log == "['deep', 'metrics.json']\n"

    def test_failing_boot_file_fails_the_step_with_its_last_words(self, huawei):
        _, ended = huawei.run(job(inputs="obs://lab/nothing/", parameters=[{"name": "power", "value": 1}]))

        told = find(ended, "train")
        assert (ended["status"], told["status"]) == ("abnormal", "failed")
        assert (
            told["error_info"]["error_message"] == "The training process exited with code 1: nothing to sum"
        )

    @pytest.mark.parametrize(
        ("algorithm", "words"),
        [
            ({"boot_file": "gone.py"}, "The boot file obs://lab/code/gone.py does not exist"),
            ({"code_dir": "code/"}, "code_dir 'code/' is no OBS path"),
        ],
    )
    def test_step_without_its_code_cannot_be_created(self, huawei, algorithm, words):
        step = job()
        step["properties"]["algorithm"] |= algorithm

        _, ended = huawei.run(step)

        assert statuses(ended) == {"train": "create_failed"}
        assert words in find(ended, "train")["error_info"]["error_message"]

    def test_more_than_there_are_places_wait_pending(self, huawei, tmp_path):
        gate = tmp_path / "open"
        parameters = [{"name": "gate", "value": str(gate)}]
        steps = [
            job(f"s{number}", parameters=parameters) for number in range(max(2, os.cpu_count() or 2) + 1)
        ]
        workflow = huawei.create(*steps)
        execution = huawei.start(workflow)

        wait_for(lambda: "pending" in statuses_now(huawei, workflow, execution))
        gate.touch()

        assert set(statuses(huawei.ended(workflow, execution)).values()) == {"completed"}


def statuses_now(huawei, workflow, execution):
    told = huawei.execution(workflow, execution)
    return list(statuses(told).values()) if told.get("steps_execution") else []


def children_of(text):
    """Return the running processes whose command line has a text in it."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if text in " ".join(process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def gated(huawei, gate, output="/lab/gated/"):
    """Start a job that waits for a file, and wait until it runs; return workflow and execution."""
    workflow = huawei.create(job(output=output, parameters=[{"name": "gate", "value": str(gate)}]))
    execution = huawei.start(workflow)
    huawei.waits(workflow, execution, "train", "running")
    wait_for(lambda: children_of(str(gate)))
    return workflow, execution


def test_stopped_job_is_no_longer_there(huawei, tmp_path):
    workflow, execution = gated(huawei, tmp_path / "gate")

    huawei.act(workflow, execution, "stop")

    assert huawei.ended(workflow, execution)["status"] == "stopped"
    wait_for(lambda: not children_of(str(tmp_path / "gate")))
    assert huawei.object("lab/gated/deep/sum.txt").status_code == 404


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_job_of_an_ended_emulator_is_run_again_by_the_next(tmp_path, end):
    """Nothing of it is left running; the next emulator takes the same execution to its end."""
    setup = write_cloud(tmp_path)
    gate = tmp_path / "gate"
    with emulator(tmp_path, "--setup", str(setup), "--speed", "20") as (process, ready):
        huawei = Huawei(ready["url"])
        workflow, execution = gated(huawei, gate)
        token = huawei.token
        before = huawei.execution(workflow, execution)
        huawei.http.close()
        getattr(process, end)()
        process.wait(10)
        wait_for(lambda: not children_of(str(gate)))
    gate.touch()
    with Emulator(tmp_path / "state", speed=20) as second:
        huawei = Huawei(second.url)
        huawei.token = token
        ended = huawei.ended(workflow, execution)
        total = result(huawei, "lab/gated")
        states = [state["status"] for state in huawei.journal_of(execution)["steps"][0]["states"]]
        huawei.http.close()

    assert ended["status"] == "completed"
    assert find(ended, "train")["uuid"] == find(before, "train")["uuid"]
    assert states == ["init", "creating", "created", "running", "completed"]
    assert total == SUM_OF_SQUARES


def test_command_that_ended_meanwhile_is_not_run_again(tmp_path):
    """The exit code that the supervisor left decides, whoever reads it."""
    setup = write_cloud(tmp_path)
    gate = tmp_path / "gate"
    with emulator(tmp_path, "--setup", str(setup), "--speed", "20") as (process, ready):
        huawei = Huawei(ready["url"])
        workflow, execution = gated(huawei, gate)
        (step,) = huawei.journal_of(execution)["steps"]
        token = huawei.token
        huawei.http.close()
        process.kill()
        process.wait(10)
        wait_for(lambda: not children_of(str(gate)))
    # As if the command had ended in the moment of the kill: had it run again, it would wait for the gate.
    outputs = tmp_path / "state" / "modelarts" / step["uuid"]
    (outputs / "outputs" / "train_url" / "deep").mkdir(parents=True)
    (outputs / "outputs" / "train_url" / "deep" / "sum.txt").write_text("kept")
    (outputs / "exit.json").write_text('{"code": 0}')
    with Emulator(tmp_path / "state", speed=20) as second:
        huawei = Huawei(second.url)
        huawei.token = token
        ended = huawei.ended(workflow, execution)
        kept = result(huawei, "lab/gated")
        huawei.http.close()

    assert (ended["status"], kept) == ("completed", "kept")


def test_executions_that_wait_for_the_clock_go_on_after_a_kill(tmp_path):
    setup = write_cloud(tmp_path)
    with emulator(tmp_path, "--setup", str(setup), "--speed", "1") as (process, ready):
        huawei = Huawei(ready["url"])
        slow = {"name": "a", "type": "model", "properties": {"emulator": {"run_seconds": 1}}}
        workflow = huawei.create(slow)
        execution = huawei.start(workflow, labels=["kept"])
        token = huawei.token
        huawei.http.close()
        process.kill()
        process.wait(10)
    with Emulator(tmp_path / "state", speed=20) as second:
        huawei = Huawei(second.url)
        huawei.token = token
        ended = huawei.ended(workflow, execution)
        connection = second.modelarts_connection()
        huawei.http.close()

    assert (ended["status"], ended["labels"]) == ("completed", ["kept"])
    assert huawei.url == connection["host"]
