"""Workflows: the definitions and the store that keeps them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.emulator.ids import new_guid
from airflow_batch_provider.emulator.modelarts.clock import timestamp

if TYPE_CHECKING:
    from airflow_batch_provider.emulator.database import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS workflows (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, body TEXT NOT NULL);
"""
CHANGEABLE = (
    *("name", "description", "steps", "data", "data_requirements", "parameters", "storages", "labels"),
    "smn_switch",
)
_KEPT = (
    *CHANGEABLE,
    *(
        "workspace_id",
        "source_workflow_id",
        "gallery_subscription",
        "source",
        "assets",
        "sub_graphs",
        "extend",
    ),
    *("policy", "with_subscription", "subscription_id", "exeml_template_id", "package"),
)


@dataclass
class Workflow:
    """One workflow.

    Attributes:
        id: Its UUID.
        created_at: Epoch seconds.
        changed_at: Epoch seconds of the last change.
        definition: What its maker said of it.
        runs: How many executions were started.
    """

    id: str
    created_at: float
    changed_at: float
    definition: dict[str, Any] = field(default_factory=dict)
    runs: int = 0

    @property
    def name(self) -> str:
        """The workflow's name, which need not be unique."""
        return str(self.definition["name"])

    @property
    def ready(self) -> bool:
        """Whether everything that cannot be given later has a value (``param_ready``; assumed)."""
        items = [*self.section("parameters"), *self.section("data_requirements")]
        return not any(is_missing(item) and not item.get("delay") for item in items)

    def section(self, name: str) -> list[dict[str, Any]]:
        """Return a list of the definition, empty if it is not there."""
        return self.definition.get(name) or []


def is_missing(item: dict[str, Any]) -> bool:
    """Whether a parameter or a data requirement has neither value nor default."""
    return item.get("value") is None and item.get("default") is None


def make(body: dict[str, Any]) -> Workflow:
    """Make a workflow from a request; keys that the server owns are ignored."""
    now = time.time()
    defaults = {"description": "", "workspace_id": "0", "labels": []}
    return Workflow(new_guid(), now, now, defaults | {key: body[key] for key in _KEPT if key in body})


def view(workflow: Workflow, user: str, latest: dict[str, Any] | None) -> dict[str, Any]:
    """Return a workflow as the service shows it.

    Args:
        workflow: The workflow.
        user: The user's name.
        latest: Its last execution, briefly.
    """
    return workflow.definition | {
        "workflow_id": workflow.id,
        "created_at": timestamp(workflow.created_at),
        "last_modified_at": timestamp(workflow.changed_at),
        "user_name": user,
        "run_count": workflow.runs,
        "param_ready": workflow.ready,
        **({"latest_execution": latest} if latest else {}),
    }


class WorkflowStore:
    """All workflows, in order of creation."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.connection.executescript(_SCHEMA)

    def save(self, workflow: Workflow) -> None:
        """Keep a workflow's new state, or a new workflow."""
        self._database.execute(
            "INSERT INTO workflows (id, body) VALUES (?, ?)"
            " ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            workflow.id,
            json.dumps(vars(workflow)),
        )

    def put(self, body: dict[str, Any]) -> None:
        """Keep a workflow, instead of the oldest of its name if there is one, and under that one's id."""
        made = make(body)
        found = next((one for one in self.all() if one.name == made.name), made)
        self.save(replace(found, definition=made.definition, changed_at=made.changed_at))

    def get(self, workflow_id: str) -> Workflow | None:
        """Return a workflow, or None."""
        row = self._database.execute("SELECT body FROM workflows WHERE id = ?", workflow_id).fetchone()
        return Workflow(**json.loads(row[0])) if row else None

    def all(self) -> list[Workflow]:
        """Return all workflows, oldest first."""
        rows = self._database.execute("SELECT body FROM workflows ORDER BY seq")
        return [Workflow(**json.loads(body)) for (body,) in rows]

    def delete(self, workflow_id: str) -> None:
        """Forget a workflow."""
        self._database.execute("DELETE FROM workflows WHERE id = ?", workflow_id)
