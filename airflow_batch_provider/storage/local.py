"""Files on this machine, or on what is mounted here."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

from airflow_batch_provider.errors import InvalidInput, NotFound, PermissionDenied, ServiceUnavailable
from airflow_batch_provider.storage.files import FileInfo, Files, Glob, timestamp
from airflow_batch_provider.storage.steps import Step, Steps


def local_files(path: str) -> Files:
    """Return the files at a local place.

    Symbolic links to files are followed, those to folders only where *path* itself is one.

    Args:
        path: A path, or a ``file://`` URL. A triggerer must see the same files if it is to wait for them.

    Raises:
        InvalidInput: The URL names another machine, or no path.
    """
    return _LocalFiles(Path(plain_path(path)))


def plain_path(path: str) -> str:
    """Return a path, or the path that a ``file://`` URL names.

    Raises:
        InvalidInput: The URL names another machine, or no path.
    """
    if not path.lower().startswith("file:"):
        return path
    url = urlsplit(path)
    if url.netloc not in ("", "localhost") or not url.path.startswith("/"):
        raise InvalidInput(
            f"path is {path!r}, which names no file of this machine.",
            fix="Write file:///FOLDER with three slashes, or a plain path.",
        )
    return unquote(url.path)


class _LocalFiles(Files):
    def __init__(self, place: Path) -> None:
        self._place = place

    def relative(self, file: FileInfo) -> str:
        return self._below(Path(file.path))

    def _below(self, file: Path) -> str:
        return file.name if file == self._place else file.relative_to(self._place).as_posix()

    def _find(self, glob: Glob, limit: int | None) -> Steps[list[FileInfo]]:
        # In a thread, because a network file system may take its time.
        look = partial(self._look, glob, limit)
        found: list[FileInfo] = yield Step(look, partial(asyncio.to_thread, look))
        return found

    def _content(self) -> Steps[bytes]:
        content: bytes = yield Step(self._body, partial(asyncio.to_thread, self._body))
        return content

    def _clock(self) -> Steps[float]:
        now: float = yield Step(time.time, _anow)
        return now

    def _look(self, glob: Glob, limit: int | None) -> list[FileInfo]:
        with told(f"{self._place} could not be listed"):
            return list(islice(self._matching(glob), limit))

    def _body(self) -> bytes:
        with told(f"{self._place} could not be read"):
            return self._place.read_bytes()

    def _matching(self, glob: Glob) -> Iterator[FileInfo]:
        for file in self._walk():
            if glob.matches(self._below(file)) and (info := _info(file)):
                yield info

    def _walk(self) -> Iterator[Path]:
        if self._place.is_file():
            yield self._place
        for folder, _, names in os.walk(self._place, onerror=_not_missing):
            yield from (Path(folder, name) for name in names)


@contextmanager
def told(trouble: str) -> Iterator[None]:
    """Raise what goes wrong with local files as an error of ours.

    Args:
        trouble: What could not be done, for errors that have no class of their own.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"There is no file at {error.filename}.") from error
    except PermissionError as error:
        raise PermissionDenied(
            f"{error.filename} may not be read.",
            fix="Give the user that runs Airflow the right to read it.",
        ) from error
    except OSError as error:
        raise ServiceUnavailable(f"{trouble}: {error}.") from error


async def _anow() -> float:
    return time.time()


def _not_missing(error: OSError) -> None:
    # What goes away between two looks was no file to wait for; that is not worth an error.
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _info(file: Path) -> FileInfo | None:
    try:
        told = file.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(told.st_mode):
        return None
    return FileInfo(
        path=str(file),
        size=told.st_size,
        etag=f"{told.st_ino:x}-{told.st_mtime_ns:x}-{told.st_size:x}",
        last_modified=timestamp(datetime.fromtimestamp(told.st_mtime, timezone.utc)),
        # Not the time of modification, which copying and moving tools carry over from the original.
        changed_at=told.st_ctime,
    )
