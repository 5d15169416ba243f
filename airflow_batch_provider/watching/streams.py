"""Bytes over asyncio, for ``httpcore``: what its own backend does by way of anyio, for less."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore

_READ_AHEAD = 2**16


class Stream(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """One connection. It is read and written by one request at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._ended = False
        self._error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._transport: Any = None
        self._paused = False

    # What asyncio tells.

    def connection_made(self, transport: Any) -> None:
        """Take note of the transport; after a TLS handshake, of another one."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep what came."""
        self._received += data
        if len(self._received) > _READ_AHEAD:
            self._transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> None:
        """Take note that nothing more will come."""
        self._ended = True
        _wake(self._reader)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of the end."""
        self._ended = True
        self._error = exc
        _wake(self._reader)
        _wake(self._writer)

    def pause_writing(self) -> None:
        """Take note that too much waits to be sent."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on sending."""
        self._paused = False
        _wake(self._writer)

    # What httpcore asks for.

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # httpcore's
        """Return what came, at least a byte unless the other side has closed."""
        if not self._received and not self._ended:
            self._reader = self._loop.create_future()
            await self._wait(self._reader, timeout, httpcore.ReadTimeout)
        if self._error is not None and not self._received:
            raise httpcore.ReadError(str(self._error)) from self._error
        found = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        if len(self._received) <= _READ_AHEAD and not self._ended:
            self._transport.resume_reading()
        return found

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # httpcore's
        """Send, waiting if the other side is slow."""
        if not buffer:
            return
        if self._error is not None or self._transport.is_closing():
            raise httpcore.WriteError(str(self._error or "the connection is closed"))
        self._transport.write(buffer)
        if self._paused:
            self._writer = self._loop.create_future()
            await self._wait(self._writer, timeout, httpcore.WriteTimeout)
            if self._error is not None:
                raise httpcore.WriteError(str(self._error)) from self._error

    async def aclose(self) -> None:
        """Close the connection."""
        self._transport.close()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # httpcore's
    ) -> Stream:
        """Encrypt the connection."""
        try:
            self._transport = await self._loop.start_tls(
                self._transport,
                self,
                ssl_context,
                server_hostname=server_hostname,
                ssl_handshake_timeout=timeout,
            )
        except (OSError, asyncio.TimeoutError) as error:
            self._transport.abort()
            raise httpcore.ConnectError(str(error) or "the TLS handshake took too long") from error
        return self

    def get_extra_info(self, info: str) -> Any:
        """Tell what httpcore asks about the connection."""
        if info == "is_readable":
            return self._ended or bool(self._received)
        names = {"ssl_object": "ssl_object", "client_addr": "sockname", "server_addr": "peername"}
        return self._transport.get_extra_info(names.get(info, info))

    async def _wait(
        self,
        future: asyncio.Future[None],
        timeout: float | None,
        kind: type[Exception],
    ) -> None:
        timer = None if timeout is None else self._loop.call_later(timeout, _fail, future, kind)
        try:
            await future
        finally:
            if timer is not None:
                timer.cancel()


class Network(httpcore.AsyncNetworkBackend):
    """Opens connections by asyncio."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Stream:
        """Open a connection."""
        loop = asyncio.get_running_loop()
        local = None if local_address is None else (local_address, 0)
        try:
            transport, stream = await asyncio.wait_for(
                loop.create_connection(Stream, host, port, local_addr=local), timeout
            )
        except asyncio.TimeoutError as error:
            raise httpcore.ConnectTimeout(f"no answer within {timeout} seconds") from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        connected = transport.get_extra_info("socket")
        for option in [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), *(socket_options or [])]:
            connected.setsockopt(*option)
        return stream

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)


def _fail(future: asyncio.Future[None], kind: type[Exception]) -> None:
    if not future.done():
        future.set_exception(kind())
