"""How many requests a connection may send: a token bucket that slows down for all when it has to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_LEAST_RATE = 0.5
_USUAL_RATE = 10.0
"""Fewer requests a second are sent only if many of the latest were refused, not for a few refusals."""
_MANY = 0.15
_LATEST = 20
_BURST_SECONDS = 1.0
_UNASKED_HOLD = 1.0
_RECENT = 2.0
_SAFE = 0.8
"""The share of a rate that was refused that is taken to be accepted."""
_GROWTH = 1.1
_STEP_SECONDS, _SLOW_STEP_SECONDS = 1.0, 30.0
_PATIENCE_SECONDS = 300.0
"""After a rate was refused, before more than what is safe is tried: each such try costs a refusal."""


class Bucket:
    """Says when the next request may be sent. Pure: it is told the time.

    A refusal for too many requests halves the rate, once for all the requests that were under way together.
    It comes back within seconds to four fifths of what was refused, and after minutes slowly beyond. While
    few of the latest requests were refused, it is not taken to have been too high below `_USUAL_RATE`.

    Args:
        rate: Requests per second, at most; 0 for no limit, until the service sets one.
        now: Seconds.
    """

    def __init__(self, rate: float, now: float) -> None:
        self._full_rate = self.rate = rate
        self._ceiling = rate
        self._tokens = self._most()
        self._as_of = self._grown_at = self._slowed_at = self._held_until = self._patient_until = now
        self._second = (now, 0, 0)
        self._refused_share = 0.0

    def delay(self, now: float) -> float:
        """Return the seconds until a request may be sent, 0 if one may now."""
        self._refill(now)
        lack = (1.0 - self._tokens) / self.rate if self.rate else 0.0
        return max(0.0, lack, self._held_until - now)

    def spend(self, now: float) -> None:
        """Take note that a request is sent."""
        self._refill(now)
        self._tokens -= 1.0
        self._refused_share *= 1 - 1 / _LATEST
        since, count, before = self._second
        if now - since >= 1.0:
            since, count, before = now, 0, count if now - since < _RECENT else 0
        self._second = (since, count + 1, before)

    def hold(self, now: float, seconds: float | None) -> None:
        """Take note that the service wants to hear nothing for some seconds."""
        seconds = _UNASKED_HOLD if seconds is None else seconds
        self._held_until = max(self._held_until, now + seconds)

    def slow(self, sent_at: float, now: float, seconds: float | None) -> None:
        """Take note that the service refused a request because there were too many.

        Args:
            sent_at: When the request was sent.
            now: When the refusal came.
            seconds: How long the service asks to wait, if it says so.
        """
        self.hold(now, seconds)
        self._refused_share = min(1.0, self._refused_share + 1 / _LATEST)
        if sent_at < self._slowed_at:
            return  # It was under way when the rate was lowered.
        self._refill(now)
        refused = max(1.0, *self._second[1:])
        refused = min(refused, self.rate) if self.rate else refused
        least = self._least()
        self.rate = max(least, refused / 2)
        self._ceiling = max(least, refused * _SAFE)
        self._tokens = min(self._tokens, 1.0)
        self._slowed_at = self._grown_at = self._held_until
        if self._ceiling > least:  # Else too little was sent to tell a rate.
            self._patient_until = self._slowed_at + _PATIENCE_SECONDS

    def _least(self) -> float:
        usual = _LEAST_RATE if self._refused_share > _MANY else _USUAL_RATE
        return min(usual, self._full_rate or usual)

    def _most(self) -> float:
        return max(1.0, self.rate * _BURST_SECONDS)

    def _refill(self, now: float) -> None:
        self._grow(now)
        self._tokens = min(self._most(), self._tokens + (now - self._as_of) * self.rate)
        self._as_of = now

    def _grow(self, now: float) -> None:
        most = self._full_rate or float("inf")
        while self.rate and self.rate < most:
            is_safe = self.rate < self._ceiling
            at = self._grown_at + (_STEP_SECONDS if is_safe else _SLOW_STEP_SECONDS)
            if not is_safe:
                at = max(at, self._patient_until)
            if now < at:
                return
            self._grown_at = at
            self.rate = min(self.rate * _GROWTH, self._ceiling if is_safe else most)


class Budget:
    """Lets requests through as a `Bucket` says, in the order in which they came.

    Args:
        rate: Requests per second; 0 for no limit.
        clock: Monotonic seconds.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._bucket = Bucket(rate, clock())
        self._turn = asyncio.Lock()

    async def admit(self) -> float:
        """Wait until a request may be sent; return when that was."""
        now = self._clock()
        if self._turn.locked() or self._bucket.delay(now):
            now = await self._queue()
        self._bucket.spend(now)
        return now

    async def _queue(self) -> float:
        async with self._turn:
            while delay := self._bucket.delay(self._clock()):  # noqa: ASYNC110  # only time changes it
                await asyncio.sleep(delay)
            return self._clock()

    def slow(self, sent_at: float, seconds: float | None) -> None:
        """Have all requests wait, and send fewer from then on; see `Bucket.slow`."""
        self._bucket.slow(sent_at, self._clock(), seconds)

    def hold(self, seconds: float | None) -> None:
        """Have all requests wait, because others of the same connection have to."""
        self._bucket.hold(self._clock(), seconds)
