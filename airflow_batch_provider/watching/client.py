"""Small requests, many of them: ``httpx``'s requests, answers and auth, without what polling does not need.

Of the time of a poll, ``httpx.AsyncClient`` and the pool of ``httpcore`` take most: for redirects, cookies,
hooks and logs, for a queue that is walked for each request, and for waiting by way of anyio. Here a request
goes through its auth straight to a connection that lies idle, or to a new one; how many are under way is
bounded by who asks (`drive.IN_FLIGHT`).
"""

from __future__ import annotations

import asyncio
import ssl
from urllib.request import getproxies

import httpx

from airflow_batch_provider.watching.wire import Connection, connect

_YOUNG_SECONDS = 3.0
"""For which it takes a request that must not be lost: the server may be closing a connection that lies idle
just when the request is sent, and whether it was carried out would not be known."""


class IdleConnections(httpx.AsyncBaseTransport):
    """Keeps connections that lie idle, for whoever asks the same host next.

    Args:
        tls: For ``https``.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._idle: dict[tuple[str, bytes], list[Connection]] = {}
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and read the whole answer."""
        url = request.url
        idle = self._idle.setdefault((url.scheme, url.netloc), [])
        connection = _usable(idle, young=request.method in ("POST", "PATCH"))
        if connection is None:
            connection = await connect(url, self._tls, request.extensions["timeout"]["connect"])
        response = await connection.exchange(request)
        if self._closed:
            connection.close()
        elif connection.is_usable:
            idle.append(connection)
        return response

    async def aclose(self) -> None:
        """Close what lies idle; what is in use is closed by whoever uses it."""
        self._closed = True
        for idle in self._idle.values():
            while idle:
                idle.pop().close()
        await asyncio.sleep(0)  # in which the loop closes the sockets


def _usable(idle: list[Connection], *, young: bool) -> Connection | None:
    while idle:
        if young and idle[-1].idle_seconds >= _YOUNG_SECONDS:
            return None  # All others are older still.
        connection = idle.pop()
        if connection.is_usable:
            return connection
        connection.close()
    return None


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
            return await self._transport.handle_async_request(request)
        except httpx.RequestError as error:
            error.request = request
            raise

    async def aclose(self) -> None:
        """Close what is open."""
        await self._transport.aclose()
        if self._proxied is not None:
            await self._proxied.aclose()
