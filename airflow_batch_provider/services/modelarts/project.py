"""A project: its address, requests to it, and finding its id.

Source: the vendor's Python SDK, which sends ``X-Project-Id`` with every signed request of a project and looks
an id that is not given up by the region's name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import httpx

from airflow_batch_provider import web
from airflow_batch_provider.answers import rows
from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.flow import Flow, send
from airflow_batch_provider.services.modelarts.answers import read
from airflow_batch_provider.services.modelarts.regions import Endpoints, near_regions
from airflow_batch_provider.values import shown
from airflow_batch_provider.web import segment

PLACE = "airflow_batch_provider.modelarts_project"
"""Key of a request's extensions that says of which region and project it is; auth reads it."""

_PROJECT_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


@dataclass(frozen=True)
class Project:
    """A project of an account in a region.

    Args:
        endpoints: Where the services are.
        region: Id of the region, which is also the name of its first project.
        id: The project's id; empty to look it up by the region's name.
        workspace_id: ModelArts workspace of new workflows and executions; empty for the default one.
    """

    endpoints: Endpoints
    region: str
    id: str = ""
    workspace_id: str = ""

    def ask(
        self,
        method: str,
        *segments: str,
        body: Any = None,
        query: dict[str, Any] | None = None,
        kind: str = "workflows",
        lasts: float = 0.0,
    ) -> httpx.Request:
        """Build a request to the API of workflows, or of another kind of resource.

        Args:
            method: HTTP method.
            *segments: Of the path below the kind, each one name.
            body: Sent as JSON; ``None`` sends no body.
            query: Parameters; those that are ``None`` or empty are left out.
            kind: Of resource, as the path names it.
            lasts: Seconds for which a good answer serves all who share a connection; 0 to ask each time.
        """
        path = "".join("/" + segment("id", part) for part in segments)
        url = f"{self.endpoints.modelarts}/v2/{project_id('project_id', self.id)}/{kind}{path}"
        headers = {"X-Project-Id": self.id}
        url += _query(query or {})
        request = web.ask(method, url, "modelarts", body=body, headers=headers, lasts=lasts)
        request.extensions[PLACE] = (self.region, self.id)
        return request

    def console_url(self, workflow_id: str = "", execution_id: str = "") -> str:
        """Return the page of ModelArts in the web console.

        The console's own addresses of executions are not documented: the page opens at the region's
        workflows, and the ids stand in the address for whoever reads it.
        """
        place = "/".join(quote(part, safe="") for part in ("workflow", workflow_id, execution_id) if part)
        return f"{self.endpoints.console}/modelarts/?region={quote(self.region, safe='')}#/{place}"


def project_id(field_name: str, value: Any) -> str:
    """Return *value* if it can be a project's id.

    Raises:
        InvalidInput: It cannot.
    """
    if not isinstance(value, str) or not _PROJECT_ID.fullmatch(value):
        raise InvalidInput(
            f"{field_name} is {shown(value)}.",
            fix="Give the project's id as My Credentials in the console shows it: up to 64 letters, digits "
            "and hyphens.",
        )
    return value


def uuid(field_name: str, value: Any, *, name_field: str = "") -> str:
    """Return *value* if it is the id of a workflow or an execution.

    The service refuses anything but a UUID, in words that name neither the field nor the value.

    Args:
        field_name: What it is called.
        value: The id.
        name_field: What to give instead for a name, if anything.

    Raises:
        InvalidInput: It is none.
    """
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        instead = f"; for a name, give {name_field}" if name_field else ""
        raise InvalidInput(
            f"{field_name} is {shown(value)}, which is not an id of ModelArts.",
            fix=f"Give a UUID such as f1642618-43eb-4ab1-a0b1-9cc584182c60{instead}.",
        )
    return value


@dataclass(frozen=True)
class ProjectIds:
    """Project ids that were looked up: one look-up for all tasks that share a connection."""

    known: dict[tuple[str, str], str] = field(default_factory=dict, repr=False, compare=False)

    def located(self, project: Project) -> Flow[Project]:
        """Return the project with its id, asking IAM for it if need be.

        Raises:
            InvalidInput: The account has no project, or several, of the region's name.
            BatchError: The look-up failed.
        """
        if project.id:
            return project
        key = (project.endpoints.iam, project.region)
        if key not in self.known:
            self.known[key] = yield from _look_up(project)
        return replace(project, id=self.known[key])


def _look_up(project: Project) -> Flow[str]:
    doing = f"looking up the project of region {project.region!r}"
    url = f"{project.endpoints.iam}/v3/projects" + _query({"name": project.region})
    found = rows(read((yield from send(web.ask("GET", url, "iam"))), doing), "projects")
    ids = [str(row["id"]) for row in found if row.get("id")]
    if len(ids) != 1:
        near = near_regions(project.region)
        meant = f": did you mean {' or '.join(near)}?" if near else ","
        raise InvalidInput(
            f"region is {shown(project.region)}, project_id is not given, and the account has "
            f"{len(ids) or 'no'} projects of the region's name.",
            fix=f"Check region{meant} {'Or' if near else 'or'} give project_id, as My Credentials in the "
            "console shows it.",
        )
    return project_id("The project's id in IAM's answer", ids[0])


def _query(parameters: dict[str, Any]) -> str:
    # As it is signed: with "%20", where httpx writes "+", which not every gateway reads as a blank.
    pairs = [(name, str(value)) for name, value in parameters.items() if value not in (None, "")]
    return "?" * bool(pairs) + "&".join(
        f"{quote(name, safe='~')}={_quoted(name, text)}" for name, text in pairs
    )


def _quoted(name: str, text: str) -> str:
    try:
        return quote(text, safe="~")
    except UnicodeError:
        raise InvalidInput(f"{name} is {shown(text)}, which no URL can carry.", fix="Give a text.") from None
