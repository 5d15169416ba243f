"""``@task.azure_ml_batch``: a function says what a batch endpoint is to score."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeAlias, TypeVar, cast, overload

from airflow.sdk.bases.decorator import DecoratedOperator, task_decorator_factory

from airflow_batch_provider.decorators.kept import KeptInputs
from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.masking import mask_signatures
from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator
from airflow_batch_provider.values import shown

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg
    from airflow.sdk.bases.decorator import Task

Inputs: TypeAlias = str | Mapping[str, Any]
"""What the function may return: see `azure_ml_batch`."""

P = ParamSpec("P")
R = TypeVar("R", bound=Inputs)
T = TypeVar("T")

NAME = "azure_ml_batch"


class AzureMLBatchDecoratedOperator(DecoratedOperator, AzureMLBatchEndpointOperator):
    """Invoke a batch endpoint with what a function returns.

    The function is called for each job that is submitted, not for one that is taken up again. What it
    returned is kept until the job is known: a try that follows one that died while it submitted has to look
    for a job with the very same inputs.

    Args:
        python_callable: Returns the inputs, see `azure_ml_batch`.
        op_args: Of the function.
        op_kwargs: Of the function.
        **kwargs: As of `AzureMLBatchEndpointOperator`, but for ``inputs`` and ``input``.
    """

    template_fields: Sequence[str] = (  # type: ignore[assignment]  # the base's is of another length
        *DecoratedOperator.template_fields,
        *AzureMLBatchEndpointOperator.template_fields,
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **AzureMLBatchEndpointOperator.template_fields_renderers,
    }
    custom_operator_name = f"@task.{NAME}"
    overwrite_rtif_after_execution = True  # What the function returned is then to be seen in the UI.

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        for name in ("inputs", "input"):
            if kwargs.pop(name, None) is not None:
                raise InvalidInput(
                    f"{name} is given to @task.{NAME}.", fix="Return it from the function instead."
                )
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, **kwargs)
        if self.is_async:
            raise InvalidInput(
                f"{python_callable.__name__} is an async function.",
                fix=f"@task.{NAME} takes one without async.",
            )

    def _ordering(self, context: Context) -> Callable[[], Any]:
        kept = KeptInputs(context["task_state_store"], self._records(context))
        returned = iter([kept.of_open_submission()])  # When that is settled, the function is asked.

        def order() -> Any:
            again = next(returned, None)
            if again is not None:
                self.log.info("The inputs are those of the try that was interrupted while it submitted.")
            value = self._called(context) if again is None else again
            mask_signatures(value)
            self.input, self.inputs = _taken(value, self.python_callable.__name__)
            made = self._order(context)
            kept.keep(value)
            return made

        return order

    def _called(self, context: Context) -> Any:
        given = {**context, **self.op_kwargs}
        return self.python_callable(*self.op_args, **self.determine_kwargs(given))


def _taken(value: Any, function: str) -> tuple[Any, Any]:
    """Return what a function returned as the operator's ``input`` and ``inputs``."""
    if isinstance(value, str):
        return value, None
    if not isinstance(value, Mapping):
        raise InvalidInput(
            f"The function {function} returned {shown(value)}.",
            fix="Return the URI of the one input, or a mapping of names to inputs.",
        )
    described = isinstance(value.get("type"), str) and ("path" in value or "uri" in value)
    return (value, None) if described else (None, value)


@overload
def azure_ml_batch(python_callable: Callable[P, R]) -> Task[P, R]: ...


@overload
def azure_ml_batch(
    *,
    endpoint_name: str | XComArg | None = None,
    deployment_name: str | XComArg | None = None,
    outputs: Mapping[str, Any] | str | XComArg | None = None,
    experiment_name: str | XComArg | None = None,
    job_overrides: Mapping[str, Any] | XComArg | None = None,
    tags: Mapping[str, Any] | XComArg | None = None,
    properties: Mapping[str, Any] | XComArg | None = None,
    scoring_uri: str | XComArg | None = None,
    upload_local_inputs: bool = True,
    azure_ml_conn_id: str | XComArg = "azure_ml_default",
    subscription_id: str | XComArg | None = None,
    resource_group_name: str | XComArg | None = None,
    workspace_name: str | XComArg | None = None,
    cloud_environment: str | XComArg | None = None,
    wait_for_completion: bool = True,
    deferrable: bool = ...,
    poll_interval: float | str = 30,
    timeout: float | str | timedelta | None = None,
    cancel_on_kill: bool = True,
    cancel_on_timeout: bool = True,
    on_retry: str = "reattach",
    on_clear: str = "rerun",
    on_ambiguous: str = "reconcile",
    outage_tolerance: float | str = 900,
    fetch_logs: str = "on_failure",
    multiple_outputs: bool = False,
    **kwargs: Any,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def azure_ml_batch(
    python_callable: Callable[..., Any] | None = None, *, multiple_outputs: bool | None = None, **kwargs: Any
) -> Any:
    """Invoke a batch endpoint with what the decorated function returns, and return the job.

    The function returns the one data input of a model deployment, as a URI or path or as a mapping with
    ``type`` and ``path``, or a mapping of names to inputs, as `AzureMLBatchEndpointOperator` takes them in
    ``input`` and ``inputs``. Templates in what it returns are not rendered: it is given the context. It must
    not be async.

    A job is submitted exactly once, as by the operator. The function is called for each new job, before
    anything is sent; a try that takes up a job does not call it.

    Args:
        python_callable: The function, if the decorator stands without arguments.
        multiple_outputs: Whether each key of the job is an XCom of its own, besides ``job_id`` and
            ``outputs``, which always are. What the function's annotations say of its result does not matter.
        **kwargs: As of `AzureMLBatchEndpointOperator`, but for ``inputs`` and ``input``, and of Airflow's
            ``BaseOperator``. A task with a function needs a worker: ``start_from_trigger=True`` has no effect
            but a line in the log.

    Returns:
        The decorated task: call it, or map it with ``expand``, ``expand_kwargs`` and ``partial``.

    Raises:
        InvalidInput: ``inputs`` or ``input`` is given, or the function is async.
    """
    factory = cast("Callable[..., Any]", task_decorator_factory)
    return factory(
        python_callable,
        # Airflow would infer it from a function that is annotated to return a dict, which is not the result.
        multiple_outputs=bool(multiple_outputs),
        decorated_operator_class=AzureMLBatchDecoratedOperator,
        **kwargs,
    )
