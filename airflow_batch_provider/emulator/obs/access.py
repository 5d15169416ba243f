"""Who may use OBS: whoever signs with a known access key; anyone may read a bucket made public at set-up.

All three kinds of signatures are verified, in the header and in the query: see `signature`. Where OBS's pages
say nothing, what S3 does is assumed: the region must be the bucket's, clocks may differ by 15 minutes, and a
body must be the one whose digest was signed.
"""

from __future__ import annotations

import hmac
import time
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from airflow_batch_provider.emulator.blob_errors import BlobError
from airflow_batch_provider.emulator.obs import signature
from airflow_batch_provider.emulator.obs.errors import denied
from airflow_batch_provider.emulator.planes import SENT_PATH, region_of, storage_path

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from airflow_batch_provider.emulator.modelarts.world import ModelArts

_TOKENS = ("x-amz-security-token", "x-obs-security-token")
_DATE = "%Y%m%dT%H%M%SZ"
_MOST_SKEW = 15 * 60
_DIGEST = 64


def check(connection: HTTPConnection, cloud: ModelArts, bucket: str) -> None:
    """Refuse a request that may not do what it asks.

    Raises:
        BlobError: 403, or 301 and 400 for another region, with S3's codes.
    """
    region = region_of(connection.headers.get("host", ""))
    if region not in ("", cloud.account.region):
        raise BlobError(
            301, "PermanentRedirect", "The bucket must be addressed by the endpoint of its own region."
        )
    message = _message(connection)
    claim = signature.read_claim(message)
    if claim is None:
        if bucket in cloud.account.public_buckets and connection.scope["method"] in {"GET", "HEAD"}:
            return
        raise denied("AccessDenied", "Access Denied")
    key = cloud.keys.find(claim.access)
    if key is None:
        raise denied(
            "InvalidAccessKeyId", "The OBS access key id you provided does not exist in our records."
        )
    query = {name.lower(): value for name, value in message.pairs()}
    given = next((token for name in _TOKENS if (token := message.headers.get(name) or query.get(name))), None)
    if key.expired or not key.opens_with(given):
        raise denied("InvalidSecurityToken", "The security token is missing, wrong or expired.")
    _check_scope(claim, cloud.account.region)
    _check_time(message, claim)
    if not signature.matches(message, claim, key.secret, _resources(connection)):
        raise denied(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your key "
            "and signing method.",
        )


def check_content(connection: HTTPConnection, digest: str) -> None:
    """Refuse a body that is not the one that was signed.

    Args:
        connection: The request.
        digest: SHA-256 of its body, hexadecimal.

    Raises:
        BlobError: 400; one that says no digest signs no body.
    """
    signed = connection.headers.get("x-amz-content-sha256", "")
    if len(signed) == _DIGEST and not hmac.compare_digest(signed.encode(), digest.encode()):
        raise BlobError(
            400,
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )


def access_key(connection: HTTPConnection) -> str | None:
    """Return the access key that a request names, or None."""
    claim = signature.read_claim(_message(connection))
    return claim.access if claim else None


def _message(connection: HTTPConnection) -> signature.Message:
    scope = connection.scope
    return signature.Message(
        scope["method"],
        scope[SENT_PATH].decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        {name.decode("latin-1"): value.decode("latin-1") for name, value in connection.headers.raw},
    )


def _resources(connection: HTTPConnection) -> list[str]:
    """Return what a signature of the older kind may call the path.

    It is ``/bucket/key`` whatever the host; for a bucket clients end it with a slash, or as it is sent. Those
    that know of no endpoint with a path of its own, such as the emulator's ``/obs``, put that in front.
    """
    sent = connection.scope[SENT_PATH].decode("latin-1")
    named = storage_path(connection.headers.get("host", ""), sent).removeprefix("/obs")
    return [named, sent] if "/" in named[1:] else [named, f"{named}/", sent]


def _check_scope(claim: signature.Claim, region: str) -> None:
    if claim.scheme != signature.ALGORITHM:
        return
    rest = claim.scope[2:]
    if rest != ("s3", "aws4_request") or "host" not in claim.headers:
        raise denied("AccessDenied", "The credential must be for s3/aws4_request, and the host be signed.")
    if claim.scope[1] != region:
        raise BlobError(
            400,
            "AuthorizationHeaderMalformed",
            f"The authorization header is malformed; the region '{claim.scope[1]}' is wrong; expecting "
            f"'{region}'",
        )


def _check_time(message: signature.Message, claim: signature.Claim) -> None:
    told = signature.date_of(message, claim)
    at = _epoch(told)
    if at is None:
        raise denied("AccessDenied", f"The request has no valid date: {told!r}.")
    now = time.time()
    if not claim.in_query:
        if abs(now - at) > _MOST_SKEW:
            raise denied(
                "RequestTimeTooSkewed",
                "The difference between the request time and the server's time is too large.",
            )
    elif now > at + (_lifetime(message) if claim.scheme == signature.ALGORITHM else 0):
        raise denied("AccessDenied", "Request has expired.")


def _lifetime(message: signature.Message) -> int:
    text = dict(message.pairs()).get("X-Amz-Expires", "")
    return int(text) if text.isdecimal() else 0


def _epoch(text: str) -> float | None:
    """Read a date of any of the kinds that requests carry: of version 4, of HTTP, epoch seconds."""
    if text.isdecimal():
        return float(text)
    try:
        return datetime.strptime(text, _DATE).replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None
