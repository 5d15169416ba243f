"""Asking for executions of workflows: where one is, and what the service says of it.

Source: the API pages of ModelArts (2026) and recorded answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_batch_provider.answers import need
from airflow_batch_provider.checks import choice
from airflow_batch_provider.flow import RETRY, Flow, Retry, send
from airflow_batch_provider.jobs import Job, JobPage, JobRef, JobState
from airflow_batch_provider.services.modelarts import steps
from airflow_batch_provider.services.modelarts.answers import read
from airflow_batch_provider.services.modelarts.project import Project, ProjectIds, uuid
from airflow_batch_provider.services.modelarts.workflows import Workflows, one_page

SERVICE = "modelarts"

_LISTED_BY = ("region", "project_id", "workflow_id", "on_waiting_inputs")

POLL = Retry(attempts=3, patience=60.0)
"""A poll that is throttled or lost is asked again soon by its caller anyway."""


@dataclass(frozen=True)
class Executions:
    """The executions of a project's workflows.

    Args:
        project: Where they are.
        now: Wall clock, epoch seconds, that stamps submissions; default: the one that retries go by.
        ids: Project ids that are known already.
        name: Of the service.
        tell: Takes sentences for the log.
    """

    project: Project
    now: Callable[[], float] = RETRY.now
    ids: ProjectIds = field(default_factory=ProjectIds)
    name: str = SERVICE
    tell: Callable[[str], None] = field(default=lambda _: None, repr=False, compare=False)

    @property
    def workflows(self) -> Workflows:
        """The workflows themselves."""
        return Workflows(self.project, self.ids, self.tell)

    def reference(
        self,
        workflow_id: str,
        execution_id: str,
        *,
        on_waiting_inputs: str = "fail",
        submitted_at: float = 0.0,
    ) -> JobRef:
        """Return the reference of an execution that somebody else started.

        Args:
            workflow_id: UUID.
            execution_id: UUID.
            on_waiting_inputs: ``fail`` or ``wait``.
            submitted_at: Epoch seconds, if known.

        Raises:
            InvalidInput: An id is none.
        """
        place = {
            "workflow_id": uuid("workflow_id", workflow_id),
            "on_waiting_inputs": choice("on_waiting_inputs", on_waiting_inputs, "fail", "wait"),
        }
        found = uuid("execution_id", execution_id)
        return JobRef(SERVICE, found, place, submitted_at, url=self.project.console_url(workflow_id, found))

    def get(self, ref: JobRef) -> Flow[Job]:
        """Ask for one execution.

        Its state is ``BLOCKED`` while a step waits for a person, unless the reference says to wait.
        """
        return self.job((yield from self.describe(ref)), ref)

    def asking(self, ref: JobRef) -> Callable[[], Flow[Job]]:
        """Return what asks for one execution; each request is signed anew, so nothing is prepared."""
        return lambda: self.get(ref)

    def describe(self, ref: JobRef) -> Flow[dict[str, Any]]:
        """Return an execution as the service describes it.

        Raises:
            NotFound: There is no such execution.
        """
        project = yield from self.located(ref)
        doing = f"asking for execution {ref.id}"
        response = yield from send(project.ask("GET", *path_of(ref)), retry=POLL)
        answer = read(response, doing, action="get")
        need(answer, doing, "execution_id")
        return answer

    def group(self, ref: JobRef) -> str:
        """Name the list of the execution's workflow, and how its waiting steps are taken."""
        return "/".join(ref.place.get(key, "") for key in _LISTED_BY)

    def common_group(self, ref: JobRef) -> str:  # noqa: ARG002  # of the protocol
        """Name no list: there is none of several workflows."""
        return ""

    def page(self, refs: Mapping[str, JobRef], after: int | None = None) -> Flow[JobPage]:
        """Ask for one page of a workflow's executions, the newest first.

        A row that says nothing of the steps does not tell whether one waits for a person: the execution is
        then not among those shown.
        """
        project = yield from self.located(next(iter(refs.values())))
        workflow_id, *_ = path_of(next(iter(refs.values())))
        found, following = yield from one_page(
            project,
            (workflow_id, "executions"),
            {"sort_by": "create_time", "order": "desc", "workspace_id": project.workspace_id},
            f"listing executions of workflow {workflow_id}",
            after or 0,
            retry=POLL,
        )
        shown = {
            str(row["execution_id"]): self.job(row, refs[str(row["execution_id"])])
            for row in found
            if str(row.get("execution_id")) in refs and "steps_execution" in row
        }
        return JobPage(shown, len(found), following)

    def job(self, answer: dict[str, Any], ref: JobRef) -> Job:
        """Read a job out of the service's description of an execution."""
        status = steps.status_of(answer)
        state = steps.STATES.get(status, JobState.UNKNOWN)
        wants = "" if state.done else steps.wants(answer)
        if wants and ref.place.get("on_waiting_inputs") != "wait":
            state, status = JobState.BLOCKED, str(steps.waiting_steps(answer)[0]["status"])
        return Job(
            service=SERVICE,
            id=ref.id,
            name=str(answer.get("name") or ref.id),
            state=state,
            status=status,
            detail=_detail(answer, state, wants),
            url=ref.url,
            endpoint=str(answer.get("workflow_name") or ref.place.get("workflow_name") or ""),
            steps=steps.shown(answer),
            steps_in_all=_number(ref.place.get("steps")),
        )

    def located(self, ref: JobRef) -> Flow[Project]:
        """Return the project of an execution, with its id: where it runs, whatever the task says by now."""
        known, here = ref.place.get("project_id"), self.project
        if not known:
            return (yield from self.ids.located(here))
        # Records of earlier versions do not tell the region.
        region = ref.place.get("region") or here.region
        return replace(here, endpoints=here.endpoints.moved(here.region, region), region=region, id=known)


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


def _detail(answer: dict[str, Any], state: JobState, wants: str) -> str:
    if state.done:
        return "" if state is JobState.SUCCEEDED else steps.reason(answer)
    return wants or steps.progress(answer)


def path_of(ref: JobRef) -> tuple[str, str, str]:
    """Return the path of an execution below ``workflows``."""
    workflow_id = uuid("workflow_id", ref.place.get("workflow_id"))
    return workflow_id, "executions", uuid("execution_id", ref.id)
