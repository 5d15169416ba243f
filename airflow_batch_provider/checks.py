"""Checks of arguments that operators, sensors and triggers share."""

from __future__ import annotations

import math
from typing import Any

from airflow_batch_provider.errors import InvalidInput


def positive(field: str, value: Any) -> float:
    """Return a number greater than zero, also when a template rendered it to text.

    Raises:
        InvalidInput: It is none.
    """
    number = _number(field, value)
    if number <= 0:
        raise InvalidInput(f"{field} is {value!r}.", fix="Give seconds greater than 0.")
    return number


def not_negative(field: str, value: Any) -> float:
    """Return a number of zero or more.

    Raises:
        InvalidInput: It is none.
    """
    number = _number(field, value)
    if number < 0:
        raise InvalidInput(f"{field} is {value!r}.", fix="Give 0 or more.")
    return number


def choice(field: str, value: Any, *choices: str) -> str:
    """Return *value* if it is one of the choices.

    Raises:
        InvalidInput: It is none of them; the message offers them.
    """
    if value not in choices:
        raise InvalidInput(f"{field} is {value!r}.", fix=f"Use one of {', '.join(map(repr, choices))}.")
    return str(value)


def _number(field: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise InvalidInput(f"{field} is {value!r}, which is not a number.", fix="Give a number.")
    return number
