"""The hook of Huawei Cloud ModelArts."""

from __future__ import annotations

import time
from functools import cached_property, lru_cache
from typing import Any

from airflow_batch_provider.auth import modelarts_auth, obs_keys_of
from airflow_batch_provider.errors import (
    AuthenticationFailed,
    BatchError,
    InvalidInput,
    NotFound,
    PermissionDenied,
)
from airflow_batch_provider.flow import Flow
from airflow_batch_provider.hooks.base import BatchHook, host_of, options_with
from airflow_batch_provider.jobs import Accepted, TaskIdentity
from airflow_batch_provider.services.modelarts import obs
from airflow_batch_provider.services.modelarts.connection import ModelArtsConnection
from airflow_batch_provider.services.modelarts.definition import Definition, definition
from airflow_batch_provider.services.modelarts.executions import ModelArtsWorkflows
from airflow_batch_provider.services.modelarts.project import ProjectIds
from airflow_batch_provider.services.modelarts.rerunning import rerun_recorded
from airflow_batch_provider.services.modelarts.starting import Start, start
from airflow_batch_provider.storage import Files, KeyAccess, obs_files

_HOPS: dict[type[BaseException], str] = {
    AuthenticationFailed: "credential, it is not accepted",
    PermissionDenied: "permissions, the identity may not list workflows, or the project is not its own",
    NotFound: "project, there is none of this id in this region",
    InvalidInput: "project, it cannot be found",
}


def rerun_or(
    submission: Flow[Accepted], service: Any, task: TaskIdentity, tolerance: float
) -> Flow[Accepted]:
    """Run the task's recorded execution again if it has failed, else carry out a submission.

    Args:
        submission: What to do if there is none to run again.
        service: Of a `ModelArtsHook`.
        task: Who submits.
        tolerance: Seconds without a good answer after which looking for the execution raises.
    """
    again = yield from rerun_recorded(service, task, tolerance, time.time)
    return again or (yield from submission)


@lru_cache(maxsize=64)
def _project_ids(connection: ModelArtsConnection) -> ProjectIds:  # noqa: ARG001  # the key of the cache
    """Return the ids that were looked up for a connection: once for all tasks of this process."""
    return ProjectIds()


class ModelArtsHook(BatchHook):
    """Reads a connection of type ``modelarts`` and talks to the workflows and the OBS of its project.

    Args:
        modelarts_conn_id: The connection's id.
        region: Instead of the connection's. The project is then looked up, unless it is given, too.
        project_id: Instead of the connection's.
    """

    connection: ModelArtsConnection

    conn_name_attr = "modelarts_conn_id"
    default_conn_name = "modelarts_default"
    conn_type = "modelarts"
    hook_name = "Huawei Cloud ModelArts"

    def __init__(
        self,
        modelarts_conn_id: str = default_conn_name,
        *,
        region: str | None = None,
        project_id: str | None = None,
        logger_name: str | None = None,
    ) -> None:
        super().__init__(modelarts_conn_id, logger_name=logger_name)
        self._place = {"region": region, "project_id": project_id}

    def _read(self, connection: Any, extra: dict[str, Any]) -> ModelArtsConnection:
        return ModelArtsConnection.read(
            self.conn_id,
            login=connection.login,
            password=connection.password,
            host=host_of(connection),
            extra=extra,
            **self._place,
        )

    @cached_property
    def service(self) -> ModelArtsWorkflows:
        """The workflows of the connection's project, and their executions."""
        return ModelArtsWorkflows(
            self.connection.project(), ids=_project_ids(self.connection), tell=self.log.info
        )

    def _client_options(self) -> dict[str, Any]:
        return options_with(modelarts_auth(self.connection), self.connection)

    @staticmethod
    def order(**arguments: Any) -> Start:
        """Check what a user says of an execution and return it as `ModelArtsWorkflows` takes it.

        Args:
            **arguments: As for `services.modelarts.starting.start`.

        Raises:
            InvalidInput: The service would refuse it.
        """
        return start(**arguments)

    @staticmethod
    def definition(workflow: Any) -> Definition:
        """Check the definition of a new workflow; see `services.modelarts.definition.definition`."""
        return definition(workflow)

    def test_connection(self) -> tuple[bool, str]:
        """Find the project and list its workflows: real, and harmless.

        Returns:
            Whether it works, and in plain words which step failed or what was reached.
        """
        from airflow_batch_provider.hooks.connection_test import explain

        step, where = "reading the connection", ""
        try:
            self.open()
            where = f"{self.connection.region or 'no region'}, {self.connection.endpoints.iam}"
            step = "finding the project"
            project = self.run(self.service.ids.located(self.service.project))
            where = f"{project.region or 'no region'}, {project.endpoints.modelarts}"
            step = f"listing the workflows of project {project.id}"
            self.run(self.service.workflows.list(pages=1))
        except BatchError as error:
            return False, explain(step, error, where, _HOPS)
        return True, f"Project {project.id} in {project.region or 'its region'} answers."

    def read_file(self, path: str) -> bytes:
        """Read one file of OBS into memory, such as a small ``metrics.json``.

        Args:
            path: ``obs://bucket/key`` or ``/bucket/key``.
        """
        self.open()
        return self.files(path).read()

    def files(self, path: str) -> Files:
        """Return the files at a place in OBS, to be listed as this connection may.

        Args:
            path: ``obs://bucket/key`` or ``/bucket/key``; the bucket must be in the connection's region.

        Raises:
            InvalidInput: It is no such place.
        """
        bucket, key = obs.bucket_and_key(path)
        return obs_files(
            endpoint_url=self.connection.endpoints.obs,
            region=self.connection.region,
            bucket=bucket,
            path=key,
            access=KeyAccess(obs_keys_of(self.connection)),
            verify=self.connection.verify,
        )
