"""The default datastore, to which code, models and data are uploaded.

Source: the REST guide for batch scoring, and a recorded list in azure-sdk-for-python. What opens a datastore
is asked for in `secrets`.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_batch_provider.errors import NotFound
from airflow_batch_provider.flow import Flow, send
from airflow_batch_provider.services.azure_ml.answers import need, read, rows
from airflow_batch_provider.services.azure_ml.uris import blob_url
from airflow_batch_provider.services.azure_ml.workspace import Workspace, ask


@dataclass(frozen=True)
class BlobDatastore:
    """A datastore of blobs.

    Args:
        id: ARM id.
        name: Its name.
        account: Storage account.
        container: Container.
        endpoint: Of the cloud's storage, such as ``core.chinacloudapi.cn``.
        protocol: ``https``, or ``http`` for the emulator.
    """

    id: str
    name: str
    account: str
    container: str
    endpoint: str
    protocol: str = "https"

    def url(self, path: str = "") -> str:
        """Return the https URL of a path in it."""
        return blob_url(self.protocol, self.account, self.endpoint, self.container, path)

    def uri(self, workspace: Workspace, path: str) -> str:
        """Return the long ``azureml://`` URI of a path in it."""
        return (
            f"azureml://subscriptions/{workspace.subscription_id}/resourceGroups/{workspace.resource_group}"
            f"/workspaces/{workspace.name}/datastores/{self.name}/paths/{path}"
        )


def default_datastore(workspace: Workspace) -> Flow[BlobDatastore]:
    """Look up the default datastore of a workspace.

    Raises:
        NotFound: It has none.
        BatchError: The look-up failed, or the datastore is not one of blobs.
    """
    doing = f"looking up the default datastore of workspace {workspace.name!r}"
    response = yield from send(ask("GET", workspace.url("datastores", isDefault="true"), "arm"))
    found = rows(read(response, doing, action="datastores/read"))
    if not found:
        raise NotFound(f"Workspace {workspace.name!r} has no default datastore.", fix="Set one.")
    properties = need(found[0], doing, "properties")

    def of(key: str) -> str:
        return str(need({"properties": properties}, doing, "properties", key))

    return BlobDatastore(
        id=str(need(found[0], doing, "id")),
        name=str(need(found[0], doing, "name")),
        account=of("accountName"),
        container=of("containerName"),
        endpoint=str(properties.get("endpoint") or workspace.cloud.storage),
        protocol=str(properties.get("protocol") or "https"),
    )
