"""Between the workers and Airflow's API server: it stops the one request at which a test wants to kill."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
OF_ONE_CONNECTION = {
    "connection",
    "content-encoding",
    "content-length",
    "host",
    "keep-alive",
    "transfer-encoding",
}

Wanted = Callable[[str, str, str], bool]


class Gate:
    """A reverse proxy; requests pass until one is to be held.

    Args:
        upstream: Where the API server is, or will be.

    Attributes:
        url: What the workers are told.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.client = httpx.Client(base_url=upstream, trust_env=False, timeout=60)
        self._wanted: Wanted | None = None
        self._effect = False
        self._lock = threading.Lock()
        self._reached, self._opened = threading.Event(), threading.Event()
        methods = {f"do_{method}": _Handler.handle_request for method in METHODS}
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (_Handler,), {"gate": self, **methods})
        )
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.open()
        self._server.shutdown()
        self._server.server_close()
        self.client.close()

    def hold(self, wanted: Wanted, *, effect: bool) -> None:
        """Hold the next request of which *wanted(method, path, body)* is true, after or before its effect."""
        self._reached.clear()
        self._opened.clear()
        with self._lock:
            self._wanted, self._effect = wanted, effect

    def wait(self, seconds: float) -> None:
        """Wait until the request is there, and has had its effect if it was to have one."""
        assert self._reached.wait(seconds), "the request never came"

    def open(self) -> None:
        """Let everything pass again; the request that was held gets no answer."""
        with self._lock:
            self._wanted = None
        self._opened.set()

    def pass_through(self, request: httpx.Request, body: str) -> httpx.Response | None:
        """Return the API server's answer; ``None`` if there shall be none."""
        path = request.url.path
        with self._lock:
            held = self._wanted is not None and self._wanted(request.method, path, body)
            if held:
                self._wanted = None
        answer = self.client.send(request) if self._effect or not held else None
        if held:
            self._reached.set()
            self._opened.wait(120)
        return None if held else answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    gate: Gate

    def handle_request(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = _forwarded(self.headers.items())
        request = self.gate.client.build_request(self.command, self.path, content=body, headers=headers)
        answer = self.gate.pass_through(request, body.decode())
        if answer is None:
            self.close_connection = True
            return
        self.send_response(answer.status_code)
        for name, value in _forwarded(answer.headers.items()):
            self.send_header(name, value)
        if answer.status_code != httpx.codes.NO_CONTENT:
            self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_):
        """Write nothing."""


def _forwarded(headers):
    return [(name, value) for name, value in headers if name.lower() not in OF_ONE_CONNECTION]
