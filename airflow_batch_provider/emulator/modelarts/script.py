"""How a step is told to end: for tests and demos, that no cloud would do on demand.

Either an execution's label says it, ``emulate:failed@train`` (or ``create_failed``, ``timeout``,
``failed_once``, ``hold``, and ``emulate:seconds@train=30``), or the step itself in its ``properties``:
``{"emulator": {"run_seconds": 30, "status": "failed", "error": "…", "times": 1, "hold": true}}``, where
*times* is how many attempts end so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

DEFAULT_SECONDS = 2.0
_LABEL = re.compile(r"emulate:(?P<what>\w+)@(?P<step>[^=]+)(?:=(?P<value>[\d.]+))?")
_OUTCOMES = {
    "failed": "failed",
    "failed_once": "failed",
    "create_failed": "create_failed",
    "timeout": "timeout",
}


@dataclass(frozen=True)
class Script:
    """How one attempt of a step goes.

    Attributes:
        outcome: The status that it ends in; None leaves that to what it does.
        error: The text of the failure.
        seconds: How long it takes if it runs no code, in the service's time.
        hold: Whether it waits for someone first.
    """

    outcome: str | None = None
    error: str = "The emulator was told to let this step end so."
    seconds: float = DEFAULT_SECONDS
    hold: bool = False


def labels_of(labels: list[str]) -> list[str]:
    """Return the labels that are part of a script."""
    return [label for label in labels if _LABEL.fullmatch(label)]


def of_step(step: dict[str, Any], labels: list[str], attempt: int) -> Script:
    """Return how an attempt of a step goes.

    Args:
        step: Its definition.
        labels: The labels of the execution that are part of a script.
        attempt: 1 for the first.
    """
    section = (step.get("properties") or {}).get("emulator")
    script = _of_section(section, attempt) if isinstance(section, dict) else Script()
    for label in labels:
        match = _LABEL.fullmatch(label)
        if match and match["step"] == step["name"]:
            script = _with_label(script, match["what"], match["value"], attempt)
    return script


def _of_section(section: dict[str, Any], attempt: int) -> Script:
    seconds = float(section.get("run_seconds", DEFAULT_SECONDS))
    hold = section.get("hold") is True
    status = section.get("status", "completed")
    if status not in _OUTCOMES.values() or attempt > section.get("times", attempt):
        return Script(seconds=seconds, hold=hold)
    return Script(status, str(section.get("error", Script.error)), seconds, hold)


def _with_label(script: Script, what: str, value: str | None, attempt: int) -> Script:
    if what == "seconds" and value:
        return Script(script.outcome, script.error, float(value), script.hold)
    if what == "hold":
        return Script(script.outcome, script.error, script.seconds, hold=True)
    outcome = _OUTCOMES.get(what)
    if outcome is None or (what == "failed_once" and attempt > 1):
        return script
    return Script(outcome, script.error, script.seconds, script.hold)
