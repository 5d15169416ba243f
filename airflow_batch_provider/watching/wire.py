"""One HTTP/1.1 connection on asyncio; ``llhttp`` reads what comes, by way of ``httptools``."""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import Any, TypeAlias

import httptools
import httpx

from airflow_batch_provider.bounds import bounded

_IDLE_SECONDS = 60.0
"""For which a connection is kept that nobody uses: longer than most intervals between polls, shorter than
load balancers do."""
_LONGEST_HEAD = 65_536

# A method, a target, and headers whose names are tokens and whose values hold no control characters (RFC
# 9112, sections 3 and 5): whatever an address or a token says, what is sent is one request.
_HEAD = re.compile(
    rb"[A-Z]+ [\x21-\x7e]+ HTTP/1\.1\r\n(?:[-!#$%&'*+.^_`|~0-9A-Za-z]+: [\t\x20-\x7e\x80-\xff]*\r\n)+\r\n"
)

_Headers: TypeAlias = list[tuple[bytes, bytes]]


class Connection(asyncio.Protocol):
    """Carries one request after the other; made by `connect`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: Any = None
        self._answered: asyncio.Future[tuple[int, _Headers, bytes]] | None = None
        self._headers: _Headers = []
        self._body: list[bytes] = []
        self._head_left = _LONGEST_HEAD
        self._in_head = self._has_body = True
        self._ends_with_connection = self._lasts = False
        self._silence = 0.0
        self._timer: asyncio.TimerHandle | None = None
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
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(httpx.RemoteProtocolError(f"What came is no answer: {error!r}"))
            self.close()
        if self._in_head:
            self._head_left -= len(data)
            if self._head_left < 0:
                self._fail(httpx.RemoteProtocolError(f"A head of more than {_LONGEST_HEAD} bytes."))

    def on_message_begin(self) -> None:
        """Begin to read an answer."""
        if not self._waits():  # It has one already: this is nobody's.
            self.close()
        self._headers, self._body, self._in_head = [], [], True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take note of a header; what follows a body is of no interest."""
        if self._in_head:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Find out how the answer ends."""
        self._in_head = False
        self._lasts = self._parser.should_keep_alive()
        if not self._has_body:
            self._lasts = False
            self._finish()
        elif not self._lasts:
            names = {name.lower() for name, _ in self._headers}
            self._ends_with_connection = names.isdisjoint((b"content-length", b"transfer-encoding"))

    def on_body(self, body: bytes) -> None:
        """Take note of a part of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Hand the answer over, unless it is one that only announces another."""
        if self._parser.get_status_code() >= httpx.codes.OK:
            self._finish()

    def _finish(self) -> None:
        if self._waits() and self._answered is not None:
            answer = self._parser.get_status_code(), self._headers, b"".join(self._body)
            self._answered.set_result(answer)

    def _waits(self) -> bool:
        return self._answered is not None and not self._answered.done()

    def eof_received(self) -> None:
        """Read what came to its end, which some answers have nothing else to mark."""
        self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of the end."""
        if exc is None and self._ends_with_connection and not self._lost:
            self._finish()
        self._lost = True
        closed = httpx.RemoteProtocolError("The connection was closed in the middle of an answer.")
        self._fail(closed if exc is None else httpx.ReadError(str(exc)))
        self._stop_timer()

    def _fail(self, error: httpx.TransportError) -> None:
        if self._waits() and self._answered is not None:
            self._answered.set_exception(error)

    async def exchange(self, request: httpx.Request) -> httpx.Response:
        """Send a request and read the whole answer. Whatever is raised, the connection is closed."""
        self._answered = self._loop.create_future()
        self._head_left, self._has_body = _LONGEST_HEAD, request.method != "HEAD"
        self._ends_with_connection = False
        self._heard_at = self._loop.time()
        self._start_timer(request.extensions["timeout"]["read"])
        try:
            self._transport.write(_bytes_of(request))
            status, headers, body = await self._answered
            stream = httpx.ByteStream(body)
            response = httpx.Response(status, headers=headers, stream=stream, request=request)
            response.read()  # It is all there; to await that takes httpx longer.
        except BaseException:
            self.close()
            raise
        finally:
            self._answered = None
        if not self._lasts:
            self.close()
        return response

    def _start_timer(self, seconds: float) -> None:
        # One that still runs serves for this request, too: it looks when something was heard.
        self._silence = seconds
        if self._timer is None or self._timer.when() > self._heard_at + seconds:
            self._stop_timer()
            self._timer = self._loop.call_later(seconds, self._check_silence)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_silence(self) -> None:
        self._timer = None
        left = self._heard_at + self._silence - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check_silence)
        else:
            self._fail(httpx.ReadTimeout(f"Nothing came for {self._silence} seconds."))

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
        self._stop_timer()
        self._transport.close()


def _bytes_of(request: httpx.Request) -> bytes:
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%b: %b" % header for header in request.headers.raw]
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    if head.count(b"\n") != len(lines) + 1 or not _HEAD.fullmatch(head):
        # Nothing of it is shown: among the headers is a token.
        raise httpx.LocalProtocolError("The request has a line break or a control character in its head.")
    return head + request.content


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
