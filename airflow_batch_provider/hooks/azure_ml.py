"""The hook of Azure Machine Learning."""

from __future__ import annotations

from functools import cached_property
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.auth import entra_auth, tokens_of
from airflow_batch_provider.errors import AuthenticationFailed, BatchError, NotFound, PermissionDenied
from airflow_batch_provider.flow import Flow
from airflow_batch_provider.hooks.base import BatchHook, host_of, options_with
from airflow_batch_provider.jobs import Job
from airflow_batch_provider.services.azure_ml import uris
from airflow_batch_provider.services.azure_ml.batch import BatchEndpoints
from airflow_batch_provider.services.azure_ml.connection import AzureMLConnection
from airflow_batch_provider.services.azure_ml.deployments import Deployments
from airflow_batch_provider.services.azure_ml.history import describe
from airflow_batch_provider.services.azure_ml.invocation import Invocation, invocation
from airflow_batch_provider.services.azure_ml.outputs import Location, locate
from airflow_batch_provider.services.azure_ml.workspace import Workspace

if TYPE_CHECKING:
    from airflow_batch_provider.hooks.azure_ml_resources import Resources
    from airflow_batch_provider.storage import Files


# Of all tasks in this process.
_DEPLOYMENTS = Deployments()

_HOPS: dict[type[BaseException], str] = {
    AuthenticationFailed: "token, the credential is not accepted",
    PermissionDenied: "RBAC, the identity may not read the workspace",
    NotFound: "workspace, there is none of this name in this resource group and subscription",
}
_AUDIENCE: dict[type[BaseException], str] = {
    **_HOPS,
    AuthenticationFailed: "audience, no token is issued for the data plane; set ml_audience",
}


class AzureMLHook(BatchHook):
    """Reads a connection of type ``azure_ml``, or of the official provider, and talks to its workspace.

    Args:
        azure_ml_conn_id: The connection's id.
        subscription_id: Instead of the connection's.
        resource_group_name: Instead of the connection's.
        workspace_name: Instead of the connection's.
        cloud_environment: Instead of the connection's: ``AzurePublicCloud``, ``AzureChinaCloud`` or
            ``AzureUSGovernment``.
    """

    connection: AzureMLConnection

    conn_name_attr = "azure_ml_conn_id"
    default_conn_name = "azure_ml_default"
    conn_type = "azure_ml"
    hook_name = "Azure Machine Learning"

    def __init__(
        self,
        azure_ml_conn_id: str = default_conn_name,
        *,
        subscription_id: str | None = None,
        resource_group_name: str | None = None,
        workspace_name: str | None = None,
        cloud_environment: str | None = None,
        logger_name: str | None = None,
    ) -> None:
        super().__init__(azure_ml_conn_id, logger_name=logger_name)
        self._place = {
            "subscription_id": subscription_id,
            "resource_group_name": resource_group_name,
            "workspace_name": workspace_name,
        }
        self._cloud = cloud_environment

    def _read(self, connection: Any, extra: dict[str, Any]) -> AzureMLConnection:
        return AzureMLConnection.read(
            self.conn_id,
            login=connection.login,
            password=connection.password,
            host=host_of(connection),
            extra=extra,
            cloud_environment=self._cloud,
        )

    @property
    def workspace(self) -> Workspace:
        """The workspace that the connection and the hook's arguments name."""
        return self.connection.workspace(**self._place)

    @cached_property
    def service(self) -> BatchEndpoints:
        """The workspace's batch endpoints."""
        known = self.connection
        caller = known.client_id or known.managed_identity_client_id
        return BatchEndpoints(self.workspace, deployments=_DEPLOYMENTS, caller=caller)

    @property
    def resources(self) -> Resources:
        """What the workspace's batch endpoints are made of, once the connection was read."""
        from airflow_batch_provider.hooks.azure_ml_resources import Resources

        return Resources(self.workspace)

    def _client_options(self) -> dict[str, Any]:
        return options_with(entra_auth(self.connection), self.connection)

    @staticmethod
    def order(**arguments: Any) -> Invocation:
        """Check what a user says and return it as `BatchEndpoints` takes it.

        Args:
            **arguments: As for `services.azure_ml.invocation.invocation`.

        Raises:
            InvalidInput: The service would refuse it.
        """
        return invocation(**arguments)

    def invoke(self, endpoint_name: str | None = None, **kwargs: Any) -> Job:
        """Invoke a batch endpoint and return the job without waiting for it.

        The request is sent once; nothing is recorded. Operators submit with a record instead.

        Args:
            endpoint_name: The endpoint.
            **kwargs: As for `services.azure_ml.invocation.invocation`.

        Raises:
            InvalidInput: The service would refuse it.
            AnswerLost: A job may have been started.
            BatchError: The service refused.
        """
        order = invocation(endpoint_name=endpoint_name, **kwargs)
        self.open()
        return self.run(self._invoke(order))

    def _invoke(self, order: Invocation) -> Flow[Job]:
        plan = yield from self.service.plan(order)
        _, job = yield from self.service.submit(plan, f"airflow-{token_hex(12)}")
        return job

    def test_connection(self) -> tuple[bool, str]:
        """Look the workspace up and get a token for the data plane: real, and harmless.

        Returns:
            Whether it works, and in plain words which step failed or what was reached.
        """
        from airflow_batch_provider.hooks.connection_test import explain

        step = "reading the connection"
        try:
            self.open()
            workspace = self.workspace
            step = f"looking up workspace {workspace.name!r}"
            found = self.run(describe(workspace))
            step = f"getting a token for {self.connection.ml_audience}"
            tokens_of(self.connection).get(self.connection.ml_audience)
        except BatchError as error:
            where = f"{self.connection.cloud.name}, {self.connection.arm}" if self._connection else ""
            return False, explain(step, error, where, _AUDIENCE if "token for" in step else _HOPS)
        return True, f"Workspace {workspace.name!r} in {found.get('location', 'an unknown region')} answers."

    def locate(self, path: str) -> Location:
        """Find the storage behind an ``azureml://`` path or a storage URL."""
        self.open()
        return self.run(self._locate(path))

    async def alocate(self, path: str) -> Location:
        """Do the same in an event loop."""
        await self.aopen()
        return await self.arun(self._locate(path))

    def _locate(self, path: str) -> Flow[Location]:
        uri = uris.parse(path, "path")
        where = Workspace(self.connection.cloud, "", "", "") if uri.kind == "storage" else self.workspace
        return (yield from locate(where, uri))

    def read_file(self, path: str) -> bytes:
        """Read one file into memory, such as a small ``predictions.csv``, with the credentials of `files`.

        Args:
            path: An ``azureml://`` datastore path or the URL of a blob.
        """
        return self.files(self.locate(path)).read()

    def files(self, location: Location) -> Files:
        """Return the files at a place in a storage account, to be listed as this connection may.

        A SAS in the location is used alone. Otherwise this connection's identity is asked first; if the
        storage account refuses it, the datastore's own credential (for those who may ask the workspace for
        it), or for a place on no datastore anonymous access.
        """
        from airflow_batch_provider.hooks.places import files_of

        return files_of(self, location)
