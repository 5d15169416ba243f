"""Where tokens may go: each kind only to the hosts of its own service."""

from __future__ import annotations

import ipaddress
import re

import httpx

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.services.azure_ml.clouds import Cloud
from airflow_batch_provider.services.azure_ml.values import shown

# httpx takes more for a host than there can be, such as one with a backslash, which others read as a slash.
_PLAIN = re.compile(r"(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?")


def is_loopback(host: str) -> bool:
    """Say whether a host name or address is this machine's loopback interface."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_local(url: str) -> bool:
    """Say whether a URL leads to this machine's loopback interface."""
    return is_loopback(_host(httpx.URL(url)))


def token_hosts(cloud: Cloud, arm: str) -> dict[str, tuple[str, ...]]:
    """Return, for each kind of token, the hosts that may see it; ``*.`` in front allows subdomains.

    A host counts with its port. Where Resource Manager is on this machine, so are the other services.

    Args:
        cloud: The cloud.
        arm: Base URL of Resource Manager.
    """
    own = _netloc(httpx.URL(arm))
    local = (own,) if is_local(arm) else ()
    return {
        "arm": (own, *_below(cloud.api)),
        "ml": (*_below(cloud.inference), *_below(cloud.api), *local),
        "storage": (*_below(cloud.storage), *local),
    }


def check_host(url: httpx.URL | str, allowed: tuple[str, ...], what: str) -> None:
    """Refuse a URL that a token must not be sent to.

    Args:
        url: Where a request is to go, or is going to go.
        allowed: See `token_hosts`.
        what: What has this URL, for the message.

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
    name = _netloc(url)
    fits = any(name == host or (host.startswith("*.") and name.endswith(host[1:])) for host in allowed)
    if not fits or not _PLAIN.fullmatch(name):
        raise InvalidInput(
            f"{what} is {shown(place)}; its host {name!r} is not one that this token may be sent to.",
            fix=f"Allowed are {', '.join(allowed)}. Check cloud_environment, and the URL.",
        )


def _below(domain: str) -> tuple[str, str]:
    return domain, f"*.{domain}"


# Not httpx's own `host`, which decodes international names: it fails on some, and others would look alike.
def _host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii")


def _netloc(url: httpx.URL) -> str:
    return url.netloc.decode("ascii")
