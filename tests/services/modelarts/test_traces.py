"""Looking for the execution of a call whose answer was lost, by what the list tells."""

from __future__ import annotations

import httpx
import pytest

from airflow_batch_provider.errors import ServiceUnavailable
from airflow_batch_provider.jobs import JobState
from airflow_batch_provider.services.modelarts.executions import Call
from airflow_batch_provider.services.modelarts.workflows import PAGE

from .script import BASE, HTML, MARKER, PROJECT, SERVICE, WORKFLOW_ID, execution, items, ok, play, refused

LIST = ("GET", f"{BASE}/{WORKFLOW_ID}/executions")
OTHER = "airflow-" + "b" * 24
CALL = Call(PROJECT, WORKFLOW_ID, "digits", {"name": "e"}, "wait")
CREATED = 1667309764.0
NOTHING = items()


def look(answers, *, since=0.0, **body):
    return play(SERVICE.traces(Call(PROJECT, WORKFLOW_ID, "digits", body), MARKER, since), answers)


def ids(count, start=0):
    return [f"46c682b6-0310-4774-9c8e-{number:012x}" for number in range(start, start + count)]


def test_what_is_recorded_of_a_call_tells_different_ones_apart():
    """The workflow, and a digest of what executions are compared with; labels are not."""
    bodies = [{}, {"labels": ["x"]}, {"name": "e"}, {"parameters": [{"name": "p", "value": 1}]}]
    told = [SERVICE.about(Call(PROJECT, WORKFLOW_ID, "digits", body)) for body in bodies]

    assert told[0] == told[1]
    assert len(set(told)) == 3
    assert all(WORKFLOW_ID in one.partition(" ")[0] for one in told)


def test_the_label_is_asked_for_first():
    """An execution that carries the marker ends the search with one request, however old it is."""
    played = play(SERVICE.traces(CALL, MARKER, 9e9), [items(execution("running", labels=["x", MARKER]))])

    (trace,) = played.returned.found
    assert played.asked == [LIST]
    assert played.requests[0].url.params["labels"] == MARKER
    assert (trace.ref.marker, trace.ref.submitted_at, trace.alike) == (MARKER, CREATED, True)
    assert trace.ref.place["on_waiting_inputs"] == "wait"
    assert trace.job.state is JobState.RUNNING


def test_a_filter_that_is_not_obeyed_finds_nothing():
    """What a service answers to a filter counts only if it has the label; all is looked at next."""
    theirs = execution("running", labels=[OTHER])
    played = look([items(theirs), items(theirs)])

    (trace,) = played.returned.found
    assert played.asked == [LIST, LIST]
    assert "labels" not in played.requests[1].url.params
    assert trace.ref.marker == OTHER
    assert played.returned.complete


def test_a_list_is_read_no_further_than_needed():
    """Newest first, what is old enough ends it; a row that moved to the next page is told once."""
    new, old = "2022-11-01T21:36:04+08:00", "2022-11-01T20:00:00+08:00"
    page = [execution("running", execution_id=one, created_at=new) for one in ids(PAGE)]
    rest = [page[-1], *(execution(None, execution_id=one, created_at=old) for one in ids(PAGE - 1, 500))]
    played = look([NOTHING, items(*page), items(*rest)], since=CREATED - 60)

    assert len(played.returned.found) == 2 * PAGE - 1
    assert played.returned.complete


def test_a_list_too_long_to_be_read_is_not_complete():
    """Then nobody can say that there is no execution."""
    full = items(*[execution("running", execution_id=one) for one in ids(PAGE)])
    played = look([NOTHING, *[full] * 20])

    assert not played.returned.complete


@pytest.mark.parametrize("spoilt", [HTML, refused(401, "APIGW.0301"), httpx.ReadTimeout("x")])
def test_a_spoilt_page_is_asked_for_again(spoilt):
    """Looking is not given up at the first answer that is none."""
    assert look([spoilt, NOTHING, spoilt, items(execution("running"))]).returned.found


def test_a_list_that_cannot_be_had_is_an_error():
    """It says nothing about what exists."""
    played = look(lambda _: refused(503))

    assert isinstance(played.raised, ServiceUnavailable)


def test_a_row_that_cannot_be_asked_for_is_left_out():
    """An id that is none leads nowhere."""
    assert (
        look([NOTHING, ok({"items": [execution("running", execution_id="x"), 7, None]})]).returned.found == ()
    )


def rows(**values):
    return [{"name": name, "type": "any", "value": value} for name, value in values.items()]


DATA = {"obs_url": "/bucket/in/"}
ALIKE = [
    ({}, {}, True),
    ({"name": "e"}, {"name": "e"}, True),
    ({"name": "e"}, {"name": "execution-065"}, False),
    ({"name": "e"}, {"name": None}, True),
    ({"scene_id": "1"}, {"scene_id": "2"}, False),
    ({"scene_id": "1"}, {}, True),
    ({"parameters": rows(n=3)}, {"parameters": rows(n=3, other=1)}, True),
    ({"parameters": rows(n=3)}, {"parameters": rows(n=4)}, False),
    ({"parameters": rows(n=3)}, {"parameters": rows(n="3")}, True),
    ({"parameters": rows(n=3.0)}, {"parameters": rows(n=3)}, True),
    ({"parameters": rows(n=12345678)}, {"parameters": rows(n=12345678.0)}, True),
    ({"parameters": rows(n=12345678)}, {"parameters": rows(n=12345679)}, False),
    ({"parameters": rows(on=True)}, {"parameters": rows(on="True")}, True),
    ({"parameters": rows(on=True)}, {"parameters": rows(on=False)}, False),
    ({"parameters": rows(j={"a": 1, "b": [2]})}, {"parameters": rows(j={"b": [2], "a": 1})}, True),
    ({"parameters": rows(n=3)}, {"parameters": [{"name": "n"}]}, True),
    ({"parameters": rows(n=3)}, {"parameters": None}, True),
    ({"parameters": rows(n=3)}, {"parameters": rows(m=3)}, True),
    ({}, {"parameters": rows(n=3)}, True),
    ({"data_requirements": rows(d=DATA)}, {"data_requirements": rows(d=DATA)}, True),
    (
        {"data_requirements": rows(d=DATA)},
        {"data_requirements": rows(d={"obs_url": "obs://bucket/in"})},
        True,
    ),
    ({"data_requirements": rows(d=DATA)}, {"data_requirements": rows(d={"obs_url": "/bucket/out/"})}, False),
    (
        {"data_requirements": rows(d={"dataset_id": "1"})},
        {"data_requirements": rows(d={"dataset_id": "2"})},
        False,
    ),
]


@pytest.mark.parametrize(("said", "told", "alike"), ALIKE)
def test_an_execution_is_alike_unless_something_speaks_against_it(said, told, alike):
    """Parameters, data, name and scene are compared, in whichever form the service tells them."""
    (trace,) = look([NOTHING, items(execution("running", **told))], **said).returned.found

    assert trace.alike is alike


def test_recent_executions_of_a_workflow():
    """Each execution once, with its state and its time of creation, whoever started it."""
    first, second = ids(2)
    rows = [execution("completed", execution_id=first), execution("running", execution_id=second)]
    played = play(SERVICE.recent(WORKFLOW_ID, 0.0), [items(*rows, rows[0])])

    assert played.asked == [LIST]
    assert [(one.ref.id, one.job.state) for one in played.returned.found] == [
        (first, JobState.SUCCEEDED),
        (second, JobState.RUNNING),
    ]
    assert played.returned.found[0].ref.submitted_at == CREATED


def test_where_a_workflows_executions_are():
    """Its name stands for its id."""
    found = {"name": "digits", "workflow_id": WORKFLOW_ID}

    assert play(SERVICE.where("digits"), [items(found)]).returned == WORKFLOW_ID
