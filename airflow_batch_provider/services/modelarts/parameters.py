"""From plain mappings of names to values to what an execution is started with, typed as the workflow says.

Values may be texts, because a template renders to text: ``"3"`` becomes 3 where the workflow says ``int``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from airflow_batch_provider.answers import rows
from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.services.modelarts import obs
from airflow_batch_provider.services.modelarts.names import like, listed, near
from airflow_batch_provider.services.modelarts.readers import plain, typed
from airflow_batch_provider.values import RENDERED, is_nothing, mapping, shown

_COPIED = ("name", "type", "format", "delay", "used_steps")


def parameters(workflow: Mapping[str, Any], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of an execution's ``parameters``.

    Args:
        workflow: As the service describes it, or an execution of it.
        given: Parameter name to value.

    Raises:
        InvalidInput: The workflow has no such parameter, or its value is of another type or not one of the
            values that the workflow allows.
    """
    known = _by_name(workflow, "parameters")
    found = []
    for name, value in mapping("parameters", given).items():
        if name not in known:
            raise _unknown(workflow, "parameters", name, known, "parameter")
        found.append({**_copied(known[name]), "value": _parameter(known[name], name, value)})
    return found


def data_requirements(workflow: Mapping[str, Any], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of an execution's ``data_requirements``.

    Args:
        workflow: As the service describes it, or an execution of it.
        given: Name to ``obs://bucket/key`` or ``/bucket/key``, or to a mapping as the service takes it, such
            as ``{"obs_url": "/bucket/folder/"}``.

    Raises:
        InvalidInput: The workflow requires no such data, or the value cannot be that data.
    """
    known = _by_name(workflow, "data_requirements")
    found = []
    for name, value in mapping("data", given).items():
        if name not in known:
            if name in _by_name(workflow, "data"):
                raise InvalidInput(
                    f"data has {shown(name)}, which is fixed in the workflow.",
                    fix=f"Update the workflow, or give what it requires: {near('', known)}",
                )
            raise _unknown(workflow, "data", name, known, "data requirement")
        found.append({**_copied(known[name]), "value": _datum(known[name], name, value)})
    return found


def missing(workflow: Mapping[str, Any], given: Mapping[str, Any], *, delayed_too: bool) -> list[str]:
    """Return what an execution would wait for: texts such as ``parameter 'epochs' (int)``.

    Args:
        workflow: As the service describes it, or an execution of it.
        given: Names of ``parameters`` and of ``data_requirements`` that are supplied, below these keys.
        delayed_too: Whether to count those that may be supplied while the execution runs.
    """
    found = []
    for key, what in (("parameters", "parameter"), ("data_requirements", "data")):
        for row in rows(dict(workflow), key):
            delayed = row.get("delay") is True
            if (
                row.get("name") in given.get(key, ())
                or not _lacks(row, workflow)
                or (delayed and not delayed_too)
            ):
                continue
            found.append(f"{what} {row.get('name')!r} ({row.get('type') or 'of no type'})")
    return found


def _unknown(
    workflow: Mapping[str, Any], field: str, name: Any, known: Collection[str], what: str
) -> InvalidInput:
    called = shown(workflow.get("workflow_name") or workflow.get("name"))  # an execution has both
    return InvalidInput(
        f"{field}[{shown(name)}]: the workflow {called} has no such {what}; it has {listed(known)}.",
        fix=like(name, known),
    )


def _lacks(row: Mapping[str, Any], workflow: Mapping[str, Any]) -> bool:
    if row.get("value") is not None or row.get("default") is not None:
        return False
    # The service knows which of the others can be left out.
    return row.get("delay") is True or workflow.get("param_ready") is not True


def _by_name(workflow: Mapping[str, Any], key: str) -> dict[str, dict[str, Any]]:
    return {str(row.get("name")): row for row in rows(dict(workflow), key)}


def _copied(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in _COPIED if row.get(key) is not None}


def _parameter(row: Mapping[str, Any], name: str, value: Any) -> Any:
    where = f"parameters[{name!r}]"
    kind = str(row.get("type") or "").lower()
    if value is None or (is_nothing(value) and kind not in ("str", "string")) or value == "None":
        raise InvalidInput(f"{where} is {shown(value)}. {RENDERED}", fix="Give a value, or leave it out.")
    found = typed(kind, where, plain(where, value))
    allowed = row.get("enum")
    if isinstance(allowed, list) and allowed and found not in allowed:
        offered = ", ".join(shown(one) for one in allowed[:20])
        raise InvalidInput(f"{where} is {shown(value)}.", fix=f"The workflow allows {offered}.")
    return found


def _datum(row: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    where = f"data[{name!r}]"
    if is_nothing(value):
        raise InvalidInput(f"{where} is {shown(value)}. {RENDERED}", fix="Give a value, or leave it out.")
    if isinstance(value, Mapping):
        return {
            key: _obs_url(f"{where}.{key}", found) if key == "obs_url" else found
            for key, found in plain(where, value).items()
        }
    if str(row.get("type") or "obs") == "obs":
        return {"obs_url": _obs_url(where, value)}
    raise InvalidInput(
        f"{where} is {shown(value)}, and the workflow says that it is of type {row.get('type')}.",
        fix="Give a mapping as the service takes it for this type.",
    )


def _obs_url(where: str, value: Any) -> str:
    return obs.api_path(obs.place_of(where, value))
