"""A workspace: its address, and requests to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import httpx

from airflow_batch_provider import web
from airflow_batch_provider.services.azure_ml.clouds import Cloud
from airflow_batch_provider.web import A_MINUTE, AUDIENCE, USER_AGENT, segment

__all__ = ["API_VERSION", "AUDIENCE", "A_MINUTE", "USER_AGENT", "Audience", "Workspace", "ask", "segment"]

Audience: TypeAlias = Literal["arm", "ml", "storage", "none"]
"""For whom a request's token is made: Resource Manager (and run history and data), the batch data plane, or
blob storage."""

API_VERSION = "2023-10-01"
"""What Microsoft's own client uses for batch endpoints; the first with the jobs list's properties filter."""


def ask(
    method: str,
    url: str,
    audience: Audience,
    *,
    body: Any = None,
    headers: dict[str, str] | None = None,
    lasts: float = 0.0,
) -> httpx.Request:
    """Build a request.

    Args:
        method: HTTP method.
        url: Absolute URL.
        audience: For whom its token is made.
        body: Sent as JSON; ``None`` sends no body.
        headers: Further headers.
        lasts: Seconds for which a good answer serves all who share a connection; 0 to ask each time.

    Raises:
        InvalidInput: The URL cannot be one.
    """
    return web.ask(method, url, audience, body=body, headers=headers, lasts=lasts)


@dataclass(frozen=True)
class Workspace:
    """An Azure Machine Learning workspace.

    Args:
        cloud: The cloud that it is in.
        subscription_id: GUID.
        resource_group: Its resource group's name.
        name: Its name.
        arm: Base URL of Resource Manager; empty for the cloud's own.
        api_version: Of Resource Manager requests.
    """

    cloud: Cloud
    subscription_id: str
    resource_group: str
    name: str
    arm: str = ""
    api_version: str = API_VERSION

    @property
    def id(self) -> str:
        """The workspace's ARM id."""
        return (
            f"/subscriptions/{segment('subscription_id', self.subscription_id)}"
            f"/resourceGroups/{segment('resource_group_name', self.resource_group)}"
            f"/providers/Microsoft.MachineLearningServices"
            f"/workspaces/{segment('workspace_name', self.name)}"
        )

    @property
    def arm_url(self) -> str:
        """Base URL of Resource Manager, without a slash at the end."""
        return (self.arm or self.cloud.arm).rstrip("/")

    def url(self, *segments: str, **query: str) -> str:
        """Return the URL of a resource below the workspace, with its api-version.

        Args:
            *segments: Of the path, each one name.
            **query: Further parameters.
        """
        path = "".join("/" + segment("resource name", part) for part in segments)
        parameters = httpx.QueryParams({**query, "api-version": self.api_version})
        return f"{self.arm_url}{self.id}{path}?{parameters}"

    def studio_url(self, job_id: str) -> str:
        """Return the page of a job in Azure Machine Learning studio, in the form that the service gives."""
        workspace = self.id.replace("/resourceGroups/", "/resourcegroups/", 1)
        workspace = workspace.replace("/providers/Microsoft.MachineLearningServices", "", 1)
        return f"{self.cloud.studio}/runs/{segment('job id', job_id)}?wsid={workspace}"
