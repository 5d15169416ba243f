"""A task that is submitted once by a machine of chance: crashes and answers anywhere, in any order."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from airflow_batch_provider.errors import (
    AnswerLost,
    BadRequest,
    BatchError,
    ConnectionFailed,
    NotFound,
    ServiceUnavailable,
    SubmissionUnknown,
    Throttled,
    UnexpectedAnswer,
)
from airflow_batch_provider.flow import Alone, Load, Pause, Save
from airflow_batch_provider.jobs import (
    Job,
    JobRef,
    JobState,
    Policy,
    TaskIdentity,
    Trace,
    Traces,
    submit_once,
)

from .script import Clock, OneRequestEach

TASK = TaskIdentity("dag", "run", "task", max_tries=9, clear_number=0)
POLICY = Policy(outage_tolerance=300)
LAG = 30.0

# What may happen to a request: nothing, or an error, before or after it took effect.
ANSWERS = ["well"] * 6 + [
    "lost before",
    "lost after",
    "cut",
    "500 before",
    "500 after",
    "refused",
    "429",
    "down",
    "slow",
]
ERRORS = {
    "lost before": AnswerLost("Reset."),
    "lost after": AnswerLost("Reset."),
    "cut": UnexpectedAnswer("Cut."),
    "500 before": ServiceUnavailable("Oops.", status=500),
    "500 after": ServiceUnavailable("Oops.", status=500),
    "refused": BadRequest("No.", status=400),
    "429": Throttled("Later.", status=429),
    "down": ConnectionFailed("Refused."),
}
AFTER = ("lost after", "cut", "500 after")
END = object()


class OneTask(RuleBasedStateMachine):
    """The service, the record store and the clock, and a process that carries the task's flow out."""

    def __init__(self):
        super().__init__()
        self.clock, self.record, self.refs, self.jobs = Clock(1_000_000.0), None, {}, {}
        self.flow, self.answer, self.first, self.outcome = None, None, True, None
        self.keeps_markers = self.alone = True
        self.strangers = {}

    @initialize(keeps_markers=st.booleans(), alone=st.booleans())
    def world(self, keeps_markers, alone):
        self.keeps_markers, self.alone = keeps_markers, alone

    # --- the process ---

    @rule(
        steps=st.integers(1, 12),
        fate=st.sampled_from(ANSWERS),
        end=st.sampled_from(["runs on", "dies", "goes on"]),
    )
    def run(self, steps, fate, end):
        """A process carries out some steps; the last may go wrong; then it dies, runs on or waits."""
        if self.flow is None:
            task = replace(TASK, first_try=self.first)
            self.flow = submit_once(OneRequestEach(), "order", task, POLICY, now=self.clock)
            self.first, self.answer, self.outcome = False, None, None
            self.go_on()
        while self.flow is not None and steps:
            steps -= not isinstance(self.asked, Pause)
            self.answer = self.carried_out(self.asked, "well" if steps else fate)
            if not steps and end == "dies":
                self.flow.close()
                self.flow = None
            else:
                self.go_on()
        while self.flow is not None and end == "runs on":
            self.answer = self.carried_out(self.asked, "well")
            self.go_on()

    @rule(seconds=st.sampled_from([1, 20, 100, 5_000]))
    def time_passes(self, seconds):
        self.clock.now += seconds

    @rule(marked=st.booleans(), alike=st.sampled_from([True, False, None]))
    def another_submits(self, marked, alike):
        """Somebody else has a job there; the same only where that is to be expected."""
        number = len(self.strangers) + 1
        ref = JobRef("azure_ml", f"theirs-{number}", {}, self.clock(), "airflow-theirs" if marked else "")
        self.strangers[ref.id] = (ref, alike and not self.alone)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), state=st.sampled_from([JobState.FAILED, JobState.SUCCEEDED]))
    def job_ends(self, data, state):
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        if not self.jobs[job_id].state.done:
            self.jobs[job_id] = replace(self.jobs[job_id], state=state)

    def go_on(self):
        try:
            failed = isinstance(self.answer, Exception)
            self.asked = self.flow.throw(self.answer) if failed else self.flow.send(self.answer)
            self.answer = None
        except StopIteration as stop:
            self.finish(stop.value)
        except BatchError as error:
            self.finish(error)

    def finish(self, outcome):
        self.flow, self.outcome = None, outcome

    # --- the service and the store ---

    def carried_out(self, asked, fate):
        if isinstance(asked, Pause):
            self.clock.now += asked.seconds
            return None
        if isinstance(asked, (Load, Alone)):
            return self.alone if isinstance(asked, Alone) else self.record
        if isinstance(asked, Save):
            self.clock.now += 40 if fate == "slow" else 0
            self.record = json.loads(json.dumps(asked.record))
            return None
        if fate == "slow":
            fate = "well"
        if fate == "well" or (asked.method == "POST" and fate in AFTER):
            answer = self.effect(asked)
            return answer if fate == "well" else ERRORS[fate]
        return ERRORS[fate]

    def effect(self, asked):
        path = asked.url.path
        if asked.method == "POST":
            job_id = f"job-{len(self.jobs) + 1}"
            self.jobs[job_id] = Job("azure_ml", job_id, state=JobState.RUNNING)
            self.refs[job_id] = JobRef("azure_ml", job_id, {}, self.clock(), asked.headers["marker"])
            return self.refs[job_id], self.jobs[job_id]
        if path == "/jobs":
            shown = [ref for ref in self.refs.values() if ref.submitted_at <= self.clock() - LAG]
            if not self.keeps_markers:
                shown = [replace(ref, marker="") for ref in shown]
            theirs = [
                Trace(ref, Job("azure_ml", ref.id, state=JobState.RUNNING), alike)
                for ref, alike in self.strangers.values()
            ]
            return Traces((*theirs, *(Trace(ref, self.jobs[ref.id], alike=True) for ref in shown)))
        job_id = path.rpartition("/")[2]
        return self.jobs.get(job_id, NotFound("No.", status=404)) if path.startswith("/jobs/") else "planned"

    # --- the promises ---

    @invariant()
    def never_two_at_once(self):
        """There is never a second job while the first has neither failed nor been given up."""
        going = [job.id for job in self.jobs.values() if job.state is not JobState.FAILED]
        assert len(going) <= 1, self.jobs

    @invariant()
    def no_success_without_a_job(self):
        """What is reported as accepted is a job that exists; a failure says that it is one."""
        outcome = self.outcome
        if outcome is None or isinstance(outcome, BatchError):
            return
        assert outcome.ref.id in self.jobs
        assert outcome.ref.marker == self.refs[outcome.ref.id].marker

    @invariant()
    def not_knowing_is_rare(self):
        """Where markers are kept, and nobody has a job without one, it is always known in the end."""
        doubtful = any(alike is not False and not ref.marker for ref, alike in self.strangers.values())
        if isinstance(self.outcome, SubmissionUnknown) and self.keeps_markers and not doubtful:
            assert "Looking for it failed" in self.outcome.message


TestOneTask = OneTask.TestCase
TestOneTask.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)
