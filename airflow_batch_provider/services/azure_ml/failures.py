"""Why a run failed: its error tree in a few lines.

Source: the ``error`` of run history is a ``RootError`` (recorded answers in azure-sdk-for-python).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_batch_provider.errors import redact
from airflow_batch_provider.services.azure_ml.answers import inner, rows

_LEVELS = 4
_MESSAGE = 600


def error_lines(root: Mapping[str, Any]) -> str:
    """Return a run's error as lines of code and message, from the outermost to the innermost level.

    What a level only repeats is left out; of a deep tree, the middle is.

    Args:
        root: The run's ``error``.
    """
    said: list[str] = []
    levels = list(_levels(inner(root, "error")))
    for code, message in levels:
        new = [part for part in (code, message) if part and not any(part in line for line in said)]
        if new:
            said.append(": ".join(new))
    shown = said if len(said) <= _LEVELS else [said[0], *said[1 - _LEVELS :]]
    request = str(inner(root, "correlation").get("request") or "")
    if shown and request and levels[0][0] != "UserError":  # The user's own errors mean nothing to support.
        shown.append(f"[request id {request}]")
    return redact("\n".join(shown))


def _levels(error: dict[str, Any]) -> Iterator[tuple[str, str]]:
    pending = [error]
    while pending:
        level = pending.pop(0)
        message = " ".join(str(level.get("message") or "").split())
        code = str(level.get("code") or "")
        yield code, f"{message[:_MESSAGE]}…" if len(message) > _MESSAGE else message
        pending += [below for below in (*rows(level, "details"), inner(level, "innerError")) if below]
