"""The one error that handlers raise, and the shapes in which Azure's planes tell it.

Shapes: recorded answers of the service (ARM through the management front end; ``RootError`` of the data-plane
services), Microsoft Entra ID's published error body, and the Storage REST reference.
"""

from __future__ import annotations

import time
from typing import Any
from xml.sax.saxutils import escape

from starlette.responses import JSONResponse, Response

from airflow_batch_provider.emulator import wire
from airflow_batch_provider.emulator.ids import new_guid


class ServiceError(Exception):
    """A refusal, told in the shape of the plane where it happens.

    Args:
        status: The HTTP status.
        message: The text for the caller.
        code: The plane's error code, such as ``UserError``.
        inner: The chain of inner error codes, outermost first, such as ``("NotFoundError",)``.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "UserError",
        inner: tuple[str, ...] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.inner = inner
        self.headers = headers or {}


def bad_request(message: str) -> ServiceError:
    """Return the error for a request that the service cannot accept."""
    return ServiceError(400, message, inner=("BadArgument",))


def not_found(message: str) -> ServiceError:
    """Return the error for something that does not exist."""
    return ServiceError(404, message, inner=("NotFoundError",))


def render(error: ServiceError, plane: str, location: str) -> Response:
    """Tell an error in the shape of a plane.

    Args:
        error: What happened.
        plane: One of the names in :mod:`planes`.
        location: The Azure region that the answer names.

    Returns:
        The response, with the headers of that plane.
    """
    if plane == "blob":
        return _storage_error(error)
    if plane == "arm":
        return JSONResponse(
            _arm_body(error, location), error.status, {"x-ms-response-type": "error"} | error.headers
        )
    return JSONResponse(_root_error(error, plane, location), error.status, error.headers)


def _inner(codes: tuple[str, ...]) -> dict[str, Any] | None:
    return {"code": codes[0], "innerError": _inner(codes[1:])} if codes else None


def _info(kind: str, value: Any) -> dict[str, Any]:
    return {"type": kind, "info": {"value": value}}


def _arm_body(error: ServiceError, location: str) -> dict[str, Any]:
    # ARM itself answers authentication and routing errors with code and message alone.
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.code in {"UserError", "ServiceError", "BadRequest"}:
        info = [
            _info("ComponentName", "managementfrontend"),
            _info("Correlation", {"operation": new_guid().replace("-", ""), "request": new_guid()[:16]}),
            _info("Environment", location),
            _info("Location", location),
            _info("Time", wire.timestamp(time.time())),
        ]
        body |= {
            "details": [],
            "additionalInfo": info + [_info("InnerError", _inner(error.inner))] * bool(error.inner),
        }
    return {"error": body}


def _root_error(error: ServiceError, plane: str, location: str) -> dict[str, Any]:
    details: dict[str, Any] = {
        "code": error.code,
        "severity": None,
        "message": error.message,
        "messageFormat": None,
        "messageParameters": None,
        "referenceCode": None,
        "detailsUri": None,
        "target": None,
        "details": [],
        "innerError": _inner(error.inner),
        "debugInfo": None,
        "additionalInfo": None,
    }
    return {
        "error": details,
        "correlation": {"operation": new_guid().replace("-", ""), "request": new_guid()[:16]},
        "environment": location,
        "location": location,
        "time": wire.timestamp(time.time()),
        "componentName": {"batch": "managementfrontend", "history": "run-history"}.get(plane, plane),
    }


def _storage_error(error: ServiceError) -> Response:
    request_id = new_guid()
    text = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f"<Error><Code>{escape(error.code)}</Code><Message>{escape(error.message)}\nRequestId:{request_id}\n"
        f"Time:{wire.timestamp(time.time())}</Message></Error>"
    )
    headers = {"x-ms-error-code": error.code, "x-ms-request-id": request_id} | error.headers
    return Response(text, error.status, headers, "application/xml")
