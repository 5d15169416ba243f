"""The account of a task's tries: what tells a restart, a retry and a clear apart."""

from __future__ import annotations

import asyncio
import json

import pytest

from airflow_batch_provider.jobs import JobRef, Submission
from airflow_batch_provider.triggers.tries import Tries, begin, failed, submission_in, tries_in
from airflow_batch_provider.triggers.try_records import TryRecords


@pytest.mark.parametrize(
    ("kept", "number", "retries", "expected"),
    [
        (None, 1, 3, Tries(1, limit=3)),
        # Nothing is known of the tries before: Airflow has at least all its retries left.
        (None, 2, 3, Tries(2, limit=4)),
        # The same number: a triggerer goes on, even if the end was recorded but not told.
        (Tries(1, 3, job="a"), 1, 3, Tries(1, 3, job="a")),
        (Tries(1, 3, 1, "failed", "a"), 1, 3, Tries(1, 3, 1, job="a")),
        # It failed, and Airflow had tries left: a retry.
        (Tries(1, 3, 1, "failed", "a", sent=True), 2, 3, Tries(2, 3, 1)),
        (Tries(3, 3, 1, "failed", "a"), 4, 3, Tries(4, 3, 1)),
        # It failed, and Airflow had none left: cleared.
        (Tries(4, 3, 1, "failed", "a"), 5, 3, Tries(5, 7, 2)),
        (Tries(1, 0, 0, "failed", "a"), 2, 0, Tries(2, 1, 1)),
        # It succeeded, or was still waiting: cleared.
        (Tries(1, 3, 0, "success", "a"), 2, 3, Tries(2, 4, 1)),
        (Tries(1, 3, 0, "", "a"), 2, 3, Tries(2, 4, 1)),
    ],
)
def test_the_next_number_is_a_restart_a_retry_or_a_clear(kept, number, retries, expected):
    """By what the try before it has recorded, and by how many tries Airflow makes by itself."""
    assert begin(kept, number, retries) == expected


def test_a_clear_of_a_task_without_retries_is_told_each_time():
    """Airflow's limit after a clear is one less than the number of the next try, plus the retries."""
    tries = begin(None, 1, 0)
    for number in range(2, 6):
        tries = begin(Tries(tries.number, tries.limit, tries.clears, "failed"), number, 0)

    assert tries.clears == 4


def test_the_account_lies_beside_the_submission():
    """Each is read without the other, and a record of neither is none."""
    submission = Submission("marker", 1, 5.0).to_dict()
    both = Tries(2, 3).kept_in(submission)

    assert tries_in(json.loads(json.dumps(both))) == Tries(2, 3)
    assert Submission.from_dict(both) == Submission("marker", 1, 5.0)
    assert submission_in(Tries(2, 3).kept_in({})) is None
    assert (submission_in(None), tries_in(None), tries_in(submission)) == (None, None, None)


def test_a_worker_notes_that_a_try_failed():
    """Whatever else is recorded stays; a record without an account stays as it is."""
    both = Tries(2, 3, job="a").kept_in({"marker": "m"})

    assert failed(both) == {**both, "tries": {**both["tries"], "ended": "failed"}}
    assert failed({"marker": "m"}) == {"marker": "m"}


class Store:
    """Keeps a record in memory, as JSON."""

    def __init__(self, record=None):
        self.text = json.dumps(record)

    async def load(self):
        return json.loads(self.text)

    async def save(self, record):
        self.text = json.dumps(record)

    async def alone(self, *, ever=False):
        return True


def submission(job, clears=0):
    ref = JobRef("azure_ml", job) if job else None
    return Submission("m", 1, 5.0, max_tries=clears, ref=ref).to_dict()


def begun(store, number, retries=3):
    return asyncio.run(TryRecords.begin(store, number, retries))


@pytest.mark.parametrize(
    ("record", "number", "expected"),
    [
        (None, 1, True),
        (None, 2, False),
        (Tries(1, 3, 0, "failed").kept_in({}), 2, True),
        (Tries(1, 3, 0, "failed").kept_in(submission("")), 2, False),
        (submission("a"), 1, False),
    ],
)
def test_whether_anything_can_have_been_sent(record, number, expected):
    """Only a first try, or one after tries that recorded no submission, needs no look at the service."""
    assert begun(Store(record), number).nothing_sent is expected


def test_a_job_that_was_submitted_is_the_tries_own():
    """A triggerer that goes on knows it without asking the service."""
    store = Store()
    records = begun(store, 1)
    asyncio.run(records.save(submission("")))
    without = begun(store, 1).ref
    asyncio.run(records.save(submission("a")))

    assert without is None
    assert begun(store, 1).ref.id == "a"
    assert begun(store, 2).ref is None


def test_a_job_that_was_found_is_not_until_it_is_taken():
    """One of before a clear, or the one that an earlier try left, may have to make way."""
    store = Store(Tries(1, 3).kept_in(submission("", clears=0)))
    records = begun(store, 2)  # cleared
    asyncio.run(records.save(submission("a", clears=0)))
    found = begun(store, 2).ref
    asyncio.run(records.take(JobRef("azure_ml", "a")))

    assert found is None
    assert begun(store, 2).ref.id == "a"


def test_a_try_goes_on_with_what_it_was_about_to_send():
    """Not with what an earlier one was: that may have to make way."""
    store = Store()
    asyncio.run(begun(store, 1).save(submission(None)))
    same, cleared = begun(store, 1).goes_on, begun(store, 2).goes_on
    once_more = begun(store, 2)
    asyncio.run(once_more.end("failed"))

    assert (same, cleared, once_more.goes_on, begun(store, 2).goes_on) == (True, False, False, False)


def test_a_new_try_is_recorded_at_once():
    """Else a worker that has to fail it would note the failure of the one before."""
    store = Store(Tries(1, 3).kept_in(submission("a")))
    records = begun(store, 2)

    assert records.again
    assert tries_in(json.loads(store.text)) == Tries(2, 4, 1)
    assert not begun(store, 2).again
