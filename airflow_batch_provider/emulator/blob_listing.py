"""List Blobs over a folder: names in the service's order, by prefix, in pages."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from airflow_batch_provider.emulator.blob_names import MARKER_FILE, is_segment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Entry(NamedTuple):
    """One line of a listing.

    Args:
        name: The blob's name, or the common prefix of several.
        path: The blob's file, or None for a common prefix.
    """

    name: str
    path: str | None


class Names(NamedTuple):
    """One page of a listing.

    Args:
        entries: In ascending order of their names.
        following: The name that the next page begins with, or None on the last page.
    """

    entries: list[Entry]
    following: str | None


def page(folder: Path, prefix: str, start: str, limit: int, *, flat: bool) -> Names:
    """List a part of a container.

    Args:
        folder: The container's folder.
        prefix: What the names begin with.
        start: The smallest name to list.
        limit: The most entries to list.
        flat: True lists all blobs; False gathers those behind the next slash under their common prefix.
    """
    above, slash, leaf = prefix.rpartition("/")
    if slash and not all(is_segment(segment) for segment in above.split("/")):
        return Names([], None)
    found = _walk(os.path.join(folder, above), above + slash, leaf, start, flat=flat)  # noqa: PTH118 - many paths
    entries = list(islice(found, limit + 1))
    return Names(entries[:limit], entries[limit].name if len(entries) > limit else None)


def _walk(folder: str, above: str, leaf: str, start: str, *, flat: bool) -> Iterator[Entry]:
    """Yield the entries below a folder whose names begin with *above* + *leaf* and are at least *start*."""
    for name, path in sorted(_children(folder, above)):
        if not name.startswith(above + leaf):
            continue
        if not name.endswith("/") or name == above:
            if name >= start:
                yield Entry(name, path)
        elif start <= name or start.startswith(name):
            below = _walk(path, name, "", start, flat=True)
            if flat:
                yield from below
            elif next(below, None):
                yield Entry(name, None)


def _children(folder: str, above: str) -> Iterator[tuple[str, str]]:
    """Yield name and path; a folder's name ends in a slash, which is how it sorts among the blobs."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name == MARKER_FILE:
                    yield above, entry.path
                elif is_segment(entry.name) and not entry.is_symlink():
                    yield above + entry.name + ("/" if entry.is_dir() else ""), entry.path
    except (FileNotFoundError, NotADirectoryError):
        return
