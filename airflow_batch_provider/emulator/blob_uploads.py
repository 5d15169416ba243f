"""Content on its way into the store: uploads, and the blocks that a blob is put together from."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from airflow_batch_provider.emulator.blob_errors import BlobError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_STALE_SECONDS = 24 * 3600


class Uploads:
    """Files that collect content until it becomes a blob or a block.

    Args:
        root: Folder for them, on the file system of the blobs; made when it is missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)
        self._sweep()

    @contextlib.contextmanager
    def new(self) -> Iterator[BinaryIO]:
        """Give a file to write to; unless it is moved away it vanishes with the block."""
        path = self._root / uuid.uuid4().hex
        try:
            with path.open("wb") as file:
                yield file
        finally:
            path.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what an emulator that was killed in the middle of an upload left behind."""
        for path in self._root.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                    path.unlink()


def seal(file: BinaryIO) -> os.stat_result:
    """Close an upload and give it a time of its own; the clock of file systems ticks too slowly for ETags.

    Args:
        file: What `Uploads.new` gave.
    """
    file.close()
    now = time.time_ns()
    os.utime(file.name, ns=(now, now))
    return Path(file.name).stat()


class Blocks:
    """Blocks that wait for their block list.

    Args:
        root: Folder for them, on the file system of the uploads.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, account: str, container: str, name: str = "") -> Path:
        """Return the folder of a blob's blocks, or without *name* of all of a container's."""
        return self._root / account / container / (_digest(name) if name else "")

    def stage(self, folder: Path, block_id: str, file: BinaryIO) -> None:
        """Keep an upload as a block; one with the same id is replaced.

        Args:
            folder: What `folder` returned for the blob.
            block_id: Identifies the block within the blob.
            file: What `Uploads.new` gave.
        """
        folder.mkdir(parents=True, exist_ok=True)
        file.close()
        Path(file.name).replace(folder / _digest(block_id))

    def join(self, folder: Path, block_ids: Iterable[str], file: BinaryIO) -> None:
        """Write blocks one after the other.

        Args:
            folder: What `folder` returned for the blob.
            block_ids: In the order of the content.
            file: Where to write.

        Raises:
            BlobError: 400, there is no such block.
        """
        for block_id in block_ids:
            try:
                with (folder / _digest(block_id)).open("rb") as source:
                    shutil.copyfileobj(source, file)
            except FileNotFoundError:
                raise BlobError(400, "InvalidBlockList", "The specified block list is invalid.") from None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
