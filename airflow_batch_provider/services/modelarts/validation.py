"""What must be right in a workflow before it is sent, beyond the types of its fields.

Names and their lengths, one mode of creation, references that lead somewhere, no circles. The service tells
of some of these only when the workflow is run. Each check raises at the first thing that is wrong and yields
what is merely unusual.
"""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

from airflow_batch_provider.answers import inner, rows
from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.services.modelarts import obs
from airflow_batch_provider.services.modelarts.names import check_name, listed, unknown
from airflow_batch_provider.services.modelarts.project import uuid
from airflow_batch_provider.services.modelarts.refs import (
    CONSUMPTIONS,
    NAMED,
    PREFIX,
    Ref,
    references,
)
from airflow_batch_provider.values import shown

MODES = ("steps", "source_workflow_id", "gallery_subscription")
_OTHER_STEPS = ("depend_steps", "if_then_steps", "else_then_steps")


def check_whole(body: dict[str, Any]) -> Iterator[str]:
    """Check a new workflow.

    Args:
        body: Of JSON, and of the documented types.

    Raises:
        InvalidInput: Something is wrong.
    """
    check_name("workflow.name", body.get("name"), "title")
    _one_mode(body)
    # A copy and a subscription bring the steps and names that the rest of the definition may refer to.
    yield from _check(body, "workflow", complete=bool(body.get("steps")))


def check_partly(body: dict[str, Any]) -> Iterator[str]:
    """Check changes of a workflow, which may refer to what they do not hold."""
    if "name" in body:
        check_name("changes.name", body["name"], "title")
    yield from _check(body, "changes", complete=False)


def _one_mode(body: dict[str, Any]) -> None:
    given = [mode for mode in MODES if body.get(mode)]
    if len(given) != 1:
        said = f"{' and '.join(given)} are all given" if given else f"none of {', '.join(MODES)} is given"
        raise InvalidInput(
            f"workflow: {said}.",
            fix="Give exactly one: steps for a new workflow, source_workflow_id for a copy, "
            "gallery_subscription for one from AI Gallery.",
        )
    if source := body.get("source_workflow_id"):
        uuid("workflow.source_workflow_id", source)
    subscription = body.get("gallery_subscription")
    if subscription and not subscription.get("content_id"):
        raise InvalidInput(
            f"workflow.gallery_subscription is {shown(subscription)}, which lacks content_id.",
            fix="Give the id of the asset in AI Gallery.",
        )


def _check(body: dict[str, Any], where: str, *, complete: bool) -> Iterator[str]:
    """Check names, and references to what the body holds; if it is complete, it must hold all."""
    for key in NAMED:
        _named(body, key, "name", where)
    _parameters(body, where)
    _places(body, where)
    yield from _steps(body, where)
    _policy(body, where)
    for place, ref in references(body, where):
        yield from _leads_somewhere(ref, place, body, complete=complete)
    if body.get("steps"):
        _step_names(body, where)
        _no_circles(body, where)


def _named(holder: dict[str, Any], key: str, kind: str, where: str) -> None:
    seen: set[str] = set()
    for index, row in enumerate(rows(holder, key)):
        place = f"{where}.{key}[{index}].name"
        name = check_name(place, row.get("name"), kind)
        if name in seen:
            raise InvalidInput(f"{place} is {name!r}, which is there already.", fix="Give each its own name.")
        seen.add(name)


def _parameters(body: dict[str, Any], where: str) -> None:
    for index, row in enumerate(rows(body, "parameters")):
        allowed = [str(one) for one in row.get("enum") or []]
        for key in ("default", "value"):
            if allowed and row.get(key) is not None and str(row[key]) not in allowed:
                raise InvalidInput(
                    f"{where}.parameters[{index}].{key} is {shown(row[key])}, which its enum does not have.",
                    fix=f"Its enum has {listed(allowed)}.",
                )


def _places(body: dict[str, Any], where: str) -> None:
    """Check whatever is a place in OBS, or a reference to one."""
    found = [(f"{where}.storages[{i}].path", row.get("path")) for i, row in enumerate(rows(body, "storages"))]
    for key in ("steps", "data", "data_requirements"):
        found.extend(_obs_urls(body.get(key), f"{where}.{key}"))
    for place, path in found:
        if isinstance(path, str) and not path.startswith(PREFIX):
            obs.place_of(place, path)


def _obs_urls(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, found in value.items():
            yield from [(f"{where}.{key}", found)] if key == "obs_url" else _obs_urls(found, f"{where}.{key}")
    elif isinstance(value, list):
        for index, found in enumerate(value):
            yield from _obs_urls(found, f"{where}[{index}]")


def _steps(body: dict[str, Any], where: str) -> Iterator[str]:
    _named(body, "steps", "title", where)
    for index, step in enumerate(rows(body, "steps")):
        place = f"{where}.steps[{index}]"
        if not step.get("type"):
            raise InvalidInput(
                f"{place}.type is {shown(step.get('type'))}.", fix="Say what kind of step it is, such as job."
            )
        _named(step, "inputs", "input", place)
        _unique_outputs(step, place)
        if step["type"] == "condition":
            yield from _condition(step, place)


def _condition(step: dict[str, Any], where: str) -> Iterator[str]:
    if not step.get("conditions"):
        raise InvalidInput(
            f"{where} is a condition step without conditions.",
            fix="Give conditions, each with type, left and right, and the steps to choose from as "
            "if_then_steps and else_then_steps.",
        )
    if not step.get("if_then_steps") and not step.get("else_then_steps"):
        yield (
            f"{where} is a condition step that chooses nothing: it has neither if_then_steps nor "
            "else_then_steps."
        )


def _unique_outputs(step: dict[str, Any], where: str) -> None:
    # How their names are written is not documented.
    names = [row.get("name") for row in rows(step, "outputs")]
    for index, name in enumerate(names):
        if not name or name in names[:index]:
            raise InvalidInput(
                f"{where}.outputs[{index}].name is {shown(name)}.", fix="Give each output a name of its own."
            )


def _policy(body: dict[str, Any], where: str) -> None:
    scenes = rows(inner(body, "policy"), "scenes")
    ids = [str(scene["id"]) for scene in scenes if scene.get("id")]
    chosen = inner(body, "policy").get("scene_id")
    if chosen and scenes and chosen not in ids:
        raise unknown(f"{where}.policy.scene_id", chosen, ids, "scene")


def _step_names(body: dict[str, Any], where: str) -> None:
    """Check every list of step names."""
    known = [step["name"] for step in rows(body, "steps")]
    for place, names in _lists_of_steps(body, where):
        for index, name in enumerate(names):
            if name not in known:
                raise unknown(f"{place}[{index}]", name, known, "step")


def _lists_of_steps(body: dict[str, Any], where: str) -> Iterator[tuple[str, list[Any]]]:
    for index, step in enumerate(rows(body, "steps")):
        for key in _OTHER_STEPS:
            yield f"{where}.steps[{index}].{key}", step.get(key) or []
    for key in ("parameters", "data", "data_requirements"):
        for index, row in enumerate(rows(body, key)):
            yield f"{where}.{key}[{index}].used_steps", row.get("used_steps") or []
    for index, graph in enumerate(rows(body, "sub_graphs")):
        yield f"{where}.sub_graphs[{index}].steps", graph.get("steps") or []
    for index, scene in enumerate(rows(inner(body, "policy"), "scenes")):
        yield f"{where}.policy.scenes[{index}].steps", scene.get("steps") or []


def _no_circles(body: dict[str, Any], where: str) -> None:
    """Refuse steps that wait for each other: by name, as a branch, or for an output."""
    waits_for: dict[str, set[str]] = {step["name"]: set() for step in rows(body, "steps")}
    for step in rows(body, "steps"):
        waits_for[step["name"]].update(step.get("depend_steps") or [])
        for branch in (*(step.get("if_then_steps") or []), *(step.get("else_then_steps") or [])):
            waits_for[branch].add(step["name"])
        for _, ref in references(step, where):
            if ref.kind == CONSUMPTIONS:
                waits_for[step["name"]].add(ref.name)
    try:
        TopologicalSorter(waits_for).prepare()
    except CycleError as error:
        circle = " → ".join(map(repr, error.args[1]))
        raise InvalidInput(
            f"{where}.steps wait for each other in a circle: {circle}.",
            fix="Check depend_steps, if_then_steps, else_then_steps and $ref/consumptions of these steps.",
        ) from None


def _leads_somewhere(ref: Ref, where: str, body: dict[str, Any], *, complete: bool) -> Iterator[str]:
    if ref.kind == CONSUMPTIONS:
        _consumption(ref, where, body, complete=complete)
    elif ref.kind in NAMED:
        known = [str(row["name"]) for row in rows(body, ref.kind)]
        if ref.name not in known and (complete or known):
            raise _dangling(ref, where, known)
    else:
        yield f"{where} is {shown(ref.text)}, a kind of reference that is not documented."


def _consumption(ref: Ref, where: str, body: dict[str, Any], *, complete: bool) -> None:
    steps = {step["name"]: step for step in rows(body, "steps")}
    if not steps and not complete:
        return
    if ref.name not in steps:
        raise unknown(f"{where}, {shown(ref.text)}: the step {shown(ref.name)}", ref.name, steps, "step")
    outputs = [row["name"] for row in rows(steps[ref.name], "outputs")]
    output = ref.rest[0] if ref.rest else ""
    if output not in outputs:
        raise unknown(f"{where}, {shown(ref.text)}: the output", output, outputs, "output of that step")


def _dangling(ref: Ref, where: str, known: list[str]) -> InvalidInput:
    what = {"parameters": "parameter", "storages": "storage", "data_requirements": "data requirement"}
    return unknown(f"{where}, {shown(ref.text)}: the name", ref.name, known, what.get(ref.kind, ref.kind))
