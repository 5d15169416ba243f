"""Batch jobs: what is known of each, and the store that keeps them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_batch_provider.emulator.database import Database
from airflow_batch_provider.emulator.ids import Workspace

TERMINAL = frozenset({"Completed", "Failed", "Canceled"})


@dataclass
class Job:
    """One batch job. All fields are JSON values, so that a row restores it after a restart.

    Attributes:
        id: The service-generated name: ``batchjob-{guid}`` for a model deployment, a GUID for a pipeline.
        workspace: Subscription, resource group and workspace name.
        deployment_properties: The deployment's properties when the job was accepted.
        request: The accepted request's properties, in canonical key case.
        tags: The tags that the service shows: its own and those that it kept.
        properties: The same for properties.
        states: Each status with the epoch second at which it began.
        due: Epoch second of the next transition; None while user code decides.
        spec: What runs, as JSON text; the same after a restart.
        outcome: The final status, once user code has decided it.
        outputs: Each named output with the ``uri`` and ``type`` that run history tells.
        error: The text of a failure.
        hidden: Whether it is archived.
    """

    id: str
    workspace: tuple[str, str, str]
    region: str
    endpoint: str
    deployment: str
    kind: str
    display_name: str
    experiment: str
    child: str
    created_at: float
    created_by: str
    deployment_properties: dict[str, Any]
    request: dict[str, Any]
    tags: dict[str, str]
    properties: dict[str, str]
    status: str = "Preparing"
    states: list[tuple[str, float]] = field(default_factory=list)
    due: float | None = None
    spec: str | None = None
    outcome: str | None = None
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    error: str | None = None
    hidden: bool = False

    @property
    def where(self) -> Workspace:
        """The workspace as a value."""
        return Workspace(*self.workspace)

    @property
    def done(self) -> bool:
        """Whether the status is final."""
        return self.status in TERMINAL

    def enter(self, status: str, *, due: float | None = None) -> None:
        """Change the status now.

        Args:
            status: The new one.
            due: Epoch second of the transition after this one, if time alone decides it.
        """
        self.status = status
        self.due = due
        self.states.append((status, time.time()))

    def entered(self, *statuses: str) -> float | None:
        """Return when the first of these statuses began, or None."""
        return next((at for status, at in self.states if status in statuses), None)


class JobStore:
    """All jobs of all workspaces, in order of creation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, job: Job) -> None:
        """Keep a new job."""
        self._database.execute(
            "INSERT INTO jobs (id, workspace, endpoint, deployment, status, created, child, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            job.id, job.where.key, job.endpoint.lower(), job.deployment.lower(), job.status, job.created_at,
            job.child, json.dumps(vars(job)),
        )  # fmt: skip

    def save(self, job: Job) -> None:
        """Keep a job's new state."""
        self._database.execute(
            "UPDATE jobs SET status = ?, body = ? WHERE id = ?", job.status, json.dumps(vars(job)), job.id
        )

    def get(self, job_id: str) -> Job | None:
        """Return a job by its id, or None."""
        return self._one("SELECT body FROM jobs WHERE id = ?", job_id)

    def by_run(self, run_id: str) -> Job | None:
        """Return the job that a run belongs to: the job's own run or its child."""
        return self.get(run_id) or self._one("SELECT body FROM jobs WHERE child = ?", run_id)

    def unfinished(self) -> list[Job]:
        """Return the jobs that are not in a final status, oldest first."""
        marks = ", ".join("?" * len(TERMINAL))
        rows = self._database.execute(
            f"SELECT body FROM jobs WHERE status NOT IN ({marks}) ORDER BY seq",  # noqa: S608 - only marks
            *TERMINAL,
        )
        return [_restore(body) for (body,) in rows]

    def page(
        self,
        workspace: Workspace | None = None,
        *,
        endpoint: str = "",
        deployment: str = "",
        before: int | None = None,
        created_until: float | None = None,
        limit: int = 100,
    ) -> Sequence[tuple[int, Job]]:
        """Return jobs newest first, each with its sequence number.

        Args:
            workspace: Only this one's jobs.
            endpoint: Only this endpoint's jobs.
            deployment: Only this deployment's jobs.
            before: Only jobs before this sequence number: the place where the last page ended.
            created_until: Only jobs that were accepted up to this epoch second.
            limit: The most to return.
        """
        filters = {
            "workspace = ?": workspace.key if workspace else None,
            "endpoint = ?": endpoint.lower() or None,
            "deployment = ?": deployment.lower() or None,
            "seq < ?": before,
            "created <= ?": created_until,
        }
        used = {clause: value for clause, value in filters.items() if value is not None}
        where = " AND ".join(used) or "1"
        rows = self._database.execute(
            f"SELECT seq, body FROM jobs WHERE {where} ORDER BY seq DESC LIMIT ?",  # noqa: S608 - fixed clauses
            *used.values(),
            limit,
        )
        return [(seq, _restore(body)) for seq, body in rows]

    def remember_request(self, key: str, job_id: str) -> None:
        """Note which job a repeatable request made."""
        self._database.execute("INSERT OR REPLACE INTO repeatability VALUES (?, ?)", key, job_id)

    def by_request(self, key: str) -> Job | None:
        """Return the job that a repeatable request made, or None."""
        row = self._database.execute("SELECT job FROM repeatability WHERE key = ?", key).fetchone()
        return self.get(row[0]) if row else None

    def _one(self, statement: str, *values: str) -> Job | None:
        row = self._database.execute(statement, *values).fetchone()
        return _restore(row[0]) if row else None


def _restore(body: str) -> Job:
    fields = json.loads(body)
    fields["workspace"] = tuple(fields["workspace"])
    fields["states"] = [(status, at) for status, at in fields["states"]]
    return Job(**fields)
