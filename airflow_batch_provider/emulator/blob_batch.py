"""Blob Batch: several requests in one multipart body. It is how obstore deletes, even a single blob."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from airflow_batch_provider.emulator.blob_errors import BlobError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BOUNDARY = re.compile(r'multipart/mixed\s*;.*boundary="?([^";]+)"?', re.IGNORECASE)


class Part(NamedTuple):
    """One request of a batch.

    Args:
        content_id: Comes back with its answer.
        method: HTTP method.
        target: Path and query.
        headers: By lower-case name.
    """

    content_id: str
    method: str
    target: str
    headers: dict[str, str]


class PartAnswer(NamedTuple):
    """One answer of a batch.

    Args:
        content_id: The request's.
        status: HTTP status.
        headers: By name.
        body: XML of an error, or nothing.
    """

    content_id: str
    status: int
    headers: Mapping[str, str]
    body: bytes


def read_batch(content_type: str, body: bytes) -> list[Part]:
    """Return the requests of a batch.

    Args:
        content_type: The header of the batch request.
        body: Its body.

    Raises:
        BlobError: 400, it is not a batch.
    """
    boundary = _BOUNDARY.match(content_type)
    if boundary is None:
        raise _invalid(f"The Content-Type {content_type!r} is not multipart/mixed with a boundary.")
    pieces = body.decode("utf-8", "replace").split(f"--{boundary[1].strip()}")[1:]
    parts = [_read_part(piece) for piece in pieces if piece.strip() != "--"]
    if not parts:
        raise _invalid("The batch has no parts.")
    return parts


def render_batch(boundary: str, answers: Iterable[PartAnswer]) -> bytes:
    """Return the body that answers a batch.

    Args:
        boundary: As in the answer's Content-Type.
        answers: In the order of the requests.
    """
    parts = [f"--{boundary}\r\n".encode() + _render_part(answer) for answer in answers]
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


def _read_part(piece: str) -> Part:
    outer, _, request = piece.strip("\r\n").partition("\r\n\r\n")
    first, _, headers = request.partition("\r\n")
    words = first.split(" ")
    if len(words) != 3:  # noqa: PLR2004 - method, target, version.
        raise _invalid(f"A part of the batch begins with {first!r}, which is not a request line.")
    content_id = _read_headers(outer).get("content-id", "")
    return Part(content_id, words[0], words[1], _read_headers(headers.partition("\r\n\r\n")[0]))


def _read_headers(text: str) -> dict[str, str]:
    lines = (line.partition(":") for line in text.split("\r\n") if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def _render_part(answer: PartAnswer) -> bytes:
    lines = [
        "Content-Type: application/http",
        *([f"Content-ID: {answer.content_id}"] if answer.content_id else []),
        "",
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        *(f"{name}: {value}" for name, value in answer.headers.items()),
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + answer.body + b"\r\n"


def _invalid(message: str) -> BlobError:
    return BlobError(400, "InvalidInput", message)
