"""Operators of Azure Machine Learning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.links import AzureMLJobLink
from airflow_batch_provider.masking import mask_signatures
from airflow_batch_provider.operators.base import BatchOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batch_provider.hooks.azure_ml import AzureMLHook
    from airflow_batch_provider.hooks.base import BatchHook
    from airflow_batch_provider.operators.azure_ml_assets import (
        AzureMLRegisterCodeOperator,
        AzureMLRegisterDataOperator,
        AzureMLRegisterEnvironmentOperator,
        AzureMLRegisterModelOperator,
    )
    from airflow_batch_provider.operators.azure_ml_computes import (
        AzureMLCreateComputeOperator,
        AzureMLDeleteComputeOperator,
    )
    from airflow_batch_provider.operators.azure_ml_endpoints import (
        AzureMLCreateBatchDeploymentOperator,
        AzureMLCreateBatchEndpointOperator,
        AzureMLDeleteBatchEndpointOperator,
        AzureMLSetDefaultDeploymentOperator,
    )

__all__ = [
    "AzureMLBatchEndpointOperator",
    "AzureMLCreateBatchDeploymentOperator",
    "AzureMLCreateBatchEndpointOperator",
    "AzureMLCreateComputeOperator",
    "AzureMLDeleteBatchEndpointOperator",
    "AzureMLDeleteComputeOperator",
    "AzureMLRegisterCodeOperator",
    "AzureMLRegisterDataOperator",
    "AzureMLRegisterEnvironmentOperator",
    "AzureMLRegisterModelOperator",
    "AzureMLSetDefaultDeploymentOperator",
]

# Most DAGs score and create nothing: they need not pay for the others when they are parsed.
_ELSEWHERE = {
    "AzureMLCreateBatchDeploymentOperator": "azure_ml_endpoints",
    "AzureMLCreateBatchEndpointOperator": "azure_ml_endpoints",
    "AzureMLCreateComputeOperator": "azure_ml_computes",
    "AzureMLDeleteBatchEndpointOperator": "azure_ml_endpoints",
    "AzureMLDeleteComputeOperator": "azure_ml_computes",
    "AzureMLRegisterCodeOperator": "azure_ml_assets",
    "AzureMLRegisterDataOperator": "azure_ml_assets",
    "AzureMLRegisterEnvironmentOperator": "azure_ml_assets",
    "AzureMLRegisterModelOperator": "azure_ml_assets",
    "AzureMLSetDefaultDeploymentOperator": "azure_ml_endpoints",
}


def __getattr__(name: str) -> Any:
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"airflow_batch_provider.operators.{_ELSEWHERE[name]}"), name)


class AzureMLBatchEndpointOperator(BatchOperator):
    """Invoke a batch endpoint, wait for its job and return it.

    All arguments that name something are templated.

    Args:
        endpoint_name: The endpoint, 3 to 32 letters, digits and hyphens.
        deployment_name: Default: the endpoint's default deployment.
        inputs: Name to a data URI, a literal, or a mapping with ``type`` and ``path`` or ``default``, as in
            the YAML of ``az ml batch-endpoint invoke``; or the path of such a YAML or JSON file, whose
            templates are rendered.
        input: The one data input of a model deployment: a URI or a mapping.
        outputs: Name to ``{"path": "azureml://datastores/…/paths/…"}``, or a file as for *inputs*; ``"auto"``
            has a model deployment write to a path of this run's own; omitted, the service chooses.
        experiment_name: Under which the job is listed.
        job_overrides: ``mini_batch_size``, ``instance_count``, ``error_threshold``, ``max_retries``,
            ``timeout`` (seconds per mini-batch), ``output_file_name``, ``logging_level``.
        tags: Of the job.
        properties: Of the job.
        scoring_uri: Of the endpoint, to save the look-up.
        upload_local_inputs: Whether an input that is a local path is uploaded to the default datastore, or is
            an error; content that is there already is not sent again. A plain text in *inputs* is a literal
            unless it begins with ``./``, ``../`` or ``file:`` or is an absolute path that exists. Relative
            paths start at the folder of the DAG file, or of the file that *inputs* names.
        azure_ml_conn_id: The connection.
        subscription_id: Instead of the connection's.
        resource_group_name: Instead of the connection's.
        workspace_name: Instead of the connection's.
        cloud_environment: Instead of the connection's.
        **kwargs: As of `BatchOperator` and Airflow's ``BaseOperator``.

    Returns (XCom):
        The job as a mapping; besides, ``job_id`` and ``outputs`` are pushed.
    """

    service = "azure_ml"
    template_fields = (
        "endpoint_name",
        "deployment_name",
        "inputs",
        "input",
        "outputs",
        "experiment_name",
        "job_overrides",
        "tags",
        "properties",
        "scoring_uri",
        "azure_ml_conn_id",
        "subscription_id",
        "resource_group_name",
        "workspace_name",
        "cloud_environment",
        "poll_interval",
        "timeout",
        "outage_tolerance",
    )
    template_fields_renderers = {  # noqa: RUF012  # as Airflow declares it
        "inputs": "json",
        "input": "json",
        "outputs": "json",
        "job_overrides": "json",
        "tags": "json",
        "properties": "json",
    }
    order_fields = (
        "endpoint_name",
        "scoring_uri",
        "deployment_name",
        "input",
        "inputs",
        "outputs",
        "experiment_name",
        "job_overrides",
        "tags",
        "properties",
    )
    file_fields = ("inputs", "outputs")
    upload_fields = ("input", "inputs")
    operator_extra_links = (AzureMLJobLink(),)
    ui_color = "#e3f1fd"

    def __init__(
        self,
        *,
        endpoint_name: str | None = None,
        deployment_name: str | None = None,
        inputs: Mapping[str, Any] | str | None = None,
        input: Any = None,  # noqa: A002  # the CLI's name
        outputs: Mapping[str, Any] | str | None = None,
        experiment_name: str | None = None,
        job_overrides: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
        scoring_uri: str | None = None,
        upload_local_inputs: bool = True,
        azure_ml_conn_id: str = "azure_ml_default",
        subscription_id: str | None = None,
        resource_group_name: str | None = None,
        workspace_name: str | None = None,
        cloud_environment: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint_name = endpoint_name
        self.deployment_name = deployment_name
        self.inputs = inputs
        self.input = input
        self.outputs = outputs
        self.experiment_name = experiment_name
        self.job_overrides = job_overrides
        self.tags = tags
        self.properties = properties
        self.scoring_uri = scoring_uri
        self.upload_local_inputs = upload_local_inputs
        self.azure_ml_conn_id = azure_ml_conn_id
        self.subscription_id = subscription_id
        self.resource_group_name = resource_group_name
        self.workspace_name = workspace_name
        self.cloud_environment = cloud_environment
        if not endpoint_name and not scoring_uri:
            raise InvalidInput(
                f"endpoint_name is {endpoint_name!r} and scoring_uri is {scoring_uri!r}.",
                fix="Give endpoint_name, or the endpoint's scoring_uri.",
            )
        self._decide_where_to_start()

    def _order(self, context: Context) -> Any:
        from airflow_batch_provider.hooks.azure_ml import AzureMLHook
        from airflow_batch_provider.operators.files import from_file

        inputs = from_file(self, "inputs", context)
        mask_signatures(inputs)
        order = partial(
            AzureMLHook.order,
            endpoint_name=self.endpoint_name,
            scoring_uri=self.scoring_uri,
            deployment_name=self.deployment_name,
            outputs="auto" if self.outputs == "auto" else from_file(self, "outputs", context),
            experiment_name=self.experiment_name,
            job_overrides=self.job_overrides,
            tags=self.tags,
            properties=self.properties,
        )
        return self._with_uploads(order, inputs)

    def _with_uploads(self, order: Callable[..., Any], named: Any) -> Any:
        from airflow_batch_provider.hooks import uploads
        from airflow_batch_provider.operators.files import folders_of

        folders = folders_of(self, "inputs")
        inputs = uploads.local_inputs(self.input, named, folders, allowed=self.upload_local_inputs)
        if inputs.local:
            # What is wrong with the rest is told before hours are spent on an upload.
            described = uploads.described_inputs(inputs)
            order(input=described.input, inputs=described.inputs)
            inputs = uploads.upload_inputs(cast("AzureMLHook", self.hook()), inputs, self.log.info)
        return order(input=inputs.input, inputs=inputs.inputs)

    def _told_lineage(self, hook: BatchHook | None) -> Any:
        from airflow_batch_provider.lineage import azure_ml, events

        workspace = cast("AzureMLHook", hook).workspace.id if hook else ""
        written = azure_ml.written_to(self._ended.outputs, workspace) if self._ended else []
        read = self._asked(partial(self._read_by_job, workspace))
        return events.lineage(
            self.service,
            read=azure_ml.with_storage(read, written),
            written=written,
            ref=self._ref,
            job=self._ended,
            facts=azure_ml.facts(self._ref, self._said(), workspace),
        )

    def _read_by_job(self, workspace: str) -> Any:
        from airflow_batch_provider.hooks import uploads
        from airflow_batch_provider.lineage import azure_ml
        from airflow_batch_provider.operators.files import folders_of, from_file

        named = from_file(self, "inputs", self._context or {})
        found = uploads.local_inputs(self.input, named, folders_of(self, "inputs"), allowed=True)
        local = [one.path for one in found.local.values()]
        one = None if None in found.local else found.input
        named = {key: value for key, value in (named or {}).items() if key not in found.local}
        return azure_ml.read_by(one, named, local, workspace)

    def _do_render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        super()._do_render_template_fields(*args, **kwargs)
        mask_signatures(*(getattr(self, name) for name in self.order_fields))

    def _conn_id(self) -> str:
        return self.azure_ml_conn_id

    def _place(self) -> dict[str, Any]:
        return {
            "subscription_id": self.subscription_id,
            "resource_group_name": self.resource_group_name,
            "workspace_name": self.workspace_name,
            "cloud_environment": self.cloud_environment,
        }
