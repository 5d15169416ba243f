"""Who may call which plane: one audience for each, as the services demand."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_batch_provider.emulator import wire
from airflow_batch_provider.emulator.errors import ServiceError

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from airflow_batch_provider.emulator.tokens import Token, TokenStore

ARM_AUDIENCES = frozenset(
    f"https://{host}"
    for host in (
        "management.azure.com",
        "management.core.windows.net",
        "management.chinacloudapi.cn",
        "management.core.chinacloudapi.cn",
        "management.usgovcloudapi.net",
        "management.core.usgovcloudapi.net",
    )
)
ML_AUDIENCES = frozenset(
    {"https://ml.azure.com", "https://ml.azure.cn", "https://ml.azure.us", "https://studio.ml.azure.cn"}
)
STORAGE_AUDIENCES = frozenset({"https://storage.azure.com"})

_AUDIENCES = {
    "arm": ARM_AUDIENCES,
    "history": ARM_AUDIENCES,
    "data": ARM_AUDIENCES,
    "batch": ML_AUDIENCES,
    "blob": STORAGE_AUDIENCES,
}
_CHALLENGE = (
    'Bearer authorization_uri="https://login.windows.net/", error="invalid_token", error_description="{}"'
)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def audience_of(scope: str) -> str:
    """Return the audience that a scope such as ``https://ml.azure.com/.default`` asks for."""
    return scope.split(maxsplit=1)[0].removesuffix("/.default").rstrip("/") if scope.strip() else ""


def bearer(connection: HTTPConnection) -> str | None:
    """Return the bearer token of a request, or None."""
    kind, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None


def check(connection: HTTPConnection, plane: str, tokens: TokenStore) -> None:
    """Refuse a request whose credentials do not open its plane.

    Args:
        connection: The request.
        plane: The plane that it addresses; planes without credentials let everyone in.
        tokens: The tokens that were issued.

    Raises:
        ServiceError: 401 (403 for an expired SAS) with the plane's own code and ``WWW-Authenticate``.
    """
    allowed = _AUDIENCES.get(plane)
    if allowed is None or (plane == "blob" and _storage_key_or_sas(connection)):
        return
    text = bearer(connection)
    if text is None:
        raise _refused(
            plane, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
        )
    token = tokens.find(text)
    if token is None:
        raise _refused(plane, "InvalidAuthenticationToken", "The access token is invalid.")
    _check_token(connection, plane, token, allowed)


def _check_token(connection: HTTPConnection, plane: str, token: Token, allowed: frozenset[str]) -> None:
    if token.expired:
        ended, now = wire.timestamp(token.expires), wire.timestamp(time.time())
        message = f"The access token expiry UTC time '{ended}' is earlier than current UTC time '{now}'."
        raise _refused(plane, "ExpiredAuthenticationToken", message)
    if token.audience in allowed or (allowed is ARM_AUDIENCES and _is_self(connection, token.audience)):
        return
    names = ",".join(f"'{name}'" for name in sorted(allowed))
    message = (
        f"The access token has been obtained for wrong audience or resource '{token.audience}'."
        f" It should exactly match with one of the allowed audiences {names}."
    )
    raise _refused(plane, "InvalidAuthenticationTokenAudience", message)


def _is_self(connection: HTTPConnection, audience: str) -> bool:
    own, theirs = connection.url, urlsplit(audience)
    same_host = theirs.hostname == own.hostname or {theirs.hostname, own.hostname} <= _LOOPBACK
    return same_host and theirs.port == own.port


def _refused(plane: str, code: str, message: str) -> ServiceError:
    challenge = {"WWW-Authenticate": _CHALLENGE.format(message.replace('"', "'"))}
    if plane == "blob":
        blob_challenge = (
            "Bearer authorization_uri=https://login.microsoftonline.com/common/oauth2/authorize"
            " resource_id=https://storage.azure.com"
        )
        code = (
            "NoAuthenticationInformation" if code == "AuthenticationFailed" else "InvalidAuthenticationInfo"
        )
        text = (
            "Server failed to authenticate the request. Please refer to the information in the"
            " www-authenticate header."
        )
        return ServiceError(401, text, code=code, headers={"WWW-Authenticate": blob_challenge})
    if plane == "arm":
        return ServiceError(401, message, code=code, headers=challenge)
    return ServiceError(401, message, inner=("AuthorizationError", code), headers=challenge)


def _storage_key_or_sas(connection: HTTPConnection) -> bool:
    if connection.headers.get("authorization", "").lower().startswith(("sharedkey ", "sharedkeylite ")):
        return True
    if not connection.query_params.get("sig"):
        return False
    if _is_over(connection.query_params.get("se", "")):
        raise ServiceError(
            403,
            "Server failed to authenticate the request. Make sure the value of Authorization header is formed"
            " correctly including the signature. Signature not valid in the specified time frame.",
            code="AuthenticationFailed",
        )
    return True


def _is_over(end: str) -> bool:
    try:
        moment = datetime.fromisoformat(end.replace("Z", "+00:00"))
    except ValueError:
        return False
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return aware.timestamp() < time.time()
