"""The blob service's XML: listings and errors out, block lists in."""

from __future__ import annotations

import base64
import binascii
import re
from email.utils import format_datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from airflow_batch_provider.emulator.blob_errors import BlobError
from airflow_batch_provider.emulator.blob_model import Blob

if TYPE_CHECKING:
    from collections.abc import Iterable

# The service begins its XML with a byte order mark; a client that cannot read it must fail here too.
_HEAD = '\ufeff<?xml version="1.0" encoding="utf-8"?>'
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PROPERTY_OF = {
    "content-type": "Content-Type",
    "content-encoding": "Content-Encoding",
    "content-language": "Content-Language",
    "content-md5": "Content-MD5",
    "cache-control": "Cache-Control",
    "content-disposition": "Content-Disposition",
}


class Listing(NamedTuple):
    """What List Blobs answers.

    Args:
        endpoint: URL of the account.
        container: The container's name.
        echo: Query parameters that the answer repeats, by element name.
        items: Blobs, and common prefixes as text.
        next_marker: Marker of the next page, empty on the last one.
        with_metadata: Whether the blobs' metadata was asked for.
    """

    endpoint: str
    container: str
    echo: dict[str, str]
    items: Iterable[Blob | str]
    next_marker: str
    with_metadata: bool


def render_listing(listing: Listing) -> bytes:
    """Return the answer of List Blobs.

    Args:
        listing: What it says.
    """
    echo = "".join(_element(name, value) for name, value in listing.echo.items() if value)
    items = "".join(
        _element_of(item, with_metadata=listing.with_metadata)
        if isinstance(item, Blob)
        else f"<BlobPrefix>{_name(item)}</BlobPrefix>"
        for item in listing.items
    )
    return (
        f"{_HEAD}<EnumerationResults ServiceEndpoint={quoteattr(listing.endpoint)} "
        f"ContainerName={quoteattr(listing.container)}>{echo}<Blobs>{items}</Blobs>"
        f"{_element('NextMarker', listing.next_marker)}</EnumerationResults>"
    ).encode()


def render_error(code: str, message: str) -> bytes:
    """Return the body of an error.

    Args:
        code: The service's error code.
        message: What happened.
    """
    return f"{_HEAD}<Error>{_element('Code', code)}{_element('Message', message)}</Error>".encode()


def read_block_list(body: bytes) -> list[str]:
    """Return the block ids of a Put Block List request, in their order.

    Args:
        body: The request's body.

    Raises:
        BlobError: 400, the body is not a block list; 501, it names blocks of a committed blob.
    """
    try:
        root = ET.fromstring(body)  # noqa: S314 - expat refuses entity bombs, and only local clients send it.
    except ET.ParseError as error:
        raise BlobError(
            400, "InvalidXmlDocument", f"The XML of the block list is not valid: {error}."
        ) from None
    if root.tag != "BlockList":
        raise BlobError(400, "InvalidXmlDocument", f"The root element is {root.tag}, not BlockList.")
    return [_block_id(element) for element in root]


def check_block_id(block_id: str) -> str:
    """Return a block id if it is one.

    Args:
        block_id: Base64 of at most 64 bytes.

    Raises:
        BlobError: 400, it is not.
    """
    try:
        length = len(base64.b64decode(block_id, validate=True))
    except (binascii.Error, ValueError):
        length = 0
    if not 0 < length <= 64:  # noqa: PLR2004 - the service's limit.
        message = f"The block id {block_id!r} is not Base64 of 1 to 64 bytes."
        raise BlobError(400, "InvalidQueryParameterValue", message)
    return block_id


def _block_id(element: ET.Element) -> str:
    if element.tag not in ("Latest", "Uncommitted"):
        raise BlobError(501, "NotImplemented", f"The emulator keeps no {element.tag} blocks.")
    return (element.text or "").strip()


def _element_of(blob: Blob, *, with_metadata: bool) -> str:
    metadata = "".join(_element(name, value) for name, value in blob.metadata.items())
    return (
        f"<Blob>{_name(blob.name)}<Properties>{_properties(blob)}</Properties>"
        f"{f'<Metadata>{metadata}</Metadata>' if with_metadata else ''}<OrMetadata /></Blob>"
    )


def _properties(blob: Blob) -> str:
    modified = format_datetime(blob.last_modified, usegmt=True)
    fields = {
        "Creation-Time": modified,
        "Last-Modified": modified,
        "Etag": blob.etag,
        "Content-Length": str(blob.size),
        **{name: blob.content.get(header, "") for header, name in _PROPERTY_OF.items()},
        "BlobType": "BlockBlob",
        "AccessTier": "Hot",
        "AccessTierInferred": "true",
        "LeaseStatus": "unlocked",
        "LeaseState": "available",
        "ServerEncrypted": "true",
    }
    return "".join(_element(name, value) for name, value in fields.items())


def _name(name: str) -> str:
    if _NOT_XML.search(name):
        return f'<Name Encoded="true">{quote(name)}</Name>'
    return _element("Name", name)


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>" if text else f"<{name} />"
