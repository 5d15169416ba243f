"""The sensor that waits for files."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator, PokeReturnValue, conf

from airflow_batch_provider.checks import not_negative, positive
from airflow_batch_provider.masking import mask_signatures
from airflow_batch_provider.templating import NamedTemplates

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batch_provider.hooks.outputs import OutputWatch

_GRACE = 300.0


class BatchOutputSensor(NamedTemplates, BaseSensorOperator):
    """Wait until the files at a place are complete, and return them.

    A folder or container that does not exist is not there yet; a datastore that does not exist is an error.
    Problems that usually pass (lost connections, throttling, a service out of order) are waited out; wrong
    credentials and missing roles fail at once. In poke mode and in the triggerer an outage is tolerated for
    *outage_tolerance* seconds. In reschedule mode, where each look is made by another process, one look asks
    several times, and then the files count as not there yet, until the sensor's own timeout.

    *stable_for* is measured by the storage's clock and its times of change, so nothing is remembered between
    two looks and files that were complete long ago are found at the first. Files deleted, and (in a Data Lake
    Storage account) folders renamed, leave no such trace: those changes count only in poke mode and in the
    triggerer.

    With *deferrable*, a path that holds a SAS is still waited for on a worker, because Airflow shows what a
    trigger is given. For any other, *mode*, *exponential_backoff* and *silent_fail* have no effect on the
    wait in the triggerer; *timeout* still counts from the task's start.

    Args:
        path: ``azureml://`` path on a datastore, URL of a folder or blob in a storage account (``https://``,
            ``wasbs://``, ``abfss://``; a SAS in it is used and never shown), ``obs://bucket/key`` in Huawei
            Cloud's object storage, ``file://`` or a local path. A folder is looked through to any depth.
        glob: Which files count, relative to *path* as `pathlib.Path.glob` has it: ``*.csv`` for those in the
            folder itself, ``**/*.csv`` for those below it, too. Default: all.
        min_files: How many files there must be.
        min_bytes: How many bytes they must have together.
        stable_for: Seconds for which none of them must have changed.
        azure_ml_conn_id: Connection whose identity lists the files; not used for local paths and OBS.
        modelarts_conn_id: Connection that lists files in OBS. Default: ``modelarts_default``. If it is given,
            ``/bucket/key`` is a place in OBS, too, as ModelArts writes it.
        outage_tolerance: Seconds without a good answer after which the task fails.
        deferrable: Whether to wait in the triggerer. Default: ``[operators] default_deferrable``.
        poke_interval: Seconds between two looks.
        timeout: Seconds after which the task fails (or is skipped, with ``soft_fail``). Default:
            ``[sensors] default_timeout``.
        **kwargs: Of `BaseSensorOperator` and `BaseOperator`.

    Raises:
        InvalidInput: An argument cannot be right.
    """

    template_fields = (
        "path",
        "glob",
        "min_files",
        "min_bytes",
        "stable_for",
        "azure_ml_conn_id",
        "modelarts_conn_id",
    )

    def __init__(
        self,
        *,
        path: str | os.PathLike[str],
        glob: str | None = None,
        min_files: int | str = 1,
        min_bytes: int | str = 0,
        stable_for: float | str = 0,
        azure_ml_conn_id: str = "azure_ml_default",
        modelarts_conn_id: str | None = None,
        outage_tolerance: float = 900,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: float | timedelta = 60,
        timeout: float | timedelta | None = None,
        **kwargs: Any,
    ) -> None:
        positive("poke_interval", _seconds(poke_interval))
        not_negative("outage_tolerance", outage_tolerance)
        if timeout is not None:
            not_negative("timeout", _seconds(timeout))
        # Literals are checked when the DAG is parsed, what a template renders when the task runs.
        for field, value in {
            "min_files": min_files,
            "min_bytes": min_bytes,
            "stable_for": stable_for,
        }.items():
            if isinstance(value, int | float):
                not_negative(field, value)
        super().__init__(poke_interval=poke_interval, timeout=timeout, **kwargs)
        self.path = path
        self.glob = glob
        self.min_files = min_files
        self.min_bytes = min_bytes
        self.stable_for = stable_for
        self.azure_ml_conn_id = azure_ml_conn_id
        self.modelarts_conn_id = modelarts_conn_id
        self.outage_tolerance = outage_tolerance
        self.deferrable = deferrable
        self._watch: OutputWatch | None = None

    def execute(self, context: Context) -> Any:
        """Wait for the files.

        Returns:
            The files, each as ``path``, ``size``, ``etag`` and ``last_modified``.

        Raises:
            InvalidInput: An argument or the connection cannot be right.
            AirflowSensorTimeout: They were not complete in time.
            PermissionDenied: The identity lacks a role.
            BatchError: The storage could not be asked.
        """
        watch = self._watch = self._new_watch()
        if not self.deferrable or self._keeps_a_secret():
            return super().execute(context)
        found = self._first_look(context)
        return found.xcom_value if found else self._defer(context, watch)

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002  # Airflow's signature
        """Look once."""
        if self._watch is None:
            self._watch = self._new_watch()
        files = self._watch.look()
        if files is None:
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=[file.to_dict() for file in files])

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> Any:  # noqa: ARG002  # Airflow's
        """Go on when the trigger has an outcome. Everything is taken from the event."""
        if event["outcome"] == "found":
            self.log.info("Found %d files.", len(event["files"]))
            return event["files"]
        if event["outcome"] == "timed_out":
            self._time_out(event["message"])
        from airflow_batch_provider import errors

        kind = getattr(errors, event["kind"], errors.BatchError)
        return self._fail(kind(event["message"]))

    def _keeps_a_secret(self) -> bool:
        """Say whether the path is signed: Airflow's API shows a trigger's arguments to everyone."""
        signed = mask_signatures(self.path)
        if signed:
            self.log.warning(
                "The path holds a SAS, which must not be stored with a trigger: waiting on this worker. "
                "Give the connection's identity a role on the storage account to wait in the triggerer."
            )
        return signed

    def _first_look(self, context: Context) -> PokeReturnValue:
        """Look before deferring: what is there already needs no triggerer."""
        from airflow_batch_provider.errors import BatchError

        try:
            return self.poke(context)
        except BatchError as error:
            return self._fail(error)

    def _fail(self, error: Exception) -> NoReturn:
        """Fail as a sensor does that is not deferred."""
        if self.never_fail:
            from airflow.sdk.exceptions import AirflowSkipException

            raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
        raise error

    def _time_out(self, message: str) -> NoReturn:
        from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException

        limit = timedelta(seconds=self.timeout)
        told = f"The files at {self._shown()} were not complete within {limit}. {message}"
        if self.soft_fail:
            raise AirflowSkipException(told)
        raise AirflowSensorTimeout(told)

    def _defer(self, context: Context, watch: OutputWatch) -> NoReturn:
        # Not from now on: a task that had to wait for the triggerer has no more time than another.
        deadline = context["ti"].start_date.timestamp() + self.timeout
        left = deadline - time.time()
        if left <= 0:
            self._time_out(watch.missing)
        self.defer(
            trigger=self._trigger(watch, deadline),
            method_name="execute_complete",
            # The trigger keeps the time itself and says what was missing. This is for when it cannot.
            timeout=timedelta(seconds=left + _GRACE),
        )

    def _trigger(self, watch: OutputWatch, deadline: float) -> Any:
        from airflow_batch_provider.triggers.outputs import OutputTrigger

        return OutputTrigger(
            path=watch.path,
            glob=watch.wanted.glob,
            min_files=watch.wanted.min_files,
            min_bytes=watch.wanted.min_bytes,
            stable_for=watch.wanted.stable_for,
            conn_id=watch.conn_id,
            poll_interval=self.poke_interval,
            deadline=deadline,
            outage_tolerance=watch.outage_tolerance,
        )

    def _new_watch(self) -> OutputWatch:
        from airflow_batch_provider.hooks.outputs import OutputWatch
        from airflow_batch_provider.hooks.places import place_and_connection

        path, conn_id = place_and_connection(self.path, self.azure_ml_conn_id, self.modelarts_conn_id)
        return OutputWatch.read(
            path=path,
            conn_id=conn_id,
            glob=self.glob,
            min_files=self.min_files,
            min_bytes=self.min_bytes,
            stable_for=self.stable_for,
            outage_tolerance=float(self.outage_tolerance),
            log=self.log,
        )

    def _shown(self) -> str:
        from airflow_batch_provider.errors import redact

        return redact(str(self.path))

    def _do_render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        super()._do_render_template_fields(*args, **kwargs)
        mask_signatures(self.path)


def _seconds(value: float | timedelta) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else value
