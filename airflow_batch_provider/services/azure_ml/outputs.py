"""Where a job's outputs are.

In this order: the place that was given when the endpoint was invoked; else what run history tells of the
job's scoring step; else the place that is documented as the default. Source: how azure-ai-ml downloads
batch results, and recorded exchanges.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import httpx

from airflow_batch_provider.errors import BatchError, InvalidInput, NotFound
from airflow_batch_provider.flow import Flow, send
from airflow_batch_provider.jobs import JobRef
from airflow_batch_provider.services.azure_ml import uris
from airflow_batch_provider.services.azure_ml.answers import inner, need, read, rows
from airflow_batch_provider.services.azure_ml.history import output_uris
from airflow_batch_provider.services.azure_ml.uris import blob_url
from airflow_batch_provider.services.azure_ml.workspace import A_MINUTE, Workspace, ask
from airflow_batch_provider.values import shown

_STORAGE_VERSION = {"x-ms-version": "2021-08-06"}


@dataclass(frozen=True)
class Location:
    """A place in a storage account.

    Args:
        uri: The ``azureml://`` URI, or the URL itself where it is on no datastore.
        protocol: ``https``, or ``http`` for a local emulator.
        account: Storage account.
        endpoint: Suffix of its host, or an IP address with port.
        container: Container, or file system.
        path: Below the container.
        datastore: The datastore's name, empty if on none.
        query: A SAS, a secret.
    """

    uri: str
    protocol: str
    account: str
    endpoint: str
    container: str
    path: str
    datastore: str = ""
    query: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """The https URL, without a SAS."""
        return uris.blob_url(self.protocol, self.account, self.endpoint, self.container, self.path)

    def shown(self) -> dict[str, str]:
        """Return the three forms that users work with."""
        forms = {"uri": self.uri, "url": self.url}
        abfss = uris.abfss_uri(self.account, self.endpoint, self.container, self.path)
        return {**forms, "abfss": abfss} if abfss else forms


def locate(workspace: Workspace, uri: uris.DataUri) -> Flow[Location]:
    """Find the storage behind a datastore URI or a storage URL.

    Raises:
        NotFound: The datastore does not exist.
        InvalidInput: The URI names neither.
    """
    if uri.kind == "storage":
        protocol = "http" if uri.text.lower().startswith("http:") else "https"
        return Location(
            uri.text.split("?")[0], protocol, uri.account, uri.suffix, uri.container, uri.path, "", uri.query
        )
    if uri.kind == "datastore":
        datastore = yield from _datastore(_workspace_of(workspace, uri), uri.datastore)
        return replace(datastore, uri=uri.text, path=uri.path)
    raise InvalidInput(
        f"{shown(uri.text)} names no place in a storage account.",
        fix="Give a datastore path or a storage URL.",
    )


def _workspace_of(workspace: Workspace, uri: uris.DataUri) -> Workspace:
    if not uri.subscription:
        return workspace
    return replace(workspace, subscription_id=uri.subscription, resource_group=uri.group, name=uri.workspace)


def _datastore(workspace: Workspace, name: str) -> Flow[Location]:
    doing = f"looking up datastore {name!r}"
    response = yield from send(ask("GET", workspace.url("datastores", name), "arm", lasts=A_MINUTE))
    body = read(response, doing, action="datastores/read")
    need(body, doing, "properties")
    properties = inner(body, "properties")
    container = properties.get("containerName") or properties.get("filesystem")
    if not container:
        raise InvalidInput(
            f"Datastore {name!r} is of type {shown(properties.get('datastoreType'))}, which holds no blobs.",
            fix="Use a blob or Data Lake Storage Gen2 datastore.",
        )
    return Location(
        uri="",
        protocol=str(properties.get("protocol") or "https"),
        account=str(need(body, doing, "properties", "accountName")),
        endpoint=str(properties.get("endpoint") or workspace.cloud.storage),
        container=str(container),
        path="",
        datastore=name,
    )


def default_datastore_uri(workspace: Workspace) -> Flow[str]:
    """Return the ``azureml://`` URI of the default datastore's root, without a slash at the end."""
    doing = f"looking up the default datastore of workspace {workspace.name!r}"
    url = workspace.url("datastores", isDefault="true")
    response = yield from send(ask("GET", url, "arm", lasts=A_MINUTE))
    found = rows(read(response, doing, action="datastores/read"))
    if not found:
        raise NotFound(f"Workspace {workspace.name!r} has no default datastore.", fix="Give outputs by name.")
    return f"azureml://datastores/{need(found[0], doing, 'name')}/paths"


def job_outputs(workspace: Workspace, ref: JobRef) -> Flow[dict[str, dict[str, str]]]:
    """Find the outputs of a finished job.

    Args:
        workspace: Of the job.
        ref: The job.

    Returns:
        Output name to ``uri``, ``url`` and (where such a host exists) ``abfss``. A place that was given at
        the invocation is returned as it is; any other is the first one that exists, or the likeliest one if
        this identity may not look.

    Raises:
        BatchError: The look-up failed.
    """
    asked = {key.removeprefix("output:"): uri for key, uri in ref.place.items() if key.startswith("output:")}
    told = {} if asked else (yield from output_uris(workspace, ref.id))
    texts = {name: [uri] for name, uri in asked.items()} or told
    found: dict[str, dict[str, str]] = {}
    for name, candidates in texts.items():
        location = yield from _first(workspace, name, candidates)
        found[name] = location.shown()
    return found


def _first(workspace: Workspace, name: str, candidates: list[str]) -> Flow[Location]:
    locations: list[Location] = []
    for text in candidates:
        location = yield from locate(workspace, uris.parse(text, f"output {name!r}"))
        if len(candidates) == 1 or (yield from _exists(location)):
            return location
        locations.append(location)
    return locations[0]


def _exists(location: Location) -> Flow[bool]:
    """Say whether any blob lies at or below a place; source: the List Blobs operation of Azure Storage."""
    base = blob_url(location.protocol, location.account, location.endpoint, location.container, "")
    query = httpx.QueryParams(restype="container", comp="list", prefix=location.path, maxresults="1")
    request = ask("GET", f"{base}?{query}", "storage", headers=_STORAGE_VERSION)
    try:
        response = yield from send(request)
    except BatchError:
        return False
    return response.is_success and b"<Blob>" in response.content
