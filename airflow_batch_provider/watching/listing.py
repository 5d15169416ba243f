"""Lists or single requests: what is known of an endpoint's list, and what follows from it. Pure."""

from __future__ import annotations

import math

_ASSUMED_ROWS = 100.0
_FORGETTING = 1.05
_BLOCKED_SECONDS = 300.0
_LEAST_FOUND = 0.1


class Listing:
    """What reading an endpoint's list costs, learnt from the pages seen.

    Args:
        now: Seconds.
    """

    def __init__(self, now: float) -> None:
        self._rows = _ASSUMED_ROWS  # of a page
        self._found = _ASSUMED_ROWS  # of them, those that were looked for
        self._blocked_until = now
        self._failed = False

    def is_worth(self, wanted: int, now: float) -> bool:
        """Say whether reading the list costs fewer requests than asking for each of *wanted* jobs."""
        return wanted > 1 and now >= self._blocked_until and self.pages(wanted) < wanted

    def pages(self, wanted: int) -> int:
        """Return how many pages are likely to be read until *wanted* jobs are found."""
        return math.ceil(wanted / self._found)

    def learn(self, found: int, pages: int, page_size: int) -> None:
        """Take note of a list that was read.

        Args:
            found: Of the jobs that were looked for.
            pages: That were read.
            page_size: Rows of a page that is not the last; 0 if there was none.
        """
        self._failed = False
        self._rows = float(page_size or self._rows)
        # One page with some of them says nothing of how many more of them another would hold.
        self._found = self._rows if pages == 1 and found else max(_LEAST_FOUND, found / pages)

    def forget(self) -> None:
        """Take note that the jobs were asked for one by one: what was learnt gets old."""
        self._found = min(self._rows, self._found * _FORGETTING)

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
