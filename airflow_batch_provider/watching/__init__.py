"""Waiting for jobs in an event loop, together: one connection, one credential, one poll for all who wait.

`watched` waits for one job. Whoever waits on the same connection shares its look-up, its token, its pool and
its budget of requests (`connection`); whoever waits on the same endpoint shares a `Watcher`, which asks for
all of them with a list or one by one, whichever costs fewer requests (`listing`, `clock`). The last to leave
takes it all down (`registry`).
"""

from __future__ import annotations

from airflow_batch_provider.watching.registry import shared_connection
from airflow_batch_provider.watching.waiting import watched

__all__ = ["shared_connection", "watched"]
