"""Executions: started once, followed, stopped and run again; answers as recorded ones are."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_provider.errors import (
    AnswerLost,
    AuthenticationFailed,
    BadRequest,
    BatchError,
    ConnectionFailed,
    InvalidInput,
    JobBlocked,
    JobFailed,
    NotFound,
    PermissionDenied,
    ServiceUnavailable,
    Throttled,
    UnexpectedAnswer,
)
from airflow_batch_provider.jobs import JobRef, JobState, Service, TaskIdentity, Watch, marker_of, wait
from airflow_batch_provider.services.modelarts import steps
from airflow_batch_provider.services.modelarts.executions import Call, ModelArtsWorkflows
from airflow_batch_provider.services.modelarts.project import PLACE, Project, ProjectIds
from airflow_batch_provider.services.modelarts.regions import endpoints
from airflow_batch_provider.services.modelarts.starting import Start, start
from airflow_batch_provider.web import LASTS

from .script import (
    BASE,
    EXECUTION,
    EXECUTION_ID,
    GONE,
    HTML,
    MARKER,
    NOON,
    PROJECT,
    REF,
    SERVICE,
    STEP_ID,
    WORKFLOW_ID,
    execution,
    items,
    ok,
    play,
    refused,
    step,
    workflow,
)

ASK = ("GET", EXECUTION)
ACT = ("POST", f"{EXECUTION}/actions")
LOOK = ("GET", f"{BASE}/{WORKFLOW_ID}")
CALL = Call(PROJECT, WORKFLOW_ID, "digits", {"name": "e", "labels": ["mine"]})
BY_ID = start(workflow_id=WORKFLOW_ID)
DELAYED = {
    "param_ready": False,
    "parameters": [
        {"name": "epochs", "type": "int", "delay": True, "used_steps": ["train"]},
        {"name": "rate", "type": "float"},
        {"name": "kind", "type": "str", "default": "cpu"},
        {"name": "on", "type": "bool", "value": False},
    ],
    "data": [{"name": "fixed", "type": "obs"}],
    "data_requirements": [{"name": "input", "type": "obs", "used_steps": ["train"]}],
}


# --- plan -------------------------------------------------------------------------------------------------


def test_a_workflow_is_looked_up_to_type_what_it_is_started_with():
    """Texts out of templates become what the workflow says; what stands in the workflow needs no value."""
    order = start(
        workflow_id=WORKFLOW_ID,
        parameters={"epochs": "3", "rate": "0.5"},
        data={"input": "obs://bucket/in/"},
        labels=["a", "a"],
        name="run",
        description="d",
        scene_id="1",
        use_cache="False",
    )
    played = play(SERVICE.plan(order), [ok(workflow(**DELAYED))])

    assert played.asked == [LOOK]
    assert played.returned.body == {
        "name": "run",
        "description": "d",
        "scene_id": "1",
        "labels": ["a"],
        "policies": {"use_cache": False},
        "parameters": [
            {"name": "epochs", "type": "int", "delay": True, "used_steps": ["train"], "value": 3},
            {"name": "rate", "type": "float", "value": 0.5},
        ],
        "data_requirements": [
            {"name": "input", "type": "obs", "used_steps": ["train"], "value": {"obs_url": "/bucket/in/"}}
        ],
    }


def test_nothing_is_sent_that_was_not_said():
    """An execution without arguments has an empty body, in the connection's workspace if it names one."""
    assert play(SERVICE.plan(BY_ID), [ok(workflow())]).returned.body == {}
    other = ModelArtsWorkflows(replace(PROJECT, workspace_id="7"))
    assert play(other.plan(BY_ID), [ok(workflow())]).returned.body == {"workspace_id": "7"}


def test_a_scene_is_one_of_the_workflows():
    """One that it has is asked for; where the service tells of none, it decides."""
    order = start(workflow_id=WORKFLOW_ID, scene_id="s-2")

    assert play(SERVICE.plan(order), [ok(workflow(**SCENES))]).returned.body == {"scene_id": "s-2"}
    assert play(SERVICE.plan(order), [ok(workflow())]).returned.body == {"scene_id": "s-2"}


def test_what_is_missing_is_told_before_anything_is_started():
    """A parameter or data without a value would have a step wait for a person: all of them are named."""
    played = play(SERVICE.plan(BY_ID), [ok(workflow(**DELAYED))])

    assert isinstance(played.raised, InvalidInput)
    assert "parameter 'epochs' (int), parameter 'rate' (float), data 'input' (obs)" in str(played.raised)


def test_delayed_inputs_may_come_later_if_the_task_waits_for_them():
    """With ``wait``, only what cannot be given while the execution runs must be given now."""
    order = start(
        workflow_id=WORKFLOW_ID,
        parameters={"rate": 1},
        data={"input": "/bucket/in/"},
        on_waiting_inputs="wait",
    )

    assert play(SERVICE.plan(order), [ok(workflow(**DELAYED))]).returned.on_waiting_inputs == "wait"


def test_the_service_knows_what_may_be_left_out():
    """With ``param_ready``, only delayed inputs are asked for."""
    played = play(SERVICE.plan(BY_ID), [ok(workflow(**{**DELAYED, "param_ready": True}))])

    assert "'epochs'" in str(played.raised)
    assert "'rate'" not in str(played.raised)


def test_a_workflow_is_found_by_its_exact_name():
    """The service may find more than was asked for; a name must be one workflow's alone."""
    order = start(workflow_name="digits")
    found = items({"name": "digits", "workflow_id": WORKFLOW_ID}, {"name": "digits2", "workflow_id": "x"})
    played = play(SERVICE.plan(order), [found, ok(workflow())])

    assert played.asked == [("GET", BASE), LOOK]
    assert dict(played.requests[0].url.params) == {
        "name": "digits",
        "search_type": "equal",
        "limit": "100",
        "offset": "0",
    }
    assert played.returned.workflow_name == "graph-test-has-condition-step"


def test_a_definition_is_created_unless_its_name_exists():
    """A workflow of the definition's name is taken as it is; without one it is created."""
    order = start(workflow={"name": "digits", "steps": [{"name": "a", "type": "job"}]})
    row = {"name": "digits", "workflow_id": WORKFLOW_ID}
    taken = play(SERVICE.plan(order), [items(row), ok(workflow())])
    told = []
    service = replace(SERVICE, tell=told.append)
    created = play(service.plan(order), [items(), ok(row, 201), items(row), ok(workflow())])
    play(service.plan(order), [items(row), ok(workflow())])

    assert taken.asked == [("GET", BASE), LOOK]
    assert created.asked == [("GET", BASE), ("POST", BASE), ("GET", BASE), LOOK]
    assert told == [
        f"Created workflow {WORKFLOW_ID}, 'digits'.",
        f"Found workflow {WORKFLOW_ID}, 'digits'; its definition was left as it is.",
    ]


SCENES = {"policy": {"scenes": [{"id": "s-1", "name": "quick"}, {"id": "s-2"}]}}
UNPLANNED = {
    "no such scene": (
        start(workflow_id=WORKFLOW_ID, scene_id="nope"),
        [ok(workflow(**SCENES))],
        InvalidInput,
        "'graph-test-has-condition-step' has no such scene. There are 's-1' (quick), 's-2'.",
    ),
    "no such id": (BY_ID, [refused(400, GONE["workflow"])], NotFound, "ModelArts.7512"),
    "no such name": (
        start(workflow_name="digit"),
        [items(), items({"name": "digits", "workflow_id": "x"})],
        NotFound,
        "Did you mean 'digits'?",
    ),
    "no workflow at all": (start(workflow_name="digit"), [items(), items()], NotFound, "There are none."),
    "two of one name": (
        start(workflow_name="digits"),
        [items({"name": "digits", "workflow_id": "id-1"}, {"name": "digits", "workflow_id": "id-2"})],
        InvalidInput,
        "Give workflow_id: id-1, id-2.",
    ),
    "a row without id": (start(workflow_name="d"), [items({"name": "d"})], UnexpectedAnswer, "workflow_id"),
    "no permission": (BY_ID, [refused(403, "ModelArts.0108")], PermissionDenied, "modelarts:workflow:get"),
    "another project": (BY_ID, [refused(403, "ModelArts.0210")], PermissionDenied, "check project_id"),
    "no workflow in the answer": (BY_ID, [ok({})], UnexpectedAnswer, "lacks workflow_id"),
    "unknown parameter": (
        start(workflow_id=WORKFLOW_ID, parameters={"epoch": 1}),
        [ok(workflow(**DELAYED))],
        InvalidInput,
        "Did you mean 'epochs'?",
    ),
}


@pytest.mark.parametrize(("order", "answers", "kind", "says"), UNPLANNED.values(), ids=UNPLANNED.keys())
def test_what_cannot_be_started_is_told(order, answers, kind, says):
    """Each failure before the submission has its class, and says what to do."""
    played = play(SERVICE.plan(order), answers)

    assert type(played.raised) is kind
    assert says in str(played.raised)


# --- the project ------------------------------------------------------------------------------------------


def test_a_project_is_looked_up_by_its_region_once():
    """Without a project id IAM is asked, for all tasks of the connection."""
    service = ModelArtsWorkflows(Project(PROJECT.endpoints, "cn-north-4"), ids=ProjectIds())
    first = play(service.plan(BY_ID), [ok({"projects": [{"id": "p9"}]}), ok(workflow())])
    again = play(service.plan(BY_ID), [ok(workflow())])

    assert (
        str(first.requests[0].url) == "https://iam.cn-north-4.myhuaweicloud.com/v3/projects?name=cn-north-4"
    )
    assert [request.url.path for request in again.requests] == [f"/v2/p9/workflows/{WORKFLOW_ID}"]


@pytest.mark.parametrize(
    ("projects", "says"),
    [
        ([], "region is 'cn-north-4', project_id is not given, and the account has no projects"),
        ([], "Check region, or give project_id"),
        ([{"id": "a"}, {"id": "b"}], "2 projects of the region's name"),
        ([{"id": "a/b"}], "The project's id in IAM's answer is 'a/b'"),
    ],
)
def test_a_project_that_is_not_one_must_be_given(projects, says):
    """The account must have one project of the region's name, or the connection says which."""
    service = ModelArtsWorkflows(Project(PROJECT.endpoints, "cn-north-4"), ids=ProjectIds())
    played = play(service.plan(BY_ID), [ok({"projects": projects})])

    assert isinstance(played.raised, InvalidInput)
    assert says in str(played.raised)


def test_a_region_that_is_misspelt_is_offered_those_that_are_like_it():
    """Where the addresses are given, nothing but the look-up tells that a region does not exist."""
    service = ModelArtsWorkflows(Project(PROJECT.endpoints, "cn-nroth-4"), ids=ProjectIds())
    played = play(service.plan(BY_ID), [ok({"projects": []})])

    assert str(played.raised).startswith("region is 'cn-nroth-4', project_id is not given")
    assert "Check region: did you mean cn-north-4" in str(played.raised)


# --- submit -----------------------------------------------------------------------------------------------


def test_an_execution_carries_the_marker_as_a_label():
    """The first answer has no status and no steps, which is an execution about to begin."""
    played = play(SERVICE.submit(CALL, MARKER), [ok(execution(None), 201)])
    ref, job = played.returned

    assert played.asked == [("POST", f"{BASE}/{WORKFLOW_ID}/executions")]
    assert played.body == {"name": "e", "labels": ["mine", MARKER]}
    assert (ref.id, ref.marker, ref.submitted_at) == (EXECUTION_ID, MARKER, NOON)
    assert ref.place == {
        "region": "cn-north-4",
        "project_id": "p1",
        "workflow_id": WORKFLOW_ID,
        "workflow_name": "digits",
        "on_waiting_inputs": "fail",
    }
    assert EXECUTION_ID in ref.url
    assert (job.state, job.status, job.name, job.endpoint) == (
        JobState.PENDING,
        "init",
        "execution-065",
        "digits",
    )


MOVED = ModelArtsWorkflows(Project(endpoints("cn-east-3"), "cn-east-3"), now=lambda: NOON)
OUTPUT = {"name": "o", "config": {"obs_url": "$ref/storages/s/x"}}


@pytest.mark.parametrize(
    ("flow", "answers"),
    [
        (MOVED.get, [ok(execution())]),
        (MOVED.cancel, [ok(execution(), 201)]),
        (MOVED.explain, [ok(execution("abnormal", step("a", "failed")))]),
        (
            MOVED.outputs,
            [ok(execution("completed", step("a", "completed", outputs=[OUTPUT]))), ok(workflow())],
        ),
        (lambda ref: MOVED.page({ref.id: ref}), [items(execution())]),
    ],
    ids=["get", "cancel", "explain", "outputs", "page"],
)
def test_an_execution_is_asked_about_where_it_runs(flow, answers):
    """Also after the task's region has changed: the requests name the old one's host and project."""
    (ref, _) = play(SERVICE.submit(CALL, MARKER), [ok(execution(None), 201)]).returned
    played = play(flow(JobRef.from_dict(json.loads(json.dumps(ref.to_dict())))), answers)

    assert played.raised is None
    assert {sent.url.host for sent in played.requests} == {"modelarts.cn-north-4.myhuaweicloud.com"}
    assert {sent.url.path.split("/")[2] for sent in played.requests} == {"p1"}
    assert {sent.extensions[PLACE] for sent in played.requests} == {("cn-north-4", "p1")}


def test_outputs_are_told_where_the_execution_ran():
    """The address of an output is in the execution's region."""
    (ref, _) = play(SERVICE.submit(CALL, MARKER), [ok(execution(None), 201)]).returned
    output = {"name": "o", "config": {"obs_url": "/bucket/x"}}
    ended = ok(execution("completed", step("a", "completed", outputs=[output])))

    assert play(MOVED.outputs(ref), [ended]).returned["a/o"]["url"] == (
        "https://bucket.obs.cn-north-4.myhuaweicloud.com/x"
    )


def test_a_step_that_was_skipped_has_no_outputs():
    """It tells where it would have written, as the branch that was not taken does."""
    output = {"name": "o", "config": {"obs_url": "/bucket/x"}}
    ends = {"taken": "completed", "other": "skipped"}
    runs = [step(name, status, outputs=[output]) for name, status in ends.items()]

    assert list(play(SERVICE.outputs(REF), [ok(execution("completed", *runs))]).returned) == ["taken/o"]


def test_a_record_of_an_earlier_version_says_no_region():
    """It is then asked about in the region that the task names now."""
    played = play(MOVED.get(REF), [ok(execution())])

    assert played.requests[0].url.host == "modelarts.cn-east-3.myhuaweicloud.com"
    assert "/p1/" in played.requests[0].url.path


def test_a_record_leads_to_no_other_host():
    """What stands in it as region must be one."""
    evil = replace(REF, place={**REF.place, "region": "x.evil.example/"})

    assert "region is 'x.evil.example/'" in str(play(MOVED.get(evil)).raised)


def test_without_a_marker_no_label_is_added():
    """An execution that nobody will look for is started as it was said."""
    assert play(SERVICE.submit(CALL, ""), [ok(execution(None), 201)]).body == CALL.body


SUBMISSIONS = {
    "lost": ([httpx.ReadTimeout("x")], AnswerLost),
    "5xx": ([refused(500, "ModelArts.0010")], AnswerLost),
    "html": ([HTML], AnswerLost),
    "no id": ([ok({"name": "x"}, 201)], AnswerLost),
    "an id that is none": ([ok({"execution_id": "../x"}, 201)], AnswerLost),
    "no token: IAM has trouble": ([ServiceUnavailable("IAM.", status=503)], ConnectionFailed),
    "no token: IAM answers nonsense": ([UnexpectedAnswer("IAM.")], ConnectionFailed),
    "throttled, then accepted": ([refused(429, "APIG.0308"), ok(execution(None), 201)], None),
    "refused": ([refused(400, "ModelArts.0104")], BadRequest),
    "accepted with an error": ([refused(201, "ModelArts.0118")], BadRequest),
    "gone": ([refused(400, GONE["workflow"])], NotFound),
    "no credential": ([refused(401, "APIGW.0301")], AuthenticationFailed),
}


@pytest.mark.parametrize(("answers", "kind"), SUBMISSIONS.values(), ids=SUBMISSIONS.keys())
def test_a_submission_is_never_sent_twice_unless_nothing_happened(answers, kind):
    """What may have started an execution is left to be reconciled; a refusal is what it is."""
    played = play(SERVICE.submit(CALL, MARKER), answers)

    assert (type(played.raised) if played.raised else None) is kind


# --- states -----------------------------------------------------------------------------------------------

STATES = {
    "none": (execution(None), JobState.PENDING, "init"),
    "init": (execution("init"), JobState.PENDING, "init"),
    "running": (execution("running"), JobState.RUNNING, "running"),
    "completed": (execution("completed"), JobState.SUCCEEDED, "completed"),
    "stopped": (execution("stopped"), JobState.CANCELED, "stopped"),
    "abnormal": (execution("abnormal"), JobState.FAILED, "abnormal"),
    "new word": (execution("dreaming"), JobState.UNKNOWN, "dreaming"),
    "waits": (execution("running", step("a", "wait_inputs")), JobState.BLOCKED, "wait_inputs"),
    "on hold": (execution("running", step("a", "hold")), JobState.BLOCKED, "hold"),
    "waited": (
        execution("running", step("a", "wait_inputs"), step("a", "running")),
        JobState.RUNNING,
        "running",
    ),
    "stopped while waiting": (execution("stopped", step("a", "wait_inputs")), JobState.CANCELED, "stopped"),
    "steps that are none": (execution("running", steps_execution="x"), JobState.RUNNING, "running"),
}


@pytest.mark.parametrize(("answer", "state", "status"), STATES.values(), ids=STATES.keys())
def test_the_state_of_an_execution(answer, state, status):
    """Each documented word has its meaning, and a step that waits for a person shows through."""
    played = play(SERVICE.get(REF), [ok(answer)])

    assert played.asked == [ASK]
    assert (played.returned.state, played.returned.status) == (state, status)


def test_a_task_may_wait_for_a_person():
    """With ``wait`` such an execution is running, and its detail says what it waits for."""
    ref = replace(REF, place={**REF.place, "on_waiting_inputs": "wait"})
    job = play(SERVICE.get(ref), [ok(execution("running", step("a", "hold")))]).returned

    assert (job.state, job.status) == (JobState.RUNNING, "running")
    assert job.detail == "Step 'a' is on hold until somebody continues or stops it."


def test_the_end_of_a_wait_says_what_the_step_wants():
    """The recorded case: status running, one step waiting, a delayed parameter and data without a value."""
    answer = execution(
        "running",
        step("service_step", "wait_inputs"),
        parameters=[
            {"name": "schedule", "type": "int", "delay": True, "used_steps": ["service_step"]},
            {"name": "given", "type": "str", "value": "x", "used_steps": ["service_step"]},
            {"name": "other", "type": "int", "delay": True, "used_steps": ["another"]},
        ],
        data_requirements=[{"name": "model", "delay": True, "used_steps": ["service_step"]}],
    )
    played = play(wait(SERVICE, REF, Watch(now=lambda: NOON)), [ok(answer)])

    assert isinstance(played.raised, JobBlocked)
    assert "Step 'service_step' waits for parameter 'schedule' (int), data 'model' (of no type)." in str(
        played.raised
    )
    assert EXECUTION_ID in str(played.raised)


def test_a_step_that_waits_for_nothing_known_is_named_all_the_same():
    """Where the answer does not say what is missing, the step is named."""
    job = play(SERVICE.get(REF), [ok(execution("running", step("a", "wait_inputs")))]).returned

    assert job.detail == "Step 'a' waits for its inputs."


REASONS = {
    "error": (
        [
            step("a", "completed"),
            step("b", "failed", error_info={"error_code": "X.1", "error_message": "No."}),
        ],
        "Step 'b' is failed: X.1: No.",
    ),
    "two": (
        [step("a", "timeout"), step("b", "create_failed")],
        "Step 'a' is timeout: no reason was given. Step 'b' is",
    ),
    "events": ([step("a", "stopped", events=["one", "", "two"])], "Step 'a' is stopped: one; two."),
    "retried": ([step("a", "failed"), step("a", "completed")], "the end"),
    "name": ([{"name": "n", "status": "failed"}], "Step 'n' is failed"),
}


@pytest.mark.parametrize(("runs", "says"), REASONS.values(), ids=REASONS.keys())
def test_a_failure_says_which_step_failed_and_why(runs, says):
    """The execution itself has no error field: its steps have, and its events."""
    answer = execution("abnormal", *runs, events=["begin", "the end"])

    assert says in play(SERVICE.explain(REF), [ok(answer)]).returned
    with pytest.raises(JobFailed) as caught:
        play(SERVICE.get(REF), [ok(answer)]).returned.check()
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([refused(400, GONE["execution"])], NotFound),
        ([refused(404, "x")], NotFound),
        ([ok({})], UnexpectedAnswer),
        ([HTML], UnexpectedAnswer),
        ([refused(503, "x")] * 3, ServiceUnavailable),
        ([refused(429, "APIG.0308")] * 3, Throttled),
        ([refused(500, "x"), ok(execution())], None),
    ],
)
def test_asking_is_asked_again_where_that_helps(answers, kind):
    """A poll is tried a few times; what does not exist is refused with 400."""
    played = play(SERVICE.get(REF), answers)

    assert (type(played.raised) if played.raised else None) is kind


def test_an_execution_of_somebody_else_can_be_followed():
    """Two ids are enough to follow an execution."""
    ref = SERVICE.reference(WORKFLOW_ID, EXECUTION_ID, on_waiting_inputs="wait", submitted_at=3.0)
    played = play(SERVICE.get(ref), [ok(execution("running", step("a", "hold")))])

    assert (ref.submitted_at, played.returned.state) == (3.0, JobState.RUNNING)
    assert played.asked == [ASK]
    for ids in (("x", EXECUTION_ID), (WORKFLOW_ID, "x"), (WORKFLOW_ID, None)):
        with pytest.raises(InvalidInput):
            SERVICE.reference(*ids)


# --- list -------------------------------------------------------------------------------------------------


def test_a_list_finds_executions_by_their_marker():
    """Rows come newest first, with their markers and times; labels of users are no markers."""
    rows = [
        execution("running", labels=["mine", MARKER]),
        execution("completed", labels=["airflow-mine"], created_at="x"),
        execution("running", execution_id="no id"),
        execution("running", step("a", "hold"), labels=None),
        "no row",
    ]
    played = play(SERVICE.list(WORKFLOW_ID, status="running"), [items(*rows)])

    assert [(ref.marker, ref.submitted_at, job.state) for ref, job in played.returned] == [
        (MARKER, 1667309764.0, JobState.RUNNING),
        ("", 0.0, JobState.SUCCEEDED),
        ("", 1667309764.0, JobState.BLOCKED),
    ]
    assert dict(played.requests[0].url.params) == {
        "sort_by": "create_time",
        "order": "desc",
        "status": "running",
        "limit": "100",
        "offset": "0",
    }
    assert all(ref.place["project_id"] == "p1" for ref, _ in played.returned)


def test_a_marker_is_what_submissions_are_marked_with():
    """What `marker_of` makes is recognised among labels."""
    marker = marker_of(TaskIdentity("d", "r", "t"), 1)
    played = play(
        SERVICE.candidates(CALL, marker), [items(execution(labels=[marker]), execution(labels=["x"]))]
    )

    assert [ref.marker for ref, _ in played.returned] == [marker]
    assert played.requests[0].url.params["labels"] == marker


def test_a_list_is_read_page_by_page():
    """A full page is followed by the next row's offset, up to a limit; a null page is an empty one."""
    full = [execution()] * 100
    played = play(SERVICE.list(WORKFLOW_ID), [items(*full), ok({"total": 100, "items": None})])
    cut = play(SERVICE.list(WORKFLOW_ID, pages=2), [items(*full), items(*full)])

    assert [request.url.params["offset"] for request in played.requests] == ["0", "100"]
    assert (len(played.returned), len(cut.returned)) == (100, 200)


# --- actions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "kind", "asked"),
    [
        ([ok(execution("running"), 201)], None, [ACT]),
        ([httpx.ReadTimeout("x"), ok({}, 201)], None, [ACT, ACT]),
        ([refused(201, "ModelArts.1"), ok(execution("stopped"))], None, [ACT, ASK]),
        ([refused(400, "ModelArts.1"), ok(execution("completed"))], None, [ACT, ASK]),
        ([refused(400, "ModelArts.1"), ok(execution("running"))], BadRequest, [ACT, ASK]),
        ([refused(403, "ModelArts.0108"), refused(403, "x")], PermissionDenied, [ACT, ASK]),
    ],
)
def test_stopping_is_harmless_and_says_when_it_did_not_work(answers, kind, asked):
    """An execution that has ended is stopped; a refusal while it goes on is told, with its id."""
    played = play(SERVICE.cancel(REF), answers)

    assert played.asked == asked
    assert (type(played.raised) if played.raised else None) is kind
    if kind:
        assert EXECUTION_ID in str(played.raised)


def test_stopping_does_not_wait_out_a_long_throttling():
    """Who stops an execution is about to end: it is asked for as often as a poll is, and then told."""
    played = play(SERVICE.cancel(REF), [*[refused(429, "APIG.0308")] * 3, ok(execution("running"))])

    assert isinstance(played.raised, Throttled)
    assert played.asked == [*[ACT] * 3, ASK]


ENDED = execution(
    "abnormal",
    step("a", "completed"),
    step("b", "failed"),
    parameters=[{"name": "epochs", "type": "int"}],
    data_requirements=[{"name": "input", "type": "obs"}],
)


def test_an_execution_runs_again():
    """All of it, or some steps, with other parameters and data, under the same id."""
    again = ok(execution("running"), 201)
    whole = play(SERVICE.rerun(REF), [ok(ENDED), again])
    some = play(
        SERVICE.rerun(REF, only=["b"], parameters={"epochs": "4"}, data={"input": "/bucket/x"}),
        [ok(ENDED), again],
    )

    assert whole.asked == [ASK, ACT]
    assert whole.body == {"action_name": "rerun"}
    assert whole.returned.state is JobState.RUNNING
    assert some.body == {
        "action_name": "rerun",
        "policies": {"rerun_steps": ["b"]},
        "parameters": [{"name": "epochs", "type": "int", "value": 4}],
        "data_requirements": [{"name": "input", "type": "obs", "value": {"obs_url": "/bucket/x"}}],
    }
    assert isinstance(play(SERVICE.rerun(REF, only=["c"]), [ok(ENDED)]).raised, InvalidInput)


def test_a_failed_execution_runs_again_from_where_it_failed():
    """Only what did not go well is run again; one that goes on or has succeeded is left alone."""
    failed = play(SERVICE.rerun_failed(REF), [ok(ENDED), ok(execution("running"), 201)])
    bare = play(SERVICE.rerun_failed(REF), [ok(execution("stopped")), ok(execution("running"), 201)])
    going = play(SERVICE.rerun_failed(REF), [ok(execution("running"))])

    assert failed.body == {"action_name": "rerun", "policies": {"rerun_steps": ["b"]}}
    assert bare.body == {"action_name": "rerun"}
    assert (going.asked, going.returned.state) == ([ASK], JobState.RUNNING)


@pytest.mark.parametrize(
    "lost", [httpx.ReadTimeout("x"), refused(500, "x"), HTML], ids=["lost", "5xx", "html"]
)
def test_a_lost_answer_to_a_rerun_is_looked_up(lost):
    """If the execution runs, it runs again; if not, nobody knows, and it is not asked for twice."""
    runs = play(SERVICE.rerun_failed(REF), [ok(ENDED), lost, ok(execution("running"))])
    unknown = play(SERVICE.rerun_failed(REF), [ok(ENDED), lost, ok(ENDED)])

    assert runs.returned.state is JobState.RUNNING
    assert isinstance(unknown.raised, AnswerLost)
    assert EXECUTION_ID in str(unknown.raised)


STEP_ACT = ("POST", f"{EXECUTION}/step-executions/{STEP_ID}/actions")


@pytest.mark.parametrize("action", ["retry", "stop", "continue"])
@pytest.mark.parametrize("named", ["b", STEP_ID])
def test_a_step_is_moved_on(action, named):
    """By its name or its run's id; with what it waits for."""
    ended = {**ENDED, "steps_execution": [step("b", "wait_inputs")]}
    played = play(
        SERVICE.act_on_step(REF, named, action, parameters={"epochs": 2}),
        [ok(ended), ok({"uuid": STEP_ID}, 201)],
    )

    assert played.asked == [ASK, STEP_ACT]
    assert played.body == {
        "action_name": action,
        "parameters": [{"name": "epochs", "type": "int", "value": 2}],
    }
    assert played.returned == {"uuid": STEP_ID}


@pytest.mark.parametrize(
    ("named", "action", "answers", "kind"),
    [
        ("zzz", "stop", [ok(ENDED)], InvalidInput),
        ("", "stop", [ok(ENDED)], InvalidInput),
        ("b", "pause", [], InvalidInput),
        ("b", "retry", [ok(ENDED), httpx.ReadTimeout("x")], AnswerLost),
        ("b", "stop", [ok(ENDED), refused(201, "ModelArts.1")], BadRequest),
        ("n", "stop", [ok(execution("running", {"step_name": "n"}))], UnexpectedAnswer),
    ],
)
def test_a_step_that_cannot_be_moved_on_is_told(named, action, answers, kind):
    """Unknown steps and actions are refused before the request, refusals are told."""
    assert type(play(SERVICE.act_on_step(REF, named, action), answers).raised) is kind


def test_metrics_and_events_are_read():
    """Metrics are a bare array; events are texts."""
    rows = [{"key": "accuracy", "data": {"value": [0.9]}}, "x"]
    metrics = play(SERVICE.metrics(REF, "b"), [ok(ENDED), ok(rows)])
    empty = play(SERVICE.metrics(REF, "b"), [ok(ENDED), httpx.Response(200)])
    wrong = play(SERVICE.metrics(REF, "b"), [ok(ENDED), ok({"a": 1})])
    events = play(SERVICE.events(REF), [ok(execution(events=["a", None, "b"]))])
    none = play(SERVICE.events(REF), [ok(execution())])

    assert metrics.asked == [ASK, ("GET", f"{EXECUTION}/step-executions/{STEP_ID}/metrics")]
    assert (metrics.returned, empty.returned) == (rows[:1], [])
    assert "not a JSON array" in str(wrong.raised)
    assert (events.returned, none.returned) == (["a", "b"], [])


# --- outputs ----------------------------------------------------------------------------------------------


def test_outputs_are_where_each_step_wrote():
    """By step and output, as OBS URI and as address; models and configurations are in no bucket."""
    run = step(
        "train",
        "completed",
        outputs=[
            {"name": "train_url", "type": "obs", "config": {"obs_url": "/bucket-1/out put/"}},
            {"name": "value_url", "type": "obs", "value": {"obs_url": "obs://bucket-1/x"}},
            {"name": "model", "type": "model", "config": {"model_id": "m"}},
        ],
    )
    played = play(SERVICE.outputs(REF), [ok(execution("completed", run, step("b", "completed")))])

    assert played.asked == [ASK]
    assert played.returned == {
        "train/train_url": {
            "uri": "obs://bucket-1/out put/",
            "url": "https://bucket-1.obs.cn-north-4.myhuaweicloud.com/out%20put/",
            "step": "train",
            "output": "train_url",
        },
        "train/value_url": {
            "uri": "obs://bucket-1/x",
            "url": "https://bucket-1.obs.cn-north-4.myhuaweicloud.com/x",
            "step": "train",
            "output": "value_url",
        },
    }


def test_outputs_that_are_references_are_resolved():
    """A unified storage has a folder for each execution; a parameter has the value of this execution."""
    outputs = [
        {
            "name": "a",
            "config": {"obs_url": "$ref/storages(with_execution_id=True, create_dir=True)/root/out"},
        },
        {"name": "b", "config": {"obs_url": "$ref/parameters/place"}},
        {"name": "c", "config": {"obs_url": "$ref/parameters/nowhere"}},
    ]
    answer = execution(
        "completed",
        step("train", "completed", outputs=outputs),
        parameters=[{"name": "place", "value": "/buc/p/"}],
    )
    whole = workflow(
        storages=[{"name": "root", "type": "obs", "path": "/bucket/base/"}],
        parameters=[{"name": "place", "default": "/buc/default/"}],
    )
    played = play(SERVICE.outputs(REF), [ok(answer), ok(whole)])

    assert played.asked == [ASK, LOOK]
    # The workflow is the same for all of its executions that end together; an execution is not.
    assert [request.extensions.get(LASTS, 0) for request in played.requests] == [0, 60]
    assert {name: found["uri"] for name, found in played.returned.items()} == {
        "train/a": f"obs://bucket/base/{EXECUTION_ID}/out/",
        "train/b": "obs://buc/p/",
    }


# --- properties -------------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
WORDS = st.sampled_from(
    [
        *("status", "steps_execution", "outputs", "config", "name", "step_name", "obs_url", "error_info"),
        *("running", "wait_inputs", "parameters", "used_steps", "labels", "execution_id", "items", "events"),
        *("workflow_id", "projects", "uuid", "value", "data_requirements", "error_code", "completed"),
        *(EXECUTION_ID, WORKFLOW_ID, "$ref/parameters/a", "/bucket/x/"),
    ]
)
JSON = st.recursive(
    SCALARS | WORDS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(WORDS, below, max_size=5),
    max_leaves=12,
)
STEPS = st.lists(st.dictionaries(WORDS, JSON, max_size=5), max_size=3)
BODIES = st.builds(
    lambda body, runs: {**execution(), **body, "steps_execution": runs}, st.dictionaries(WORDS, JSON), STEPS
)
FLOWS = {
    "plan": lambda: SERVICE.plan(BY_ID),
    "name": lambda: SERVICE.plan(start(workflow_name="a")),
    "submit": lambda: SERVICE.submit(CALL, MARKER),
    "get": lambda: SERVICE.get(REF),
    "list": lambda: SERVICE.list(WORKFLOW_ID),
    "cancel": lambda: SERVICE.cancel(REF),
    "outputs": lambda: SERVICE.outputs(REF),
    "explain": lambda: SERVICE.explain(REF),
    "logs": lambda: SERVICE.logs(REF, str),
    "rerun": lambda: SERVICE.rerun_failed(REF),
    "metrics": lambda: SERVICE.metrics(REF, "a"),
}


TIMES = {"16": 16.0, 16: 16.0, None: None, "soon": None, 10**400: None, float("inf"): None, (): None}


@pytest.mark.parametrize("told", TIMES)
def test_how_long_a_step_has_taken_is_a_number_or_not_told(told):
    """A number in recorded answers, a text in the vendor's SDK."""
    (one,) = steps.shown(execution("running", step("fit", "running", duration=told)))

    assert one.seconds == TIMES[told]


OF_SCENES = {"policy": {"scenes": [{"id": "1", "steps": ["a"]}, {"id": "2"}]}, "steps": [{}, {}, {}]}


@pytest.mark.parametrize(("scene", "number"), [(None, 3), ("1", 1), ("2", 0), ("9", 3)])
def test_how_many_steps_there_are(scene, number):
    """All that the workflow has, or those of the scene that is chosen, as far as it says."""
    assert steps.count(OF_SCENES, scene) == number
    assert steps.count({}, scene) == 0


def test_the_steps_of_an_execution_are_told():
    """With how many there are in all, which its start has noted."""
    ref = replace(REF, place={**REF.place, "steps": "3"})
    runs = [step("a", "completed", duration=16), step("b", "skipped"), step("c", "running")]
    job = play(SERVICE.get(ref), [ok(execution("running", *runs))]).returned

    assert (job.steps_in_all, [one.done for one in job.steps]) == (3, [True, True, False])


@given(st.sampled_from(sorted(FLOWS)), st.integers(200, 599), BODIES | JSON)
def test_any_answer_is_read_or_an_error_of_ours(flow, status, body):
    """Whatever the service answers, a flow returns, or raises an error that says what happened."""
    answer = httpx.Response(status, content=json.dumps(body).encode())
    played = play(FLOWS[flow](), lambda _: answer)

    assert played.raised is None or isinstance(played.raised, BatchError), repr(played.raised)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "workflow_id": st.just(WORKFLOW_ID) | JSON,
            "workflow_name": st.none() | JSON,
            "workflow": st.none() | JSON,
            "parameters": st.dictionaries(st.sampled_from(["epochs", "rate", "kind", "on", "z"]), JSON)
            | JSON,
            "data": st.dictionaries(st.sampled_from(["input", "fixed", "z"]), JSON) | JSON,
            "labels": JSON,
            "name": JSON,
            "description": JSON,
            "scene_id": JSON,
            "use_cache": JSON,
            "on_waiting_inputs": st.sampled_from(["fail", "wait"]) | JSON,
        },
    )
)
def test_any_arguments_are_sent_or_refused(arguments):
    """Whatever a DAG says, there is a request to send, or a `BatchError`."""
    with suppress(BatchError):
        order = start(**arguments)
        assert isinstance(order, Start)
        if order.workflow_id:
            played = play(SERVICE.plan(order), [ok(workflow(**DELAYED))])
            if played.raised is None:
                assert play(SERVICE.submit(played.returned, MARKER), [ok(execution(None), 201)]).body
            assert played.raised is None or isinstance(played.raised, BatchError)


def test_it_is_a_service():
    """It can be handed to whatever submits and waits."""
    service: Service = SERVICE

    assert service.name == "modelarts"
