"""What a user says of one execution, checked as far as that goes without asking the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_batch_provider.checks import choice, just_one, texts
from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.services.modelarts import obs
from airflow_batch_provider.services.modelarts.definition import Definition, definition
from airflow_batch_provider.services.modelarts.names import check_name
from airflow_batch_provider.services.modelarts.project import uuid
from airflow_batch_provider.services.modelarts.readers import boolean
from airflow_batch_provider.values import RENDERED, is_nothing, mapping, shown


@dataclass(frozen=True)
class Start:
    """An execution as a user wants it.

    Args:
        workflow_id: Of the workflow, or empty.
        workflow_name: Of the workflow, or empty.
        workflow: Its definition, to create it if there is none of that name.
        parameters: Name to value.
        data: Name of a data requirement to a path in OBS or to a mapping.
        body: What else is sent: ``name``, ``description``, ``labels``, ``scene_id``, ``policies``.
        on_waiting_inputs: ``fail`` or ``wait``.
    """

    workflow_id: str = ""
    workflow_name: str = ""
    workflow: Definition | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    on_waiting_inputs: str = "fail"


def start(
    *,
    workflow_id: str | None = None,
    workflow_name: str | None = None,
    workflow: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    labels: list[str] | None = None,
    name: str | None = None,
    description: str | None = None,
    scene_id: str | None = None,
    use_cache: Any = None,
    on_waiting_inputs: str = "fail",
) -> Start:
    """Check what a user says of an execution.

    ``None`` means not given; a text that is empty or ``"None"`` is taken for a template that found nothing.

    Args:
        workflow_id: UUID of the workflow.
        workflow_name: Its name, looked up; there must be exactly one of that name.
        workflow: Its definition, see `definition.definition`; created unless one of that name exists, which
            is then taken as it is.
        parameters: Name to value; typed as the workflow says.
        data: Name of a data requirement to ``obs://bucket/key``, ``/bucket/key`` or a mapping.
        labels: Of the execution.
        name: Of the execution; default: the service chooses.
        description: Of the execution.
        scene_id: Which of the workflow's scenes to run.
        use_cache: Whether steps whose inputs have not changed are skipped; default: the service's.
        on_waiting_inputs: ``fail`` ends the wait when a step waits for a person; ``wait`` goes on waiting.

    Raises:
        InvalidInput: The service would refuse it.
    """
    just_one("which workflow", workflow_id=workflow_id, workflow_name=workflow_name, workflow=workflow)
    body: dict[str, Any] = texts(name=name, description=description, scene_id=scene_id)
    if labels is not None:
        body["labels"] = _labels(labels)
    if use_cache is not None:
        body["policies"] = {"use_cache": _switch(use_cache)}
    return Start(
        workflow_id="" if workflow_id is None else _id(workflow_id),
        workflow_name="" if workflow_name is None else check_name("workflow_name", workflow_name, "title"),
        workflow=None if workflow is None else definition(workflow),
        parameters=_named("parameters", parameters),
        data=_data(data),
        body=body,
        on_waiting_inputs=choice("on_waiting_inputs", on_waiting_inputs, "fail", "wait"),
    )


def _id(value: Any) -> str:
    if is_nothing(value):
        raise InvalidInput(f"workflow_id is {shown(value)}. {RENDERED}", fix="Give the workflow's id.")
    return uuid("workflow_id", value, name_field="workflow_name")


def _labels(labels: Any) -> list[str]:
    if not isinstance(labels, list | tuple):
        raise InvalidInput(f"labels is {shown(labels)}.", fix="Give a list of texts.")
    for index, label in enumerate(labels):
        texts(**{f"labels[{index}]": label})
        if label is None:
            raise InvalidInput(f"labels[{index}] is None. {RENDERED}", fix="Give a text, or leave it out.")
    return list(dict.fromkeys(labels))


def _switch(value: Any) -> bool:
    try:
        return boolean(value)
    except ValueError:
        raise InvalidInput(f"use_cache is {shown(value)}.", fix="Give true or false.") from None


def _data(given: Any) -> dict[str, Any]:
    """Check places in OBS; what else data may be, the workflow must say."""
    found = _named("data", given)
    for name, value in found.items():
        where = f"data[{name!r}]"
        if isinstance(value, str):
            obs.place_of(where, value)
        elif isinstance(value, Mapping) and "obs_url" in value:
            obs.place_of(f"{where}.obs_url", value["obs_url"])
    return found


def _named(field_name: str, given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    for key in mapping(field_name, given):
        if not isinstance(key, str) or is_nothing(key):
            raise InvalidInput(f"{field_name} has the name {shown(key)}.", fix="Give names that are texts.")
    return dict(given)
