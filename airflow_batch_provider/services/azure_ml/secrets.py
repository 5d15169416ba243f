"""What a workspace itself uses to open a datastore, for those who may ask for it.

Source: the ``listSecrets`` operation of datastores, recorded with an account key.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.flow import Flow, send
from airflow_batch_provider.services.azure_ml.answers import need, read
from airflow_batch_provider.services.azure_ml.uris import DataUri
from airflow_batch_provider.services.azure_ml.workspace import Workspace, ask


@dataclass(frozen=True)
class DatastoreSecret:
    """One of the two is given.

    Args:
        account_key: Of the storage account.
        sas: Query string of a shared access signature.
    """

    account_key: str = field(default="", repr=False)
    sas: str = field(default="", repr=False)


def datastore_secret(workspace: Workspace, uri: DataUri) -> Flow[DatastoreSecret]:
    """Ask for the account key or the SAS of the datastore that a URI names.

    Args:
        workspace: Of the datastore, unless the URI names another.
        uri: Of kind ``datastore``.

    Raises:
        PermissionDenied: The identity lacks the action ``datastores/listSecrets/action``.
        InvalidInput: The datastore is opened in another way.
        BatchError: The look-up failed.
    """
    if uri.subscription:
        workspace = replace(
            workspace, subscription_id=uri.subscription, resource_group=uri.group, name=uri.workspace
        )
    doing = f"asking for the credential of datastore {uri.datastore!r}"
    url = workspace.url("datastores", uri.datastore, "listSecrets")
    # Asking twice is asking once, although it is a POST.
    response = yield from send(ask("POST", url, "arm"), repeatable=True)
    body = read(response, doing, action="datastores/listSecrets/action")
    kind = need(body, doing, "secretsType")
    if kind == "AccountKey":
        return DatastoreSecret(account_key=str(need(body, doing, "key")))
    if kind == "Sas":
        return DatastoreSecret(sas=str(need(body, doing, "sasToken")).lstrip("?"))
    raise InvalidInput(f"Datastore {uri.datastore!r} is opened with {kind}; only the workspace can use that.")
