"""Which step of testing a connection failed, in plain words."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from airflow_batch_provider.errors import (
    AuthenticationFailed,
    BatchError,
    ConnectionFailed,
    NotFound,
    PermissionDenied,
)

if TYPE_CHECKING:
    from airflow_batch_provider.services.azure_ml.connection import AzureMLConnection


def explain(step: str, error: BatchError, connection: AzureMLConnection | None) -> str:
    """Say which hop failed and what to look at.

    Args:
        step: What was being done.
        error: How it failed.
        connection: The connection, if it could be read.
    """
    hop = _hop(error, step)
    where = f" ({connection.cloud.name}, {connection.arm})" if connection else ""
    return f"Failed while {step}{where}: {hop}. {error}"


# The first that fits, from the lowest layer up: what went wrong, or what caused it.
_HOPS: tuple[tuple[type[BaseException], str], ...] = (
    (
        socket.gaierror,
        "name resolution, the host is not known here; is a private link or a proxy needed?",
    ),
    (ssl.SSLError, "TLS, the certificate is not trusted; set verify to the path of your CA bundle"),
    (ConnectionFailed, "network, nothing answers"),
    (AuthenticationFailed, "token, the credential is not accepted"),
    (PermissionDenied, "RBAC, the identity may not read the workspace"),
    (NotFound, "workspace, there is none of this name in this resource group and subscription"),
    (BaseException, "the answer"),
)
_AUDIENCE = "audience, no token is issued for the data plane; set ml_audience"


def _hop(error: BatchError, step: str) -> str:
    if isinstance(error, AuthenticationFailed) and "token for" in step:
        return _AUDIENCE
    causes = _causes(error)
    return next(told for kind, told in _HOPS if any(isinstance(cause, kind) for cause in causes))


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    next_one: BaseException | None = error
    while next_one is not None and next_one not in found:
        found.append(next_one)
        next_one = next_one.__cause__ or next_one.__context__
    return found
