from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_batch_provider.errors import JobCanceled, JobFailed
from airflow_batch_provider.jobs import Job, JobRef, JobState, Submission

TEXT = st.text()
TIME = st.floats(allow_nan=False, allow_infinity=False)
STATES = st.sampled_from(JobState)

JOBS = st.builds(
    Job,
    TEXT,
    TEXT,
    name=TEXT,
    state=STATES,
    status=TEXT,
    detail=TEXT,
    url=TEXT,
    endpoint=TEXT,
    outputs=st.dictionaries(TEXT, st.dictionaries(TEXT, TEXT)),
)
REFS = st.builds(
    JobRef, TEXT, TEXT, place=st.dictionaries(TEXT, TEXT), submitted_at=TIME, marker=TEXT, url=TEXT
)
NUMBERS = st.none() | st.integers(0)
SUBMISSIONS = st.builds(
    Submission,
    TEXT,
    st.integers(1),
    TIME,
    max_tries=NUMBERS,
    clear_number=NUMBERS,
    ref=st.none() | REFS,
)


@settings(deadline=None)
@given(thing=JOBS | REFS | SUBMISSIONS)
def test_what_crosses_processes_survives_json(thing):
    """Jobs, references and records come back from JSON equal, whatever text and numbers they hold."""
    written = thing.to_dict()
    arrived = type(thing).from_dict(json.loads(json.dumps(written)))

    assert arrived == thing
    assert json.loads(json.dumps(written)) == written


def test_a_state_comes_back_as_a_state():
    """The state travels as plain text, and is the enumeration's member again on arrival."""
    written = Job("azure_ml", "j", state=JobState.CANCELED).to_dict()

    assert type(written["state"]) is str
    assert Job.from_dict(written).state is JobState.CANCELED


@pytest.mark.parametrize("read", [Job.from_dict, JobRef.from_dict])
def test_reading_changes_nothing(read):
    """What was read can be kept and read again."""
    written = {"service": "azure_ml", "id": "j"} | ({"state": "failed"} if read == Job.from_dict else {})
    before = dict(written)
    read(written)

    assert written == before


@pytest.mark.parametrize(
    ("state", "done"),
    [
        (JobState.PENDING, False),
        (JobState.RUNNING, False),
        (JobState.CANCELING, False),
        (JobState.BLOCKED, False),
        (JobState.UNKNOWN, False),
        (JobState.SUCCEEDED, True),
        (JobState.FAILED, True),
        (JobState.CANCELED, True),
    ],
)
def test_a_job_is_done_when_it_cannot_change_any_more(state, done):
    """Only success, failure and cancellation are ends; what is not understood may still change."""
    assert state.done is done


def test_every_state_is_covered_above():
    """A new state must be put into the table of ends."""
    assert len(JobState) == 8


def test_a_job_that_succeeded_passes_the_check():
    """`check` returns the very job, so that it can be chained."""
    job = Job("azure_ml", "j", state=JobState.SUCCEEDED)

    assert job.check() is job


@pytest.mark.parametrize(
    ("job", "kind", "text"),
    [
        (
            Job("azure_ml", "j", state=JobState.FAILED, status="Failed"),
            JobFailed,
            "The job ended as Failed. Job: j.",
        ),
        (
            Job("azure_ml", "j", "n", JobState.FAILED, "Failed", "No GPU.", "https://ml/j", "digits"),
            JobFailed,
            "The job on 'digits' ended as Failed: No GPU. Job: j (https://ml/j).",
        ),
        (
            Job("azure_ml", "j", state=JobState.CANCELED, status="Canceled", endpoint="digits"),
            JobCanceled,
            "The job on 'digits' ended as Canceled. Job: j.",
        ),
    ],
)
def test_a_job_that_did_not_succeed_says_why(job, kind, text):
    """The error's class tells failure from cancellation; its text names the job, its place and the reason."""
    with pytest.raises(kind) as caught:
        job.check()

    assert type(caught.value) is kind
    assert str(caught.value) == text
