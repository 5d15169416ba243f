"""The steps of an execution: which failed and why, which waits for a person, and where each wrote.

Steps appear as they start. Sources: the API pages of ShowWorkflowExecution and recorded answers, in which a
running execution's only step is ``wait_inputs``.
"""

from __future__ import annotations

import math
from typing import Any

from airflow_batch_provider.answers import inner, rows
from airflow_batch_provider.jobs import JobState, Step, summary
from airflow_batch_provider.services.modelarts import obs
from airflow_batch_provider.services.modelarts.parameters import missing

STATES = {
    "init": JobState.PENDING,
    "running": JobState.RUNNING,
    "completed": JobState.SUCCEEDED,
    "stopped": JobState.CANCELED,
    "abnormal": JobState.FAILED,
}
"""The status words of an execution. ``rerun`` brings it back from the last two."""

FAILED = ("create_failed", "failed", "timeout", "stopped")
WAITING = ("wait_inputs", "hold")
"""Status words of a step that has not gone well, and of one that goes on only when somebody acts."""

_DONE = ("completed", "skipped", *FAILED)

_EVENTS_SHOWN = 5


def status_of(execution: dict[str, Any]) -> str:
    """Return an execution's status; a new one has none, which is ``init``."""
    return str(execution.get("status") or "init")


def steps_of(execution: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the last run of each step that has started, in the order in which they started."""
    last = {
        str(step.get("step_name") or step.get("name") or ""): step
        for step in rows(execution, "steps_execution")
    }
    return list(last.values())


def step_name(step: dict[str, Any]) -> str:
    """Return the name that the workflow gives to a step."""
    return str(step.get("step_name") or step.get("name") or "")


def failed_steps(execution: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps that did not go well."""
    return [step for step in steps_of(execution) if step.get("status") in FAILED]


def waiting_steps(execution: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps that go on only when somebody acts."""
    return [step for step in steps_of(execution) if step.get("status") in WAITING]


def progress(execution: dict[str, Any]) -> str:
    """Tell how far the steps have come: ``train completed, check running``; empty before the first."""
    return summary(shown(execution))


def shown(execution: dict[str, Any]) -> tuple[Step, ...]:
    """Return the steps that have begun, for whoever waits."""
    return tuple(
        Step(step_name(step), _status(step), _status(step) in _DONE, _seconds(step.get("duration")))
        for step in steps_of(execution)
    )


def count(workflow: dict[str, Any], scene_id: Any = None) -> int:
    """Return how many steps a workflow has, or its scene; 0 if it does not say."""
    scenes = rows(inner(workflow, "policy"), "scenes")
    chosen = [scene.get("steps") for scene in scenes if scene_id and scene.get("id") == scene_id]
    found = chosen[0] if chosen else workflow.get("steps")
    return len(found) if isinstance(found, list) else 0


def _status(step: dict[str, Any]) -> str:
    return str(step.get("status") or "init")


def _seconds(told: Any) -> float | None:
    # A number in answers, a text in the vendor's SDK.
    try:
        seconds = float(told)
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None


def wants(execution: dict[str, Any]) -> str:
    """Tell for what the waiting steps wait, a sentence each; empty if none waits."""
    return " ".join(_wanted(execution, step) for step in waiting_steps(execution))


def _wanted(execution: dict[str, Any], step: dict[str, Any]) -> str:
    name = step_name(step)
    if step.get("status") == "hold":
        return f"Step {name!r} is on hold until somebody continues or stops it."
    used = {
        key: [row for row in rows(execution, key) if name in (row.get("used_steps") or [])]
        for key in ("parameters", "data_requirements")
    }
    lacks = missing(used, {}, delayed_too=True)
    return f"Step {name!r} waits for {', '.join(lacks) if lacks else 'its inputs'}."


def reason(execution: dict[str, Any]) -> str:
    """Tell why an execution did not succeed: its failed steps, what they say, and the last events."""
    found = [_failure(step) for step in failed_steps(execution)]
    if not found:
        found = [_last_events(execution)]
    return " ".join(text for text in found if text)


def _failure(step: dict[str, Any]) -> str:
    error = inner(step, "error_info")
    said = [str(error[key]) for key in ("error_code", "error_message") if error.get(key)]
    told = ": ".join(said) or _last_events(step) or "no reason was given"
    return f"Step {step_name(step)!r} is {step.get('status')}: {told.rstrip('.')}."


def events_of(described: dict[str, Any]) -> list[str]:
    """Return what happened to an execution or a step, oldest first."""
    events = described.get("events")
    return [str(event) for event in events if event] if isinstance(events, list) else []


def _last_events(described: dict[str, Any]) -> str:
    return "; ".join(events_of(described)[-_EVENTS_SHOWN:])


def outputs_of(execution: dict[str, Any], endpoint: str) -> dict[str, dict[str, str]]:
    """Return where the steps of an execution wrote.

    Args:
        execution: With its references resolved.
        endpoint: Base URL of OBS.

    Returns:
        ``STEP/OUTPUT`` to ``{"uri": "obs://…", "url": "https://…", "step": STEP, "output": OUTPUT}``, for the
        outputs that are in OBS; a step that was skipped has none.
    """
    found = {}
    # A step of the branch that was not taken tells where it would have written.
    for step in (step for step in steps_of(execution) if step.get("status") != "skipped"):
        for output in rows(step, "outputs"):
            path, name = _path(output), str(output.get("name") or "")
            if obs.is_obs_path(path):
                found[f"{step_name(step)}/{name}"] = {
                    "uri": obs.uri(path),
                    "url": obs.url(path, endpoint),
                    "step": step_name(step),
                    "output": name,
                }
    return found


def _path(output: dict[str, Any]) -> str:
    for holder in ("config", "value"):
        path = inner(output, holder).get("obs_url")
        if path:
            return str(path)
    return ""
