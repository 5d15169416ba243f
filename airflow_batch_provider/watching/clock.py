"""When a job is asked for, and whether a list is the cheaper way. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_NEAR = 0.1
"""The share of an interval by which a job is asked for early if a list is read anyway."""
_BEAT_SHARE = 1 / 64
_LONGEST_BEAT = 1.0


@dataclass
class Clock:
    """When a job is to be asked for.

    Args:
        due: Seconds of the event loop's clock.
        interval: Seconds between two polls at present.
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
        return self.listed and not self.asking and self.due - now <= _NEAR * self.interval


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


def next_due(clocks: Iterable[Clock]) -> float | None:
    """Return when the next job is due, or ``None`` if all are being asked for."""
    return min((clock.due for clock in clocks if not clock.asking), default=None)
