"""Sending local files to a container, a few at a time, in pieces, and only those that are not there yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from airflow_batch_provider.errors import PASSING, BatchError, ConnectionFailed, NotFound, ServiceError
from airflow_batch_provider.storage.access import Access
from airflow_batch_provider.storage.azure import Container
from airflow_batch_provider.storage.contents import KnownFile
from airflow_batch_provider.storage.local import told
from airflow_batch_provider.storage.progress import Progress
from airflow_batch_provider.storage.refusals import explained
from airflow_batch_provider.storage.workers import Budget, Workers

_MIB = 1024 * 1024
_PIECE = 4 * _MIB
_MOST_PIECES = 40_000  # of one file; the service allows 50,000
_PIECES_AT_ONCE = 6
_THREADS = 16
_MEMORY = 32 * _MIB
# obstore has asked again for a minute before each of these.
_PAUSES = (1.0, 3.0, 9.0)


@dataclass(frozen=True)
class Target:
    """Where files are to be.

    Args:
        container: The container.
        access: How requests are authorised.
        folder: Below the container, without a slash at the end; a file's blob is its name below it.
    """

    container: Container
    access: Access
    folder: str

    def blob(self, file: KnownFile) -> str:
        """Return the name of a file's blob."""
        return f"{self.folder}/{file.file.name}"

    def sizes(self) -> dict[str, int]:
        """Return the sizes of all blobs in the folder, by name.

        Raises:
            BatchError: The storage could not be asked.
        """
        from obstore.exceptions import BaseError

        try:
            pages = self.container.open(self.access).list(self.folder)
            return {row["path"]: row["size"] for page in pages for row in page}
        except (BaseError, ValueError, OSError) as error:
            trouble = explained(error, str(self.container), self.access.write_fix)
        # What a stranger may not see does not exist either, and is worth another try with a credential.
        if isinstance(trouble, NotFound) and not self.access.is_anonymous:
            return {}
        raise trouble


def send(target: Target, files: list[KnownFile], progress: Progress) -> None:
    """Send files. A blob is there with all its content or not at all.

    Args:
        target: Where to.
        files: What.
        progress: Counts what has arrived.

    Raises:
        Conflict: A file was written to since it was read; it is named.
        BatchError: A file could not be sent; it is named.
    """
    sender = _Sender(target, progress)
    # The largest first: nothing is left to do alone at the end.
    queue = sorted(files, key=lambda file: file.size, reverse=True)
    sender.workers.run(queue, progress.tell)


class _Stopped(Exception):
    """Another file failed, or the task was ended."""


class _Sender:
    def __init__(self, target: Target, progress: Progress) -> None:
        self.workers = Workers(self._send, _THREADS)
        self._target = target
        self._store = target.container.open(target.access)
        self._progress = progress
        self._memory = Budget(_MEMORY)

    def _send(self, file: KnownFile) -> None:
        for pause in (*_PAUSES, None):
            try:
                with self._memory.hold(_memory_for(file)):
                    self._put(file)
                break
            except BatchError as error:
                if pause is None or not _passes(error):
                    raise
                if self.workers.stopping.wait(pause):
                    raise _Stopped from error
        self._progress.count(files=1)

    def _put(self, file: KnownFile) -> None:
        from obstore.exceptions import BaseError

        reading = _Reading(file, self._progress, self.workers.stopping.is_set)
        blob = self._target.blob(file)
        try:
            with _opened(file) as opened:
                pieces = reading.pieces(opened)
                if file.size <= _PIECE:
                    self._store.put(blob, b"".join(pieces), use_multipart=False)
                else:
                    # What a piece raises, such as that the file was changed, ends it before there is a blob.
                    self._store.put(blob, pieces, chunk_size=_piece_of(file), max_concurrency=_PIECES_AT_ONCE)
        except (BaseError, FileNotFoundError, OSError) as error:
            reading.take_back()
            raise self._explained(error, file) from None
        except BaseException:
            reading.take_back()
            raise

    def _explained(self, error: Exception, file: KnownFile) -> BatchError:
        target, path = self._target, file.file.path
        told = explained(error, str(target.container), target.access.write_fix, f"did not take {path}")
        if isinstance(told, ConnectionFailed):
            told = ConnectionFailed(f"{path} could not be sent. {told.message}")
        if isinstance(told, PASSING):
            told.fix = "Run the task again: what has arrived is not sent again."
        return told


class _Reading:
    """A file being read while it is sent."""

    def __init__(self, file: KnownFile, progress: Progress, is_stopping: Callable[[], bool]) -> None:
        self._file = file
        self._progress = progress
        self._is_stopping = is_stopping
        self._size = 0

    def pieces(self, opened: BinaryIO) -> Iterator[bytes]:
        """Yield the content; before the end is reached, make sure that it is still the one that is known."""
        self._file.check(opened)
        while piece := self._next(opened):
            self._size += len(piece)
            self._progress.count(size=len(piece))
            yield piece
        self._file.check(opened)

    def _next(self, opened: BinaryIO) -> bytes:
        if self._is_stopping():
            raise _Stopped
        with told(f"{self._file.file.path} could not be read"):
            # One byte more than there should be, to notice that there is more.
            return opened.read(min(_PIECE, self._file.size - self._size + 1))

    def take_back(self) -> None:
        """Count what was read as not sent."""
        self._progress.count(size=-self._size)


@contextmanager
def _opened(file: KnownFile) -> Iterator[BinaryIO]:
    with told(f"{file.file.path} could not be read"):
        opened = Path(file.file.path).open("rb", buffering=0)  # noqa: SIM115  # closed below
    with opened:
        yield opened


def _piece_of(file: KnownFile) -> int:
    return max(_PIECE, -(-file.size // _MOST_PIECES))


def _memory_for(file: KnownFile) -> int:
    if file.size <= _PIECE:
        return file.size
    return min(_PIECES_AT_ONCE + 1, -(-file.size // _piece_of(file))) * _piece_of(file)


def _passes(error: BatchError) -> bool:
    # Another task that sends the same file has just finished it, which discards the pieces of all others.
    is_race = isinstance(error, ServiceError) and error.code == "InvalidBlockList"
    return is_race or isinstance(error, PASSING)
