"""One page of a workflow's executions, for those who wait for some of them."""

from __future__ import annotations

import pytest

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.jobs import JobRef, JobState
from airflow_batch_provider.services.modelarts.workflows import PAGE

from .script import EXECUTION_ID, SERVICE, WORKFLOW_ID, execution, items, ok, play, step

OTHER_ID = "46c682b6-0310-4774-9c8e-000000000001"


def ref(execution_id=EXECUTION_ID, **place):
    place = {"project_id": "p", "workflow_id": WORKFLOW_ID, "on_waiting_inputs": "fail", **place}
    return JobRef("modelarts", execution_id, place)


REFS = {EXECUTION_ID: ref(), OTHER_ID: ref(OTHER_ID)}


def test_those_who_wait_for_executions_of_one_workflow_share_its_list():
    """It is the same list only for who takes waiting steps the same way: that is part of the answer."""
    groups = {
        SERVICE.group(one)
        for one in (
            *(ref(), ref(OTHER_ID), ref(on_waiting_inputs="wait"), ref(workflow_id="w")),
            ref(region="cn-east-3"),
        )
    }

    assert len(groups) == 4
    assert "" not in groups


def test_a_row_says_what_asking_for_the_execution_does():
    """Each execution that was asked about is read as from an answer about it alone."""
    asked = execution("running", step("label", "wait_inputs"))
    got = play(SERVICE.get(ref()), [ok(asked)]).returned
    played = play(SERVICE.page(REFS), [items(asked, execution("completed", execution_id=OTHER_ID))])

    assert played.requests[0].url.path.endswith(f"/v2/p/workflows/{WORKFLOW_ID}/executions")
    assert played.requests[0].url.params["order"] == "desc"
    assert played.returned.jobs[EXECUTION_ID] == got
    assert got.state is JobState.BLOCKED
    assert played.returned.jobs[OTHER_ID].state is JobState.SUCCEEDED
    assert (played.returned.rows, played.returned.after) == (2, None)


def test_a_full_page_has_one_behind_it():
    """Pages are counted by rows, and one that is not full is the last."""
    full = [execution(execution_id=OTHER_ID)] * PAGE
    first = play(SERVICE.page(REFS), [items(*full)])
    second = play(SERVICE.page(REFS, first.returned.after), [items(execution())])

    assert first.returned.after == PAGE
    assert second.requests[0].url.params["offset"] == str(PAGE)
    assert second.returned.after is None


def test_a_row_without_steps_does_not_tell():
    """Whether a step waits for a person can then not be seen, so the execution is asked for by itself."""
    bare = execution()
    del bare["steps_execution"]

    assert play(SERVICE.page(REFS), [items(bare, {"execution_id": None}, {})]).returned.jobs == {}


def test_a_reference_without_a_workflow_is_bad_input():
    """Nothing is asked for what has no address."""
    with pytest.raises(InvalidInput):
        next(SERVICE.page({EXECUTION_ID: ref(workflow_id="w")}))
