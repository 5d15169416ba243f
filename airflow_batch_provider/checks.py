"""Checks of arguments that operators, sensors and triggers share."""

from __future__ import annotations

import math
from typing import Any

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.values import RENDERED, is_nothing, shown


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


def just_one(what: str, **given: Any) -> str:
    """Return the name of the one argument that is given.

    Args:
        what: What they say, for the message: "which workflow".
        **given: Name to value; ``None`` is not given.

    Raises:
        InvalidInput: None is given, or several are.
    """
    said = [name for name, value in given.items() if value is not None]
    if len(said) != 1:
        told = " and ".join(said) + " are given" if said else f"none of {', '.join(given)} is given"
        raise InvalidInput(f"{told}.", fix=f"Say {what}: give exactly one.")
    return said[0]


def texts(**given: Any) -> dict[str, str]:
    """Return the arguments that are given, all of them texts.

    Args:
        **given: Name to value; ``None`` is not given.

    Raises:
        InvalidInput: A value is no text, or a template rendered it to nothing.
    """
    said = {name: value for name, value in given.items() if value is not None}
    for name, value in said.items():
        if not isinstance(value, str) or is_nothing(value):
            why = f" {RENDERED}" if is_nothing(value) else ""
            raise InvalidInput(f"{name} is {shown(value)}.{why}", fix="Give a text, or leave it out.")
    return said


def _number(field: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise InvalidInput(f"{field} is {value!r}, which is not a number.", fix="Give a number.")
    return number
