"""The definition of a workflow, as the service documents it: every table, every field.

`TABLES` are the request tables of the API page of CreateWorkflow. A field of another JSON type than
documented is refused; a field that no table has, and a word that is in no documented enumeration, is reported
and sent: the page lists fewer than the service takes (its own example has a step of type ``condition``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from airflow_batch_provider.answers import rows
from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.services.modelarts.readers import SCALARS, plain, typed
from airflow_batch_provider.services.modelarts.refs import PREFIX
from airflow_batch_provider.services.modelarts.validation import check_partly, check_whole
from airflow_batch_provider.values import RENDERED, is_nothing, mapping, shown

TABLES: dict[str, dict[str, str]] = {
    "workflow": {
        "name": "string",
        "workflow_id": "string",
        "created_at": "string",
        "description": "string",
        "steps": "[step]",
        "user_name": "string",
        "workspace_id": "string",
        "data_requirements": "[data_requirement]",
        "data": "[data]",
        "parameters": "[parameter]",
        "source_workflow_id": "string",
        "gallery_subscription": "gallery_subscription",
        "latest_execution": "execution_brief",
        "run_count": "integer",
        "param_ready": "boolean",
        "source": "string",
        "storages": "[storage]",
        "labels": "[string]",
        "assets": "[asset]",
        "sub_graphs": "[sub_graph]",
        "extend": "map",
        "policy": "policy",
        "with_subscription": "boolean",
        "smn_switch": "boolean",
        "subscription_id": "string",
        "exeml_template_id": "string",
        "last_modified_at": "string",
        "package": "package",
    },
    "step": {
        "name": "string",
        "type": "string",
        "inputs": "[input]",
        "outputs": "[output]",
        "created_at": "string",
        "title": "string",
        "description": "string",
        "properties": "map",
        "depend_steps": "[string]",
        "conditions": "[condition]",
        "if_then_steps": "[string]",
        "else_then_steps": "[string]",
        "policy": "step_policy",
    },
    "input": {"name": "string", "type": "string", "data": "any", "value": "any"},
    "output": {"name": "string", "type": "string", "config": "map"},
    "condition": {"type": "string", "left": "any", "right": "any"},
    # Texts on the page, numbers in other clients of the vendor.
    "step_policy": {"poll_interval_seconds": "numeral", "max_execution_minutes": "numeral"},
    "data_requirement": {
        "name": "string",
        "type": "string",
        "conditions": "[constraint]",
        "value": "map",
        "used_steps": "[string]",
        "delay": "boolean",
    },
    "constraint": {"attribute": "string", "operator": "string", "value": "any"},
    "data": {"name": "string", "type": "string", "value": "map", "used_steps": "[string]"},
    "parameter": {
        "name": "string",
        "type": "string",
        "description": "string",
        "example": "any",
        "delay": "boolean",
        "default": "any",
        "value": "any",
        "enum": "[any]",
        "used_steps": "[string]",
        "format": "string",
        "constraint": "map",
    },
    "gallery_subscription": {"content_id": "string", "version_id": "string", "expired_at": "string"},
    "execution_brief": {
        "execution_id": "string",
        "created_at": "string",
        "status": "string",
        "running_steps": "[string]",
        "current_steps": "[string]",
        "duration": "integer",
    },
    "storage": {"name": "string", "type": "string", "path": "string"},
    "asset": {
        "name": "string",
        "type": "string",
        "content_id": "string",
        "subscription_id": "string",
        "expired_at": "string",
    },
    "sub_graph": {"name": "string", "steps": "[string]"},
    "policy": {"use_scene": "string", "scene_id": "string", "scenes": "[scene]"},
    "scene": {"id": "string", "name": "string", "steps": "[string]"},
    "package": {
        "package_id": "string",
        "status": "string",
        "pool_id": "string",
        "service_id": "string",
        "workflow_id": "string",
        "order": "order",
        "consume_limit": "integer",
        "current_consume": "integer",
        "current_date": "string",
        "limit_enable": "boolean",
        "created_at": "string",
    },
    "order": {"id": "string", "sku": "sku", "sku_count": "string"},
    "sku": {"code": "string", "period": "string", "queries_limit": "integer", "price": "number"},
}
"""Table to field to type. ``[x]`` is an array of x; what is no type of JSON is the name of a table."""

ENUMERATIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("workflow", "source"): ("ai_gallery",),
    # "condition" is in the page's example only.
    ("step", "type"): (
        *("job", "labeling", "release_dataset", "model", "service", "mrs_job", "dataset_import"),
        *("create_dataset", "condition"),
    ),
    ("input", "type"): ("dataset", "obs", "data_selector"),
    # The last two are in the page's and other examples only.
    ("output", "type"): ("obs", "model", "service_content", "dataset"),
    ("condition", "type"): ("==", "!=", ">", ">=", "<", "<=", "in", "or"),
    ("data_requirement", "type"): ("dataset", "obs", "swr", "model_list", "label_task", "service"),
    ("constraint", "operator"): ("equal",),
    ("data", "type"): ("dataset", "obs", "swr", "model", "label_task", "service", "image"),
    # "json" is what the vendor's SDK writes for its placeholders of that kind.
    ("parameter", "type"): ("str", "int", "bool", "float", "json"),
    ("storage", "type"): ("obs",),
    ("asset", "type"): ("algorithm", "algorithm2", "model"),
}
"""The documented words of a field, which are not all that the service knows."""

SERVER_OWNED = (
    *("workflow_id", "created_at", "user_name", "latest_execution", "run_count", "param_ready"),
    "last_modified_at",
)
"""What the page lists in the request, too, but the service sets: left out, so that an answer can be a
definition."""

UPDATABLE = (
    *("name", "description", "data_requirements", "parameters", "storages", "labels", "smn_switch", "steps"),
)
"""Fields that a workflow can be changed in. Source: the vendor's SDK."""


@dataclass(frozen=True)
class Definition:
    """A definition that was checked.

    Args:
        body: What is sent.
        warnings: What is unusual in it, a sentence each.
    """

    body: dict[str, Any]
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The workflow's name; empty for changes that keep it."""
        return str(self.body.get("name", ""))


def definition(value: Any) -> Definition:
    """Check the definition of a new workflow.

    Args:
        value: A mapping as the tables describe it, with exactly one of ``steps`` (a new workflow),
            ``source_workflow_id`` (a copy) and ``gallery_subscription`` (from AI Gallery).

    Raises:
        InvalidInput: The service would refuse it, or a run of it could not work: see `validation`.
    """
    return _checked("workflow", value, SERVER_OWNED, check_whole)


def changes(value: Any) -> Definition:
    """Check changes of a workflow.

    Args:
        value: A mapping of some of `UPDATABLE`; a list replaces the whole list. References are checked as far
            as the changes hold both ends.

    Raises:
        InvalidInput: The service would refuse it.
    """
    given = mapping("changes", value)
    if not given:
        raise InvalidInput(f"changes is {shown(value)}.", fix=f"Give some of {', '.join(UPDATABLE)}.")
    for key in given:
        if key not in UPDATABLE:
            raise InvalidInput(
                f"changes has {shown(key)}, which cannot be changed.", fix=f"Use {', '.join(UPDATABLE)}."
            )
    return _checked("changes", given, (), check_partly)


def _checked(
    where: str, value: Any, left_out: tuple[str, ...], check: Callable[[dict[str, Any]], Iterator[str]]
) -> Definition:
    given = plain(where, mapping(where, value))
    # What is null is not given, as in the service's own answers.
    body = {key: field for key, field in given.items() if field is not None and key not in left_out}
    warnings = [f"{where}.{key} is set by the service and was left out." for key in given if key in left_out]
    warnings += _table("workflow", body, where)
    body |= _typed(body, where)
    warnings += check(body)
    return Definition(body, tuple(warnings))


def _typed(body: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the parameters with values of their types, as far as they are values."""
    if not body.get("parameters"):
        return {}
    found = [dict(row) for row in rows(body, "parameters")]
    for index, row in enumerate(found):
        kind = str(row.get("type") or "").lower()
        for key in ("default", "value") if kind in SCALARS else ():
            value = row.get(key)
            if value is not None and not (isinstance(value, str) and value.startswith(PREFIX)):
                read = typed(kind, f"{where}.parameters[{index}].{key}", value)
                # A whole number is a number, and is sent as it is given.
                row[key] = value if read == value and isinstance(value, int) else read
    return {"parameters": found}


def _table(table: str, value: Any, where: str) -> Iterator[str]:
    """Check a mapping against a table, and yield what is unusual."""
    fields = TABLES[table]
    for key, found in value.items():
        place = f"{where}.{key}"
        if key not in fields:
            yield f"{place} is not documented; it is passed on as it is."
        elif found is not None:
            yield from _value(fields[key], found, place)
            yield from _word(table, key, found, place)


def _word(table: str, key: str, found: Any, place: str) -> Iterator[str]:
    words = ENUMERATIONS.get((table, key))
    if words and found not in words:
        yield f"{place} is {shown(found)}; documented are {', '.join(words)}."


def _value(kind: str, found: Any, place: str) -> Iterator[str]:
    if kind.startswith("["):
        for index, row in enumerate(_of_type("array", found, place)):
            yield from _value(kind[1:-1], row, f"{place}[{index}]")
    elif kind in TABLES:
        yield from _table(kind, _of_type("map", found, place), place)
    else:
        _of_type(kind, found, place)


_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "a text"),
    "integer": ((int,), "a whole number"),
    "number": ((int, float), "a number"),
    "numeral": ((int, str), "a whole number"),
    "boolean": ((bool,), "true or false"),
    "map": ((dict,), "a mapping"),
    "array": ((list,), "a list"),
}


def _of_type(kind: str, found: Any, place: str) -> Any:
    if kind == "any":
        return found
    types, wanted = _TYPES[kind]
    if not isinstance(found, types) or (isinstance(found, bool) and bool not in types):
        why = f" {RENDERED}" if is_nothing(found) else f" It is a {type(found).__name__}."
        raise InvalidInput(f"{place} is {shown(found)}.{why}", fix=f"Give {wanted}.")
    if kind == "numeral" and isinstance(found, str) and not (found.isascii() and found.isdecimal()):
        raise InvalidInput(f"{place} is {shown(found)}.", fix=f"Give {wanted}.")
    return found
