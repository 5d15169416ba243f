"""Where an operator keeps the record of its submission: Airflow's task state store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]  # missing in the stub only

from airflow_batch_provider.values import EVERY_RUN

KEY = "airflow_batch_provider.submission"
"""Never renamed: tasks that are running across an upgrade look for it."""


class TaskStateRecords:
    """A record store on ``context["task_state_store"]``: kept across retries, clears and deferrals.

    Args:
        accessor: Airflow's accessor of the task instance that runs.
        instance: The task instance that runs.
        on_job: Called with the reference of a job, as a mapping, before it is kept.
    """

    def __init__(
        self, accessor: Any, instance: Any, on_job: Callable[[Mapping[str, Any]], None] = lambda _: None
    ) -> None:
        self._accessor = accessor
        self._instance = instance
        self._on_job = on_job

    def load(self) -> Mapping[str, Any] | None:
        """Return the record, or ``None``."""
        record = self._accessor.get(KEY)
        return record if isinstance(record, Mapping) else None

    def save(self, record: Mapping[str, Any]) -> None:
        """Keep the record for ever."""
        ref = record.get("ref")
        if ref and ref["id"]:
            self._on_job(ref)
        self._accessor.set(KEY, dict(record), retention=NEVER_EXPIRE)

    def alone(self, *, ever: bool = False) -> bool:
        """Say whether no mapped sibling and no other run of the DAG can have it; *ever*: no earlier one."""
        instance = self._instance
        if instance.map_index not in (-1, None):
            return False
        running: int = instance.get_dr_count(
            dag_id=instance.dag_id, states=EVERY_RUN if ever else ["running"]
        )
        return running <= 1
