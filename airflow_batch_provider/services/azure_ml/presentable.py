"""A resource as it may be shown: what Airflow keeps of it is read by more people than the resource is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_batch_provider.errors import redact

_HIDDEN = "environmentVariables"
_WRITE_ONLY = re.compile(r"(?i)password|secret")


def is_write_only(key: str) -> bool:
    """Say whether the service takes what is called like this, and never tells it."""
    return bool(_WRITE_ONLY.search(key))


def presentable(value: Any) -> Any:
    """Return an answer without the values of environment variables, passwords and the signatures of URLs.

    Args:
        value: Any JSON value.
    """
    if isinstance(value, Mapping):
        return {
            key: _names(item) if key == _HIDDEN and isinstance(item, Mapping) else _shown(key, item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [presentable(item) for item in value]
    return redact(value) if isinstance(value, str) else value


def _shown(key: str, item: Any) -> Any:
    return "***" if is_write_only(key) and isinstance(item, str) else presentable(item)


def _names(variables: Mapping[str, Any]) -> dict[str, str]:
    return dict.fromkeys(variables, "***")
