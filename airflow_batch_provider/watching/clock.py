"""When a job is asked for, and whether a list is the cheaper way. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_NEAR = 0.1
"""The share of an interval by which a job is asked for early if a list is read anyway."""


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


def next_due(clocks: Iterable[Clock]) -> float | None:
    """Return when the next job is due, or ``None`` if all are being asked for."""
    return min((clock.due for clock in clocks if not clock.asking), default=None)
