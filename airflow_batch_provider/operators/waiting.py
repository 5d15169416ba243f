"""How long an operator waits: the arguments that those of jobs and those of resources share."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from airflow_batch_provider.checks import not_negative, positive

if TYPE_CHECKING:
    from airflow.sdk import Context


class Waits(Protocol):
    """An operator that waits."""

    poll_interval: Any
    timeout: Any
    outage_tolerance: Any
    execution_timeout: timedelta | None


def check_waiting(operator: Waits, *, literal: bool) -> None:
    """Check the arguments.

    Args:
        operator: Whose they are.
        literal: Whether templates may be among them, which cannot be checked yet.

    Raises:
        InvalidInput: One is no number of seconds.
    """
    values = {"poll_interval": operator.poll_interval, "outage_tolerance": operator.outage_tolerance}
    if operator.timeout is not None:
        values["timeout"] = operator.timeout
    for name, value in values.items():
        number = value.total_seconds() if isinstance(value, timedelta) else value
        if not literal or isinstance(number, int | float):
            (not_negative if name == "outage_tolerance" else positive)(name, number)


def deadline_of(operator: Waits, context: Context, began: float) -> float | None:
    """Return the epoch second at which waiting ends, the same in every process, or ``None``.

    Args:
        operator: Who waits.
        context: Of the task.
        began: Epoch second from which ``timeout`` counts.
    """
    ends = []
    if operator.timeout is not None:
        ends.append(began + _seconds(operator.timeout))
    started = context["ti"].start_date
    if operator.execution_timeout is not None and started is not None:
        ends.append(started.timestamp() + operator.execution_timeout.total_seconds())
    return min(ends, default=None)


def _seconds(value: Any) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else float(value)
