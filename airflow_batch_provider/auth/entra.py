"""Entra tokens on requests: which token goes with which request, and where it may go.

A request says for whom its token is made (`services.azure_ml.workspace.AUDIENCE`); a token is attached only
if the request's host is on that audience's list and the connection is encrypted, so that no answer, redirect
or templated URL can lead a token elsewhere.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Generator
from functools import lru_cache

import httpx

from airflow_batch_provider.auth.credentials import azure_credential
from airflow_batch_provider.auth.tokens import Token, Tokens
from airflow_batch_provider.services.azure_ml.connection import AzureMLConnection
from airflow_batch_provider.services.azure_ml.hosts import check_host
from airflow_batch_provider.services.azure_ml.workspace import AUDIENCE


class EntraAuth(httpx.Auth):
    """Attaches Entra tokens.

    Args:
        tokens: Where they come from.
        resources: Audience to the resource that its token is made for.
        hosts: Audience to the hosts that may see its token; ``*.`` in front allows subdomains.
    """

    def __init__(self, tokens: Tokens, resources: dict[str, str], hosts: dict[str, tuple[str, ...]]) -> None:
        self._tokens = tokens
        self._resources = resources
        self._hosts = hosts

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Attach a token, and once a fresh one if the first was refused."""
        resource = self._resource(request)
        if resource is None:
            yield request
            return
        token = self._tokens.get(resource)
        response = yield _bearing(request, token)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self._tokens.drop(resource, token)
            yield _bearing(request, self._tokens.get(resource))

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Do the same in an event loop."""
        resource = self._resource(request)
        if resource is None:
            yield request
            return
        token = await self._tokens.aget(resource)
        response = yield _bearing(request, token)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self._tokens.drop(resource, token)
            yield _bearing(request, await self._tokens.aget(resource))

    def _resource(self, request: httpx.Request) -> str | None:
        audience = request.extensions.get(AUDIENCE, "none")
        if audience == "none":
            return None
        check_host(request.url, self._hosts[audience], f"The address of a request ({audience})")
        return self._resources[audience]


def _bearing(request: httpx.Request, token: Token) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token.value}"
    return request


_tokens_lock = threading.Lock()


def tokens_of(connection: AzureMLConnection) -> Tokens:
    """Return the tokens of a connection: one credential and one token per audience in a process."""
    with _tokens_lock:  # a cache may call twice for callers at the same time
        return _tokens_of(connection)


@lru_cache(maxsize=64)
def _tokens_of(connection: AzureMLConnection) -> Tokens:
    return Tokens(lambda: azure_credential(connection))


def entra_auth(connection: AzureMLConnection) -> EntraAuth:
    """Return the auth of a connection's requests."""
    return EntraAuth(tokens_of(connection), connection.audiences(), connection.hosts())
