"""References inside a workflow: ``$ref/…`` texts, what they name, and what they stand for in one execution.

Grammar, as the API page, the vendor's guide and the Terraform provider's tests write it::

    $ref/parameters/NAME
    $ref/data/NAME
    $ref/data_requirements/NAME
    $ref/storages/NAME/SUB/FOLDER
    $ref/storages(with_execution_id=True, create_dir=True)/NAME/FOLDER
    $ref/consumptions/STEP/OUTPUT[/FIELD]
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_batch_provider.answers import inner, rows
from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.values import shown

PREFIX = "$ref/"
NAMED = ("parameters", "data", "data_requirements", "storages")
"""Kinds of references that name an entry of the list of the same name."""
CONSUMPTIONS = "consumptions"

_REF = re.compile(r"\$ref/(?P<kind>[A-Za-z_]+)(?:\((?P<flags>[^()]*)\))?/(?P<path>[^/].*)", re.DOTALL)
_FLAG = re.compile(r"\s*(\w+)\s*=\s*(\w+)\s*")
_DEEPEST = 5
"""Of references that lead to references; deeper ones lead back to themselves."""


@dataclass(frozen=True)
class Ref:
    """A reference.

    Args:
        text: As it is written.
        kind: ``parameters``, ``data``, ``data_requirements``, ``storages``, ``consumptions``, or another.
        name: Of what it names; for ``consumptions`` the step.
        rest: The parts of the path behind the name.
        with_execution_id: Whether each execution has a folder of its own there.
    """

    text: str
    kind: str
    name: str
    rest: tuple[str, ...] = ()
    with_execution_id: bool = False


def parse(text: str, where: str = "value") -> Ref:
    """Read a reference.

    Args:
        text: Begins with ``$ref/``.
        where: Where it stands, for the message.

    Raises:
        InvalidInput: It names nothing.
    """
    found = _REF.fullmatch(text)
    if not found:
        raise InvalidInput(
            f"{where} is {shown(text)}, which names nothing.", fix="Write it like $ref/parameters/NAME."
        )
    name, *rest = found["path"].split("/")
    with_id = _flags(found["flags"] or "", text, where).get("with_execution_id", "").lower() == "true"
    return Ref(text, found["kind"], name, tuple(part for part in rest if part), with_id)


def references(value: Any, where: str) -> Iterator[tuple[str, Ref]]:
    """Yield each reference below *value* with the place where it stands."""
    if isinstance(value, str) and value.startswith(PREFIX):
        yield where, parse(value, where)
    elif isinstance(value, dict):
        for key, found in value.items():
            yield from references(found, f"{where}.{key}")
    elif isinstance(value, list):
        for index, found in enumerate(value):
            yield from references(found, f"{where}[{index}]")


def resolve(value: Any, workflow: Mapping[str, Any], execution_id: str = "") -> Any:
    """Return *value* with what its references stand for, as far as that can be told.

    Args:
        value: A value of a workflow or of an execution.
        workflow: With ``parameters``, ``data``, ``data_requirements``, ``storages`` and ``steps``; see
            `overridden` for what one execution has of its own.
        execution_id: For places that each execution has of its own.

    Returns:
        The value; a reference that leads nowhere stays as it is.
    """
    return _resolved(value, dict(workflow), execution_id, _DEEPEST)


def overridden(workflow: Mapping[str, Any], execution: Mapping[str, Any]) -> dict[str, Any]:
    """Return a workflow with the values that one of its executions was started with."""
    merged = dict(workflow)
    for kind in ("parameters", "data_requirements"):
        by_name = {row.get("name"): row for row in rows(dict(workflow), kind)}
        for row in rows(dict(execution), kind):
            given = {key: found for key, found in row.items() if found is not None}
            by_name[row.get("name")] = {**by_name.get(row.get("name"), {}), **given}
        merged[kind] = list(by_name.values())
    return merged


def _flags(text: str, ref: str, where: str) -> dict[str, str]:
    flags = {}
    for part in text.split(","):
        found = _FLAG.fullmatch(part)
        if found:
            flags[found[1]] = found[2]
        elif part.strip():
            raise InvalidInput(
                f"{where} is {shown(ref)}, in which {shown(part.strip())} is no flag.",
                fix="Write flags like (with_execution_id=True, create_dir=True).",
            )
    return flags


def _resolved(value: Any, workflow: dict[str, Any], execution_id: str, depth: int) -> Any:
    if isinstance(value, str) and value.startswith(PREFIX) and depth:
        try:
            found = _target(parse(value), workflow, execution_id)
        except InvalidInput:
            found = None
        return value if found is None else _resolved(found, workflow, execution_id, depth - 1)
    if isinstance(value, dict):
        return {key: _resolved(found, workflow, execution_id, depth) for key, found in value.items()}
    if isinstance(value, list):
        return [_resolved(found, workflow, execution_id, depth) for found in value]
    return value


def _target(ref: Ref, workflow: dict[str, Any], execution_id: str) -> Any:
    if ref.kind == CONSUMPTIONS:
        return _consumed(ref, workflow)
    row = _row(workflow, ref.kind, ref.name)
    if ref.kind == "storages":
        return _storage_path(ref, row, execution_id)
    value = row.get("value")
    return row.get("default") if value is None else value


def _consumed(ref: Ref, workflow: dict[str, Any]) -> Any:
    output = _row(_row(workflow, "steps", ref.name), "outputs", ref.rest[0] if ref.rest else "")
    config = inner(output, "config")
    if len(ref.rest) > 1:
        return config.get(ref.rest[1])
    return config.get("obs_url", config or None)


def _storage_path(ref: Ref, row: dict[str, Any], execution_id: str) -> str | None:
    """Return where a reference to a storage leads; source: the vendor's guide to unified storage."""
    root = row.get("path")
    if not isinstance(root, str) or (ref.with_execution_id and not execution_id):
        return None
    parts = [root.rstrip("/"), *([execution_id] if ref.with_execution_id else []), *ref.rest]
    end = "/" if ref.text.endswith("/") or not ref.rest or ref.with_execution_id else ""
    return "/".join(parts) + end


def _row(holder: dict[str, Any], key: str, name: str) -> dict[str, Any]:
    return next((row for row in rows(holder, key) if row.get("name") == name), {})
