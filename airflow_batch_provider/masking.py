"""Keeping the signatures of signed URLs (SAS) out of what Airflow shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any


def mask_signatures(*values: Any) -> bool:
    """Have Airflow mask each signature from now on: in rendered fields and in every line of the log.

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


def _signatures(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from re.findall(r"(?<![a-z0-9])sig=([^&\s\"']+)", value, re.IGNORECASE)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _signatures(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _signatures(inner)
