"""The flows of a batch endpoint, driven by hand with recorded and spoilt answers."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_batch_provider.errors import (
    AnswerLost,
    AuthenticationFailed,
    BadRequest,
    BatchError,
    Conflict,
    ConnectionFailed,
    InvalidInput,
    NotFound,
    PermissionDenied,
    ServiceUnavailable,
    Throttled,
    UnexpectedAnswer,
)
from airflow_batch_provider.jobs import JobRef, JobState
from airflow_batch_provider.services.azure_ml.batch import BatchEndpoints, Call
from airflow_batch_provider.services.azure_ml.deployments import Deployments
from airflow_batch_provider.services.azure_ml.invocation import Invocation, invocation
from airflow_batch_provider.services.azure_ml.listing import STATES
from airflow_batch_provider.services.azure_ml.workspace import Workspace

from .script import (
    BATCH,
    HTML,
    NOON,
    PUBLIC,
    SCORING_URI,
    WORKSPACE,
    Played,
    play,
    recorded,
    recorded_body,
    refused,
)

ENDPOINT, DEPLOYMENT = "batch-ept-11a618d470304b2", "batch-dpm-11a618d470304b2"
JOB = "batchjob-be9ebb73-277c-4bd4-9d20-e81f35c54099"
PIPELINE_JOB = "b0a16a4e-4a1c-4f5e-9a51-0f7f2f7a6c11"
IN_WORKSPACE = WORKSPACE.id
ENDPOINT_PATH = f"{IN_WORKSPACE}/batchEndpoints/{ENDPOINT}"
MNIST = "https://pipelinedata.blob.core.windows.net/sampledata/mnist"
OUT = "azureml://datastores/workspaceblobstore/paths/out/predictions.csv"

LOOK_UP = [("arm", "GET", ENDPOINT_PATH), ("arm", "GET", f"{ENDPOINT_PATH}/deployments/{DEPLOYMENT}")]
REF = JobRef(
    "azure_ml",
    JOB,
    {"scoring_uri": SCORING_URI, "endpoint": ENDPOINT},
    NOON,
    url="https://ml.azure.com/runs/x",
)
CALL = Call(Invocation(ENDPOINT, properties={"InputData": {}}), SCORING_URI)


def batch() -> BatchEndpoints:
    """Return a service that remembers no deployment of another test."""
    return BatchEndpoints(WORKSPACE, now=lambda: NOON, deployments=Deployments(lambda: NOON))


def order(**arguments):
    return invocation(**{"endpoint_name": ENDPOINT, "inputs": {"data": MNIST}} | arguments)


def body_of(name, **properties):
    """Return a recorded answer with other properties."""
    body = recorded_body(name)
    body["properties"] |= properties
    return httpx.Response(200, json=body)


# --- plan -------------------------------------------------------------------------------------------------


def test_the_scoring_uri_is_looked_up():
    """Resource Manager tells where an endpoint is invoked and what its default deployment is."""
    played = play(batch().plan(order()), [recorded("endpoint_get"), recorded("deployment_get")])

    assert played.returned == Call(order(), SCORING_URI)
    assert played.asked == LOOK_UP
    assert {request.url.params["api-version"] for request in played.requests} == {"2023-10-01"}


def test_a_given_scoring_uri_saves_every_look_up():
    """With a scoring URI, nothing is asked before the invocation."""
    given = invocation(scoring_uri=f"{SCORING_URI}/", inputs={"data": MNIST, "mode": "append"})

    assert play(batch().plan(given)).returned == Call(given, SCORING_URI)


def test_a_deployment_is_looked_up_once():
    """What is known of a deployment is remembered for a while, for all tasks of the process."""
    clock = [NOON]
    service = BatchEndpoints(WORKSPACE, deployments=Deployments(lambda: clock[0]))
    both = [recorded("endpoint_get"), recorded("deployment_get")]

    assert len(play(service.plan(order()), both).asked) == 2
    assert len(play(service.plan(order()), both[:1]).asked) == 1
    clock[0] += 301
    assert len(play(service.plan(order()), both).asked) == 2


MODEL = recorded_body("deployment_get")["properties"]
PIPELINE = {"deploymentConfiguration": {"deploymentConfigurationType": "PipelineComponent"}, "model": None}
OLD_PIPELINE = {"properties": {"ComponentDeployment.ComponentId": "x"}, "model": None}
TWO = {"a": MNIST, "b": MNIST}

# what the deployment is, arguments, what the refusal says (None: it is taken)
RULES = {
    "one input": (MODEL, {}, None),
    "one input and one file": (MODEL, {"outputs": {"score": OUT}}, None),
    "no input": (MODEL, {"inputs": None}, "inputs has 0 data inputs"),
    "two inputs": (MODEL, {"inputs": TWO}, "inputs has 2 data inputs"),
    "a literal": (MODEL, {"inputs": {"mode": "append"}}, "inputs has the literal 'mode'"),
    "two outputs": (MODEL, {"outputs": {"a": OUT, "b": OUT}}, "outputs has a, b"),
    "a folder": (
        MODEL,
        {"outputs": {"a": {"path": OUT, "type": "uri_folder"}}},
        "outputs['a'] has the type uri_folder",
    ),
    "pipeline, no input": (PIPELINE, {"inputs": None}, None),
    "pipeline, everything": (
        PIPELINE,
        {"inputs": TWO | {"mode": "append"}, "outputs": {"a": {"path": OUT, "type": "uri_folder"}, "b": OUT}},
        None,
    ),
    "old pipeline, literal": (OLD_PIPELINE, {"inputs": {"mode": "append"}}, None),
    "pipeline, auto": (PIPELINE, {"outputs": "auto"}, "outputs is 'auto'"),
    "unknown kind, literal": ({"model": None}, {"inputs": {"mode": "append"}}, None),
}


@pytest.mark.parametrize(("properties", "arguments", "says"), RULES.values(), ids=RULES.keys())
def test_each_kind_of_deployment_has_its_rules(properties, arguments, says):
    """A model takes one data input and makes one file; a pipeline component has inputs of its own."""
    deployment = body_of("deployment_get", **properties)
    played = play(batch().plan(order(**arguments)), [recorded("endpoint_get"), deployment])

    assert played.asked == LOOK_UP
    if says is None:
        assert played.returned == Call(order(**arguments), SCORING_URI)
    else:
        assert isinstance(played.raised, InvalidInput)
        assert str(played.raised).startswith(says)
        assert played.raised.fix


def test_the_deployment_that_is_named_is_the_one_that_is_checked():
    """The rules are those of the deployment that the request will go to."""
    played = play(
        batch().plan(order(deployment_name="other")), [recorded("endpoint_get"), recorded("deployment_get")]
    )

    assert played.asked[-1] == ("arm", "GET", f"{ENDPOINT_PATH}/deployments/other")


def test_who_may_not_look_at_deployments_may_still_invoke():
    """Without the permission to read deployments, nothing is checked."""
    played = play(batch().plan(order(inputs=TWO)), [recorded("endpoint_get"), refused(403)])

    assert played.returned == Call(order(inputs=TWO), SCORING_URI)


def test_a_place_of_its_own_is_below_the_default_datastore():
    """With ``auto``, each submission writes to a path that its marker names, and remembers it."""
    answers = [recorded("endpoint_get"), recorded("deployment_get"), recorded("datastore_list_default")]
    planned = play(batch().plan(order(outputs="auto")), answers)
    played = play(batch().submit(planned.returned, "airflow-1"), [recorded("invoke_model_deployment")])

    uri = "azureml://datastores/workspaceblobstore/paths/airflow/airflow-1/predictions.csv"
    assert planned.asked[-1] == ("arm", "GET", f"{IN_WORKSPACE}/datastores")
    assert played.body["properties"]["OutputData"] == {"score": {"JobOutputType": "UriFile", "Uri": uri}}
    assert played.returned[0].place["output:score"] == uri


def test_a_pipeline_component_that_takes_the_marker_is_given_it():
    """Whatever the user gives for it: that input says that the component takes one of this name."""
    call = Call(order(inputs={"airflow_marker": "auto", "mode": "append"}), SCORING_URI)
    played = play(batch().submit(call, "airflow-1"), [recorded("invoke_model_deployment")])

    assert played.body["properties"]["InputData"] == {
        "airflow_marker": {"JobInputType": "Literal", "Value": "airflow-1"},
        "mode": {"JobInputType": "Literal", "Value": "append"},
    }


UNPLANNED = {
    "no such endpoint": (
        [recorded("arm_not_found")],
        NotFound,
        "Check endpoint_name, and that workspace_name '00000'",
    ),
    "no permission": (
        [refused(403)],
        PermissionDenied,
        "Microsoft.MachineLearningServices/workspaces/batchEndpoints/read",
    ),
    "no token": ([recorded("arm_unauthorized")], AuthenticationFailed, "tenantId"),
    "no such deployment": (
        [recorded("endpoint_get"), recorded("arm_not_found")],
        NotFound,
        f"Check deployment_name '{DEPLOYMENT}'.",
    ),
    "no default deployment": (
        [body_of("endpoint_get", defaults={"deploymentName": None})],
        InvalidInput,
        f"Endpoint '{ENDPOINT}' has no default deployment. Set one, or give deployment_name.",
    ),
    "being created": (
        [body_of("endpoint_get", scoringUri=None, provisioningState="Creating")],
        InvalidInput,
        "has no scoring URI; its provisioning state is 'Creating'.",
    ),
    "scoring URI of a stranger": (
        [body_of("endpoint_get", scoringUri="https://evil.example/jobs")],
        InvalidInput,
        f"The scoring URI of endpoint '{ENDPOINT}' is 'https://evil.example/jobs'; its host",
    ),
    "scoring URI that is none": (
        [body_of("endpoint_get", scoringUri={"a": 1})],
        InvalidInput,
        "The scoring URI of",
    ),
    "HTML": ([HTML], UnexpectedAnswer, "Is a proxy, a login page or another server answering"),
}


@pytest.mark.parametrize(("answers", "kind", "says"), UNPLANNED.values(), ids=UNPLANNED.keys())
def test_what_cannot_be_invoked_is_told_before_it_is_tried(answers, kind, says):
    """Each reason names what to mend, and nothing was sent to the data plane."""
    played = play(batch().plan(order()), answers)

    assert type(played.raised) is kind
    assert says in str(played.raised)
    assert {audience for audience, *_ in played.asked} == {"arm"}


# --- submit -----------------------------------------------------------------------------------------------


def submitted(*answers, call=CALL, marker="airflow-1") -> Played:
    return play(BATCH.submit(call, marker), answers)


@pytest.mark.parametrize(
    ("name", "job_id", "display_name"),
    [
        ("invoke_model_deployment", JOB, "careful_bulb_plwyqfx0"),
        ("invoke_pipeline_component", PIPELINE_JOB, "jolly_lemon_x3k9d2c7"),
    ],
)
def test_both_styles_of_naming_are_read(name, job_id, display_name):
    """A job's id is its name, not what its ARM id or its display name say; one request is all there is."""
    played = submitted(recorded(name))
    ref, job = played.returned

    assert (ref.id, job.id, job.name) == (job_id, job_id, display_name)
    assert (job.state, job.status, job.endpoint) == (JobState.PENDING, "Preparing", ENDPOINT)
    assert (ref.submitted_at, ref.marker, ref.place) == (NOON, "airflow-1", REF.place)
    assert ref.url == job.url
    assert ref.url.startswith(f"https://ml.azure.com/runs/{job_id}?wsid=")
    assert played.asked == [("ml", "POST", "/jobs")], "Location leads to the deployment and is not followed"
    assert JobRef.from_dict(json.loads(json.dumps(ref.to_dict()))) == ref


@pytest.mark.parametrize("endpoint", [None, "", "javascript:alert(1)", {"x": 1}])
def test_without_a_link_the_studios_page_is_made(endpoint):
    """A link that the service does not give, or that is none, is replaced by the studio's page of the job."""
    points = {"Studio": {"endpoint": endpoint}}
    ref, _ = submitted(body_of("invoke_model_deployment", interactionEndpoints=points)).returned

    assert ref.url == WORKSPACE.studio_url(JOB)


@pytest.mark.parametrize(
    ("scoring_uri", "endpoint"),
    [
        (SCORING_URI, ENDPOINT),
        ("http://127.0.0.1:8787/endpoints/eastus/digits/jobs", "digits"),
        ("https://eastus.api.azureml.ms/mferp/managementfrontend/x/batchEndpoints/digits/jobs", "digits"),
    ],
)
def test_the_endpoints_name_is_read_out_of_the_scoring_uri(scoring_uri, endpoint):
    """Where only the scoring URI is known, it tells the endpoint's name."""
    call = Call(Invocation(scoring_uri=scoring_uri), scoring_uri)
    ref, job = submitted(recorded("invoke_model_deployment"), call=call).returned

    assert ref.place["endpoint"] == job.endpoint == endpoint


def test_the_outputs_that_were_asked_for_are_remembered():
    """The reference tells later where the job writes."""
    call = Call(order(outputs={"score": OUT, "log": f"{OUT}.log"}), SCORING_URI)
    ref, _ = submitted(recorded("invoke_model_deployment"), call=call).returned

    assert ref.place["output:score"] == OUT
    assert ref.place["output:log"] == f"{OUT}.log"


def test_the_deployment_and_its_model_are_remembered():
    """The reference tells later which version of which model scored; what is unknown is left out."""
    answers = [recorded("endpoint_get"), recorded("deployment_get")]
    call = play(batch().plan(order()), answers).returned
    ref, _ = submitted(recorded("invoke_model_deployment"), call=call).returned
    unknown, _ = submitted(recorded("invoke_model_deployment")).returned

    assert ref.place["deployment"] == "batch-dpm-11a618d470304b2"
    assert ref.place["model"].endswith("/models/model_test/versions/1")
    assert {"deployment", "model"}.isdisjoint(unknown.place)


def without(name):
    body = recorded_body("invoke_model_deployment")
    del body[name]
    return httpx.Response(201, json=body)


def named(name):
    return httpx.Response(201, json=recorded_body("invoke_model_deployment") | {"name": name})


LOST = {
    "5xx": [refused(500, "Internal error.")],
    "gateway timeout": [httpx.Response(504, text="upstream request timeout")],
    "request timeout": [refused(408)],
    "read timeout": [httpx.ReadTimeout("timed out")],
    "reset": [httpx.ReadError("reset by peer")],
    "closed": [httpx.RemoteProtocolError("Server disconnected without sending a response.")],
    "HTML": [HTML],
    "cut JSON": [httpx.Response(201, content=b'{"id": "/subscriptions')],
    "no name": [without("name")],
    "a name that is none": [named({"x": 1})],
    "a name that is a path": [named("../../x")],
    "redirect": [httpx.Response(302, headers={"Location": "https://login.example/"})],
    "empty": [httpx.Response(201)],
}


@pytest.mark.parametrize("answers", LOST.values(), ids=LOST.keys())
def test_an_answer_that_says_nothing_may_hide_a_job(answers):
    """After these a job may run, so the request is not sent again, and the error says so by its kind."""
    played = submitted(*answers)

    assert type(played.raised) is AnswerLost
    assert len(played.requests) == 1
    assert played.raised.message
    if isinstance(answers[0], httpx.Response):
        assert f"[HTTP {answers[0].status_code}]" in str(played.raised)


NO_DEFAULT = "No valid deployments to route to. Please check that the endpoint has at least one deployment"
REFUSALS = {
    "bad request": (refused(400, "Invalid input data."), BadRequest, "Invalid input data."),
    "token": (refused(401), AuthenticationFailed, "cloud_environment"),
    "permission": (
        refused(403),
        PermissionDenied,
        "the action Microsoft.MachineLearningServices/workspaces/batchEndpoints/deployments/jobs/write",
    ),
    "no such endpoint": (refused(404, "Endpoint not found."), NotFound, "Endpoint not found."),
    "conflict": (refused(409, "Being deleted."), Conflict, "Being deleted."),
    "too large": (refused(413), BadRequest, "[HTTP 413, InnerCode]"),
    "no default deployment": (
        recorded("invoke_no_default_deployment"),
        NotFound,
        f"Endpoint '{ENDPOINT}' has no default deployment: set one, or give deployment_name.",
    ),
    "no default deployment, another status": (
        refused(424, NO_DEFAULT),
        BadRequest,
        f"Endpoint '{ENDPOINT}' has no default deployment: set one",
    ),
}


@pytest.mark.parametrize(("answer", "kind", "says"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_started_nothing(answer, kind, says):
    """Any other error of the service is its last word: no job exists, and nothing is sent again."""
    played = submitted(answer)

    assert type(played.raised) is kind
    assert len(played.requests) == 1
    assert str(played.raised).startswith(f"Invoking endpoint '{ENDPOINT}' failed: ")
    assert says in str(played.raised)


def test_a_missing_deployment_is_named():
    """A 404 to an invocation of a named deployment names that argument."""
    call = replace(CALL, order=replace(CALL.order, deployment_name="blue"))
    played = submitted(refused(404, "Not found."), call=call)

    assert str(played.raised).startswith(
        f"Invoking endpoint '{ENDPOINT}' (deployment 'blue') failed: Not found."
    )
    assert "Check deployment_name 'blue'." in str(played.raised)
    assert played.requests[0].headers["azureml-model-deployment"] == "blue"


def test_a_throttled_invocation_is_sent_again():
    """429 says that nothing was done: the same request, with the same id, after the time that it names."""
    throttled = refused(429, **{"Retry-After": "7"})
    played = submitted(throttled, throttled, recorded("invoke_model_deployment"))

    assert played.returned[0].id == JOB
    assert [pause >= 7 for pause in played.pauses] == [True, True]
    assert (
        len({(request.content, request.headers["repeatability_request-id"]) for request in played.requests})
        == 1
    )


def test_a_service_that_only_throttles_has_refused():
    """When patience ends, nothing was started."""
    played = submitted(*[refused(429)] * 5)

    assert type(played.raised) is Throttled


def test_a_connection_that_was_never_made_is_tried_again():
    """Before a byte has left, nothing can have happened; when it stays so, nothing was carried out."""
    again = submitted(httpx.ConnectError("refused"), recorded("invoke_model_deployment"))
    never = submitted(*[httpx.ConnectError("refused")] * 5)

    assert again.returned[0].id == JOB
    assert type(never.raised) is ConnectionFailed


# --- get --------------------------------------------------------------------------------------------------


def test_a_job_is_asked_for_below_the_scoring_uri():
    """Polling asks the data plane, which spends nothing of Resource Manager's budget."""
    played = play(BATCH.get(REF), [recorded("batch_job_get")])

    assert played.asked == [("ml", "GET", f"/jobs/{JOB}")]
    assert str(played.requests[0].url) == f"{SCORING_URI}/{JOB}"
    job = played.returned
    assert (job.id, job.name, job.state, job.status) == (
        JOB,
        "careful_bulb_plwyqfx0",
        JobState.RUNNING,
        "Running",
    )
    assert (job.url, job.endpoint, job.service) == (REF.url, ENDPOINT, "azure_ml")


def test_a_job_without_a_scoring_uri_is_asked_for_in_resource_manager():
    """Resource Manager knows every job of the workspace, and calls its display name otherwise."""
    played = play(BATCH.get(replace(REF, place={})), [recorded("arm_job_get")])

    assert played.asked == [("arm", "GET", f"{IN_WORKSPACE}/jobs/{JOB}")]
    assert (played.returned.status, played.returned.name) == ("Preparing", "careful_bulb_plwyqfx0")


DONE = {"Completed": JobState.SUCCEEDED, "Failed": JobState.FAILED, "Canceled": JobState.CANCELED}


@pytest.mark.parametrize("status", [*STATES, "Meditating", "completed"])
def test_every_status_is_understood_or_waited_for(status):
    """Three statuses are an end; any other, known or not, is waited for, and its word is kept."""
    job = play(BATCH.get(REF), [body_of("batch_job_get", status=status)]).returned

    assert job.status == status
    assert job.state.done is (status in DONE)
    assert job.state is DONE.get(status, job.state)
    if status not in STATES:
        assert job.state is JobState.UNKNOWN


@pytest.mark.parametrize("status", ["CancelRequested"])
def test_a_job_that_is_being_cancelled_is_told_apart(status):
    """It need not be cancelled again."""
    assert STATES[status] is JobState.CANCELING


NO_STATUS = {
    "without a status": (body_of("batch_job_get", status=None), UnexpectedAnswer),
    "without properties": (httpx.Response(200, json={"name": JOB}), UnexpectedAnswer),
    "HTML": (HTML, UnexpectedAnswer),
    "permission": (refused(403), PermissionDenied),
}


@pytest.mark.parametrize(("answer", "kind"), NO_STATUS.values(), ids=NO_STATUS.keys())
def test_an_answer_without_a_status_is_none(answer, kind):
    """What tells no status is an error, never a job without one."""
    played = play(BATCH.get(REF), [answer])

    assert type(played.raised) is kind
    assert f"Asking for job {JOB} failed" in str(played.raised)


def test_not_found_is_believed_when_the_workspace_says_so():
    """An endpoint that is gone, or a gateway, answers 404 for jobs that run."""
    there = play(BATCH.get(REF), [recorded("data_plane_not_found"), body_of("batch_job_get")])
    gone = play(BATCH.get(REF), [recorded("data_plane_not_found"), recorded("arm_not_found")])

    assert there.returned.id == JOB
    assert type(gone.raised) is NotFound
    assert (
        there.asked
        == gone.asked
        == [
            ("ml", "GET", f"/jobs/{JOB}"),
            ("arm", "GET", f"{IN_WORKSPACE}/jobs/{JOB}"),
        ]
    )


def test_a_poll_is_asked_again_only_a_few_times():
    """A lost or refused poll is soon asked again anyway."""
    lost = play(BATCH.get(REF), [refused(503), httpx.ReadTimeout("x"), recorded("batch_job_get")])
    broken = play(BATCH.get(REF), [refused(503)] * 3)

    assert lost.returned.status == "Running"
    assert type(broken.raised) is ServiceUnavailable


# --- cancel -----------------------------------------------------------------------------------------------

CANCEL = ("arm", "POST", f"{IN_WORKSPACE}/jobs/{JOB}/cancel")


OPERATION = "https://management.azure.com/operation"


def test_a_job_is_cancelled_in_resource_manager():
    """Only there a batch job can be cancelled; the operation that Location names is watched to its end."""
    going = httpx.Response(202, json={})
    played = play(BATCH.cancel(REF), [recorded("job_cancel"), going, httpx.Response(200)])

    assert played.raised is None
    assert played.asked[0] == CANCEL
    assert played.requests[0].content == b""
    assert [str(request.url) for request in played.requests[1:]] == [
        recorded("job_cancel").headers["location"]
    ] * 2
    assert {audience for audience, *_ in played.asked} == {"arm"}


@pytest.mark.parametrize(
    ("answers", "requests"),
    [
        ([httpx.Response(200)], 1),
        ([httpx.Response(202, json=None)], 1),
        ([httpx.Response(202, headers={"Location": OPERATION})] * 4, 4),
    ],
    ids=["done at once", "nowhere to look", "goes on"],
)
def test_a_cancellation_is_not_watched_for_long(answers, requests):
    """It is accepted; three seconds later the worker that asked has to go."""
    played = play(BATCH.cancel(REF), answers)

    assert played.raised is None
    assert len(played.requests) == requests
    assert sum(played.pauses) <= 3


@pytest.mark.parametrize("status", ["Completed", "Failed", "Canceled", "CancelRequested"])
@pytest.mark.parametrize("answer", [refused(400, "Cannot cancel."), refused(409), recorded("arm_not_found")])
def test_to_cancel_a_job_that_ends_is_harmless(status, answer):
    """Whatever the service says to it, a job that has ended or is being cancelled is what was wanted."""
    played = play(BATCH.cancel(REF), [answer, body_of("batch_job_get", status=status)])

    assert played.raised is None
    assert played.asked == [CANCEL, ("ml", "GET", f"/jobs/{JOB}")]


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([refused(403), recorded("batch_job_get")], PermissionDenied),
        ([refused(403), refused(403)], PermissionDenied),
        ([recorded("arm_not_found"), recorded("data_plane_not_found"), recorded("arm_not_found")], NotFound),
        ([*[refused(500)] * 3, recorded("batch_job_get")], ServiceUnavailable),
        ([*[httpx.ReadTimeout("x")] * 3, recorded("batch_job_get")], ConnectionFailed),
        ([*[httpx.ReadTimeout("x")] * 3, refused(401)], ConnectionFailed),
    ],
)
def test_a_job_that_goes_on_was_not_cancelled(answers, kind):
    """The error is that of the cancellation, and names the job and its page."""
    played = play(BATCH.cancel(REF), answers)

    assert type(played.raised) is kind
    assert f"Job: {JOB} ({REF.url})." in str(played.raised)
    if kind is PermissionDenied:
        assert "workspaces/jobs/cancel/action" in str(played.raised)


# --- outputs and reasons ----------------------------------------------------------------------------------

STEP = "3f0a7c3b-5c5e-4f9b-8d6d-7a1f4e0f2b90"
API = f"/history/v1.0{IN_WORKSPACE}/runs"
FOUND = [("arm", "GET", IN_WORKSPACE), ("none", "GET", "/discovery")]
CHILDREN = ("arm", "GET", f"{API}/{JOB}/children")
RUN_DATA = ("arm", "POST", f"/history/v1.0{IN_WORKSPACE}/rundata")
RESOLVE = ("arm", "POST", f"/data/v1.0{IN_WORKSPACE}/dataversion/batchGetResolvedUris")
STORE = ("arm", "GET", f"{IN_WORKSPACE}/datastores/workspaceblobstore")
CONTAINER = "azureml-blobstore-2d1e66ae-85e3-42c0-be91-34de66397f26"
LISTED = ("storage", "GET", f"/{CONTAINER}")
BLOB_URL = f"https://saveorz2izv2bas.blob.core.windows.net/{CONTAINER}"


def forms(uri, path):
    return {
        "uri": uri,
        "url": f"{BLOB_URL}/{path}",
        "abfss": f"abfss://{CONTAINER}@saveorz2izv2bas.dfs.core.windows.net/{path}",
    }


def test_outputs_that_were_asked_for_need_no_history():
    """The place given at the invocation is where the job wrote; only its datastore is looked up."""
    ref = replace(REF, place={**REF.place, "output:score": OUT})
    played = play(BATCH.outputs(ref), [recorded("datastore_get")])

    assert played.returned == {"score": forms(OUT, "out/predictions.csv")}
    assert played.asked == [STORE]


def test_a_datastore_of_another_workspace_is_looked_up_there():
    """A long URI names its workspace."""
    uri = "azureml://subscriptions/S2/resourceGroups/G2/workspaces/W2/datastores/d/paths/p"
    played = play(BATCH.outputs(replace(REF, place={"output:score": uri})), [recorded("datastore_get")])

    assert played.asked[0][2] == f"{Workspace(PUBLIC, 'S2', 'G2', 'W2').id}/datastores/d"


def test_outputs_are_resolved_through_run_history():
    """The scoring step names a data asset, which is resolved to its place."""
    answers = ["workspace_get", "discovery", "run_children", "run_data", "resolved_uris", "datastore_get"]
    played = play(BATCH.outputs(REF), [recorded(name) for name in answers])

    uri = recorded_body("resolved_uris")["values"]
    (uri,) = (value["uri"] for value in uri.values())
    assert played.returned == {"score": forms(uri, f"azureml/{STEP}/score/")}
    assert played.asked == [*FOUND, CHILDREN, RUN_DATA, RESOLVE, STORE]
    assert {request.url.host for request in played.requests} == {
        "management.azure.com",
        "westus2.api.azureml.ms",
    }


BLOBS = httpx.Response(
    200, text="<EnumerationResults><Blobs><Blob><Name>x</Name></Blob></Blobs></EnumerationResults>"
)
NO_BLOBS = httpx.Response(200, text="<EnumerationResults><Blobs /></EnumerationResults>")
AT_HISTORY = [recorded("workspace_get"), recorded("discovery"), recorded("run_children")]
AT_DEFAULT = [recorded("datastore_list_default"), recorded("datastore_get")]
UNRESOLVED = httpx.Response(200, json={"values": {}})


@pytest.mark.parametrize(
    ("answers", "place"),
    [
        ([recorded("run_data"), UNRESOLVED, *AT_DEFAULT, BLOBS], "azureml"),
        ([recorded("run_data"), refused(500, "No."), *AT_DEFAULT, BLOBS], "azureml"),
        ([httpx.Response(200, json={"runMetadata": {}}), *AT_DEFAULT, BLOBS], "azureml"),
        (
            [recorded("run_data"), UNRESOLVED, *AT_DEFAULT, NO_BLOBS, recorded("datastore_get"), BLOBS],
            "dataset",
        ),
        (
            [recorded("run_data"), UNRESOLVED, *AT_DEFAULT, NO_BLOBS, recorded("datastore_get"), NO_BLOBS],
            "azureml",
        ),
        (
            [
                recorded("run_data"),
                UNRESOLVED,
                *AT_DEFAULT,
                refused(403),
                recorded("datastore_get"),
                refused(403),
            ],
            "azureml",
        ),
    ],
    ids=["unresolved", "broken", "unnamed", "older place", "nowhere", "may not look"],
)
def test_what_history_does_not_tell_lies_at_the_default_place(answers, place):
    """The documented places are looked at in turn; the likeliest is told if there is nothing to be seen."""
    if answers[1].status_code == 500:
        answers = [answers[0], *[answers[1]] * 5, *answers[2:]]
    played = play(BATCH.outputs(REF), [*AT_HISTORY, *answers])

    uri = f"azureml://datastores/workspaceblobstore/paths/{place}/{STEP}/score/"
    assert played.returned == {"score": forms(uri, f"{place}/{STEP}/score/")}
    for request in played.requests:
        if request.url.host.endswith("blob.core.windows.net"):
            assert request.url.params["prefix"].endswith(f"/{STEP}/score/")


def test_the_default_datastore_is_asked_for():
    """A workspace may have another default datastore than the one that it was made with."""
    store = recorded_body("datastore_list_default")
    store["value"][0]["name"] = "other"
    answers = [
        recorded("run_data"),
        UNRESOLVED,
        httpx.Response(200, json=store),
        recorded("datastore_get"),
        BLOBS,
    ]
    played = play(BATCH.outputs(REF), [*AT_HISTORY, *answers])

    assert played.returned["score"]["uri"] == f"azureml://datastores/other/paths/azureml/{STEP}/score/"


def steps(*given):
    return httpx.Response(
        200, json={"value": [dict(zip(("runId", "name", "status"), step, strict=True)) for step in given]}
    )


def test_outputs_of_a_pipeline_are_the_jobs_own():
    """A pipeline component's steps have outputs of their own, which are not the job's; nothing is guessed."""
    children = steps(("s1", "prepare", "Completed"), ("s2", "train", "Completed"))
    answers = [
        *AT_HISTORY[:2],
        children,
        recorded("run_data"),
        recorded("resolved_uris"),
        recorded("datastore_get"),
    ]
    played = play(BATCH.outputs(REF), answers)

    assert json.loads(played.requests[3].content)["runId"] == JOB
    assert list(played.returned) == ["score"]
    nothing = play(BATCH.outputs(REF), [*AT_HISTORY[:2], children, httpx.Response(200, json={})])
    assert nothing.returned == {}


def test_a_job_without_steps_has_no_outputs_yet():
    """Run history that knows no step is an error, not an empty answer."""
    played = play(BATCH.outputs(REF), [*AT_HISTORY[:2], steps()])

    assert isinstance(played.raised, NotFound)


def reason(message):
    return httpx.Response(200, json={"error": {"error": {"code": "UserError", "message": message}}})


@pytest.mark.parametrize(
    ("children", "run"),
    [
        (recorded("run_children"), STEP),
        (steps(("s1", "prepare", "Completed"), ("s2", "train", "Failed")), "s2"),
        (steps(("s1", "prepare", "Completed"), ("s2", "train", "Canceled")), JOB),
        (steps(), JOB),
        (refused(404), JOB),
    ],
    ids=["scoring step", "failed step", "no failed step", "no step", "no history of steps"],
)
def test_the_step_that_failed_knows_why(children, run):
    """The reason is that of the failed step, or of the job where no step is known."""
    played = play(BATCH.explain(REF), [*AT_HISTORY[:2], children, reason("Out of memory.")])

    assert played.returned == "UserError: Out of memory."
    assert played.asked == [*FOUND, CHILDREN, ("arm", "GET", f"{API}/{run}/details")]


def test_no_reason_is_an_empty_text():
    """Details without an error and without a log that can be read say nothing."""
    gone = httpx.Response(404)
    played = play(BATCH.explain(REF), [*AT_HISTORY, recorded("run_details"), gone])

    assert played.returned == ""
    assert played.asked[-1][:2] == ("none", "GET")


def test_a_region_of_a_stranger_gets_no_token_from_us():
    """What the discovery answers is asked with a token, so its host is checked where tokens are attached."""
    stranger = httpx.Response(200, json={"api": "https://evil.example"})
    played = play(BATCH.explain(REF), [recorded("workspace_get"), stranger, InvalidInput("not allowed")])

    assert played.requests[-1].url.host == "evil.example"
    assert played.asked[-1][0] == "arm", "a kind of token whose hosts do not include this one"
    assert isinstance(played.raised, InvalidInput)


NO_STORE = {
    "of another type": (
        body_of("datastore_get", containerName=None, datastoreType="AzureFile"),
        "of type 'AzureFile', which holds no blobs",
    ),
    "without properties": (httpx.Response(200, json={"id": "x"}), "lacks properties"),
    "without an account": (body_of("datastore_get", accountName=None), "lacks properties.accountName"),
    "missing": (recorded("arm_not_found"), "Looking up datastore 'workspaceblobstore' failed"),
}


@pytest.mark.parametrize(("answer", "says"), NO_STORE.values(), ids=NO_STORE.keys())
def test_a_datastore_that_holds_no_blobs_is_named(answer, says):
    """The message names the datastore and what it is."""
    played = play(BATCH.outputs(replace(REF, place={"output:score": OUT})), [answer])

    assert isinstance(played.raised, BatchError)
    assert says in str(played.raised)


def test_data_lake_file_systems_are_containers():
    """A datastore of Data Lake Storage Gen2 calls its container a file system."""
    answer = body_of("datastore_get", containerName=None, filesystem="fs", datastoreType="AzureDataLakeGen2")
    played = play(BATCH.outputs(replace(REF, place={"output:score": OUT})), [answer])

    assert (
        played.returned["score"]["abfss"]
        == "abfss://fs@saveorz2izv2bas.dfs.core.windows.net/out/predictions.csv"
    )


# --- properties -------------------------------------------------------------------------------------------

KEYS = st.sampled_from(
    [
        *("name", "id", "value", "nextLink", "properties", "status", "tags", "scoringUri", "defaults"),
        *("deploymentName", "interactionEndpoints", "Studio", "endpoint", "systemData", "createdAt", "api"),
        *("discoveryUrl", "runId", "runMetadata", "outputs", "assetId", "values", "uri", "error", "message"),
        *("model", "deploymentConfiguration", "accountName", "containerName", "protocol", "outputFileName"),
    ]
)
TEXTS = st.sampled_from(
    ["Completed", SCORING_URI, "https://westus2.api.azureml.ms", OUT, "batchscoring", "a/b", "//", "None"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | TEXTS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS | st.text(), below, max_size=4),
)
# Answers that reach far into a flow: recorded bodies in which something is replaced or missing.
NAMES = ["endpoint_get", "deployment_get", "batch_job_get", "batch_job_list", "arm_job_get", "workspace_get"]
NAMES += ["discovery", "run_children", "run_data", "resolved_uris", "run_details", "datastore_get"]
NAMES += ["datastore_list_default", "invoke_model_deployment", "job_cancel"]


@st.composite
def spoilt(draw):
    """Return a recorded body, one part of which was replaced."""
    body = draw(st.sampled_from(NAMES).map(recorded_body))
    part = body
    while isinstance(part, dict | list) and part:
        key = draw(st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part))))
        if draw(st.booleans()) or not isinstance(part[key], dict | list):
            part[key] = draw(JSON)
            break
        part = part[key]
    return body


ANSWERS = st.builds(
    lambda status, body: httpx.Response(status, content=json.dumps(body)),
    st.sampled_from([200] * 8 + [201, 302, 400, 401, 403, 404, 409]),
    spoilt() | JSON,
)
FLOWS = {
    "plan": lambda: batch().plan(order()),
    "plan auto": lambda: batch().plan(order(outputs="auto")),
    "submit": lambda: BATCH.submit(CALL, "airflow-1"),
    "get": lambda: BATCH.get(REF),
    "traces": lambda: BATCH.traces(CALL, "airflow-1", 0.0),
    "cancel": lambda: BATCH.cancel(REF),
    "outputs": lambda: BATCH.outputs(REF),
    "outputs asked": lambda: BATCH.outputs(replace(REF, place={"output:score": OUT})),
    "explain": lambda: BATCH.explain(REF),
    "logs": lambda: BATCH.logs(REF, str),
}


def answering(data):
    """Return a service that gives the right recorded answer, or any other."""
    by_path = {
        "/discovery": "discovery",
        "/children": "run_children",
        "/rundata": "run_data",
        "/batchGetResolvedUris": "resolved_uris",
        "/details": "run_details",
        "/datastores": "datastore_list_default",
        "/cancel": "job_cancel",
        "/00000": "workspace_get",
    }

    def answer(request):
        if data.draw(st.integers(0, 3)) == 0:
            return data.draw(ANSWERS)
        path = request.url.path
        name = next((name for end, name in by_path.items() if path.endswith(end)), "")
        if not name:
            kinds = ("deployments", "batchEndpoints", "datastores", "jobs/")
            name = dict(
                zip(kinds, ("deployment_get", "endpoint_get", "datastore_get", "batch_job_get"), strict=True)
            ).get(next((kind for kind in kinds if kind in path), ""), "batch_job_list")
        body = recorded_body(name) if data.draw(st.booleans()) else data.draw(spoilt())
        return httpx.Response(200, content=json.dumps(body))

    return answer


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS.keys())
@settings(max_examples=60)
@given(data=st.data())
def test_whatever_is_answered_a_flow_ends_well_or_in_an_error_of_ours(flow, data):
    """An answer may hold anything anywhere: there is a value, or a `BatchError`, and an end."""
    played = play(flow(), answering(data))

    assert played.raised is None or isinstance(played.raised, BatchError)
    assert len(played.requests) < 100
