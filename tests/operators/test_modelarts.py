"""`ModelArtsWorkflowOperator` on the emulator, over real HTTP."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from airflow_batch_provider import errors
from airflow_batch_provider.auth import iam_tokens_of
from airflow_batch_provider.hooks.modelarts import ModelArtsHook
from airflow_batch_provider.operators.modelarts import ModelArtsWorkflowOperator
from airflow_batch_provider.sensors import BatchOutputSensor
from tests.secret_scan import IAM_PASSWORD, SECRET_KEY

from .conftest import Task

START = {"method": "POST", "path": "/executions$"}
POLL = {"method": "GET", "path": "/executions/[^/]+$"}
both_ways = pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
both_kinds = pytest.mark.parametrize("modelarts", ["aksk", "token"], indirect=True)


def definition(**fields):
    """Return a workflow whose one step trains for real, and writes to a folder of each execution's own."""
    algorithm = {
        "code_dir": "obs://lab/code/",
        "boot_file": "train.py",
        "parameters": [{"name": "epochs", "value": "$ref/parameters/epochs"}],
    }
    place = "$ref/storages(with_execution_id=True, create_dir=True)/store/model"
    train = {
        "name": "train",
        "type": "job",
        "inputs": [{"name": "data_url", "type": "obs", "data": "$ref/data_requirements/letters"}],
        "outputs": [{"name": "train_url", "type": "obs", "config": {"obs_url": place}}],
        "properties": {"algorithm": algorithm},
    }
    return {
        "name": f"letters-{uuid4().hex[:8]}",
        "steps": [train],
        "storages": [{"name": "store", "type": "obs", "path": "/lab/out/"}],
        "parameters": [{"name": "epochs", "type": "int", "default": 1, "used_steps": ["train"]}],
        "data_requirements": [{"name": "letters", "type": "obs", "delay": True, "used_steps": ["train"]}],
    } | fields


def simple(**emulator):
    """Return a workflow whose one step only takes its time."""
    step = {"name": "train", "type": "model", "properties": {"emulator": {"run_seconds": 0.5} | emulator}}
    return {"name": f"simple-{uuid4().hex[:8]}", "steps": [step]}


ENDLESS = {"run_seconds": 100000}


def operator(**arguments):
    which = (
        {"workflow": simple()} if not arguments.keys() & {"workflow", "workflow_name", "workflow_id"} else {}
    )
    return ModelArtsWorkflowOperator(task_id="task", **{"poll_interval": 0.5, **which, **arguments})


def executions(modelarts):
    return [job for job in modelarts.jobs() if job.get("service") == "modelarts"]


def starts(modelarts):
    return [
        one for one in modelarts.requests() if one["method"] == "POST" and one["path"].endswith("/executions")
    ]


def actions(modelarts):
    return [one["body"]["action_name"] for one in modelarts.requests() if one["path"].endswith("/actions")]


def told(logs):
    return [log["event"] % log.get("positional_args", ()) for log in logs]


@both_kinds
@both_ways
def test_a_workflow_is_run_and_returned(modelarts, task, deferrable):
    """The step really trains; the task returns the execution, and pushes its ids, link and outputs."""
    job = task.run(
        operator(
            workflow=definition(),
            parameters={"epochs": "{{ params.epochs }}"},
            data={"letters": "obs://lab/{{ params.folder }}/"},
            deferrable=deferrable,
        ),
        epochs=3,
        folder="in",
    )

    place = job["outputs"]["train/train_url"]["uri"]
    assert (job["state"], job["status"]) == ("succeeded", "completed")
    assert place == f"obs://lab/out/{job['id']}/model/"
    assert ModelArtsHook().read_file(f"{place}result.txt") == b"abcabcabc"
    assert modelarts.job(job["id"])["status"] == "completed"
    assert task.instance.xcoms["job_id"] == job["id"]
    assert task.instance.xcoms["workflow_id"] == modelarts.job(job["id"])["workflow"]
    assert task.instance.xcoms["outputs"] == job["outputs"]
    assert job["id"] in task.instance.xcoms["_link_ModelArtsExecutionLink"]


@both_ways
@pytest.mark.parametrize("thorough", [True, False])
def test_a_condition_chooses_the_step_that_runs(modelarts, task, deferrable, thorough):
    """Only the chosen branch has an output, and the sensor finds it."""
    flow = definition()
    (train,) = flow["steps"]
    flow["steps"] = [
        {
            "name": "choose",
            "type": "condition",
            "conditions": [{"type": "==", "left": "$ref/parameters/thorough", "right": True}],
            "if_then_steps": ["thorough"],
            "else_then_steps": ["quick"],
        },
        {**train, "name": "thorough", "depend_steps": ["choose"]},
        {**train, "name": "quick", "depend_steps": ["choose"]},
    ]
    flow["parameters"] = [
        {"name": "thorough", "type": "bool", "default": False},
        {"name": "epochs", "type": "int", "default": 1},
    ]
    flow["data_requirements"] = [{"name": "letters", "type": "obs", "delay": True}]

    job = task.run(
        operator(
            workflow=flow,
            parameters={"thorough": "{{ params.thorough }}", "epochs": "{{ params.epochs }}"},
            data={"letters": "obs://lab/in/"},
            deferrable=deferrable,
        ),
        thorough=thorough,
        epochs=5 if thorough else 1,
    )

    chosen = "thorough" if thorough else "quick"
    assert list(job["outputs"]) == [f"{chosen}/train_url"]
    (found,) = task.run(BatchOutputSensor(task_id="wait", path=job["outputs"][f"{chosen}/train_url"]["uri"]))
    assert found["size"] == (15 if thorough else 3)


@both_ways
def test_each_change_of_a_step_is_logged_once(modelarts, task, deferrable):
    """While the status stays the same, how far the steps have come is told when it changes."""
    steps = [
        {
            "name": name,
            "type": "model",
            "depend_steps": before,
            "properties": {"emulator": {"run_seconds": 40}},
        }
        for name, before in (("train", []), ("check", ["train"]))
    ]
    with capture_logs() as logs:
        job = task.run(operator(workflow={**simple(), "steps": steps}, deferrable=deferrable))

    job_is = rf"Job {job['id']} is "
    told_once = [line for line in told(logs) if line.startswith(job_is)]
    tables = [re.sub(r" +\d+ s\b", " T", line) for line in told_once]
    assert f"{job_is}running after T, 0 of 2 steps done.\n  train  running T" in tables
    assert f"{job_is}running after T, 1 of 2 steps done.\n  train  completed T\n  check  running T" in tables
    assert (
        tables[-1]
        == f"{job_is}completed after T, 2 of 2 steps done.\n  train  completed T\n  check  completed T"
    )
    assert len(tables) == len(set(tables))
    again = [line for line in told(logs) if line.startswith("While deferred: ")]
    assert [line.partition("Z ")[2] for line in again] == (told_once if deferrable else [])


def test_without_waiting_the_task_ends_with_the_start(modelarts, task):
    """With ``wait_for_completion=False`` the execution is returned as it was accepted."""
    job = task.run(operator(workflow=simple(**ENDLESS), wait_for_completion=False))

    assert job["state"] == "pending"
    assert modelarts.job(job["id"])["status"] != "completed"


def test_every_argument_is_rendered(modelarts, task, tmp_path):
    """Definition and parameters come from files with templates, and the texts are typed."""
    (tmp_path / "flow.json").write_text(json.dumps(definition(name="{{ params.name }}")))
    (tmp_path / "parameters.yml").write_text("parameters:\n  epochs: '{{ params.epochs }}'\n")
    name = f"rendered-{uuid4().hex[:8]}"
    job = task.run(
        operator(
            workflow=str(tmp_path / "flow.json"),
            parameters=str(tmp_path / "parameters.yml"),
            data={"letters": "/lab/{{ params.folder }}/"},
            labels=["{{ params.label }}"],
            name="{{ params.run }}",
            description="{{ params.label }}",
            use_cache="{{ params.cache }}",
            on_waiting_inputs="{{ params.waiting }}",
            poll_interval="{{ params.interval }}",
        ),
        name=name,
        epochs=2,
        folder="in",
        label="red",
        run="of tonight",
        cache=False,
        waiting="fail",
        interval=0.5,
    )

    (sent,) = [one["body"] for one in starts(modelarts)]
    assert (job["name"], job["endpoint"]) == ("of tonight", name)
    assert (sent["labels"][0], sent["description"], sent["policies"]) == ("red", "red", {"use_cache": False})
    assert sent["parameters"][0]["value"] == 2
    assert sent["data_requirements"][0]["value"] == {"obs_url": "/lab/in/"}


def test_a_workflow_is_found_by_its_name_or_its_id(modelarts, task):
    """A definition creates its workflow once; the name and the id lead to the same one."""
    flow = simple()
    job = task.run(operator(workflow=flow))
    workflow_id = modelarts.job(job["id"])["workflow"]

    jobs = [
        other.run(operator(**which))
        for other, which in (
            (type(task)("b"), {"workflow": flow}),
            (type(task)("c"), {"workflow_name": flow["name"]}),
            (type(task)("d"), {"workflow_id": workflow_id}),
        )
    ]

    assert {modelarts.job(one["id"])["workflow"] for one in [job, *jobs]} == {workflow_id}
    assert len({one["id"] for one in [job, *jobs]}) == 4


@both_ways
def test_a_failed_execution_fails_the_task_and_is_named(modelarts, task, deferrable):
    """The error says which step failed and why, and names the execution and its link."""
    failing = operator(workflow=simple(status="failed", error="no convergence"), deferrable=deferrable)

    with pytest.raises(errors.JobFailed, match=r"Step 'train' is failed.*no convergence") as caught:
        task.run(failing)

    job = executions(modelarts)[-1]
    assert job["id"] in str(caught.value)
    assert caught.value.job_url.startswith(modelarts.url)


@both_ways
def test_a_failure_tells_the_last_lines_of_the_training_log(modelarts, task, deferrable):
    """What the script itself has said is in the task's error, not only that it failed."""
    flow = definition(parameters=[{"name": "epochs", "type": "str", "default": "1"}])

    with pytest.raises(errors.JobFailed) as failure:
        task.run(
            operator(
                workflow=flow,
                parameters={"epochs": "many"},
                data={"letters": "obs://lab/in/"},
                deferrable=deferrable,
            )
        )

    told = str(failure.value)
    assert "Step 'train' is failed: ModelArts.0010: The training process exited with code 2" in told
    assert "The last lines of worker-0 of training job" in told
    assert "  | usage: train.py" in told
    assert "argument --epochs: invalid int value: 'many'" in told.partition("  | ")[2]


@both_kinds
@both_ways
def test_a_try_after_a_crash_takes_the_execution_up_again(modelarts, task, deferrable):
    """The second try of a task starts nothing while the first one's execution is there."""
    flow = simple()
    first = task.run(operator(workflow=flow, wait_for_completion=False))
    second = task.run(operator(workflow=flow, deferrable=deferrable))

    assert second["id"] == first["id"]
    assert len(starts(modelarts)) == 1


def test_a_try_without_a_record_looks_for_the_label(modelarts, task):
    """Whoever died before the intent was kept finds the execution by its label."""
    flow = simple()
    first = task.run(operator(workflow=flow, wait_for_completion=False))
    task.store.clear()
    task.instance.try_number = 2

    assert task.run(operator(workflow=flow))["id"] == first["id"]
    assert len(starts(modelarts)) == 1


@pytest.mark.parametrize("on_clear", ["rerun", "reuse"])
def test_a_cleared_task_runs_again(modelarts, task, on_clear):
    """A clear starts a new execution, unless the user wants the result of the one that succeeded."""
    flow = simple()
    first = task.run(operator(workflow=flow, on_clear=on_clear))
    task.instance.max_tries += 1
    task.dag_run.clear_number = 1

    second = task.run(operator(workflow=flow, on_clear=on_clear))

    assert (second["id"] == first["id"]) == (on_clear == "reuse")


def test_a_task_that_is_cleared_while_it_runs_stops_its_execution(modelarts, task):
    """The old execution is stopped before the new one is started."""
    flow = simple(**ENDLESS)
    first = task.run(operator(workflow=flow, wait_for_completion=False))
    modelarts.wait_for_status(first["id"], "running")
    task.instance.max_tries += 1

    second = task.run(operator(workflow=flow, wait_for_completion=False))

    modelarts.wait_for_status(first["id"], "stopped")
    assert second["id"] != first["id"]


@both_ways
def test_a_retry_runs_a_failed_execution_again_from_where_it_failed(modelarts, task, deferrable):
    """With ``rerun_failed`` the id stays, steps that went well are left, and the deadline is a new one."""
    flow = simple()
    flow["steps"].insert(
        0, {"name": "first", "type": "model", "properties": {"emulator": {"run_seconds": 0.1}}}
    )
    flow["steps"][1]["depend_steps"] = ["first"]
    again = {
        "workflow": flow,
        "labels": ["emulate:failed_once@train"],
        "rerun_failed": True,
        "deferrable": deferrable,
    }
    with pytest.raises(errors.JobFailed) as caught:
        task.run(operator(**again))
    before = task.store["airflow_batch_provider.submission"]["ref"]["submitted_at"]
    task.instance.try_number = 2

    job = task.run(operator(**again))

    assert job["id"] == caught.value.job_id
    assert modelarts.job(job["id"])["attempts"] == {"first": 1, "train": 2}
    assert task.store["airflow_batch_provider.submission"]["ref"]["submitted_at"] > before
    assert (len(starts(modelarts)), actions(modelarts)) == (1, ["rerun"])


@pytest.mark.parametrize("fault", ["drop_after", "truncate", "html"])
def test_a_rerun_whose_answer_was_lost_is_found_running(modelarts, task, fault):
    """It is asked for once."""
    again = {"workflow": simple(), "labels": ["emulate:failed_once@train"], "rerun_failed": True}
    with pytest.raises(errors.JobFailed):
        task.run(operator(**again))
    modelarts.fail(action=fault, match={"method": "POST", "path": "/actions$"}, times=1)

    task.run(operator(**again))

    assert (len(starts(modelarts)), actions(modelarts)) == (1, ["rerun"])


def test_an_execution_that_fails_again_is_run_again_by_the_next_try_only(modelarts, task):
    """A rerun that fails is that try's failure; nothing else is started instead."""
    again = {"workflow": simple(status="failed"), "rerun_failed": True}

    for _ in range(3):
        with pytest.raises(errors.JobFailed):
            task.run(operator(**again))

    assert (len(starts(modelarts)), actions(modelarts)) == (1, ["rerun", "rerun"])


@pytest.mark.parametrize("rerun_failed", [True, False])
def test_a_failed_execution_is_started_anew_by_a_clear_or_without_the_switch(modelarts, task, rerun_failed):
    """A cleared task starts from the beginning; so does a retry of who did not ask for less."""
    again = {"workflow": simple(), "labels": ["emulate:failed@train"], "rerun_failed": rerun_failed}
    with pytest.raises(errors.JobFailed):
        task.run(operator(**again))
    task.instance.max_tries += int(rerun_failed)
    with pytest.raises(errors.JobFailed):
        task.run(operator(**again))

    assert (len(starts(modelarts)), actions(modelarts)) == (2, [])


def test_killing_the_task_stops_the_execution(modelarts, task):
    """``on_kill`` asks the service to stop; it may be repeated, and does no harm when that has happened."""
    killed = operator(workflow=simple(**ENDLESS), wait_for_completion=False)
    job = task.run(killed)

    killed.on_kill()

    modelarts.wait_for_status(job["id"], "stopped")
    killed.on_kill()


def test_an_execution_is_left_running_if_the_user_says_so(modelarts, task):
    """``cancel_on_kill=False`` sends no stop."""
    killed = operator(workflow=simple(**ENDLESS), wait_for_completion=False, cancel_on_kill=False)
    task.run(killed)

    killed.on_kill()

    assert actions(modelarts) == []


@both_ways
@pytest.mark.parametrize("stop", [True, False], ids=["stop", "leave"])
def test_a_timeout_ends_waiting_and_names_the_execution(modelarts, task, deferrable, stop):
    """The deadline counts from the start; the execution is stopped unless the user says otherwise."""
    slow = operator(workflow=simple(**ENDLESS), timeout=1, deferrable=deferrable, cancel_on_timeout=stop)

    with pytest.raises(errors.JobTimedOut) as caught:
        task.run(slow)

    job = executions(modelarts)[-1]
    assert job["id"] in str(caught.value)
    assert actions(modelarts) == ["stop"] * stop
    if stop:
        modelarts.wait_for_status(job["id"], "stopped")


LOST = [
    {"action": "drop_after"},
    {"action": "truncate"},
    {"action": "html"},
    {"action": "status", "status": 503, "effect": True},
]


@both_kinds
@pytest.mark.parametrize("fault", LOST, ids=lambda fault: fault["action"])
def test_an_execution_whose_answer_was_lost_is_found(modelarts, task, fault):
    """The task finds what its request has started, waits for it, and starts no second one."""
    before = len(executions(modelarts))
    modelarts.fail(**fault, match=START, times=1)

    job = task.run(operator())

    assert [one["id"] for one in executions(modelarts)[before:]] == [job["id"]]


@pytest.mark.parametrize("fault", [*LOST, {"action": "drop_before"}], ids=lambda fault: fault["action"])
def test_on_ambiguous_fail_does_not_look(modelarts, task, fault):
    """When it cannot be known whether an execution was started, the task says so, in each try."""
    before = len(executions(modelarts))
    modelarts.fail(**fault, match=START, times=1)
    flow = simple()

    for _ in range(2):
        with pytest.raises(errors.SubmissionUnknown, match=r"airflow-[0-9a-f]{24}.*labels"):
            task.run(operator(workflow=flow, on_ambiguous="fail"))

    assert len(executions(modelarts)) <= before + 1


class Hasty(ModelArtsWorkflowOperator):
    """Waits a second, not a minute, for an execution that a list may show late."""

    def _policy(self):
        return replace(super()._policy(), late=1.0)


@pytest.fixture
def labels_lost(modelarts):
    modelarts.set(keep_labels=False)
    yield
    modelarts.set(keep_labels=True)


@pytest.mark.usefixtures("labels_lost")
def test_an_execution_without_its_label_is_found_by_likeness(modelarts, task):
    """The one execution of the moment with the same parameters is taken; nothing is started twice."""
    arguments = {"workflow": definition(), "data": {"letters": "/lab/in/"}, "wait_for_completion": False}
    type(task)("other").run(operator(**arguments, parameters={"epochs": 7}))
    modelarts.fail(action="drop_after", match=START, times=1)

    job = task.run(Hasty(task_id="task", **arguments, parameters={"epochs": 2}))

    assert job["id"] == executions(modelarts)[-1]["id"]
    assert len(starts(modelarts)) == 2


@pytest.mark.usefixtures("labels_lost")
def test_two_executions_that_are_alike_are_not_guessed_between(modelarts, task):
    """The task says that it does not know, and names both."""
    arguments = {"workflow": simple(), "wait_for_completion": False}
    other = type(task)("other").run(operator(**arguments))
    modelarts.fail(action="drop_after", match=START, times=1)

    with pytest.raises(errors.SubmissionUnknown, match=other["id"]):
        task.run(Hasty(task_id="task", **arguments))

    assert len(starts(modelarts)) == 2


def test_a_throttled_start_is_asked_again(modelarts, task):
    """What the gateway turns away was not carried out, whatever it calls it."""
    body = {"error_code": "APIG.0308", "error_msg": "The throttling threshold has been reached"}
    modelarts.fail(action="status", status=429, body=body, match=START, times=2)

    assert task.run(operator())["state"] == "succeeded"
    assert len(starts(modelarts)) == 3


@both_ways
def test_a_step_that_waits_for_a_person_ends_the_wait(modelarts, task, deferrable):
    """The error says what the step wants; the execution is left, and the next try takes it up again."""
    held = {"workflow": simple(hold=True), "deferrable": deferrable}
    with pytest.raises(errors.JobBlocked, match="Step 'train' is on hold") as caught:
        task.run(operator(**held))
    with pytest.raises(errors.JobBlocked):
        task.run(operator(**held))

    assert caught.value.job_id == executions(modelarts)[-1]["id"]
    assert (len(starts(modelarts)), actions(modelarts)) == (1, [])


def test_a_task_waits_for_a_person_if_the_user_says_so(modelarts, task):
    """With ``wait`` the step's wish is logged, and the task ends with the execution."""
    flow = definition()
    waiting = operator(workflow=flow, on_waiting_inputs="wait", timeout=2, cancel_on_timeout=False)
    with capture_logs() as logs, pytest.raises(errors.JobTimedOut) as caught:
        task.run(waiting)
    assert any("Step 'train' waits for data 'letters'" in line for line in told(logs))

    hook = ModelArtsHook()
    service = hook.get_conn()
    ref = service.reference(modelarts.job(caught.value.job_id)["workflow"], caught.value.job_id)
    hook.run(service.act_on_step(ref, "train", "continue", data={"letters": "/lab/in/"}))

    job = task.run(operator(workflow=flow, on_waiting_inputs="wait"))
    assert (job["id"], job["state"]) == (caught.value.job_id, "succeeded")


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "status", "status": 503, "times": 4},
        {"action": "status", "status": 429, "headers": {"Retry-After": "0"}, "times": 4},
        {"action": "html", "times": 1},
        {"action": "truncate", "times": 1},
        {"action": "drop_before", "times": 2},
        {"action": "expire_tokens", "times": 1},
    ],
    ids=lambda fault: f"{fault['action']} {fault.get('status', '')}",
)
@both_kinds
def test_trouble_while_waiting_passes(modelarts, task, fault):
    """Whatever goes wrong between two polls, the execution's result is still returned."""
    modelarts.fail(**fault, match=POLL)

    assert task.run(operator())["state"] == "succeeded"


@both_ways
def test_an_error_after_acceptance_names_the_execution(modelarts, task, deferrable):
    """Whoever loses permission while it runs is told which execution is running, and where."""
    body = {"error_code": "ModelArts.0108", "error_msg": "no"}
    modelarts.fail(action="status", status=403, match=POLL, body=body)

    with pytest.raises(errors.PermissionDenied, match="modelarts:workflow:get") as caught:
        task.run(operator(workflow=simple(**ENDLESS), deferrable=deferrable))

    assert executions(modelarts)[-1]["id"] in str(caught.value)


@both_ways
def test_an_outage_leaves_the_execution_running(modelarts, task, deferrable):
    """When nothing good was heard for too long, the task fails, and its retry takes the execution up."""
    modelarts.fail(action="status", status=503, match=POLL)
    flow = simple()
    with pytest.raises(errors.JobUnreachable, match="takes it up again") as caught:
        task.run(operator(workflow=flow, deferrable=deferrable, outage_tolerance=1))
    modelarts.reset()

    assert task.run(operator(workflow=flow))["id"] == caught.value.job_id
    assert starts(modelarts) == []


@both_kinds
def test_secrets_are_shown_nowhere(modelarts, task):
    """Neither keys nor tokens stand in a log, an XCom, a record or an error."""
    modelarts.fail(action="status", status=403, match=POLL, skip=3, body={"error_msg": "no"})
    failing = operator(workflow=simple(**ENDLESS), deferrable=True)
    with capture_logs() as logs, pytest.raises(errors.PermissionDenied) as caught:
        task.run(failing)

    shown = json.dumps([logs, task.instance.xcoms, task.store, repr(caught.value), task.events], default=str)
    hook = ModelArtsHook()
    hook.open()
    secrets = {SECRET_KEY, IAM_PASSWORD}
    if hook.connection.auth == "token":
        secrets.add(iam_tokens_of(hook.connection).get("Huawei Cloud").value)
    assert not [secret for secret in secrets if secret in shown + repr(hook.connection)]


def test_mapped_tasks_that_create_one_workflow_at_once_share_it(modelarts, capsys):
    """All ten start their execution on the oldest, the others are deleted, and each log names it."""
    flow = simple()
    # Nobody sees a workflow of the name before the tenth has asked for one.
    creation = {"method": "POST", "path": "/workflows$"}
    modelarts.fail(action="latency", seconds=1.5, match=creation, times=10)

    def run(index):
        task = Task("mapped")
        task.instance.map_index = index
        return task.run(operator(workflow=flow, wait_for_completion=False)), task.instance.xcoms

    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(run, range(10)))

    hook = ModelArtsHook()
    (kept,) = hook.run(hook.get_conn().workflows.list(name=flow["name"], exact=True))
    asked = [(one["method"], one["path"].rpartition("/")[2]) for one in modelarts.requests()]
    assert asked.count(("POST", "workflows")) > 1
    assert {xcoms["workflow_id"] for _, xcoms in found} == {kept["workflow_id"]}
    assert len({job["id"] for job, _ in found}) == len(starts(modelarts)) == kept["run_count"] == 10
    assert capsys.readouterr().out.count(f"workflow {kept['workflow_id']}, {flow['name']!r}") == 10
