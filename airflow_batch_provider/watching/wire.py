"""One HTTP/1.1 connection on asyncio, with ``h11``, which reads and writes for ``httpx``, too."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import h11
import httpx

from airflow_batch_provider.bounds import bounded

_IDLE_SECONDS = 60.0
"""For which a connection is kept that nobody uses: longer than most intervals between polls, shorter than
load balancers do."""


class Connection(asyncio.Protocol):
    """Carries one request after the other; made by `connect`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._http = h11.Connection(h11.CLIENT)
        self._transport: Any = None
        self._head: h11.Response | None = None
        self._body: list[bytes] = []
        self._answered: asyncio.Future[None] | None = None
        self._heard_at = self._loop.time()
        self._lost = False

    def connection_made(self, transport: Any) -> None:
        """Take note of the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Read what came, as far as it goes."""
        self._heard_at = self._loop.time()
        if self._answered is None:  # Nobody asked.
            self.close()
            return
        self._http.receive_data(data)
        self._read()

    def eof_received(self) -> None:
        """Read what came to its end, which some answers have nothing else to mark."""
        self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of the end."""
        if not self._lost and exc is None and self._answered is not None:
            self._http.receive_data(b"")
            self._read()
        self._lost = True
        closed = httpx.RemoteProtocolError("The connection was closed in the middle of an answer.")
        self._fail(closed if exc is None else httpx.ReadError(str(exc)))

    def _read(self) -> None:
        try:
            while (event := self._http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.Response):
                    self._head = event
                elif isinstance(event, h11.Data):
                    self._body.append(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    if self._answered is not None and not self._answered.done():
                        self._answered.set_result(None)
                    return
                elif isinstance(event, h11.ConnectionClosed):
                    self._fail(httpx.RemoteProtocolError("The connection was closed without an answer."))
                    return
        except h11.RemoteProtocolError as error:
            self._fail(httpx.RemoteProtocolError(str(error)))

    def _fail(self, error: httpx.TransportError) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)

    def _check_silence(self, seconds: float) -> None:
        left = self._heard_at + seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check_silence, seconds)
        else:
            self._fail(httpx.ReadTimeout(f"Nothing came for {seconds} seconds."))

    async def exchange(self, request: httpx.Request) -> httpx.Response:
        """Send a request and read the whole answer. Whatever is raised, the connection is closed."""
        self._answered, self._body = self._loop.create_future(), []
        self._heard_at, seconds = self._loop.time(), request.extensions["timeout"]["read"]
        self._timer = self._loop.call_later(seconds, self._check_silence, seconds)
        try:
            self._transport.write(self._bytes_of(request))
            await self._answered
        except BaseException:
            self.close()
            raise
        finally:
            self._timer.cancel()
            self._answered = None
        return self._taken(request)

    def _bytes_of(self, request: httpx.Request) -> bytes:
        head = h11.Request(
            method=request.method.encode(), target=request.url.raw_path, headers=request.headers.raw
        )
        events: list[h11.Event] = [head, h11.EndOfMessage()]
        if request.content:
            events.insert(1, h11.Data(data=request.content))
        return b"".join(self._http.send(event) or b"" for event in events)

    def _taken(self, request: httpx.Request) -> httpx.Response:
        head = self._head
        if head is None:
            raise httpx.RemoteProtocolError("An answer without a head.")
        body = httpx.ByteStream(b"".join(self._body))
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            self.close()
        return httpx.Response(
            head.status_code, headers=head.headers.raw_items(), stream=body, request=request
        )

    @property
    def is_usable(self) -> bool:
        """Whether it can carry one more request."""
        is_fresh = self._loop.time() - self._heard_at < _IDLE_SECONDS
        return is_fresh and not self._lost and not self._transport.is_closing()

    @property
    def idle_seconds(self) -> float:
        """For how long nothing has come."""
        return self._loop.time() - self._heard_at

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


async def connect(url: httpx.URL, tls: ssl.SSLContext, seconds: float) -> Connection:
    """Open a connection to a URL's host.

    Args:
        url: Of a request.
        tls: For ``https``.
        seconds: That this may take.

    Raises:
        httpx.ConnectError: Nothing is there, or not who it should be.
        httpx.ConnectTimeout: Nothing answered in time.
    """
    host = url.raw_host.decode("ascii")
    secure = url.scheme == "https"
    opening = asyncio.get_running_loop().create_connection(
        Connection, host, url.port or (443 if secure else 80), ssl=tls if secure else None
    )
    try:
        _, connection = await bounded(opening, seconds)
    except asyncio.TimeoutError as error:
        raise httpx.ConnectTimeout(f"No connection within {seconds} seconds.") from error
    except OSError as error:
        raise httpx.ConnectError(str(error)) from error
    return connection
