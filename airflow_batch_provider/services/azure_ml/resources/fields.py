"""Checks of what a user says about a resource: each names the field, its value and the fix."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.values import RENDERED, is_nothing, mapping, shown

_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{1,30}[a-zA-Z0-9]")
_NAME_FIX = "Use 3 to 32 letters, digits and hyphens, a letter first, no hyphen last."
_ASSET = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}")
_DATA_VERSION = 30
_DURATION = re.compile(r"P(?=[0-9T])([0-9]+D)?(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+S)?)?")
_UNFIT = re.compile(r"[\ud800-\udfff]")
_SUBNET = re.compile(
    r"(?i)/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Network/virtualNetworks/[^/]+/subnets/[^/]+"
)
_INT64 = 2**63


def refuse(field: str, value: Any, fix: str) -> InvalidInput:
    """Return the error of a field."""
    why = f" {RENDERED}" if is_nothing(value) else ""
    return InvalidInput(f"{field} is {shown(value)}.{why}", fix=fix)


def text(field: str, value: Any, fix: str = "Give a text.") -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or is_nothing(value) or _UNFIT.search(value):
        raise refuse(field, value, fix)
    return value


def endpoint_name(field: str, value: Any) -> str:
    """Return the name of a batch endpoint or a deployment."""
    return _matching(field, value, _NAME, _NAME_FIX)


def compute_name(field: str, value: Any) -> str:
    """Return the name of a compute cluster.

    Source: Azure's naming rules for resources, which give other kinds of compute other lengths.
    """
    return _matching(field, value, _NAME, _NAME_FIX)


def subnet_id(field: str, value: Any) -> str:
    """Return the ARM id of a subnet."""
    fix = (
        "Give its ARM id: /subscriptions/…/resourceGroups/…/providers/Microsoft.Network/virtualNetworks/…/"
        "subnets/…."
    )
    return _matching(field, value, _SUBNET, fix)


def asset_name(field: str, value: Any) -> str:
    """Return the name of a model, an environment and the like."""
    fix = "Use 1 to 255 letters, digits, '-', '_' and '.', a letter or digit first."
    return _matching(field, value, _ASSET, fix)


def asset_version(field: str, value: Any) -> str:
    """Return a version, which may be given as a number."""
    plain = (
        str(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _INT64
        else value
    )
    return asset_name(field, plain)


def data_version(field: str, value: Any) -> str:
    """Return a version of a data asset.

    Source: the service's "Argument 'version' exceeded maximum length of 30 for DatasetId".
    """
    found = asset_version(field, value)
    if len(found) > _DATA_VERSION:
        raise refuse(field, value, f"A version of data has at most {_DATA_VERSION} characters.")
    return found


def model_version(field: str, value: Any) -> str:
    """Return a version of a model, a number of 64 bits, also when a template rendered it to text.

    Source: the YAML reference (``version: int``), and the ``Model`` of the model management service.
    """
    found = asset_version(field, value)
    if not found.isdecimal() or found.startswith("0") or int(found) >= _INT64:
        raise refuse(field, value, "Versions of models are numbers: give an integer from 1.")
    return found


def _matching(field: str, value: Any, pattern: re.Pattern[str], fix: str) -> str:
    if not pattern.fullmatch(text(field, value, fix)):
        raise refuse(field, value, fix)
    return str(value)


def whole(field: str, value: Any, least: int) -> int | None:
    """Return an integer, also when a template rendered it to text; ``None`` if it is not given."""
    if value is None:
        return None
    try:
        number = int(value) if isinstance(value, float) and value.is_integer() else int(str(value))
    except (TypeError, ValueError):
        number = least - 1
    if not least <= number < _INT64:
        raise refuse(field, value, f"Give an integer from {least}.")
    return number


def duration(field: str, value: Any) -> str | None:
    """Return an ISO 8601 duration; whole seconds are taken too."""
    if value is None:
        return None
    if isinstance(value, str) and _DURATION.fullmatch(value):
        return value
    try:
        return f"PT{whole(field, value, 1)}S"
    except InvalidInput:
        fix = "Give whole seconds from 1, or an ISO 8601 duration such as PT30S."
        raise refuse(field, value, fix) from None


def option(field: str, value: Any, words: Mapping[str, str]) -> str | None:
    """Return the service's word for one of the CLI's words, or its own word as it was written."""
    if value is None:
        return None
    if isinstance(value, str):
        if value in words.values():
            return value
        if (found := words.get(value.lower())) is not None:
            return found
    raise refuse(field, value, f"Use one of {', '.join(words)}.")


def texts(field: str, value: Any) -> dict[str, str] | None:
    """Return a mapping of texts to texts, such as tags; numbers and booleans become texts."""
    if value is None:
        return None
    return {
        _key(field, key): _scalar(f"{field}[{key!r}]", item) for key, item in mapping(field, value).items()
    }


def hidden_texts(field: str, value: Any) -> dict[str, str] | None:
    """Return texts as `texts` does; an error says what kind a value has, and not the value."""
    if value is not None and not isinstance(value, Mapping):
        raise InvalidInput(f"{field} is a {type(value).__name__}.", fix="Give a mapping of names to values.")
    for key, item in (value or {}).items():
        if _said(item) is None:
            told = f"{field}[{key!r}] is a {type(item).__name__} that cannot be sent."
            raise InvalidInput(told, fix="Give a text or a number.")
    return texts(field, value)


def _key(field: str, key: Any) -> str:
    if not isinstance(key, str) or is_nothing(key) or _UNFIT.search(key):
        raise InvalidInput(f"{field} has the name {shown(key)}.", fix="Give names that are texts.")
    return key


def _scalar(field: str, value: Any) -> str:
    if (said := _said(value)) is None:
        raise refuse(field, value, "Give a text or a number.")
    return said


def _said(value: Any) -> str | None:
    if not isinstance(value, str | bool | int | float) or value == "None":
        return None
    try:
        said = str(value)
    except ValueError:  # an integer of thousands of digits
        return None
    return None if _UNFIT.search(said) else said


def file_name(field: str, value: Any) -> str | None:
    """Return the name of a file, without a path."""
    if value is None:
        return None
    if re.search(r"[/\\\x00-\x1f]", text(field, value)):
        raise refuse(field, value, "Give a file name without a path.")
    return str(value)


def json_mapping(field: str, value: Any) -> dict[str, Any]:
    """Return a mapping that JSON can carry; empty if it is not given."""
    given = mapping(field, {} if value is None else value)
    try:
        carried = json.loads(json.dumps(dict(given), allow_nan=False))
        json.dumps(carried, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError, OverflowError):
        raise refuse(field, value, "Give what JSON can carry: texts, numbers, lists and mappings.") from None
    return dict(carried)


def body(properties: Mapping[str, Any], extra: Any = None) -> dict[str, Any]:
    """Return properties without what was not given, and with what a newer api-version takes.

    Args:
        properties: ``None`` for what was not given.
        extra: ``extra_properties``: merged into them.
    """
    return merged({key: item for key, item in properties.items() if item is not None}, _extra(extra))


def _extra(value: Any) -> dict[str, Any]:
    return json_mapping("extra_properties", value)


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return both mappings as one, on every level; what both have is taken from *over*."""
    found = dict(under)
    for key, item in over.items():
        below = found.get(key)
        both = isinstance(below, Mapping) and isinstance(item, Mapping)
        found[key] = merged(below, item) if both and below else item
    return found
