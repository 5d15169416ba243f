"""One shared stream of looks at a place, and the watermarks that move when what was seen has been told.

Airflow runs one `Looks` for all triggers with the same ``shared_stream_key``, hands each of its looks to all
of them, and says when every event that they made of it is stored (ack mode, see
``airflow.triggers.shared_stream`` of Airflow 3.3.2). Only then is a watermark stored: a process that dies in
between tells the same again.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from airflow_batch_provider.bounds import bounded
from airflow_batch_provider.errors import BatchError
from airflow_batch_provider.triggers.bookmarks import Bookmark
from airflow_batch_provider.triggers.watermark import Watermark

_LONGEST_PAUSE = 300.0
_NEXT_PORTION = 10.0
"""Seconds in which the scheduler makes a run of the portion before."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sighting:
    """What is there.

    Args:
        there: In the terms of the trigger.
        now: Epoch seconds by the clock of the service.
        since: All that came at or after this is there, epoch seconds.
    """

    there: Sequence[Any]
    now: float
    since: float = 0.0


class Place(Protocol):
    """What is looked at."""

    async def look(self, since: float | None) -> Sighting:
        """Look once.

        Args:
            since: What came before is of no interest, epoch seconds; ``None`` if that is not known yet.
        """


@dataclass(eq=False)
class Look:
    """One look on its way to all followers, and what is to be stored once they have told of it."""

    sighting: Sighting
    has_more: bool = False
    """Whether a follower has more to tell than it told."""
    is_short: bool = False
    """Whether a follower has to know what came before."""
    floors: list[float] = field(default_factory=list)
    marks: dict[Bookmark, Watermark] = field(default_factory=dict)

    def told(self, bookmark: Bookmark, mark: Watermark, *, more: bool = False, further: bool = False) -> None:
        """Take a follower's watermark, for when its events are stored.

        Args:
            bookmark: Where it is stored.
            mark: The watermark that knows what the follower told of this look.
            more: Whether the follower has more to tell.
            further: Whether it has to know what came before this look.
        """
        self.floors.append(mark.floor)
        self.has_more = self.has_more or more
        self.is_short = self.is_short or further
        if bookmark.is_news(mark):
            self.marks[bookmark] = mark


class Looks(SharedStreamProducer):
    """Looks at a place for as long as anybody follows.

    Args:
        open_place: Returns the place. It is called again after each outage, so that a changed connection is
            read.
        name: Of the place, for the log.
        interval: Seconds between two looks; jitter keeps many streams apart.
    """

    def __init__(self, open_place: Callable[[], Place], name: str, interval: float) -> None:
        self._open_place = open_place
        self._name = name
        self._interval = interval
        self._since: float | None = None
        self._wake = asyncio.Event()
        self._due: dict[Bookmark, Watermark] = {}
        self._trouble = ""

    async def open_stream(self) -> AsyncIterator[tuple[Look, Look]]:
        """Yield each look twice: as what the followers see, and as what `advance` gets."""
        place = None
        failures, trouble, since = 0, "", 0.0
        while True:
            self._wake.clear()
            try:
                place = place or self._open_place()
                sighting = await place.look(self._since)
            except Exception as error:  # noqa: BLE001  # a stream that ends is begun again every second
                if not failures:
                    since = time.monotonic()
                if str(error) != trouble:
                    self._warn(error)
                place, failures, trouble = None, failures + 1, str(error)
                await asyncio.sleep(self._pause(failures))
                continue
            if failures:
                _log.info("%s answers again, after %.0f seconds.", self._name, time.monotonic() - since)
            failures, trouble = 0, ""
            look = Look(sighting)
            yield look, look
            await self._rest(look)

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Store the watermarks of looks whose events are stored. What cannot be stored now is tried again."""
        for look, outcome in batch:
            if outcome.is_clean:
                self._due |= {bookmark: mark for bookmark, mark in look.marks.items() if not bookmark.broken}
            else:
                # Whose events were not stored is not told. All who made some go back to what is stored.
                for bookmark in look.marks:
                    bookmark.broken = True
                    self._due.pop(bookmark, None)
            self.passed(look)
        await self._save()

    def passed(self, look: Look) -> None:
        """Take note that all followers are done with a look."""
        if look.floors:
            self._since = min(look.floors)
        if look.is_short:
            self._wake.set()

    async def _save(self) -> None:
        trouble = ""
        for bookmark, mark in list(self._due.items()):
            try:
                await bookmark.save(mark)
            except Exception as error:  # noqa: BLE001  # raised, it would end the stream for all
                trouble = str(error) or repr(error)
                if isinstance(error, asyncio.TimeoutError):
                    break  # Nor would it answer the others, and who stops waits for this.
            else:
                del self._due[bookmark]
        if trouble not in ("", self._trouble):
            _log.warning("A watermark of %s is not stored yet: %s", self._name, trouble)
        self._trouble = trouble

    async def _rest(self, look: Look) -> None:
        began = time.monotonic()
        seconds = self._interval * _jitter()
        with suppress(asyncio.TimeoutError):
            await bounded(self._wake.wait(), min(seconds, _NEXT_PORTION))
            return
        if not look.has_more:
            with suppress(asyncio.TimeoutError):
                await bounded(self._wake.wait(), began + seconds - time.monotonic())

    def _pause(self, failures: int) -> float:
        longest = max(self._interval, _LONGEST_PAUSE)
        return float(min(longest, self._interval * 2 ** min(failures - 1, 20)) * _jitter())

    def _warn(self, error: Exception) -> None:
        told = str(error) or repr(error)
        surprise = None if isinstance(error, BatchError) else error
        _log.warning("%s cannot be watched, looking again: %s", self._name, told, exc_info=surprise)


def _jitter() -> float:
    return 0.8 + 0.2 * random.random()  # noqa: S311  # spreads load, guards nothing
