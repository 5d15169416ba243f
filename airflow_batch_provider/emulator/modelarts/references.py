"""``$ref/…`` texts in a workflow: what each names, and what it stands for in one execution.

Grammar: the request example of the CreateWorkflow page, recorded executions and the pages on unified storage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "$ref/"
_STORAGE = re.compile(r"storages(?:\((?P<flags>[^)]*)\))?/(?P<name>[^/]+)(?:/(?P<directory>.*))?")
_SECTIONS = ("parameters", "data", "data_requirements")


class UnresolvedError(ValueError):
    """A reference names nothing; the text is the reference."""


@dataclass(frozen=True)
class Reference:
    """One reference.

    Attributes:
        section: ``parameters``, ``data``, ``data_requirements``, ``storages`` or ``consumptions``.
        name: What it names in that section; for ``consumptions`` the step.
        rest: The directory below a storage, or the output and field of a step.
        flags: The flags of a storage that are set.
    """

    section: str
    name: str
    rest: str = ""
    flags: frozenset[str] = frozenset()


def is_reference(value: Any) -> bool:
    """Whether a value is a reference."""
    return isinstance(value, str) and value.startswith(PREFIX)


def read(text: str) -> Reference:
    """Read a reference.

    Raises:
        UnresolvedError: It has no known form.
    """
    path = text.removeprefix(PREFIX)
    storage = _STORAGE.fullmatch(path)
    if storage:
        flags = re.findall(r"(\w+)\s*=\s*True", storage["flags"] or "")
        return Reference("storages", storage["name"], storage["directory"] or "", frozenset(flags))
    section, _, rest = path.partition("/")
    if section == "consumptions" and rest.count("/") >= 1:
        name, _, rest = rest.partition("/")
        return Reference(section, name, rest)
    if section in _SECTIONS and rest and "/" not in rest:
        return Reference(section, rest)
    raise UnresolvedError(text)


def within(value: Any) -> Iterator[str]:
    """Yield the references anywhere in a JSON value."""
    if is_reference(value):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from within(item)
    elif isinstance(value, list):
        for item in value:
            yield from within(item)


@dataclass(frozen=True)
class Scope:
    """What references stand for in one execution.

    Attributes:
        execution_id: Part of the storage paths that ask for it.
        sections: ``parameters``, ``data``, ``data_requirements`` and ``storages``, each by name.
        outputs: The resolved ``config`` of each output that steps have made, by step and output name.
        metrics: The values of each step's metrics by their keys.
    """

    execution_id: str
    sections: Mapping[str, Mapping[str, dict[str, Any]]]
    outputs: Mapping[tuple[str, str], dict[str, Any]]
    metrics: Mapping[str, Mapping[str, Any]]

    def resolve(self, value: Any) -> Any:
        """Return a JSON value with every reference in it replaced by what it stands for.

        Raises:
            UnresolvedError: A reference names nothing.
        """
        if is_reference(value):
            return self._look_up(value)
        if isinstance(value, dict):
            return {key: self._entry(key, item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        return value

    def _entry(self, key: str, value: Any) -> Any:
        found = self.resolve(value)
        # A path is wanted where a whole data object may be referred to.
        return (
            found["obs_url"] if key == "obs_url" and isinstance(found, dict) and "obs_url" in found else found
        )

    def _look_up(self, text: str) -> Any:
        reference = read(text)
        if reference.section == "consumptions":
            return self._consumption(reference, text)
        item = self.sections[reference.section].get(reference.name)
        if item is None:
            raise UnresolvedError(text)
        if reference.section == "storages":
            return self._stored(reference, item)
        return item.get("value", item.get("default"))

    def _stored(self, reference: Reference, storage: dict[str, Any]) -> str:
        own = f"{self.execution_id}/" if "with_execution_id" in reference.flags else ""
        base = str(storage.get("path", "")).rstrip("/")
        directory = reference.rest.strip("/")
        return f"{base}/{own}{directory}{'/' if directory else ''}"

    def _consumption(self, reference: Reference, text: str) -> Any:
        output, _, field = reference.rest.partition("/")
        config = self.outputs.get((reference.name, output))
        metrics = self.metrics.get(reference.name, {})
        if field and field in metrics:
            return metrics[field]
        if config is None or (field and field not in config):
            raise UnresolvedError(text)
        return config[field] if field else config
