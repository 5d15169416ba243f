"""Who may use OBS: whoever names a known access key; and anyone may read a bucket made public at set-up.

Signatures are read, not verified: neither the native kind nor either S3 kind. What a wrong secret key does
is thus not seen here; a wrong or expired access key, and a temporary one without its security token, are
refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_batch_provider.emulator.obs.errors import denied

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from airflow_batch_provider.emulator.modelarts.world import ModelArts

_HEADER = re.compile(r"(?:AWS4-HMAC-SHA256 Credential=(?P<v4>[^/,\s]+)/|(?:AWS|OBS) (?P<v2>[^:\s]+):)")
_QUERY = ("X-Amz-Credential", "AWSAccessKeyId", "AccessKeyId")
_TOKENS = ("x-amz-security-token", "x-obs-security-token")


def check(connection: HTTPConnection, cloud: ModelArts, bucket: str) -> None:
    """Refuse a request that may not do what it asks.

    Raises:
        BlobError: 403, with S3's codes.
    """
    access = access_key(connection)
    if access is None:
        if bucket in cloud.account.public_buckets and connection.scope["method"] in {"GET", "HEAD"}:
            return
        raise denied("AccessDenied", "Access Denied")
    key = cloud.keys.find(access)
    if key is None:
        raise denied(
            "InvalidAccessKeyId", "The OBS access key id you provided does not exist in our records."
        )
    query = {name.lower(): value for name, value in connection.query_params.items()}
    given = next(
        (token for name in _TOKENS if (token := connection.headers.get(name) or query.get(name))), None
    )
    if key.expired or not key.opens_with(given):
        raise denied("InvalidSecurityToken", "The security token is missing, wrong or expired.")


def access_key(connection: HTTPConnection) -> str | None:
    """Return the access key that a request names, or None."""
    match = _HEADER.match(connection.headers.get("authorization", ""))
    if match:
        return match["v4"] or match["v2"]
    for name in _QUERY:
        if name in connection.query_params:
            return connection.query_params[name].partition("/")[0]
    return None
