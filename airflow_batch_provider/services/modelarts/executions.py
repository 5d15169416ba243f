"""Executions of workflows, as a `jobs.Service`.

Source: the API pages of ModelArts (2026), recorded answers, and the vendor's SDK and Terraform provider. The
service takes no idempotency key: a submission carries its marker as a label.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from airflow_batch_provider.answers import inner, need, rows
from airflow_batch_provider.errors import AnswerLost, InvalidInput, ServiceUnavailable, UnexpectedAnswer
from airflow_batch_provider.flow import Flow, send_once
from airflow_batch_provider.jobs import Job, JobRef, Log, Trace, Traces
from airflow_batch_provider.pages import Listed
from airflow_batch_provider.services.modelarts import parameters as typed
from airflow_batch_provider.services.modelarts import steps
from airflow_batch_provider.services.modelarts.acting import Actions
from airflow_batch_provider.services.modelarts.answers import read
from airflow_batch_provider.services.modelarts.asking import SERVICE, path_of
from airflow_batch_provider.services.modelarts.likeness import alike, digest
from airflow_batch_provider.services.modelarts.logs import last_log_lines, tell_logs
from airflow_batch_provider.services.modelarts.project import Project, uuid
from airflow_batch_provider.services.modelarts.refs import PREFIX, overridden, resolve
from airflow_batch_provider.services.modelarts.starting import Start
from airflow_batch_provider.services.modelarts.workflows import Workflows, created_at, paged
from airflow_batch_provider.values import shown
from airflow_batch_provider.web import A_MINUTE

_MARKER = re.compile(r"airflow-[0-9a-f]{24}")
"""What `jobs.marker_of` makes, among labels of users."""


@dataclass(frozen=True)
class Call:
    """An execution that is ready to be started.

    Args:
        project: With its id.
        workflow_id: Of the workflow.
        workflow_name: Of the workflow.
        body: What is sent, without the marker.
        on_waiting_inputs: ``fail`` or ``wait``.
        steps: How many steps there are to be run; 0 if that is not known.
    """

    project: Project
    workflow_id: str
    workflow_name: str
    body: dict[str, Any]
    on_waiting_inputs: str = "fail"
    steps: int = 0


class ModelArtsWorkflows(Actions):
    """The executions of a project's workflows, as a `jobs.Service`; see `asking.Executions`."""

    def plan(self, order: Start) -> Flow[Call]:
        """Find the workflow, or create it, and type what the execution is started with.

        Creating comes after looking the name up, so that it may be repeated.

        Raises:
            NotFound: There is no such workflow.
            InvalidInput: Several have this name; it has no such parameter or data; a value is of another
                type; or something is missing that a step would wait for.
        """
        project = yield from self.ids.located(self.project)
        workflow = yield from self._workflow(order)
        _check_scene(order.body.get("scene_id"), workflow)
        given = {"parameters": order.parameters, "data_requirements": order.data}
        body: dict[str, Any] = {"workspace_id": project.workspace_id} if project.workspace_id else {}
        body |= order.body
        if order.parameters:
            body["parameters"] = typed.parameters(workflow, order.parameters)
        if order.data:
            body["data_requirements"] = typed.data_requirements(workflow, order.data)
        lacks = typed.missing(workflow, given, delayed_too=order.on_waiting_inputs == "fail")
        if lacks:
            raise InvalidInput(
                f"Workflow {workflow.get('name')!r} has no value for {', '.join(lacks)}.",
                fix="Give parameters and data for them; with on_waiting_inputs='wait', what is marked as "
                "delayed may be given in the console while the execution runs.",
            )
        return Call(
            project,
            str(workflow["workflow_id"]),
            str(workflow.get("name") or ""),
            body,
            order.on_waiting_inputs,
            steps.count(workflow, body.get("scene_id")),
        )

    def _workflow(self, order: Start) -> Flow[dict[str, Any]]:
        if order.workflow:
            workflow, created = yield from self.workflows.ensure(order.workflow)
            known = f"workflow {workflow.get('workflow_id')}, {order.workflow.name!r}"
            self.tell(f"Created {known}." if created else f"Found {known}; its definition was left as it is.")
        elif order.workflow_name:
            workflow = yield from self.workflows.find(order.workflow_name)
        else:
            workflow = {"workflow_id": order.workflow_id}
        # A list, and the answer to a creation, do not say all of it.
        found = need(workflow, "looking up the workflow", "workflow_id")
        return (yield from self.workflows.get(str(found)))

    def submit(self, plan: Call, marker: str) -> Flow[tuple[JobRef, Job]]:
        """Start an execution. The request is sent once; only a refusal that did nothing is asked again.

        Args:
            plan: What `plan` returned.
            marker: Carried by the execution as a label; empty for none.

        Raises:
            AnswerLost: An execution may have been started.
            BatchError: The service refused.
        """
        doing = f"starting workflow {plan.workflow_name or plan.workflow_id!r}"
        body = {**plan.body, "labels": [*plan.body.get("labels", []), marker]} if marker else plan.body
        submitted_at = self.now()
        request = plan.project.ask("POST", plan.workflow_id, "executions", body=body)
        response = yield from send_once(request)
        try:
            answer = read(response, doing, action="execute")
            execution_id = _execution_id(need(answer, doing, "execution_id"))
        except (ServiceUnavailable, UnexpectedAnswer) as error:
            raise AnswerLost(f"{error.message} [HTTP {response.status_code}]", fix=error.fix) from error
        ref = _ref(plan, execution_id, answer, submitted_at, marker)
        return ref, self.job(answer, ref)

    def outputs(self, ref: JobRef) -> Flow[dict[str, dict[str, str]]]:
        """Find where the steps of an execution wrote; see `steps.outputs_of`."""
        execution = yield from self.describe(ref)
        runs = rows(execution, "steps_execution")
        project = yield from self.located(ref)
        if PREFIX in str([run.get("outputs") for run in runs]):
            workflow = yield from Workflows(project, self.ids).get(path_of(ref)[0], lasts=A_MINUTE)
            runs = resolve(runs, overridden(workflow, execution), ref.id)
        return steps.outputs_of({"steps_execution": runs}, project.endpoints.obs)

    def explain(self, ref: JobRef) -> Flow[str]:
        """Tell why an execution failed: the failed steps, what they say, the end of a job's log."""
        execution = yield from self.describe(ref)
        log = yield from last_log_lines((yield from self.located(ref)), steps.failed_steps(execution))
        return "\n".join(text for text in (steps.reason(execution), log) if text)

    def logs(self, ref: JobRef, tell: Callable[[Log], None]) -> Flow[None]:
        """Read the ends of the logs of an execution's training jobs, of failed steps or else of all."""
        execution = yield from self.describe(ref)
        runs = steps.failed_steps(execution) or steps.steps_of(execution)
        yield from tell_logs((yield from self.located(ref)), runs, tell)

    def candidates(self, plan: Call, marker: str) -> Flow[list[tuple[JobRef, Job]]]:
        """Return the executions that carry a marker: none, one, or after a mishap several."""
        return self.list(plan.workflow_id, label=marker, on_waiting_inputs=plan.on_waiting_inputs)

    def about(self, plan: Call) -> str:
        """Return the workflow and a digest of what jobs are compared with; see `likeness.digest`."""
        return f"{plan.project.region}/{plan.project.id}/{plan.workflow_id} {digest(plan.body)}"

    def traces(self, plan: Call, marker: str, since: float) -> Flow[Traces]:
        """List the executions that a call may have started.

        Asked for by the label first, which finds an execution of any age with one request. Where none carries
        it, the labels may have been lost: those of the time in question are compared with the call.

        Args:
            plan: What `plan` returned.
            marker: The label that the execution carries, if the service keeps it.
            since: Epoch seconds; older executions without the marker are not told.
        """
        mine = yield from self.candidates(plan, marker)
        if mine:
            return Traces(tuple(Trace(ref, job, alike=True) for ref, job in mine))
        found = yield from _listed(plan.project, plan.workflow_id, since=since)
        # A row that moves to the next page while the list is read is told twice.
        seen = {
            ref.id: Trace(ref, self.job(row, ref), alike(row, plan.body))
            for ref, row in _references(plan, found)
        }
        return Traces(tuple(seen.values()), found.complete)

    def where(self, name: str) -> Flow[str]:
        """Return the id of the one workflow of a name, see `workflows.Workflows.find`."""
        workflow = yield from self.workflows.find(name)
        return str(need(workflow, "looking up the workflow", "workflow_id"))

    def recent(self, workflow_id: str, since: float) -> Flow[Traces]:
        """List the executions of a workflow, whoever started them.

        Args:
            workflow_id: UUID.
            since: Epoch seconds; older executions need not be told.
        """
        project = yield from self.ids.located(self.project)
        found = yield from _listed(project, workflow_id, since=since)
        seen = {
            ref.id: Trace(ref, self.job(row, ref), alike=False)
            for ref, row in _references(Call(project, workflow_id, "", {}), found)
        }
        return Traces(tuple(seen.values()), found.complete)

    def list(
        self,
        workflow_id: str,
        *,
        pages: int = 20,
        label: str = "",
        status: str = "",
        on_waiting_inputs: str = "fail",
    ) -> Flow[list[tuple[JobRef, Job]]]:
        """Ask for a workflow's executions, the newest first.

        Args:
            workflow_id: UUID.
            pages: How many pages to read at most.
            label: Only those with this label.
            status: Only those with this status.
            on_waiting_inputs: What the references say; see `get`.

        Returns:
            Each execution with its reference, whose ``marker`` is the label that a submission gave it, and
            whose ``submitted_at`` is when the service says that it was created, 0 if it does not.
        """
        project = yield from self.ids.located(self.project)
        found = yield from _listed(project, workflow_id, label=label, status=status, pages=pages)
        call = Call(project, workflow_id, "", {}, on_waiting_inputs)
        return [(ref, self.job(row, ref)) for ref, row in _references(call, found, label)]


def _check_scene(scene_id: str | None, workflow: dict[str, Any]) -> None:
    scenes = {
        str(row["id"]): row.get("name") for row in rows(inner(workflow, "policy"), "scenes") if row.get("id")
    }
    if not scene_id or not scenes or scene_id in scenes:
        return
    known = (f"{one!r} ({name})" if name else repr(one) for one, name in scenes.items())
    raise InvalidInput(
        f"scene_id is {shown(scene_id)}, but the workflow {shown(workflow.get('name'))} has no such scene.",
        fix=f"There are {', '.join(known)}.",
    )


def _execution_id(value: Any) -> str:
    """Return the id out of an answer; what cannot be asked for again is no id."""
    try:
        return uuid("execution_id", value)
    except InvalidInput as error:
        raise UnexpectedAnswer(f"The answer names the execution {shown(value)}.") from error


def _labels(row: dict[str, Any]) -> list[str]:
    labels = row.get("labels")
    return [str(label) for label in labels] if isinstance(labels, list) else []


def _listed(
    project: Project,
    workflow_id: str,
    *,
    label: str = "",
    status: str = "",
    since: float = 0.0,
    pages: int = 20,
) -> Flow[Listed]:
    query = {"sort_by": "create_time", "order": "desc", "labels": label, "status": status}
    query["workspace_id"] = project.workspace_id
    path = (uuid("workflow_id", workflow_id), "executions")
    doing = f"listing executions of workflow {workflow_id}"
    return paged(project, path, query, doing, pages, since=since)


def _references(call: Call, found: Listed, label: str = "") -> Iterator[tuple[JobRef, dict[str, Any]]]:
    """Yield the reference of each row that one can ask for, and that has the label."""
    for row in found.rows:
        labels = _labels(row)
        if label and label not in labels:
            continue
        marker = next((kept for kept in labels if _MARKER.fullmatch(kept)), "")
        with suppress(InvalidInput):
            execution_id = uuid("execution_id", row.get("execution_id"))
            yield _ref(call, execution_id, row, created_at(row), marker), row


def _ref(call: Call, execution_id: str, answer: dict[str, Any], submitted_at: float, marker: str) -> JobRef:
    place = {
        "region": call.project.region,
        "project_id": call.project.id,
        "workflow_id": call.workflow_id,
        "workflow_name": str(answer.get("workflow_name") or call.workflow_name),
        "on_waiting_inputs": call.on_waiting_inputs,
    }
    if call.steps:
        place["steps"] = str(call.steps)
    url = call.project.console_url(call.workflow_id, execution_id)
    return JobRef(SERVICE, execution_id, place, submitted_at, marker, url)
