"""What the triggers for ``AssetWatcher`` share: many follow one stream of looks, each with a watermark."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import AsyncIterator, Hashable
from datetime import datetime, timezone
from typing import Any, ClassVar

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_batch_provider.checks import positive
from airflow_batch_provider.errors import PASSING, InvalidInput
from airflow_batch_provider.triggers.bookmarks import Bookmark, stores_of
from airflow_batch_provider.triggers.looks import Look, Looks, Place, Sighting
from airflow_batch_provider.triggers.watermark import LIMIT, PORTION, Arrival, Watermark
from airflow_batch_provider.values import shown

DAY = 86400.0


class ArrivalTrigger(BaseEventTrigger):
    """Tells of what arrives at a place, each thing once, in events of the assets that it watches for.

    What came between two looks is one event.

    Args:
        poll_interval: Seconds between two looks.
        since: ISO 8601 time, or a ``datetime``; what came before is not told. With ``None``, all that is
            there when the watching begins is told, too.
    """

    together: ClassVar[str]
    """The key under which an event holds all arrivals."""
    remembered: ClassVar[int] = LIMIT
    """Up to how many arrivals are remembered one by one, see `Watermark.tidied`."""
    slack: ClassVar[float] = math.inf
    """Seconds, likewise."""

    def __init__(self, *, poll_interval: float, since: str | datetime | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow annotates no constructor
        self.poll_interval = positive("poll_interval", poll_interval)
        self.since = since.isoformat() if isinstance(since, datetime) else since
        self._floor = _moment(self.since)
        self._trouble = ""

    @abstractmethod
    def _arguments(self) -> dict[str, Any]:
        """Return the arguments of the constructor, besides those of this class."""

    @abstractmethod
    def _watched(self) -> tuple[str, ...]:
        """Return what is looked at: those with the same share one stream."""

    @abstractmethod
    def _chosen(self) -> tuple[str, ...]:
        """Return what this trigger chooses of that: another choice has another watermark."""

    @abstractmethod
    def _place(self) -> Place:
        """Return the place that is looked at."""

    @abstractmethod
    def _arrivals(self, sighting: Sighting) -> list[Arrival]:
        """Return what this trigger is to tell of, now or later."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class's path and its arguments."""
        shared = {"poll_interval": self.poll_interval, "since": self.since}
        return f"{type(self).__module__}.{type(self).__qualname__}", {**self._arguments(), **shared}

    def shared_stream_key(self) -> Hashable:
        """Return what is looked at, and how often."""
        return (type(self).__qualname__, *self._watched(), self.poll_interval)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> Looks:
        """Return the stream of looks for all triggers of the same ``shared_stream_key``."""
        trigger = cls(**kwargs)
        return Looks(trigger._place, trigger._name(), trigger.poll_interval)

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Look]) -> AsyncIterator[TriggerEvent]:
        """Tell of what arrived, and leave the new watermark with the look that showed it."""
        bookmark, mark = self._bookmark(), None
        async for look in shared_stream:
            if bookmark.broken:
                bookmark, mark = self._bookmark(), None
            mark = mark or await self._loaded(bookmark)
            if mark is None:
                continue
            if look.sighting.since > mark.floor:
                look.told(bookmark, mark, further=True)  # The next look goes back far enough.
                continue
            there = self._arrivals(look.sighting)
            fresh = mark.fresh(there)
            told = [
                (arrival, payload)
                for arrival in fresh[:PORTION]
                if (payload := await self._payload(arrival)) is not None
            ]
            if told:
                payloads = [payload for _, payload in told]
                # One event: of several at once, Airflow 3.3.2 lets the first start a run, and keeps the
                # others for the run that the next event starts, whenever that comes.
                yield TriggerEvent({**payloads[-1], self.together: payloads})
            settled = look.sighting.now - DAY
            mark = mark.after(one for one, _ in told).tidied(
                there, settled, limit=self.remembered, slack=self.slack
            )
            look.told(bookmark, mark, more=len(fresh) > PORTION)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Do the same alone, for a triggerer without shared streams: then no watermark is stored."""
        looks = self.create_shared_stream_producer(self.serialize()[1])
        async for event in self.filter_shared_stream(_alone(looks)):
            yield event

    def _name(self) -> str:
        return ", ".join(filter(None, self._watched()))

    def _bookmark(self) -> Bookmark:
        return Bookmark(stores_of(self.asset_state_store), "\n".join((*self._watched(), *self._chosen())))

    async def _loaded(self, bookmark: Bookmark) -> Watermark | None:
        try:
            mark = (await bookmark.load()).since(self._floor)
        except Exception as error:  # noqa: BLE001  # whatever Airflow's API raises, the next look tries again
            self._warn(f"The watermark of {self._name()} is not known yet: {str(error) or repr(error)}")
            return None
        self._trouble = ""
        return mark

    async def _payload(self, arrival: Arrival) -> dict[str, Any] | None:
        try:
            return await arrival.payload()
        except PASSING as error:
            self._warn(f"Telling of an arrival at {self._name()} later: {error}")
            return None

    def _warn(self, trouble: str) -> None:
        if trouble != self._trouble:
            self.log.warning("%s", trouble)
        self._trouble = trouble


async def _alone(looks: Looks) -> AsyncIterator[Look]:
    async for look, _ in looks.open_stream():
        yield look
        looks.passed(look)


def _moment(since: Any) -> float:
    if since is None:
        return 0.0
    try:
        moment = datetime.fromisoformat(since.replace("Z", "+00:00"))
    except (AttributeError, ValueError):
        raise InvalidInput(
            f"since is {shown(since)}, which is no time.", fix="Write it like 2026-11-21T12:00:00+00:00."
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
