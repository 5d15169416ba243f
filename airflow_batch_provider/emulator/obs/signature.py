"""Signatures of requests to OBS: S3's of version 4, and the older kind that S3 and OBS share but for words.

Sources: "Authenticating Requests (AWS Signature Version 4)" and "Signing and Authenticating REST Requests" of
S3's API reference; "User Signature Authentication" of OBS's. Both kinds are in the header ``Authorization``,
or in the query of an address that was signed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALGORITHM = "AWS4-HMAC-SHA256"
_HEADER_4 = re.compile(
    rf"{ALGORITHM} Credential=(?P<access>[^/,\s]+)/(?P<scope>[^,\s]+),\s*"
    r"SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[^,\s]+)"
)
_HEADER_2 = re.compile(r"(?P<scheme>AWS|OBS) (?P<access>[^:\s]+):(?P<signature>\S+)")
_SCHEMES_BY_QUERY = {"AWSAccessKeyId": "AWS", "AccessKeyId": "OBS"}
# Of the many parts of a query, those that the older kind covers.
_COVERED = {
    *("acl", "append", "attname", "cors", "delete", "encryption", "lifecycle", "location", "logging"),
    *("metadata", "modify", "name", "notification", "partNumber", "policy", "position", "quota", "rename"),
    *("replication", "requestPayment", "restore", "storageClass", "storageinfo", "storagePolicy", "tagging"),
    *("torrent", "truncate", "uploadId", "uploads", "versionId", "versioning", "versions", "website"),
    *("x-image-process", "x-amz-security-token", "x-obs-security-token"),
    *("response-cache-control", "response-content-disposition", "response-content-encoding"),
    *("response-content-language", "response-content-type", "response-expires"),
}


@dataclass(frozen=True)
class Claim:
    """What a request says of its signature.

    Attributes:
        scheme: ``AWS4-HMAC-SHA256``, ``AWS`` or ``OBS``.
        access: The access key.
        signature: It.
        scope: Version 4: day, region, service and a fixed word.
        headers: Version 4: the lower-case names of the headers that it covers.
        in_query: Whether it is in the address, which is then good for some time.
    """

    scheme: str
    access: str
    signature: str
    scope: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    in_query: bool = False


@dataclass(frozen=True)
class Message:
    """A request as its signature sees it.

    Attributes:
        method: The HTTP method.
        path: The path as it was sent.
        query: The query string as it was sent.
        headers: All headers by lower-case name.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]

    def pairs(self) -> list[tuple[str, str]]:
        """Return the query, decoded."""
        # Not "+" for a blank, as forms have it: it is a sign like another here.
        return parse_qsl(self.query.replace("+", "%2B"), keep_blank_values=True)


def read_claim(message: Message) -> Claim | None:
    """Return what a request says of its signature, or None if it has none."""
    authorization = message.headers.get("authorization", "").strip()
    if found := _HEADER_4.fullmatch(authorization):
        day, *rest = found["scope"].split("/")
        covered = tuple(found["headers"].split(";"))
        return Claim(ALGORITHM, found["access"], found["signature"], (day, *rest), covered)
    if found := _HEADER_2.fullmatch(authorization):
        return Claim(found["scheme"], found["access"], found["signature"])
    query = dict(message.pairs())
    if "X-Amz-Credential" in query:
        access, *scope = query["X-Amz-Credential"].split("/")
        names, told = query.get("X-Amz-SignedHeaders", ""), query.get("X-Amz-Signature", "")
        return Claim(ALGORITHM, access, told, tuple(scope), tuple(names.split(";")), in_query=True)
    for name, scheme in _SCHEMES_BY_QUERY.items():
        if name in query:
            return Claim(scheme, query[name], query.get("Signature", ""), in_query=True)
    return None


def matches(message: Message, claim: Claim, secret: str, resources: Sequence[str]) -> bool:
    """Say whether a claim was made with a secret key for this very request.

    Args:
        message: The request.
        claim: What it says.
        secret: The secret key.
        resources: What the older kind may call the path: ``/bucket/key``, and as it was sent.
    """
    if claim.scheme == ALGORITHM:
        right = [sign_4(message, claim, secret)]
    else:
        right = [sign_2(message, claim, secret, resource) for resource in resources]
    return any(hmac.compare_digest(one.encode(), claim.signature.encode()) for one in right)


def sign_4(message: Message, claim: Claim, secret: str) -> str:
    """Return the signature of version 4."""
    query = sorted(
        (quote(name, safe="~"), quote(value, safe="~"))
        for name, value in message.pairs()
        if not (claim.in_query and name == "X-Amz-Signature")
    )
    canonical = "\n".join(
        (
            message.method,
            quote(unquote(message.path), safe="/~"),
            "&".join(f"{name}={value}" for name, value in query),
            *(f"{name}:{' '.join(message.headers.get(name, '').split())}" for name in claim.headers),
            "",
            ";".join(claim.headers),
            message.headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD" if claim.in_query else ""),
        )
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join((ALGORITHM, date_of(message, claim), "/".join(claim.scope), digest))
    key = f"AWS4{secret}".encode()
    for part in claim.scope:
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def sign_2(message: Message, claim: Claim, secret: str, resource: str) -> str:
    """Return the signature of the older kind.

    Args:
        message: The request.
        claim: What it says.
        secret: The secret key.
        resource: What the path is called.
    """
    prefix = f"x-{'amz' if claim.scheme == 'AWS' else 'obs'}-"
    own = sorted((name, value.strip()) for name, value in message.headers.items() if name.startswith(prefix))
    covered = sorted((name, value) for name, value in message.pairs() if name in _COVERED)
    query = "&".join(f"{name}={value}" if value else name for name, value in covered)
    date = "" if not claim.in_query and f"{prefix}date" in message.headers else date_of(message, claim)
    text = "\n".join(
        (
            message.method,
            message.headers.get("content-md5", ""),
            message.headers.get("content-type", ""),
            date,
            *(f"{name}:{value}" for name, value in own),
            resource + ("?" + query if query else ""),
        )
    )
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()


def date_of(message: Message, claim: Claim) -> str:
    """Return when a request was signed, or until when an address of the older kind is good, as it says."""
    if claim.in_query:
        return dict(message.pairs()).get("X-Amz-Date" if claim.scheme == ALGORITHM else "Expires", "")
    names = ("x-obs-date", "date") if claim.scheme == "OBS" else ("x-amz-date", "date")
    return next((message.headers[name] for name in names if name in message.headers), "")
