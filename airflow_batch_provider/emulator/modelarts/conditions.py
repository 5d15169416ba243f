"""What a condition step decides: all its conditions must hold.

An operand is a value, a reference, or (for ``or``) another condition: its ``left`` and ``right`` are what is
compared, whatever the API page says of branches.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "in": lambda left, right: left in right,
    "or": lambda left, right: bool(left) or bool(right),
}


class ConditionError(ValueError):
    """A condition cannot be decided; the text says which and why."""


def holds(conditions: list[dict[str, Any]]) -> bool:
    """Decide conditions whose references are resolved already.

    Raises:
        ConditionError: One has an unknown type or operands that cannot be compared.
    """
    return all(_holds(condition) for condition in conditions)


def _holds(condition: dict[str, Any]) -> bool:
    kind = condition.get("type")
    left, right = _operand(condition.get("left")), _operand(condition.get("right"))
    try:
        return bool(_COMPARE[str(kind)](left, right))
    except (KeyError, TypeError):
        raise ConditionError(f"The condition {left!r} {kind} {right!r} cannot be evaluated.") from None


def _operand(value: Any) -> Any:
    return _holds(value) if isinstance(value, dict) and {"type", "left", "right"} <= value.keys() else value
