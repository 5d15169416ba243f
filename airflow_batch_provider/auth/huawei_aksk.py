"""Access keys of Huawei Cloud: each request carries a signature of its own (``SDK-HMAC-SHA256``).

What is signed is the method, the path, the query, some headers and a digest of the body; the secret key
itself is never sent. Source: the signer of the vendor's Python SDK (``huaweicloudsdkcore`` 3.1), with which
this one agrees byte for byte: see ``tests/auth``. Temporary keys come with a security token, which travels in
a signed header.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from urllib.parse import quote, unquote

import httpx

from airflow_batch_provider.auth.attached import audience_of

ALGORITHM = "SDK-HMAC-SHA256"
DATE = "X-Sdk-Date"
CONTENT = "X-Sdk-Content-Sha256"
TOKEN = "X-Security-Token"  # noqa: S105  # the header's name

_STAMP = "%Y%m%dT%H%M%SZ"
_DIGESTED = ("application/json", "application/bson")
_UNSIGNED = "UNSIGNED-PAYLOAD"
# Others are added or changed on the way (connection, encodings, lengths).
_SIGNED = ("content-type", "host", "x-project-id")


class AkSkAuth(httpx.Auth):
    """Signs requests.

    Args:
        access_key: Names the key pair.
        secret_key: A secret.
        security_token: A secret, of temporary keys; empty for permanent ones.
        hosts: Audience to the hosts that may see a signature; ``*.`` in front allows subdomains.
        now: Wall clock, epoch seconds. The service refuses a clock that is wrong by a quarter of an hour.
    """

    requires_request_body = True

    def __init__(
        self,
        access_key: str,
        secret_key: str,
        security_token: str,
        hosts: dict[str, tuple[str, ...]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._access_key = access_key
        self._secret_key = secret_key
        self._security_token = security_token
        self._hosts = hosts
        self._now = now

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign a request, each time that it is sent."""
        audience = audience_of(request, self._hosts, "Check region and endpoint, and the URL.")
        if audience is not None:
            self._sign(request)
        yield request

    def _sign(self, request: httpx.Request) -> None:
        request.headers[DATE] = time.strftime(_STAMP, time.gmtime(self._now()))
        if self._security_token:
            request.headers[TOKEN] = self._security_token
        content_type = request.headers.get("content-type", "")
        if content_type and not content_type.startswith(_DIGESTED):
            request.headers[CONTENT] = _UNSIGNED
        names = (*_SIGNED, DATE.lower(), TOKEN.lower(), CONTENT.lower())
        signed = {name: request.headers[name] for name in names if name in request.headers}
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        request.headers["Authorization"] = authorization(
            self._access_key,
            self._secret_key,
            method=request.method,
            path=path,
            query=[_pair(part) for part in query.split("&") if part],
            headers=signed,
            body=request.content,
        )


def authorization(
    access_key: str,
    secret_key: str,
    *,
    method: str,
    path: str,
    query: Sequence[tuple[str, str]],
    headers: Mapping[str, str],
    body: bytes,
) -> str:
    """Return the ``Authorization`` header of a request.

    Args:
        access_key: Names the key pair.
        secret_key: A secret.
        method: HTTP method.
        path: Of the URL, percent-encoded or not.
        query: Names and values, decoded.
        headers: All headers that are to be signed, with the date and the host; those with an underscore in
            their name are not, because gateways drop them.
        body: What is sent.
    """
    lower = {name.lower(): value.strip() for name, value in headers.items() if "_" not in name}
    names = ";".join(sorted(lower))
    canonical = "\n".join(
        (
            method.upper(),
            _canonical_path(path),
            "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(query)),
            "".join(f"{name}:{lower[name]}\n" for name in sorted(lower)),
            names,
            _digest(lower, body),
        )
    )
    to_sign = "\n".join((ALGORITHM, lower[DATE.lower()], hashlib.sha256(canonical.encode()).hexdigest()))
    signature = hmac.new(secret_key.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{ALGORITHM} Access={access_key}, SignedHeaders={names}, Signature={signature}"


def _canonical_path(path: str) -> str:
    quoted = "/".join(_quoted(part) for part in unquote(path).split("/"))
    return quoted if quoted.endswith("/") else f"{quoted}/"


def _digest(headers: Mapping[str, str], body: bytes) -> str:
    given = headers.get(CONTENT.lower())
    return given if given and body else hashlib.sha256(body).hexdigest()


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return unquote(name), unquote(value)


def _quoted(text: str) -> str:
    return quote(text, safe="~")
