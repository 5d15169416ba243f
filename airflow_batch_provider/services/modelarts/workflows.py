"""Workflows: create, find, get, list, change and delete them.

Source: the API pages of ModelArts, and the vendor's SDK and Terraform provider where these differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from airflow_batch_provider.answers import need, rows
from airflow_batch_provider.errors import (
    AnswerLost,
    BatchError,
    InvalidInput,
    NotFound,
    ServiceUnavailable,
    UnexpectedAnswer,
)
from airflow_batch_provider.flow import RETRY, Flow, Retry, pause, send
from airflow_batch_provider.pages import TRIES, Listed, Page, read_pages
from airflow_batch_provider.services.modelarts.answers import read
from airflow_batch_provider.services.modelarts.definition import UPDATABLE, Definition, changes
from airflow_batch_provider.services.modelarts.names import near
from airflow_batch_provider.services.modelarts.project import Project, ProjectIds, uuid
from airflow_batch_provider.values import epoch

PAGE = 100
"""Rows that are asked for at once, as the Terraform provider does."""
_PAGES = 20
_SETTLING = (1.0, 2.0, 4.0)
"""Seconds between looks at several workflows of one name, of which all but one may be deleted soon."""
_PAGES_FOR_NEAR_NAMES = 3


@dataclass(frozen=True)
class Workflows:
    """The workflows of a project.

    Args:
        project: Where they are.
        ids: Project ids that are known already.
        tell: Takes sentences for the log.
    """

    project: Project
    ids: ProjectIds = field(default_factory=ProjectIds)
    tell: Callable[[str], None] = field(default=lambda _: None, repr=False, compare=False)

    def create(self, order: Definition) -> Flow[dict[str, Any]]:
        """Create a workflow. The request is sent once; only a refusal that did nothing is asked again.

        Args:
            order: What `definition.definition` returned.

        Returns:
            The workflow; ``workflow_id`` is its id.

        Raises:
            AnswerLost: It may have been created.
            BatchError: The service refused.
        """
        project = yield from self.ids.located(self.project)
        doing = f"creating workflow {order.name!r}"
        body = {**_workspace(project, order.body), **order.body}
        response = yield from send(project.ask("POST", body=body), repeatable=False)
        try:
            answer = read(response, doing, action="create")
            need(answer, doing, "workflow_id")
        except NotFound as error:
            if source := order.body.get("source_workflow_id"):
                error.fix = (
                    f"Check source_workflow_id {source!r}: the workflow was deleted, or is of another "
                    "project or region."
                )
            raise
        except (ServiceUnavailable, UnexpectedAnswer) as error:
            raise AnswerLost(
                f"{error.message} [HTTP {response.status_code}]",
                fix=f"Look whether there is a workflow {order.name!r} before you create it again.",
            ) from error
        return answer

    def ensure(self, order: Definition) -> Flow[tuple[dict[str, Any], bool]]:
        """Return the workflow of the definition's name, creating it if there is none.

        One that exists is not changed. If the answer to the creation is lost, its name is looked up again.
        Who creates one of a name at the same time as others settles on the oldest, and deletes its own.

        Returns:
            The workflow, and whether it was created now.

        Raises:
            InvalidInput: Several workflows have this name.
            BatchError: The service refused.
        """
        found = yield from self._left(order.name)
        if found:
            return found, False
        try:
            made = yield from self.create(order)
        except AnswerLost:
            found = yield from self._left(order.name)
            if not found:
                raise
            return found, True
        return (yield from self._settled(order.name, made))

    def provide(self, order: Definition, if_exists: str) -> Flow[tuple[dict[str, Any], bool]]:
        """Return a workflow of the definition's name, as the service describes it; see `ensure`.

        Args:
            order: What `definition.definition` returned.
            if_exists: ``reuse`` one as it is, ``update`` it to what the definition says, or ``fail``.

        Returns:
            The workflow, and whether it was created now.

        Raises:
            InvalidInput: One exists, and that is to fail; or several do.
            BatchError: The service refused.
        """
        workflow, created = yield from self.ensure(order)
        workflow_id = str(workflow["workflow_id"])
        if not created and if_exists == "fail":
            raise InvalidInput(
                f"There is a workflow {order.name!r} already: {workflow_id}.",
                fix="Delete it, choose another name, or set if_exists to 'reuse' or 'update'.",
            )
        if not created and if_exists == "update":
            changed = {key: value for key, value in order.body.items() if key in UPDATABLE}
            yield from self.update(workflow_id, changes(changed))
        # A list, and the answer to a creation, do not say all of it.
        return (yield from self.get(workflow_id)), created

    def find(self, name: str) -> Flow[dict[str, Any]]:
        """Return the one workflow of a name.

        Raises:
            NotFound: There is none; names that are like it are offered.
            InvalidInput: There are several; their ids are told.
        """
        found = yield from self._named(name)
        if not found:
            others = yield from self.list(pages=_PAGES_FOR_NEAR_NAMES)
            known = {str(row["name"]) for row in others if row.get("name")}
            raise NotFound(f"No workflow of this project is named {name!r}.", fix=near(name, known))
        return found

    def get(self, workflow_id: str, *, lasts: float = 0.0) -> Flow[dict[str, Any]]:
        """Return a workflow as the service describes it.

        Args:
            workflow_id: UUID.
            lasts: Seconds for which the answer serves all who share a connection; 0 to ask each time.

        Raises:
            NotFound: There is none of this id.
        """
        doing = f"asking for workflow {workflow_id}"
        response = yield from self._ask("GET", workflow_id, lasts=lasts)
        answer = read(response, doing, action="get")
        need(answer, doing, "workflow_id")
        return answer

    def list(
        self, *, name: str = "", exact: bool = False, label: str = "", status: str = "", pages: int = _PAGES
    ) -> Flow[list[dict[str, Any]]]:
        """Return workflows as the service describes them.

        Args:
            name: Only those whose name contains this.
            exact: Only those whose name is *name*.
            label: Only those with this label.
            status: Only those whose last execution has this status.
            pages: How many pages to read at most, of `PAGE` rows.
        """
        project = yield from self.ids.located(self.project)
        search = ("equal" if exact else "contain") if name else ""
        query = {"name": name, "search_type": search, "labels": label, "status": status}
        query["workspace_id"] = project.workspace_id
        found = yield from paged(project, (), query, "listing workflows", pages, tries=1)
        return [row for row in found.rows if not exact or row.get("name") == name]

    def update(self, workflow_id: str, changed: Definition) -> Flow[dict[str, Any]]:
        """Change a workflow; return it as the service describes it then.

        Args:
            workflow_id: UUID.
            changed: What `definition.changes` returned.
        """
        response = yield from self._ask("PUT", workflow_id, body=changed.body)
        return read(response, f"changing workflow {workflow_id}", action="update")

    def delete(self, workflow_id: str) -> Flow[bool]:
        """Delete a workflow; harmless if it is gone.

        Returns:
            Whether there was one. ``False`` also when an answer was lost and the deletion asked for again.
        """
        response = yield from self._ask("DELETE", workflow_id)
        try:
            read(response, f"deleting workflow {workflow_id}", action="delete")
        except NotFound:
            return False
        return True

    def _ask(
        self, method: str, workflow_id: str, *, body: Any = None, lasts: float = 0.0
    ) -> Flow[httpx.Response]:
        workflow_id = uuid("workflow_id", workflow_id, name_field="workflow_name")
        project = yield from self.ids.located(self.project)
        return (yield from send(project.ask(method, workflow_id, body=body, lasts=lasts)))

    def _left(self, name: str) -> Flow[dict[str, Any] | None]:
        """Return the workflow of a name, giving those who have just created several the time to settle."""
        for seconds in _SETTLING:
            found = yield from self.list(name=name, exact=True)
            if len(found) <= 1:
                return found[0] if found else None
            yield from pause(seconds)
        return (yield from self._named(name))

    def _settled(self, name: str, made: dict[str, Any]) -> Flow[tuple[dict[str, Any], bool]]:
        """Return the oldest workflow of a name, and whether it is the one that was made."""
        listed = yield from self.list(name=name, exact=True)
        by_id = {str(made["workflow_id"]): made}
        by_id |= {str(row["workflow_id"]): row for row in listed if row.get("workflow_id")}
        oldest = min(by_id, key=lambda one: (*_age(by_id[one]), one))
        if oldest == made["workflow_id"]:
            return made, True
        yield from self._withdraw(str(made["workflow_id"]), oldest)
        return by_id[oldest], False

    def _withdraw(self, own: str, oldest: str) -> Flow[None]:
        told = (
            f"Workflow {own} was created here while another created {oldest} of the same name, which is used"
        )
        try:
            found = yield from self.get(own)
            if found.get("run_count") or found.get("latest_execution"):
                self.tell(f"{told}; it stays, because it has executions.")
                return
            yield from self.delete(own)
        except BatchError as error:
            self.tell(f"{told}; it stays, because it could not be deleted: {error}")
        else:
            self.tell(f"{told}; it was deleted.")

    def _named(self, name: str) -> Flow[dict[str, Any] | None]:
        found = yield from self.list(name=name, exact=True)
        if len(found) > 1:
            ids = ", ".join(str(row.get("workflow_id")) for row in found)
            raise InvalidInput(f"{len(found)} workflows are named {name!r}.", fix=f"Give workflow_id: {ids}.")
        return found[0] if found else None


def paged(
    project: Project,
    segments: tuple[str, ...],
    query: dict[str, Any],
    doing: str,
    pages: int,
    *,
    since: float = 0.0,
    tries: int = TRIES,
) -> Flow[Listed]:
    """Read a list, page by page; see `pages.read_pages`. A page that is not full is the last.

    Args:
        project: With its id.
        segments: Of the path.
        query: Parameters besides ``limit`` and ``offset``, which counts rows.
        doing: What is asked, as a gerund.
        pages: How many pages to read at most.
        since: Epoch seconds.
        tries: How often to ask for a page at most.
    """

    def one(offset: int) -> Flow[Page[int]]:
        return one_page(project, segments, query, doing, offset)

    return read_pages(0, one, created_at=created_at, since=since, pages=pages, tries=tries)


def one_page(
    project: Project,
    segments: tuple[str, ...],
    query: dict[str, Any],
    doing: str,
    offset: int,
    *,
    retry: Retry = RETRY,
) -> Flow[Page[int]]:
    """Read the page of a list that begins with row *offset*; see `paged`."""
    request = project.ask("GET", *segments, query={**query, "limit": PAGE, "offset": offset})
    page = rows(read((yield from send(request, retry=retry)), doing, action="list"), "items")
    return page, None if len(page) < PAGE else offset + PAGE


def created_at(row: dict[str, Any]) -> float:
    """Return the epoch second at which a workflow or an execution was created, or 0."""
    return epoch(row.get("created_at"))


def _age(row: dict[str, Any]) -> tuple[float, str]:
    """Return when a workflow was created, in a form that tells fractions of a second apart."""
    return created_at(row), str(row.get("created_at") or "")


def _workspace(project: Project, body: dict[str, Any]) -> dict[str, Any]:
    """Return the workspace of the connection, unless the definition names one."""
    return (
        {"workspace_id": project.workspace_id} if project.workspace_id and "workspace_id" not in body else {}
    )
