"""What a request's headers ask of a blob: conditions and ranges. Pure rules of the blob service."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from airflow_batch_provider.emulator.blob_errors import BlobError, condition_not_met

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_batch_provider.emulator.blob_model import Blob

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_NOT_MODIFIED = 304


@dataclass(frozen=True)
class Conditions:
    """The condition headers of one request.

    Args:
        match: ETags of If-Match; empty without the header.
        none_match: ETags of If-None-Match; empty without the header.
        modified_since: If-Modified-Since, UTC.
        unmodified_since: If-Unmodified-Since, UTC.
    """

    match: tuple[str, ...] = ()
    none_match: tuple[str, ...] = ()
    modified_since: datetime | None = None
    unmodified_since: datetime | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Conditions:
        """Read the conditions of a request.

        Args:
            headers: Its headers; look-up ignores case.

        Raises:
            BlobError: 400, a date is none.
        """
        return cls(
            match=_etags(headers.get("if-match", "")),
            none_match=_etags(headers.get("if-none-match", "")),
            modified_since=_date(headers, "if-modified-since"),
            unmodified_since=_date(headers, "if-unmodified-since"),
        )

    def check_read(self, blob: Blob) -> None:
        """Check them for GET and HEAD.

        Args:
            blob: The blob as it is now.

        Raises:
            BlobError: 412, or 304 if the reader already has this version.
        """
        if not self._fits(blob):
            raise condition_not_met()
        if self._is_known(blob):
            raise condition_not_met(_NOT_MODIFIED)

    def check_write(self, blob: Blob | None) -> None:
        """Check them for PUT and DELETE.

        Args:
            blob: The blob as it is now, or None if there is none.

        Raises:
            BlobError: 409 if the blob must not exist but does, else 412.
        """
        if blob is None:
            if self.match:
                raise condition_not_met()
            return
        if "*" in self.none_match:
            raise BlobError(409, "BlobAlreadyExists", "The specified blob already exists.")
        if not self._fits(blob) or self._is_known(blob):
            raise condition_not_met()

    def _fits(self, blob: Blob) -> bool:
        if self.match and not _names(self.match, blob):
            return False
        return self.unmodified_since is None or _seconds(blob) <= self.unmodified_since

    def _is_known(self, blob: Blob) -> bool:
        if self.none_match:
            return _names(self.none_match, blob)
        return self.modified_since is not None and _seconds(blob) <= self.modified_since


def requested_range(headers: Mapping[str, str], size: int) -> tuple[int, int] | None:
    """Return the first and the last byte that a GET asks for, or None for the whole blob.

    ``x-ms-range`` goes before ``Range``. Other forms than ``bytes=a-`` and ``bytes=a-b`` are not known to the
    service and are ignored.

    Args:
        headers: The request's; look-up ignores case.
        size: The blob's size in bytes.

    Raises:
        BlobError: 416, the range begins behind the end.
    """
    parsed = _RANGE.fullmatch(headers.get("x-ms-range") or headers.get("range", ""))
    if parsed is None:
        return None
    first = int(parsed[1])
    last = min(int(parsed[2] or size - 1), size - 1)
    if first >= size:
        message = "The range specified is invalid for the current size of the resource."
        raise BlobError(416, "InvalidRange", message, {"content-range": f"bytes */{size}"})
    return None if last < first else (first, last)


def _etags(header: str) -> tuple[str, ...]:
    return tuple(etag.strip().removeprefix("W/").strip('"') for etag in header.split(",") if etag.strip())


def _names(etags: tuple[str, ...], blob: Blob) -> bool:
    return "*" in etags or blob.etag in etags


def _date(headers: Mapping[str, str], name: str) -> datetime | None:
    value = headers.get(name)
    if not value:
        return None
    try:
        return parsedate_to_datetime(value).astimezone(timezone.utc)
    except ValueError:
        raise BlobError(
            400, "InvalidHeaderValue", f"The value {value!r} of the header {name} is not an HTTP date."
        ) from None


def _seconds(blob: Blob) -> datetime:
    """Return the blob's time as HTTP dates say it."""
    return blob.last_modified.replace(microsecond=0)
