"""Which step of testing a connection failed, in plain words."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping

from airflow_batch_provider.errors import BatchError, ConnectionFailed


def explain(step: str, error: BatchError, where: str, hops: Mapping[type[BaseException], str]) -> str:
    """Say which hop failed and what to look at.

    Args:
        step: What was being done.
        error: How it failed.
        where: The addresses in question; empty if the connection could not be read, which is no hop.
        hops: Class of error to the hop that it means for this service, and what to look at there.
    """
    if not where:
        return f"Failed while {step}. {error}"
    return f"Failed while {step} ({where}): {_hop(error, {**_LOWER, **hops})}. {error}"


# From the lowest layer up; the first that fits what went wrong, or what caused it.
_LOWER: dict[type[BaseException], str] = {
    socket.gaierror: "name resolution, the host is not known here; is a private link or a proxy needed?",
    ssl.SSLError: "TLS, the certificate is not trusted; set verify to the path of your CA bundle",
    ConnectionFailed: "network, nothing answers",
}
_NO_TLS = "TLS, the server speaks none there; if it is on this machine (loopback), give http:// with its host"


def _hop(error: BatchError, hops: Mapping[type[BaseException], str]) -> str:
    causes = _causes(error)
    # How OpenSSL calls an answer that is not TLS at all, such as one in plain http.
    if any(isinstance(cause, ssl.SSLError) and cause.reason == "WRONG_VERSION_NUMBER" for cause in causes):
        return _NO_TLS
    found = (told for kind, told in hops.items() if any(isinstance(cause, kind) for cause in causes))
    return next(found, "the answer")


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    next_one: BaseException | None = error
    while next_one is not None and next_one not in found:
        found.append(next_one)
        next_one = next_one.__cause__ or next_one.__context__
    return found
