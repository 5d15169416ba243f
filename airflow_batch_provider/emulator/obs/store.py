"""Objects as plain files below the state folder, kept by the same store as the other cloud's blobs."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from airflow_batch_provider.emulator.blob import BlobStore
from airflow_batch_provider.emulator.blob_errors import BlobError
from airflow_batch_provider.emulator.blob_model import Blob, Write
from airflow_batch_provider.emulator.whole_files import is_partial

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_batch_provider.emulator.blob_store import Page

_ACCOUNT = "obs"


class ObjectStore:
    """Buckets of objects: ``root/obs/{bucket}/{key}`` on disk. Its methods may be called from any thread.

    All raise `BlobError`; a key whose segments cannot be file names is refused, unlike in the service.

    Args:
        root: Folder of the store; made when it is missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._blobs = BlobStore(root)
        self.upload = self._blobs.upload

    def buckets(self) -> list[str]:
        """Return the names of all buckets."""
        folder = self._root / _ACCOUNT
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def create_bucket(self, bucket: str) -> bool:
        """Create a bucket; return whether it is new."""
        return self._blobs.create_container(_ACCOUNT, bucket)

    def require_bucket(self, bucket: str) -> Path:
        """Return a bucket's folder, or raise the error that it does not exist."""
        return self._blobs.require_container(_ACCOUNT, bucket)

    def delete_bucket(self, bucket: str) -> None:
        """Delete an empty bucket."""
        if self.list(bucket, limit=1).items:
            raise BlobError(409, "BucketNotEmpty", "The bucket you tried to delete is not empty.")
        self._blobs.delete_container(_ACCOUNT, bucket)

    def list(
        self, bucket: str, prefix: str = "", *, deep: bool = True, start: str = "", limit: int = 1000
    ) -> Page:
        """List objects; see :meth:`BlobStore.list`."""
        return self._blobs.list(_ACCOUNT, bucket, prefix, deep=deep, start=start, limit=limit)

    def every(self, bucket: str, prefix: str) -> Iterator[Blob]:
        """Yield all objects whose keys begin with a prefix."""
        start: str | None = ""
        while start is not None:
            page = self.list(bucket, prefix, start=start)
            yield from (item for item in page.items if isinstance(item, Blob))
            start = page.following

    def head(self, bucket: str, key: str) -> Blob:
        """Return an object's properties."""
        return self._blobs.head(_ACCOUNT, bucket, key)

    def exists(self, bucket: str, key: str) -> bool:
        """Say whether there is such an object."""
        with contextlib.suppress(BlobError):
            self.head(bucket, key)
            return True
        return False

    def open(self, bucket: str, key: str) -> tuple[Blob, BinaryIO]:
        """Return an object's properties and content."""
        return self._blobs.open(_ACCOUNT, bucket, key)

    def get(self, bucket: str, key: str) -> bytes:
        """Return an object's content."""
        return self._blobs.get(_ACCOUNT, bucket, key)

    def put(self, bucket: str, key: str, data: bytes) -> Blob:
        """Write an object; the bucket is made when it is missing."""
        return self._blobs.put(_ACCOUNT, bucket, key, data)

    def commit(self, bucket: str, key: str, file: BinaryIO, write: Write) -> Blob:
        """Turn an upload into an object."""
        return self._blobs.commit(_ACCOUNT, bucket, key, file, write)

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object."""
        self._blobs.delete(_ACCOUNT, bucket, key)

    def stage_part(self, bucket: str, key: str, part: str, file: BinaryIO) -> None:
        """Keep an upload as a part of an object to come."""
        self._blobs.stage_block(_ACCOUNT, bucket, key, part, file)

    def join_parts(self, bucket: str, key: str, parts: Iterable[str], write: Write) -> Blob:
        """Turn parts into an object."""
        return self._blobs.commit_blocks(_ACCOUNT, bucket, key, parts, write)

    def download(self, bucket: str, prefix: str, folder: Path) -> int:
        """Copy what lies below a prefix into a local folder, directory markers left out.

        Returns:
            How many files were copied.
        """
        folder.mkdir(parents=True, exist_ok=True)
        count = 0
        for item in self.every(bucket, prefix):
            if not item.name.endswith("/"):
                target = folder / item.name[len(prefix) :]
                target.parent.mkdir(parents=True, exist_ok=True)
                self.copy_out(bucket, item.name, target)
                count += 1
        return count

    def copy_out(self, bucket: str, key: str, target: Path) -> None:
        """Copy one object into a local file."""
        with self.open(bucket, key)[1] as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)

    def upload_folder(self, folder: Path, bucket: str, prefix: str) -> None:
        """Copy a local folder's files below a prefix; the bucket is made when it is missing."""
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not is_partial(path.name) and "__pycache__" not in path.parts:
                self.upload_file(path, bucket, prefix + path.relative_to(folder).as_posix())

    def upload_file(self, path: Path, bucket: str, key: str) -> None:
        """Copy a local file into an object; the bucket is made when it is missing."""
        with self.upload() as file:
            with path.open("rb") as source:
                shutil.copyfileobj(source, file)
            self.commit(bucket, key, file, Write())
