"""A resource as it shall be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_batch_provider.services.azure_ml.workspace import Workspace

VERSION_FREE = ("properties.description", "properties.tags", "properties.properties", "properties.isArchived")
"""What of a registered version can be changed."""


@dataclass(frozen=True)
class Resource:
    """A resource as it shall be: where it is, and what is said of it.

    Args:
        label: What people call it: "batch endpoint 'digits'".
        path: Its path below the workspace.
        body: What is sent to create it; it may hold what is secret, such as environment variables.
        fixed: Parts of the body that cannot be changed once it exists, as dotted paths.
        free: Parts of the fixed ones that can be changed nevertheless.
        located: Whether it needs a location, the workspace's if the body names none.
    """

    label: str
    path: tuple[str, ...]
    body: dict[str, Any] = field(repr=False)
    fixed: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    located: bool = False

    def url(self, workspace: Workspace) -> str:
        """Return its address, with the api-version."""
        return workspace.url(*self.path)

    def is_fixed(self, place: str) -> bool:
        """Whether a part of the body, as a dotted path, cannot be changed once the resource exists."""
        return _below(place, self.fixed) and not _below(place, self.free)


def _below(place: str, prefixes: tuple[str, ...]) -> bool:
    return any(f"{place}.".startswith(f"{prefix}.") for prefix in prefixes)


def version(kind: str, word: str, name: str, number: str, properties: dict[str, Any]) -> Resource:
    """Return a registered version, whose content never changes.

    Args:
        kind: ``models``, ``codes`` and so on.
        word: What people call one: "model".
        name: Of the asset.
        number: Its version.
        properties: The body's ``properties``.
    """
    return Resource(
        f"{word} {name!r} version {number!r}",
        (kind, name, "versions", number),
        {"properties": properties},
        fixed=("properties",),
        free=VERSION_FREE,
    )
