"""Files that other processes see either whole or not at all.

A half-written file carries a name that begins with `PARTIAL_PREFIX` until it is complete. The blob
store hides such names, so that a reader never takes an unfinished output for a finished one.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTIAL_PREFIX = ".emulator-partial-"


def is_partial(name: str) -> bool:
    """Say whether a file's name is that of an unfinished write.

    Args:
        name: The last segment of the file's path.
    """
    return name.startswith(PARTIAL_PREFIX)


def partial_path(path: Path, tag: str = "") -> Path:
    """Return where the content of a file is collected until it is complete.

    Args:
        path: The finished file.
        tag: Tells apart the writers of the same file; one writer uses the same tag each time, so that
            what it left behind when it was killed is overwritten by its next attempt.
    """
    return path.with_name(f"{PARTIAL_PREFIX}{tag}{path.name}")


@contextmanager
def whole_file(path: Path, tag: str = "") -> Iterator[BinaryIO]:
    """Write a file that appears under its name only when the block has ended without an error.

    Args:
        path: The file; one that exists is replaced.
        tag: See `partial_path`.

    Yields:
        The binary file to write to.
    """
    partial = partial_path(path, tag)
    with partial.open("wb") as file:
        yield file
    partial.replace(path)


def write_whole(path: Path, text: str) -> None:
    """Write a text file (UTF-8) that appears at once.

    Args:
        path: The file; one that exists is replaced.
        text: Its whole content.
    """
    with whole_file(path) as file:
        file.write(text.encode())
