"""Names inside a workflow: how they may be written, and what to say of one that nothing has.

Source: the API page of CreateWorkflow. What it calls Chinese letters is taken for the block of unified
ideographs.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches
from typing import Any

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.values import RENDERED, is_nothing, shown

_TITLE = re.compile(r"[A-Za-z\u4e00-\u9fa5][A-Za-z0-9\u4e00-\u9fa5 _-]{0,63}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_INPUT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHOWN_NAMES = 20

RULES = {
    "title": (_TITLE, "Use 1 to 64 English or Chinese letters, digits, blanks, '_' and '-', a letter first."),
    "name": (_NAME, "Use 1 to 64 English letters, digits, '_' and '-', a letter first."),
    "input": (_INPUT, "Use 1 to 64 English letters, digits, '_' and '-'."),
}
"""Kind of name to how it is written: of workflows and steps; of parameters, data, requirements and storages;
of a step's inputs."""


def check_name(where: str, value: Any, kind: str) -> str:
    """Return *value* if it is a name of its kind, see `RULES`.

    Raises:
        InvalidInput: It is none.
    """
    pattern, fix = RULES[kind]
    if not isinstance(value, str) or is_nothing(value) or not pattern.fullmatch(value):
        why = f" {RENDERED}" if is_nothing(value) else ""
        raise InvalidInput(
            f"{where} is {shown(value)}, which is not a name that ModelArts accepts.{why}", fix=fix
        )
    return value


def unknown(where: str, name: Any, known: Collection[str], what: str) -> InvalidInput:
    """Return the error of a name that nothing has; it offers those that are like it.

    Args:
        where: Where the name stands.
        name: The name.
        known: The names that exist.
        what: What has such names: "step".
    """
    return InvalidInput(f"{where} is {shown(name)}, but there is no such {what}.", fix=near(name, known))


def near(name: Any, known: Collection[str]) -> str:
    """Return a sentence that offers known names, those like *name* if there are any."""
    return like(name, known) or f"There are {listed(known)}."


def like(name: Any, known: Collection[str]) -> str:
    """Return a sentence that offers the known names that are like *name*, empty if there are none."""
    found = get_close_matches(str(name)[:64], known, n=3)
    return f"Did you mean {' or '.join(map(repr, found))}?" if found else ""


def listed(known: Collection[str]) -> str:
    """Return the known names as a list in words, the first of them if there are many."""
    more = ", …" if len(known) > _SHOWN_NAMES else ""
    return ", ".join(map(repr, sorted(known)[:_SHOWN_NAMES])) + more or "none"
