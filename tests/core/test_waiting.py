from __future__ import annotations

import time
from copy import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_batch_provider.errors import (
    AnswerLost,
    AuthenticationFailed,
    BadRequest,
    Conflict,
    ConnectionFailed,
    InvalidInput,
    JobBlocked,
    JobTimedOut,
    JobUnreachable,
    NotFound,
    PermissionDenied,
    ServiceUnavailable,
    Throttled,
    UnexpectedAnswer,
)
from airflow_batch_provider.flow import Pause
from airflow_batch_provider.jobs import Job, JobRef, JobState, Watch, finish, wait

from .script import Clock, OneRequestEach, Slow, play

SUBMITTED = 1_000_000.0
REF = JobRef("azure_ml", "j", submitted_at=SUBMITTED, url="https://ml/j")
ASK, OUTPUTS, LOG = "GET /jobs/j", "GET /jobs/j/outputs", "GET /jobs/j/log"
DOWN = ServiceUnavailable("Maintenance.", status=503)
GONE = NotFound("No such job.", status=404)


def job(state, status=""):
    return Job("azure_ml", "j", state=state, status=status or state.value.title())


PENDING, RUNNING, CANCELING = job(JobState.PENDING), job(JobState.RUNNING), job(JobState.CANCELING)
SUCCEEDED, FAILED, CANCELED = job(JobState.SUCCEEDED), job(JobState.FAILED), job(JobState.CANCELED)


class Waiter:
    """Waits for the job by a script, and notes what it was told."""

    def __init__(self, age=0.0, flow=wait, **options):
        self.clock, self.changes, self.trouble, self.flow = Clock(SUBMITTED + age), [], [], flow
        if "deadline" in options:
            options["deadline"] += SUBMITTED
        self.watch = Watch(
            now=self.clock,
            chance=lambda: 1.0,
            on_change=lambda job: self.changes.append(job.status),
            on_trouble=self.trouble.append,
            **options,
        )

    def play(self, *answers):
        return play(self.flow(OneRequestEach(), REF, self.watch), answers, self.clock)

    @property
    def waited(self):
        return self.clock.now - SUBMITTED


# --- the interval -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "seconds"),
    [
        (-100, 1),
        (0, 1),
        (10, 1),
        (15, 1.5),
        (30, 1.5),
        (45, 3),
        (115, 10),
        (314, 29.9),
        (315, 30),
        (316, 30),
        (1e6, 30),
    ],
)
def test_the_interval_grows_with_the_age(age, seconds):
    """A young job is asked each second or so, an old one every `poll_interval`, in between by its age."""
    assert Watch(chance=lambda: 1.0).interval(age) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("poll_interval", "seconds"), [(0.1, [0.1, 0.1]), (5.0, [1.0, 5.0]), (60.0, [1.0, 60.0])]
)
def test_the_poll_interval_is_the_longest(poll_interval, seconds):
    """What the user asks for is never exceeded, be it shorter than a second."""
    watch = Watch(poll_interval=poll_interval, chance=lambda: 1.0)

    assert [watch.interval(0), watch.interval(1e6)] == seconds


@settings(deadline=None)
@given(
    age=st.floats(-1e9, 1e9), chance=st.floats(0, 1, exclude_max=True), poll_interval=st.floats(0.01, 86400)
)
def test_jitter_takes_off_a_fifth_at_most(age, chance, poll_interval):
    """Many waiting jobs drift apart, and none waits longer than its interval without jitter."""
    whole = Watch(poll_interval, chance=lambda: 1.0).interval(age)
    seconds = Watch(poll_interval, chance=lambda: chance).interval(age)

    assert 0.8 * whole <= seconds <= whole <= poll_interval
    assert Watch(poll_interval, chance=lambda: 0.0).interval(age) == pytest.approx(0.8 * whole)


def test_by_default_time_and_chance_are_real():
    """A watch that is told nothing uses the wall clock, jitter, no deadline, and tells nobody."""
    watch = Watch()

    assert abs(watch.now() - time.time()) < 60
    assert len({watch.interval(0) for _ in range(50)}) > 1
    assert not watch.expired()
    assert watch.until(1e9) == 1e9
    assert play(wait(OneRequestEach(), REF, watch), [DOWN, RUNNING, SUCCEEDED]).returned is SUCCEEDED


@pytest.mark.parametrize(
    ("age", "pauses"),
    [(0, [1, 1, 1]), (45, [3, 3.3, 3.63]), (295, [28, 30, 30]), (5000, [30, 30, 30])],
)
def test_a_restarted_process_goes_on_where_the_old_one_was(age, pauses):
    """The pauses between polls follow from the job's age alone, whoever asks."""
    assert Waiter(age).play(RUNNING, RUNNING, RUNNING, SUCCEEDED).pauses == pytest.approx(pauses)


@pytest.mark.parametrize(
    ("detail", "says"), [("", "service. Job: j"), ("It wants x.", "service: It wants x. Job: j")]
)
def test_a_job_that_waits_for_a_person_is_not_waited_for(detail, says):
    """A job that goes on only when somebody acts ends the wait with an error that says so."""
    waiter = Waiter()
    blocked = Job("azure_ml", "j", state=JobState.BLOCKED, status="hold", detail=detail)
    played = waiter.play(RUNNING, blocked)

    assert isinstance(played.raised, JobBlocked)
    assert says in str(played.raised)
    assert waiter.changes == ["Running", "hold"]


# --- the end ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [SUCCEEDED, FAILED, CANCELED], ids=lambda job: job.status)
def test_waiting_ends_with_the_job_however_it_ended(end):
    """`wait` returns the job that is done and does not judge it; the first answer may be the last."""
    waiter = Waiter()
    played = waiter.play(end)

    assert played.returned is end
    assert played.steps == [ASK]
    assert waiter.changes == [end.status]


@pytest.mark.parametrize(
    "state", [JobState.PENDING, JobState.RUNNING, JobState.CANCELING, JobState.UNKNOWN], ids=str
)
def test_every_other_state_is_waited_on(state):
    """What is pending, running, being cancelled, or called by a word that we do not know may still end."""
    waiter = Waiter()
    played = waiter.play(job(state, "Paused"), job(state, "Paused"), SUCCEEDED)

    assert played.steps == [ASK, Pause(1), ASK, Pause(1), ASK]
    assert played.returned is SUCCEEDED
    assert waiter.changes == ["Paused", "Succeeded"]


@pytest.mark.parametrize(
    ("answers", "changes"),
    [
        ([SUCCEEDED], ["Succeeded"]),
        ([RUNNING, RUNNING, RUNNING, SUCCEEDED], ["Running", "Succeeded"]),
        (
            [PENDING, RUNNING, PENDING, RUNNING, FAILED],
            ["Pending", "Running", "Pending", "Running", "Failed"],
        ),
        ([RUNNING, DOWN, RUNNING, CANCELING, CANCELED], ["Running", "Canceling", "Canceled"]),
        ([DOWN, RUNNING, SUCCEEDED], ["Running", "Succeeded"]),
        (
            [job(JobState.RUNNING, "Preparing"), job(JobState.RUNNING, "Finalizing"), SUCCEEDED],
            ["Preparing", "Finalizing", "Succeeded"],
        ),
        ([job(JobState.UNKNOWN, ""), SUCCEEDED], ["Unknown", "Succeeded"]),
    ],
)
def test_a_change_of_status_is_reported_once(answers, changes):
    """Each time the service's own word differs from the last one heard, and at no other time."""
    waiter = Waiter()
    waiter.play(*answers)

    assert waiter.changes == changes


# --- the deadline -----------------------------------------------------------------------------------------


def test_the_last_poll_is_at_the_deadline():
    """The pause before the deadline is cut short, so that a job that ended in time is seen."""
    waiter = Waiter(age=305, deadline=345)
    played = waiter.play(RUNNING, RUNNING, SUCCEEDED)

    assert played.pauses == [29, 11]
    assert played.returned is SUCCEEDED


@pytest.mark.parametrize(
    ("age", "answers", "pauses", "known"),
    [
        (305, [RUNNING, RUNNING, RUNNING], [29, 11], "its last known status is Running"),
        (305, [RUNNING, DOWN, DOWN], [29, 11], "its last known status is Running"),
        (305, [DOWN, DOWN, DOWN], [29, 11], "its status could not be learnt"),
        (345, [PENDING], [], "its last known status is Pending"),
        (9999, [PENDING], [], "its last known status is Pending"),
        (305, [Slow(40, RUNNING)], [], "its last known status is Running"),
        (305, [Slow(39.5, RUNNING), RUNNING], [0.5], "its last known status is Running"),
    ],
)
def test_at_the_deadline_waiting_ends(age, answers, pauses, known):
    """A job that is not done at the deadline is asked for once more, then named with what is known."""
    waiter = Waiter(age, deadline=345)
    played = waiter.play(*answers)

    assert played.pauses == pauses
    assert type(played.raised) is JobTimedOut
    assert str(played.raised) == f"The job did not end in time; {known}. Job: j (https://ml/j)."


def test_a_job_found_done_after_the_deadline_is_done():
    """A process that starts late still takes the job's result; it does not time out a finished job."""
    assert Waiter(age=9999, deadline=330).play(SUCCEEDED).returned is SUCCEEDED


# --- outages ----------------------------------------------------------------------------------------------

PASSING = [
    ConnectionFailed("Refused."),
    AnswerLost("Reset."),
    UnexpectedAnswer("HTML."),
    Throttled("Later.", status=429),
    ServiceUnavailable("Oops.", status=500),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_what_usually_passes_is_waited_out(error):
    """Lost connections, alien answers, throttling and server errors are trouble to report, not an end."""
    error, waiter = copy(error), Waiter()
    played = waiter.play(error, error, SUCCEEDED)

    assert played.steps == [ASK, Pause(1), ASK, Pause(1), ASK]
    assert played.returned is SUCCEEDED
    assert waiter.trouble == [error]
    assert (error.job_id, error.job_url) == ("j", "https://ml/j")


@pytest.mark.parametrize(
    "error",
    [
        InvalidInput("subscription: none."),
        BadRequest("Bad.", status=400),
        AuthenticationFailed("Who?", status=401),
        PermissionDenied("No.", status=403),
        Conflict("Busy.", status=409),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("before", [[], [RUNNING], [DOWN]], ids=["at-once", "later", "in-an-outage"])
def test_what_does_not_pass_ends_the_waiting(error, before):
    """A refusal is raised as it is, with the job's name, whenever it comes."""
    error = copy(error)
    played = Waiter().play(*before, error)

    assert played.raised is error
    assert (error.job_id, error.job_url) == ("j", "https://ml/j")


def test_an_error_that_names_its_job_keeps_it():
    """What the service's own code said about the job is not overwritten."""
    error = BadRequest("Bad.").about("child", "https://ml/child")

    assert Waiter().play(error).raised.job_id == "child"


def test_errors_that_are_not_ours_are_not_waited_out():
    """A bug is no outage."""
    error = KeyError("status")

    assert Waiter().play(error).raised is error


@pytest.mark.parametrize(
    ("answers", "ends"),
    [
        # Many tries in little time are tolerated; few tries over a long time are not.
        ([DOWN] * 90, False),
        ([Slow(899, DOWN)], False),
        ([Slow(900, DOWN)], True),
        ([Slow(300, DOWN), Slow(300, DOWN)], False),
        ([Slow(450, DOWN), Slow(450, DOWN)], True),
        # One good answer is the end of an outage.
        ([Slow(800, DOWN), RUNNING, Slow(800, DOWN), RUNNING, Slow(800, DOWN)], False),
        ([Slow(800, DOWN), RUNNING, Slow(900, DOWN)], True),
        # A slow good answer is none.
        ([Slow(5000, RUNNING)], False),
    ],
    ids=["many", "one", "one-long", "two", "two-long", "recovering", "back", "slow"],
)
def test_an_outage_is_tolerated_by_time(answers, ends):
    """Waiting ends when there was no good answer for the tolerated time, however many or few were asked."""
    played = Waiter(poll_interval=5.0).play(*answers)

    assert played.finished is ends
    assert type(played.raised) is (JobUnreachable if ends else type(None))


def test_an_outage_ends_the_waiting_on_time():
    """With the service down for good, the last poll is the first one at or after the tolerance."""
    waiter = Waiter(age=1e6, poll_interval=30, outage_tolerance=100)
    played = waiter.play(*[DOWN] * 99)

    assert played.steps == [ASK, *[Pause(30), ASK] * 4]
    assert type(played.raised) is JobUnreachable


def test_no_tolerance_is_none():
    """With a tolerance of zero the first failure is the end."""
    assert type(Waiter(outage_tolerance=0).play(DOWN).raised) is JobUnreachable


def test_each_outage_is_reported_when_it_begins():
    """Trouble is told once for an outage, with the error that began it, and anew after a recovery."""
    first, second, third = copy(DOWN), UnexpectedAnswer("HTML."), ConnectionFailed("Refused.")
    waiter = Waiter()
    waiter.play(first, second, RUNNING, third, third, SUCCEEDED)

    assert waiter.trouble == [first, third]


def test_an_unreachable_job_is_left_running_and_named():
    """The error tells how long, the last problem, the job once, and that a retry goes on with it."""
    last = Throttled("Later.", status=429, fix="Ask less.")
    played = Waiter().play(DOWN, Slow(900, last))

    assert played.raised.__cause__ is last
    assert str(played.raised) == (
        "No good answer for 900 seconds, the last problem being: Later. [HTTP 429] Job: j (https://ml/j). "
        "The job was left running; a retry of this task takes it up again."
    )


@pytest.mark.parametrize(
    ("age", "tolerated"), [(-5, True), (0, True), (30, True), (59.9, True), (60, False), (3600, False)]
)
def test_only_a_young_job_may_be_not_found(age, tolerated):
    """A service may not show a job in its first minute; after that, "not found" is an end."""
    gone = copy(GONE)
    played = Waiter(age).play(gone, SUCCEEDED)

    assert played.returned is (SUCCEEDED if tolerated else None)
    assert played.raised is (None if tolerated else gone)
    assert gone.job_id == "j"


def test_a_job_that_never_appears_is_not_found():
    """The tolerance of the first minute ends by itself, with the service's own error."""
    played = Waiter(poll_interval=15.0).play(*[copy(GONE)] * 99)

    assert type(played.raised) is NotFound
    assert 60 <= sum(played.pauses) < 75


# --- finishing --------------------------------------------------------------------------------------------

WRITTEN = {"score": {"uri": "azureml://a"}}


@pytest.mark.parametrize(
    ("end", "steps", "answers", "outputs", "detail"),
    [
        (SUCCEEDED, [ASK, OUTPUTS], [WRITTEN], WRITTEN, ""),
        (SUCCEEDED, [ASK, OUTPUTS], [{}], {}, ""),
        (FAILED, [ASK, LOG], ["No GPU."], {}, "No GPU."),
        (CANCELED, [ASK], [], {}, ""),
    ],
    ids=["succeeded", "wrote-nothing", "failed", "canceled"],
)
def test_a_finished_job_tells_what_it_wrote_or_why_it_failed(end, steps, answers, *, outputs, detail):
    """`finish` adds outputs to success and the reason to failure, and changes nothing else."""
    played = Waiter(flow=finish).play(end, *answers)

    assert played.steps == steps
    assert played.returned == Job("azure_ml", "j", "", end.state, end.status, detail, outputs=outputs)


def test_an_unexplained_failure_keeps_what_the_job_said():
    """If the service has no more to tell, the job's own detail stays."""
    failed = Job("azure_ml", "j", state=JobState.FAILED, status="Failed", detail="Exit code 1.")

    assert Waiter(flow=finish).play(failed, "").returned.detail == "Exit code 1."
    assert Waiter(flow=finish).play(failed, "No GPU.").returned.detail == "No GPU."


@pytest.mark.parametrize("end", [SUCCEEDED, FAILED], ids=lambda job: job.status)
def test_an_outcome_is_not_lost_with_its_details(end):
    """If outputs or reasons cannot be had, that is reported, and the job's outcome is returned as it is."""
    waiter, refused = Waiter(flow=finish), PermissionDenied("No.", status=403)

    assert waiter.play(end, refused).returned is end
    assert waiter.trouble == [refused]


def test_what_ends_the_waiting_ends_the_finishing():
    """`finish` raises what `wait` raises, and asks for no details then."""
    played = Waiter(age=400, flow=finish, deadline=330).play(RUNNING)

    assert type(played.raised) is JobTimedOut
    assert played.steps == [ASK]
