"""Looking for the job of a call whose answer was lost, by what the two lists tell."""

from __future__ import annotations

import time

import httpx
import pytest

from airflow_batch_provider.errors import InvalidInput, PermissionDenied, ServiceUnavailable
from airflow_batch_provider.jobs import JobState
from airflow_batch_provider.services.azure_ml.calls import Call
from airflow_batch_provider.services.azure_ml.invocation import invocation
from airflow_batch_provider.services.azure_ml.listing import MARKER, listed
from airflow_batch_provider.services.azure_ml.traces import traces

from .script import BATCH, SCORING_URI, WORKSPACE, play, recorded, recorded_body, refused

ENDPOINT = "batch-ept-11a618d470304b2"
MNIST = "https://pipelinedata.blob.core.windows.net/sampledata/mnist"
MINE, OTHER = "airflow-" + "a" * 24, "airflow-" + "b" * 24
CREATED = 1681000099
NEXT = (
    "https://westus2.api.azureml.ms/mferp/managementfrontend/subscriptions/S/resourceGroups/G/providers"
    "/Microsoft.MachineLearningServices/workspaces/W/batchEndpoints/E/jobs"
    "?api-version=2020-09-01-dataplanepreview&$skiptoken=a%2Bb%3D"
)


def page(*rows, next_link=None):
    return httpx.Response(200, json={"value": list(rows), "nextLink": next_link})


def row(name="j1", created=None, **properties):
    body = recorded_body("batch_job_get")
    found = body | {"name": name, "properties": body["properties"] | properties}
    return found | {"systemData": {"createdAt": created}} if created else found


def call(**arguments):
    order = invocation(**{"endpoint_name": ENDPOINT, "input": MNIST, **arguments})
    return Call(order, SCORING_URI)


def look(answers, **arguments):
    return play(traces(WORKSPACE, call(**arguments), MINE, 0.0), answers)


def read(*answers, **options):
    return play(listed(SCORING_URI, "ml", "listing", **options), answers)


# --- reading a list ---------------------------------------------------------------------------------------


def test_a_list_is_read_to_its_end():
    """The next link is followed as it is, wherever in the cloud it leads, with the same kind of token."""
    played = read(page(row("j1"), next_link=NEXT), page(row("j2")))

    assert [str(request.url) for request in played.requests] == [SCORING_URI, NEXT]
    assert {audience for audience, *_ in played.asked} == {"ml"}
    assert [found["name"] for found in played.returned.rows] == ["j1", "j2"]
    assert played.returned.complete


def test_a_list_that_never_ends_is_left_and_is_not_complete():
    """A list that leads to itself is read no further than the pages allowed."""
    played = read(*[page(row(), next_link=SCORING_URI)] * 4, pages=4)

    assert len(played.returned.rows) == len(played.requests) == 4
    assert not played.returned.complete


@pytest.mark.parametrize(
    ("times", "pages"),
    [
        (["12:00", "11:00"], 2),
        (["12:00", "09:59"], 1),
        (["09:59", "12:00"], 2),
        (["09:00", "09:59"], 2),
        (["09:59"], 2),
    ],
    ids=["young", "descending and past", "ascending", "old and ascending", "one"],
)
def test_a_list_in_descending_order_is_read_no_further_than_needed(times, pages):
    """Only where the order has shown itself, what is old enough ends the list."""
    rows = [row(f"j{at}", created=f"2027-01-15T{at}:00Z") for at in times]
    since = 1800007200.0  # 10:00
    played = read(*[page(*rows, next_link=NEXT), page(row("last"))][:pages], since=since)

    assert len(played.requests) == pages
    assert played.returned.complete


@pytest.mark.parametrize("spoilt", [httpx.Response(200, html="<p>"), refused(401), refused(503)])
def test_a_spoilt_page_is_asked_for_again(spoilt):
    """Not the whole list."""
    played = read(page(row("j1"), next_link=NEXT), spoilt, page(row("j2")))

    assert [str(request.url) for request in played.requests] == [SCORING_URI, NEXT, NEXT]
    assert [found["name"] for found in played.returned.rows] == ["j1", "j2"]


def test_rows_that_are_none_are_left_out():
    """What has no usable name is no job."""
    answer = httpx.Response(200, json={"value": [None, 7, {}, {"name": "a/b"}, {"name": {}}, row("j1")]})

    assert [found["name"] for found in read(answer).returned.rows] == ["j1"]


@pytest.mark.parametrize("link", [7, {"href": "x"}, "https://a:b:c/"])
def test_a_next_page_that_is_no_url_is_an_error(link):
    """A list is not taken for complete when its next page cannot be asked for."""
    assert isinstance(read(page(row(), next_link=link)).raised, InvalidInput)


# --- a trace ----------------------------------------------------------------------------------------------


def test_the_recorded_list_is_read():
    """Each row is a job with its reference, as the invocation would have made it."""
    first, *_ = look([recorded("batch_job_list"), page(), page(), page()]).returned.found

    assert (first.job.status, first.job.name) == ("Completed", "careful_bulb_plwyqfx0")
    assert first.job.state is JobState.SUCCEEDED
    assert first.ref.place == {"scoring_uri": SCORING_URI, "endpoint": ENDPOINT}
    assert first.ref.submitted_at == CREATED
    assert first.ref.url.startswith("https://ml.azure.com/runs/")


OURS = f"azureml://datastores/workspaceblobstore/paths/airflow/{MINE}/predictions.csv"


@pytest.mark.parametrize(
    "kept",
    [
        {"tags": {MARKER: MINE}},
        {"properties": {MARKER: MINE}},
        {"inputData": {"airflow_marker": {"jobInputType": "Literal", "value": MINE}}},
        {"outputData": {"score": {"jobOutputType": "UriFile", "uri": OURS}}},
    ],
    ids=["tag", "property", "input", "output"],
)
def test_a_jobs_marker_is_found_wherever_the_service_keeps_it(kept):
    """A marker that is found ends the search: Resource Manager is not asked."""
    played = look([page(row(**kept))])

    assert [trace.ref.marker for trace in played.returned.found] == [MINE]


@pytest.fixture
def far_from_greenwich(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_from_greenwich")
@pytest.mark.parametrize(
    ("created", "at"),
    [
        ("2023-04-09T00:28:19.80314+00:00", CREATED),
        ("2023-04-09T00:28:19.8031456Z", CREATED),
        ("2023-04-09T00:28:19", CREATED),
        ("2023-04-09T02:28:19+02:00", CREATED),
        ("yesterday", 0),
        ({}, 0),
    ],
)
def test_a_time_is_read_in_each_form(created, at):
    """Any number of digits in a fraction, any offset, and none, which is UTC; no time is no time."""
    listed_row = row() | {"systemData": {"createdAt": created}}
    (trace,) = look([page(listed_row), page(), page()]).returned.found

    assert trace.ref.submitted_at == at


# --- likeness ---------------------------------------------------------------------------------------------


def data(uri, kind="UriFolder"):
    return {"d": {"jobInputType": kind, "uri": uri}}


def literal(value):
    return {"n": {"jobInputType": "Literal", "value": value}}


LONG = "azureml://subscriptions/S/resourceGroups/G/workspaces/W/datastores/Store/paths/in/x/"
ASSET = "azureml://locations/westus2/workspaces/W/data/{}/versions/"
ALIKE = [
    ({"input": MNIST}, {"inputData": data(MNIST + "/")}, True),
    ({"input": MNIST}, {"inputData": data(MNIST + "2")}, False),
    ({"input": f"{MNIST}?sv=1&sig=secret"}, {"inputData": data(MNIST)}, True),
    ({"input": "azureml://datastores/store/paths/in/x"}, {"inputData": data(LONG)}, True),
    ({"input": "azureml://datastores/store/paths/in/y"}, {"inputData": data(LONG)}, False),
    ({"input": "azureml:mnist@latest"}, {"inputData": data("azureml:mnist:7")}, True),
    ({"input": "azureml:mnist@latest"}, {"inputData": data(ASSET.format("mnist") + "7")}, True),
    ({"input": "azureml:mnist:7"}, {"inputData": data(ASSET.format("mnist") + "labels/latest")}, True),
    ({"input": "azureml:mnist:7"}, {"inputData": data("azureml:mnist:8")}, False),
    ({"input": "azureml:mnist@latest"}, {"inputData": data("azureml:letters:7")}, False),
    ({"input": "azureml:mnist:7"}, {"inputData": data(ASSET.format("letters") + "7")}, False),
    ({"input": "azureml:mnist@latest"}, {"inputData": data(MNIST)}, None),
    ({"input": "azureml:mnist:7"}, {"inputData": data(LONG)}, None),
    ({"input": MNIST}, {"inputData": data("?")}, None),
    ({"input": MNIST}, {"inputData": {"n": {"jobInputType": "Literal", "value": MNIST}}}, False),
    ({"input": MNIST}, {"inputData": None}, True),
    ({"input": None}, {"inputData": data(MNIST)}, True),
    ({"input": None, "inputs": {"n": 3}}, {"inputData": literal("3")}, True),
    ({"input": None, "inputs": {"n": 3}}, {"inputData": literal("4")}, False),
    *(
        ({"input": None, "inputs": {"n": said}}, {"inputData": literal(told)}, alike)
        for said, told, alike in (
            (3, "3.0", True),
            (0.1, "1E-1", True),
            (True, "true", True),
            ("a", "A", False),
            ("nan", "NaN", False),
            (20270101123456789, 20270101123456788, False),
        )
    ),
    ({"input": MNIST}, {"inputData": data(MNIST) | literal(3)}, None),
    ({"input": MNIST}, {"inputData": literal(3)}, False),
    ({"input": None, "inputs": {"d": MNIST, "n": 3}}, {"inputData": data(MNIST)}, False),
    (
        {"outputs": {"score": {"path": OURS.replace(MINE, "mine"), "type": "uri_file"}}},
        {"outputData": {"score": {"uri": OURS.replace(MINE, "other")}}},
        False,
    ),
    ({"deployment_name": "blue"}, {"tags": {"azureml.deploymentname": "green"}}, False),
    ({"deployment_name": "blue"}, {"tags": {"azureml.deploymentname": "blue"}}, True),
    ({"deployment_name": "blue"}, {"tags": {}}, True),
]


@pytest.mark.parametrize(("said", "told", "alike"), ALIKE)
def test_a_job_is_alike_unless_something_speaks_against_it(said, told, alike):
    """Inputs, outputs and deployment are compared, in whichever of their forms the service tells them.

    Defaults that are told besides, or a name that may stand for another, neither speak for it nor against it.
    """
    (trace,) = look([page(row(**told)), page(), page()], **said).returned.found

    assert trace.alike is alike


def test_what_is_recorded_of_a_call_tells_different_ones_apart_and_holds_no_signature():
    """The endpoint, and a digest of what jobs are compared with."""
    told = [
        BATCH.about(call(**said))
        for said in (
            {},
            {"input": f"{MNIST}?sv=1&sig=secret"},
            {"input": MNIST + "2"},
            {"deployment_name": "blue"},
        )
    ]

    assert told[0] == told[1]
    assert len(set(told)) == 3
    assert all(one.startswith(f"{SCORING_URI} ") for one in told)


OURS_ID, THEIRS_ID = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"


@pytest.mark.parametrize(
    ("told", "caller", "alike"),
    [
        (OURS_ID, OURS_ID.upper(), True),
        (THEIRS_ID, OURS_ID, False),
        ("Diondra Peck", OURS_ID, True),
        (THEIRS_ID, "", True),
        (None, OURS_ID, True),
    ],
)
def test_a_job_of_another_application_is_not_alike(told, caller, alike):
    """Two different client ids speak against it; a display name says nothing."""
    listed_row = row(inputData=data(MNIST)) | {"systemData": {"createdBy": told}}
    played = play(traces(WORKSPACE, call(), MINE, 0.0, caller), [page(listed_row), page(), page()])

    assert [trace.alike for trace in played.returned.found] == [alike]


# --- Resource Manager -------------------------------------------------------------------------------------


def arm_row(name="j1", **properties):
    told = {"status": "Running", "tags": {}, "properties": {}, "displayName": "x", **properties}
    return {"name": name, "properties": told, "systemData": {"createdAt": "2023-04-09T00:28:19Z"}}


def test_resource_manager_is_asked_for_a_marker_that_the_data_plane_does_not_show():
    """Its list is filtered by the property, so one request tells."""
    theirs, mine = arm_row("t", tags={MARKER: OTHER}), arm_row("m", properties={MARKER: MINE})
    played = look([page(row()), page(theirs, mine)])

    assert [trace.ref.id for trace in played.returned.found] == ["j1", "m"]
    query = played.requests[1].url.params
    assert (query["properties"], query["jobType"]) == (f"{MARKER}={MINE}", "Pipeline")
    assert played.asked[1] == ("arm", "GET", f"{WORKSPACE.id}/jobs")


OF_ENDPOINT = {"description": f"Pipeline submission for endpoint: {ENDPOINT}, deployment: d."}


@pytest.mark.parametrize(
    ("now", "left"),
    [([page(row("j1"))], ["lost"]), ([page(row("j1"), row("lost"))], [])],
    ids=["still not", "by now"],
)
def test_a_job_that_the_data_plane_does_not_list_may_be_it(now, left):
    """Unless it was only younger than that list: nothing is sent again while such a job is there."""
    rows = [arm_row("j1", **OF_ENDPOINT), arm_row("lost", **OF_ENDPOINT), arm_row("another")]
    played = look([page(row("j1")), page(), page(*rows), *now])

    assert [
        trace.ref.id for trace in played.returned.found if trace.ref.id != "j1" and trace.alike is None
    ] == left
    assert [audience for audience, *_ in played.asked] == ["ml", "arm", "arm", "ml"]


@pytest.mark.parametrize(
    "broken", [[refused(404)], [refused(500)] * 20, [httpx.Response(200, html="<p>")] * 4, [refused(403)]]
)
def test_a_data_plane_that_cannot_list_is_replaced(broken):
    """Resource Manager's jobs may be it if they may be the endpoint's; their inputs are not told."""
    rows = [
        arm_row("described", **OF_ENDPOINT),
        arm_row("named", experimentName=ENDPOINT),
        arm_row("experiment", experimentName="nightly"),
        arm_row("another", experimentName="another", description=None),
        arm_row("mine", experimentName="another", tags={MARKER: MINE}),
    ]
    played = look([*broken, page(*rows)], experiment_name="nightly")

    assert [trace.ref.id for trace in played.returned.found] == ["described", "named", "experiment", "mine"]
    assert {trace.alike for trace in played.returned.found} == {None}
    assert played.asked[-1] == ("arm", "GET", f"{WORKSPACE.id}/jobs")


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([refused(404), refused(403)], PermissionDenied),
        ([page(row()), *[refused(503)] * 20], ServiceUnavailable),
    ],
)
def test_what_cannot_be_listed_is_an_error(answers, kind):
    """Nothing is concluded from half a look."""
    assert type(look(answers).raised) is kind


def test_a_long_list_is_not_complete():
    """What was not read to its end says so."""
    played = look([*[page(row(), next_link=SCORING_URI)] * 20, page(), page()])

    assert not played.returned.complete


# --- whoever started them -----------------------------------------------------------------------------------


def test_recent_jobs_of_an_endpoint():
    """Each job once, with its state, its time of creation and its page, whoever started it."""
    rows = [row("j1", "2023-04-09T00:28:19Z", status="Completed"), row("j2", status="Running")]
    played = play(BATCH.recent(SCORING_URI, 0.0), [page(*rows, next_link=NEXT), page(rows[1], {"name": "/"})])

    first, second = played.returned.found
    assert played.returned.complete
    assert (first.ref.id, first.job.state, first.ref.submitted_at) == ("j1", JobState.SUCCEEDED, 1681000099)
    assert (second.ref.id, second.job.state) == ("j2", JobState.RUNNING)
    assert first.ref.place == {"scoring_uri": SCORING_URI, "endpoint": ENDPOINT}
    assert "j1" in first.ref.url or first.ref.url.startswith("https://ml.azure.com/")


def test_where_an_endpoints_jobs_are():
    """The scoring URI is what Resource Manager says."""
    body = {"properties": {"scoringUri": f"{SCORING_URI}/", "provisioningState": "Succeeded"}}

    assert play(BATCH.where("e"), [httpx.Response(200, json=body)]).returned == SCORING_URI
