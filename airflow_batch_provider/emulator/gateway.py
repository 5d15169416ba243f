"""What every request passes first: its canonical address, the faults, the journal, the plane's headers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from airflow_batch_provider.emulator import access, journal, planes
from airflow_batch_provider.emulator.blob_errors import BlobError
from airflow_batch_provider.emulator.errors import ServiceError, render
from airflow_batch_provider.emulator.ids import new_guid
from airflow_batch_provider.emulator.modelarts import errors as modelarts_errors
from airflow_batch_provider.emulator.modelarts import signature
from airflow_batch_provider.emulator.obs import access as obs_access
from airflow_batch_provider.emulator.obs import errors as obs_errors
from airflow_batch_provider.emulator.resources import DEFAULT_LOCATION
from airflow_batch_provider.emulator.throttle import Throttle

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from airflow_batch_provider.emulator.connections import Connections
    from airflow_batch_provider.emulator.faults import Fault
    from airflow_batch_provider.emulator.tokens import Token
    from airflow_batch_provider.emulator.world import World

_THROTTLED = 429
_NOT_JSON = "upstream connect error or disconnect/reset before headers. reset reason: connection termination"
_HTML = (
    "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in to continue.</body></html>"
)


@dataclass
class _Answer:
    """A whole answer, collected instead of sent."""

    start: Message = field(default_factory=dict)
    body: bytes = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.body += message.get("body", b"")


class _Body:
    """Passes a request's body on and remembers its beginning for the journal."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.start = b""
        self.complete = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self.start += message.get("body", b"")[: journal.BODY_LIMIT - len(self.start)]
            self.complete = not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        while not self.complete and (await self.receive())["type"] == "http.request":
            pass


@dataclass
class _Exchange:
    """One request on its way through the gateway."""

    scope: Scope
    body: _Body
    send: Send
    plane: str
    faults: list[Fault]
    began: float = field(default_factory=time.time)

    def _access_key(self) -> str | None:
        connection = HTTPConnection(self.scope)
        claim = signature.read_claim(connection.headers.get("authorization", ""))
        return claim.access if claim else obs_access.access_key(connection)

    def entry(self, token: Token | None, status: int | None) -> dict[str, Any]:
        headers = HTTPConnection(self.scope).headers
        return {
            "time": self.began,
            "method": self.scope["method"],
            "path": self.scope["path"],
            "query": journal.redact_query(self.scope["query_string"].decode("ascii", "replace")),
            "plane": self.plane,
            "status": status,
            "audience": token.audience if token else None,
            "caller": token.client if token else self._access_key(),
            "headers": {name: headers[name] for name in journal.KEPT_HEADERS if name in headers},
            "body": journal.summary(self.body.start, headers.get("content-type", "")),
            "faults": [fault.action for fault in self.faults],
            "seconds": round(time.time() - self.began, 6),
        }


class Gateway:
    """The outermost ASGI application.

    Args:
        app: The routes of all planes.
        world: The emulator's stores.
        connections: The server's open connections.
    """

    def __init__(self, app: ASGIApp, world: World, connections: Connections) -> None:
        self._app = app
        self._world = world
        self._connections = connections
        self._throttle = Throttle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's start and stop."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = HTTPConnection(scope).headers.get("host", "")
        path = planes.canonical_path(planes.storage_path(host, scope["path"]))
        scope = {**scope, "path": path, "raw_path": path.encode(), planes.SENT_PATH: scope["raw_path"]}
        plane = planes.plane_of(path)
        if plane == "control":
            await self._app(scope, receive, send)
            return
        faults = self._world.faults.hit(scope["method"], path, plane)
        faults += self._throttle.hit(plane, self._world.settings.current.requests_per_second)
        await self._serve(_Exchange(scope, _Body(receive), send, plane, faults))

    async def _serve(self, exchange: _Exchange) -> None:
        fault: Fault | None = None
        late = 0.0
        for struck in exchange.faults:
            if struck.action == "latency" and struck.effect:
                late += struck.seconds
            elif struck.action == "latency":
                await asyncio.sleep(struck.seconds)
            elif struck.action == "expire_tokens":
                self._world.expire_credentials()
            else:
                fault = struck
        if fault is None and late:
            answer = _Answer()
            await self._answer(exchange, answer.send)
            await asyncio.sleep(late)
            send = self._recording(exchange)
            await send(answer.start)
            await send({"type": "http.response.body", "body": answer.body})
        elif fault is None:
            await self._answer(exchange, self._recording(exchange))
        elif fault.action == "drop_before" or (fault.action == "status" and not fault.effect):
            await exchange.body.drain()
            await self._spoil(exchange, fault, _Answer())
        else:
            answer = _Answer()
            await self._answer(exchange, answer.send)
            await self._spoil(exchange, fault, answer)

    async def _answer(self, exchange: _Exchange, send: Send) -> None:
        """Let the routes answer, once the credentials are found good."""
        scope = exchange.scope
        self._world.operations.settle()
        try:
            if exchange.plane != "blob":
                access.check(HTTPConnection(scope), exchange.plane, self._world.tokens)
        except ServiceError as error:
            await exchange.body.drain()
            await render(error, exchange.plane, DEFAULT_LOCATION)(scope, exchange.body.receive, send)
        else:
            await self._app(scope, exchange.body.receive, send)

    def _record(self, exchange: _Exchange, status: int | None) -> None:
        connection = HTTPConnection(exchange.scope)
        presented = access.bearer(connection) or connection.headers.get("x-auth-token", "")
        self._world.journal.add(exchange.entry(self._world.tokens.find(presented), status))

    def _recording(self, exchange: _Exchange) -> Send:
        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._record(exchange, message["status"])
                message = _with_plane_headers(message, exchange)
            await exchange.send(message)

        return send

    async def _spoil(self, exchange: _Exchange, fault: Fault, answer: _Answer) -> None:
        scope, receive = exchange.scope, exchange.body.receive
        if fault.action in {"drop_before", "drop_after"}:
            self._record(exchange, None)
            await self._connections.abort(scope, receive)
            return
        send = self._recording(exchange)
        if fault.action == "truncate":
            await send(answer.start)
            await send(
                {
                    "type": "http.response.body",
                    "body": answer.body[: len(answer.body) // 2],
                    "more_body": True,
                }
            )
            await self._connections.close(scope, receive)
            return
        await _replacement(fault, answer, exchange.plane)(scope, receive, send)


def _replacement(fault: Fault, answer: _Answer, plane: str) -> Response:
    status = answer.start.get("status", 200)
    if fault.action == "html":
        return HTMLResponse(_HTML, status)
    if fault.action == "not_json":
        return Response(_NOT_JSON, status, media_type="application/json")
    if isinstance(fault.body, str):
        return PlainTextResponse(fault.body, fault.status, fault.headers)
    if fault.body is not None:
        return JSONResponse(fault.body, fault.status, fault.headers)
    return _default(fault, plane)


def _default(fault: Fault, plane: str) -> Response:
    """Return the plane's own error for a fault that says nothing of a body."""
    text = f"Injected fault: HTTP {fault.status}."
    if plane == "obs":
        return obs_errors.render(BlobError(fault.status, "ServiceError", text, fault.headers), "")
    if plane in {"modelarts", "iam"}:
        code = "APIGW.0308" if fault.status == _THROTTLED else "ModelArts.0010"
        error = ServiceError(fault.status, text, code=code, headers=fault.headers)
        return modelarts_errors.render(error, plane)
    body = {"error": {"code": "ServiceError", "message": text}}
    return JSONResponse(body, fault.status, fault.headers)


def _with_plane_headers(message: Message, exchange: _Exchange) -> Message:
    own = {name for name, _ in message.get("headers", [])}
    added = [
        (name.encode(), value.encode())
        for name, value in _plane_headers(exchange).items()
        if name.encode() not in own
    ]
    return {**message, "headers": [*message.get("headers", []), *added]}


def _plane_headers(exchange: _Exchange) -> dict[str, str]:
    request_id = new_guid()
    if exchange.plane == "batch":
        elapsed = f"{time.time() - exchange.began:.3f}"
        return {"x-request-id": request_id, "x-request-time": elapsed, "server": "azureml-frontdoor"}
    if exchange.plane == "arm":
        budget = ("reads", "11999") if exchange.scope["method"] == "GET" else ("writes", "1199")
        return {
            "x-ms-request-id": request_id,
            "x-ms-correlation-request-id": request_id,
            "x-ms-response-type": "standard",
            f"x-ms-ratelimit-remaining-subscription-{budget[0]}": budget[1],
        }
    if exchange.plane == "obs":
        return {"x-amz-request-id": request_id, "x-obs-request-id": request_id, "server": "OBS"}
    if exchange.plane in {"history", "data", "discovery", "modelarts", "iam"}:
        return {"x-request-id": request_id}
    return {"x-ms-request-id": request_id}
