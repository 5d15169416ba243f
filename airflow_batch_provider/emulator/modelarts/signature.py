"""SDK-HMAC-SHA256: what a signed request must carry. Source: the rules of the vendor's signing algorithm.

The signature is one HMAC with the secret key over the algorithm's name, the date and the digest of the
canonical request; no key is derived for a day or a region.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHM = "SDK-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"
_DATE = "%Y%m%dT%H%M%SZ"
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM}\s+Access=(?P<access>[^,\s]+),\s*SignedHeaders=(?P<headers>[^,\s]+),"
    r"\s*Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Message:
    """A request as its signature sees it.

    Attributes:
        method: The HTTP method.
        path: The path, percent-decoded.
        query: The query string as it was sent.
        headers: All headers by lower-case name.
        body: The whole body.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Claim:
    """What an ``Authorization`` header says."""

    access: str
    headers: tuple[str, ...]
    signature: str


def read_claim(authorization: str) -> Claim | None:
    """Read an ``Authorization`` header; None if it is no signature of this kind."""
    match = _AUTHORIZATION.fullmatch(authorization.strip())
    return Claim(match["access"], tuple(match["headers"].split(";")), match["signature"]) if match else None


def read_date(text: str) -> float | None:
    """Read ``X-Sdk-Date`` as epoch seconds; None if it is no such date."""
    try:
        return datetime.strptime(text, _DATE).replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None


def matches(message: Message, claim: Claim, secret: str) -> bool:
    """Say whether a claim was made with a secret key for this very request."""
    return hmac.compare_digest(sign(message, claim.headers, secret), claim.signature)


def sign(message: Message, signed: tuple[str, ...], secret: str) -> str:
    """Return the signature of a request.

    Args:
        message: The request, ``x-sdk-date`` among its headers.
        signed: The lower-case names of the headers that it covers, in order.
        secret: The secret key.
    """
    digest = hashlib.sha256(canonical(message, signed).encode()).hexdigest()
    text = f"{ALGORITHM}\n{message.headers.get('x-sdk-date', '')}\n{digest}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def canonical(message: Message, signed: tuple[str, ...]) -> str:
    """Return the canonical request: its parts one below the other."""
    headers = "".join(f"{name}:{message.headers.get(name, '').strip()}\n" for name in signed)
    parts = (message.method.upper(), _path(message.path), _query(message.query), headers, ";".join(signed))
    return "\n".join((*parts, _payload(message)))


def _path(path: str) -> str:
    encoded = "/".join(quote(segment, safe="~") for segment in path.split("/"))
    return encoded if encoded.endswith("/") else f"{encoded}/"


def _query(query: str) -> str:
    # Sorted before they are encoded, which for a few characters is another order than after it.
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    return "&".join(f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in pairs)


def _payload(message: Message) -> str:
    if message.body and message.headers.get("x-sdk-content-sha256") == _UNSIGNED:
        return _UNSIGNED
    return hashlib.sha256(message.body).hexdigest()
