"""The sensor that waits for an execution of a ModelArts workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_batch_provider.checks import choice, just_one
from airflow_batch_provider.links import ModelArtsExecutionLink
from airflow_batch_provider.sensors.base import JobSensor

if TYPE_CHECKING:
    from airflow_batch_provider.jobs import JobRef


class ModelArtsExecutionSensor(JobSensor):
    """Wait until an execution that another task or system started has completed, and return it.

    An execution that failed or was stopped fails the task at once. It is never stopped by this sensor.

    Args:
        execution_id: UUID of the execution: the ``job_id`` that `ModelArtsWorkflowOperator` pushes.
        workflow_id: UUID of its workflow: the ``workflow_id`` that the operator pushes. Give this or
            *workflow_name*.
        workflow_name: The workflow's name; there must be exactly one of that name.
        on_waiting_inputs: What to do while a step waits for a person: ``fail``, or ``wait``.
        modelarts_conn_id: The connection.
        region: Instead of the connection's; the project is then looked up, unless it is given, too.
        project_id: Instead of the connection's.
        **kwargs: As of `JobSensor`: ``outage_tolerance``, ``deferrable``, ``poke_interval``, ``timeout``, …
    """

    service = "modelarts"
    template_fields = (
        "execution_id",
        "workflow_id",
        "workflow_name",
        "on_waiting_inputs",
        "modelarts_conn_id",
        "region",
        "project_id",
    )
    operator_extra_links = (ModelArtsExecutionLink(),)

    def __init__(
        self,
        *,
        execution_id: str,
        workflow_id: str | None = None,
        workflow_name: str | None = None,
        on_waiting_inputs: str = "fail",
        modelarts_conn_id: str = "modelarts_default",
        region: str | None = None,
        project_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.execution_id = execution_id
        self.workflow_id = workflow_id
        self.workflow_name = workflow_name
        self.on_waiting_inputs = on_waiting_inputs
        self.modelarts_conn_id = modelarts_conn_id
        self.region = region
        self.project_id = project_id
        self._found_id: str | None = None
        just_one("which workflow", workflow_id=workflow_id, workflow_name=workflow_name)
        if "{" not in on_waiting_inputs:
            choice("on_waiting_inputs", on_waiting_inputs, "fail", "wait")

    def _conn_id(self) -> str:
        return self.modelarts_conn_id

    def _place(self) -> dict[str, Any]:
        return {"region": self.region, "project_id": self.project_id}

    def _ref(self, hook: Any) -> JobRef:
        workflow_id = self.workflow_id or self._found_id
        if self.workflow_name is not None and workflow_id is None:
            workflow = hook.run(hook.service.workflows.find(self.workflow_name))
            workflow_id = self._found_id = str(workflow["workflow_id"])
        ref: JobRef = hook.service.reference(
            workflow_id, self.execution_id, on_waiting_inputs=self.on_waiting_inputs
        )
        return ref
