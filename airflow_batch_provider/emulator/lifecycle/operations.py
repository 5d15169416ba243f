"""Long-running operations: what was asked of a resource, and how far it has come.

Only the clock moves them, and whoever looks first applies what has become due. So an emulator that was killed
in the middle of an operation finds the operation done when its time is over.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from typing import Any, Literal

from airflow_batch_provider.emulator.database import Database
from airflow_batch_provider.emulator.ids import Workspace, new_guid
from airflow_batch_provider.emulator.resources import ResourceStore

Verb = Literal["create", "update", "delete"]
FINAL = frozenset({"Succeeded", "Failed", "Canceled"})
_FIRST = {"create": "Creating", "update": "Updating", "delete": "Deleting"}


@dataclass(frozen=True)
class Operation:
    """One operation. All fields are JSON values, so that a row restores it after a restart.

    Attributes:
        id: A GUID.
        workspace: Subscription, resource group and workspace name.
        kind: The kind of the resource.
        name: The name of the resource, with its parents' names before it.
        verb: What was asked.
        region: Where it is worked on.
        due: Epoch second of the end.
        turn: Epoch second of the next change; None once there is none.
        status: ``Creating``, then ``Updating``, or one of those, or ``Deleting``, then a final one.
        error: What it ends with instead of succeeding, ``code`` and ``message``.
    """

    id: str
    workspace: tuple[str, str, str]
    kind: str
    name: str
    verb: Verb
    region: str
    due: float
    turn: float | None
    status: str
    error: dict[str, str] | None = None

    @property
    def where(self) -> Workspace:
        """The workspace as a value."""
        return Workspace(*self.workspace)

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self.status in FINAL


class OperationStore:
    """All operations, finished ones too: clients ask about them later.

    Args:
        database: Where they are kept.
        resources: What they change.
        speed: How many times faster than the service they are.
    """

    def __init__(self, database: Database, resources: ResourceStore, speed: float) -> None:
        self._database = database
        self._resources = resources
        self._speed = speed
        database.execute(
            "CREATE TABLE IF NOT EXISTS operations (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE,"
            " workspace TEXT, kind TEXT, name TEXT, turn REAL, body TEXT NOT NULL)"
        )
        database.execute("CREATE INDEX IF NOT EXISTS operations_by_turn ON operations (turn)")
        database.execute(
            "CREATE INDEX IF NOT EXISTS operations_by_resource ON operations (workspace, kind, name)"
        )
        self._next = self._earliest()

    def begin(
        self,
        verb: Verb,
        workspace: Workspace,
        kind: str,
        name: str,
        *,
        region: str,
        seconds: float,
        error: dict[str, str] | None = None,
        after: float = 0.0,
    ) -> Operation:
        """Start an operation and put its resource into the first state.

        Args:
            verb: What was asked.
            workspace: The resource's workspace.
            kind: Its kind.
            name: Its name, with its parents' names before it.
            region: Where it is worked on.
            seconds: How long it takes in the service's time.
            error: What it shall end with instead of succeeding.
            after: Epoch second before which it does not end, because what it needs is not ready.
        """
        now = time.time()
        earlier = self.latest(workspace, kind, name)
        due = max(now + seconds / self._speed, after, earlier.due if earlier and not earlier.done else 0.0)
        turn = (now + due) / 2 if verb == "create" else due
        where = (workspace.subscription, workspace.group, workspace.name)
        operation = Operation(new_guid(), where, kind, name, verb, region, due, turn, _FIRST[verb], error)
        self._database.execute(
            "INSERT INTO operations (id, workspace, kind, name, turn, body) VALUES (?, ?, ?, ?, ?, ?)",
            operation.id, workspace.key, kind, name.lower(), turn, json.dumps(vars(operation)),
        )  # fmt: skip
        self._resources.set_state(kind, workspace, name, operation.status)
        self._next = min(turn, self._next or turn)
        return operation

    def settle(self) -> None:
        """Apply what has become due."""
        while self._next is not None and self._next <= time.time():
            with self._database.transaction():
                rows = self._database.execute(
                    "SELECT body FROM operations WHERE turn <= ? ORDER BY turn, seq", time.time()
                ).fetchall()
                for (body,) in rows:
                    self._advance(_restore(body))
            self._next = self._earliest()

    def get(self, operation_id: str) -> Operation | None:
        """Return an operation by its id, or None."""
        row = self._database.execute("SELECT body FROM operations WHERE id = ?", operation_id).fetchone()
        return _restore(row[0]) if row else None

    def latest(self, workspace: Workspace, kind: str, name: str) -> Operation | None:
        """Return what was last asked of a resource, or None."""
        history = self._history(workspace, kind, name)
        return history[-1] if history else None

    def pending_until(self, workspace: Workspace, kind: str, name: str) -> float:
        """Return the epoch second at which a resource will be ready; 0 if nothing is under way."""
        operation = self.latest(workspace, kind, name)
        return operation.due if operation and not operation.done else 0.0

    def was_ready(self, workspace: Workspace, kind: str, name: str) -> bool:
        """Whether a resource has ever been ready since it was created; what a set-up file made is."""
        ready, asked = True, self._history(workspace, kind, name)
        for operation in asked:
            if operation.status == "Succeeded":
                ready = operation.verb != "delete"
            elif operation.verb == "create":
                ready = False
        return ready

    def _history(self, workspace: Workspace, kind: str, name: str) -> list[Operation]:
        rows = self._database.execute(
            "SELECT body FROM operations WHERE workspace = ? AND kind = ? AND name = ? ORDER BY seq",
            workspace.key, kind, name.lower(),
        )  # fmt: skip
        return [_restore(body) for (body,) in rows]

    def _earliest(self) -> float | None:
        turn: float | None = self._database.execute("SELECT min(turn) FROM operations").fetchone()[0]
        return turn

    def _advance(self, operation: Operation) -> None:
        if operation.status == "Creating":
            self._save(replace(operation, status="Updating", turn=operation.due))
        elif operation.error is not None:
            self._save(replace(operation, status="Failed", turn=None))
        elif self._resources.get(operation.kind, operation.where, operation.name) is None:
            gone = {"code": "ResourceNotFound", "message": f"{operation.kind}/{operation.name} was deleted."}
            error = None if operation.verb == "delete" else gone
            self._save(replace(operation, status="Failed" if error else "Succeeded", error=error, turn=None))
        else:
            if operation.verb == "delete":
                self._resources.remove(operation.kind, operation.where, operation.name)
            self._save(replace(operation, status="Succeeded", turn=None))

    def _save(self, operation: Operation) -> None:
        latest = self.latest(operation.where, operation.kind, operation.name)
        self._database.execute(
            "UPDATE operations SET turn = ?, body = ? WHERE id = ?",
            operation.turn, json.dumps(vars(operation)), operation.id,
        )  # fmt: skip
        # A later operation on the same resource already says what state it is in.
        if latest is None or latest.id == operation.id:
            self._resources.set_state(operation.kind, operation.where, operation.name, operation.status)


def _restore(body: str) -> Operation:
    fields: dict[str, Any] = json.loads(body)
    return Operation(**fields | {"workspace": tuple(fields["workspace"])})
