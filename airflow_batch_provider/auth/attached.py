"""Tokens on requests, whatever the service: where one may go, and what happens when it is refused.

A request says to which kind of host it goes (`web.AUDIENCE`); a token is attached only if the request's host
is on that kind's list and the connection is encrypted, so that no answer, redirect or templated URL can lead
a token elsewhere.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Generator
from functools import lru_cache

import httpx

from airflow_batch_provider.auth.tokens import Token, Tokens
from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.web import AUDIENCE, check_host


def audience_of(request: httpx.Request, hosts: dict[str, tuple[str, ...]], hint: str) -> str | None:
    """Return for which kind of host a request's credential is, or ``None`` if it is to have none.

    Args:
        request: About to be sent.
        hosts: Audience to the hosts that may see its credential; ``*.`` in front allows subdomains.
        hint: What to check if the host is not allowed.

    Raises:
        InvalidInput: Its host must not see the credential.
    """
    audience = request.extensions.get(AUDIENCE, "none")
    if audience == "none":
        return None
    url, allowed = request.url, hosts[audience]
    if url.userinfo or not _is_allowed(url.scheme, url.netloc, allowed):
        check_host(url, allowed, f"The address of a request ({audience})", hint=hint)
    return str(audience)


@lru_cache(maxsize=1024)
def _is_allowed(scheme: str, netloc: bytes, allowed: tuple[str, ...]) -> bool:
    """Say whether a host may see a credential: the same answer for each of thousands of polls."""
    try:
        check_host(f"{scheme}://{netloc.decode('ascii')}", allowed, "A host")
    except InvalidInput:
        return False
    return True


class TokenAuth(httpx.Auth):
    """Attaches tokens, and once a fresh one if the first was refused.

    Args:
        tokens: Where they come from.
        resources: Audience to the resource that its token is made for.
        hosts: Audience to the hosts that may see its token; ``*.`` in front allows subdomains.
    """

    hint = "Check the URL."
    """What to check if a request's host is not allowed."""

    def __init__(self, tokens: Tokens, resources: dict[str, str], hosts: dict[str, tuple[str, ...]]) -> None:
        self._tokens = tokens
        self._resources = resources
        self._hosts = hosts

    @abstractmethod
    def _attach(self, request: httpx.Request, token: Token) -> None:
        """Put a token on a request."""

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Attach a token, and once a fresh one if the first was refused."""
        resource = self._resource(request)
        if resource is None:
            yield request
            return
        token = self._tokens.get(resource)
        response = yield self._bearing(request, token)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self._tokens.drop(resource, token)
            fresh = self._tokens.get(resource)
            if fresh.value != token.value:
                yield self._bearing(request, fresh)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Do the same in an event loop."""
        resource = self._resource(request)
        if resource is None:
            yield request
            return
        token = await self._tokens.aget(resource)
        response = yield self._bearing(request, token)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self._tokens.drop(resource, token)
            fresh = await self._tokens.aget(resource)
            if fresh.value != token.value:
                yield self._bearing(request, fresh)

    def _resource(self, request: httpx.Request) -> str | None:
        audience = audience_of(request, self._hosts, self.hint)
        return None if audience is None else self._resources[audience]

    def _bearing(self, request: httpx.Request, token: Token) -> httpx.Request:
        self._attach(request, token)
        return request
