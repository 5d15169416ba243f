"""Blobs as plain files: ``root/account/container/path``, so that other programs can share them.

A file that another program writes there is a blob at once; one that is still being written under a partial
name (see `whole_files`) is not. What the service keeps beside the files is in folders whose names begin with
a dot, which no account's does.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from airflow_batch_provider.emulator.blob_errors import (
    BlobError,
    InvalidNameError,
    blob_not_found,
    container_not_found,
)
from airflow_batch_provider.emulator.blob_listing import page
from airflow_batch_provider.emulator.blob_model import Blob, Sidecars, Write, etag_of
from airflow_batch_provider.emulator.blob_names import MARKER_FILE, check_blob, check_container
from airflow_batch_provider.emulator.blob_uploads import Blocks, Uploads, seal

if TYPE_CHECKING:
    from collections.abc import Iterable


class Page(NamedTuple):
    """One page of a listing.

    Args:
        items: Blobs, and common prefixes as text, in ascending order of their names.
        following: The name that the next page begins with, or None on the last page.
    """

    items: list[Blob | str]
    following: str | None


class BlobStore:
    """The blobs of all accounts. Its methods may be called from several threads.

    *account*, *container* and *name* say which blob. A container is made by the first write to it; reading
    from one that does not exist is an error, as it is in the service. All methods raise `BlobError` with the
    service's status and code.

    Args:
        root: Folder of the store; made when it is missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.realpath(root))
        self._sidecars = Sidecars(self._root / ".meta")
        self._blocks = Blocks(self._root / ".blocks")
        self._uploads = Uploads(self._root / ".uploads")
        self._lock = threading.RLock()
        self.upload = self._uploads.new

    def local_path(self, account: str, container: str, path: str = "") -> Path:
        """Return where something is on disk, whether or not it exists.

        Args:
            account: Storage account.
            container: Its container.
            path: The name of a blob or of a folder of blobs, or nothing for the whole container.

        Raises:
            InvalidNameError: A name is not allowed, or the path leads through a symbolic link.
        """
        check_container(account, container)
        local = self._root / account / container
        if path.strip("/"):
            check_blob(path)
            local /= path
        if os.path.realpath(local) != str(local):
            raise InvalidNameError(f"The blob name {path!r} leads through a symbolic link.")
        return local

    def create_container(self, account: str, container: str) -> bool:
        """Create a container; return whether it is new."""
        folder = self.local_path(account, container)
        with self._lock:
            is_new = not folder.is_dir()
            folder.mkdir(parents=True, exist_ok=True)
        return is_new

    def require_container(self, account: str, container: str) -> Path:
        """Return a container's folder.

        Raises:
            BlobError: 404, it does not exist.
        """
        folder = self.local_path(account, container)
        if not folder.is_dir():
            raise container_not_found()
        return folder

    def delete_container(self, account: str, container: str) -> None:
        """Delete a container with all its blobs."""
        with self._lock:
            shutil.rmtree(self.require_container(account, container))
            shutil.rmtree(self._sidecars.folder(account, container), ignore_errors=True)
            shutil.rmtree(self._blocks.folder(account, container), ignore_errors=True)

    def head(self, account: str, container: str, name: str) -> Blob:
        """Return a blob's properties."""
        try:
            status = self._file(account, container, name).stat()
        except (FileNotFoundError, NotADirectoryError):
            raise self._missing(account, container) from None
        return self._describe(account, container, name, status)

    def open(self, account: str, container: str, name: str) -> tuple[Blob, BinaryIO]:
        """Return a blob's properties and its content, of one version even if it is replaced meanwhile."""
        try:
            file = self._file(account, container, name).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise self._missing(account, container) from None
        return self._describe(account, container, name, os.fstat(file.fileno())), file

    def get(self, account: str, container: str, name: str) -> bytes:
        """Return a blob's content."""
        with self.open(account, container, name)[1] as file:
            return file.read()

    def list(
        self,
        account: str,
        container: str,
        prefix: str = "",
        *,
        deep: bool = True,
        start: str = "",
        limit: int = 5000,
    ) -> Page:
        """List blobs in ascending order of their names.

        Args:
            account: Storage account.
            container: Its container.
            prefix: What the names begin with.
            deep: False gathers the blobs behind the next slash after the prefix under their common prefix.
            start: The smallest name to list, such as *following* of the page before.
            limit: The most items to list.
        """
        names = page(self.require_container(account, container), prefix, start, limit, flat=deep)
        items: list[Blob | str] = []
        for name, path in names.entries:
            if path is None:
                items.append(name)
                continue
            with contextlib.suppress(FileNotFoundError):  # It was deleted a moment ago.
                items.append(self._describe(account, container, name, os.stat(path)))  # noqa: PTH116 - many paths
        return Page(items, names.following)

    def put(self, account: str, container: str, name: str, data: bytes, write: Write | None = None) -> Blob:
        """Write a blob; one that exists is replaced.

        Args:
            account: Storage account.
            container: Its container, made when it is missing.
            name: The blob's name.
            data: Its content.
            write: What else belongs to the write.
        """
        with self.upload() as file:
            file.write(data)
            return self.commit(account, container, name, file, write or Write())

    def commit(self, account: str, container: str, name: str, file: BinaryIO, write: Write) -> Blob:
        """Turn an upload into a blob, at once.

        Args:
            account: Storage account.
            container: Its container, made when it is missing.
            name: The blob's name.
            file: What `upload` gave.
            write: What else belongs to the write.
        """
        path = self._file(account, container, name)
        status = seal(file)
        if name.endswith("/") and status.st_size:
            raise BlobError(
                409, "ResourceTypeMismatch", "A blob whose name ends in a slash has no content here."
            )
        with self._lock:
            write.check(self._current(account, container, name))
            _make_way(path)
            self._sidecars.write(self._sidecars.path(account, container, name), etag_of(status), write)
            Path(file.name).replace(path)
        return self._describe(account, container, name, status)

    def describe_anew(self, account: str, container: str, name: str, write: Write) -> Blob:
        """Give a blob other metadata: a new version of the same content, with the same content headers.

        Args:
            account: Storage account.
            container: Its container.
            name: The blob's name.
            write: The metadata, and the check; its content headers do not count.
        """
        with self._lock, self.upload() as copy:
            blob, file = self.open(account, container, name)
            with file:
                shutil.copyfileobj(file, copy)
            kept = Write(blob.content, write.metadata, write.check)
            return self.commit(account, container, name, copy, kept)

    def stage_block(self, account: str, container: str, name: str, block_id: str, file: BinaryIO) -> None:
        """Keep an upload as a block of a blob to come.

        Args:
            account: Storage account.
            container: Its container, made when it is missing.
            name: The blob's name.
            block_id: Identifies the block within the blob.
            file: What `upload` gave.
        """
        self._file(account, container, name)
        self.create_container(account, container)
        self._blocks.stage(self._blocks.folder(account, container, name), block_id, file)

    def commit_blocks(
        self, account: str, container: str, name: str, block_ids: Iterable[str], write: Write
    ) -> Blob:
        """Turn staged blocks into a blob; its other staged blocks are discarded.

        Args:
            account: Storage account.
            container: Its container.
            name: The blob's name.
            block_ids: The blocks in the order of the content.
            write: What else belongs to the write.
        """
        self._file(account, container, name)
        folder = self._blocks.folder(account, container, name)
        with self.upload() as file:
            self._blocks.join(folder, block_ids, file)
            blob = self.commit(account, container, name, file, write)
        shutil.rmtree(folder, ignore_errors=True)
        return blob

    def delete(self, account: str, container: str, name: str, write: Write | None = None) -> None:
        """Delete a blob.

        Args:
            account: Storage account.
            container: Its container.
            name: The blob's name.
            write: Its check decides whether the blob may be deleted.
        """
        with self._lock:
            current = self.head(account, container, name)
            if write is not None:
                write.check(current)
            self._file(account, container, name).unlink()
            self._sidecars.path(account, container, name).unlink(missing_ok=True)

    def _file(self, account: str, container: str, name: str) -> Path:
        check_blob(name)
        path = self.local_path(account, container, name)
        return path / MARKER_FILE if name.endswith("/") else path

    def _missing(self, account: str, container: str) -> BlobError:
        exists = self.local_path(account, container).is_dir()
        return blob_not_found() if exists else container_not_found()

    def _current(self, account: str, container: str, name: str) -> Blob | None:
        try:
            return self.head(account, container, name)
        except BlobError:
            return None

    def _describe(self, account: str, container: str, name: str, status: os.stat_result) -> Blob:
        if not stat.S_ISREG(status.st_mode):
            raise blob_not_found()
        return self._sidecars.describe(self._sidecars.path(account, container, name), name, status)


def _make_way(path: Path) -> None:
    """Make the folders above a blob. Folders that no blob is in any more may stand in its place."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            _remove_empty(path)
    except OSError as error:
        raise BlobError(
            409,
            "ResourceTypeMismatch",
            "The emulator keeps blobs as files: a blob and a folder of blobs cannot have the same name.",
        ) from error


def _remove_empty(folder: Path) -> None:
    for inner, _folders, _files in os.walk(folder, topdown=False):
        Path(inner).rmdir()
