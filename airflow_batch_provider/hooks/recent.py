"""The jobs of an endpoint or a workflow, whoever started them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_batch_provider.hooks import hook_for
from airflow_batch_provider.jobs import Job, JobState, Trace, Traces


class RecentJobs:
    """Lists the jobs of one endpoint or workflow, again and again, in an event loop.

    Args:
        service: ``azure_ml`` or ``modelarts``.
        conn_id: The connection's id.
        place: What overrides the connection, as the hook's keyword arguments.
        name: Of the endpoint, or of the workflow.
        known: The workflow's id, if that is known instead of the name.
    """

    def __init__(
        self, service: str, conn_id: str, place: Mapping[str, Any], *, name: str = "", known: str = ""
    ) -> None:
        self._hook: Any = hook_for(service, conn_id, place)
        self._name = name
        self._known = known
        self._outputs: dict[str, dict[str, dict[str, str]]] = {}

    async def alist(self, since: float) -> tuple[Traces, float]:
        """List the jobs.

        Args:
            since: Epoch seconds; jobs created before need not be told.

        Returns:
            The jobs, and the time when they were asked for, epoch seconds.

        Raises:
            BatchError: They cannot be listed.
        """
        asked_at = time.time()
        await self._hook.aopen()
        service = self._hook.service
        if not self._known:
            self._known = await self._hook.arun(service.where(self._name))
        found: Traces = await self._hook.arun(service.recent(self._known, since))
        listed = {trace.ref.id for trace in found.found}
        self._outputs = {job_id: kept for job_id, kept in self._outputs.items() if job_id in listed}
        return found, asked_at

    async def awhole(self, trace: Trace) -> Job:
        """Return a job with what a list does not tell: where it wrote. That is asked for once.

        Raises:
            BatchError: It cannot be told now.
        """
        job = trace.job
        if job.state is JobState.SUCCEEDED and job.id not in self._outputs:
            self._outputs[job.id] = await self._hook.arun(self._hook.service.outputs(trace.ref))
        return replace(job, outputs=self._outputs.get(job.id, {}))
