"""Refusing requests that come too fast, as services do."""

from __future__ import annotations

import time

from airflow_batch_provider.emulator.faults import Fault

_PLANES = ("batch", "arm", "modelarts")
_THROTTLED = 429


class Throttle:
    """A token bucket for each plane that is throttled."""

    def __init__(self) -> None:
        self._levels: dict[str, tuple[float, float]] = {}

    def hit(self, plane: str, rate: float) -> list[Fault]:
        """Count a request.

        Args:
            plane: The plane that it goes to.
            rate: Requests per second; 0 for no limit.

        Returns:
            How it is refused; nothing if it is not.
        """
        if not rate or plane not in _PLANES:
            return []
        now = time.monotonic()
        most = max(1.0, rate)
        tokens, as_of = self._levels.get(plane, (most, now))
        tokens = min(most, tokens + (now - as_of) * rate)
        self._levels[plane] = (tokens - 1.0 if tokens >= 1.0 else tokens, now)
        if tokens >= 1.0:
            return []
        return [Fault("status", status=_THROTTLED, headers={"Retry-After": "1"})]
