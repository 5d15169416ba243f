"""Huawei Cloud's own ModelArts client against the emulator: workflows, executions and steps.

Run it in an environment of its own, as ``python run.py https://localhost:8787 STATE/ca.pem``, while the
emulator runs with ``--tls --state STATE``. It prints a line for each operation and ends with 1 if one failed.
"""

from __future__ import annotations

import ast
import base64
import hmac
import json
import ssl
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

URL, CA_FILE = sys.argv[1], sys.argv[2]
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "conformance"))

import huaweicloudsdkmodelarts.v1 as api
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkcore.region.region import Region
from huaweicloudsdkcore.signer import signer
from operations import Operations, refused

ACCESS, SECRET = "EMULATORACCESSKEY000", "emulator-secret-key"
PROJECT, REGION = "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "cn-north-4"
NOT_THERE = "f1642618-43eb-4ab1-a0b1-9cc584182c60"
SEED = ROOT / "tests" / "services" / "modelarts" / "create_workflow_example.json"
FINAL = ("completed", "stopped", "abnormal")
SECONDS = 60
_TYPE = "application/octet-stream"
TRAIN = """
import argparse, json, pathlib
given = argparse.ArgumentParser()
for name in ("--data_url", "--train_url", "--factor"):
    given.add_argument(name)
given = given.parse_args()
total = sum(int(file.read_text()) for file in pathlib.Path(given.data_url).iterdir()) * int(given.factor)
out = pathlib.Path(given.train_url)
print("the total is", total)
(out / "total.txt").write_text(str(total))
metric = {"key": "total", "title": "the total", "type": "float", "data": {"value": total}}
(out / "metrics.json").write_text(json.dumps([metric]))
"""
_http = build_opener(ProxyHandler({}), HTTPSHandler(context=ssl.create_default_context(cafile=CA_FILE)))


def client(credentials: BasicCredentials, region: Region | None = None) -> api.ModelArtsClient:
    """Return the vendor's client of the emulator."""
    config = HttpConfig(ssl_ca_cert=CA_FILE)
    builder = api.ModelArtsClient.new_builder().with_http_config(config).with_credentials(credentials)
    return (builder.with_region(region) if region else builder.with_endpoint(URL)).build()


def put(place: str, content: str) -> None:
    """Write an object, which this client cannot."""
    for path, body in ((place.split("/", maxsplit=1)[0], b""), (place, content.encode())):
        told = _signed("PUT", path)
        _http.open(Request(f"{URL}/obs/{path}", data=body, method="PUT", headers=told))  # noqa: S310 - https


def read(place: str) -> str:
    """Read an object."""
    asked = Request(f"{URL}/obs/{place}", headers=_signed("GET", place))  # noqa: S310 - https
    return _http.open(asked).read().decode()


def _signed(method: str, place: str) -> dict[str, str]:
    """Return the headers of a request to OBS, signed as its pages say."""
    date = formatdate(usegmt=True)
    text = f"{method}\n\n{_TYPE}\n{date}\n/{place}".encode()
    made = base64.b64encode(hmac.digest(SECRET.encode(), text, "sha1")).decode()
    return {"Date": date, "Content-Type": _TYPE, "Authorization": f"OBS {ACCESS}:{made}"}


def temporary_keys() -> BasicCredentials:
    """Exchange a token for keys."""
    user = {"name": "emulator", "password": "emulator", "domain": {"name": "emulator"}}
    identity: dict[str, Any] = {"methods": ["password"], "password": {"user": user}}
    scope = {"project": {"name": REGION}}
    token = _iam("/v3/auth/tokens", {"identity": identity, "scope": scope})[1]["X-Subject-Token"]
    identity = {"methods": ["token"], "token": {"id": token, "duration_seconds": 900}}
    keys = _iam("/v3.0/OS-CREDENTIAL/securitytokens", {"identity": identity})[0]["credential"]
    made = BasicCredentials(keys["access"], keys["secret"], PROJECT)
    return made.with_security_token(keys["securitytoken"])


def _iam(path: str, auth: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    told = {"Content-Type": "application/json"}
    request = Request(URL + path, json.dumps({"auth": auth}).encode(), told)  # noqa: S310 - https
    answer = _http.open(request)
    return json.load(answer), answer.headers


def condition_workflow() -> api.WorkflowParam:
    """Return a workflow of models of the client: a condition chooses which of two real jobs runs."""

    def job(name: str, factor: int) -> api.WorkflowStep:
        algorithm = {
            "code_dir": "/sdk/code/",
            "boot_file": "train.py",
            "parameters": [{"name": "factor", "value": factor}],
        }
        folder = f"$ref/storages(with_execution_id=True, create_dir=True)/results/{name}"
        return api.WorkflowStep(
            name=name,
            title=name,
            type="job",
            inputs=[api.JobInput(name="data_url", type="obs", data="$ref/data_requirements/numbers")],
            outputs=[api.JobOutput(name="train_url", type="obs", config={"obs_url": folder})],
            properties={"algorithm": algorithm},
            depend_steps=["choose"],
        )

    choose = api.WorkflowStep(
        name="choose",
        title="choose",
        type="condition",
        conditions=[api.StepCondition(type="==", left="$ref/parameters/large", right=True)],
        if_then_steps=["large"],
        else_then_steps=["small"],
    )
    large = api.WorkflowParameter(name="large", type="bool", delay=True, used_steps=["choose"])
    numbers = api.DataRequirement(name="numbers", type="obs", used_steps=["large", "small"])
    return api.WorkflowParam(
        name="sdk condition",
        description="two branches",
        steps=[choose, job("large", 1000), job("small", 1)],
        parameters=[large],
        data_requirements=[numbers],
        storages=[api.WorkflowStorage(name="results", type="obs", path="/sdk/results/")],
        labels=["sdk"],
    )


def workflows(ma: api.ModelArtsClient, done: Operations) -> None:
    """Create in each way that the emulator can, list, show, change."""
    example = json.loads(SEED.read_text())
    seed = done(
        "create_workflow with the published request",
        lambda: ma.create_workflow(api.CreateWorkflowRequest(body=example)).workflow_id,
    )
    show = partial(_workflow, ma)
    done("show_workflow: the steps came back", lambda: _names(show(seed).steps) == _names(example["steps"]))
    done("a reference came back", lambda: show(seed).steps[1].inputs[0].data == example_data(example))
    copy = api.WorkflowParam(name="a copy", source_workflow_id=seed)
    done(
        "create_workflow as a copy",
        lambda: ma.create_workflow(api.CreateWorkflowRequest(copy)).steps[0].type == "condition",
    )
    gallery = api.WorkflowParam(
        name="工作流 7", gallery_subscription=api.WorkflowGallerySubscription(content_id="c", version_id="v")
    )
    done(
        "create_workflow from AI Gallery, with a Chinese name",
        lambda: ma.create_workflow(api.CreateWorkflowRequest(gallery)).source == "ai_gallery",
    )
    broken = api.WorkflowParam(name="-", steps=[])
    done(
        "a bad name is refused", _refused(lambda: ma.create_workflow(api.CreateWorkflowRequest(broken)), 400)
    )
    listed = partial(_list, ma)
    done("list_workflows", lambda: listed().total == len(listed().items) == 3)
    done("list_workflows by page", lambda: _names(listed(limit="1", offset="1").items) == ["a copy"])
    done(
        "list_workflows by name",
        lambda: _names(listed(name="cop", search_type="contain").items) == ["a copy"],
    )
    done("list_workflows by exact name", lambda: listed(name="cop", search_type="equal").items == [])
    done(
        "list_workflows by Chinese name",
        lambda: _names(listed(name="工作流 7", search_type="equal").items) == ["工作流 7"],
    )
    changed = api.UpdateWorkflowRequest(
        seed, body=api.WorkflowUpdate(description="changed", labels=["x", "y"])
    )
    done("update_workflow", lambda: ma.update_workflow(changed).description == "changed")
    done("the change stays", lambda: show(seed).labels == ["x", "y"])
    done(
        "show_workflow_labels",
        lambda: set(ma.show_workflow_labels(api.ShowWorkflowLabelsRequest()).body) >= {"x", "y"},
    )
    done(
        "show_workflows_overview",
        lambda: ma.show_workflows_overview(api.ShowWorkflowsOverviewRequest()).total == 3,
    )
    done("a workflow that is not there", _refused(lambda: show(NOT_THERE), 400, "ModelArts.7512"))
    done("an id that is none", _refused(lambda: show("seed"), 400, "ModelArts.0104"))
    done("delete_workflow", lambda: ma.delete_workflow(api.DeleteWorkflowRequest(seed)))
    done("it is gone", _refused(lambda: show(seed), 400, "ModelArts.7512"))


def branches(ma: api.ModelArtsClient, done: Operations) -> None:
    """Both branches of a condition run for real, each into a folder of its own execution."""
    workflow = done(
        "create_workflow out of models",
        lambda: ma.create_workflow(api.CreateWorkflowRequest(condition_workflow())).workflow_id,
    )
    for large, taken, left, total in ((True, "large", "small", "6000"), (False, "small", "large", "6")):
        started = done(
            f"create_workflow_execution, the {taken} branch",
            lambda large=large, taken=taken: _start(
                ma,
                workflow,
                labels=[taken],
                parameters=[api.WorkflowParameter(name="large", type="bool", value=large)],
                data_requirements=[
                    api.DataRequirement(name="numbers", type="obs", value={"obs_url": "/sdk/in/"})
                ],
            ),
        )
        done(
            "a new one has no status and no steps",
            lambda s=started: (s.status, s.steps_execution) == (None,) * 2,
        )
        one = partial(_show, ma, workflow, started.execution_id)
        done("show_workflow_execution until it completes", lambda o=one: _ended(o).status == "completed")
        told = {"choose": "completed", taken: "completed", left: "skipped"}
        done("the other branch was skipped", lambda o=one, t=told: _statuses(o()) == t)
        place = f"sdk/results/{started.execution_id}/{taken}"
        path = f"/{place}/"
        done(
            "its output's place is resolved",
            lambda o=one, t=taken, p=path: _output(o(), t).rstrip("/") + "/" == p,
        )
        done("the job has written there", lambda p=place, t=total: read(f"{p}/total.txt") == t)
        metrics = partial(_metrics, ma, workflow, one, taken)
        log = partial(_log, ma, one, taken)
        done("show_training_job_logs_preview", lambda g=log, t=total: g().content == f"the total is {t}\n")
        done("show_workflow_step_execution_metrics", lambda m=metrics, t=total: m()["value"] == int(t))
    listed = partial(_executions, ma, workflow)
    done("list_workflow_executions", lambda: listed().total == 2)
    done(
        "list_workflow_executions by label",
        lambda: [e.labels for e in listed(labels="small").items] == [["small"]],
    )
    newest = {"sort_by": "create_time", "order": "desc", "limit": "1"}
    done("the newest first", lambda: [e.labels for e in listed(**newest).items] == [["small"]])
    steps = api.ListWorkflowStepExecutionRequest(workflow, limit=100, offset=0)
    done("list_workflow_step_execution", lambda: ma.list_workflow_step_execution(steps).total == 6)
    done("delete_workflow with executions", lambda: ma.delete_workflow(api.DeleteWorkflowRequest(workflow)))


def actions(ma: api.ModelArtsClient, done: Operations) -> None:
    """Stop, rerun and delete executions; continue, retry and stop steps."""
    step = api.WorkflowStep(name="long", type="model", properties={"emulator": {"run_seconds": 600}})
    asks = api.WorkflowParameter(name="epochs", type="int", delay=True, used_steps=["long"])
    body = api.WorkflowParam(name="sdk actions", steps=[step], parameters=[asks])
    workflow = done(
        "create_workflow that waits", lambda: ma.create_workflow(api.CreateWorkflowRequest(body)).workflow_id
    )
    execution = done("create_workflow_execution that waits", lambda: _start(ma, workflow).execution_id)
    one = partial(_show, ma, workflow, execution)
    done("a step waits for its input", lambda: _reached(one, "long", "wait_inputs"))
    done("while the execution runs", lambda: one().status == "running")
    todo = api.ShowWorkflowsTodolistRequest()
    done(
        "show_workflows_todolist",
        lambda: [t.execution_id for t in ma.show_workflows_todolist(todo).items] == [execution],
    )
    act = partial(_act_on_step, ma, workflow, one, "long")
    epochs = [api.WorkflowParameter(name="epochs", type="int", value=3)]
    done("continue, with the input", lambda: act("continue", parameters=epochs).step_name == "long")
    done("the step runs", lambda: _reached(one, "long", "running"))
    again = api.UpdateWorkflowExecutionRequest(workflow, execution, api.WorkflowExecution(labels=["late"]))
    done("update_workflow_execution", lambda: ma.update_workflow_execution(again).labels == ["late"])
    on_all = partial(_act, ma, workflow, execution)
    done("stop", lambda: on_all("stop").execution_id == execution)
    done("it is stopped", lambda: _ended(one).status == "stopped")
    done("stop again is refused", _refused(lambda: on_all("stop"), 400))
    done("rerun of one step", lambda: on_all("rerun", ["long"]).execution_id == execution)
    done("it runs again", lambda: _reached(one, "long", "running"))
    done("a step's stop", lambda: act("stop").step_name == "long")
    done("ends the execution", lambda: _ended(one).status in ("stopped", "abnormal"))
    done("a step's retry", lambda: act("retry").step_name == "long")
    done("has it run again", lambda: _reached(one, "long", "running"))
    done("an action of another name", _refused(lambda: on_all("sleep"), 400, "ModelArts.0104"))
    gone = api.DeleteWorkflowExecutionRequest(workflow, execution)
    done("delete_workflow_execution", lambda: ma.delete_workflow_execution(gone))
    done("it is gone", _refused(one, 400, "ModelArts.7511"))


def failures(ma: api.ModelArtsClient, done: Operations) -> None:
    """A failed step says why."""
    properties = {"emulator": {"run_seconds": 0, "status": "failed", "error": "no flavor is free"}}
    body = api.WorkflowParam(
        name="sdk failure", steps=[api.WorkflowStep(name="fit", type="model", properties=properties)]
    )
    workflow = done(
        "create_workflow that fails", lambda: ma.create_workflow(api.CreateWorkflowRequest(body)).workflow_id
    )
    one = partial(_show, ma, workflow, done("its execution", lambda: _start(ma, workflow).execution_id))
    done("it is abnormal", lambda: _ended(one).status == "abnormal")
    done("error_info says why", lambda: "no flavor" in one().steps_execution[0].error_info.error_message)
    done("events tell of it", lambda: any("to failed" in event for event in one().steps_execution[0].events))


def credentials(done: Operations) -> None:
    """Keys that are good and keys that are not, as this client presents them."""
    request = api.ListWorkflowsRequest()

    def count(ma: api.ModelArtsClient) -> bool:
        return ma.list_workflows(request).total >= 0

    looked_up = BasicCredentials(ACCESS, SECRET).with_iam_endpoint(URL)
    done("the project is looked up in IAM", lambda: count(client(looked_up, Region(REGION, URL))))
    done("temporary keys", lambda: count(client(temporary_keys())))
    untold = temporary_keys()
    untold.security_token = None
    done("not without their token", _refused(lambda: count(client(untold)), 401, "APIGW.0301"))
    wrong = BasicCredentials(ACCESS, "not-" + SECRET, PROJECT)
    done("a wrong secret key", _refused(lambda: count(client(wrong)), 401, "APIGW.0301"))
    unknown = BasicCredentials("NOBODYSKEY0000000000", SECRET, PROJECT)
    done("an unknown access key", _refused(lambda: count(client(unknown)), 401, "APIGW.0301"))
    other = BasicCredentials(ACCESS, SECRET, PROJECT[::-1])
    done("another project", _refused(lambda: count(client(other)), 403, "ModelArts.0210"))
    skewed = "APIGW.0301 Incorrect IAM authentication information: signature expired"
    done("a clock that is 16 minutes slow", _refused(partial(_late, count), 401, skewed))


def _late(count: Callable[[api.ModelArtsClient], bool]) -> bool:
    real = signer.datetime

    class Slow(real):  # type: ignore[misc, valid-type]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return real.now(tz) - timedelta(minutes=16)

        @classmethod
        def utcnow(cls) -> Any:
            return real.utcnow() - timedelta(minutes=16)

    signer.datetime = Slow
    try:
        return count(client(BasicCredentials(ACCESS, SECRET, PROJECT)))
    finally:
        signer.datetime = real


def _refused(operation: Callable[[], Any], status: int, code: str = "") -> Callable[[], bool]:
    """Return an operation that passes if another is refused with this status and this code."""

    def refuse() -> None:
        try:
            operation()
        except ClientRequestException as error:
            raise RuntimeError(f"{error.status_code} {error.error_code} {error.error_msg}") from error

    return refused(refuse, RuntimeError, f"{status} {code}")


def example_data(example: dict[str, Any]) -> Any:
    """Return a reference of the published request."""
    return example["steps"][1]["inputs"][0]["data"]


def _names(rows: list[Any]) -> list[str]:
    return [row["name"] if isinstance(row, dict) else row.name for row in rows]


def _workflow(ma: api.ModelArtsClient, workflow: str) -> Any:
    return ma.show_workflow(api.ShowWorkflowRequest(workflow))


def _list(ma: api.ModelArtsClient, **query: str) -> Any:
    return ma.list_workflows(api.ListWorkflowsRequest(**query))


def _start(ma: api.ModelArtsClient, workflow: str, **body: Any) -> Any:
    return ma.create_workflow_execution(
        api.CreateWorkflowExecutionRequest(workflow, api.WorkflowExecution(**body))
    )


def _show(ma: api.ModelArtsClient, workflow: str, execution: str) -> Any:
    return ma.show_workflow_execution(api.ShowWorkflowExecutionRequest(workflow, execution))


def _executions(ma: api.ModelArtsClient, workflow: str, **query: str) -> Any:
    return ma.list_workflow_executions(api.ListWorkflowExecutionsRequest(workflow, **query))


def _act(ma: api.ModelArtsClient, workflow: str, execution: str, name: str, steps: Any = None) -> Any:
    body = api.ExecutionAction(name, api.ExecutionActionPolicy(steps) if steps else None)
    return ma.create_workflow_executions_actions(
        api.CreateWorkflowExecutionsActionsRequest(workflow, execution, body)
    )


def _act_on_step(
    ma: api.ModelArtsClient, workflow: str, one: Callable[[], Any], step: str, name: str, **body: Any
) -> Any:
    execution = one()
    return ma.create_workflow_step_executions_actions(
        api.CreateWorkflowStepExecutionsActionsRequest(
            workflow,
            execution.execution_id,
            _step(execution, step).uuid,
            api.StepExecutionAction(action_name=name, **body),
        )
    )


def _metrics(ma: api.ModelArtsClient, workflow: str, one: Callable[[], Any], step: str) -> Any:
    execution = one()
    uuid = _step(execution, step).uuid
    request = api.ShowWorkflowStepExecutionMetricsRequest(workflow, execution.execution_id, uuid)
    (metric,) = ma.show_workflow_step_execution_metrics(request).body
    return metric.data


def _log(ma: api.ModelArtsClient, one: Callable[[], Any], step: str) -> Any:
    job = _step(one(), step).instance_id
    # The client takes every instance_id for a text, and writes a mapping as Python does.
    job_id = (job if isinstance(job, dict) else ast.literal_eval(job))["training_job_id"]
    return ma.show_training_job_logs_preview(api.ShowTrainingJobLogsPreviewRequest(job_id, "worker-0"))


def _step(execution: Any, name: str) -> Any:
    return next((step for step in execution.steps_execution or [] if step.step_name == name), None)


def _statuses(execution: Any) -> dict[str, str]:
    return {step.step_name: step.status for step in execution.steps_execution}


def _output(execution: Any, step: str) -> str:
    return str(_step(execution, step).outputs[0].config["obs_url"])


def _until(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (found := what()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {SECONDS} seconds")
        time.sleep(0.1)
    return found


def _ended(one: Callable[[], Any]) -> Any:
    return _until(lambda: (now := one()).status in FINAL and now)


def _reached(one: Callable[[], Any], step: str, status: str) -> bool:
    return bool(_until(lambda: (now := _step(one(), step)) is not None and now.status == status))


def main() -> int:
    """Carry out all operations; return 0 if each passed."""
    done = Operations("huaweicloudsdkmodelarts")
    put("sdk/code/train.py", TRAIN)
    for number in (1, 2, 3):
        put(f"sdk/in/{number}.txt", str(number))
    ma = client(BasicCredentials(ACCESS, SECRET, PROJECT))
    credentials(done)
    workflows(ma, done)
    branches(ma, done)
    actions(ma, done)
    failures(ma, done)
    return 0 if done.report() else 1


if __name__ == "__main__":
    sys.exit(main())
