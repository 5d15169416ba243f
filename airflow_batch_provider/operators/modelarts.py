"""Operators of Huawei Cloud ModelArts workflows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.checks import choice, just_one
from airflow_batch_provider.links import ModelArtsExecutionLink
from airflow_batch_provider.operators.base import BatchOperator
from airflow_batch_provider.operators.modelarts_workflows import (
    ModelArtsCreateWorkflowOperator,
    ModelArtsDeleteWorkflowOperator,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batch_provider.flow import Flow
    from airflow_batch_provider.hooks.base import BatchHook
    from airflow_batch_provider.jobs import Accepted, TaskIdentity

__all__ = ["ModelArtsCreateWorkflowOperator", "ModelArtsDeleteWorkflowOperator", "ModelArtsWorkflowOperator"]


class ModelArtsWorkflowOperator(BatchOperator):
    """Start an execution of a workflow, wait for it and return it.

    All arguments that name something are templated. The execution carries a label of this task's own, by
    which it is found again if the answer to its start is lost.

    Args:
        workflow_id: UUID of the workflow. Give this, *workflow_name* or *workflow*.
        workflow_name: Its name; there must be exactly one of that name.
        workflow: Its definition, as `ModelArtsCreateWorkflowOperator` takes it, or the path of a YAML or JSON
            file with it, whose templates are rendered. Created unless there is a workflow of its name, which
            is then taken as it is.
        parameters: Name to value, or a file as for *workflow*; typed as the workflow says, so that texts out
            of templates do.
        data: Name of a data requirement to ``obs://bucket/key``, ``/bucket/key`` or a mapping, or a file.
        labels: Of the execution, texts.
        name: Of the execution; default: the service chooses.
        description: Of the execution.
        scene_id: Which of the workflow's scenes to run.
        use_cache: Whether steps whose inputs have not changed are skipped; default: the service's.
        rerun_failed: Whether an Airflow retry runs the execution that failed or was stopped again, under the
            same id and from the failed step on, instead of starting a new one. A cleared task starts a new
            one always.
        on_waiting_inputs: What to do while a step waits for a person: ``fail`` with `JobBlocked`, which
            leaves the execution as it is, or ``wait``.
        modelarts_conn_id: The connection.
        region: Instead of the connection's; the project is then looked up, unless it is given, too.
        project_id: Instead of the connection's.
        **kwargs: As of `BatchOperator` and Airflow's ``BaseOperator``.

    Returns (XCom):
        The execution as a mapping; besides, ``job_id`` (of the execution), ``workflow_id`` and ``outputs``
        are pushed. ``outputs`` has ``STEP/OUTPUT`` to ``{"uri": "obs://…", "url": …}``.
    """

    service = "modelarts"
    order_fields = (
        "workflow_id",
        "workflow_name",
        "workflow",
        "parameters",
        "data",
        "labels",
        "name",
        "description",
        "scene_id",
        "use_cache",
        "on_waiting_inputs",
    )
    template_fields = (
        *order_fields,
        *("modelarts_conn_id", "region", "project_id", "poll_interval", "timeout", "outage_tolerance"),
    )
    template_fields_renderers = {  # noqa: RUF012  # as Airflow declares it
        "workflow": "json",
        "parameters": "json",
        "data": "json",
        "labels": "json",
    }
    file_fields = ("workflow", "parameters", "data")
    place_xcoms = ("workflow_id",)
    operator_extra_links = (ModelArtsExecutionLink(),)
    ui_color = "#fde8e6"

    def __init__(
        self,
        *,
        workflow_id: str | None = None,
        workflow_name: str | None = None,
        workflow: Mapping[str, Any] | str | None = None,
        parameters: Mapping[str, Any] | str | None = None,
        data: Mapping[str, Any] | str | None = None,
        labels: Sequence[str] | None = None,
        name: str | None = None,
        description: str | None = None,
        scene_id: str | None = None,
        use_cache: bool | str | None = None,
        rerun_failed: bool = False,
        on_waiting_inputs: str = "fail",
        modelarts_conn_id: str = "modelarts_default",
        region: str | None = None,
        project_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.workflow_id = workflow_id
        self.workflow_name = workflow_name
        self.workflow = workflow
        self.parameters = parameters
        self.data = data
        self.labels = labels
        self.name = name
        self.description = description
        self.scene_id = scene_id
        self.use_cache = use_cache
        self.rerun_failed = rerun_failed
        self.on_waiting_inputs = on_waiting_inputs
        self.modelarts_conn_id = modelarts_conn_id
        self.region = region
        self.project_id = project_id
        just_one("which workflow", workflow_id=workflow_id, workflow_name=workflow_name, workflow=workflow)
        if "{" not in on_waiting_inputs:
            choice("on_waiting_inputs", on_waiting_inputs, "fail", "wait")
        self._decide_where_to_start()

    def _order(self, context: Context) -> Any:
        from airflow_batch_provider.hooks.modelarts import ModelArtsHook
        from airflow_batch_provider.operators.files import from_file

        order = ModelArtsHook.order(
            workflow_id=self.workflow_id,
            workflow_name=self.workflow_name,
            workflow=from_file(self, "workflow", context),
            parameters=from_file(self, "parameters", context),
            data=from_file(self, "data", context),
            labels=self.labels,
            name=self.name,
            description=self.description,
            scene_id=self.scene_id,
            use_cache=self.use_cache,
            on_waiting_inputs=self.on_waiting_inputs,
        )
        for warning in order.workflow.warnings if order.workflow else ():
            self.log.warning("%s", warning)
        return order

    def _told_lineage(self, hook: BatchHook | None) -> Any:
        from airflow_batch_provider.lineage import events, modelarts

        region = hook.connection.region if hook else ""
        return events.lineage(
            self.service,
            read=self._asked(self._read_by_job),
            written=modelarts.written_to(self._ended.outputs) if self._ended else [],
            ref=self._ref,
            job=self._ended,
            facts=modelarts.facts(self._ref, self._said(), region),
        )

    def _read_by_job(self) -> Any:
        from airflow_batch_provider.lineage import modelarts
        from airflow_batch_provider.operators.files import from_file

        return modelarts.read_by(from_file(self, "data", self._context or {}))

    def _submission(self, hook: BatchHook, order: Callable[[], Any], task: TaskIdentity) -> Flow[Accepted]:
        submission = super()._submission(hook, order, task)
        if not self.rerun_failed:
            return submission
        from airflow_batch_provider.hooks.modelarts import rerun_or

        return rerun_or(submission, hook.service, task, float(self.outage_tolerance))

    def _conn_id(self) -> str:
        return self.modelarts_conn_id

    def _place(self) -> dict[str, Any]:
        return {"region": self.region, "project_id": self.project_id}
