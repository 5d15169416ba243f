"""The clock of a storage service, by which its files' times are to be judged."""

from __future__ import annotations

import ssl
import threading
import time
from email.utils import parsedate_to_datetime

import httpx

from airflow_batch_provider.errors import ConnectionFailed, redact
from airflow_batch_provider.storage.endpoint import Endpoint, certificates

_TRUSTED = 3600.0
_clocks: dict[str, tuple[float, float]] = {}
_asking_clock = threading.Lock()


def known_offset(endpoint: Endpoint) -> float | None:
    """Return by how many seconds the storage's clock is ahead of ours, if it was asked lately."""
    offset, until = _clocks.get(endpoint.url, (0.0, 0.0))
    return offset if time.monotonic() < until else None


def ask_offset(endpoint: Endpoint) -> float:
    """Ask for `known_offset`. Every answer of the service tells its time, also one to a stranger.

    Raises:
        ConnectionFailed: Nothing answered.
    """
    with _asking_clock:  # One answer is enough for all who want to know.
        offset = known_offset(endpoint)
        if offset is None:
            offset = _server_time(endpoint) - time.time()
            _clocks[endpoint.url] = offset, time.monotonic() + _TRUSTED
        return offset


def _server_time(endpoint: Endpoint) -> float:
    try:
        response = httpx.head(
            f"{endpoint.url}/",
            verify=_tls(endpoint),
            trust_env=not endpoint.is_local,
            timeout=30,
        )
    except httpx.TransportError as error:
        raise ConnectionFailed(f"No answer from {endpoint.url}: {redact(str(error))}.") from error
    date = response.headers.get("date")
    return parsedate_to_datetime(date).timestamp() if date else time.time()


def _tls(endpoint: Endpoint) -> bool | ssl.SSLContext:
    if not endpoint.url.startswith("https:"):
        return False  # Where there is nothing to verify, the certificates need not be loaded.
    if isinstance(endpoint.verify, bool):
        return endpoint.verify
    return ssl.create_default_context(cadata=certificates(endpoint.verify).decode("ascii", "ignore"))
