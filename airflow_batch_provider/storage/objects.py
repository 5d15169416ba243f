"""The files at a place in a container or bucket, whichever service has it."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote, unquote

from airflow_batch_provider.errors import BatchError, InvalidInput, NotFound
from airflow_batch_provider.storage.authority import REFUSALS, Asking, Authority
from airflow_batch_provider.storage.clock import ask_offset, known_offset
from airflow_batch_provider.storage.endpoint import Endpoint
from airflow_batch_provider.storage.files import FileInfo, Files, Glob, timestamp
from airflow_batch_provider.storage.refusals import explained
from airflow_batch_provider.storage.steps import Step, Steps

_CHUNK = 1000
_FOLDER_MARK = "hdi_isfolder"


class Place(Protocol):
    """A container or bucket; its text says what and where, for messages."""

    @property
    def endpoint(self) -> Endpoint:
        """The service that has it."""

    def open(self, access: Any) -> Any:
        """Return obstore's store."""


def object_files(
    uri: str, place: Place, path: str, access: Authority, otherwise: Step | None = None
) -> Files:
    """Return the files at a place in a container or bucket.

    Args:
        uri: How the place is shown to users; the files' own URIs begin with it. Without a secret.
        place: The container or bucket.
        path: Below it, not quoted; empty for all of it. Ending in ``/``, it is a folder only.
        access: How requests are authorised.
        otherwise: Obtains another authority, for when the first is refused. If that is refused too, the first
            refusal is raised, or the second where the first access was anonymous.

    Raises:
        InvalidInput: No request can be made for this path.
    """
    clean = path.strip("/")
    parts = clean.split("/") if clean else []
    if not all(parts) or {".", ".."} & set(parts):
        raise InvalidInput(
            f"path is {uri!r}, where a part between two slashes is empty, '.' or '..'.",
            fix="Write it with single slashes and without such parts.",
        )
    is_folder = not clean or path.endswith("/")
    return _ObjectFiles(
        uri.rstrip("/"), place, clean, is_folder=is_folder, access=access, otherwise=otherwise
    )


class _ObjectFiles(Files):
    def __init__(
        self,
        uri: str,
        place: Place,
        path: str,
        *,
        is_folder: bool,
        access: Authority,
        otherwise: Step | None,
    ) -> None:
        self._uri = uri
        self._place = place
        self._path = path
        self._is_folder = is_folder
        self._asking = Asking(access, otherwise)
        self._marks: dict[tuple[str, str], bool] = {}

    def relative(self, file: FileInfo) -> str:
        below = file.path[len(self._uri) :].lstrip("/")
        is_url = self._uri.lower().startswith("http")
        return (unquote(below) if is_url else below) or self._path.rpartition("/")[2]

    def _find(self, glob: Glob, limit: int | None) -> Steps[list[FileInfo]]:
        return self._asking.ask(lambda access: self._look(access, glob, limit))

    def _content(self) -> Steps[bytes]:
        return self._asking.ask(self._body)

    def _body(self, access: Authority) -> Steps[bytes]:
        store = self._place.open(access)

        async def in_loop() -> Any:
            return await (await store.get_async(self._path)).bytes_async()

        step = Step(lambda: store.get(self._path).bytes(), in_loop)
        body = (yield from self._asked(access, step)) if self._path else None
        if body is None:
            raise NotFound(f"There is no file at {self._uri}.")
        return bytes(body)

    def _look(self, access: Authority, glob: Glob, limit: int | None) -> Steps[list[FileInfo]]:
        if access.is_for_one_file:
            return (yield from self._file(access, glob))
        rows = _Rows(self._path, glob, limit)
        try:
            yield from self._read(access, rows)
        except (NotFound, *REFUSALS) as refusal:
            # Some may read files but not list them, and see a file if it is named in full.
            return (yield from self._file_in_spite_of(refusal, access, glob))
        if rows.seen or self._is_folder:
            yield from self._check_empty(access, rows)
            return [self._info(row) for row in rows.files]
        try:
            return (yield from self._file(access, glob))
        except REFUSALS:
            # Whoever may list but not read is told the same of what does not exist.
            return []

    def _read(self, access: Authority, rows: _Rows) -> Steps[None]:
        stream = self._place.open(access).list(self._path or None, chunk_size=rows.limit or _CHUNK)
        page = Step(partial(next, stream, None), lambda: anext(stream, None))
        while not rows.is_full and (chunk := (yield from self._asked(access, page))) is not None:
            for row in chunk:
                rows.take(row)

    def _file_in_spite_of(self, refusal: BatchError, access: Authority, glob: Glob) -> Steps[list[FileInfo]]:
        if self._is_folder:
            raise refusal
        try:
            found = yield from self._file(access, glob)
        except BatchError:
            found = []
        if not found:
            raise refusal
        return found

    def _file(self, access: Authority, glob: Glob) -> Steps[list[FileInfo]]:
        """Return the place itself if it is a file."""
        row, is_folder = yield from self._head(access, self._path)
        if row is None or is_folder or not glob.matches(self._path.rpartition("/")[2]):
            return []
        return [self._info(row)]

    def _check_empty(self, access: Authority, rows: _Rows) -> Steps[None]:
        """Sort out which empty objects are files, and which only mark a folder."""
        for row in rows.empty:
            if rows.is_full:
                return
            key = (row["path"], row["e_tag"])
            if row["path"] not in rows.folders and key not in self._marks:
                self._marks[key] = yield from self._is_mark(access, row)
            if not self._marks.get(key, True):
                rows.files.append(row)

    def _is_mark(self, access: Authority, row: dict[str, Any]) -> Steps[bool]:
        try:
            found, is_folder = yield from self._head(access, row["path"])
        except REFUSALS:
            return False
        # obstore lists "a/" as "a", so what is not found by that name was such a marker.
        return is_folder or found is None or found["size"] != 0

    def _head(self, access: Authority, path: str) -> Steps[tuple[dict[str, Any] | None, bool]]:
        store = self._place.open(access)
        ask = {"options": {"head": True}}
        step = Step(partial(store.get, path, **ask), partial(store.get_async, path, **ask))
        answer = yield from self._asked(access, step)
        if answer is None:
            return None, False
        return answer.meta, str(answer.attributes.get(_FOLDER_MARK, "")).lower() == "true"

    def _asked(self, access: Authority, step: Step) -> Steps[Any]:
        from obstore.exceptions import BaseError

        try:
            return (yield step)
        except FileNotFoundError:
            return None
        except (BaseError, ValueError) as error:
            # Without the original, whose text is a dump of many lines.
            raise explained(error, str(self._place), access.fix) from None

    def _info(self, row: dict[str, Any]) -> FileInfo:
        relative = row["path"][len(self._path) :].lstrip("/")
        if self._uri.lower().startswith("http"):
            relative = quote(relative)
        changed = row["last_modified"]
        return FileInfo(
            path=f"{self._uri}/{relative}" if relative else self._uri,
            size=row["size"],
            etag=(row["e_tag"] or "").strip('"'),
            last_modified=timestamp(changed),
            changed_at=changed.timestamp(),
        )

    def _clock(self) -> Steps[float]:
        offset = known_offset(self._place.endpoint)
        if offset is None:
            ask = partial(ask_offset, self._place.endpoint)
            offset = yield Step(ask, partial(asyncio.to_thread, ask))
        return time.time() + offset


class _Rows:
    """What was listed so far, told apart."""

    def __init__(self, path: str, glob: Glob, limit: int | None) -> None:
        self.files: list[dict[str, Any]] = []
        self.empty: list[dict[str, Any]] = []
        self.folders: set[str] = set()
        self.seen = False
        self._path = path
        self._glob = glob
        self.limit = limit

    @property
    def is_full(self) -> bool:
        return self.limit is not None and len(self.files) >= self.limit

    def take(self, row: dict[str, Any]) -> None:
        self.seen = True
        path: str = row["path"]
        folder = path.rpartition("/")[0]
        while folder and folder not in self.folders:
            self.folders.add(folder)
            folder = folder.rpartition("/")[0]
        if self._glob.matches(path[len(self._path) :].lstrip("/")):
            (self.files if row["size"] else self.empty).append(row)
