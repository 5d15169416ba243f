"""Read what the services read: any key case, trailing commas, numbers as strings, ISO 8601 durations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

_STRING_OR_TRAILING_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(\s*[}\]])')
_DURATION = re.compile(
    r"P(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def loads(text: str | bytes) -> Any:
    """Parse JSON as leniently as the services do.

    The published curl bodies carry trailing commas and, in one place, the key ``properties`` twice in one
    object: objects under a repeated key are merged.

    Args:
        text: The body of a request, UTF-8 if bytes.

    Returns:
        The parsed value.

    Raises:
        ValueError: The text is not JSON even so.
    """
    decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
    tidy = _STRING_OR_TRAILING_COMMA.sub(lambda m: m[1] or m[2], decoded)
    return json.loads(tidy, object_pairs_hook=_merge_pairs)


def _merge_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for key, value in pairs:
        old = merged.get(key)
        merged[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def fold(value: Any, keys: Iterable[str]) -> dict[str, Any]:
    """Rename the keys of an object to their canonical case.

    Args:
        value: The object; anything else counts as empty.
        keys: The canonical keys, such as ``inputData``. A key that matches none is kept as it is.

    Returns:
        A new object.
    """
    canonical = {key.lower(): key for key in keys}
    given: dict[str, Any] = value if isinstance(value, dict) else {}
    return {canonical.get(key.lower(), key): item for key, item in given.items()}


def integer(value: Any) -> int:
    """Read a whole number, also from a string such as ``"5"``.

    Raises:
        ValueError: It is no whole number.
    """
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"{value!r} is not a whole number")
    return int(value)


def seconds(duration: str) -> float:
    """Read an ISO 8601 duration such as ``PT30S`` or ``P1DT2H`` as seconds.

    Raises:
        ValueError: The text is no such duration.
    """
    match = _DURATION.fullmatch(duration)
    if match is None or not any(match.groups()):
        raise ValueError(f"{duration!r} is not an ISO 8601 duration such as PT30S")
    factors = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
    return sum(float(match[unit] or 0) * factor for unit, factor in factors.items())


def duration(value: float) -> str:
    """Write seconds as an ISO 8601 duration: 30 becomes ``PT30S``, 90 ``PT1M30S``."""
    minutes, rest = divmod(value, 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = [f"{hours}H" if hours else "", f"{minutes}M" if minutes else ""]
    if rest or not any(parts):
        parts.append(f"{rest:g}S")
    return "PT" + "".join(parts)


def timestamp(epoch: float) -> str:
    """Write epoch seconds as the services write times: ``2026-04-09T00:28:19.803140+00:00``."""
    return datetime.fromtimestamp(epoch, tz=timezone.utc).isoformat(timespec="microseconds")
