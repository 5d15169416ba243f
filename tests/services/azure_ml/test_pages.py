"""One page of an endpoint's jobs, for those who wait for some of them."""

from __future__ import annotations

import httpx
import pytest

from airflow_batch_provider.errors import UnexpectedAnswer
from airflow_batch_provider.jobs import Job, JobRef, JobState
from airflow_batch_provider.services.azure_ml.batch import BatchEndpoints

from .script import SCORING_URI, WORKSPACE, play, recorded_body

SERVICE = BatchEndpoints(WORKSPACE)
PLACE = {"scoring_uri": SCORING_URI, "endpoint": "e"}
REFS = {name: JobRef("azure_ml", name, PLACE, url=f"https://ml/{name}") for name in ("j1", "j2")}


def row(name="j1", status="Running"):
    body = recorded_body("batch_job_get")
    return body | {"name": name, "properties": body["properties"] | {"status": status}}


def page(*rows, after=None, **body):
    answer = {"value": list(rows), "nextLink": after, **body}
    return play(SERVICE.page(REFS, body.pop("at", None)), [httpx.Response(200, json=answer)])


def test_those_who_wait_for_jobs_of_one_endpoint_share_its_list():
    """The list of a job is that of its scoring URI; without one, no list is known."""
    assert SERVICE.group(REFS["j1"]) == SCORING_URI
    assert SERVICE.group(JobRef("azure_ml", "j")) == ""


def test_a_row_says_what_asking_for_the_job_does():
    """Each job that was asked about is read as from an answer about it alone."""
    got = play(SERVICE.get(REFS["j2"]), [httpx.Response(200, json=row("j2", "Completed"))]).returned
    played = page(row("j1"), row("j2", "Completed"), row("other"))

    assert [str(request.url) for request in played.requests] == [SCORING_URI]
    assert played.returned.rows == 3
    assert played.returned.after is None
    assert played.returned.jobs["j2"] == got
    assert {name: job.state for name, job in played.returned.jobs.items()} == {
        "j1": JobState.RUNNING,
        "j2": JobState.SUCCEEDED,
    }
    assert isinstance(got, Job)


def test_the_next_page_is_where_the_service_says():
    """The link of a page is followed as it is, with the token that the first page was read with."""
    link = f"{SCORING_URI}?$skiptoken=a%2Bb"
    after = page(row(), after=link).returned.after

    played = play(SERVICE.page(REFS, after), [httpx.Response(200, json={"value": []})])
    assert [str(request.url) for request in played.requests] == [link]
    assert played.requests[0].extensions["airflow_batch_provider.audience"] == "ml"
    assert played.returned.jobs == {}


@pytest.mark.parametrize(
    "rows",
    [[], [{"name": None}], [{"name": ["j1"]}], [row("j1", "")], [{"name": "j1", "properties": None}], ["j1"]],
)
def test_a_row_that_does_not_tell_is_no_answer(rows):
    """A job without a status, or what is no job, is not among those shown."""
    assert page(*rows).returned.jobs == {}


def test_what_is_no_list_is_an_unexpected_answer():
    """A page of a gateway is not taken for an empty list."""
    played = play(SERVICE.page(REFS), [httpx.Response(200, html="<html>")])

    assert type(played.raised) is UnexpectedAnswer


def test_jobs_of_several_endpoints_are_in_the_workspaces_list():
    """Resource Manager shows the jobs of all endpoints, and those whose endpoint is not known."""
    elsewhere = JobRef("azure_ml", "j2", {"scoring_uri": "https://other/jobs", "endpoint": "o"})
    for refs in ({"j1": REFS["j1"], "j2": elsewhere}, {"j2": JobRef("azure_ml", "j2")}):
        answer = httpx.Response(200, json={"value": [row("j2", "Failed")], "nextLink": None})
        played = play(SERVICE.page(refs), [answer])

        assert [request.url.path for request in played.requests] == [httpx.URL(WORKSPACE.url("jobs")).path]
        assert played.requests[0].url.params["jobType"] == "Pipeline"
        assert played.requests[0].extensions["airflow_batch_provider.audience"] == "arm"
        assert played.returned.jobs["j2"].state is JobState.FAILED


def test_every_job_of_the_workspace_has_the_common_list():
    """Whatever its endpoint."""
    assert SERVICE.common_group(REFS["j1"]) == SERVICE.common_group(JobRef("azure_ml", "j"))
