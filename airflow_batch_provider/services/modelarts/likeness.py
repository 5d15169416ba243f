"""Whether an execution may have been started by a request, when its labels do not tell."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from airflow_batch_provider.answers import inner, rows
from airflow_batch_provider.services.modelarts import obs

_TEXTS = ("name", "scene_id")


def alike(execution: dict[str, Any], body: Mapping[str, Any]) -> bool:
    """Say whether nothing that an execution tells speaks against a request that may have started it.

    Args:
        execution: As a list describes it. What it does not tell speaks against nothing.
        body: Of the request: ``parameters``, ``data_requirements``, ``name`` and ``scene_id`` count.
    """
    texts = all(not execution.get(key) or execution[key] == body[key] for key in _TEXTS if body.get(key))
    return texts and all(_agree(execution, body, key) for key in ("parameters", "data_requirements"))


def digest(body: Mapping[str, Any]) -> str:
    """Return a digest of what `alike` compares with an execution."""
    values = [
        sorted((str(row.get("name")), _said(row)) for row in body.get(key, ()))
        for key in ("parameters", "data_requirements")
    ]
    text = json.dumps([*(body.get(key) for key in _TEXTS), *values])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _agree(execution: dict[str, Any], body: Mapping[str, Any], key: str) -> bool:
    told = {row.get("name"): row for row in rows(execution, key)}
    return all(
        _said(row) == _said(told[row["name"]])
        for row in body.get(key, ())
        if told.get(row["name"], {}).get("value") is not None
    )


def _said(row: dict[str, Any]) -> str:
    """Return a value in a form in which the service's way of writing it is the same: ``"1"`` as ``1.0``."""
    value = row.get("value")
    path = inner(row, "value").get("obs_url")
    if path:
        return obs.api_path(str(path)).rstrip("/")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value.lower() if isinstance(value, str) else json.dumps(value, sort_keys=True)
