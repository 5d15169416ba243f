"""Signs requests to OBS as its pages and S3's say, for clients of tests that have no vendor's client."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Generator, Mapping
from email.utils import formatdate
from urllib.parse import parse_qsl, quote, urlsplit

import httpx

REGION = "cn-north-4"


def signature_4(
    method: str, target: str, headers: Mapping[str, str], names: str, *, region: str, secret: str
) -> str:
    """Return the signature of S3's version 4.

    Args:
        method: HTTP method.
        target: Path and query as they are sent.
        headers: Of the request, by any spelling of their names.
        names: Of those that are signed, with semicolons in between.
        region: Of the bucket.
        secret: The secret key.
    """
    url = urlsplit(target)
    pairs = sorted(parse_qsl(url.query, keep_blank_values=True))
    query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)
    signed = "".join(f"{name}:{headers[name].strip()}\n" for name in names.split(";"))
    canonical = "\n".join((method, url.path, query, signed, names, headers["x-amz-content-sha256"]))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    day = headers["x-amz-date"][:8]
    key = b"AWS4" + secret.encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    scope = f"{day}/{region}/s3/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{digest}"
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


class S3Auth(httpx.Auth):
    """Signs as S3's version 4 has it.

    Args:
        access: Names the key pair.
        secret: Its secret.
        region: Of the bucket.
        late: Seconds by which the clock is behind.
    """

    requires_request_body = True

    def __init__(self, access: str, secret: str, region: str = REGION, late: float = 0) -> None:
        self._access, self._secret, self._region, self._late = access, secret, region, late

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign a request."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - self._late))
        request.headers["x-amz-date"] = stamp
        request.headers["x-amz-content-sha256"] = hashlib.sha256(request.content).hexdigest()
        names = ";".join(sorted(name for name in request.headers if name == "host" or name[:6] == "x-amz-"))
        target = request.url.raw_path.decode()
        told = signature_4(
            request.method, target, request.headers, names, region=self._region, secret=self._secret
        )
        scope = f"{self._access}/{stamp[:8]}/{self._region}/s3/aws4_request"
        request.headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={told}"
        )
        yield request


class ObsAuth(httpx.Auth):
    """Signs as OBS's own kind has it, and S3's old one: the path alone, and no query.

    Args:
        access: Names the key pair.
        secret: Its secret.
        scheme: ``OBS`` or ``AWS``.
    """

    def __init__(self, access: str, secret: str, scheme: str = "OBS") -> None:
        self._access, self._secret, self._scheme = access, secret, scheme

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign a request."""
        request.headers["date"] = formatdate(usegmt=True)
        prefix = {"OBS": "x-obs-", "AWS": "x-amz-"}[self._scheme]
        own = sorted(f"{name}:{value}" for name, value in request.headers.items() if name.startswith(prefix))
        resource = request.url.raw_path.decode().partition("?")[0].removeprefix("/obs")
        lines = (request.method, "", request.headers.get("content-type", ""), request.headers["date"])
        text = "\n".join((*lines, *own, resource))
        made = base64.b64encode(hmac.digest(self._secret.encode(), text.encode(), "sha1")).decode()
        request.headers["authorization"] = f"{self._scheme} {self._access}:{made}"
        yield request
