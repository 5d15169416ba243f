"""Acting on executions: stop them, run them again, move their steps on, read their metrics.

Source: the API pages of ModelArts (2026), and the Terraform provider, which looks for an error in a good
answer to an action.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_batch_provider.answers import need
from airflow_batch_provider.checks import choice
from airflow_batch_provider.errors import AnswerLost, BatchError, ServiceUnavailable, UnexpectedAnswer
from airflow_batch_provider.flow import RETRY, Flow, send
from airflow_batch_provider.jobs import Job, JobRef, JobState
from airflow_batch_provider.services.modelarts import parameters as typed
from airflow_batch_provider.services.modelarts import steps
from airflow_batch_provider.services.modelarts.answers import read, read_list
from airflow_batch_provider.services.modelarts.asking import POLL, Executions, path_of
from airflow_batch_provider.services.modelarts.names import unknown


class Actions(Executions):
    """What can be done to an execution that was started."""

    def cancel(self, ref: JobRef) -> Flow[None]:
        """Ask the service to stop an execution; harmless if it has ended.

        Raises:
            BatchError: The service refused, and the execution goes on; the error names it.
        """
        try:
            yield from self._act(
                ref, {"action_name": "stop"}, f"stopping execution {ref.id}", repeatable=True
            )
        except BatchError as error:
            # What the service says of an execution that has ended is not documented; it tells itself.
            if not (yield from self._has_ended(ref)):
                raise error.about(ref.id, ref.url) from None

    def rerun(
        self,
        ref: JobRef,
        *,
        only: Sequence[str] = (),
        parameters: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Flow[Job]:
        """Run an execution that has ended again, under the same id.

        Args:
            ref: The execution.
            only: Names of the steps to run again; default: all.
            parameters: Name to value, where they change.
            data: Name of a data requirement to its value, where it changes.

        Returns:
            The execution, going on.

        Raises:
            InvalidInput: A name is none of the execution.
            AnswerLost: It may run again.
            BatchError: The service refused.
        """
        execution = yield from self.describe(ref)
        for name in only:
            _step(execution, name)
        policies = {"policies": {"rerun_steps": list(only)}} if only else {}
        body = {"action_name": "rerun", **policies, **_given(execution, parameters, data)}
        return (yield from self._rerun(ref, body))

    def rerun_failed(self, ref: JobRef) -> Flow[Job]:
        """Run the failed steps of an execution again, and what comes after them; see `rerun`.

        An execution that has not ended, or that has succeeded, is left as it is.
        """
        execution = yield from self.describe(ref)
        job = self.job(execution, ref)
        if job.state not in (JobState.FAILED, JobState.CANCELED):
            return job
        names = [steps.step_name(step) for step in steps.failed_steps(execution)]
        policies = {"policies": {"rerun_steps": names}} if names else {}
        return (yield from self._rerun(ref, {"action_name": "rerun", **policies}))

    def _rerun(self, ref: JobRef, body: dict[str, Any]) -> Flow[Job]:
        doing = f"running execution {ref.id} again"
        try:
            answer = yield from self._act(ref, body, doing, repeatable=False)
        except (AnswerLost, ServiceUnavailable, UnexpectedAnswer) as error:
            job = yield from self.get(ref)
            if job.state.done:
                raise AnswerLost(error.message, fix="Look whether the execution runs.").about(
                    ref.id, ref.url
                ) from error
            return job
        return self.job(answer, ref)

    def act_on_step(
        self,
        ref: JobRef,
        step: str,
        action: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Flow[dict[str, Any]]:
        """Retry, stop or continue one step of an execution.

        Args:
            ref: The execution.
            step: The step's name, or the uuid of its run.
            action: ``retry``, ``stop`` or ``continue``; the last, with what it waits for, moves a step on
                that waits for its inputs.
            parameters: Name to value.
            data: Name of a data requirement to its value.

        Returns:
            The step's run as the service describes it.

        Raises:
            InvalidInput: A name is none of the execution.
            AnswerLost: It may have been done.
            BatchError: The service refused.
        """
        choice("action", action, "retry", "stop", "continue")
        execution = yield from self.describe(ref)
        run = _step(execution, step)
        body = {"action_name": action, **_given(execution, parameters, data)}
        doing = f"acting ({action}) on step {steps.step_name(run)!r} of execution {ref.id}"
        uuid_of_run = str(need(run, doing, "uuid"))
        return (
            yield from self._act(
                ref, body, doing, "step-executions", uuid_of_run, repeatable=action == "stop"
            )
        )

    def metrics(self, ref: JobRef, step: str) -> Flow[list[dict[str, Any]]]:
        """Return the metrics of one step of an execution.

        Args:
            ref: The execution.
            step: The step's name, or the uuid of its run.

        Returns:
            ``{"key", "title", "type", "created_at", "data"}`` each.
        """
        execution = yield from self.describe(ref)
        project = yield from self.located(ref)
        run = _step(execution, step)
        doing = f"asking for the metrics of step {steps.step_name(run)!r}"
        path = (*path_of(ref), "step-executions", str(need(run, doing, "uuid")), "metrics")
        response = yield from send(project.ask("GET", *path), retry=POLL)
        return [row for row in read_list(response, doing, action="get") if isinstance(row, dict)]

    def events(self, ref: JobRef) -> Flow[list[str]]:
        """Return what happened to an execution, oldest first."""
        return steps.events_of((yield from self.describe(ref)))

    def _act(
        self, ref: JobRef, body: dict[str, Any], doing: str, *below: str, repeatable: bool
    ) -> Flow[dict[str, Any]]:
        project = yield from self.located(ref)
        request = project.ask("POST", *path_of(ref), *below, "actions", body=body)
        retry = POLL if repeatable else RETRY
        response = yield from send(request, repeatable=repeatable, retry=retry)
        return read(response, doing, action="execute")

    def _has_ended(self, ref: JobRef) -> Flow[bool]:
        try:
            job = yield from self.get(ref)
        except BatchError:
            return False
        return job.state.done


def _step(execution: dict[str, Any], step: str) -> dict[str, Any]:
    """Return the run of a step, by the step's name or the run's uuid."""
    found = steps.steps_of(execution)
    for run in found:
        if step and step in (steps.step_name(run), run.get("uuid")):
            return run
    raise unknown("step", step, {steps.step_name(run) for run in found}, "step in the execution yet")


def _given(
    execution: dict[str, Any], parameters: Mapping[str, Any] | None, data: Mapping[str, Any] | None
) -> dict[str, Any]:
    found = {}
    if parameters:
        found["parameters"] = typed.parameters(execution, parameters)
    if data:
        found["data_requirements"] = typed.data_requirements(execution, data)
    return found
