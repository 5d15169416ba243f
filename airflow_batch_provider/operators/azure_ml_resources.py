"""What the operators share that create, change and delete Azure Machine Learning resources."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.sdk import BaseOperator, conf

from airflow_batch_provider.checks import choice
from airflow_batch_provider.masking import mask_signatures
from airflow_batch_provider.operators.waiting import check_waiting, deadline_of
from airflow_batch_provider.templating import NamedTemplates

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batch_provider.hooks.azure_ml import AzureMLHook
    from airflow_batch_provider.jobs import Watch

PLACE = ("subscription_id", "resource_group_name", "workspace_name", "cloud_environment")
COMMON = ("azure_ml_conn_id", *PLACE, "poll_interval", "timeout", "outage_tolerance")
"""Template fields of every such operator."""

_GOES_ON = "It goes on at the service; a retry of this task takes it up again."


class AzureMLResourceOperator(NamedTemplates, BaseOperator):
    """Base of the operators that make a resource be as it shall be, or be gone.

    A retry looks first, and takes up what the try before it has begun. Nothing that the service has accepted
    is ever cancelled.

    Args:
        azure_ml_conn_id: The connection.
        subscription_id: Instead of the connection's.
        resource_group_name: Instead of the connection's.
        workspace_name: Instead of the connection's.
        cloud_environment: Instead of the connection's.
        wait_for_completion: Whether the task ends with the operation, or as soon as the service has accepted
            it.
        deferrable: Whether it waits in the triggerer. Default: ``[operators] default_deferrable``.
        poll_interval: Longest seconds between two looks; a young operation is looked at more often.
        timeout: Seconds, or a ``timedelta``, from an operation's start, after which the task fails and leaves
            it going on; ``None`` for no limit but ``execution_timeout``.
        outage_tolerance: Seconds without a good answer after which the task fails.
        **kwargs: Of Airflow's ``BaseOperator``.
    """

    ui_color = "#e3f1fd"

    fields: ClassVar[tuple[str, ...]]
    """Arguments that say what the resource is."""

    title: ClassVar[str]
    """What people call the resource, a format of the arguments."""

    stand_ins: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """For arguments that the others cannot be checked without, while these are templates."""

    def __init__(
        self,
        *,
        azure_ml_conn_id: str = "azure_ml_default",
        subscription_id: str | None = None,
        resource_group_name: str | None = None,
        workspace_name: str | None = None,
        cloud_environment: str | None = None,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float = 30,
        timeout: float | timedelta | None = None,
        outage_tolerance: float = 900,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.azure_ml_conn_id = azure_ml_conn_id
        self.subscription_id = subscription_id
        self.resource_group_name = resource_group_name
        self.workspace_name = workspace_name
        self.cloud_environment = cloud_environment
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.outage_tolerance = outage_tolerance
        self._action = ""
        check_waiting(self, literal=True)

    @abstractmethod
    def _flow(self, resources: Any, said: Mapping[str, Any]) -> Any:
        """Return the flow that does it.

        Args:
            resources: Of the hook.
            said: The arguments.

        Raises:
            InvalidInput: An argument cannot be right; also before the flow is carried out.
        """

    def _check_literals(self) -> None:
        """Check what is no template: each constructor calls this at its end."""
        from airflow_batch_provider.hooks.azure_ml_resources import Resources

        self._flow(Resources.nowhere(), self._literals())

    def _literals(self) -> dict[str, Any]:
        said = {name: getattr(self, name) for name in self.fields}
        return {
            name: value if is_literal(value) else self.stand_ins.get(name) for name, value in said.items()
        }

    def _said(self, context: Context) -> dict[str, Any]:  # noqa: ARG002  # for those who read files
        return {name: getattr(self, name) for name in self.fields}

    def hook(self) -> AzureMLHook:
        """Return the hook that the rendered arguments describe."""
        from airflow_batch_provider.hooks.azure_ml import AzureMLHook

        return AzureMLHook(self.azure_ml_conn_id, **self._place())

    def _place(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in PLACE}

    def _opened(self) -> AzureMLHook:
        hook = self.hook()
        hook.open()
        return hook

    def execute(self, context: Context) -> Any:
        """Do what is needed, and wait for it.

        Returns:
            The resource as the service describes it, without secrets; a deleting operator: whether there was
            one.

        Raises:
            InvalidInput: An argument or the connection cannot be right; nothing was sent.
            Conflict: It exists and differs in what cannot be changed, or is in use.
            OperationError: The service accepted it, and it did not end well.
            BatchError: The service refused.
        """
        self._check_rendered()
        hook = self._opened()
        return self._go_on(context, hook, self._begin(context, hook))

    def _check_rendered(self) -> None:
        check_waiting(self, literal=False)

    def _begin(self, context: Context, hook: AzureMLHook) -> Any:
        return hook.run(self._flow(hook.resources, self._said(context)))

    def _go_on(self, context: Context, hook: AzureMLHook, ensured: Any) -> Any:
        self._action, operation = ensured.action, ensured.operation
        self.log.info("%s", ensured.text)
        if self.wait_for_completion and not operation.done:
            if self.deferrable:
                self._defer(context, operation)
            operation = self._follow(context, hook, operation)
        return self._ended(context, hook, operation)

    def _ended(self, context: Context, hook: AzureMLHook, operation: Any) -> Any:
        if (following := self._following(hook, operation)) is not None:
            return self._go_on(context, hook, following)
        return self._result(context, hook, operation)

    def _returned(self, context: Context, resource: dict[str, Any]) -> dict[str, Any]:
        # A key of its own, because ``operator.output["id"]`` means an XCom's key.
        context["ti"].xcom_push(key="id", value=resource.get("id"))
        return resource

    def _following(self, hook: AzureMLHook, operation: Any) -> Any:  # noqa: ARG002  # for those with a next step
        """Begin what comes after an operation, if anything does."""
        return None

    def _result(self, context: Context, hook: AzureMLHook, operation: Any) -> Any:
        return self._returned(context, operation.resource or hook.run(hook.resources.look(operation)))

    def _follow(self, context: Context, hook: AzureMLHook, operation: Any) -> Any:
        from airflow.sdk.exceptions import AirflowTaskTimeout

        watch = self._watch(context, operation)
        try:
            return hook.run(
                hook.resources.follow(operation, watch, lambda now: self.log.info("%s", now.news))
            )
        except AirflowTaskTimeout as error:
            raise self._timed_out("The task's execution_timeout has passed") from error

    def _watch(self, context: Context, operation: Any) -> Watch:
        from airflow_batch_provider.jobs import Watch

        return Watch(
            poll_interval=float(self.poll_interval),
            deadline=deadline_of(self, context, operation.started_at),
            outage_tolerance=float(self.outage_tolerance),
            on_trouble=lambda error: self.log.warning("Asking again: %s", error),
        )

    def _defer(self, context: Context, operation: Any) -> NoReturn:
        from airflow_batch_provider.triggers.operations import OperationTrigger

        trigger = OperationTrigger(
            conn_id=self.azure_ml_conn_id,
            place=self._place(),
            operation=operation.to_dict(),
            poll_interval=float(self.poll_interval),
            deadline=deadline_of(self, context, operation.started_at),
            outage_tolerance=float(self.outage_tolerance),
        )
        self.defer(trigger=trigger, method_name="execute_complete")

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> Any:
        """Go on when the trigger has an outcome. Everything is taken from the event."""
        from airflow_batch_provider.triggers.operations import error_in

        for line in event["history"]:
            self.log.info("While deferred: %s", line)
        if (error := error_in(event)) is not None:
            raise error
        hook = self._opened()
        return self._ended(context, hook, hook.resources.operation(event["operation"]))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral, or end when Airflow says that the trigger timed out or failed."""
        from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout

        from airflow_batch_provider.errors import OperationUnreachable

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout as error:
            raise self._timed_out(
                "The task was deferred for longer than its execution_timeout allows"
            ) from error
        except TaskDeferralError as error:
            told = f"The trigger that waited for the operation on the {self._name()} failed: {error}."
            raise OperationUnreachable(told, fix=_GOES_ON) from error

    def _timed_out(self, what: str) -> Exception:
        from airflow_batch_provider.errors import OperationTimedOut

        return OperationTimedOut(
            f"{what}, while it waited for the operation on the {self._name()}.", fix=_GOES_ON
        )

    def _name(self) -> str:
        return self.title.format_map(vars(self))

    def _do_render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        super()._do_render_template_fields(*args, **kwargs)
        mask_signatures(*(getattr(self, name) for name in self.fields))


class AzureMLCreateOperator(AzureMLResourceOperator):
    """Base of those that create or change a resource.

    What is there already and as it shall be is left alone; what differs is changed, if it can be.

    Args:
        if_exists: What to do about a resource that is there: ``update`` changes what differs, ``skip`` leaves
            it as it is, ``fail`` fails, also in a retry after a try that has created it.
        **kwargs: As of `AzureMLResourceOperator`.
    """

    def __init__(self, *, if_exists: str = "update", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.if_exists = if_exists
        if is_literal(if_exists):
            self._check_if_exists()

    @abstractmethod
    def _resource(self, resources: Any, said: dict[str, Any]) -> Any:
        """Return the resource as it shall be."""

    def _flow(self, resources: Any, said: Mapping[str, Any]) -> Any:
        return resources.ensure(self._resource(resources, dict(said)), if_exists=self.if_exists)

    def _check_rendered(self) -> None:
        super()._check_rendered()
        self._check_if_exists()

    def _check_if_exists(self) -> None:
        choice("if_exists", self.if_exists, "update", "skip", "fail")


def is_literal(value: Any) -> bool:
    """Say whether an argument is known when the DAG is parsed: it is plain data without a template."""
    if isinstance(value, str):
        return not any(mark in value for mark in ("{{", "{%", "{#"))
    if isinstance(value, Mapping):
        return _all_literal((*value, *value.values()))
    if isinstance(value, list | tuple):
        return _all_literal(value)
    return value is None or isinstance(value, bool | int | float | timedelta)


def _all_literal(values: Iterable[Any]) -> bool:
    return all(is_literal(value) for value in values)
