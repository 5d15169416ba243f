"""Where a trigger keeps the record of its submission: an XCom of its task instance.

In Airflow 3.3.2 nobody answers a trigger that asks for the task state store. XComs are answered; they are
removed only when a worker starts the task anew, which a task that is run by its trigger never does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from airflow_batch_provider.triggers.questions import Turn, answered
from airflow_batch_provider.values import EVERY_RUN

KEY = "airflow_batch_provider.submission"
"""Never renamed: triggers that are running across an upgrade look for it."""


class XComRecords:
    """A record store in a trigger.

    Args:
        instance: The trigger's ``task_instance``.

    Raises:
        TimeoutError: By each method: Airflow did not answer within two minutes.
    """

    def __init__(self, instance: Any) -> None:
        self._instance = instance
        self._place = _place_of(instance)
        self._turn = Turn.BEGINNING

    async def load(self) -> Mapping[str, Any] | None:
        """Return the record, or ``None``."""
        from airflow.sdk.execution_time.xcom import XCom

        record = await answered(partial(XCom.aget_one, key=KEY, **self._place), self._turn)
        self._turn = Turn.SUBMITTING
        return record if isinstance(record, Mapping) else None

    async def save(self, record: Mapping[str, Any]) -> None:
        """Keep the record."""
        from airflow.sdk.execution_time.xcom import XCom

        await answered(partial(XCom.aset, KEY, dict(record), **self._place), Turn.SUBMITTING)

    async def alone(self, *, ever: bool = False) -> bool:
        """Say whether no mapped sibling and no other run of the DAG can have it; *ever*: no earlier one."""
        from airflow.sdk.execution_time.comms import DRCount, GetDRCount
        from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

        if self._instance.map_index not in (-1, None):
            return False
        states = EVERY_RUN if ever else ["running"]
        wanted = GetDRCount(dag_id=self._instance.dag_id, states=states)
        answer = await answered(partial(SUPERVISOR_COMMS.asend, wanted), Turn.SUBMITTING)
        return isinstance(answer, DRCount) and answer.count <= 1


async def push(instance: Any, values: Mapping[str, Any], turn: Turn) -> None:
    """Push XComs of a trigger's task instance.

    Args:
        instance: The trigger's ``task_instance``.
        values: Key to value.
        turn: Before whom.

    Raises:
        TimeoutError: Airflow did not answer within two minutes.
    """
    from airflow.sdk.execution_time.xcom import XCom

    for key, value in values.items():
        await answered(partial(XCom.aset, key, value, **_place_of(instance)), turn)


async def forget(instance: Any, keys: Iterable[str]) -> None:
    """Remove XComs of a trigger's task instance, whether they are there or not.

    Args:
        instance: The trigger's ``task_instance``.
        keys: Which.

    Raises:
        TimeoutError: Airflow did not answer within two minutes.
    """
    from airflow.sdk.execution_time.comms import DeleteXCom
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

    for key in keys:
        unwanted = DeleteXCom(key=key, **_place_of(instance))
        await answered(partial(SUPERVISOR_COMMS.asend, unwanted), Turn.SUBMITTING)


def _place_of(instance: Any) -> dict[str, Any]:
    return {
        "dag_id": instance.dag_id,
        "run_id": instance.run_id,
        "task_id": instance.task_id,
        "map_index": -1 if instance.map_index is None else instance.map_index,
    }
