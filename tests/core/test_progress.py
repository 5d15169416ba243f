"""What is logged of a job while one waits for it."""

from __future__ import annotations

import json

import pytest

from airflow_batch_provider.jobs import Job, JobRef, JobState, Log, Step, summary, told
from airflow_batch_provider.jobs.progress import spent

REF = JobRef("modelarts", "job-1", submitted_at=1000.0)
STEPS = (
    Step("extract", "completed", done=True, seconds=3725.0),
    Step("fit", "running", seconds=5.9),
    Step("a", "init"),
)


def job(status="running", **fields):
    return Job("modelarts", "job-1", state=JobState.RUNNING, status=status, **fields)


def says(one, ref=REF, now=1000.0):
    return told(one, ref, lambda: now)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3661, "1 h 1 min"),
        (86400 + 30, "1 d"),
        (2 * 86400 + 3600, "2 d 1 h"),
    ],
)
def test_a_duration_is_told_by_its_two_largest_units(seconds, text):
    """Whole numbers of days, hours, minutes and seconds; a unit in between that is 0 is left out."""
    assert spent(seconds) == text


def test_a_job_without_steps_is_a_line():
    """Its status, for how long it has been there, and what the service says of it."""
    assert says(job(), now=1065.0) == "Job job-1 is running after 1 min 5 s."
    assert says(job(detail="Preparing the image."), now=1001) == (
        "Job job-1 is running after 1 s: Preparing the image."
    )


@pytest.mark.parametrize(("ref", "now"), [(JobRef("modelarts", "job-1"), 5.0), (REF, 999.0)])
def test_no_time_is_told_that_is_not_known(ref, now):
    """When somebody else started the job, or another clock runs ahead."""
    assert says(job(), ref, now) == "Job job-1 is running."


def test_steps_are_a_table():
    """Names, statuses and durations stand below each other; the line says how many are done."""
    assert says(job(steps=STEPS, steps_in_all=4, detail=summary(STEPS)), now=5000.0).splitlines() == [
        "Job job-1 is running after 1 h 6 min, 1 of 4 steps done.",
        "  extract  completed  1 h 2 min",
        "  fit      running          5 s",
        "  a        init",
    ]


def test_what_is_more_than_the_steps_say_is_told():
    """What the service says of the job itself is not in the table."""
    text = says(job(steps=STEPS, detail="Step 'fit' waits for a person."), now=1001.0)

    assert (
        text.splitlines()[0] == "Job job-1 is running after 1 s, 1 step done: Step 'fit' waits for a person."
    )


@pytest.mark.parametrize(
    ("steps", "in_all", "done"),
    [(STEPS, 2, "1 of 3 steps done"), (STEPS[1:], 0, "0 steps done"), (STEPS[:1], 1, "1 of 1 steps done")],
)
def test_steps_done_of_all(steps, in_all, done):
    """There may be more steps than were foreseen; of a job of somebody else's their number is unknown."""
    assert f", {done}." in says(job(steps=steps, steps_in_all=in_all))


def test_a_long_table_shows_its_end():
    """Thirty rows, and how many came before."""
    many = tuple(Step(f"step-{number:02}", "completed", done=True, seconds=1.0) for number in range(33))
    _, first, *rows = says(job(steps=many)).splitlines()

    assert first == "  (3 earlier steps)"
    assert (len(rows), rows[0]) == (30, "  step-03  completed  1 s")


def test_steps_are_no_part_of_a_job_that_travels():
    """A duration is no news, and neither a result nor an event carries it."""
    one = job(steps=STEPS, steps_in_all=3)

    assert one == job()
    assert Job.from_dict(json.loads(json.dumps(one.to_dict()))).steps == ()


def test_the_end_of_a_log_says_what_came_before():
    """Its lines are set off from the task's own."""
    assert str(Log("a.txt", ("one", "two"))) == "The end of a.txt:\n  | one\n  | two"
    assert str(Log("a.txt", ("two",), "1 line")) == "The end of a.txt (1 line before that left out):\n  | two"
    assert str(Log("the logs", (), "3 files")) == "Left out of the logs: 3 files."


def test_what_a_failure_tells_is_not_told_twice():
    """All lines, cut as the failure cuts them, and nothing that is left out."""
    long, text = "x" * 1000, f"Failed.\n  | one\n  | {'x' * 300}"

    assert Log("a.txt", ("one", long)).told_in(text)
    assert not Log("a.txt", ("one", "two")).told_in(text)
    assert not Log("a.txt", ("one",), "1 line").told_in(text)


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELED])
def test_when_logs_are_wanted(state):
    """Always, never, or of what did not succeed."""
    one = Job("modelarts", "job-1", state=state)

    assert [one.logs_wanted(choice) for choice in ("always", "on_failure", "never")] == [
        True,
        state is not JobState.SUCCEEDED,
        False,
    ]
