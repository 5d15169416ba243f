"""Requests and where they may go: what all services share of building URLs and guarding credentials."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Any
from urllib.parse import quote

import httpx

from airflow_batch_provider import __version__
from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.values import shown

AUDIENCE = "airflow_batch_provider.audience"
"""Key of a request's extensions that says for which kind of host its credential is; auth reads it."""

LASTS = "airflow_batch_provider.lasts"
"""Key of a request's extensions that says for how many seconds a good answer serves all who ask the same."""

A_MINUTE = 60.0
"""For which an answer lasts that is not about a single job: jobs that end together ask for it once."""

USER_AGENT = f"airflow-batch-provider/{__version__}"

# No separators, no control characters, no halves of characters, which no URL can carry.
_SEGMENT = re.compile(r"[^/\\?#%\x00-\x1f\x7f\ud800-\udfff]+")

# httpx takes more for a host than there can be, such as one with a backslash, which others read as a slash.
_PLAIN = re.compile(r"(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?")


def ask(
    method: str,
    url: str,
    audience: str,
    *,
    body: Any = None,
    headers: dict[str, str] | None = None,
    lasts: float = 0.0,
) -> httpx.Request:
    """Build a request.

    Args:
        method: HTTP method.
        url: Absolute URL.
        audience: The kind of host that it goes to, in the service's own terms; ``none`` for no credential.
        body: Sent as JSON; ``None`` sends no body.
        headers: Further headers.
        lasts: Seconds for which a good answer serves all who share a connection; 0 to ask each time.

    Raises:
        InvalidInput: The URL cannot be one.
    """
    sent = {"User-Agent": USER_AGENT, "Accept": "application/json", **(headers or {})}
    content = None
    if body is not None:
        content = json.dumps(body).encode()
        sent["Content-Type"] = "application/json"
    extensions = {AUDIENCE: audience, LASTS: lasts} if lasts else {AUDIENCE: audience}
    try:
        return httpx.Request(method, url, headers=sent, content=content, extensions=extensions)
    except (httpx.InvalidURL, TypeError, ValueError) as error:
        raise InvalidInput(f"{shown(url)} is not a URL that can be asked: {error}") from error


def segment(name: str, value: Any) -> str:
    """Return *value* as one segment of a URL's path.

    Args:
        name: What it is, for the message.
        value: A name out of a DAG, a connection or an answer.

    Raises:
        InvalidInput: It is empty, or would be more than one segment.
    """
    plain = isinstance(value, str) and value == value.strip() and value not in (".", "..")
    if not plain or not _SEGMENT.fullmatch(value):
        raise InvalidInput(
            f"{name} is {shown(value)}, which cannot be part of a URL.",
            fix="Give the plain name, without '/', '?', '#', '%', blanks around it or control characters.",
        )
    return quote(value, safe="@:!$&'()*+,;=-._~")


def is_loopback(host: str) -> bool:
    """Say whether a host name or address is this machine's loopback interface."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_local(url: str) -> bool:
    """Say whether a URL leads to this machine's loopback interface."""
    return is_loopback(_host(httpx.URL(url)))


def base_url(conn_id: str, field_name: str, value: str | None, example: str) -> str:
    """Read the base URL of a service out of a connection.

    Args:
        conn_id: The connection's id, for the message.
        field_name: The connection's field, for the message.
        value: What the field says; without a scheme it is taken for ``https``.
        example: A base URL of this service, for the message.

    Returns:
        The URL without a slash at the end; empty if none is given.

    Raises:
        InvalidInput: It is no base URL, or neither encrypted nor on this machine.
    """
    text = (value or "").strip()
    if not text:
        return ""
    try:
        url = httpx.URL(text if "://" in text else f"https://{text}")
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.raw_host or url.userinfo or url.query or url.fragment:
        raise InvalidInput(
            f"Connection {conn_id!r} has the {field_name} {shown(value)}, which is not a base URL.",
            fix=f"Leave it empty for the cloud's own, or give one like {example}.",
        )
    if url.scheme == "http" and not is_local(str(url)):
        raise InvalidInput(
            f"Connection {conn_id!r} has the {field_name} {shown(value)}; nothing secret goes there without "
            "TLS.",
            fix="Use https://. Plain http is for the emulator on this machine.",
        )
    return str(url).rstrip("/")


def tls_verify(value: Any) -> bool | str:
    """Read a connection's ``verify``: whether, or with which CA bundle, TLS certificates are verified."""
    if value is None or value == "":
        return True
    words = {"true": True, "false": False, "1": True, "0": False}
    return words.get(str(value).lower(), str(value))


def check_host(
    url: httpx.URL | str, allowed: tuple[str, ...], what: str, *, hint: str = "Check the URL."
) -> None:
    """Refuse a URL that a credential must not be sent to.

    Args:
        url: Where a request is to go, or is going to go.
        allowed: Hosts, with their ports; ``*.`` in front allows subdomains.
        what: What has this URL, for the message.
        hint: What to check if the host is not allowed.

    Raises:
        InvalidInput: It is not encrypted and not on this machine, names a user, or its host is not allowed.
    """
    try:
        url = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidInput(f"{what} is {shown(url)}, which is not a URL: {error}") from error
    place = str(url.copy_with(query=None, fragment=None, username=None, password=None))
    local = url.scheme == "http" and is_loopback(_host(url))
    if url.scheme != "https" and not local:
        raise InvalidInput(
            f"{what} is {shown(place)}, which is not encrypted; no token is sent there.", fix="Use https://."
        )
    if url.userinfo:
        # Clients differ in where a user's name ends and the host begins.
        raise InvalidInput(
            f"{what} is {shown(place)} with a user in front of its host; no token is sent there.",
            fix="Leave out what is before '@'.",
        )
    name = netloc(url)
    fits = any(name == host or (host.startswith("*.") and name.endswith(host[1:])) for host in allowed)
    if not fits or not _PLAIN.fullmatch(name):
        raise InvalidInput(
            f"{what} is {shown(place)}; its host {name!r} is not one that this token may be sent to.",
            fix=f"Allowed are {', '.join(allowed)}. {hint}",
        )


def netloc(url: httpx.URL | str) -> str:
    """Return a URL's host with its port, if it has one."""
    return httpx.URL(url).netloc.decode("ascii")


# Not httpx's own `host`, which decodes international names: it fails on some, and others would look alike.
def _host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii")
