"""When a set of files is complete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from airflow_batch_provider.checks import not_negative
from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.storage.files import FileInfo, Glob


@dataclass(frozen=True)
class Wanted:
    """What is waited for.

    Args:
        glob: Which files count, see `storage.Files`; ``None`` for all.
        min_files: How many, at least.
        min_bytes: Their sizes together, at least.
        stable_for: Seconds for which none of them has changed.
    """

    glob: str | None = None
    min_files: int = 1
    min_bytes: int = 0
    stable_for: float = 0.0

    @classmethod
    def read(cls, *, glob: Any, min_files: Any, min_bytes: Any, stable_for: Any) -> Wanted:
        """Check values, and convert what templates rendered to text.

        Raises:
            InvalidInput: A value cannot be right; the message names the field.
        """
        if glob is not None:
            Glob(some_text("glob", glob, "Give a pattern such as '*.csv', or leave glob out for every file."))
        return cls(
            glob,
            _whole("min_files", min_files),
            _whole("min_bytes", min_bytes),
            not_negative("stable_for", stable_for),
        )

    def has_enough(self, files: Sequence[FileInfo]) -> bool:
        """Say whether there are enough files and bytes."""
        return len(files) >= self.min_files and _bytes(files) >= self.min_bytes

    def chooses(self, relative: str, file: FileInfo, now: float) -> bool | None:
        """Say whether a file by itself is big enough and has not changed lately.

        Args:
            relative: Its path below the place.
            file: The file.
            now: By the storage's clock, epoch seconds.

        Returns:
            ``None`` if the glob does not match it.
        """
        if not self._pattern.matches(relative):
            return None
        return file.size >= self.min_bytes and now - file.changed_at >= self.stable_for

    @cached_property
    def _pattern(self) -> Glob:
        return Glob(self.glob)

    def found(self, files: Sequence[FileInfo]) -> str:
        """Say what there is of what is wanted, for a log."""
        least = f" of {self.min_bytes}" if self.min_bytes else ""
        return f"{len(files)} of {self.min_files} files, {_bytes(files)}{least} bytes"


def some_text(field: str, value: Any, fix: str) -> str:
    """Return a text that says something.

    Raises:
        InvalidInput: It is no text, is empty, or is what a template makes of ``None``.
    """
    if not isinstance(value, str) or value.strip() in ("", "None"):
        raise InvalidInput(f"{field} is {value!r}.", fix=fix)
    return value


def _whole(field: str, value: Any) -> int:
    number = not_negative(field, value)
    if not number.is_integer():
        raise InvalidInput(f"{field} is {value!r}.", fix="Give a whole number.")
    return int(number)


def _bytes(files: Sequence[FileInfo]) -> int:
    return sum(file.size for file in files)
