"""Where data is: every form of URI that a job may name, and the local path behind it.

Forms: the service's page on data URIs and the regular expressions of its SDK.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from airflow_batch_provider.emulator.blob_errors import BlobError
from airflow_batch_provider.emulator.ids import DEFAULT_DATASTORE, PROVIDER, STORAGE_ACCOUNT, Workspace

if TYPE_CHECKING:
    from airflow_batch_provider.emulator.blob import BlobStore
    from airflow_batch_provider.emulator.resources import ResourceStore

_SCOPE = (
    r"/?subscriptions/(?P<s>[^/]+)/resourceGroups/(?P<g>[^/]+)/"
    rf"(?:providers/{re.escape(PROVIDER)}/)?workspaces/(?P<w>[^/]+)"
)
_DATASTORE = re.compile(rf"(?:{_SCOPE})?/?datastores/(?P<name>[^/]+)/(?:paths/)?(?P<path>.*)", re.IGNORECASE)
_ASSET = re.compile(
    rf"(?:{_SCOPE}|/?locations/[^/]+/workspaces/[^/]+)/data/(?P<name>[^/]+)/versions/(?P<version>labels/[^/]+|[^/]+)/?",
    re.IGNORECASE,
)
_SHORT_ASSET = re.compile(r"(?P<name>[^/:@]+)(?::(?P<version>[^/:@]+)|@(?P<label>[^/:@]+))?")
_OWN_HOST = re.compile(r"\.blob\.[\d.]+$")
_BLOB_HOST = re.compile(r"(?P<account>[a-z0-9]{3,24})\.(?:blob|dfs)\.", re.IGNORECASE)


@dataclass(frozen=True)
class DatastorePath:
    """A path on a datastore; without a workspace it is the job's own."""

    workspace: Workspace | None
    datastore: str
    path: str


@dataclass(frozen=True)
class DataAsset:
    """A version of a data asset; ``latest`` stands for the newest."""

    workspace: Workspace | None
    name: str
    version: str


@dataclass(frozen=True)
class BlobPath:
    """A path in a container of a storage account."""

    account: str
    container: str
    path: str


@dataclass(frozen=True)
class LocalPath:
    """A path on this machine: the emulator's own addition to what the service reads."""

    path: str


Reference = DatastorePath | DataAsset | BlobPath | LocalPath


def parse(uri: str) -> Reference:
    """Read a data URI.

    Args:
        uri: An ``azureml:`` URI or ARM id, an https, wasbs or abfss URL, a file URL or an absolute path.

    Returns:
        What it means.

    Raises:
        ValueError: It has none of these forms.
    """
    scheme, _, rest = uri.partition(":")
    kind = scheme.lower()
    if kind == "azureml":
        return _azureml(uri, rest)
    if uri.lower().startswith("/subscriptions/"):
        return _azureml(uri, uri)
    if kind in {"http", "https", "wasb", "wasbs", "abfs", "abfss"}:
        return _storage(uri)
    if kind == "file":
        return LocalPath(unquote(urlsplit(uri).path))
    if uri.startswith("/"):
        return LocalPath(uri)
    raise ValueError(f"{uri!r} is no data URI")


def _azureml(uri: str, rest: str) -> Reference:
    text = rest.removeprefix("//") if rest.startswith("//") else rest
    if match := _DATASTORE.fullmatch(text):
        return DatastorePath(_workspace(match), match["name"], match["path"].strip("/"))
    if match := _ASSET.fullmatch(text):
        version = match["version"]
        return DataAsset(_workspace(match), match["name"], version.removeprefix("labels/"))
    if match := _SHORT_ASSET.fullmatch(rest):
        return DataAsset(None, match["name"], match["version"] or match["label"] or "latest")
    raise ValueError(f"{uri!r} is no data URI")


def _workspace(match: re.Match[str]) -> Workspace | None:
    return Workspace(match["s"], match["g"], match["w"]) if match["s"] else None


def _storage(uri: str) -> BlobPath:
    parts = urlsplit(uri)
    path = unquote(parts.path).strip("/")
    if match := _BLOB_HOST.match(parts.hostname or ""):
        if parts.username:
            return BlobPath(match["account"].lower(), parts.username, path)
        # The published commands put the datastore's endpoint behind the account: with the emulator's own
        # endpoint that is {account}.blob.127.0.0.1:8787/blob/{container}.
        if _OWN_HOST.search(parts.hostname or ""):
            path = path.removeprefix("blob/")
        container, _, rest = path.partition("/")
        return BlobPath(match["account"].lower(), container, rest)
    root, _, rest = path.partition("/")
    account, _, rest = rest.partition("/")
    container, _, rest = rest.partition("/")
    if root == "blob" and account and container:
        return BlobPath(account, container, rest)
    raise ValueError(f"{uri!r} is no address of a storage account")


class Locator:
    """Finds the local path of data.

    Args:
        resources: Datastores and data assets.
        blobs: The folder behind all storage accounts.
    """

    def __init__(self, resources: ResourceStore, blobs: BlobStore) -> None:
        self._resources = resources
        self._blobs = blobs

    def local_path(self, uri: str, workspace: Workspace) -> Path:
        """Return the local path of a data URI; whether anything is there is another question.

        Args:
            uri: Any form that :func:`parse` reads.
            workspace: The workspace of the job, for URIs that name none.

        Raises:
            ValueError: The URI has no known form or escapes its container.
            LookupError: It names a datastore or data asset that does not exist.
        """
        reference = parse(uri)
        if isinstance(reference, DataAsset):
            home = reference.workspace or workspace
            return self.local_path(self._version(reference, home)["properties"]["dataUri"], home)
        if isinstance(reference, DatastorePath):
            reference = self._blob_path(reference, reference.workspace or workspace)
        if isinstance(reference, LocalPath):
            return Path(reference.path)
        if ".." in reference.path.split("/"):
            raise ValueError(f"{uri!r} leaves its container")
        try:
            return self._blobs.local_path(reference.account, reference.container, reference.path)
        except BlobError as error:
            raise ValueError(str(error)) from None

    def asset_version(self, uri: str, workspace: Workspace) -> dict[str, Any]:
        """Return the registered version that a data asset's URI or id names.

        Args:
            uri: Such as ``azureml:digits@latest``.
            workspace: The workspace for URIs that name none.

        Raises:
            ValueError: It names no data asset.
            LookupError: The asset does not exist.
        """
        reference = parse(uri)
        if not isinstance(reference, DataAsset):
            raise ValueError(f"{uri!r} names no data asset")  # noqa: TRY004 - the text is wrong, not its type
        return self._version(reference, reference.workspace or workspace)

    def _version(self, asset: DataAsset, workspace: Workspace) -> dict[str, Any]:
        version = asset.version
        if version == "latest":
            container = self._resources.get("data", workspace, asset.name)
            version = str(container["properties"]["latestVersion"]) if container else ""
        found = self._resources.get("data/versions", workspace, f"{asset.name}/{version}")
        if found is None:
            raise LookupError(f"data asset {asset.name}:{asset.version}")
        return found

    def _blob_path(self, place: DatastorePath, workspace: Workspace) -> BlobPath:
        self._resources.see(workspace)
        datastore = self._resources.get("datastores", workspace, place.datastore)
        if datastore is None:
            raise LookupError(f"datastore {place.datastore}")
        properties = datastore["properties"]
        return BlobPath(properties["accountName"], properties["containerName"], place.path)


def datastore_uri(workspace: Workspace, path: str, datastore: str = DEFAULT_DATASTORE) -> str:
    """Return the long form of a datastore URI, as run history tells it."""
    scope = (
        f"subscriptions/{workspace.subscription}/resourcegroups/{workspace.group}/workspaces/{workspace.name}"
    )
    return f"azureml://{scope}/datastores/{datastore}/paths/{path}"


def account_url(container: str, path: str) -> str:
    """Return the https URL of a blob in the emulator's account, the same at every start and port."""
    return f"https://{STORAGE_ACCOUNT}.blob.core.windows.net/{container}/{path}"
