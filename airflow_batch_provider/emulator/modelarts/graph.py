"""The steps of a workflow as a graph: who waits for whom."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import Any

Steps = list[dict[str, Any]]


def branches(step: dict[str, Any]) -> list[str]:
    """Return the steps that a condition step chooses from."""
    return [*(step.get("if_then_steps") or []), *(step.get("else_then_steps") or [])]


def dependencies(steps: Steps) -> dict[str, set[str]]:
    """Return which steps each step waits for: those that it names, and the conditions that choose it."""
    waits = {step["name"]: set(step.get("depend_steps") or []) for step in steps}
    for step in steps:
        for name in branches(step):
            waits.setdefault(name, set()).add(step["name"])
    return waits


def cycle(steps: Steps) -> list[str]:
    """Return steps that wait for each other in a circle, or nothing."""
    try:
        TopologicalSorter(dependencies(steps)).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def downstream(steps: Steps, names: set[str]) -> set[str]:
    """Return these steps and all that wait for them, directly or not."""
    waits = dependencies(steps)
    found = set(names)
    while more := {name for name, before in waits.items() if name not in found and before & found}:
        found |= more
    return found


def choose(steps: Steps, scene: list[str] | None) -> Steps:
    """Return the steps of a scene, or all without one; what is left out is waited for by nobody."""
    if scene is None:
        return steps
    kept = [step for step in steps if step["name"] in scene]
    return [
        step | {"depend_steps": [name for name in step.get("depend_steps") or [] if name in scene]}
        for step in kept
    ]
