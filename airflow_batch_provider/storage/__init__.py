"""Where outputs are: listing the files at a place in a storage account, a bucket or a local folder.

`azure_files`, `obs_files` and `local_files` return `Files`, which answers a worker and an event loop alike.
obstore is not imported before the first listing.
"""

from __future__ import annotations

from airflow_batch_provider.storage.access import Access
from airflow_batch_provider.storage.azure import azure_files
from airflow_batch_provider.storage.files import FileInfo, Files
from airflow_batch_provider.storage.keys import KeyAccess
from airflow_batch_provider.storage.local import local_files
from airflow_batch_provider.storage.obs import obs_files
from airflow_batch_provider.storage.steps import Step, Steps, arun, run

__all__ = [
    "Access",
    "FileInfo",
    "Files",
    "KeyAccess",
    "Step",
    "Steps",
    "arun",
    "azure_files",
    "local_files",
    "obs_files",
    "run",
]
