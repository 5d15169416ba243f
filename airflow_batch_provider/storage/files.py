"""Files at one place, whatever the storage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.storage.steps import Steps, arun, run


@dataclass(frozen=True)
class FileInfo:
    """A file.

    Args:
        path: A URI that can be used as an input, or a local path.
        size: Bytes.
        etag: Differs whenever the content was written anew.
        last_modified: ISO 8601 in UTC, such as ``2026-11-18T10:00:00Z``.
        changed_at: When it last changed or came to its place, epoch seconds by the storage's clock.
    """

    path: str
    size: int
    etag: str
    last_modified: str
    changed_at: float

    def to_dict(self) -> dict[str, Any]:
        """Return what tasks get to see: ``path``, ``size``, ``etag`` and ``last_modified``."""
        return {
            "path": self.path,
            "size": self.size,
            "etag": self.etag,
            "last_modified": self.last_modified,
        }


FileList: TypeAlias = list[FileInfo]
"""Named, because in a class with a method ``list`` the type has no other name."""


def timestamp(when: datetime) -> str:
    """Return a time as `FileInfo` shows it."""
    return when.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


class Files(ABC):
    """The files at one place: a folder with all below it, or a single file.

    A place that does not exist holds no files. Markers that some tools leave for folders are no files.
    A ``glob`` is relative to the place and follows `pathlib.Path.glob`: ``*.csv`` matches in the folder
    itself, ``**/*.csv`` also at any depth below, ``run-?/part-[0-9]*`` in folders of such names; ``*`` and
    ``?`` do not match ``/``; letter case counts. A place that is a single file is matched by its name.
    """

    @abstractmethod
    def _find(self, glob: Glob, limit: int | None) -> Steps[FileList]:
        """Return up to *limit* files that match."""

    @abstractmethod
    def _content(self) -> Steps[bytes]:
        """Return what is in the one file that this place is."""

    @abstractmethod
    def _clock(self) -> Steps[float]:
        """Return the time by the storage's own clock."""

    @abstractmethod
    def relative(self, file: FileInfo) -> str:
        """Return a listed file's path below this place, as a glob sees it; the name of a single file."""

    def list(self, glob: str | None = None) -> FileList:
        """Return the files that match, sorted by path.

        Args:
            glob: Which files; ``None`` for all.

        Raises:
            InvalidInput: The glob cannot match anything.
            NotFound: The container does not exist.
            AuthenticationFailed: The storage does not accept the credential.
            PermissionDenied: The identity lacks a role.
            BatchError: The storage could not be asked.
        """
        return run(self.find(glob))

    async def alist(self, glob: str | None = None) -> FileList:
        """Do the same in an event loop."""
        return await arun(self.find(glob))

    def exists(self) -> bool:
        """Say whether there is any file, looking no further than the first.

        Raises:
            BatchError: As `list`.
        """
        return bool(run(self._find(Glob(None), 1)))

    async def aexists(self) -> bool:
        """Do the same in an event loop."""
        return bool(await arun(self._find(Glob(None), 1)))

    def read(self) -> bytes:
        """Read the one file that this place is into memory.

        Raises:
            NotFound: There is no such file.
            BatchError: As `list`.
        """
        return run(self._content())

    async def aread(self) -> bytes:
        """Do the same in an event loop."""
        return await arun(self._content())

    def now(self) -> float:
        """Return the time by the storage's own clock, epoch seconds; comparable with ``changed_at``.

        Raises:
            ConnectionFailed: The storage could not be asked.
        """
        return run(self._clock())

    async def anow(self) -> float:
        """Do the same in an event loop."""
        return await arun(self._clock())

    def find(self, glob: str | None) -> Steps[FileList]:
        """List as steps, for those who take steps themselves."""
        found = yield from self._find(Glob(glob), None)
        return sorted(found, key=lambda file: file.path)

    def clock(self) -> Steps[float]:
        """Tell the time as steps."""
        return self._clock()


class Glob:
    """Which files, by their path relative to a place.

    Args:
        text: The pattern, or ``None`` for every file.

    Raises:
        InvalidInput: The pattern can match no file below the place.
    """

    def __init__(self, text: str | None) -> None:
        self._parts = None if text is None else _parts(text)

    def matches(self, relative: str) -> bool:
        """Say whether a relative path with ``/`` between its parts matches."""
        return self._parts is None or _match(relative.split("/"), self._parts)


def _parts(text: str) -> list[str]:
    parts = text.split("/")
    if not all(parts) or {".", ".."} & set(parts):
        raise InvalidInput(
            f"glob is {text!r}, which matches no file.",
            fix="Give a pattern relative to path, such as '*.csv' or '**/*.csv', or None for every file.",
        )
    # Neighbouring '**' mean the same as one, and would cost exponential time.
    return [part for at, part in enumerate(parts) if part != "**" or parts[at - 1 : at] != ["**"]]


def _match(path: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(_match(path[skip:], pattern[1:]) for skip in range(len(path) + 1))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and _match(path[1:], pattern[1:])
