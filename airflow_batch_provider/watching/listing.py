"""Lists or single requests: what is known of an endpoint's list, and what follows from it. Pure."""

from __future__ import annotations

import math

_ASSUMED_ROWS = 100
_FORGETTING = 0.95
_BLOCKED_SECONDS = 300.0


class Listing:
    """What reading an endpoint's list costs, learnt from the pages seen.

    Args:
        now: Seconds.
    """

    def __init__(self, now: float) -> None:
        self._rows = _ASSUMED_ROWS  # of a page
        self._depth = 1.0  # pages in which all that is looked for was found
        self._blocked_until = now
        self._failed = False

    def is_worth(self, wanted: int, now: float) -> bool:
        """Say whether reading the list costs fewer requests than asking for each of *wanted* jobs."""
        return now >= self._blocked_until and self.pages(wanted) < wanted

    def pages(self, wanted: int) -> int:
        """Return how many pages are likely to be read until *wanted* jobs are found."""
        return max(math.ceil(wanted / self._rows), math.ceil(self._depth))

    def learn(self, pages: int, page_size: int, *, complete: bool) -> None:
        """Take note of a list that was read.

        Args:
            pages: That were read.
            page_size: Rows of a page that is not the last; 0 if there was none.
            complete: Whether there was nothing more to find. If not, what is missing lies deeper.
        """
        self._failed = False
        self._rows = page_size or self._rows
        self._depth = float(pages) if complete else max(self._depth, 2.0 * pages)

    def forget(self) -> None:
        """Take note that jobs were asked for one by one: what was learnt gets old."""
        self._depth = max(1.0, self._depth * _FORGETTING)

    def failed(self, now: float, *, passes: bool) -> bool:
        """Take note that the list cannot be read, though its jobs can be asked for.

        Args:
            now: Seconds.
            passes: Whether that usually passes by itself. Then the list gets another chance.

        Returns:
            Whether the list is not read for some minutes.
        """
        blocks = self._failed or not passes
        self._failed = not blocks
        if blocks:
            self._blocked_until = now + _BLOCKED_SECONDS
        return blocks


def reads_on(missing: int, fruitless: int) -> bool:
    """Say whether to read one more page.

    Args:
        missing: Jobs that were not found yet.
        fruitless: Pages without any of them since one was found.

    Returns:
        Whether pages read in vain cost less than asking for what is missing.
    """
    return fruitless + 1 < missing
