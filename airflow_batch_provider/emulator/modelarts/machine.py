"""How an execution and its steps change: by the clock, by what their jobs do, and by each other.

States: the enumerations of the service's API; their order within a step: recorded executions. Assumed,
because no page says it: which of a step's states it shows while it waits for resources (``pending``), that
a failed step with the policy ``retry`` is tried once more, that one with ``continue`` does not stop the
others, and that running steps are let end when another failed.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.emulator.blob_errors import BlobError
from airflow_batch_provider.emulator.modelarts import conditions, graph, plan, script
from airflow_batch_provider.emulator.modelarts.executions import (
    STEP_BAD,
    STEP_GOOD,
    Execution,
    StepRun,
)
from airflow_batch_provider.emulator.modelarts.local_job import JobFailedError
from airflow_batch_provider.emulator.modelarts.places import read_place
from airflow_batch_provider.emulator.modelarts.references import UnresolvedError

if TYPE_CHECKING:
    from airflow_batch_provider.emulator.modelarts.account import Account
    from airflow_batch_provider.emulator.modelarts.bench import Bench
    from airflow_batch_provider.emulator.obs.store import ObjectStore

STATELESS, INIT, STEP, STOPPING = 1.0, 1.0, 0.5, 0.5
_MOST_MINUTES = 10080.0
_MOST_ATTEMPTS = 2


class Machine:
    """The rules of change.

    Args:
        account: Whose algorithms job steps may use.
        store: The objects that they read and write.
        bench: Where jobs run.
        speed: How many times faster than the service the clock's changes are.
    """

    def __init__(self, account: Account, store: ObjectStore, bench: Bench, speed: float) -> None:
        self.account = account
        self._store = store
        self._bench = bench
        self._speed = speed

    def after(self, seconds: float) -> float:
        """Return the epoch second at which a time of the service is over."""
        return time.time() + seconds / self._speed

    def advance(self, execution: Execution) -> None:
        """Make every change that is due now."""
        while execution.due is not None and execution.due <= time.time():
            if execution.status is None:
                execution.enter("init", self.after(INIT))
            else:
                execution.enter("running")
        if execution.status == "running":
            for step in list(execution.steps):
                self._advance_step(execution, step)
            self._settle(execution)

    def stop(self, execution: Execution) -> None:
        """Ask a whole execution to stop."""
        execution.stopping = True
        if execution.status != "running":
            execution.enter("stopped")
            return
        for step in execution.steps:
            self.stop_step(step)

    def stop_step(self, step: StepRun) -> None:
        """Ask a step to stop; harmless when it has ended or was asked before."""
        if not step.done and step.status != "stopping":
            self._bench.free(step)
            step.enter("stopping", self.after(STOPPING))

    def rerun(self, execution: Execution, names: set[str]) -> None:
        """Run these steps and all that wait for them again; what they did before is forgotten."""
        again = graph.downstream(execution.definition["steps"], names)
        execution.steps = [step for step in execution.steps if step.name not in again]
        execution.stopping = False
        if execution.done:
            execution.enter("running")

    def release(self, step: StepRun) -> None:
        """Let a step go on that waits for someone."""
        step.released = True
        step.due = time.time()

    def _begin(self, execution: Execution, name: str) -> StepRun:
        attempt = execution.attempts[name] = execution.attempts.get(name, 0) + 1
        step = StepRun(name, attempt, due=self.after(STEP))
        execution.steps.append(step)
        return step

    def _advance_step(self, execution: Execution, step: StepRun) -> None:
        while step.due is not None and step.due <= time.time():
            step.due = None
            self._change(execution, step)
        if step.status == "pending":
            self._create(execution, step)
        if step.status == "running" and step.job is not None:
            outcome = self._bench.poll(execution, step)
            if outcome is not None:
                step.metrics = outcome.metrics
                self._end(step, "failed" if outcome.error else "completed", outcome.error)

    def _change(self, execution: Execution, step: StepRun) -> None:
        if step.status in {"init", "wait_inputs", "hold"}:
            self._admit(execution, step)
        elif step.status == "creating":
            if step.outcome == "create_failed":
                self._end(step, "create_failed", step.error)
            else:
                step.enter("created", self.after(STEP))
        elif step.status == "created":
            self._start(execution, step)
        elif step.status == "stopping":
            step.enter("stopped")
        elif step.job is not None:
            self._end(step, "timeout", "The step ran longer than its max_execution_minutes.")
        else:
            self._finish_simulated(execution, step)

    def _admit(self, execution: Execution, step: StepRun) -> None:
        if plan.missing(execution, step.name):
            if step.status != "wait_inputs":
                step.enter("wait_inputs")
        elif self._script(execution, step).hold and not step.released:
            if step.status != "hold":
                step.enter("hold")
        elif execution.defined(step.name).get("type") == "condition":
            self._decide(execution, step)
        else:
            self._fill(execution, step)
            self._create(execution, step)

    def _decide(self, execution: Execution, step: StepRun) -> None:
        step.enter("running")
        try:
            asked = execution.scope().resolve(execution.defined(step.name).get("conditions") or [])
            step.verdict = conditions.holds(asked)
        except (UnresolvedError, conditions.ConditionError) as error:
            self._end(step, "failed", str(error))
        else:
            self._end(step, "completed")

    def _fill(self, execution: Execution, step: StepRun) -> None:
        told = self._script(execution, step)
        try:
            plan.fill(execution, step, self.account, self._store)
        except (JobFailedError, BlobError) as error:
            step.outcome, step.error = "create_failed", str(error)
            return
        if told.outcome is not None:
            step.outcome, step.error, step.job = told.outcome, told.error, None

    def _create(self, execution: Execution, step: StepRun) -> None:
        if step.job is None or self._bench.reserve(execution, step):
            step.enter("creating", self.after(STEP))
        elif step.status != "pending":
            step.enter("pending")

    def _start(self, execution: Execution, step: StepRun) -> None:
        policy = execution.defined(step.name).get("policy") or {}
        most = float(policy.get("max_execution_minutes") or _MOST_MINUTES) * 60
        seconds = self._script(execution, step).seconds
        if step.job is None and seconds > most and step.outcome is None:
            step.outcome, step.error = "timeout", "The step ran longer than its max_execution_minutes."
        step.enter("running", self.after(most if step.job is not None else min(seconds, most)))

    def _finish_simulated(self, execution: Execution, step: StepRun) -> None:
        if step.outcome is not None:
            self._end(step, step.outcome, step.error)
            return
        result = json.dumps({"execution_id": execution.id, "step": step.name}).encode()
        places = [read_place(str(output["config"].get("obs_url", ""))) for output in step.outputs]
        try:
            for place in filter(None, places):
                self._store.put(place.bucket, f"{place.folder}result.json", result)
        except BlobError as error:
            self._end(step, "failed", str(error))
        else:
            self._end(step, "completed")

    def _end(self, step: StepRun, status: str, error: str | None = None) -> None:
        self._bench.free(step)
        step.error = error
        step.enter(status)

    def _settle(self, execution: Execution) -> None:
        for step in list(execution.steps):
            if self._may_retry(execution, step):
                execution.steps.remove(step)
                self._begin(execution, step.name)
        while not self._broken(execution) and any(
            self._consider(execution, name) for name in _unbegun(execution)
        ):
            pass
        if all(step.done for step in execution.steps):
            execution.enter(self._verdict(execution))

    def _consider(self, execution: Execution, name: str) -> bool:
        """Begin or skip a step if all that it waits for has passed; return whether something changed."""
        begun = {step.name: step for step in execution.steps}
        waits = graph.dependencies(execution.definition["steps"])[name]
        before = [begun[other] for other in waits if other in begun]
        if len(before) < len(waits) or not all(_passed(execution, step) for step in before):
            return False
        if any(_turned_away(execution, step, name) for step in before) or (
            before and all(step.status == "skipped" for step in before)
        ):
            skipped = self._begin(execution, name)
            skipped.enter("skipped")
        else:
            self._begin(execution, name)
        return True

    def _broken(self, execution: Execution) -> bool:
        return execution.stopping or any(
            step.done and not _passed(execution, step) for step in execution.steps
        )

    def _verdict(self, execution: Execution) -> str:
        bad = [step.status for step in execution.steps if not _passed(execution, step)]
        if execution.stopping or (bad and set(bad) == {"stopped"}):
            return "stopped"
        return "abnormal" if bad else "completed"

    def _may_retry(self, execution: Execution, step: StepRun) -> bool:
        return (
            step.status in STEP_BAD - {"stopped"}
            and not execution.stopping
            and _policy(execution, step) == "retry"
            and execution.attempts[step.name] < _MOST_ATTEMPTS
        )

    def _script(self, execution: Execution, step: StepRun) -> script.Script:
        return script.of_step(execution.defined(step.name), execution.script, step.attempt)


def _unbegun(execution: Execution) -> list[str]:
    begun = {step.name for step in execution.steps}
    return [step["name"] for step in execution.definition["steps"] if step["name"] not in begun]


def _policy(execution: Execution, step: StepRun) -> Any:
    return (execution.defined(step.name).get("policy") or {}).get("execution_policy")


def _passed(execution: Execution, step: StepRun) -> bool:
    """Whether what waits for a step may begin."""
    return step.status in STEP_GOOD or (
        step.status in STEP_BAD - {"stopped"} and _policy(execution, step) == "continue"
    )


def _turned_away(execution: Execution, condition: StepRun, name: str) -> bool:
    """Whether a condition chose the other branch than the one that a step is in."""
    if condition.verdict is None:
        return False
    definition = execution.defined(condition.name)
    chosen, other = ("if_then_steps", "else_then_steps")[:: 1 if condition.verdict else -1]
    return name in (definition.get(other) or []) and name not in (definition.get(chosen) or [])
