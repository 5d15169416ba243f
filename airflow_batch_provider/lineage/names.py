"""Names of datasets, by the naming rules of OpenLineage: a namespace for the store, a name for what is in it.

Source: the page *Naming Conventions* of the OpenLineage specification.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

ROOT = "/"
"""The name of a whole bucket or container."""


@dataclass(frozen=True)
class DatasetName:
    """What a dataset is called. One place has one name, and no name holds a secret.

    Args:
        namespace: Of the store, such as ``wasbs://container@account.blob.core.windows.net``.
        name: Of what is in it, without slashes around it.
        aliases: Other names of the same.
    """

    namespace: str
    name: str
    aliases: tuple[DatasetName, ...] = ()


def in_store(namespace: str, path: str) -> DatasetName:
    """Return the name of a file or folder in an object store."""
    return DatasetName(namespace, path.strip("/") or ROOT)


def on_this_machine(path: str) -> DatasetName:
    """Return the name of a local file or folder."""
    return DatasetName("file", path.rstrip("/") or ROOT)


def on_the_web(url: str) -> DatasetName:
    """Return the name of what is at a URL, without its query, which may be a signature."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].lower()
    return in_store(f"{parts.scheme.lower()}://{host}", unquote(parts.path))
