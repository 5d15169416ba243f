"""The trigger that starts DAGs when jobs end, whoever started them."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.checks import choice, just_one
from airflow_batch_provider.errors import PASSING, BatchError, InvalidInput
from airflow_batch_provider.jobs import Trace
from airflow_batch_provider.triggers.events import DAY, ArrivalTrigger
from airflow_batch_provider.triggers.looks import Place, Sighting
from airflow_batch_provider.triggers.watermark import Arrival
from airflow_batch_provider.values import is_nothing, shown

if TYPE_CHECKING:
    from airflow_batch_provider.hooks.recent import RecentJobs

ENDS = ("succeeded", "failed", "canceled")
_LONGEST_JOB = 30 * DAY

_log = logging.getLogger(__name__)


class JobEventTrigger(ArrivalTrigger):
    """Tells of each job of an endpoint, or execution of a workflow, that has ended, for an ``AssetWatcher``.

    Give one of *endpoint_name*, *workflow_name* and *workflow_id*. Whoever started the job does not matter.
    As with `output_events.OutputEventTrigger`, each end is told once, and again only after a kill in between.
    Jobs that run for more than 30 days are not told.

    Args:
        endpoint_name: Batch endpoint of Azure Machine Learning.
        workflow_name: Workflow of ModelArts.
        workflow_id: Likewise, by its UUID.
        states: Which ends are told: ``succeeded``, ``failed``, ``canceled``. Default: all.
        azure_ml_conn_id: Connection for an endpoint.
        modelarts_conn_id: Connection for a workflow.
        subscription_id: Of an endpoint, instead of the connection's.
        resource_group_name: Likewise.
        workspace_name: Likewise.
        cloud_environment: Likewise.
        poll_interval: As for `ArrivalTrigger`.
        since: Likewise; of a job the time of its creation counts.

    Yields:
        For what ended between two looks an event that is the newest job, see `jobs.Job.to_dict` (``id``,
        ``name``, ``status``, ``state``, ``endpoint``, ``outputs``, ``url``, …), and ``jobs``: each like that.

    Raises:
        InvalidInput: An argument cannot be right.
    """

    together = "jobs"
    # A list of jobs has to end somewhere; the list of a folder has an end.
    remembered = 1000
    slack = DAY

    def __init__(
        self,
        *,
        endpoint_name: str | None = None,
        workflow_name: str | None = None,
        workflow_id: str | None = None,
        states: Sequence[str] = ENDS,
        azure_ml_conn_id: str = "azure_ml_default",
        modelarts_conn_id: str = "modelarts_default",
        subscription_id: str | None = None,
        resource_group_name: str | None = None,
        workspace_name: str | None = None,
        cloud_environment: str | None = None,
        poll_interval: float = 60.0,
        since: str | datetime | None = None,
    ) -> None:
        super().__init__(poll_interval=poll_interval, since=since)
        given = {"endpoint_name": endpoint_name, "workflow_name": workflow_name, "workflow_id": workflow_id}
        which = just_one("whose jobs", **given)
        if is_nothing(given[which]):
            raise InvalidInput(f"{which} is {shown(given[which])}.", fix="Give a name or an id.")
        self.endpoint_name = endpoint_name
        self.workflow_name = workflow_name
        self.workflow_id = workflow_id
        self.states = _ends(states)
        self.azure_ml_conn_id = azure_ml_conn_id
        self.modelarts_conn_id = modelarts_conn_id
        self.subscription_id = subscription_id
        self.resource_group_name = resource_group_name
        self.workspace_name = workspace_name
        self.cloud_environment = cloud_environment

    def _arguments(self) -> dict[str, Any]:
        return {
            "endpoint_name": self.endpoint_name,
            "workflow_name": self.workflow_name,
            "workflow_id": self.workflow_id,
            "states": self.states,
            "azure_ml_conn_id": self.azure_ml_conn_id,
            "modelarts_conn_id": self.modelarts_conn_id,
            **self._workspace(),
        }

    def _workspace(self) -> dict[str, Any]:
        return {
            "subscription_id": self.subscription_id,
            "resource_group_name": self.resource_group_name,
            "workspace_name": self.workspace_name,
            "cloud_environment": self.cloud_environment,
        }

    def _watched(self) -> tuple[str, ...]:
        if self.endpoint_name:
            where = (value or "" for value in self._workspace().values())
            return ("endpoint", self.endpoint_name, self.azure_ml_conn_id, *where)
        return "workflow", self.workflow_name or "", self.workflow_id or "", self.modelarts_conn_id

    def _chosen(self) -> tuple[str, ...]:
        return tuple(self.states)

    def _place(self) -> Place:
        from airflow_batch_provider.hooks.recent import RecentJobs

        if self.endpoint_name:
            place = self._workspace()
            return _Jobs(RecentJobs("azure_ml", self.azure_ml_conn_id, place, name=self.endpoint_name))
        known = self.workflow_id or ""
        return _Jobs(
            RecentJobs("modelarts", self.modelarts_conn_id, {}, name=self.workflow_name or "", known=known)
        )

    def _arrivals(self, sighting: Sighting) -> list[Arrival]:
        found = []
        for trace, whole in sighting.there:
            job, began = trace.job, trace.ref.submitted_at or sighting.now
            ready = job.state.value in self.states
            if ready or (not job.state.done and began >= sighting.now - _LONGEST_JOB):
                # An execution that is run again ends again.
                found.append(Arrival(f"{job.id}\n{job.status}", began, ready, whole))
        return found


class _Jobs:
    """The jobs of an endpoint or workflow."""

    def __init__(self, jobs: RecentJobs) -> None:
        self._jobs = jobs

    async def look(self, since: float | None) -> Sighting:
        if since is None:
            return Sighting((), time.time(), math.inf)  # Whoever follows says how far to go back.
        found, now = await self._jobs.alist(since)
        if not found.complete:
            _log.warning("There are more jobs than can be listed: the oldest may not be told.")
        return Sighting([(trace, _Whole(self._jobs, trace)) for trace in found.found], now, since)


class _Whole:
    """A payload that has to be asked for."""

    def __init__(self, jobs: RecentJobs, trace: Trace) -> None:
        self._jobs = jobs
        self._trace = trace

    async def __call__(self) -> dict[str, Any]:
        try:
            return (await self._jobs.awhole(self._trace)).to_dict()
        except PASSING:
            raise
        except BatchError as error:
            # That it ended is certain, and no later look will know more.
            _log.warning("The outputs of job %s are not known: %s", self._trace.ref.id, error)
            return self._trace.job.to_dict()


def _ends(states: Any) -> list[str]:
    given = [states] if isinstance(states, str) else list(states)
    if not given:
        raise InvalidInput("states is empty.", fix=f"Use some of {', '.join(map(repr, ENDS))}.")
    return sorted({choice("states", state, *ENDS) for state in given})
