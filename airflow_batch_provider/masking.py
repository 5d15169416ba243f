"""Keeping secrets out of what Airflow shows of a task."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any


def mask_signatures(*values: Any) -> bool:
    """Have Airflow mask each signature, and each password in a URL, in rendered fields and in the log.

    Args:
        *values: Texts, or mappings and lists of texts to any depth.

    Returns:
        Whether there was one.
    """
    from urllib.parse import unquote

    from airflow.sdk.log import mask_secret

    found = {signature for value in values for signature in _signatures(value)}
    for signature in found:
        for form in {signature, unquote(signature)}:
            mask_secret(form)
    return bool(found)


class Covered(Mapping[str, Any]):
    """A mapping whose values Airflow does not show.

    What Airflow shows of a task's fields is read by more people than may read, say, a deployment's
    environment variables, and no name tells which of these are secrets.

    Args:
        values: Of any kind, or another such mapping.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self.serialize())

    def serialize(self) -> dict[str, str]:
        """Return what Airflow shows among the rendered fields: it asks a value for this method."""
        return dict.fromkeys(self._values, "***")


def _signatures(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from re.findall(r"(?<![a-z0-9])sig=([^&\s\"']+)", value, re.IGNORECASE)
        yield from re.findall(r"://[^/\s:@?#]*:([^/\s@?#{}]+)@", value)  # the password of a package index
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _signatures(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _signatures(inner)
