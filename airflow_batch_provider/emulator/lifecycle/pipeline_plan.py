"""What a pipeline component runs: its command components in order, each with the text of its command.

Keys and expressions: the reference of the pipeline and command component YAML, of which ``componentSpec`` is
the JSON.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

_EXPRESSION = re.compile(r"\$\{\{\s*([\w.]+)\s*\}\}")
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
_JOB_OUTPUT = re.compile(r"parent\.jobs\.(\w+)\.outputs\.(\w+)")


class PlanError(ValueError):
    """A component cannot be executed here; the text says which part, and why."""


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        name: The step's name in the pipeline.
        command: What bash runs.
        code: The id of the code that it runs in, or None.
        folders: Paths that must be folders before it starts: its outputs.
        environment: Further environment variables.
    """

    name: str
    command: str
    code: str | None
    folders: list[str]
    environment: dict[str, str]


def plan(
    spec: dict[str, Any],
    inputs: dict[str, Any],
    outputs: dict[str, str],
    folder: str,
    component: Callable[[str], dict[str, Any]],
) -> list[Step]:
    """Return the steps of a pipeline in an order in which each comes after those that it needs.

    Args:
        spec: The pipeline's ``componentSpec``.
        inputs: The value or local path of each of its inputs.
        outputs: The local path of each of its outputs.
        folder: Where outputs lie that only other steps read.
        component: Returns the ``componentSpec`` that an id names.

    Raises:
        PlanError: Something cannot be executed here.
    """
    jobs: dict[str, dict[str, Any]] = spec.get("jobs") or {}
    needs = {name: {match[0] for match in _JOB_OUTPUT.findall(str(job))} for name, job in jobs.items()}
    values = {f"parent.inputs.{name}": value for name, value in inputs.items()}
    values |= {f"parent.outputs.{name}": path for name, path in outputs.items()}
    steps = []
    for name in _ordered(needs, jobs):
        command = _component(name, jobs[name], component)
        given = {key: _bound(item, values) for key, item in (jobs[name].get("inputs") or {}).items()}
        written = {key: f"{folder}/{name}/{key}" for key in command.get("outputs") or {}}
        bound = {key: _bound(item, values) for key, item in (jobs[name].get("outputs") or {}).items()}
        written |= {key: str(path) for key, path in bound.items() if path is not None}
        values |= {f"parent.jobs.{name}.outputs.{key}": path for key, path in written.items()}
        steps.append(_step(name, command, given, written))
    return steps


def _ordered(needs: dict[str, set[str]], jobs: dict[str, Any]) -> list[str]:
    for name, others in needs.items():
        for other in others - jobs.keys():
            raise PlanError(f"The step {name} reads an output of the step {other}, which does not exist.")
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        raise PlanError(f"The steps {', '.join(error.args[1])} need each other.") from None


def _component(name: str, job: dict[str, Any], component: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    named = job.get("component") or job.get("componentId") or {}
    spec = component(named) if isinstance(named, str) else named
    if spec.get("type", "command") != "command" or not spec.get("command"):
        kind = spec.get("type") or job.get("type")
        raise PlanError(f"The step {name} is of the type {kind}: the emulator runs command components only.")
    return spec


def _bound(item: Any, values: dict[str, Any]) -> Any:
    if isinstance(item, dict):
        item = next((item[key] for key in ("value", "path", "uri", "default") if key in item), None)
    match = _EXPRESSION.fullmatch(item.strip()) if isinstance(item, str) else None
    return values.get(match[1]) if match else item


def _step(name: str, spec: dict[str, Any], given: dict[str, Any], written: dict[str, str]) -> Step:
    values: dict[str, Any] = dict(written)
    for key, declared in (spec.get("inputs") or {}).items():
        value = given.get(key)
        values[key] = declared.get("default") if value is None and isinstance(declared, dict) else value
        if isinstance(declared, dict) and str(declared.get("optional")).lower() == "true":
            continue
        if values[key] is None:
            raise PlanError(f"The input {key} of the step {name} has no value.")
    command = _OPTIONAL.sub(lambda match: _kept(match[1], values), str(spec["command"]))
    text = _EXPRESSION.sub(lambda match: _quoted(name, match[1], values), command)
    outputs = spec.get("outputs") or {}
    files = {key for key, declared in outputs.items() if (declared or {}).get("type") == "uri_file"}
    folders = [path.rpartition("/")[0] if key in files else path for key, path in written.items()]
    environment = {key: str(value) for key, value in (spec.get("environment_variables") or {}).items()}
    return Step(name, text, spec.get("code"), folders, environment)


def _kept(text: str, values: dict[str, Any]) -> str:
    names = [match.rpartition(".")[2] for match in _EXPRESSION.findall(text)]
    return text if all(values.get(name) is not None for name in names) else ""


def _quoted(step: str, expression: str, values: dict[str, Any]) -> str:
    kind, _, name = expression.partition(".")
    if kind not in {"inputs", "outputs"} or values.get(name) is None:
        raise PlanError(f"The command of the step {step} names {expression}, which has no value.")
    return shlex.quote(str(values[name]))
