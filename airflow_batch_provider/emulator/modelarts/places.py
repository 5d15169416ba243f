"""Places in OBS: ``obs://bucket/key`` and ``/bucket/key`` mean the same; a folder ends in a slash."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """A bucket and what is in it: an object's key, or a folder's with a slash at the end, or all of it."""

    bucket: str
    key: str

    @property
    def folder(self) -> str:
        """The key as a prefix."""
        return self.key if self.key.endswith("/") or not self.key else f"{self.key}/"


def read_place(text: str) -> Place | None:
    """Read an address in either spelling; None if it is in neither."""
    path = text.removeprefix("obs:/") if text.startswith("obs://") else text
    if not path.startswith("/"):
        return None
    bucket, _, key = path[1:].partition("/")
    return Place(bucket, key) if bucket else None
