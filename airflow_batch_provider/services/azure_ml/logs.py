"""The logs of a run: the last lines of the most telling one, or the ends of all.

Source: ``logFiles`` of run history are URLs that carry their own permission (how azure-ai-ml streams jobs).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import httpx

from airflow_batch_provider.answers import end_of_log, last_lines
from airflow_batch_provider.errors import BatchError
from airflow_batch_provider.flow import Flow, Retry, send
from airflow_batch_provider.jobs import Log
from airflow_batch_provider.services.azure_ml.hosts import is_local
from airflow_batch_provider.services.azure_ml.workspace import ask

# From the log that only a failing script writes to the one that every job has: what the script raised says
# more than what the driver made of it, and that more than a list of the steps' states.
_LOGS = (
    "logs/user/error.txt",
    "user_logs/std_log",  # "_0.txt" of a batch deployment's driver, ".txt" of a component's command
    "logs/user/stderr/",
    "logs/user/stdout/",
    "logs/azureml/executionlogs.txt",
)
_PROGRESS = "logs/job_progress_overview.txt"  # Of a batch deployment: how many mini-batches are done.
_TAIL, _FETCHED = 16384, 65536
_FILES = 8
_READ = Retry(attempts=2, patience=5.0)  # How the job ended is known; its log may keep nobody waiting.
_PARTIAL, _SIZE = httpx.codes.PARTIAL_CONTENT, re.compile(r"bytes [0-9]+-[0-9]+/([0-9]+)")


def last_log_lines(urls: Mapping[str, Any]) -> Flow[str]:
    """Return the last lines of the most telling log that says anything; empty if none can be read.

    Args:
        urls: Log name to its URL with a SAS, which is a secret.
    """
    for name in _telling(urls):
        text = ""
        with suppress(BatchError):
            text, _ = yield from _tail(str(urls[name]), _TAIL)
        told = last_lines(name, text)
        if told:
            return told
    return ""


def tell_logs(run: str, urls: Mapping[str, Any], tell: Callable[[Log], None]) -> Flow[int]:
    """Read the ends of a run's logs that its user can make something of; none that cannot be read.

    Args:
        run: Its name, for the logs' names.
        urls: Log name to its URL with a SAS, which is a secret.
        tell: Called with each that says something.

    Returns:
        How many did.
    """
    count = 0
    names = [*_telling(urls), *(name for name in urls if name == _PROGRESS)]
    for name in names[:_FILES]:
        with suppress(BatchError):
            text, before = yield from _tail(str(urls[name]), _FETCHED)
            lines, left_out = end_of_log(text, before)
            if lines:
                tell(Log(f"{name} of {run}", lines, left_out))
                count += 1
    if names[_FILES:]:
        tell(Log(f"the logs of {run}", (), f"{len(names) - _FILES} further files, such as {names[_FILES]}"))
    return count


def _telling(urls: Mapping[str, Any]) -> list[str]:
    return [name for start in _LOGS for name in sorted(urls) if name.startswith(start)]


def _tail(url: str, most: int) -> Flow[tuple[str, int]]:
    """Read the end of a blob, and tell how many bytes come before it.

    Blob storage knows no range that counts from the end, so its start tells.
    """
    first = yield from _part(url, 0, most)
    size = _size(first)
    if size <= most:
        return _text(first, most), max(0, len(first.content) - most)
    last = yield from _part(url, size - most, most)
    cut, _, text = _text(last, most).partition("\n")  # The first line is cut.
    return text, size - most + len(cut.encode())


def _part(url: str, start: int, most: int) -> Flow[httpx.Response]:
    headers = {"Range": f"bytes={start}-{start + most - 1}", "Accept": "*/*"}
    # No token: the URL carries its own permission, and its host is one that an answer names.
    request = ask("GET", url, "none", headers=headers)
    if request.url.scheme != "https" and not is_local(url):
        return httpx.Response(httpx.codes.FORBIDDEN)
    return (yield from send(request, retry=_READ))


def _size(response: httpx.Response) -> int:
    match = _SIZE.fullmatch(response.headers.get("content-range", ""))
    return int(match[1]) if match and response.status_code == _PARTIAL else 0


def _text(response: httpx.Response, most: int) -> str:
    return response.content[-most:].decode("utf-8", "replace") if response.is_success else ""
