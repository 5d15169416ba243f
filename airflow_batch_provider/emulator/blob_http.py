"""Between HTTP and the blob store: headers of answers, attributes and bodies of requests."""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from starlette.responses import Response, StreamingResponse

from airflow_batch_provider.emulator.blob_conditions import Conditions
from airflow_batch_provider.emulator.blob_errors import BlobError, not_offered
from airflow_batch_provider.emulator.blob_model import Blob, Write, etag_of
from airflow_batch_provider.emulator.blob_xml import render_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

_VERSION = "2023-11-03"
_METADATA = "x-ms-meta-"
_CONTENT = ("type", "encoding", "language", "md5", "disposition")
_METADATA_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CHUNK = 256 * 1024
_NOT_MODIFIED = 304


class FileResponse(StreamingResponse):
    """A part of an open file; the file is closed when the answer has ended, in whatever way.

    Args:
        file: The file.
        first: The first byte to send.
        length: How many to send.
        status: HTTP status.
        headers: The answer's headers.
    """

    def __init__(self, file: BinaryIO, first: int, length: int, status: int, headers: dict[str, str]) -> None:
        super().__init__(_chunks(file, first, length), status, {**headers, "content-length": str(length)})
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with self._file:
            await super().__call__(scope, receive, send)


def blob_headers(blob: Blob) -> dict[str, str]:
    """Return the headers that tell a blob's properties.

    Args:
        blob: The blob.
    """
    return {
        **blob.content,
        **version_headers(blob),
        "accept-ranges": "bytes",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-creation-time": format_datetime(blob.last_modified, usegmt=True),
        "x-ms-lease-state": "available",
        "x-ms-lease-status": "unlocked",
        "x-ms-server-encrypted": "true",
        **{f"{_METADATA}{name}": value for name, value in blob.metadata.items()},
    }


def version_headers(blob: Blob) -> dict[str, str]:
    """Return the headers that tell which version of a blob this is.

    Args:
        blob: The blob.
    """
    return {"etag": f'"{blob.etag}"', "last-modified": format_datetime(blob.last_modified, usegmt=True)}


def folder_headers(folder: Path) -> dict[str, str]:
    """Return the headers that tell a container's properties.

    Args:
        folder: The container's folder.
    """
    status = folder.stat()
    modified = format_datetime(datetime.fromtimestamp(status.st_mtime, timezone.utc), usegmt=True)
    return {"etag": f'"{etag_of(status)}"', "last-modified": modified}


def write_of(request: Request, *, body_is_content: bool) -> Write:
    """Return what a request to write a blob says besides its content.

    Args:
        request: Put Blob or Put Block List.
        body_is_content: Whether Content-Type speaks of the blob.

    Raises:
        BlobError: 400, a header has no valid value.
    """
    headers = request.headers
    names = {f"content-{name}": f"x-ms-blob-content-{name}" for name in _CONTENT}
    names["cache-control"] = "x-ms-blob-cache-control"
    content = {name: headers[own] for name, own in names.items() if own in headers}
    if body_is_content and "content-type" in headers:
        content.setdefault("content-type", headers["content-type"])
    metadata = {
        name.removeprefix(_METADATA): value for name, value in headers.items() if name.startswith(_METADATA)
    }
    for name in metadata:
        if not _METADATA_NAME.fullmatch(name):
            raise BlobError(400, "InvalidMetadata", f"The metadata name {name!r} is not an identifier.")
    return Write(content, metadata, Conditions.of(headers).check_write)


class Sink(Protocol):
    """What bodies are written to."""

    def write(self, chunk: bytes, /) -> Any:
        """Take the next bytes."""


async def receive(request: Request, file: Sink) -> None:
    """Write a request's body to a file.

    Args:
        request: The request.
        file: The file, or what passes it on.

    Raises:
        BlobError: 411, the request does not say how long its body is.
    """
    if "content-length" not in request.headers:
        raise BlobError(411, "MissingContentLengthHeader", "Content-Length is missing.")
    async for chunk in request.stream():
        file.write(chunk)


def check_block_blob(request: Request) -> None:
    """Refuse what is no block blob.

    Args:
        request: Put Blob.

    Raises:
        BlobError: 400 without the header that says the type; 501 for other types and for copies.
    """
    if "x-ms-copy-source" in request.headers:
        raise not_offered("Copy Blob")
    kind = request.headers.get("x-ms-blob-type")
    if kind is None:
        raise BlobError(400, "MissingRequiredHeader", "The header x-ms-blob-type is missing: BlockBlob.")
    if kind != "BlockBlob":
        raise not_offered(f"the blob type {kind!r}")


def error_response(error: BlobError) -> Response:
    """Return the answer that tells an error.

    Args:
        error: What happened.
    """
    now = datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")
    request_id = str(uuid.uuid4())
    body = render_error(error.code, f"{error.message}\nRequestId:{request_id}\nTime:{now}")
    headers = {"x-ms-error-code": error.code, "x-ms-request-id": request_id, **error.headers}
    if error.status == _NOT_MODIFIED:
        return Response(status_code=error.status, headers=headers)
    return Response(body, error.status, headers, "application/xml")


def complete(response: Response, request: Request) -> Response:
    """Add the headers that each answer of the service has.

    Args:
        response: The answer.
        request: What it answers.
    """
    response.headers.setdefault("x-ms-request-id", str(uuid.uuid4()))
    response.headers.setdefault("x-ms-version", request.headers.get("x-ms-version", _VERSION))
    client_id = request.headers.get("x-ms-client-request-id")
    if client_id is not None:
        response.headers["x-ms-client-request-id"] = client_id
    return response


def _chunks(file: BinaryIO, first: int, length: int) -> Iterator[bytes]:
    file.seek(first)
    while length > 0 and (chunk := file.read(min(_CHUNK, length))):
        length -= len(chunk)
        yield chunk
