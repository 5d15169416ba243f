"""Executions of workflows, the steps that they have begun, and the store that keeps both."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.emulator.ids import new_guid
from airflow_batch_provider.emulator.modelarts.references import Scope

if TYPE_CHECKING:
    from airflow_batch_provider.emulator.database import Database

FINAL = frozenset({"completed", "stopped", "abnormal"})
STEP_GOOD = frozenset({"completed", "skipped"})
STEP_BAD = frozenset({"create_failed", "failed", "timeout", "stopped"})
STEP_FINAL = STEP_GOOD | STEP_BAD
STEP_WAITS = frozenset({"wait_inputs", "hold"})
_SCHEMA = """
CREATE TABLE IF NOT EXISTS executions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, workflow TEXT NOT NULL,
    status TEXT NOT NULL, scene TEXT NOT NULL, labels TEXT NOT NULL, created REAL NOT NULL,
    body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS executions_by_workflow ON executions (workflow, seq);
CREATE INDEX IF NOT EXISTS executions_by_status ON executions (status);
"""


@dataclass
class StepRun:
    """One step that an execution has begun. All fields are JSON values.

    Attributes:
        name: The step's name.
        attempt: 1 for the first run of this step in this execution.
        uuid: Identifies this run of the step.
        status: As the service calls it.
        states: Each status with the epoch second at which it began.
        due: Epoch second of the next change that the clock makes; None if something else decides it.
        inputs: The step's inputs with their ``value`` resolved.
        outputs: The step's outputs with their ``config`` resolved.
        properties: The step's properties, resolved.
        job: What a real job runs: code, boot file and parameters; None for a step that only takes its time.
        outcome: The status that the step ends in when its time is over.
        error: Text of a failure.
        verdict: What a condition step decided.
        metrics: What a job step wrote to ``metrics.json``.
        released: Whether someone has let the step go on from ``hold``.
    """

    name: str
    attempt: int = 1
    uuid: str = field(default_factory=new_guid)
    status: str = "init"
    states: list[list[Any]] = field(default_factory=lambda: [["init", time.time()]])
    due: float | None = None
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    properties: dict[str, Any] = field(default_factory=dict)
    job: dict[str, Any] | None = None
    outcome: str | None = None
    error: str | None = None
    verdict: bool | None = None
    metrics: list[dict[str, Any]] = field(default_factory=list)
    released: bool = False

    @property
    def done(self) -> bool:
        """Whether the status is final."""
        return self.status in STEP_FINAL

    def enter(self, status: str, due: float | None = None) -> None:
        """Change the status now; *due* is when the clock changes it again."""
        self.status, self.due = status, due
        self.states.append([status, time.time()])


@dataclass
class Execution:
    """One execution. All fields are JSON values, so that a row restores it after a restart.

    Attributes:
        definition: The workflow as it was at the start, with the parameters and data of this execution, and
            the steps of its scene only.
        labels: Those that the service shows.
        script: What the labels that were sent say of how steps end, whether or not they were kept.
        status: None at first: the service then tells none.
        stopping: Whether someone asked the whole execution to stop.
        steps: The steps that have begun, in that order.
        attempts: How often each step has begun.
    """

    id: str
    workflow_id: str
    workflow_name: str
    name: str
    description: str
    created_at: float
    definition: dict[str, Any]
    labels: list[str] = field(default_factory=list)
    script: list[str] = field(default_factory=list)
    policies: dict[str, Any] = field(default_factory=dict)
    scene_id: str = ""
    scene_name: str = ""
    status: str | None = None
    states: list[list[Any]] = field(default_factory=list)
    due: float | None = None
    stopping: bool = False
    steps: list[StepRun] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether the status is final, unless someone reruns it."""
        return self.status in FINAL

    def enter(self, status: str, due: float | None = None) -> None:
        """Change the status now; *due* is when the clock changes it again."""
        self.status, self.due = status, due
        self.states.append([status, time.time()])

    def step(self, uuid: str) -> StepRun | None:
        """Return a step that has begun, or None."""
        return next((step for step in self.steps if step.uuid == uuid), None)

    def defined(self, name: str) -> dict[str, Any]:
        """Return the definition of a step."""
        found: dict[str, Any] = next(step for step in self.definition["steps"] if step["name"] == name)
        return found

    def scope(self) -> Scope:
        """Return what references stand for now."""
        sections = ("parameters", "data", "data_requirements", "storages")
        return Scope(
            self.id,
            {key: {item["name"]: item for item in self.definition.get(key) or []} for key in sections},
            {
                (step.name, output.get("name", "")): output.get("config") or {}
                for step in self.steps
                for output in step.outputs
            },
            {step.name: _values(step.metrics) for step in self.steps},
        )

    def next_due(self) -> float | None:
        """Return when the clock next changes something."""
        return min(
            (due for due in (self.due, *(step.due for step in self.steps)) if due is not None), default=None
        )


def _values(metrics: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        str(metric["key"]): metric["data"]["value"]
        for metric in metrics
        if isinstance(metric.get("data"), dict) and "value" in metric["data"]
    }


@dataclass(frozen=True)
class Filter:
    """Which executions of a workflow to list.

    Attributes:
        labels: All of them must be on the execution.
        status: The status, or nothing.
        scene: The scene's id, or nothing.
        created_until: Only those that were made up to this epoch second.
    """

    labels: tuple[str, ...] = ()
    status: str = ""
    scene: str = ""
    created_until: float = float("inf")


class ExecutionStore:
    """All executions of all workflows, in order of creation."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.connection.executescript(_SCHEMA)

    def save(self, execution: Execution) -> None:
        """Keep an execution's new state, or a new execution."""
        self._database.execute(
            "INSERT INTO executions (id, workflow, status, scene, labels, created, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " status = excluded.status, labels = excluded.labels, body = excluded.body",
            execution.id, execution.workflow_id, execution.status or "", execution.scene_id,
            json.dumps(execution.labels), execution.created_at, json.dumps(asdict(execution)),
        )  # fmt: skip

    def get(self, execution_id: str) -> Execution | None:
        """Return an execution, or None."""
        row = self._database.execute("SELECT body FROM executions WHERE id = ?", execution_id).fetchone()
        return _restore(row[0]) if row else None

    def unfinished(self) -> list[Execution]:
        """Return the executions that are not in a final status."""
        rows = self._database.execute("SELECT body FROM executions WHERE status IN ('', 'init', 'running')")
        return [_restore(body) for (body,) in rows]

    def all(self) -> list[Execution]:
        """Return all executions, oldest first."""
        return [
            _restore(body) for (body,) in self._database.execute("SELECT body FROM executions ORDER BY seq")
        ]

    def page(
        self, workflow_id: str, wanted: Filter, *, offset: int = 0, limit: int = -1, newest_first: bool = True
    ) -> tuple[int, list[Execution]]:
        """Return how many executions of a workflow fit, and those on one page.

        Args:
            workflow_id: The workflow.
            wanted: Which of its executions.
            offset: How many to leave out at the beginning.
            limit: The most to return; -1 for all.
            newest_first: The order.
        """
        clauses = ["workflow = ?", "created <= ?"]
        values: list[Any] = [workflow_id, min(wanted.created_until, 1e12)]
        for label in wanted.labels:
            clauses.append("EXISTS (SELECT 1 FROM json_each(labels) WHERE value = ?)")
            values.append(label)
        for column, value in (("status", wanted.status), ("scene", wanted.scene)):
            if value:
                clauses.append(f"{column} = ?")
                values.append(value)
        where = f"FROM executions WHERE {' AND '.join(clauses)}"
        (total,) = self._database.execute(f"SELECT count(*) {where}", *values).fetchone()
        rows = self._database.execute(
            f"SELECT body {where} ORDER BY seq {'DESC' if newest_first else 'ASC'} LIMIT ? OFFSET ?",
            *values,
            limit,
            offset,
        )
        return int(total), [_restore(body) for (body,) in rows]

    def delete(self, execution_id: str) -> None:
        """Forget an execution."""
        self._database.execute("DELETE FROM executions WHERE id = ?", execution_id)


def _restore(body: str) -> Execution:
    fields = json.loads(body)
    fields["steps"] = [StepRun(**step) for step in fields["steps"]]
    return Execution(**fields)
