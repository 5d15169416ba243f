"""The trigger that starts DAGs when files arrive."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_batch_provider.checks import not_negative
from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.triggers.events import ArrivalTrigger
from airflow_batch_provider.triggers.looks import Place, Sighting
from airflow_batch_provider.triggers.watermark import Arrival
from airflow_batch_provider.values import is_nothing, shown

if TYPE_CHECKING:
    from airflow_batch_provider.hooks.outputs import OutputWatch


class OutputEventTrigger(ArrivalTrigger):
    """Tells of each file that arrives at a place, for an ``AssetWatcher``: a DAG starts when outputs arrive.

    A file that is written anew is told anew. What was told is remembered with the asset, once its event is
    stored: none is missed, and only what was told in the moment before a triggerer was killed is told again.
    Triggers for the same place, connections and interval share one listing, whatever their globs.

    While the place cannot be listed, for whatever reason, the log says so once and it is tried again, at most
    every five minutes; a place that does not exist is only not there yet.

    Args:
        path: As for `sensors.outputs.BatchOutputSensor`, but without a SAS, because Airflow stores and shows
            what a trigger is given: give the connection's identity a role.
        glob: Which files count, relative to *path*: ``*.csv`` for those in the folder itself, ``**/*.csv``
            for those below it, too. Default: all.
        min_bytes: How many bytes a file must have to be told.
        stable_for: Seconds for which a file must not have changed, by the storage's clock.
        azure_ml_conn_id: Connection whose identity lists the files; not used for local paths and OBS.
        modelarts_conn_id: Connection that lists files in OBS. Default: ``modelarts_default``. If it is given,
            ``/bucket/key`` is a place in OBS, too.
        poll_interval: As for `ArrivalTrigger`.
        since: Likewise.

    Yields:
        For what came between two looks an event with ``path``, ``size``, ``etag`` and ``last_modified`` of
        the newest file, and ``files``: each with the same four.

    Raises:
        InvalidInput: An argument cannot be right.
    """

    together = "files"

    def __init__(
        self,
        *,
        path: str,
        glob: str | None = None,
        min_bytes: int = 0,
        stable_for: float = 0.0,
        azure_ml_conn_id: str = "azure_ml_default",
        modelarts_conn_id: str | None = None,
        poll_interval: float = 60.0,
        since: str | datetime | None = None,
    ) -> None:
        super().__init__(poll_interval=poll_interval, since=since)
        self.path = _open_path(path)
        self.glob = glob
        self.min_bytes = int(not_negative("min_bytes", min_bytes))
        self.stable_for = not_negative("stable_for", stable_for)
        self.azure_ml_conn_id = azure_ml_conn_id
        self.modelarts_conn_id = modelarts_conn_id
        if glob is not None:
            _ = self._watch  # To parse a DAG file that gives none shall not cost its imports.

    def _arguments(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "glob": self.glob,
            "min_bytes": self.min_bytes,
            "stable_for": self.stable_for,
            "azure_ml_conn_id": self.azure_ml_conn_id,
            "modelarts_conn_id": self.modelarts_conn_id,
        }

    def _watched(self) -> tuple[str, ...]:
        return self.path, self.azure_ml_conn_id, self.modelarts_conn_id or ""

    def _chosen(self) -> tuple[str, ...]:
        return (self.glob or "",)

    def _name(self) -> str:
        return self.path

    def _place(self) -> Place:
        return _Files(self._new_watch())

    def _arrivals(self, sighting: Sighting) -> list[Arrival]:
        found = []
        for relative, file in sighting.there:
            ready = self._watch.wanted.chooses(relative, file, sighting.now)
            if ready is not None:
                # The same content has the same etag in some storages, whenever it is written.
                key = f"{file.path}\n{file.etag}\n{file.last_modified}"
                found.append(Arrival(key, file.changed_at, ready, _Told(file.to_dict())))
        return found

    @cached_property
    def _watch(self) -> OutputWatch:
        return self._new_watch()

    def _new_watch(self) -> OutputWatch:
        from airflow_batch_provider.hooks.outputs import OutputWatch
        from airflow_batch_provider.hooks.places import place_and_connection

        path, conn_id = place_and_connection(self.path, self.azure_ml_conn_id, self.modelarts_conn_id)
        return OutputWatch.read(
            path=path,
            conn_id=conn_id,
            glob=self.glob,
            min_files=0,
            min_bytes=self.min_bytes,
            stable_for=self.stable_for,
        )


class _Files:
    """The files at a place, all of them: each trigger chooses its own."""

    def __init__(self, watch: OutputWatch) -> None:
        self._watch = watch

    async def look(self, since: float | None) -> Sighting:
        del since  # Which files are new, no storage tells.
        return Sighting(*await self._watch.asee())


class _Told:
    """A payload that is known."""

    def __init__(self, payload: dict[str, Any]) -> None:
        self._payload = payload

    async def __call__(self) -> dict[str, Any]:
        return self._payload


def _open_path(path: Any) -> str:
    """Return a path that everybody may see.

    Raises:
        InvalidInput: It is none, or holds a secret.
    """
    if not isinstance(path, str) or is_nothing(path):
        raise InvalidInput(
            f"path is {shown(path)}.",
            fix="Give an azureml:// datastore path, an https://, wasbs://, abfss:// or obs:// URL, or a "
            "local path.",
        )
    url = urlsplit(path)
    # In the path of a file, '?' is a character like others.
    if url.scheme not in ("", "file") and (url.query or url.password):
        raise InvalidInput(
            f"path is {shown(path)}, and Airflow would show what may be a secret in it.",
            fix="Give it without a query or password, and the connection's identity the role 'Storage Blob "
            "Data Reader'.",
        )
    return path
