"""From a local path to a place on the default datastore of a workspace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.hooks.places import upload_to
from airflow_batch_provider.services.azure_ml.outputs import Location
from airflow_batch_provider.services.azure_ml.resources.datastores import default_datastore
from airflow_batch_provider.storage import run
from airflow_batch_provider.storage.contents import known
from airflow_batch_provider.storage.folders import tree_of
from airflow_batch_provider.storage.local import plain_path
from airflow_batch_provider.storage.progress import amount, files_of
from airflow_batch_provider.storage.uploads import place_of
from airflow_batch_provider.values import is_nothing, shown

if TYPE_CHECKING:
    from airflow_batch_provider.hooks.azure_ml import AzureMLHook

Kind = Literal["code", "model", "data", "input"]

# They differ from run to run and from machine to machine although the code is the same.
_NOT_CODE = (".git/", "__pycache__/")


@dataclass(frozen=True)
class Uploaded:
    """What was uploaded, now or earlier.

    Args:
        uri: Long ``azureml://`` URI of the folder or file on its datastore.
        blob_url: Its https URL, without a SAS.
        digest: SHA-256 of names and contents, 64 hexadecimal digits.
        is_folder: Whether it is a folder.
        files: How many files it has.
        bytes: Their sizes together.
        sent: How many files were sent now; the others were there.
    """

    uri: str
    blob_url: str
    digest: str
    is_folder: bool
    files: int
    bytes: int
    sent: int


def upload(hook: AzureMLHook, path: str, *, kind: Kind, log: Callable[[str], None]) -> Uploaded:
    """Upload a file or a folder to the default datastore, unless the same content is there.

    Its place is ``LocalUpload/DIGEST/NAME``, which depends on content and name alone. Of a folder, what its
    ``.amlignore``, or without one its ``.gitignore``, names is left out; of code also ``.git`` and
    ``__pycache__``.

    Args:
        hook: Of the workspace.
        path: A path, or a ``file://`` URL, on this machine.
        kind: What it is for.
        log: Takes a sentence now and then: what is uploaded and how far it is.

    Raises:
        InvalidInput: There is nothing to upload, or something that cannot be; it is named.
        NotFound: There is no such path, or no default datastore.
        PermissionDenied: A file may not be read, or the identity may not write to the datastore.
        Conflict: A file was written to meanwhile.
        BatchError: A file could not be read or sent; it is named.
    """
    tree = tree_of(_path(path), _NOT_CODE if kind == "code" else ())
    left_out = f" {tree.ignored_by or 'What is no code'}: left out {tree.left_out}." if tree.left_out else ""
    log(f"The {kind} at {path} has {files_of(len(tree.files))}, {amount(tree.bytes)}.{left_out}")
    content = known(tree, log)
    hook.open()
    store = hook.run(default_datastore(hook.workspace))
    place = place_of(content)
    location = Location(
        uri=store.uri(hook.workspace, place),
        protocol=store.protocol,
        account=store.account,
        endpoint=store.endpoint,
        container=store.container,
        path=place,
        datastore=store.name,
    )
    sent = run(upload_to(hook, location, content, log).steps())
    return Uploaded(
        uri=location.uri,
        blob_url=location.url,
        digest=content.digest,
        is_folder=tree.is_folder,
        files=len(content.files),
        bytes=content.bytes,
        sent=sent,
    )


def _path(path: Any) -> Path:
    if not isinstance(path, str) or is_nothing(path):
        raise InvalidInput(f"The path is {shown(path)}.", fix="Give the path of a file or a folder.")
    return Path(plain_path(path))
