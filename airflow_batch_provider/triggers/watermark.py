"""What was told already: a watermark over things that arrive one by one, such as files and ends of jobs.

It is exact: it remembers what was told, not up to when, because a file can come to its place with an old time
and small ones wait until they have grown. Only where there is too much to remember is what was told long ago
remembered by its time alone.
"""

from __future__ import annotations

import math
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

LIMIT = 4000
"""Of things remembered one by one: 32 kB of text in Airflow's database."""

PORTION = 200
"""Of things told at once: some 50 kB of text in Airflow's database."""

_LETTERS = 8
_BYTES = 6


@dataclass(frozen=True)
class Arrival:
    """Something that arrived, or is about to.

    Args:
        key: What makes it one and the same; whatever differs in it is told anew.
        at: When it came, epoch seconds by the clock of the service that has it.
        ready: Whether it may be told.
        payload: Returns what is told of it, a JSON mapping.
    """

    key: str
    at: float
    ready: bool
    payload: Callable[[], Awaitable[dict[str, Any]]] = field(compare=False, repr=False)


@dataclass(frozen=True)
class Watermark:
    """What was told.

    Args:
        floor: Epoch seconds; all that came before counts as told.
        seen: What else was told, see `_short`.
    """

    floor: float = 0.0
    seen: frozenset[str] = frozenset()

    @classmethod
    def read(cls, stored: Any) -> Watermark | None:
        """Read what `to_dict` returned; ``None`` for anything else."""
        floor = stored.get("floor") if isinstance(stored, dict) else None
        seen = stored.get("seen") if isinstance(stored, dict) else None
        if not isinstance(floor, int | float) or not isinstance(seen, str) or len(seen) % _LETTERS:
            return None
        return cls(float(floor), frozenset(seen[at : at + _LETTERS] for at in range(0, len(seen), _LETTERS)))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON."""
        return {"floor": self.floor, "seen": "".join(sorted(self.seen))}

    def knows(self, arrival: Arrival) -> bool:
        """Say whether an arrival was told."""
        return arrival.at < self.floor or _short(arrival.key) in self.seen

    def fresh(self, there: Iterable[Arrival]) -> list[Arrival]:
        """Return what may be told and was not yet, the oldest first."""
        found = [one for one in there if one.ready and not self.knows(one)]
        return sorted(found, key=lambda one: (one.at, one.key))

    def after(self, told: Iterable[Arrival]) -> Watermark:
        """Return the watermark that knows these, too."""
        return replace(self, seen=self.seen | {_short(one.key) for one in told})

    def since(self, floor: float) -> Watermark:
        """Return the watermark that knows all that came before a moment, too."""
        return replace(self, floor=max(self.floor, floor))

    def tidied(
        self, there: Sequence[Arrival], settled: float, *, limit: int = LIMIT, slack: float = math.inf
    ) -> Watermark:
        """Return the watermark that knows the same of what is there, but remembers less one by one.

        Args:
            there: All that is there and came at or after the floor.
            settled: Epoch seconds; what came before is there, or never will be.
            limit: Up to how many things are remembered one by one.
            slack: Seconds by which the floor may be behind *settled*.
        """
        if len(self.seen) <= limit and self.floor >= settled - slack:
            return self
        # What is gone is forgotten first; what is there and was not told holds the floor down.
        mark = replace(self, seen=self.seen & {_short(one.key) for one in there})
        if len(mark.seen) <= limit and mark.floor >= settled - slack:
            return mark
        untold = [one.at for one in there if not self.knows(one)]
        floor = max(self.floor, min([settled, *untold]))
        late = {_short(one.key) for one in there if one.at >= floor}
        return Watermark(floor, mark.seen & late)


def common(marks: Sequence[Watermark]) -> Watermark:
    """Return the watermark that knows what each of several knows; of none, an empty one."""
    if not marks:
        return Watermark()
    return Watermark(
        min(mark.floor for mark in marks), frozenset.intersection(*(mark.seen for mark in marks))
    )


def _short(key: str) -> str:
    """Return 48 bits of a key: among thousands, two are the same once in many billion."""
    return urlsafe_b64encode(sha256(key.encode("utf-8", "surrogatepass")).digest()[:_BYTES]).decode("ascii")
