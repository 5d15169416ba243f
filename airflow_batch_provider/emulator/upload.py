"""Put local files into the default datastore, named by their content."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

from airflow_batch_provider.emulator.ids import STORAGE_ACCOUNT, Workspace, new_guid

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_batch_provider.emulator.blob import BlobStore

_IGNORED = shutil.ignore_patterns("__pycache__", ".git", ".amlignore")


def store(blobs: BlobStore, workspace: Workspace, source: Path) -> str:
    """Copy a file or folder, unless the same content is there already.

    Args:
        blobs: The folder behind the storage accounts.
        workspace: Whose default container takes it.
        source: The file or folder.

    Returns:
        Its path in the container: ``LocalUpload/{digest}/{name}``, as the ``az ml`` command line has it.
    """
    path = f"LocalUpload/{digest(source)}/{source.name}"
    target = blobs.local_path(STORAGE_ACCOUNT, workspace.container, path)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".emulator-partial-{new_guid()}")
        if source.is_dir():
            shutil.copytree(source, unfinished, ignore=_IGNORED)
        else:
            shutil.copy2(source, unfinished)
        unfinished.rename(target)
    return path


def digest(source: Path) -> str:
    """Return a digest of a file's or folder's names and content."""
    content = hashlib.sha256()
    ignored = _ignored_names(source)
    for path in [source] if source.is_file() else sorted(source.rglob("*")):
        if path.is_file() and not ignored & set(path.relative_to(source.parent).parts):
            content.update(f"{path.relative_to(source.parent).as_posix()}\0{_file_digest(path)}\n".encode())
    return content.hexdigest()[:32]


def _file_digest(path: Path) -> str:
    content = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            content.update(chunk)
    return content.hexdigest()


def _ignored_names(source: Path) -> set[str]:
    return _IGNORED(str(source), ["__pycache__", ".git", ".amlignore"])
