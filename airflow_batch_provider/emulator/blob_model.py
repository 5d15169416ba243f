"""What is known of a blob, and where that is kept besides the content: beside the file, never in it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from airflow_batch_provider.emulator.whole_files import write_whole

DEFAULT_CONTENT_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Blob:
    """A blob's properties.

    Args:
        name: Its name in the container.
        size: Bytes of content.
        etag: Changes with each version of the content; without quotes.
        last_modified: UTC time of the last write.
        content: Content headers by lower-case name, ``content-type`` always among them.
        metadata: The user's own, from ``x-ms-meta-*``.
    """

    name: str
    size: int
    etag: str
    last_modified: datetime
    content: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


def _anything(_current: Blob | None) -> None:
    """Allow the write whatever is there."""


@dataclass(frozen=True)
class Write:
    """What belongs to a write besides the content.

    Args:
        content: Content headers by lower-case name.
        metadata: The user's own.
        check: Called with the blob as it is now, or None if there is none; raises `BlobError` to refuse.
            Nothing can come between the check and the write.
    """

    content: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[Blob | None], None] = _anything


class Sidecars:
    """Content headers and metadata of the blobs that came through the service.

    A sidecar belongs to one version of its file: when another program replaced the file, the sidecar no
    longer counts.

    Args:
        root: Folder for them.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, account: str, container: str, name: str) -> Path:
        """Return the sidecar's path; hashed, because a blob's name may be longer than a file's."""
        return self.folder(account, container) / f"{hashlib.sha256(name.encode()).hexdigest()}.json"

    def folder(self, account: str, container: str) -> Path:
        """Return the folder of all sidecars of a container."""
        return self._root / account / container

    def write(self, path: Path, etag: str, write: Write) -> None:
        """Write the sidecar of the version with this *etag*, if there is anything to keep."""
        if not write.content and not write.metadata:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {"etag": etag, "content": dict(write.content), "metadata": dict(write.metadata)}
        write_whole(path, json.dumps(kept))

    def describe(self, path: Path, name: str, status: os.stat_result) -> Blob:
        """Return the properties of a blob.

        Args:
            path: Its sidecar, which need not exist.
            name: The blob's name.
            status: Its file's.
        """
        etag = etag_of(status)
        try:
            kept = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            kept = {}
        if kept.get("etag") != etag:
            kept = {}
        modified = datetime.fromtimestamp(status.st_mtime, timezone.utc)
        content = {"content-type": DEFAULT_CONTENT_TYPE, **kept.get("content", {})}
        return Blob(name, status.st_size, etag, modified, content, kept.get("metadata", {}))


def etag_of(status: os.stat_result) -> str:
    """Return the ETag of a version of a file; it is the same after a restart.

    Args:
        status: The file's.
    """
    version = f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"
    return "0x" + hashlib.sha256(version.encode()).hexdigest()[:15].upper()
