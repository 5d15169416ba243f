"""Watching a place for files: what the sensor in a worker and the trigger in the triggerer share.

Whether files are *stable* is told by the storage itself: none of them changed, or came to its place, within
the last ``stable_for`` seconds by the storage's own clock. So nothing has to be remembered between two looks,
which in reschedule mode are made by different processes, and files that were complete long ago are stable at
the first look. What leaves no trace in the files that remain (a file deleted; in a Data Lake Storage account
a folder renamed, which keeps its files' times) counts too where one process looks more than once: in poke
mode and in the triggerer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from airflow_batch_provider.errors import PASSING, BatchError, ConnectionFailed, NotFound, redact
from airflow_batch_provider.hooks.places import files_at
from airflow_batch_provider.storage import FileInfo, Files, Steps, arun, run
from airflow_batch_provider.storage.wanted import Wanted, some_text

_PATHS = "Give an azureml:// datastore path, an https://, wasbs://, abfss:// or obs:// URL, or a local path."


@dataclass
class OutputWatch:
    """Looks at one place, again and again.

    Args:
        path: ``azureml://`` datastore path, URL of a blob or folder, ``wasbs://``, ``abfss://``, ``obs://``,
            ``file://`` or a local path.
        conn_id: The connection, for all but local paths.
        wanted: What is waited for.
        outage_tolerance: Seconds without one good answer after which looking raises.
        on_change: Called with a sentence whenever there is more or less to see than before.
        on_trouble: Called with an error that usually passes, when an outage begins.
        now: Wall clock, epoch seconds.
    """

    path: str
    conn_id: str
    wanted: Wanted
    outage_tolerance: float = 900.0
    on_change: Callable[[str], None] = lambda _: None
    on_trouble: Callable[[BatchError], None] = lambda _: None
    now: Callable[[], float] = time.time
    found: str = field(default="", init=False)
    _files: Files | None = field(default=None, init=False)
    _outage_since: float | None = field(default=None, init=False)
    _seen: frozenset[tuple[str, int, str]] | None = field(default=None, init=False)
    _changed_at: float = field(default=0.0, init=False)
    _is_enough: bool = field(default=False, init=False)

    @classmethod
    def read(
        cls,
        *,
        path: Any,
        conn_id: Any,
        glob: Any,
        min_files: Any,
        min_bytes: Any,
        stable_for: Any,
        log: Any = None,
        **options: Any,
    ) -> OutputWatch:
        """Check a task's arguments, and convert what templates rendered to text.

        Args:
            path: As of this class, as are the others.
            conn_id: Likewise.
            glob: As of `Wanted`.
            min_files: Likewise.
            min_bytes: Likewise.
            stable_for: Likewise.
            log: Logger of what is seen, and of trouble; ``None`` for none.
            **options: Of this class.

        Raises:
            InvalidInput: A value cannot be right; the message names the field.
        """
        path = os.fspath(path) if isinstance(path, os.PathLike) else path
        wanted = Wanted.read(glob=glob, min_files=min_files, min_bytes=min_bytes, stable_for=stable_for)
        conn_id = some_text("The connection's id", conn_id, "Give the id of a connection.")
        path = some_text("path", path, _PATHS)
        if log is not None:
            options["on_change"] = lambda found: log.info("At %s there is now: %s", redact(path), found)
            options["on_trouble"] = lambda error: log.warning("Looking again: %s", error)
        return cls(path, conn_id, wanted, **options)

    def look(self) -> list[FileInfo] | None:
        """Look once.

        Returns:
            The files if they are complete, else ``None``.

        Raises:
            InvalidInput: The path, or the connection, cannot be right.
            NotFound: The datastore does not exist. A missing container or folder is only not there yet.
            AuthenticationFailed: The storage or the workspace does not accept the credential.
            PermissionDenied: The identity lacks a role.
            ConnectionFailed: There was no good answer for longer than is tolerated.
        """
        return run(self._look())

    async def alook(self) -> list[FileInfo] | None:
        """Do the same in an event loop."""
        return await arun(self._look())

    async def asee(self) -> tuple[list[tuple[str, FileInfo]], float]:
        """Look once, in an event loop, at all that is there, whether it is complete or not.

        Returns:
            Each file, with its path below the place as globs see it; and the time by the storage's clock.

        Raises:
            BatchError: As `look`, but none is tolerated.
        """
        place, files, storage_time = await arun(self._ask(None, with_time=True))
        return [(place.relative(file), file) for file in files], storage_time

    @property
    def missing(self) -> str:
        """Why the files are not complete, one sentence."""
        if self._is_enough:
            lately = f"in the last {self.wanted.stable_for:g} seconds"
            return f"There is enough ({self.found}), but it changed {lately}."
        found = self.found.rstrip(".")
        return f"What is there is not enough: {found}." if found else "Nothing could be listed."

    def _look(self) -> Steps[list[FileInfo] | None]:
        try:
            _, files, storage_time = yield from self._ask(
                self.wanted.glob, with_time=self.wanted.stable_for > 0
            )
        except PASSING as error:
            self._bear(error)
            return None
        self._outage_since = None
        self._compare(files, storage_time)
        self._is_enough = self.wanted.has_enough(files)
        return files if self._is_complete(files, storage_time) else None

    def _ask(self, glob: str | None, *, with_time: bool) -> Steps[tuple[Files, list[FileInfo], float]]:
        if self._files is None:
            self._files = yield from files_at(self.path, self.conn_id)
        try:
            found = yield from self._files.find(glob)
        except NotFound as error:
            self._tell(error.message)
            found = []
        # The storage is not asked for its time in vain.
        storage_time = (yield from self._files.clock()) if with_time else 0.0
        return self._files, found, storage_time

    def _bear(self, error: BatchError) -> None:
        if self._outage_since is None:
            self._outage_since = self.now()
            self.on_trouble(error)
        if self.now() - self._outage_since >= self.outage_tolerance:
            raise ConnectionFailed(
                f"No good answer for {self.outage_tolerance:.0f} seconds, the last problem being:"
                f" {error.summary()}",
                fix="If such outages are to be waited for, raise outage_tolerance.",
            ) from error

    def _compare(self, files: list[FileInfo], storage_time: float) -> None:
        seen = frozenset((file.path, file.size, file.etag) for file in files)
        if seen == self._seen:
            return
        if self._seen is not None:
            self._changed_at = storage_time
        # What was told of a place that does not exist says more than that it holds nothing.
        if files or self._seen or not self.found:
            self._tell(self.wanted.found(files))
        self._seen = seen

    def _tell(self, found: str) -> None:
        if found != self.found:
            self.found = found
            self.on_change(found)

    def _is_complete(self, files: list[FileInfo], storage_time: float) -> bool:
        if not self._is_enough:
            return False
        if not self.wanted.stable_for:
            return True
        changed_at = max((file.changed_at for file in files), default=0.0)
        return storage_time - max(changed_at, self._changed_at) >= self.wanted.stable_for
