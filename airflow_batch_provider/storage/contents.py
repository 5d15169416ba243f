"""What is in files, as a hash: the same content has the same on every machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from airflow_batch_provider.errors import Conflict
from airflow_batch_provider.storage.folders import LocalFile, LocalTree
from airflow_batch_provider.storage.local import told
from airflow_batch_provider.storage.progress import Progress
from airflow_batch_provider.storage.workers import Workers

_BUFFER = 1024 * 1024
_THREADS = 4


@dataclass(frozen=True)
class KnownFile:
    """A file whose content was read.

    Args:
        file: The file.
        size: Bytes that were read.
        version: Differs after the file was written to.
    """

    file: LocalFile
    size: int
    version: tuple[int, ...]

    def check(self, opened: BinaryIO) -> None:
        """Make sure that an open file is still what was read.

        Raises:
            Conflict: It was written to.
        """
        if version_of(opened) != self.version:
            raise changed(self.file.path)


@dataclass(frozen=True)
class KnownTree:
    """What is at a path, with its content.

    Args:
        tree: Its names.
        files: In the order of the names.
        digest: SHA-256 of names and contents, 64 hexadecimal digits. Neither the folder's own name nor times
            or rights are in it.
    """

    tree: LocalTree
    files: tuple[KnownFile, ...]
    digest: str

    @property
    def bytes(self) -> int:
        """The sizes together."""
        return sum(file.size for file in self.files)


def known(tree: LocalTree, log: Callable[[str], None]) -> KnownTree:
    """Read all files once, a few at a time, each in small pieces.

    Args:
        tree: The files.
        log: Takes a sentence about the progress, every few seconds.

    Raises:
        Conflict: A file is written to meanwhile; it is named.
        BatchError: A file cannot be read; it is named.
    """
    progress = Progress("Read", len(tree.files), tree.bytes, log)
    found: dict[str, tuple[KnownFile, bytes]] = {}

    def read(file: LocalFile) -> None:
        found[file.name] = _read(file, progress, workers.stopping.is_set)

    workers = Workers(read, min(_THREADS, len(tree.files)))
    workers.run(tree.files, progress.tell)
    whole = hashlib.sha256(b"folder" if tree.is_folder else b"file")
    files = []
    for file in tree.files:
        one, digest = found[file.name]
        name = file.name.encode()
        # Lengths first, so that no two folders are written alike.
        whole.update(f"\n{len(name)} {one.size}\n".encode() + name + digest)
        files.append(one)
    return KnownTree(tree, tuple(files), whole.hexdigest())


def version_of(opened: BinaryIO) -> tuple[int, ...]:
    """Return what tells versions of an open file apart."""
    status = os.fstat(opened.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def changed(path: str) -> Conflict:
    """Return the error for a file that was written to while it was read or sent."""
    return Conflict(
        f"{path} was changed while it was uploaded.", fix="Run the task when the files are complete."
    )


def _read(file: LocalFile, progress: Progress, is_stopping: Callable[[], bool]) -> tuple[KnownFile, bytes]:
    digest, size = hashlib.sha256(), 0
    buffer = memoryview(bytearray(min(_BUFFER, file.size + 1)))
    with told(f"{file.path} could not be read"), Path(file.path).open("rb", buffering=0) as opened:
        before = version_of(opened)
        while (read := opened.readinto(buffer)) and not is_stopping():
            digest.update(buffer[:read])
            size += read
            progress.count(size=read)
            if size > file.size:  # It grows, perhaps faster than it is read.
                raise changed(file.path)
        if version_of(opened) != before:
            raise changed(file.path)
    progress.count(files=1)
    return KnownFile(file, size, before), digest.digest()
