"""Where tokens may go: each kind only to the hosts of its own service."""

from __future__ import annotations

import httpx

from airflow_batch_provider import web
from airflow_batch_provider.services.azure_ml.clouds import Cloud
from airflow_batch_provider.web import is_local, is_loopback, netloc

__all__ = ["check_host", "is_local", "is_loopback", "token_hosts"]


HINT = "Check cloud_environment, and the URL."
"""What to do if a host is not allowed."""


def token_hosts(cloud: Cloud, arm: str) -> dict[str, tuple[str, ...]]:
    """Return, for each kind of token, the hosts that may see it; ``*.`` in front allows subdomains.

    A host counts with its port. Where Resource Manager is on this machine, so are the other services.

    Args:
        cloud: The cloud.
        arm: Base URL of Resource Manager.
    """
    own = netloc(arm)
    local = (own,) if is_local(arm) else ()
    return {
        "arm": (own, *_below(cloud.api)),
        "ml": (*_below(cloud.inference), *_below(cloud.api), *local),
        "storage": (*_below(cloud.storage), *local),
    }


def check_host(url: httpx.URL | str, allowed: tuple[str, ...], what: str) -> None:
    """Refuse a URL that a token must not be sent to; see `web.check_host`."""
    web.check_host(url, allowed, what, hint=HINT)


def _below(domain: str) -> tuple[str, str]:
    return domain, f"*.{domain}"
