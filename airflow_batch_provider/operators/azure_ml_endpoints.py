"""Operators of batch endpoints and their deployments; `operators.azure_ml` exports them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.masking import Covered
from airflow_batch_provider.operators.azure_ml_resources import (
    COMMON,
    AzureMLCreateOperator,
    AzureMLResourceOperator,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batch_provider.hooks.azure_ml import AzureMLHook


class AzureMLCreateBatchEndpointOperator(AzureMLCreateOperator):
    """Create a batch endpoint, or change it.

    Args:
        endpoint_name: 3 to 32 letters, digits and hyphens, unique within the region.
        default_deployment: Which deployment an invocation goes to that names none; it must exist. Not given:
            left as it is.
        location: Region; default: the workspace's.
        description: Of the endpoint.
        tags: Of the endpoint.
        properties: Of the endpoint, texts.
        extra_properties: Merged into the body's ``properties``, for what a newer api-version takes.
        **kwargs: As of `AzureMLCreateOperator`.

    Returns (XCom):
        The endpoint as the service describes it; besides, its ARM ``id`` is pushed.
    """

    title = "batch endpoint {endpoint_name!r}"
    fields = (
        "endpoint_name",
        "default_deployment",
        "location",
        "description",
        "tags",
        "properties",
        "extra_properties",
    )
    stand_ins = {"endpoint_name": "endpoint"}  # noqa: RUF012  # constant
    template_fields = (*fields, "if_exists", *COMMON)
    template_fields_renderers = dict.fromkeys(("tags", "properties", "extra_properties"), "json")

    def __init__(
        self,
        *,
        endpoint_name: str,
        default_deployment: str | None = None,
        location: str | None = None,
        description: str | None = None,
        tags: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
        extra_properties: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint_name = endpoint_name
        self.default_deployment = default_deployment
        self.location = location
        self.description = description
        self.tags = tags
        self.properties = properties
        self.extra_properties = extra_properties
        self._check_literals()

    def _resource(self, resources: Any, said: dict[str, Any]) -> Any:
        return resources.batch_endpoint(said.pop("endpoint_name"), **said)


class AzureMLCreateBatchDeploymentOperator(AzureMLCreateOperator):
    """Create a deployment of a model or of a pipeline component, or change it.

    What names another resource is ``azureml:NAME:VERSION``, ``azureml:NAME@latest`` or an ARM id, such as
    ``register_model.output["id"]``.

    Args:
        endpoint_name: The endpoint, which must exist.
        deployment_name: 3 to 32 letters, digits and hyphens.
        model: The model, or the wire's own mapping with ``referenceType``. Give this or *component*.
        component: A pipeline component. Where the connection's api-version is the default one, which knows no
            such deployments, 2024-10-01 is used for this request.
        settings: Of a component: such as ``default_compute`` and ``continue_on_step_failure``.
        compute: Name or ARM id of a compute cluster.
        code: The code; an MLflow model needs neither code nor environment.
        scoring_script: Of the code, a path below it.
        environment: The environment.
        environment_variables: Of the scoring script; their values are neither shown among the rendered
            fields nor returned.
        instance_count: Nodes of each job, at least 1.
        instance_type: Of the nodes, where the compute has several.
        resource_properties: Further properties of the nodes.
        mini_batch_size: Files that the script is given at once, at least 1.
        max_concurrency_per_instance: Processes on each node, at least 1.
        max_retries: Of a mini-batch, at least 0.
        mini_batch_timeout: Seconds for a mini-batch, or an ISO 8601 duration.
        error_threshold: Failed files that a job may have; -1 for any number.
        output_action: ``append_row`` or ``summary_only``.
        output_file_name: Of the output, without a path.
        logging_level: ``info``, ``warning`` or ``debug``.
        set_default: Whether it becomes the endpoint's default deployment once it is ready.
        location: Region; default: the workspace's.
        description: Of the deployment.
        tags: Of the deployment.
        properties: Of the deployment, texts.
        extra_properties: Merged into the body's ``properties``, for what a newer api-version takes.
        **kwargs: As of `AzureMLCreateOperator`.

    Returns (XCom):
        The deployment as the service describes it; besides, its ARM ``id`` is pushed.
    """

    title = "deployment {deployment_name!r} of endpoint {endpoint_name!r}"
    fields = (
        "endpoint_name",
        "deployment_name",
        "model",
        "component",
        "settings",
        "compute",
        "code",
        "scoring_script",
        "environment",
        "environment_variables",
        "instance_count",
        "instance_type",
        "resource_properties",
        "mini_batch_size",
        "max_concurrency_per_instance",
        "max_retries",
        "mini_batch_timeout",
        "error_threshold",
        "output_action",
        "output_file_name",
        "logging_level",
        "location",
        "description",
        "tags",
        "properties",
        "extra_properties",
    )
    stand_ins = {  # noqa: RUF012  # constant
        "endpoint_name": "endpoint",
        "deployment_name": "deployment",
        "model": "model:1",
        "component": "component:1",
        "compute": "any",
        "code": "code:1",
        "scoring_script": "score.py",
    }
    template_fields = (*fields, "if_exists", *COMMON)
    template_fields_renderers = dict.fromkeys(
        (
            "settings",
            "environment_variables",
            "resource_properties",
            "tags",
            "properties",
            "extra_properties",
        ),
        "json",
    )

    def __init__(
        self,
        *,
        endpoint_name: str,
        deployment_name: str,
        model: str | Mapping[str, Any] | None = None,
        component: str | None = None,
        settings: Mapping[str, Any] | None = None,
        compute: str | None = None,
        code: str | None = None,
        scoring_script: str | None = None,
        environment: str | None = None,
        environment_variables: Mapping[str, Any] | None = None,
        instance_count: int | None = None,
        instance_type: str | None = None,
        resource_properties: Mapping[str, Any] | None = None,
        mini_batch_size: int | None = None,
        max_concurrency_per_instance: int | None = None,
        max_retries: int | None = None,
        mini_batch_timeout: int | str | None = None,
        error_threshold: int | None = None,
        output_action: str | None = None,
        output_file_name: str | None = None,
        logging_level: str | None = None,
        set_default: bool = False,
        location: str | None = None,
        description: str | None = None,
        tags: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
        extra_properties: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint_name = endpoint_name
        self.deployment_name = deployment_name
        self.model = model
        self.component = component
        self.settings = settings
        self.compute = compute
        self.code = code
        self.scoring_script = scoring_script
        self.environment = environment
        self.environment_variables = environment_variables
        self.instance_count = instance_count
        self.instance_type = instance_type
        self.resource_properties = resource_properties
        self.mini_batch_size = mini_batch_size
        self.max_concurrency_per_instance = max_concurrency_per_instance
        self.max_retries = max_retries
        self.mini_batch_timeout = mini_batch_timeout
        self.error_threshold = error_threshold
        self.output_action = output_action
        self.output_file_name = output_file_name
        self.logging_level = logging_level
        if not isinstance(set_default, bool):
            raise InvalidInput(f"set_default is {set_default!r}.", fix="Give True or False.")
        self.set_default = set_default
        self.location = location
        self.description = description
        self.tags = tags
        self.properties = properties
        self.extra_properties = extra_properties
        self._check_literals()

    def _do_render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        super()._do_render_template_fields(*args, **kwargs)
        if isinstance(variables := self.environment_variables, Mapping):
            self.environment_variables = Covered(variables)
        if isinstance(extra := self.extra_properties, Mapping) and "environmentVariables" in extra:
            self.extra_properties = Covered(extra)

    def _resource(self, resources: Any, said: dict[str, Any]) -> Any:
        return resources.deployment(**said)

    def _following(self, hook: AzureMLHook, operation: Any) -> Any:
        *_, kind, _ = operation.resource_url.partition("?")[0].split("/")
        # What is waited for next is the endpoint's operation, after which nothing follows.
        if not self.set_default or kind != "deployments":
            return None
        return hook.run(hook.resources.set_default(self.endpoint_name, self.deployment_name))

    def _result(self, context: Context, hook: AzureMLHook, operation: Any) -> Any:
        if not self.set_default:
            return super()._result(context, hook, operation)
        wanted = self._resource(hook.resources, self._said(context))
        return self._returned(context, hook.run(hook.resources.get(wanted)))


class AzureMLSetDefaultDeploymentOperator(AzureMLResourceOperator):
    """Have invocations of a batch endpoint that name no deployment go to one.

    Args:
        endpoint_name: Of the endpoint.
        deployment_name: Of the deployment; it must exist.
        **kwargs: As of `AzureMLResourceOperator`.

    Returns (XCom):
        The endpoint as the service describes it; besides, its ARM ``id`` is pushed.
    """

    title = "batch endpoint {endpoint_name!r}"
    fields = ("endpoint_name", "deployment_name")
    stand_ins = {"endpoint_name": "endpoint", "deployment_name": "deployment"}  # noqa: RUF012  # constant
    template_fields = (*fields, *COMMON)

    def __init__(self, *, endpoint_name: str, deployment_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.endpoint_name = endpoint_name
        self.deployment_name = deployment_name
        self._check_literals()

    def _flow(self, resources: Any, said: Mapping[str, Any]) -> Any:
        return resources.set_default(said["endpoint_name"], said["deployment_name"])


class AzureMLDeleteBatchEndpointOperator(AzureMLResourceOperator):
    """Delete a batch endpoint with its deployments; harmless if it is gone. Works as a teardown.

    The service keeps the jobs of the endpoint.

    Args:
        endpoint_name: Of the endpoint.
        **kwargs: As of `AzureMLResourceOperator`.

    Returns (XCom):
        Whether there was one.
    """

    title = "batch endpoint {endpoint_name!r}"
    fields = ("endpoint_name",)
    stand_ins = {"endpoint_name": "endpoint"}  # noqa: RUF012  # constant
    template_fields = (*fields, *COMMON)

    def __init__(self, *, endpoint_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.endpoint_name = endpoint_name
        self._check_literals()

    def _flow(self, resources: Any, said: Mapping[str, Any]) -> Any:
        return resources.delete_endpoint(said["endpoint_name"])

    def _result(self, context: Context, hook: AzureMLHook, operation: Any) -> bool:  # noqa: ARG002
        return self._action != "gone"
