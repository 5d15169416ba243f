"""When a trigger may fire."""

from __future__ import annotations

import asyncio
import time

SETTLE_SECONDS = 5.0
"""A worker notices up to ``[workers] min_heartbeat_interval`` seconds late that its task was deferred. In
Airflow 3.3.2 the scheduler takes that late news for the end of the resumed task, and fails it, if the trigger
has fired before. So no trigger fires in its first seconds."""


async def settle(started: float) -> None:
    """Let the rest of the first seconds pass.

    Args:
        started: ``time.monotonic()`` when the trigger began to run.
    """
    await asyncio.sleep(max(0.0, started + SETTLE_SECONDS - time.monotonic()))
