"""From a local path to a place on the default datastore of a workspace."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from airflow_batch_provider.errors import InvalidInput, NotFound
from airflow_batch_provider.hooks.places import upload_to
from airflow_batch_provider.services.azure_ml.local_inputs import Inputs, LocalInput, is_local
from airflow_batch_provider.services.azure_ml.outputs import Location
from airflow_batch_provider.services.azure_ml.resources.datastores import default_datastore
from airflow_batch_provider.storage import run
from airflow_batch_provider.storage.contents import known
from airflow_batch_provider.storage.folders import tree_of
from airflow_batch_provider.storage.local import plain_path
from airflow_batch_provider.storage.progress import amount, files_of
from airflow_batch_provider.storage.uploads import PREFIX, place_of
from airflow_batch_provider.values import RENDERED, is_nothing, shown

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


def local_path(path: Any, folders: Sequence[str], *, type: str | None = None) -> str | None:  # noqa: A002
    """Return the absolute path that a task's *path* means, or ``None`` if it is a URI.

    Args:
        path: A path or a URI.
        folders: Where relative paths are looked for.
        type: ``uri_folder`` or ``uri_file``, if what is there must be one.

    Raises:
        InvalidInput: It is neither, or of another type.
        NotFound: There is no such path.
    """
    if not isinstance(path, str) or is_nothing(path):
        raise InvalidInput(f"path is {shown(path)}. {RENDERED}", fix="Give a local path or a URI.")
    local = LocalInput("path", path.strip(), type or "")
    return _placed(local, folders, allowed=True).path if is_local(local.path, "path") else None


def local_inputs(one: Any, named: Any, folders: Sequence[str], *, allowed: bool) -> Inputs:
    """Find the local paths among the inputs of a batch endpoint, without sending anything.

    Args:
        one: The one input of a model deployment, or ``None``.
        named: Inputs by name, or ``None``.
        folders: Where relative paths are looked for.
        allowed: Whether local paths may be uploaded.

    Returns:
        The inputs, with absolute local paths.

    Raises:
        InvalidInput: A local path is not allowed, or its type is wrong.
        NotFound: There is no such path.
    """
    inputs = Inputs.read(one, named, lambda text: _found(text, folders) is not None)
    return replace(inputs, local={key: _placed(one, folders, allowed) for key, one in inputs.local.items()})


def upload_inputs(hook: AzureMLHook, inputs: Inputs, log: Callable[[str], None]) -> Inputs:
    """Upload the local paths among inputs, and return the inputs with URIs in their place.

    Args:
        hook: Of the workspace.
        inputs: Of `local_inputs`.
        log: Takes a sentence now and then.

    Raises:
        BatchError: As `upload`.
    """

    def put(local: LocalInput) -> dict[str, Any]:
        there = upload(hook, local.path, kind="input", log=log)
        log(f"{local.name} is {there.uri}")
        return local.at(there.uri, is_folder=there.is_folder)

    return inputs.at(put)


def described_inputs(inputs: Inputs) -> Inputs:
    """Return inputs as they will be after an upload, but for the URIs, so that they can be checked before."""
    anywhere = f"azureml://datastores/default/paths/{PREFIX}"
    return inputs.at(lambda local: local.at(anywhere, is_folder=Path(local.path).is_dir()))


def _placed(local: LocalInput, folders: Sequence[str], allowed: bool) -> LocalInput:
    if not allowed:
        raise InvalidInput(
            f"{local.name} is the local path {shown(local.path)}, and upload_local_inputs is False.",
            fix="Give a URI that the service can read, or have local paths uploaded.",
        )
    found = _found(local.path, folders)
    if found is None:
        raise NotFound(
            f"{local.name} is {shown(local.path)}, but there is no such file or folder.",
            fix=f"Relative paths are looked for in {', '.join(folders)}.",
        )
    local.check(is_folder=found.is_dir())
    return replace(local, path=str(found))


def _found(text: str, folders: Sequence[str]) -> Path | None:
    path = Path(plain_path(text))
    return next((place for folder in folders if os.path.lexists(place := Path(folder) / path)), None)


def _path(path: Any) -> Path:
    if not isinstance(path, str) or is_nothing(path):
        raise InvalidInput(f"The path is {shown(path)}.", fix="Give the path of a file or a folder.")
    return Path(plain_path(path))
