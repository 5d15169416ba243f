"""From a path that a user wrote to the files there, listed as a connection may."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx

from airflow_batch_provider.auth import tokens_of
from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.hooks import hook_for
from airflow_batch_provider.services.azure_ml import uris
from airflow_batch_provider.services.azure_ml.hosts import check_host
from airflow_batch_provider.services.azure_ml.outputs import Location
from airflow_batch_provider.services.azure_ml.secrets import DatastoreSecret, datastore_secret
from airflow_batch_provider.storage import Access, Files, Step, Steps, azure_files, local_files
from airflow_batch_provider.storage.azure import Container
from airflow_batch_provider.storage.contents import KnownTree
from airflow_batch_provider.storage.endpoint import Endpoint
from airflow_batch_provider.storage.uploads import Upload

if TYPE_CHECKING:
    from airflow_batch_provider.hooks.azure_ml import AzureMLHook


_OBS_FORM = "\n  obs://BUCKET/PATH                                                    Huawei Cloud's OBS"
DEFAULT_OBS_CONNECTION = "modelarts_default"
# Several pieces of some MiB are under way at once, and the line may be a slow one.
_PIECE_SECONDS = 300.0


def files_at(path: str, conn_id: str) -> Steps[Files]:
    """Return the files at a path, as steps.

    Args:
        path: ``azureml://`` datastore path, URL of a blob or folder, ``wasbs://``, ``abfss://``, ``obs://``,
            ``file://`` or a local path.
        conn_id: The connection, for all but local paths.

    Raises:
        InvalidInput: The path, or the connection, cannot be right.
        NotFound: The datastore does not exist.
        BatchError: The datastore could not be looked up.
    """
    if path.lower().startswith("file:"):
        return local_files(path)
    if is_obs(path):
        return (yield from _in_obs(path, conn_id))
    if uris.parse(path, "path", _OBS_FORM).kind == "local":
        return local_files(path)
    hook: Any = hook_for("azure_ml", conn_id, {})
    location = yield Step(partial(hook.locate, path), partial(hook.alocate, path))
    files: Files = hook.files(location)
    return files


def is_obs(path: str) -> bool:
    """Say whether a path is one of OBS, by its scheme."""
    return path.lower().startswith("obs:")


def place_and_connection(path: Any, azure_ml_conn_id: Any, modelarts_conn_id: Any) -> tuple[Any, Any]:
    """Return the place that a path means, and the connection that lists it.

    Args:
        path: As a user wrote it; what is no text is left to be refused later.
        azure_ml_conn_id: For all but OBS.
        modelarts_conn_id: For OBS. If it is given, ``/bucket/key`` is a place in OBS, as ModelArts writes it;
            else it is a local path. ``None`` for the default one.
    """
    if isinstance(path, str) and modelarts_conn_id is not None and path.startswith("/"):
        path = f"obs:/{path}"
    if isinstance(path, str) and is_obs(path):
        return path, DEFAULT_OBS_CONNECTION if modelarts_conn_id is None else modelarts_conn_id
    return path, azure_ml_conn_id


def _in_obs(path: str, conn_id: str) -> Steps[Files]:
    hook: Any = hook_for("modelarts", conn_id, {})
    yield Step(hook.open, hook.aopen)
    files: Files = hook.files(path)
    return files


def files_of(hook: AzureMLHook, location: Location) -> Files:
    """Return the files at a place in a storage account.

    Args:
        hook: With its connection read.
        location: The place.

    Raises:
        InvalidInput: No request can be made there.
    """
    alone = bool(location.query)
    return azure_files(
        location.uri,
        endpoint_url=str(_endpoint_url(location)),
        account=location.account,
        container=location.container,
        path=location.path,
        access=Access(sas=location.query) if alone else _identity(hook, location),
        otherwise=None if alone else _otherwise(hook, location),
        verify=hook.connection.verify,
    )


def upload_to(
    hook: AzureMLHook, location: Location, content: KnownTree, log: Callable[[str], None]
) -> Upload:
    """Return the upload of content to a place on a datastore.

    Args:
        hook: With its connection read.
        location: The place.
        content: What is uploaded.
        log: Takes a sentence about the progress now and then.

    Raises:
        InvalidInput: No request can be made there.
    """
    endpoint = Endpoint(str(_endpoint_url(location)).rstrip("/"), hook.connection.verify, _PIECE_SECONDS)
    container = Container(endpoint, location.account, location.container)
    return Upload(content, container, _identity(hook, location), _otherwise(hook, location), log)


def _endpoint_url(location: Location) -> httpx.URL:
    account = (location.protocol, location.account, location.endpoint)
    url = uris.blob_url(*account, location.container, "").removesuffix(f"/{location.container}")
    try:
        return httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidInput(f"{url!r} is not the URL of a storage account: {error}") from error


def _identity(hook: AzureMLHook, location: Location) -> Access:
    try:
        check_host(_endpoint_url(location), hook.connection.hosts()["storage"], "The storage account")
    except InvalidInput as error:
        hook.log.warning("Trying without a token: %s", error)
        return Access()
    return Access(tokens=tokens_of(hook.connection))


def _otherwise(hook: AzureMLHook, location: Location) -> Step:
    """Say what to try when the identity is refused."""
    if not location.datastore:
        return Step(Access, _anonymous)
    uri = uris.parse(location.uri, "path")

    def here() -> Access:
        return _access(hook.run(datastore_secret(hook.workspace, uri)))

    async def in_loop() -> Access:
        return _access(await hook.arun(datastore_secret(hook.workspace, uri)))

    return Step(here, in_loop)


def _access(secret: DatastoreSecret) -> Access:
    return Access(sas=secret.sas, account_key=secret.account_key)


async def _anonymous() -> Access:
    return Access()
