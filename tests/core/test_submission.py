from __future__ import annotations

import json
import re
from copy import copy
from dataclasses import replace
from itertools import product

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
    JobError,
    JobUnreachable,
    NotFound,
    PermissionDenied,
    ServiceUnavailable,
    SubmissionUnknown,
    Throttled,
    UnexpectedAnswer,
)
from airflow_batch_provider.flow import Alone, Load, Pause, Save, pause
from airflow_batch_provider.jobs import (
    Accepted,
    Job,
    JobRef,
    JobState,
    Policy,
    Submission,
    TaskIdentity,
    Trace,
    Traces,
    decide,
    marker_of,
    submit_once,
)

from .script import Clock, OneRequestEach, play

PENDING, RUNNING, CANCELING = JobState.PENDING, JobState.RUNNING, JobState.CANCELING
SUCCEEDED, FAILED, CANCELED, UNKNOWN = (
    JobState.SUCCEEDED,
    JobState.FAILED,
    JobState.CANCELED,
    JobState.UNKNOWN,
)

TASK = TaskIdentity("dag", "run", "task", max_tries=2, clear_number=0)
RETRY = replace(TASK, first_try=False)
CLEARED = replace(RETRY, max_tries=5, clear_number=1)


# --- the marker -------------------------------------------------------------------------------------------


def test_a_marker_is_the_same_in_every_process():
    """A marker depends on its arguments alone; a change of its recipe would orphan the jobs under way."""
    assert marker_of(TASK, 1) == "airflow-1b299c888a92502291e88d50"


@pytest.mark.parametrize(
    ("other", "submission"),
    [
        (TASK, 2),
        (replace(TASK, dag_id="x"), 1),
        (replace(TASK, run_id="x"), 1),
        (replace(TASK, task_id="x"), 1),
        (replace(TASK, map_index=0), 1),
        (replace(TASK, dag_id="dagrun", run_id=""), 1),
    ],
    ids=["submission", "dag", "run", "task", "map-index", "border"],
)
def test_each_submission_has_a_marker_of_its_own(other, submission):
    """Another task instance, mapped sibling or later submission never shares a marker."""
    assert marker_of(other, submission) != marker_of(TASK, 1)


def test_a_marker_stays_when_the_task_is_tried_again():
    """Tries and clears are no part of the marker, so an interrupted try can be found by the next."""
    assert marker_of(CLEARED, 1) == marker_of(TASK, 1)


@settings(deadline=None)
@given(task=st.builds(TaskIdentity, st.text(), st.text(), st.text(), st.integers(-1)), number=st.integers(1))
def test_a_marker_is_safe_everywhere(task, number):
    """Whatever a DAG is called, its markers can stand in paths, tags and header values."""
    assert re.fullmatch(r"airflow-[0-9a-f]{24}", marker_of(task, number))


def test_a_task_of_the_same_names_elsewhere_has_markers_of_its_own():
    """Another Airflow with the same DAG, or a run that was made anew, never finds this one's jobs."""
    assert marker_of(replace(TASK, salt="2026-11-21T09:00:00"), 1) != marker_of(TASK, 1)


def test_a_job_of_the_same_marker_from_long_ago_is_not_this_one(world):
    """A marker that was used before the intent was made is somebody's else."""
    world.run(crash_after=3)
    world.stranger("old", NOW - 86_400, marker_of(TASK, 1))
    world.clock.now += 3600

    assert world.run().returned.ref.id == "job-1"


def test_a_record_of_another_version_is_read():
    """What a newer version has added is left aside, so that an upgrade can be taken back."""
    record = Submission("m", 1, NOW)

    assert Submission.from_dict({**record.to_dict(), "news": 1}) == record


# --- the decision -----------------------------------------------------------------------------------------

YES, NO = (True,), (False,)
EITHER = (True, False)
GOING = (PENDING, RUNNING, UNKNOWN, JobState.BLOCKED)
ACTIVE, ENDED, SUCCESS = (
    (PENDING, RUNNING, CANCELING, JobState.BLOCKED, UNKNOWN),
    (FAILED, CANCELED),
    (SUCCEEDED,),
)
# As (recorded, now).
SAME, DIFFERS, UNCERTAIN = ((0, 0), (2, 2)), ((0, 3), (2, 5), (5, 2)), ((None, 2), (2, None), (None, None))
KEPT = SAME + UNCERTAIN
ROSE, NOT_RISEN = ((0, 1), (1, 3)), ((0, 0), (1, 1), (None, 1), (1, None), (None, None))
ANY_CLEAR = ROSE + NOT_RISEN
REATTACH, RESUBMIT, FAIL = ("reattach",), ("resubmit",), ("fail",)
ANY_RETRY = REATTACH + RESUBMIT + FAIL
RERUN, REUSE = ("rerun",), ("reuse",)
ANY_ON_CLEAR = RERUN + REUSE

# max_tries, state, clear_number, on_retry, on_clear, cancel_on_kill -> decision
DECISIONS = {
    "cleared, active, rerun, cancel": (
        DIFFERS,
        ACTIVE,
        ANY_CLEAR,
        ANY_RETRY,
        RERUN,
        YES,
        "cancel_and_submit",
    ),
    "cleared, active, rerun, keep": (DIFFERS, ACTIVE, ANY_CLEAR, ANY_RETRY, RERUN, NO, "submit"),
    "cleared, active, reuse, cancel": (
        DIFFERS,
        ACTIVE,
        ANY_CLEAR,
        ANY_RETRY,
        REUSE,
        YES,
        "cancel_and_submit",
    ),
    "cleared, active, reuse, keep": (DIFFERS, ACTIVE, ANY_CLEAR, ANY_RETRY, REUSE, NO, "take_up"),
    "cleared, ended": (DIFFERS, ENDED, ANY_CLEAR, ANY_RETRY, ANY_ON_CLEAR, EITHER, "submit"),
    "cleared, succeeded, rerun": (DIFFERS, SUCCESS, ANY_CLEAR, ANY_RETRY, RERUN, EITHER, "submit"),
    "cleared, succeeded, reuse": (DIFFERS, SUCCESS, ANY_CLEAR, ANY_RETRY, REUSE, EITHER, "take_up"),
    "active, reattach": (KEPT, GOING, ANY_CLEAR, REATTACH, ANY_ON_CLEAR, EITHER, "take_up"),
    "active, resubmit, cancel": (KEPT, GOING, ANY_CLEAR, RESUBMIT, ANY_ON_CLEAR, YES, "cancel_and_submit"),
    "active, resubmit, keep": (KEPT, GOING, ANY_CLEAR, RESUBMIT, ANY_ON_CLEAR, NO, "submit"),
    "active, fail": (KEPT, GOING, ANY_CLEAR, FAIL, ANY_ON_CLEAR, EITHER, "fail"),
    "being cancelled": (KEPT, (CANCELING,), ANY_CLEAR, ANY_RETRY, ANY_ON_CLEAR, EITHER, "submit"),
    "ended": (KEPT, ENDED, ANY_CLEAR, ANY_RETRY, ANY_ON_CLEAR, EITHER, "submit"),
    "succeeded, run cleared, rerun": (KEPT, SUCCESS, ROSE, ANY_RETRY, RERUN, EITHER, "submit"),
    "succeeded, run cleared, reuse": (KEPT, SUCCESS, ROSE, ANY_RETRY, REUSE, EITHER, "take_up"),
    "succeeded, run not cleared": (KEPT, SUCCESS, NOT_RISEN, ANY_RETRY, ANY_ON_CLEAR, EITHER, "take_up"),
}


@pytest.mark.parametrize("row", DECISIONS.values(), ids=DECISIONS)
def test_what_is_done_about_an_earlier_job(row):
    """A clear runs again, a retry takes up: told by max_tries, else by the job's state and clear_number."""
    *conditions, decision = row
    for max_tries, state, clear_number, on_retry, on_clear, cancel_on_kill in product(*conditions):
        record = Submission("m", 1, 0.0, max_tries[0], clear_number[0], JobRef("azure_ml", "j"))
        task = replace(TASK, max_tries=max_tries[1], clear_number=clear_number[1])
        policy = Policy(on_retry, on_clear, cancel_on_kill)

        assert decide(record, state, task, policy) == decision, (record, state, task, policy)


def test_the_table_of_decisions_is_complete():
    """Every combination of what is known and what is wanted stands in exactly one row of the table."""
    rows = [combination for row in DECISIONS.values() for combination in product(*row[:-1])]
    every = product(DIFFERS + KEPT, JobState, ANY_CLEAR, ANY_RETRY, ANY_ON_CLEAR, EITHER)

    assert sorted(map(str, rows)) == sorted(map(str, every))


def test_a_try_that_goes_on_has_its_job_however_that_ended():
    """Whatever the user wants of retries and clears: this is neither."""
    policies = [Policy(*one) for one in product(ANY_RETRY, ANY_ON_CLEAR, EITHER)]
    for state, policy, then in product(JobState, policies, (0, 1)):
        record = Submission("m", 1, 0.0, 2, then, JobRef("azure_ml", "j"))
        task = replace(TASK, max_tries=2, clear_number=1, goes_on=True)

        assert decide(record, state, task, policy) == "take_up"


def test_by_default_a_retry_takes_up_and_a_clear_runs_again():
    """The policy of a task that says nothing."""
    assert Policy() == Policy(on_retry="reattach", on_clear="rerun", cancel_on_kill=True)


# --- submitting -------------------------------------------------------------------------------------------

NOW = 1_000.0


class World:
    """The service and the record store, which outlive the processes of the task."""

    def __init__(self):
        self.jobs, self.markers, self.record, self.clock = {}, [], None, Clock(NOW)
        self.refs = {}
        self.keeps_markers = self.alone = self.complete = self.alike = True
        self.earlier_runs = False
        self.lag = 0.0
        self.slow = []  # How many seconds each of the next records takes to be kept.
        self.trouble = {}  # Step -> what goes wrong at it, after its effect if it is a pair.

    def __call__(self, step):
        """Carry out a step and return its answer, as a driver would."""
        name = brief(step)
        trouble = self.trouble.get(name)
        if isinstance(trouble, Exception):
            return trouble
        answer = self.effect(step, name)
        return trouble[0] if trouble else answer

    def effect(self, step, name):
        if isinstance(step, (Load, Alone, Save)):
            return self.kept(step)
        if name == "GET /jobs":
            return self.listed()
        if name == "POST /jobs":
            assert step.headers["plan"] == "planned"
            self.markers.append(step.headers["marker"])
            return self.start(f"job-{len(self.markers)}", step.headers["marker"])
        if name.startswith("GET /plan"):
            return "planned"
        job = self.jobs.get(step.url.path.rpartition("/")[2])
        if job is None:
            return NotFound("No such job.", status=404)
        if step.method == "DELETE":
            self.end(job.id, CANCELED)
        return job

    def kept(self, step):
        if isinstance(step, Save):
            self.record = json.loads(json.dumps(step.record))
            self.clock.now += self.slow.pop(0) if self.slow else 0
            return None
        if isinstance(step, Alone):
            return self.alone and not (step.ever and self.earlier_runs)
        return self.record

    def start(self, job_id, marker):
        self.jobs[job_id] = Job("azure_ml", job_id, state=RUNNING, status="Running")
        self.refs[job_id] = JobRef(
            "azure_ml", job_id, {"at": "e"}, self.clock(), marker, f"https://ml/{job_id}"
        )
        return self.refs[job_id], self.jobs[job_id]

    def listed(self):
        """What the service's list shows now."""
        seen = [ref for ref in self.refs.values() if ref.submitted_at <= self.clock() - self.lag]
        if not self.keeps_markers:
            seen = [replace(ref, marker="" if ref.marker in self.markers else ref.marker) for ref in seen]
        return Traces(tuple(Trace(ref, self.jobs[ref.id], self.alike) for ref in seen), self.complete)

    def stranger(self, job_id, at=NOW, marker=""):
        """Another task or user has a job with the same inputs."""
        self.jobs[job_id] = Job("azure_ml", job_id, state=RUNNING, status="Running")
        self.refs[job_id] = JobRef("azure_ml", job_id, {}, at, marker)

    def end(self, job_id, state):
        self.jobs[job_id] = replace(self.jobs[job_id], state=state, status=state.value.title())

    def run(self, task=None, policy=None, crash_after=0, order="order", service=None):
        """Run the task once, to its end or to a crash; return what it did."""
        task = task or (RETRY if self.record else TASK)
        flow = submit_once(service or OneRequestEach(), order, task, policy or Policy(), now=self.clock)
        played = play(flow, self, self.clock, crash_after)
        played.steps = [brief(step) for step in played.steps]
        return played


def brief(step):
    """Tell a step in a word or two."""
    if isinstance(step, Load):
        return "load"
    if isinstance(step, Alone):
        return "alone?"
    if isinstance(step, Save):
        ref = step.record["ref"]
        kept = "intent" if ref is None else ref["id"] or "refusal"
        return f"save {step.record['number']} {kept}"
    return step if isinstance(step, (str, Pause)) else f"{step.method} {step.url.path}"


def submitting(number):
    """The steps of a submission, the task's *number*-th, that starts the world's *number*-th job."""
    return ["GET /plan/order", f"save {number} intent", "POST /jobs", f"save {number} job-{number}"]


@pytest.fixture
def world():
    return World()


@pytest.fixture
def submitted(world):
    """A world in which the task has submitted its first job, long ago."""
    world.run()
    world.clock.now += 3600
    return world


@pytest.mark.parametrize(("slow", "saves"), [([10], 1), ([40, 0], 2), ([40, 90, 11, 1], 4), ([40] * 9, 6)])
def test_an_intent_that_took_long_to_keep_is_kept_again(world, slow, saves):
    """How long a request may still be under way counts from the record, so that has to be young."""
    world.slow = list(slow)
    played = world.run(crash_after=3 + saves)
    sent_at = Submission.from_dict(world.record).sent_at

    assert played.steps == ["load", "GET /plan/order", *["save 1 intent"] * saves, "POST /jobs"]
    assert sent_at == world.clock.now - slow[saves - 1]
    assert world.record["intended_at"] == NOW


def test_the_intent_is_recorded_before_the_request_and_the_job_right_after(world):
    """The first run looks for a record, plans, records the intent, sends once, and records the job."""
    played = world.run()

    assert played.steps == ["load", *submitting(1)]
    assert isinstance(played.returned, Accepted)
    assert played.returned.taken_up is False
    assert played.returned.job == world.jobs["job-1"]
    assert played.returned.ref == Submission.from_dict(world.record).ref
    assert world.markers == [marker_of(TASK, 1)]


class Hesitant(OneRequestEach):
    """A service that has the client wait two minutes before it may send the request again."""

    def submit(self, plan, marker):
        yield from pause(120.0)
        return (yield from super().submit(plan, marker))


def test_a_request_that_is_sent_after_a_pause_is_looked_for_as_long_as_any(world):
    """A death right after it, before the service lists the job: the next try waits for it."""
    world.lag = 4.0
    died = world.run(crash_after=6, service=Hesitant())
    assert died.steps[2:] == ["save 1 intent", Pause(120.0), "save 1 intent", "POST /jobs"]
    assert Submission.from_dict(world.record).sent_at == NOW + 120

    world.clock.now += 1
    assert world.run(service=Hesitant()).returned.ref.id == "job-1"
    assert world.markers == [marker_of(TASK, 1)]


def test_the_record_tells_what_may_have_happened(world):
    """The intent holds marker, number, time, and what tells a clear from a retry; the job's ref is added."""
    marker = marker_of(TASK, 1)
    intent = {
        "marker": marker,
        "number": 1,
        "intended_at": NOW,
        "max_tries": 2,
        "clear_number": 0,
        "ref": None,
        "last_at": 0.0,
        "past": [],
        "about": "there planned",
    }
    world.run(crash_after=3)
    assert world.record == intent

    other = World()
    other.run()
    ref = {
        "service": "azure_ml",
        "id": "job-1",
        "place": {"at": "e"},
        "submitted_at": NOW,
        "marker": marker,
        "url": "https://ml/job-1",
    }
    assert other.record == {**intent, "ref": ref}


# The process dies when this step has had its effect -> what the next run does, long after.
PLAN, LIST = "GET /plan/order", "GET /jobs"
CRASHES = [
    ("load", 1, ["load", *submitting(1)]),
    ("GET /plan/order", 2, ["load", *submitting(1)]),
    ("save 1 intent", 3, ["load", PLAN, LIST, *submitting(1)[1:]]),
    ("POST /jobs", 4, ["load", PLAN, LIST, "save 1 job-1", "GET /jobs/job-1"]),
    ("save 1 job-1", 5, ["load", "GET /jobs/job-1"]),
]


@pytest.mark.parametrize(("died_at", "step", "steps"), CRASHES, ids=[c[0] for c in CRASHES])
def test_whatever_dies_when_there_is_one_job(world, died_at, step, steps):
    """After a death at any step, a retry finds the job or submits the only one, always with one marker."""
    died = world.run(crash_after=step)
    assert died.steps[-1] == died_at
    assert not died.finished
    world.clock.now += 3600

    retry = world.run()
    assert retry.steps == steps
    assert retry.returned.ref.id == "job-1"
    assert retry.returned.taken_up is (step >= 4)
    assert list(world.jobs) == ["job-1"]
    assert set(world.markers) == {marker_of(TASK, 1)}
    assert world.record["ref"]["id"] == "job-1"


@pytest.mark.parametrize("after", [0, 30, 119])
def test_a_job_that_is_not_listed_may_appear_for_two_minutes(world, after):
    """The request of a try that died may have been under way for a minute, its job be listed after one."""
    world.run(crash_after=3)
    world.clock.now += after
    steps = world.run().steps

    looks = [step for step in steps if step == LIST]
    assert sum(step.seconds for step in steps if isinstance(step, Pause)) == 120 - after
    assert len(looks) == -(-(120 - after) // 5) + 1
    assert list(world.jobs) == ["job-1"]


def test_a_job_that_is_listed_late_is_taken_up(world):
    """Nothing is sent again while the job may still appear."""
    world.lag = 40
    world.run(crash_after=4)

    assert world.run().returned.taken_up is True
    assert list(world.jobs) == ["job-1"]


def test_a_try_without_a_record_looks_once_before_it_submits(world):
    """Not the first try, and nothing recorded: it should have sent nothing, but it is not posted blindly."""
    assert world.run(RETRY).steps == ["load", PLAN, LIST, *submitting(1)[1:]]

    world.record = None
    played = world.run(RETRY)
    assert played.steps == ["load", PLAN, LIST, "save 1 job-1", "GET /jobs/job-1"]
    assert played.returned.taken_up is True


def test_a_try_without_a_record_leaves_a_job_that_has_ended(world):
    """The record goes when the task succeeds, if Airflow is told so; then a clear means: run it again."""
    world.run()
    world.end("job-1", SUCCEEDED)
    world.record = None

    assert world.run(RETRY).returned.ref.id == "job-2"
    assert world.markers == [marker_of(TASK, 1), marker_of(TASK, 2)]
    assert world.record["past"] == ["job-1"]


def test_a_try_without_a_record_does_not_take_the_old_job_for_the_new_one(world):
    """The answer to the new request is lost, and the task's old job carries a marker, too."""
    world.run()
    world.end("job-1", SUCCEEDED)
    world.record = None
    world.trouble = {"POST /jobs": (AnswerLost("Reset."),)}

    assert world.run(RETRY).returned.ref.id == "job-2"


def test_a_try_without_a_record_finds_a_later_job_of_the_task(world):
    """Its first job failed and its second one runs when the record is lost: there is no third."""
    world.run()
    world.end("job-1", FAILED)
    world.run(RETRY)
    world.record = None

    assert world.run(RETRY).returned.ref.id == "job-2"
    assert list(world.jobs) == ["job-1", "job-2"]


def test_a_clock_that_ran_ahead_cannot_keep_a_retry(world):
    """The worker that died was a day ahead."""
    world.clock.now += 86_400
    world.run(crash_after=3)
    world.clock.now -= 86_400

    assert sum(world.run().pauses) == 120


def test_a_job_without_a_time_of_creation_counts_from_its_request(world):
    """Deadlines count from somewhere."""
    world.run(crash_after=4)
    world.refs["job-1"] = replace(world.refs["job-1"], submitted_at=0.0)

    assert world.run().returned.ref.submitted_at == NOW


# --- without a marker -------------------------------------------------------------------------------------

MINUTE = 60.0
# What the service lists besides, and who else there is -> what the retry does.
UNMARKED = {
    "the one alike": ({}, "adopts"),
    "not alone": ({"alone": False}, "does not know"),
    "another one": ({"strangers": [("other", NOW, "")]}, "does not know"),
    "another one that is marked": ({"strangers": [("other", NOW, "airflow-x")]}, "adopts"),
    "another one long before": ({"strangers": [("other", NOW - 301, "")]}, "adopts"),
    "another one long after": ({"strangers": [("other", NOW + 361, "")]}, "adopts"),
    "another one somewhat before": ({"strangers": [("other", NOW - 299, "")]}, "does not know"),
    "another one of no time": ({"strangers": [("other", 0, "")]}, "does not know"),
    "a list that is cut": ({"complete": False}, "adopts"),
    "one of which it cannot be said": ({"alike": None}, "does not know"),
}
NOTHING = {
    "nothing": ({}, "submits"),
    "one that is marked": ({"strangers": [("other", NOW, "airflow-x")]}, "submits"),
    "one that was long before": ({"strangers": [("other", NOW - 301, "")]}, "submits"),
    "one somewhat before": ({"strangers": [("other", NOW - 61, "")]}, "does not know"),
    "one somewhat after": ({"strangers": [("other", NOW + 181, "")]}, "does not know"),
    "a list that is cut": ({"complete": False}, "does not know"),
    "one of which it cannot be said": ({"alike": None, "strangers": [("other", NOW, "")]}, "does not know"),
}


def carry_on(world, facts, task=RETRY, policy=None):
    for name in ("alone", "complete", "alike"):
        setattr(world, name, facts.get(name, getattr(world, name)))
    for stranger in facts.get("strangers", ()):
        world.stranger(*stranger)
    world.clock.now += 3600
    played = world.run(task, policy)
    if isinstance(played.raised, SubmissionUnknown):
        return "does not know"
    assert played.raised is None
    return "adopts" if played.returned.taken_up else "submits"


@pytest.mark.parametrize(("facts", "end"), UNMARKED.values(), ids=UNMARKED)
def test_without_a_marker_only_the_one_job_is_adopted_that_nobody_else_can_have(world, facts, end):
    """Likeness counts for the one job of the moment, and never where another task may have submitted it."""
    world.keeps_markers = False
    world.run(crash_after=4)

    assert carry_on(world, facts) == end
    if end == "adopts":
        assert world.record["ref"]["id"] == "job-1"
        assert world.record["ref"]["marker"] == marker_of(TASK, 1)


def test_a_job_without_a_marker_that_has_ended_is_not_adopted(world):
    """It may be that of another run of the DAG, which has ended with it; not if there never was one."""
    world.keeps_markers = False
    world.run(crash_after=4)
    world.end("job-1", SUCCEEDED)
    world.earlier_runs = True

    assert carry_on(world, {}) == "does not know"
    world.earlier_runs = False
    assert carry_on(world, {}) == "adopts"


@pytest.mark.parametrize(("facts", "end"), NOTHING.values(), ids=NOTHING)
def test_a_request_is_sent_again_only_when_nothing_can_be_its_job(world, facts, end):
    """A job that may be it, or a list that may hide it, keeps the task from submitting."""
    world.keeps_markers = True
    world.run(crash_after=3)

    assert carry_on(world, facts) == end
    assert len(world.markers) == (end == "submits")


def test_what_is_not_alike_is_no_candidate(world):
    """Jobs with other inputs do not stand in the way."""
    world.run(crash_after=3)
    world.stranger("other")
    world.alike = False

    assert carry_on(world, {}) == "submits"


class Changed(OneRequestEach):
    """A service to which a retry says something else than the try before it."""

    def __init__(self, about):
        self._about = about

    def about(self, plan):
        return self._about


@pytest.mark.parametrize(
    ("about", "keeps_markers", "end"),
    [
        ("there planned", False, "adopts"),
        ("there changed", False, "does not know"),
        ("elsewhere planned", False, "does not know"),
        ("there changed", True, "adopts"),
        ("elsewhere changed", True, "adopts"),
    ],
)
def test_what_was_sent_is_not_looked_for_by_what_is_said_now(world, about, keeps_markers, end):
    """A retry renders other inputs: that no job is like them does not say that none was started."""
    world.keeps_markers = keeps_markers
    world.run(crash_after=4, service=Changed("there planned"))
    world.alike = about == "there planned"
    world.clock.now += 3600
    played = world.run(service=Changed(about))

    assert list(world.jobs) == ["job-1"]
    assert ("does not know" if isinstance(played.raised, SubmissionUnknown) else "adopts") == end


def test_a_retry_that_says_something_else_submits_where_there_is_nothing(world):
    """With no job without a marker in the list, nothing was started."""
    world.run(crash_after=3, service=Changed("there planned"))
    world.clock.now += 3600

    assert world.run(service=Changed("there changed")).returned.ref.id == "job-1"
    assert Submission.from_dict(world.record).about == "there changed"


def test_the_tasks_own_earlier_jobs_are_no_candidates(world):
    """What the task submitted before, and gave up, is remembered."""
    world.keeps_markers = False
    world.run()
    world.end("job-1", FAILED)
    assert world.run(crash_after=5).steps[-1] == "POST /jobs"

    assert world.record["past"] == ["job-1"]
    assert carry_on(world, {}) == "adopts"
    assert world.record["ref"]["id"] == "job-2"


def test_two_jobs_of_one_marker_count_as_the_older(world):
    """Should there be two in spite of everything, every look decides for the same one."""
    world.run(crash_after=4)
    world.refs["job-0"] = replace(world.refs["job-1"], id="job-0", submitted_at=NOW - 1)
    world.jobs["job-0"] = replace(world.jobs["job-1"], id="job-0")

    assert world.run().returned.ref.id == "job-0"


# --- what the user wants where it is not known ------------------------------------------------------------


@pytest.fixture
def uncertain(world):
    """A world in which it cannot be known whether the task's first request started a job."""
    world.run(crash_after=3)
    world.stranger("other", NOW - 100)
    world.clock.now += 3600
    return world


def test_not_knowing_is_said_in_every_retry_until_the_task_is_cleared(uncertain):
    """A retry learns no more than the try before it; a clear says that the user knows, and submits."""
    for _ in range(3):
        assert type(uncertain.run().raised) is SubmissionUnknown
    assert uncertain.markers == []

    played = uncertain.run(CLEARED)
    assert played.steps == ["load", PLAN, LIST, "save 2 intent", "POST /jobs", "save 2 job-1"]
    assert uncertain.markers == [marker_of(TASK, 2)]


def test_a_clear_after_not_knowing_ends_the_job_that_is_found(world):
    """If the job is there after all, a clear deals with it as with any other active job."""
    world.run(crash_after=4)
    played = world.run(CLEARED)

    assert played.steps == [
        *["load", PLAN, LIST, "save 1 job-1", "GET /jobs/job-1", "DELETE /jobs/job-1"],
        *submitting(2)[1:],
    ]


def orders():
    """Return a function that tells another order each time, and what it has told."""
    told = []
    return lambda: told.append(f"order-{len(told) + 1}") or told[-1], told


def test_an_order_that_is_a_function_is_asked_when_it_has_to_be_known(world):
    """A new job needs it once, however often the plan fails; a job that is taken up does not need it."""
    order, told = orders()
    answers = [None, ServiceUnavailable("Busy."), "planned", None, world.start("job-1", "marker"), None]
    flow = submit_once(OneRequestEach(), order, TASK, Policy(), now=world.clock)
    assert play(flow, answers, world.clock).returned.ref.id == "job-1"
    assert told == ["order-1"]

    world.record = Submission("marker", 1, NOW, ref=world.refs["job-1"]).to_dict()
    assert world.run(order=order).returned.taken_up
    assert told == ["order-1"]


def test_a_clear_asks_again_once_it_is_known_what_was_sent(world):
    """What was sent is looked for with the order of its time; what is sent next may be another."""
    order, told = orders()
    world.run(crash_after=3, order=order)
    world.clock.now += 3600
    told.clear()
    played = world.run(CLEARED, order=order)

    assert told == ["order-1", "order-2"]
    assert played.steps[:3] == ["load", "GET /plan/order-1", LIST]
    assert played.steps[-4:] == ["GET /plan/order-2", "save 1 intent", "POST /jobs", "save 1 job-1"]


def test_retry_submits_where_it_is_not_known(uncertain):
    """The user accepts the risk of a second job."""
    played = uncertain.run(policy=Policy(on_ambiguous="retry"))

    assert played.steps == ["load", PLAN, LIST, "save 2 intent", "POST /jobs", "save 2 job-1"]


@pytest.mark.parametrize("step", [3, 4])
def test_fail_does_not_look(world, step):
    """With on_ambiguous='fail', an intent without an outcome ends each retry; a clear submits."""
    policy = Policy(on_ambiguous="fail")
    world.run(crash_after=step)
    played = world.run(policy=policy)
    assert played.steps == ["load", PLAN]
    assert type(played.raised) is SubmissionUnknown

    assert world.run(CLEARED, policy).steps[2:] == ["save 2 intent", "POST /jobs", f"save 2 job-{step - 2}"]


def test_not_knowing_names_the_marker_and_the_way_to_look(uncertain):
    """Whoever reads the error can find the job, if there is one."""
    error = uncertain.run().raised

    assert error.marker == marker_of(TASK, 1)
    assert str(error) == (
        "It is not known whether a job was started. Without a marker, each of these may be it or another "
        f"task's: other. [marker {error.marker}] Look on the service for a job that "
        "carries this marker in its tags, properties or labels, and clear the task once you know."
    )


def test_an_intent_tells_when_it_was_made(world):
    """With on_ambiguous='fail' the error tells when the try died."""
    world.run(crash_after=3)
    error = world.run(policy=Policy(on_ambiguous="fail")).raised

    assert "An earlier run of this task died while it submitted, at 1970-01-01 00:16:40Z." in str(error)


def test_a_look_that_fails_for_too_long_is_not_knowing(world):
    """An outage is waited out for as long as the task tolerates one; then nothing is concluded."""
    world.run(crash_after=3)
    world.trouble = {LIST: ServiceUnavailable("Down.", status=503)}
    played = world.run(policy=Policy(outage_tolerance=300))

    assert type(played.raised) is SubmissionUnknown
    assert "Looking for it failed: Down. [HTTP 503]" in str(played.raised)
    assert 200 < sum(played.pauses) <= 300
    assert world.markers == []


# --- refused, or not known --------------------------------------------------------------------------------

REFUSALS = [
    InvalidInput("inputs: 3."),
    ConnectionFailed("Connection refused."),
    BadRequest("Bad.", status=400),
    AuthenticationFailed("Who?", status=401),
    PermissionDenied("No.", status=403),
    NotFound("No endpoint.", status=404),
    Conflict("Busy.", status=409),
    Throttled("Later.", status=429),
]
PASSING_REFUSALS = [REFUSALS[1], REFUSALS[7]]
AMBIGUOUS = [
    AnswerLost("Reset."),
    UnexpectedAnswer("Cut JSON."),
    ServiceUnavailable("Timeout.", status=408),
    ServiceUnavailable("Oops.", status=500),
]


def kind_of(error):
    return f"{type(error).__name__}-{getattr(error, 'status', '')}".strip("-")


@pytest.mark.parametrize("refusal", [r for r in REFUSALS if r not in PASSING_REFUSALS], ids=kind_of)
def test_a_refusal_is_recorded_so_that_the_next_try_submits(world, refusal):
    """Where the service certainly started nothing, its error is raised and a retry needs no look."""
    world.trouble = {"POST /jobs": refusal}
    played = world.run()
    assert played.steps == ["load", "GET /plan/order", "save 1 intent", "POST /jobs", "save 1 refusal"]
    assert played.raised is refusal

    world.trouble = {}
    assert world.run().steps == ["load", "GET /plan/order", "save 2 intent", "POST /jobs", "save 2 job-1"]
    assert world.markers == [marker_of(TASK, 2)]


@pytest.mark.parametrize("error", PASSING_REFUSALS, ids=kind_of)
def test_what_certainly_did_nothing_is_sent_again_while_outages_are_tolerated(world, error):
    """A service that cannot be reached, or throttles, is asked again; when the time is over it refused."""
    world.trouble = {"POST /jobs": error}
    played = world.run(policy=Policy(outage_tolerance=60))

    assert played.raised is error
    assert played.steps.count("POST /jobs") == 13
    assert sum(played.pauses) == 60
    assert set(played.pauses) == {5.0}
    assert played.steps[-1] == "save 1 refusal"
    assert LIST not in played.steps


@pytest.mark.parametrize("error", AMBIGUOUS, ids=kind_of)
def test_after_an_ambiguous_answer_the_job_is_looked_for(world, error):
    """A lost or alien answer or a 5xx: the job is found by its marker, and is this try's own."""
    world.trouble = {"POST /jobs": (error,)}
    played = world.run()

    assert played.steps == ["load", PLAN, "save 1 intent", "POST /jobs", LIST, "save 1 job-1"]
    assert played.returned.taken_up is False
    assert played.returned.ref.id == "job-1"
    assert world.record["ref"]["marker"] == marker_of(TASK, 1)


@pytest.mark.parametrize("error", AMBIGUOUS, ids=kind_of)
def test_an_ambiguous_answer_that_left_no_job_is_followed_by_the_same_request(world, error):
    """When for a minute no job has appeared, the request is sent again, with the same marker, a few times."""
    world.trouble = {"POST /jobs": error}
    played = world.run()

    assert played.raised is error
    assert played.steps.count("POST /jobs") == 5
    assert sum(played.pauses) == 5 * 60
    assert world.record["ref"] is None

    world.trouble = {}
    world.clock.now += 3600
    assert world.run().returned.ref.id == "job-1"
    assert world.markers == [marker_of(TASK, 1)]


def test_the_time_of_the_last_request_is_kept(world):
    """Whoever reads the record knows until when its job may still appear."""
    world.trouble = {"POST /jobs": AnswerLost("Reset.")}
    steps = world.run(crash_after=1000).steps
    second = steps.index("save 1 intent", 3) + 1
    world.record = None
    world.clock.now = NOW
    world.run(TASK, crash_after=second)

    assert world.record["intended_at"] == NOW
    assert world.record["last_at"] == NOW + 60


@pytest.mark.parametrize("started", [True, False])
def test_with_fail_an_ambiguous_answer_is_the_end(world, started):
    """on_ambiguous='fail': say so, and do not look."""
    error = AnswerLost("Reset.")
    world.trouble = {"POST /jobs": (error,) if started else error}
    played = world.run(policy=Policy(on_ambiguous="fail"))

    assert played.steps == ["load", PLAN, "save 1 intent", "POST /jobs"]
    assert type(played.raised) is SubmissionUnknown
    assert played.raised.__cause__ is error
    assert "Reset." in str(played.raised)


@pytest.mark.parametrize(("on_ambiguous", "posts"), [("reconcile", 1), ("retry", 2)])
def test_an_ambiguous_answer_that_cannot_be_cleared_up(world, on_ambiguous, posts):
    """Twenty mapped tasks with the same inputs do not adopt each other's jobs."""
    world.keeps_markers = world.alone = False
    world.trouble = {"POST /jobs": (AnswerLost("Reset."),)}
    looks = iter(range(100))

    def mended(step):
        if brief(step) == "alone?" and next(looks) == 0:
            world.trouble = {}
        return world(step)

    policy = Policy(on_ambiguous=on_ambiguous)
    played = play(submit_once(OneRequestEach(), "order", TASK, policy, now=world.clock), mended, world.clock)

    assert len(world.markers) == posts
    if on_ambiguous == "retry":
        assert played.returned.ref.id == "job-2"
    else:
        assert type(played.raised) is SubmissionUnknown
        assert str(played.raised).startswith("It is not known whether a job was started. Reset. ")
        assert str(played.raised).count("not known") == 1


def test_a_bug_after_the_request_is_not_taken_for_a_refusal(world):
    """An error that is not ours says nothing about the job, so the intent stays as it is."""
    world.trouble = {"POST /jobs": (KeyError("id"),)}

    assert type(world.run().raised) is KeyError
    world.trouble = {}
    assert world.run().returned.taken_up is True
    assert len(world.jobs) == 1


@pytest.mark.parametrize(
    ("trouble", "steps"),
    [
        ("load", ["load"]),
        ("GET /plan/order", ["load", "GET /plan/order"]),
        ("save 1 intent", ["load", "GET /plan/order", "save 1 intent"]),
    ],
)
def test_nothing_is_sent_before_the_intent_is_safe(world, trouble, steps):
    """If no record can be read, no plan made or no intent kept, the error is raised and no job starts."""
    error = OSError("store is down")
    world.trouble = {trouble: error}
    played = world.run()

    assert played.raised is error
    assert played.steps == steps
    assert world.record is None


def test_a_job_that_cannot_be_recorded_is_named(world):
    """After acceptance no error is silent about the job: it is running, and the next try finds it."""
    error = OSError("store is down")
    world.trouble = {"save 1 job-1": error}
    played = world.run()

    assert type(played.raised) is JobError
    assert played.raised.__cause__ is error
    assert str(played.raised) == (
        "The job was accepted, but could not be recorded: OSError: store is down. Job: job-1 "
        "(https://ml/job-1). It was left running; a retry of this task looks for it by its marker."
    )
    world.trouble = {}
    assert world.run().returned.ref.id == "job-1"


# --- running again ----------------------------------------------------------------------------------------

LOOK = ["load", "GET /jobs/job-1"]
AGAIN = [
    ("running", RUNNING, TASK, Policy(), LOOK),
    ("succeeded", SUCCEEDED, TASK, Policy(), LOOK),
    ("failed", FAILED, TASK, Policy(), [*LOOK, *submitting(2)]),
    ("canceled", CANCELED, TASK, Policy(), [*LOOK, *submitting(2)]),
    ("running, fail", RUNNING, TASK, Policy("fail"), LOOK),
    ("running, resubmit", RUNNING, TASK, Policy("resubmit"), [*LOOK, "DELETE /jobs/job-1", *submitting(2)]),
    ("blocked", JobState.BLOCKED, TASK, Policy(), LOOK),
    ("running, cleared", RUNNING, CLEARED, Policy(), [*LOOK, "DELETE /jobs/job-1", *submitting(2)]),
    ("running, cleared, kept", RUNNING, CLEARED, Policy(cancel_on_kill=False), [*LOOK, *submitting(2)]),
    ("succeeded, cleared", SUCCEEDED, CLEARED, Policy(), [*LOOK, *submitting(2)]),
    ("succeeded, cleared, reuse", SUCCEEDED, CLEARED, Policy(on_clear="reuse"), LOOK),
]


@pytest.mark.parametrize(
    ("state", "task", "policy", "steps"), [row[1:] for row in AGAIN], ids=[row[0] for row in AGAIN]
)
def test_each_decision_is_carried_out(submitted, state, task, policy, *, steps):
    """The recorded job is asked for, then taken up, or cancelled first, and followed by a new one."""
    submitted.end("job-1", state)
    played = submitted.run(task, policy)

    assert played.steps == steps
    if len(steps) == len(LOOK):
        assert len(submitted.jobs) == 1
    else:
        assert submitted.markers == [marker_of(TASK, 1), marker_of(TASK, 2)]


@pytest.mark.parametrize(
    ("state", "task", "policy", "steps"), [row[1:] for row in AGAIN], ids=[row[0] for row in AGAIN]
)
def test_an_order_is_made_once_and_only_for_a_new_job(submitted, state, task, policy, *, steps):
    """A job that is taken up needs nothing of what it was made from; nor is anything made twice."""
    submitted.end("job-1", state)
    made = []
    played = submitted.run(task, policy, order=lambda: made.append("made") or "order")

    assert played.steps == steps
    assert made == (["made"] if len(steps) > len(LOOK) else [])


@pytest.mark.parametrize(
    ("task", "policy", "named"),
    [
        (CLEARED, Policy(), "job-1"),
        (RETRY, Policy("resubmit"), "job-1"),
        (CLEARED, Policy(cancel_on_kill=False), ""),
    ],
    ids=["cleared", "resubmit", "left running"],
)
def test_an_order_that_cannot_be_made_cancels_nothing(submitted, task, policy, named):
    """The job that runs goes on, and is named where it would have made way for the new one."""

    def order():
        raise NotFound("The folder is gone.")

    played = submitted.run(task, policy, order=order)

    assert type(played.raised) is NotFound
    assert played.raised.job_id == named
    assert played.steps == LOOK
    assert submitted.jobs["job-1"].state is RUNNING


def test_an_order_is_made_before_anything_is_asked(world):
    """What is wrong with it is told before the service is asked, and nothing is recorded."""

    def order():
        raise InvalidInput("The folder is empty.")

    played = world.run(order=order)

    assert type(played.raised) is InvalidInput
    assert (played.steps, world.record) == (["load"], None)


@pytest.mark.parametrize("state", [RUNNING, SUCCEEDED])
def test_a_job_is_taken_up_as_it_is_now(submitted, state):
    """The result of taking up says so, and holds the recorded reference and the job's present state."""
    submitted.end("job-1", state)
    accepted = submitted.run().returned

    assert accepted.taken_up is True
    assert accepted.job.state is state
    assert accepted.ref == Submission.from_dict(submitted.record).ref
    assert accepted.ref.submitted_at == NOW


def test_a_clear_is_remembered_by_the_new_record(submitted):
    """After a clear has submitted anew, a retry of that run takes up the new job."""
    submitted.run(CLEARED)
    submitted.clock.now += 3600

    assert submitted.record["max_tries"] == 5
    assert submitted.record["clear_number"] == 1
    assert submitted.run(CLEARED).steps == ["load", "GET /jobs/job-2"]


@pytest.mark.parametrize("crash_after", [3, 4, 5])
def test_a_death_on_the_way_to_a_rerun_changes_nothing(submitted, crash_after):
    """Dying after the cancel, or before the new intent is kept, leaves one job to be started: the second."""
    first = submitted.run(CLEARED, crash_after=crash_after)
    assert first.steps == [*LOOK, "DELETE /jobs/job-1", *submitting(2)][:crash_after]

    submitted.clock.now += 3600
    again = submitted.run(CLEARED)
    if crash_after < 5:
        assert again.steps == [*LOOK, *submitting(2)]
    else:
        assert again.steps == ["load", PLAN, LIST, *submitting(2)[1:]]
    assert list(submitted.jobs) == ["job-1", "job-2"]


def test_on_retry_fail_names_the_job_that_is_still_active(submitted):
    """The error tells which job is in the way, and what can be done."""
    error = submitted.run(policy=Policy(on_retry="fail")).raised

    assert type(error) is JobUnreachable
    assert str(error) == (
        "An earlier try submitted a job that is still Running, and on_retry is 'fail'. Job: job-1 "
        "(https://ml/job-1). Wait for it or cancel it, or set on_retry='reattach'."
    )


@pytest.mark.parametrize("error", REFUSALS[:5] + AMBIGUOUS, ids=kind_of)
@pytest.mark.parametrize("at", ["GET /jobs/job-1", "DELETE /jobs/job-1"])
def test_trouble_with_an_earlier_job_names_it_and_starts_nothing(submitted, error, at):
    """While it is not known how the earlier job stands, or it cannot be cancelled, no other is started."""
    before = submitted.record
    error = copy(error)
    submitted.trouble = {at: error}
    played = submitted.run(policy=Policy(on_retry="resubmit"))

    assert played.raised is error
    assert (error.job_id, error.job_url) == ("job-1", "https://ml/job-1")
    assert played.steps[-1] == at
    assert submitted.record == before


# --- not found --------------------------------------------------------------------------------------------


def test_an_old_job_that_is_gone_is_followed_by_a_new_one(submitted):
    """A job that the service no longer knows cannot be taken up."""
    submitted.jobs.clear()

    assert submitted.run().steps == [*LOOK, *submitting(2)]


@pytest.mark.parametrize(
    ("age", "pauses"),
    [(0, 12), (1, 12), (30, 6), (58, 1), (59.9, 1), (60, 0), (61, 0), (-500, 12)],
)
def test_a_young_job_is_looked_for_until_it_is_old(world, age, pauses):
    """For a minute after acceptance "not found" is no news, and never longer, even if clocks disagree."""
    world.run()
    world.jobs.clear()
    world.clock.now += age

    steps = world.run().steps
    assert steps == [*LOOK, *[Pause(5.0), LOOK[1]] * pauses, *submitting(2)]


def test_a_young_job_is_taken_up_when_it_appears(world):
    """A process that died right after acceptance does not cost a second job when the service's list lags."""
    world.run()
    world.trouble = {"GET /jobs/job-1": NotFound("No such job.", status=404)}
    looks = iter([1, 2, 3])

    def late(step):
        answer = world(step)
        if isinstance(answer, NotFound) and next(looks) == 3:
            world.trouble = {}
        return answer

    flow = submit_once(OneRequestEach(), "order", TASK, Policy(), now=world.clock)
    played = play(flow, late, world.clock)

    assert played.returned.taken_up is True
    assert played.pauses == [5, 5, 5]
    assert len(world.jobs) == 1
