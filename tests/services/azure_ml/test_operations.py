"""Long-running operations: every way in which Resource Manager tells how far one is."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_provider.errors import (
    BatchError,
    ConnectionFailed,
    NotFound,
    OperationFailed,
    OperationTimedOut,
    OperationUnreachable,
    PermissionDenied,
    UnexpectedAnswer,
)
from airflow_batch_provider.jobs import Watch
from airflow_batch_provider.services.azure_ml.operations import Operation, advance, begun, finish, look

from .script import HTML, NOON, WORKSPACE, ZEROS, play, recorded_body, refused

URL = WORKSPACE.url("batchEndpoints", "digits")
ARM = "https://management.azure.com"
PLACE = f"{ARM}/subscriptions/{ZEROS}/providers/Microsoft.MachineLearningServices/locations/westus2"
STATUS = f"{PLACE}/mfeOperationsStatus/bebes:{ZEROS}:{ZEROS}?api-version=2023-10-01"
RESULT = f"{PLACE}/mfeOperationResults/bebes:{ZEROS}:{ZEROS}?api-version=2023-10-01"
DOING = "creating batch endpoint 'digits'"


def endpoint(state="Succeeded", **properties):
    """Give an endpoint in the recorded form, in a state."""
    body = recorded_body("endpoint_get")
    body["properties"] |= {"provisioningState": state, "properties": properties}
    return body


def answer(status=200, body=None, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=body, headers=named)


def start(response, **more):
    given = {"workspace": WORKSPACE, "doing": DOING, "resource_url": URL, "at": NOON, **more}
    return begun(response, **given)


OLD = {"AzureAsyncOperationUri": STATUS}
# What the answer to the PUT or DELETE is, whether it deletes; then what is asked next: kind and address, or
# ``None`` if there is nothing to wait for.
BEGINNINGS = {
    "201, Azure-AsyncOperation and the resource as Location": (
        answer(201, endpoint("Creating"), azure_asyncoperation=STATUS, location=URL),
        False,
        ("status", STATUS),
    ),
    "201, the property of older clusters": (
        answer(201, endpoint("Creating", **OLD)),
        False,
        ("status", STATUS),
    ),
    "the header comes before the property": (
        answer(201, endpoint("Creating", AzureAsyncOperationUri=RESULT), azure_asyncoperation=STATUS),
        False,
        ("status", STATUS),
    ),
    "202, Location alone": (answer(202, None, location=RESULT), False, ("result", RESULT)),
    "200 and under way, Location alone": (
        answer(200, endpoint("Updating"), location=RESULT),
        False,
        ("result", RESULT),
    ),
    "201 and under way, nothing named": (answer(201, endpoint("Creating")), False, ("resource", "")),
    "202, nothing named": (answer(202), False, ("resource", "")),
    "200 and complete": (answer(200, endpoint()), False, None),
    "201 and complete, which names itself": (answer(201, endpoint(), location=URL), False, None),
    "201 of a version, which has no state": (answer(201, {"properties": {}}, location=URL), False, None),
    "DELETE, 202 with both": (
        answer(202, None, azure_asyncoperation=STATUS, location=RESULT),
        True,
        ("status", STATUS),
    ),
    "DELETE, 202 with Location": (answer(202, None, location=RESULT), True, ("result", RESULT)),
    "DELETE, 200": (answer(200), True, None),
    "an address on another host is passed over": (
        answer(201, endpoint("Creating"), azure_asyncoperation="https://evil.example/x", location=RESULT),
        False,
        ("result", RESULT),
    ),
    "no address that may be asked": (
        answer(202, None, azure_asyncoperation="http://management.azure.com/x", location="/relative"),
        False,
        ("resource", ""),
    ),
    "a state that nobody knows": (answer(200, endpoint("Pondering")), False, ("resource", "")),
    "failed already, but an operation is named": (
        answer(200, endpoint("Failed"), azure_asyncoperation=STATUS),
        False,
        ("status", STATUS),
    ),
}


@pytest.mark.parametrize(("response", "deleting", "then"), BEGINNINGS.values(), ids=BEGINNINGS.keys())
def test_what_is_asked_next(response, deleting, then):
    """The first of header, property, Location and resource that there is tells how far the operation is."""
    operation = start(response, deleting=deleting)

    assert (None if operation.done else (operation.kind, operation.address)) == then
    assert Operation.from_dict(json.loads(json.dumps(operation.to_dict()))) == operation


def test_an_answer_that_says_failed_is_a_failure():
    """Where nothing else is named, the answer's own state decides."""
    with pytest.raises(OperationFailed, match="Creating batch endpoint 'digits' failed: it ended as Failed"):
        start(answer(200, endpoint("Failed")))


def under_way(kind="status", address=STATUS, **more):
    fields = {"started_at": NOON, **more}
    return Operation(DOING, URL, address="" if kind == "resource" else address, kind=kind, **fields)


def running(status="Updating"):
    return answer(200, {"id": "i", "name": "bebes:x", "status": status})


CREATED = endpoint()
# The operation; the answers to one look; how often it asked; its status; whether it is done.
LOOKS = {
    "under way": (under_way(), [running()], "Updating", False),
    "a status that nobody knows": (under_way(), [running("Pondering")], "Pondering", False),
    "202 without a body": (under_way(), [answer(202)], "", False),
    "succeeded": (under_way(), [running("Succeeded"), answer(200, CREATED)], "Succeeded", True),
    "succeeded, the resource not yet": (
        under_way(),
        [running("Succeeded"), answer(200, endpoint("Updating"))],
        "Updating",
        False,
    ),
    "the operation is forgotten": (under_way(), [refused(404), answer(200, CREATED)], "Succeeded", True),
    "Location: 202": (under_way("result"), [answer(202, {})], "", False),
    "Location: 200 and empty": (under_way("result"), [answer(200), answer(200, CREATED)], "Succeeded", True),
    "Location: 204": (under_way("result"), [answer(204), answer(200, CREATED)], "Succeeded", True),
    "Location is the resource": (under_way("result"), [answer(200, endpoint("Creating"))], "Creating", False),
    "the resource": (under_way("resource"), [answer(200, endpoint("Creating"))], "Creating", False),
    "the resource, complete": (under_way("resource"), [answer(200, CREATED)], "Succeeded", True),
    "deleting: succeeded": (under_way(deleting=True), [running("Succeeded")], "Succeeded", True),
    "deleting: Location 204": (under_way("result", deleting=True), [answer(204)], "", True),
    "deleting: the resource is there": (
        under_way("resource", deleting=True),
        [answer(200, endpoint("Deleting"))],
        "Deleting",
        False,
    ),
    "deleting: the resource is as it was": (
        under_way("resource", deleting=True),
        [answer(200, CREATED)],
        "Succeeded",
        False,
    ),
    "deleting: the resource is gone": (under_way("resource", deleting=True), [refused(404)], "", True),
    "deleting: all is forgotten": (under_way(deleting=True), [refused(404), refused(404)], "", True),
}


@pytest.mark.parametrize(("operation", "answers", "status", "done"), LOOKS.values(), ids=LOOKS.keys())
def test_one_look(operation, answers, status, done):
    """One look tells how far the operation is, and reads the resource when it has ended well."""
    played = play(advance(operation), answers)

    assert played.raised is None
    assert (played.returned.status, played.returned.done) == (status, done)
    assert played.returned.resource == (CREATED if done and not operation.deleting else {})
    assert all(asked[:2] == ("arm", "GET") for asked in played.asked)
    assert Operation.from_dict(json.loads(json.dumps(played.returned.to_dict()))) == played.returned


def test_what_is_done_is_not_asked_for():
    """An operation that has ended is returned as it is."""
    done = replace(under_way(), done=True)

    assert play(advance(done)).returned is done


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        (f"{PLACE}/other?api-version=1", f"{PLACE}/other?api-version=1"),
        ("https://evil.example/x", RESULT),
        ("http://[", RESULT),
    ],
)
def test_a_result_moves_on_its_own_host_only(location, asked):
    """A result may name its next address; one on another host is not followed."""
    played = play(advance(under_way("result", RESULT)), [answer(202, location=location)])

    assert played.returned.address == asked


TREE = {
    "code": "BadArgument",
    "message": "The compute is out of reach.",
    "details": [{"code": "Inner", "message": "Subnet is full."}],
}
FAILURES = {
    "failed": (under_way(), running("Failed"), OperationFailed, "it ended as Failed."),
    "cancelled": (under_way(), running("Canceled"), OperationFailed, "it ended as Canceled."),
    "its error tree": (
        under_way(),
        answer(200, {"status": "Failed", "error": TREE}),
        OperationFailed,
        "it ended as Failed: BadArgument: The compute is out of reach.\nInner: Subnet is full.",
    ),
    "a compute's own errors": (
        under_way("resource"),
        answer(
            200,
            {"properties": {"provisioningState": "Failed", "provisioningErrors": [{"error": TREE}]}},
        ),
        OperationFailed,
        "Subnet is full.",
    ),
    "Location: refused": (under_way("result"), refused(409, "In use."), BatchError, "In use."),
    "no permission": (under_way(), refused(403), PermissionDenied, "failed"),
    "no status": (under_way(), answer(200, {"name": "x"}), UnexpectedAnswer, "lacks status"),
    "a login page": (under_way(), HTML, UnexpectedAnswer, "not a JSON object"),
    "the resource never came": (under_way("resource"), refused(404), NotFound, "failed"),
}


@pytest.mark.parametrize(("operation", "response", "kind", "text"), FAILURES.values(), ids=FAILURES.keys())
def test_a_look_that_ends_badly(operation, response, kind, text):
    """What failed names what was done and what the service says of it, level by level."""
    played = play(advance(operation), [response])

    assert isinstance(played.raised, kind)
    assert str(played.raised).startswith("Creating batch endpoint 'digits' failed: ")
    assert text in str(played.raised)


class Clock:
    """A clock that only pauses move."""

    def __init__(self):
        self.time = NOON
        self.troubles = []

    def watch(self, **more):
        return Watch(now=lambda: self.time, chance=lambda: 1.0, on_trouble=self.troubles.append, **more)

    def finish(self, operation, answers, *, seen=None, **more):
        script = iter(answers)

        def next_answer(request):
            del request
            return next(script)

        flow = finish(operation, self.watch(**more), (seen if seen is not None else []).append)
        return play(self.moving(flow), next_answer)

    def moving(self, flow):
        sent, thrown = None, None
        while True:
            try:
                step = flow.throw(thrown) if thrown else flow.send(sent)
            except StopIteration as stop:
                return stop.value
            sent = thrown = None
            if not isinstance(step, httpx.Request):
                self.time += step.seconds
            try:
                sent = yield step
            except httpx.RequestError as error:
                thrown = error


def test_an_operation_is_followed_to_its_end():
    """Looks come more rarely with time, each change is told once, and the resource is read at the end."""
    seen = []
    answers = [
        running("Creating"),
        running("Creating"),
        running(),
        running("Succeeded"),
        answer(200, CREATED),
    ]
    played = Clock().finish(under_way(), answers, seen=seen)

    assert played.returned.done
    assert played.returned.resource == CREATED
    assert [one.status for one in seen] == ["Creating", "Updating", "Succeeded"]
    assert played.pauses == [1.0, 1.0, 1.0]


def test_the_service_may_ask_for_more_time():
    """Retry-After of a look that went well is obeyed, but never past the deadline."""
    clock = Clock()
    slow = answer(200, {"status": "Updating"}, retry_after="30")
    played = clock.finish(under_way(), [slow, slow, slow], deadline=NOON + 45)

    assert played.pauses == [30.0, 15.0]
    assert isinstance(played.raised, OperationTimedOut)


def test_waiting_ends_at_the_deadline():
    """The operation goes on at the service, and the message says how far it was."""
    answers = [answer(200, {"status": "Updating"}) for _ in range(100)]
    played = Clock().finish(under_way(), answers, deadline=NOON + 20)

    assert isinstance(played.raised, OperationTimedOut)
    assert "its last known status is Updating" in str(played.raised)
    assert sum(played.pauses) == pytest.approx(20.0)


def test_an_outage_is_tolerated_by_time():
    """Answers that pass are trouble, told once; after the tolerance waiting ends, with the last problem."""
    clock = Clock()
    played = clock.finish(under_way(), [HTML] * 100, outage_tolerance=10)

    assert isinstance(played.raised, OperationUnreachable)
    assert "no good answer for 10 seconds" in str(played.raised)
    assert len(clock.troubles) == 1


def test_an_outage_that_passes_does_no_harm():
    """Connections that break are asked again; a resource may show up late."""
    clock = Clock()
    broken = [httpx.ConnectError("no route")] * 3
    answers = [*broken, running(), *[refused(404)] * 3, answer(200, CREATED)]
    played = clock.finish(under_way(), answers)

    assert played.returned.done
    assert [type(trouble) for trouble in clock.troubles] == [ConnectionFailed, NotFound]


def test_a_resource_that_stays_away_is_not_waited_for():
    """After the first minute, what is not there does not come."""
    played = Clock().finish(under_way("resource", started_at=NOON - 61), [refused(404)])

    assert isinstance(played.raised, NotFound)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["Failed", "Succeeded", STATUS]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["status", "properties", "provisioningState", "error", "details", "provisioningErrors"]
            )
            | st.text(),
            inner,
            max_size=4,
        )
    ),
)
ANSWERS = st.builds(
    lambda status, body, headers: httpx.Response(status, json=body, headers=headers),
    st.integers(200, 599),
    JSON,
    st.dictionaries(
        st.sampled_from(["azure-asyncoperation", "location", "retry-after"]),
        st.sampled_from([STATUS, RESULT, "", "x", "http://[", "https://evil.example/", "1e400", "-1", "5"]),
    ),
)


@given(ANSWERS, st.lists(ANSWERS, min_size=20, max_size=20), st.booleans())
def test_any_answers_are_an_operation_or_an_error(first, answers, deleting):
    """Whatever is answered, there is an operation or one of our errors, and no other host is asked."""
    with suppress(BatchError):
        operation = start(first, deleting=deleting)
        script = iter(answers)
        played = play(advance(operation), lambda _: next(script))
        assert played.raised is None or isinstance(played.raised, BatchError)
        assert all(request.url.host == "management.azure.com" for request in played.requests)


def test_what_is_told_of_an_operation():
    """One sentence says what is done and how far it is, also before anything is known."""
    fresh = Operation("creating compute 'c'", "https://management.azure.com/c")

    assert fresh.news == "Creating compute 'c': under way."
    assert replace(fresh, status="Updating").news == "Creating compute 'c': Updating."


def test_a_look_in_between_shows_the_resource_as_it_is():
    """However far the operation is; without the values of variables."""
    body = {"id": "c", "properties": {"provisioningState": "Creating", "environmentVariables": {"A": "b"}}}
    played = play(
        look(Operation("creating c", WORKSPACE.url("computes", "c"))), [httpx.Response(200, json=body)]
    )

    assert played.returned["properties"] == {
        "provisioningState": "Creating",
        "environmentVariables": {"A": "***"},
    }
