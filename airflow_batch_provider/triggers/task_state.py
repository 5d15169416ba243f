"""What has become of the task that a trigger waits for."""

from __future__ import annotations

from typing import Any

from airflow_batch_provider.bounds import bounded

_ASK_SECONDS = 8.0
UNKNOWN = "unknown"

# Airflow 3.3.2 calls a trigger's on_kill() also when the trigger was handed to another triggerer. In these
# states no trigger and no worker goes on with the task, so it was the user: marked, or cleared (no state).
# A cleared task that is already scheduled again deals with its job itself when it runs.
_ENDED_BY_USER = ("success", "failed", "skipped", "removed", None)


def ended_by_user(state: str | None) -> bool:
    """Say whether a task in this state was certainly ended by the user while it was deferred."""
    return state in _ENDED_BY_USER


async def task_state(instance: Any) -> str | None:
    """Ask Airflow for a task instance's state.

    Args:
        instance: The trigger's ``task_instance``.

    Returns:
        The state, ``None`` for a task without one, or `UNKNOWN` if Airflow does not tell in time.
    """
    from airflow.sdk.execution_time.comms import GetTaskStates, TaskStatesResult
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

    mapped = instance.map_index is not None and instance.map_index >= 0
    wanted = GetTaskStates(
        dag_id=instance.dag_id,
        run_ids=[instance.run_id],
        task_ids=[instance.task_id],
        map_index=instance.map_index if mapped else None,
    )
    try:
        answer = await bounded(SUPERVISOR_COMMS.asend(wanted), _ASK_SECONDS)
    except Exception:  # noqa: BLE001  # whatever it is, the state is not known
        return UNKNOWN
    name = f"{instance.task_id}_{instance.map_index}" if mapped else instance.task_id
    states = answer.task_states.get(instance.run_id, {}) if isinstance(answer, TaskStatesResult) else {}
    state: str | None = states.get(name, UNKNOWN)
    return state
