"""How far something with many files has come, told now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_EVERY_SECONDS = 5.0
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
_STEP = 1024


class Progress:
    """Counts files and bytes; its methods may be called from several threads.

    Args:
        doing: Such as "Uploaded".
        files: How many there are.
        total: Their bytes.
        log: Takes a sentence.
        now: Clock, seconds.
    """

    def __init__(
        self,
        doing: str,
        files: int,
        total: int,
        log: Callable[[str], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.files = self.bytes = 0
        self._doing, self._of_files, self._of_bytes = doing, files, total
        self._log, self._now = log, now
        self._began = self._told_at = now()
        self._counting = threading.Lock()

    def count(self, *, files: int = 0, size: int = 0) -> None:
        """Add files and bytes that are done, or take away what has to be done again."""
        with self._counting:
            self.files += files
            self.bytes += size

    def tell(self) -> None:
        """Log how far it is, if that was not done in the last seconds."""
        now = self._now()
        if now - self._told_at < _EVERY_SECONDS:
            return
        self._told_at = now
        share = 100 * self.bytes // self._of_bytes if self._of_bytes else 100
        self._log(
            f"{self._doing} {self.files} of {files_of(self._of_files)}, {amount(self.bytes)} of"
            f" {amount(self._of_bytes)} ({min(share, 100)} %), {self.rate}."
        )

    @property
    def rate(self) -> str:
        """Bytes per second so far, for a log."""
        return f"{amount(self.bytes / max(self.seconds, 0.001))}/s"

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return self._now() - self._began


def files_of(number: int) -> str:
    """Return a number of files with its noun."""
    return f"{number} file{'' if number == 1 else 's'}"


def amount(size: float) -> str:
    """Return a number of bytes as people read it: ``1.5 GiB``."""
    for unit in _UNITS:
        if size < _STEP or unit == _UNITS[-1]:
            return f"{size:.0f} {unit}" if unit == _UNITS[0] else f"{size:.1f} {unit}"
        size /= _STEP
    raise AssertionError
