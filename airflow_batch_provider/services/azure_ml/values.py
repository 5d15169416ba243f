"""Values out of a DAG or a connection: when a template rendered to nothing, and how a message shows them."""

from __future__ import annotations

from typing import Any

from airflow_batch_provider.errors import redact

_SHOWN = 200
RENDERED = "Did a template render to nothing?"


def is_nothing(value: Any) -> bool:
    """Say whether a value is what a template leaves that found nothing: ``None``, blanks or ``"None"``."""
    return value is None or (isinstance(value, str) and value.strip() in ("", "None"))


def shown(value: Any) -> str:
    """Return a value for a message: redacted and short, whatever it is."""
    try:
        text = redact(repr(value))
    except Exception:  # noqa: BLE001  # a repr may fail: an integer of thousands of digits has none
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
