"""Tasks that run with no worker: the scheduler hands them to the triggerer, to `RunJobTrigger`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.operators.qualifying import Facts, reason_for_worker

if TYPE_CHECKING:
    from airflow_batch_provider.operators.base import BatchOperator

_TRIGGER = "airflow_batch_provider.triggers.run_job.RunJobTrigger"
# What a subclass may define and still be run by the trigger.
_CARRIED_OUT = ("_policy",)


def decide(operator: BatchOperator) -> str:
    """Have a task start in the triggerer if it can; return why it cannot, or an empty text.

    Sets ``start_from_trigger`` and ``start_trigger_args`` of this one task: on a class they would defer
    mapped tasks unexpanded.

    Args:
        operator: The task, with all its arguments.
    """
    from airflow.triggers.base import StartTriggerArgs

    fields = _fields(operator)
    facts = Facts(
        {**fields["order"], **fields["place"], **{k: fields[k] for k in fields.keys() - {"order", "place"}}},
        operator.file_fields,
        operator.upload_fields,
        tuple(_needs(operator)),
    )
    if why := reason_for_worker(facts):
        operator.start_from_trigger, operator.start_trigger_args = False, None
        return why
    operator.start_trigger_args = StartTriggerArgs(
        trigger_cls=_TRIGGER,
        trigger_kwargs=_trigger_kwargs(operator, fields),
        next_method="execute_complete",
    )
    operator.start_from_trigger = True
    return ""


def _fields(operator: BatchOperator) -> dict[str, Any]:
    """Return what the trigger renders."""
    timeout = operator.timeout
    return {
        "order": {name: getattr(operator, name) for name in operator.order_fields},
        "place": operator._place(),  # noqa: SLF001  # the same operator, in a room of its own
        "conn_id": operator._conn_id(),  # noqa: SLF001
        "poll_interval": operator.poll_interval,
        "timeout": timeout.total_seconds() if isinstance(timeout, timedelta) else timeout,
        "outage_tolerance": operator.outage_tolerance,
    }


def _trigger_kwargs(operator: BatchOperator, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "service": operator.service,
        "fields": _plain(fields),
        "policy": _policy(operator),
        "rerun_failed": bool(getattr(operator, "rerun_failed", False)),
        "cancel_on_timeout": operator.cancel_on_timeout,
        "fetch_logs": operator.fetch_logs,
        "retries": operator.retries or 0,
        "links": [link.xcom_key for link in operator.operator_extra_links],
        "places": list(operator.place_xcoms),
        "push_result": operator.do_xcom_push,
    }


def _policy(operator: BatchOperator) -> dict[str, Any]:
    """Return the policy without the one number that may be a template yet."""
    told, operator.outage_tolerance = operator.outage_tolerance, 0.0
    try:
        policy = asdict(operator._policy())  # noqa: SLF001
    finally:
        operator.outage_tolerance = told
    del policy["outage_tolerance"]
    return policy


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _needs(operator: BatchOperator) -> Iterator[str]:
    """Yield what a task needs a worker for, beside its arguments."""
    from airflow_batch_provider.lineage.listening import listens

    if getattr(operator, "_BaseOperator__from_mapped", False) or _in_mapped_group(operator):
        yield "is mapped"
    if hasattr(operator, "python_callable"):
        yield "calls a function (TaskFlow)"
    if not operator.wait_for_completion:
        yield "does not wait for its job (wait_for_completion=False)"
    if operator.outlets or operator.inlets:
        yield "has inlets or outlets"
    yield from (f"has {name}" for name in _HOOKS if getattr(operator, name, None))
    if listens(operator):
        yield "tells OpenLineage, whose listener is called on workers only"
    if operator.multiple_outputs:
        yield "has multiple_outputs"
    if methods := _own_methods(type(operator)):
        yield f"is of a class of your own, which defines {methods[0]}"
    yield from _needs_of_dag(operator)


_HOOKS = ("_pre_execute_hook", "_post_execute_hook", "on_execute_callback", "retry_policy", "email")


def _in_mapped_group(operator: BatchOperator) -> bool:
    return next(operator.iter_mapped_task_groups(), None) is not None


def _own_methods(kind: type) -> list[str]:
    theirs = (one for one in kind.__mro__ if not one.__module__.startswith(("airflow", "builtins", "abc")))
    return [
        name
        for one in theirs
        for name, value in vars(one).items()
        if not name.startswith("__") and name not in _CARRIED_OUT and callable(value)
    ]


def _needs_of_dag(operator: BatchOperator) -> Iterator[str]:
    """Yield what the DAG has changed about templates, which the triggerer does not know."""
    import jinja2

    dag = operator.get_dag()
    if dag is None:
        return
    if dag.render_template_as_native_obj:
        yield "is rendered to native objects (render_template_as_native_obj)"
    if dag.jinja_environment_kwargs or dag.template_undefined is not jinja2.StrictUndefined:
        yield "is rendered in the DAG's own way (jinja_environment_kwargs, template_undefined)"
    # Airflow's API checks what a run says of the DAG's parameters, never of a task's; wrong ones end the
    # whole triggerer in 3.3.2.
    params: Any = operator.params
    if any(params.get_param(name).schema for name in params.keys() - dag.params.keys()):
        yield "has parameters of its own with a schema"


def submitted_by_trigger(instance: Any) -> Mapping[str, Any] | None:
    """Return the record of what the task's trigger has submitted, for a worker that has to end the task.

    Args:
        instance: Airflow's task instance that runs.
    """
    from airflow_batch_provider.triggers.tries import submission_in

    return submission_in(_kept(instance))


def note_failure(instance: Any) -> None:
    """Keep in the trigger's record that the try failed, so that the next one is known as its retry.

    Args:
        instance: Airflow's task instance that runs.
    """
    from airflow_batch_provider.triggers.records import KEY
    from airflow_batch_provider.triggers.tries import failed

    if record := _kept(instance):
        instance.xcom_push(key=KEY, value=failed(record))


def _kept(instance: Any) -> Mapping[str, Any] | None:
    from airflow_batch_provider.triggers.records import KEY

    record = instance.xcom_pull(task_ids=instance.task_id, key=KEY, map_indexes=-1)
    return record if isinstance(record, Mapping) else None
