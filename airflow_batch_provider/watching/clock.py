"""When a job is asked for, and whether a list is the cheaper way. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_NEAR = 0.1
"""The share of an interval by which a job is asked for early if a list is read anyway."""
_NEWCOMERS, _NEWCOMERS_SECONDS = 0.25, 10.0
"""The share of an interval, and the most seconds, between two lists that are read for newcomers."""
_BEAT_SHARE = 1 / 64
_LONGEST_BEAT = 1.0


@dataclass
class Clock:
    """When a job is to be asked for.

    Args:
        due: Seconds of the event loop's clock.
        interval: Seconds between two polls at present; 0 before the first.
        listed: Whether the list that was read last showed the job; ``True`` before the first.
        asking: Whether the question is under way.
    """

    due: float
    interval: float = 0.0
    listed: bool = True
    asking: bool = False

    def is_due(self, now: float) -> bool:
        """Whether the job is to be asked for now."""
        return self.due <= now and not self.asking

    def is_near(self, now: float) -> bool:
        """Whether a list that is read now would spare asking for the job soon."""
        soon = not self.interval or self.due - now <= _NEAR * self.interval
        return self.listed and not self.asking and soon


def on_beat(due: float, interval: float) -> float:
    """Return when to ask for a job, so that jobs of different lists are asked for in the same instants.

    Waking up for a single poll costs about as much as the poll.

    Args:
        due: Seconds of the event loop's clock.
        interval: Seconds between two polls.

    Returns:
        The last beat before *due*. There is one every sixty-fourth part of the interval or more often; as
        the seconds between them are a power of two, slow beats fall together with quick ones.
    """
    if interval <= 0:
        return due
    beat = min(_LONGEST_BEAT, 2.0 ** math.floor(math.log2(interval * _BEAT_SHARE)))
    return due - due % beat


def first_wait(now: float, interval: float, listed_at: float | None) -> float:
    """Return the seconds until a job is to be asked for the first time.

    While jobs are asked for with a list, those that come one by one wait for each other: each by itself would
    have the whole list read again, as long as others come.

    Args:
        now: Seconds of the event loop's clock.
        interval: Seconds between two polls.
        listed_at: When the last list was begun, or ``None`` if there was none.
    """
    if listed_at is None:
        return 0.0
    return max(0.0, listed_at + min(_NEWCOMERS * interval, _NEWCOMERS_SECONDS) - now)


def next_due(clocks: Iterable[Clock]) -> float | None:
    """Return when the next job is due, or ``None`` if all are being asked for."""
    return min((clock.due for clock in clocks if not clock.asking), default=None)
