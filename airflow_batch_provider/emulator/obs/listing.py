"""Both versions of S3's listing of objects, from their query to their answer."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from airflow_batch_provider.emulator.blob_errors import BlobError, not_offered
from airflow_batch_provider.emulator.obs.xml import Listing, listing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_batch_provider.emulator.obs.store import ObjectStore

_MOST_KEYS = 1000


def answer(store: ObjectStore, bucket: str, query: Mapping[str, str]) -> bytes:
    """Return the answer to a listing.

    Raises:
        BlobError: The bucket does not exist, or the query is not valid.
    """
    second = query.get("list-type") == "2"
    delimiter = query.get("delimiter", "")
    if delimiter not in ("", "/"):
        raise not_offered(f"the delimiter {delimiter!r}")
    limit = _limit(query.get("max-keys", str(_MOST_KEYS)))
    after = query.get("start-after" if second else "marker", "")
    start = _read_token(query.get("continuation-token", "")) or _following(after, delimiter)
    prefix = query.get("prefix", "")
    page = store.list(bucket, prefix, deep=not delimiter, start=start, limit=limit)
    more = page.following is not None
    last = page.items[-1] if page.items else ""
    fields: dict[str, str | int | None] = {
        "Name": bucket,
        "Prefix": prefix,
        "MaxKeys": limit,
        "Delimiter": delimiter or None,
        "EncodingType": query.get("encoding-type"),
        "IsTruncated": "true" if more else "false",
    }
    if second:
        fields |= {
            "KeyCount": len(page.items),
            "StartAfter": after or None,
            "ContinuationToken": query.get("continuation-token"),
            "NextContinuationToken": _token(page.following) if page.following is not None else None,
        }
    else:
        fields |= {
            "Marker": after,
            "NextMarker": (last if isinstance(last, str) else last.name) if more else None,
        }
    return listing(Listing(fields, page.items, query.get("encoding-type") == "url"))


def _following(after: str, delimiter: str) -> str:
    """Return the smallest key after one; after a common prefix, the smallest that is not below it."""
    if delimiter and after.endswith(delimiter):
        return after[:-1] + chr(ord(delimiter) + 1)
    return f"{after}\0" if after else ""


def _limit(text: str) -> int:
    if not text.isdigit():
        raise BlobError(400, "InvalidArgument", f"max-keys is a number, not {text!r}.")
    return max(1, min(int(text), _MOST_KEYS))


def _token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _read_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, ValueError):
        raise BlobError(400, "InvalidArgument", "The continuation token provided is incorrect.") from None
