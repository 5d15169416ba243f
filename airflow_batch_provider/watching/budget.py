"""How many requests a connection may send: a token bucket that slows down for all when it has to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_LEAST_RATE = 0.5
_BURST_SECONDS = 1.0
_UNASKED_HOLD = 1.0
_RECOVERY_SECONDS = 60.0
_RECOVERY = 1.1


class Bucket:
    """Says when the next request may be sent. Pure: it is told the time.

    A refusal for too many requests halves the rate, once for all the requests that were under way together;
    a minute without one raises it by a tenth, up to what it was.

    Args:
        rate: Requests per second, at most; 0 for no limit, until the service sets one.
        now: Seconds.
    """

    def __init__(self, rate: float, now: float) -> None:
        self._full_rate = self._rate = rate
        self._tokens = self._most()
        self._as_of = self._slowed_at = now
        self._held_until = now
        self._spent_lately = 0.0

    @property
    def rate(self) -> float:
        """Requests per second at present; 0 for no limit."""
        return self._rate

    def held(self, now: float) -> float:
        """Return the seconds for which the service wants to hear nothing."""
        return max(0.0, self._held_until - now)

    def delay(self, now: float) -> float:
        """Return the seconds until a request may be sent, 0 if one may now."""
        self._refill(now)
        lack = (1.0 - self._tokens) / self._rate if self._rate else 0.0
        return max(0.0, lack, self.held(now))

    def spend(self, now: float) -> None:
        """Take note that a request is sent."""
        self._refill(now)
        self._tokens -= 1.0
        self._spent_lately += 1.0

    def slow(self, sent_at: float, now: float, seconds: float | None) -> None:
        """Take note that the service refused a request because there were too many.

        Args:
            sent_at: When the request was sent.
            now: When the refusal came.
            seconds: How long the service asks to wait, if it says so.
        """
        hold = _UNASKED_HOLD if seconds is None else seconds
        self._held_until = max(self._held_until, now + hold)
        if sent_at < self._slowed_at:
            return  # It was under way when the rate was lowered.
        self._refill(now)
        self._rate = max(_LEAST_RATE, (self._rate or self._observed(now)) / 2)
        self._tokens = min(self._tokens, 1.0)
        self._slowed_at = self._held_until
        self._spent_lately = 0.0

    def _observed(self, now: float) -> float:
        return self._spent_lately / max(1.0, now - self._slowed_at)

    def _most(self) -> float:
        return max(1.0, self._rate * _BURST_SECONDS)

    def _refill(self, now: float) -> None:
        if self._rate != self._full_rate and now - self._slowed_at >= _RECOVERY_SECONDS:
            self._slowed_at = now
            self._rate = min(self._rate * _RECOVERY, self._full_rate or float("inf"))
        self._tokens = min(self._most(), self._tokens + (now - self._as_of) * self._rate)
        self._as_of = now


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

    async def admit(self, *, spends: bool) -> float:
        """Wait until a request may be sent; return when that was.

        Args:
            spends: Whether it counts against the rate; if not, it only waits while the service wants to hear
                nothing.
        """
        now = self._clock()
        if spends and (self._turn.locked() or self._bucket.delay(now)):
            now = await self._queue()
        while not spends and (held := self._bucket.held(now)):
            await asyncio.sleep(held)
            now = self._clock()
        if spends:
            self._bucket.spend(now)
        return now

    async def _queue(self) -> float:
        async with self._turn:
            while delay := self._bucket.delay(self._clock()):  # noqa: ASYNC110  # only time changes it
                await asyncio.sleep(delay)
            return self._clock()

    def slow(self, sent_at: float, seconds: float | None) -> None:
        """Have all requests wait; see `Bucket.slow`."""
        self._bucket.slow(sent_at, self._clock(), seconds)
