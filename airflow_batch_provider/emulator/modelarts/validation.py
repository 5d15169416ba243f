"""What ModelArts checks of a workflow before it keeps it. Rules: the tables of the CreateWorkflow page.

Its enumerations are open: the service's own examples use types that the tables do not list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from airflow_batch_provider.emulator.modelarts import graph, references
from airflow_batch_provider.emulator.modelarts.errors import invalid, invalid_field

_TITLE = re.compile(r"[A-Za-z\u4e00-\u9fa5][A-Za-z0-9\u4e00-\u9fa5 _-]{0,63}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
# The samples name data by digests, which may begin with a digit although the page asks for a letter.
_DATA_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_INPUT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SECTIONS = {
    "parameters": ("WorkflowParameter", _NAME),
    "data": ("Data", _DATA_NAME),
    "data_requirements": ("DataRequirement", _NAME),
    "storages": ("WorkflowStorage", _NAME),
}
_TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "bool": (bool,), "float": (int, float)}


def check_workflow(body: dict[str, Any]) -> None:
    """Refuse a workflow that is not valid.

    Raises:
        ServiceError: 400 with the service's validator's words.
    """
    _check_title("Workflow", body.get("name"))
    steps = _objects(body, "steps", "Workflow")
    for step in steps:
        _check_title("WorkflowStep", step.get("name"))
        if not step.get("type"):
            raise invalid_field("WorkflowStep.Type", "Type", "required")
        for key, kind in (("inputs", "JobInput"), ("outputs", "JobOutput")):
            for item in _objects(step, key, "WorkflowStep"):
                _check_name(kind, item.get("name"), _INPUT)
        _objects(step, "conditions", "WorkflowStep")
        _check_shapes(step)
        _check_policy(step)
    for section, (kind, pattern) in _SECTIONS.items():
        items = _objects(body, section, "Workflow")
        for item in items:
            _check_name(kind, item.get("name"), pattern)
        _check_unique(section, [item["name"] for item in items])
    _check_graph(body, steps)


def check_value(parameter: dict[str, Any], value: Any) -> None:
    """Refuse a value that is not of a parameter's type; types that the page does not list take anything.

    Raises:
        ServiceError: 400.
    """
    kinds = _TYPES.get(str(parameter.get("type")).lower())
    if kinds and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
        raise invalid(
            f"the value {value!r} of parameter {parameter['name']} is not of type {parameter['type']}"
        )


def _check_graph(body: dict[str, Any], steps: list[dict[str, Any]]) -> None:
    names = [step["name"] for step in steps]
    _check_unique("steps", names)
    for who, name in _named_steps(body, steps):
        if name not in names:
            raise invalid(f"{who} names the step {name!r}, which does not exist")
    circle = graph.cycle(steps)
    if circle:
        raise invalid(f"steps wait for each other in a circle: {' -> '.join(circle)}")
    for text in references.within(steps):
        _check_reference(text, body, names)


def _check_shapes(step: dict[str, Any]) -> None:
    for key in ("properties", "policy"):
        if not isinstance(step.get(key) or {}, dict):
            raise invalid(f"{key} of step {step['name']} is an object")
    for key in ("depend_steps", "if_then_steps", "else_then_steps"):
        if not isinstance(step.get(key) or [], list):
            raise invalid(f"{key} of step {step['name']} is a list of strings")


def _check_policy(step: dict[str, Any]) -> None:
    # The page calls these numbers strings; Terraform sends them as numbers.
    policy = step.get("policy") or {}
    for key in ("poll_interval_seconds", "max_execution_minutes"):
        value = str(policy.get(key) or 1)
        if not value.isdigit():
            raise invalid(f"policy.{key} of step {step['name']} is {value!r}, which is no whole number")


def _named_steps(body: dict[str, Any], steps: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for step in steps:
        for key in ("depend_steps", "if_then_steps", "else_then_steps"):
            yield from ((f"{key} of step {step['name']}", name) for name in step.get(key) or [])
    for section in ("parameters", "data", "data_requirements"):
        for item in body.get(section) or []:
            yield from ((f"used_steps of {item['name']}", name) for name in item.get("used_steps") or [])


def _check_reference(text: str, body: dict[str, Any], steps: list[str]) -> None:
    try:
        reference = references.read(text)
    except references.UnresolvedError:
        raise invalid(f"{text} is no reference") from None
    section = reference.section
    known = steps if section == "consumptions" else [item["name"] for item in body.get(section) or []]
    if reference.name not in known:
        raise invalid(f"{text} names nothing in {section}")


def _objects(body: dict[str, Any], key: str, kind: str) -> list[dict[str, Any]]:
    items = body.get(key) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise invalid(f"{kind}.{key} is a list of objects")
    return items


def _check_title(kind: str, name: Any) -> None:
    if not name:
        raise invalid_field(f"{kind}.Name", "Name", "required")
    if not isinstance(name, str) or not _TITLE.fullmatch(name):
        raise invalid_field(f"{kind}.Name", "Name", "workflow_name")


def _check_name(kind: str, name: Any, pattern: re.Pattern[str]) -> None:
    if not name:
        raise invalid_field(f"{kind}.Name", "Name", "required")
    if not isinstance(name, str) or not pattern.fullmatch(name):
        raise invalid_field(f"{kind}.Name", "Name", "name")


def _check_unique(what: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise invalid(f"{what} are not unique: {', '.join(twice)}")
