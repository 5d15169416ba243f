"""Asking for one job: of the data plane, or of Resource Manager where that knows better."""

from __future__ import annotations

import httpx

from airflow_batch_provider.errors import NotFound
from airflow_batch_provider.flow import Flow, send
from airflow_batch_provider.jobs import Job, JobRef
from airflow_batch_provider.services.azure_ml.answers import need, read
from airflow_batch_provider.services.azure_ml.listing import POLL, job
from airflow_batch_provider.services.azure_ml.workspace import Workspace, ask, segment


class Asking:
    """Asks for one job, with requests that are built once: httpx takes its time for a URL.

    Args:
        workspace: Where it is.
        ref: The job.
    """

    __slots__ = ("_of_data_plane", "_of_workspace", "_ref", "_workspace")

    def __init__(self, workspace: Workspace, ref: JobRef) -> None:
        self._workspace = workspace
        self._ref = ref
        self._of_data_plane: httpx.Request | None = None
        self._of_workspace: httpx.Request | None = None
        if scoring_uri := ref.place.get("scoring_uri"):
            self._of_data_plane = ask("GET", f"{scoring_uri}/{segment('job id', ref.id)}", "ml")

    def __call__(self) -> Flow[Job]:
        """Ask once."""
        if self._of_data_plane is not None:
            try:
                return (yield from self._read(self._of_data_plane))
            except NotFound:
                # An endpoint that is gone, or a gateway: the workspace knows whether the job is.
                pass
        if self._of_workspace is None:
            self._of_workspace = ask("GET", self._workspace.url("jobs", self._ref.id), "arm")
        return (yield from self._read(self._of_workspace))

    def _read(self, request: httpx.Request) -> Flow[Job]:
        doing = f"asking for job {self._ref.id}"
        response = yield from send(request, retry=POLL)
        answer = read(response, doing, action="jobs/read")
        need(answer, doing, "properties", "status")
        return job(answer, self._ref)
