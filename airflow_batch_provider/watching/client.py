"""Small requests, many of them: ``httpx``'s requests, answers and auth, without what polling does not need.

Of the time of a poll, ``httpx.AsyncClient`` and the pool of ``httpcore`` take more than half: for redirects,
cookies, hooks and logs, for a queue that is walked for each request, and for waiting by way of anyio. Here a
request goes through its auth straight to a connection of ``httpcore`` that lies idle, or to a new one; how
many are under way is bounded by who asks (`drive.IN_FLIGHT`).
"""

from __future__ import annotations

import ssl
from typing import Any
from urllib.request import getproxies

import httpcore
import httpx

from airflow_batch_provider.watching.streams import Network

_IDLE_SECONDS = 60.0
"""For which a connection is kept that nobody uses: longer than most intervals between polls, shorter than
load balancers do."""


class IdleConnections(httpx.AsyncBaseTransport):
    """Keeps connections that lie idle, for whoever asks the same host next.

    Args:
        tls: For ``https``.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._network = Network()
        self._idle: dict[httpcore.Origin, list[httpcore.AsyncHTTPConnection]] = {}
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and read the whole answer."""
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        asked = httpcore.Request(
            request.method,
            url,
            headers=request.headers.raw,
            content=request.content or None,
            extensions={"timeout": request.extensions["timeout"]},
        )
        connection = await self._take(url.origin)
        try:
            answer = await connection.handle_async_request(asked)
            body = b"".join([part async for part in answer.aiter_stream()])
            await answer.aclose()
        except BaseException as error:
            await connection.aclose()
            if isinstance(error, Exception):
                _raise_as_httpx(error)
            raise
        await self._give(url.origin, connection)
        return httpx.Response(
            answer.status, headers=answer.headers, stream=httpx.ByteStream(body), request=request
        )

    async def _take(self, origin: httpcore.Origin) -> httpcore.AsyncHTTPConnection:
        idle = self._idle.get(_key(origin), [])
        while idle:
            connection = idle.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return httpcore.AsyncHTTPConnection(
            origin, ssl_context=self._tls, keepalive_expiry=_IDLE_SECONDS, network_backend=self._network
        )

    async def _give(self, origin: httpcore.Origin, connection: httpcore.AsyncHTTPConnection) -> None:
        if connection.is_idle() and not self._closed:
            self._idle.setdefault(_key(origin), []).append(connection)
        else:
            await connection.aclose()

    async def aclose(self) -> None:
        """Close what lies idle; what is in use is closed by whoever uses it."""
        self._closed = True
        for idle in self._idle.values():
            while idle:
                await idle.pop().aclose()


def _key(origin: httpcore.Origin) -> Any:
    return origin.scheme, origin.host, origin.port


def _raise_as_httpx(error: Exception) -> None:
    """Raise httpx's error of the same name."""
    kind = getattr(httpx, type(error).__name__, None)
    if kind is not None and type(error).__module__.startswith("httpcore"):
        raise kind(str(error)) from error


class PollingClient:
    """Sends requests as ``httpx.AsyncClient`` does, for less.

    Args:
        auth: Of each request.
        verify: For ``https``.
        timeout: Of each step of a request.
        trust_env: Whether proxies of the environment are used. If there are any, an ``httpx.AsyncClient``
            sends the requests after all.
    """

    def __init__(
        self, *, auth: httpx.Auth, verify: ssl.SSLContext, timeout: httpx.Timeout, trust_env: bool
    ) -> None:
        self._auth = auth
        self._timeout = timeout.as_dict()
        self._proxied = (
            httpx.AsyncClient(auth=auth, verify=verify, timeout=timeout)
            if trust_env and getproxies()
            else None
        )
        self._transport = IdleConnections(verify)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return the whole answer; redirects are not followed."""
        if self._proxied is not None:
            return await self._proxied.send(request)
        request.extensions.setdefault("timeout", self._timeout)
        flow = self._auth.async_auth_flow(request)
        try:
            asked = await anext(flow)
            while True:
                response = await self._answer(asked)
                try:
                    asked = await flow.asend(response)
                except StopAsyncIteration:
                    return response
        finally:
            await flow.aclose()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await self._transport.handle_async_request(request)
            await response.aread()
        except httpx.RequestError as error:
            error.request = request
            raise
        return response

    async def aclose(self) -> None:
        """Close what is open."""
        await self._transport.aclose()
        if self._proxied is not None:
            await self._proxied.aclose()
