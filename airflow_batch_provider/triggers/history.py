"""What a trigger has seen, for the task to write again: the logs of triggers get lost."""

from __future__ import annotations

import time

_MOST = 100


class History:
    """The first hundred things that happened, and the last.

    Attributes:
        lines: Each with its time, in UTC.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, what: str) -> None:
        """Note something."""
        del self.lines[_MOST:]
        self.lines.append(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {what}")
