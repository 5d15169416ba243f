"""What a local path holds that is to be uploaded: one file, or a folder with all below it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.storage.ignoring import FILES, Ignored
from airflow_batch_provider.storage.local import told

# Of a folder with what is below it. The service allows 1024 characters and 254 parts, some of which are the
# place that the folder is put in.
_LONGEST_NAME = 940
_MOST_PARTS = 250
_KINDS = {
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}
_LEAVE_OUT = f"Remove it, or leave it out by a line in {FILES[0]}."


@dataclass(frozen=True)
class LocalFile:
    """A file.

    Args:
        name: Relative to the folder, with ``/`` between its parts; of a single file, its name.
        path: Where it is.
        size: Bytes.
    """

    name: str
    path: str
    size: int


@dataclass(frozen=True)
class LocalTree:
    """What is at a path.

    Args:
        name: The file's or folder's own name.
        is_folder: Which of the two it is.
        files: Sorted by name, the same on every machine.
        left_out: How many files and folders were ignored.
        ignored_by: The file that says so, empty if there is none.
    """

    name: str
    is_folder: bool
    files: tuple[LocalFile, ...]
    left_out: int = 0
    ignored_by: str = ""

    @property
    def bytes(self) -> int:
        """The sizes together."""
        return sum(file.size for file in self.files)


def tree_of(path: Path, always_ignored: Iterable[str] = ()) -> LocalTree:
    """Look what is at a path. Nothing is read but names, sizes and the file with patterns of what to ignore.

    Symbolic links are followed: what they lead to is uploaded in their place.

    Args:
        path: A file or a folder.
        always_ignored: Patterns of what is left out of a folder besides what the folder itself says.

    Raises:
        InvalidInput: There is nothing to upload, or something that cannot be; it is named.
        NotFound: There is nothing.
        BatchError: Something cannot be read; it is named.
    """
    # The name as it was written, of a link and not of what it leads to.
    place = Path(os.path.abspath(path))  # noqa: PTH100  # resolve() would follow links
    with told(f"{place} could not be read"):
        status = place.stat()
    if not place.name:
        raise InvalidInput(f"{place} is not a folder that can be uploaded.", fix="Give a folder below it.")
    if not stat.S_ISDIR(status.st_mode):
        _check_regular(place, status)
        only = LocalFile(_checked(place.name, place), str(place), status.st_size)
        return LocalTree(place.name, is_folder=False, files=(only,))
    return _folder(place, always_ignored)


def _folder(place: Path, always_ignored: Iterable[str]) -> LocalTree:
    walk = _Walk(place.name, Ignored.of(place, always_ignored))
    _checked(place.name, place)
    files = sorted(walk.files(str(place), "", ()), key=lambda file: file.name)
    if not files:
        why = f" {walk.ignored.source} leaves out all that is there." if walk.left_out else ""
        raise InvalidInput(
            f"{place} is a folder without files.{why}", fix="Give a folder with something to upload."
        )
    return LocalTree(
        place.name,
        is_folder=True,
        files=tuple(files),
        left_out=walk.left_out,
        ignored_by=walk.ignored.source,
    )


class _Walk:
    def __init__(self, own_name: str, ignored: Ignored) -> None:
        self.own_name = own_name
        self.ignored = ignored
        self.left_out = 0

    def files(self, folder: str, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[LocalFile]:
        with told(f"{folder} could not be read"):
            above = (*above, _identity(os.stat(folder)))  # noqa: PTH116  # many paths
            with os.scandir(folder) as entries:
                found = list(entries)
        for entry in found:
            yield from self._entry(entry, prefix + entry.name, above)

    def _entry(
        self, entry: os.DirEntry[str], name: str, above: tuple[tuple[int, int], ...]
    ) -> Iterator[LocalFile]:
        # A link that leads nowhere, or in a circle, can still be left out by its name.
        if self.ignored.matches(name, is_folder=_is_folder(entry)):
            self.left_out += 1
            return
        status = _status(entry)
        _checked(f"{self.own_name}/{name}", Path(entry.path))
        if stat.S_ISDIR(status.st_mode):
            if _identity(status) in above:
                raise _loop(entry.path)
            yield from self.files(entry.path, f"{name}/", above)
        else:
            _check_regular(Path(entry.path), status)
            yield LocalFile(name, entry.path, status.st_size)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _status(entry: os.DirEntry[str]) -> os.stat_result:
    try:
        # Not entry.stat(), which on some systems lacks what tells folders apart.
        return os.stat(entry.path)  # noqa: PTH116  # many paths
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _loop(entry.path) from error
        if isinstance(error, FileNotFoundError) and entry.is_symlink():
            raise InvalidInput(
                f"{entry.path} is a symbolic link to {_target(entry.path)}, where nothing is.", fix=_LEAVE_OUT
            ) from error
        with told(f"{entry.path} could not be read"):
            raise


def _loop(link: str) -> InvalidInput:
    return InvalidInput(
        f"{link} is a symbolic link to {_target(link)}, which leads back to itself: a loop.", fix=_LEAVE_OUT
    )


def _target(link: str) -> str:
    try:
        return str(Path(link).readlink())
    except OSError:
        return "a folder above it"


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _check_regular(path: Path, status: os.stat_result) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    kind = next((kind for is_one, kind in _KINDS.items() if is_one(status.st_mode)), "no ordinary file")
    raise InvalidInput(f"{path} is {kind}, which cannot be uploaded.", fix=_LEAVE_OUT)


def _checked(name: str, path: Path) -> str:
    """Return a name that a blob can have and that can be read back as the same.

    Source: Naming and referencing containers, blobs and metadata, REST reference of Blob Storage.
    """
    problem = ""
    if len(name) > _LONGEST_NAME or name.count("/") >= _MOST_PARTS:
        problem = f"is called {name!r:.80}…, longer than {_LONGEST_NAME} characters or {_MOST_PARTS} parts"
    elif "\\" in name or any(ord(letter) < ord(" ") or letter == "\x7f" for letter in name):
        problem = "has a backslash or a control character in its name"
    elif any("\ud800" <= letter <= "\udfff" for letter in name):
        problem = "has a name that is not UTF-8"
    if problem:
        raise InvalidInput(f"{str(path)!r} {problem}, which a blob cannot.", fix=f"Rename it. {_LEAVE_OUT}")
    return name
