"""Values out of a DAG, a connection or an answer: what they are, and how a message shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from airflow_batch_provider.errors import InvalidInput, redact

_SHOWN = 200
RENDERED = "Did a template render to nothing?"
EVERY_RUN = ["queued", "running", "success", "failed"]
"""The states that a run of a DAG can have."""


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


def mapping(field: str, value: Any) -> Mapping[Any, Any]:
    """Return *value* if it is a mapping.

    Raises:
        InvalidInput: It is none.
    """
    if not isinstance(value, Mapping):
        why = RENDERED if is_nothing(value) else f"It is a {type(value).__name__}."
        raise InvalidInput(f"{field} is {shown(value)}. {why}", fix="Give a mapping of names to values.")
    return value


def epoch(text: Any) -> float:
    """Read a time such as ``2023-04-09T00:28:19.80314+08:00``, whose fraction may have any number of digits.

    Args:
        text: Of an answer; a time without an offset is in UTC.

    Returns:
        Epoch seconds, without the fraction; 0 for what is no time.
    """
    whole = re.sub(r"\.[0-9]+", "", str(text or "")).replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(whole)
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def http_date(text: str | None) -> float | None:
    """Read a date of an HTTP header (RFC 9110, section 5.6.7): epoch seconds, or ``None`` if it is none."""
    try:
        date = parsedate_to_datetime(text or "")
        # HTTP dates are in GMT, and the forms that do not say so would be taken for local time.
        return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None
