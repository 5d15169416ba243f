"""OBS's XML: listings and multipart answers out, lists of parts and of keys in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from airflow_batch_provider.emulator.blob_errors import BlobError
from airflow_batch_provider.emulator.blob_model import Blob

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class Listing(NamedTuple):
    """What a listing answers.

    Args:
        fields: Its single elements by name; those that are None are left out.
        items: Objects, and common prefixes as text.
        encoded: Whether keys are percent-encoded, as the request may ask.
    """

    fields: dict[str, str | int | None]
    items: Iterable[Blob | str]
    encoded: bool


def listing(page: Listing) -> bytes:
    """Return the answer of either version of a listing."""
    written: Callable[[str], str] = quote if page.encoded else escape
    keys = {"Prefix", "Marker", "NextMarker", "StartAfter", "Delimiter"}
    head = "".join(
        _element(name, written(str(value)) if name in keys else escape(str(value)))
        for name, value in page.fields.items()
        if value is not None
    )
    items = "".join(
        _contents(item, written)
        if isinstance(item, Blob)
        else f"<CommonPrefixes>{_element('Prefix', written(item))}</CommonPrefixes>"
        for item in page.items
    )
    return document("ListBucketResult", head + items)


def document(root: str, inner: str) -> bytes:
    """Return a whole document.

    Args:
        root: Name of the outermost element.
        inner: What is in it, as XML.
    """
    return f'{_HEAD}<{root} xmlns="{_SPACE}">{inner}</{root}>'.encode()


def elements(**values: str) -> str:
    """Return one element for each value, escaped."""
    return "".join(_element(name, escape(value)) for name, value in values.items())


def buckets(names: Iterable[str]) -> bytes:
    """Return the answer that lists buckets."""
    made = _iso(datetime.fromtimestamp(0, timezone.utc))
    inner = "".join(f"<Bucket>{elements(Name=name, CreationDate=made)}</Bucket>" for name in names)
    return document("ListAllMyBucketsResult", f"<Buckets>{inner}</Buckets>")


def read_parts(body: bytes) -> list[str]:
    """Return the numbers of the parts that make an object, in their order."""
    return [number.text or "" for number in _parse(body).iterfind("{*}Part/{*}PartNumber")]


def read_keys(body: bytes) -> list[str]:
    """Return the keys that are to be deleted."""
    return [key.text or "" for key in _parse(body).iterfind("{*}Object/{*}Key")]


def _parse(body: bytes) -> ET.Element:
    try:
        return ET.fromstring(body)  # noqa: S314 - expat refuses entity bombs, and only local clients send it.
    except ET.ParseError:
        raise BlobError(400, "MalformedXML", "The XML you provided was not well-formed.") from None


def _element(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>"


def _contents(item: Blob, written: Callable[[str], str]) -> str:
    told = elements(
        LastModified=_iso(item.last_modified),
        ETag=f'"{item.etag}"',
        Size=str(item.size),
        StorageClass="STANDARD",
    )
    return f"<Contents>{_element('Key', written(item.name))}{told}</Contents>"


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
