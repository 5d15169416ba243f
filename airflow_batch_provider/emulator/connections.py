"""The server's open TCP connections, so that a fault can really close one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

Address = tuple[str, int]


class Connections:
    """Open connections by the address of their client."""

    def __init__(self) -> None:
        self._transports: dict[Address, asyncio.Transport] = {}

    def opened(self, transport: asyncio.Transport) -> None:
        """Note a new connection."""
        self._transports[_address(transport)] = transport

    def closed(self, transport: asyncio.Transport) -> None:
        """Forget a connection."""
        self._transports.pop(_address(transport), None)

    async def abort(self, scope: Scope, receive: Receive) -> None:
        """Close a request's connection at once, dropping what was not sent yet; return when it is closed."""
        if (transport := self._transport(scope)) is not None:
            transport.abort()
        await _disconnected(receive)

    async def close(self, scope: Scope, receive: Receive) -> None:
        """Close a request's connection after what was written has been sent; return when it is closed."""
        if (transport := self._transport(scope)) is not None:
            transport.close()
        await _disconnected(receive)

    def _transport(self, scope: Scope) -> asyncio.Transport | None:
        host, port = scope["client"]
        return self._transports.get((host, port))  # A client that has gone took its own along.

    def protocol(self) -> type[asyncio.Protocol]:
        """Return uvicorn's HTTP protocol, made to report its connections here."""
        members = {"_open_connections": self}
        return cast("type[asyncio.Protocol]", type("TrackedProtocol", (_Tracked, AutoHTTPProtocol), members))


class _Tracked(asyncio.Protocol):
    # Names of our own: uvicorn has attributes called "connections" and "transport".
    _open_connections: Connections
    _tracked: asyncio.Transport
    access_log: bool

    def connection_made(self, transport: Any) -> None:
        self._tracked = transport
        # uvicorn logs requests, with the signatures in their URLs, once another library gives it a handler.
        self.access_log = False
        self._open_connections.opened(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_connections.closed(self._tracked)
        super().connection_lost(exc)


def _address(transport: asyncio.Transport) -> Address:
    host, port, *_ = transport.get_extra_info("peername") or ("", 0)
    return str(host), int(port)


async def _disconnected(receive: Receive) -> None:
    # uvicorn answers 500 for an application that returns without a response while its client is still there.
    while (await receive())["type"] != "http.disconnect":
        pass
