"""Operators that create and delete workflows; `operators.modelarts` exports them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_batch_provider.checks import choice, just_one
from airflow_batch_provider.errors import InvalidInput, NotFound
from airflow_batch_provider.templating import NamedTemplates

if TYPE_CHECKING:
    from airflow.sdk import Context

FIELDS = (
    "name",
    "description",
    "steps",
    "source_workflow_id",
    "gallery_subscription",
    "parameters",
    "data",
    "data_requirements",
    "storages",
    "assets",
    "sub_graphs",
    "policy",
    "labels",
    "extend",
    "workspace_id",
    "source",
    "with_subscription",
    "smn_switch",
    "subscription_id",
    "exeml_template_id",
    "package",
)
"""What a definition may say, as the API page of CreateWorkflow has it."""
_WHERE = ("modelarts_conn_id", "region", "project_id")


class ModelArtsCreateWorkflowOperator(NamedTemplates, BaseOperator):
    """Create a workflow and return it.

    Exactly one of *steps* (a new workflow), *source_workflow_id* (a copy of one) and *gallery_subscription*
    (one of AI Gallery) says how, here or in *workflow*. Names, lengths, references and circles are checked
    before anything is sent. Names of workflows are not unique on the service, so this looks for the name
    first; a retry therefore finds what a try before it has created.

    Args:
        workflow: The whole definition as the API takes it, or the path of a YAML or JSON file with it, whose
            templates are rendered. What else is given adds to it.
        name: Of the workflow: 1 to 64 letters, digits, blanks, ``_`` and ``-``, a letter first.
        description: Of the workflow.
        steps: Each a mapping with ``name``, ``type``, and what the type needs.
        source_workflow_id: UUID of the workflow that is copied.
        gallery_subscription: Mapping with ``content_id``, and ``version_id``.
        parameters: Each a mapping with ``name``, ``type``, and ``default`` or ``value``.
        data: Each a mapping with ``name``, ``type`` and ``value``.
        data_requirements: The same, for what executions are started with.
        storages: Each a mapping with ``name``, ``type`` and ``path``.
        assets: Each a mapping with ``name``, ``type`` and ``content_id``.
        sub_graphs: Each a mapping with ``name`` and ``steps``.
        policy: Mapping with ``scenes`` and ``scene_id``.
        labels: Texts.
        extend: A mapping, kept as it is.
        workspace_id: Instead of the connection's.
        source: ``ai_gallery``.
        with_subscription: Whether messages are sent, see the API page.
        smn_switch: Likewise.
        subscription_id: Likewise.
        exeml_template_id: Of the template of ExeML.
        package: Of billing.
        if_exists: What to do if there is a workflow of this name: ``reuse`` takes it as it is, ``update``
            changes it to what is given here (not how it was created), ``fail`` fails, also in a retry
            after a try that has created it.
        modelarts_conn_id: The connection.
        region: Instead of the connection's; the project is then looked up, unless it is given, too.
        project_id: Instead of the connection's.
        **kwargs: Of Airflow's ``BaseOperator``.

    Returns (XCom):
        The workflow as the service describes it; besides, ``workflow_id`` is pushed.
    """

    template_fields = ("workflow", *FIELDS, "if_exists", *_WHERE)
    template_fields_renderers = dict.fromkeys(
        ("workflow", "steps", "parameters", "data", "data_requirements", "storages", "policy"), "json"
    )
    ui_color = "#fde8e6"

    def __init__(
        self,
        *,
        workflow: Mapping[str, Any] | str | None = None,
        name: str | None = None,
        description: str | None = None,
        steps: Sequence[Mapping[str, Any]] | None = None,
        source_workflow_id: str | None = None,
        gallery_subscription: Mapping[str, Any] | None = None,
        parameters: Sequence[Mapping[str, Any]] | None = None,
        data: Sequence[Mapping[str, Any]] | None = None,
        data_requirements: Sequence[Mapping[str, Any]] | None = None,
        storages: Sequence[Mapping[str, Any]] | None = None,
        assets: Sequence[Mapping[str, Any]] | None = None,
        sub_graphs: Sequence[Mapping[str, Any]] | None = None,
        policy: Mapping[str, Any] | None = None,
        labels: Sequence[str] | None = None,
        extend: Mapping[str, Any] | None = None,
        workspace_id: str | None = None,
        source: str | None = None,
        with_subscription: bool | None = None,
        smn_switch: bool | None = None,
        subscription_id: str | None = None,
        exeml_template_id: str | None = None,
        package: Mapping[str, Any] | None = None,
        if_exists: str = "reuse",
        modelarts_conn_id: str = "modelarts_default",
        region: str | None = None,
        project_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.workflow = workflow
        self.name = name
        self.description = description
        self.steps = steps
        self.source_workflow_id = source_workflow_id
        self.gallery_subscription = gallery_subscription
        self.parameters = parameters
        self.data = data
        self.data_requirements = data_requirements
        self.storages = storages
        self.assets = assets
        self.sub_graphs = sub_graphs
        self.policy = policy
        self.labels = labels
        self.extend = extend
        self.workspace_id = workspace_id
        self.source = source
        self.with_subscription = with_subscription
        self.smn_switch = smn_switch
        self.subscription_id = subscription_id
        self.exeml_template_id = exeml_template_id
        self.package = package
        self.if_exists = if_exists
        self.modelarts_conn_id = modelarts_conn_id
        self.region = region
        self.project_id = project_id
        if "{" not in if_exists:
            self._check_if_exists()

    def execute(self, context: Context) -> dict[str, Any]:
        """Create the workflow, unless there is one of its name.

        Returns:
            The workflow.

        Raises:
            InvalidInput: The definition cannot be right, several workflows have its name, or one has it and
                *if_exists* is ``fail``.
            AnswerLost: It may have been created, and is not listed yet.
            BatchError: The service refused.
        """
        from airflow_batch_provider.hooks.modelarts import ModelArtsHook

        self._check_if_exists()
        order = ModelArtsHook.definition(self._definition(context))
        for warning in order.warnings:
            self.log.warning("%s", warning)
        hook = ModelArtsHook(self.modelarts_conn_id, region=self.region, project_id=self.project_id)
        hook.open()
        workflow, created = hook.run(hook.service.workflows.provide(order, self.if_exists))
        done = "Created" if created else "Found"
        left = not created and self.if_exists == "reuse"
        kept = "; its definition was left as it is (if_exists='reuse')" if left else ""
        self.log.info("%s workflow %s, %r%s.", done, workflow["workflow_id"], order.name, kept)
        context["ti"].xcom_push(key="workflow_id", value=workflow["workflow_id"])
        return workflow

    def _check_if_exists(self) -> None:
        choice("if_exists", self.if_exists, "reuse", "update", "fail")

    def _definition(self, context: Context) -> dict[str, Any]:
        from airflow_batch_provider.operators.files import from_file

        whole = dict(from_file(self, "workflow", context) or {})
        given = {field: value for field in FIELDS if (value := getattr(self, field)) is not None}
        twice = sorted(given.keys() & whole.keys())
        if twice:
            raise InvalidInput(
                f"{', '.join(twice)}: given as arguments and in workflow, too.", fix="Give each once."
            )
        return whole | given


class ModelArtsDeleteWorkflowOperator(NamedTemplates, BaseOperator):
    """Delete a workflow; harmless if it is gone. Works as a teardown.

    Args:
        workflow_id: UUID of the workflow. Give this or *workflow_name*.
        workflow_name: Its name; there must not be several of that name.
        modelarts_conn_id: The connection.
        region: Instead of the connection's; the project is then looked up, unless it is given, too.
        project_id: Instead of the connection's.
        **kwargs: Of Airflow's ``BaseOperator``.

    Returns (XCom):
        Whether there was one.
    """

    template_fields = ("workflow_id", "workflow_name", *_WHERE)
    ui_color = "#fde8e6"

    def __init__(
        self,
        *,
        workflow_id: str | None = None,
        workflow_name: str | None = None,
        modelarts_conn_id: str = "modelarts_default",
        region: str | None = None,
        project_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.workflow_id = workflow_id
        self.workflow_name = workflow_name
        self.modelarts_conn_id = modelarts_conn_id
        self.region = region
        self.project_id = project_id
        just_one("which workflow", workflow_id=workflow_id, workflow_name=workflow_name)

    def execute(self, context: Context) -> bool:  # noqa: ARG002  # Airflow's signature
        """Delete the workflow.

        Returns:
            Whether there was one.

        Raises:
            InvalidInput: The id cannot be one, or several workflows have the name.
            BatchError: The service refused.
        """
        from airflow_batch_provider.hooks.modelarts import ModelArtsHook

        hook = ModelArtsHook(self.modelarts_conn_id, region=self.region, project_id=self.project_id)
        hook.open()
        workflow_id = self.workflow_id
        if self.workflow_name is not None:
            try:
                workflow_id = hook.run(hook.service.workflows.find(self.workflow_name))["workflow_id"]
            except NotFound as error:
                self.log.info("There is nothing to delete: %s", error)
                return False
        existed: bool = hook.run(hook.service.workflows.delete(str(workflow_id)))
        self.log.info("Workflow %s %s.", workflow_id, "is deleted" if existed else "was gone already")
        return existed
