"""Lists of resources, read to their end."""

from __future__ import annotations

from typing import Any

from airflow_batch_provider.errors import UnexpectedAnswer
from airflow_batch_provider.flow import Flow, send
from airflow_batch_provider.services.azure_ml.answers import read, rows
from airflow_batch_provider.services.azure_ml.hosts import check_host, token_hosts
from airflow_batch_provider.services.azure_ml.workspace import Workspace, ask

_PAGES = 1000


def list_resources(workspace: Workspace, *path: str, **query: str) -> Flow[list[dict[str, Any]]]:
    """Return the resources of a kind.

    Args:
        workspace: Where.
        *path: Below the workspace: ``"batchEndpoints", "digits", "deployments"``.
        **query: Such as ``isDefault="true"``.

    Raises:
        InvalidInput: A page is on a host that may not see the token.
        UnexpectedAnswer: The list has no end.
        BatchError: A page could not be read.
    """
    doing, action = f"listing {'/'.join(path)}", "/".join((*path[::2], "read"))
    found: list[dict[str, Any]] = []
    seen: set[str] = set()
    url = workspace.url(*path, **query)
    while url not in seen and len(seen) < _PAGES:
        seen.add(url)
        page = read((yield from send(ask("GET", url, "arm"))), doing, action=action)
        found += rows(page)
        if not page.get("nextLink"):
            return found
        url = str(page["nextLink"])
        check_host(url, token_hosts(workspace.cloud, workspace.arm_url)["arm"], f"The next page of {doing}")
    raise UnexpectedAnswer(f"The list of {'/'.join(path)} has no end: a page leads to itself or to too many.")
