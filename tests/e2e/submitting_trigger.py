"""A trigger that submits: what proves the record store that triggers use, in a real triggerer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_batch_provider.hooks import hook_for
from airflow_batch_provider.jobs import Policy, TaskIdentity, submit_once
from airflow_batch_provider.triggers.records import XComRecords
from airflow_batch_provider.triggers.settling import settle


class SubmittingTrigger(BaseTrigger):
    """Submit once, and tell which job there is and whether the task is alone."""

    def __init__(self, service: str, order: dict[str, Any]) -> None:
        super().__init__()
        self.service = service
        self.order = order

    def serialize(self) -> tuple[str, dict[str, Any]]:
        kwargs = {"service": self.service, "order": self.order}
        return f"{type(self).__module__}.{type(self).__qualname__}", kwargs

    async def run(self) -> AsyncIterator[TriggerEvent]:
        import time

        started = time.monotonic()
        instance, hook = self.task_instance, hook_for(self.service, f"{self.service}_default", {})
        await hook.aopen()
        order = hook.order(**self.order)
        task = TaskIdentity(instance.dag_id, instance.run_id, instance.task_id, instance.map_index)
        records = XComRecords(instance)
        flow = submit_once(hook.service, order, task, Policy(under_way=4, late=4))
        accepted = await hook.arun(flow, store=records)
        await settle(started)
        yield TriggerEvent({"job": accepted.ref.id, "alone": await records.alone()})
