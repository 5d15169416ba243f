"""Values as JSON, and as the type of a parameter has them.

A template renders to text, so a text is read as what it stands for: ``"3"`` is 3 where the type is ``int``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.values import shown

SCALARS = ("str", "int", "bool", "float", "string", "integer", "boolean")
"""Types whose values cannot be mistaken for those of another."""

_DEEPEST = 50


def plain(where: str, value: Any) -> Any:
    """Return a copy of *value* that is nothing but JSON.

    Raises:
        InvalidInput: It cannot be written as JSON.
    """
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"{where} is {shown(value)}, which is not JSON: {shown(str(error))}.",
            fix="Use mappings, lists, texts, finite numbers, true, false and null only.",
        ) from None
    found = json.loads(text)
    if _deeper(found, _DEEPEST):
        raise InvalidInput(f"{where} is nested more than {_DEEPEST} levels deep.", fix="Flatten it.")
    return found


def _deeper(value: Any, levels: int) -> bool:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_deeper(found, levels - 1) for found in below)


def boolean(value: Any) -> bool:
    """Return a truth value, also when a template rendered it to text.

    Raises:
        ValueError: It is none.
    """
    words = {"true": True, "false": False}
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value.lower() not in words:
        raise ValueError
    return words[value.lower()]


def typed(kind: str, where: str, value: Any) -> Any:
    """Return a value as a parameter of a type has it, also when a template rendered it to text.

    Args:
        kind: The type as the workflow says it, in lower case; of an unknown one, anything is a value.
        where: Where it stands, for the message.
        value: It.

    Raises:
        InvalidInput: It is of another type.
    """
    read, wanted = _READERS.get(kind, (_as_it_is, ""))
    try:
        return read(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise InvalidInput(
            f"{where} is {shown(value)}, and the workflow says that it is of type {kind}.",
            fix=f"Give {wanted}.",
        ) from None


def _as_it_is(value: Any) -> Any:
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    return str(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise TypeError
    return int(value)


def _number(value: Any) -> float:
    number = math.nan if isinstance(value, bool) else float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _json(value: Any) -> Any:
    return plain("value", json.loads(value)) if isinstance(value, str) else value


def _list(value: Any) -> list[Any]:
    found = _json(value)
    if not isinstance(found, list):
        raise TypeError
    return found


# The page documents the first four; the others were seen in the vendor's SDK and in the Terraform provider's
# tests. What is of another type is sent as it is given.
_READERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "str": (_text, "a text"),
    "int": (_integer, "a whole number"),
    "bool": (boolean, "true or false"),
    "float": (_number, "a number"),
    "string": (_text, "a text"),
    "integer": (_integer, "a whole number"),
    "boolean": (boolean, "true or false"),
    "json": (_json, "JSON"),
    "list": (_list, "a list"),
}
