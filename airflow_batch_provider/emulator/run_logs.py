"""A run's log files, shown as blobs of the artifact datastore as the service does."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from airflow_batch_provider.emulator import wire
from airflow_batch_provider.emulator.ids import STORAGE_ACCOUNT
from airflow_batch_provider.emulator.whole_files import is_partial

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_batch_provider.emulator.blob import BlobStore
    from airflow_batch_provider.emulator.jobs import Job

_CONTAINER = "azureml"
_LIFETIME = 3600


def urls(job: Job, run_id: str, blobs: BlobStore, work_dir: Path, base: str) -> dict[str, str]:
    """Put a run's logs into the artifact datastore and return their URLs.

    Args:
        job: The job that the run belongs to.
        run_id: The job's own run or its child.
        blobs: The folder behind the storage accounts.
        work_dir: The private folder of the job.
        base: The emulator's URL.

    Returns:
        From the log's name, such as ``logs/user/error.txt``, to a URL with a SAS.
    """
    logs = _child_logs(work_dir) if run_id == job.child else {"logs/azureml/executionlogs.txt": _states(job)}
    folder = f"ExperimentRun/dcid.{run_id}"
    for name, content in logs.items():
        path = blobs.local_path(STORAGE_ACCOUNT, _CONTAINER, f"{folder}/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    root = f"{base}/blob/{STORAGE_ACCOUNT}/{_CONTAINER}/{folder}"
    return {name: f"{root}/{quote(name)}?{_sas()}" for name in logs}


def _child_logs(work_dir: Path) -> dict[str, bytes]:
    files = [
        path
        for path in sorted((work_dir / "logs").rglob("*"))
        if path.is_file() and not is_partial(path.name)
    ]
    logs = {path.relative_to(work_dir).as_posix(): path.read_bytes() for path in files}
    driver = work_dir / "coordinator.txt"
    return logs | ({"user_logs/std_log_0.txt": driver.read_bytes()} if driver.exists() else {})


def _states(job: Job) -> bytes:
    lines = [f"[{wire.timestamp(at)}] {status}" for status, at in job.states]
    return ("\n".join([*lines, job.error or ""]).strip() + "\n").encode()


def _sas() -> str:
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + _LIFETIME))
    return urlencode({"sv": "2021-08-06", "sr": "b", "sp": "r", "se": end, "sig": secrets.token_urlsafe(32)})
