"""What Airflow says of a running task whose worker is being ended."""

from __future__ import annotations

from contextlib import suppress
from threading import Thread
from typing import Any

_ASK_SECONDS = 1.5  # Airflow kills the process some five seconds after it asked it to end.

# Airflow asks a task's process to end also when its worker shuts down, when its API could not be reached, and
# when another process has taken the task over. In these states it was the user: marked, or cleared.
_ENDED_BY_USER = ("success", "failed", "skipped", "removed", "restarting", None)


def ended_by_user(instance: Any) -> bool:
    """Say whether a task that runs in this process was certainly ended by the user.

    Args:
        instance: Airflow's task instance.
    """
    told: list[str | None] = []

    def ask() -> None:
        with suppress(Exception):  # then it is not known
            told.append(_state(instance))

    # In a thread of its own: the one that was interrupted may be asking Airflow something at this moment.
    thread = Thread(target=ask, name="ask-for-task-state", daemon=True)
    thread.start()
    thread.join(_ASK_SECONDS)
    return bool(told) and told[0] in _ENDED_BY_USER


def _state(instance: Any) -> str | None:
    mapped = instance.map_index is not None and instance.map_index >= 0
    states = instance.get_task_states(
        dag_id=instance.dag_id,
        task_ids=[instance.task_id],
        run_ids=[instance.run_id],
        map_index=instance.map_index if mapped else None,
    )
    name = f"{instance.task_id}_{instance.map_index}" if mapped else instance.task_id
    state: str | None = states.get(instance.run_id, {}).get(name, "unknown")
    return state
