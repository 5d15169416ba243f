"""Why a run failed: its error tree in a few lines, and the last lines of its most telling log.

Source: the ``error`` of run history is a ``RootError`` (recorded answers in azure-sdk-for-python), and its
``logFiles`` are URLs that carry their own permission (how azure-ai-ml streams jobs).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import httpx

from airflow_batch_provider.answers import last_lines
from airflow_batch_provider.errors import BatchError, redact
from airflow_batch_provider.flow import Flow, Retry, send
from airflow_batch_provider.services.azure_ml.answers import inner, rows
from airflow_batch_provider.services.azure_ml.hosts import is_local
from airflow_batch_provider.services.azure_ml.workspace import ask

_LEVELS = 4
_MESSAGE = 600

# From the log that only a failing script writes to the one that every job has: what the script raised says
# more than what the driver made of it, and that more than a list of the steps' states.
_LOGS = (
    "logs/user/error.txt",
    "user_logs/std_log",  # "_0.txt" of a batch deployment's driver, ".txt" of a component's command
    "logs/user/stderr/",
    "logs/user/stdout/",
    "logs/azureml/executionlogs.txt",
)
_TAIL = 16384
_READ = Retry(attempts=2, patience=5.0)  # The failure itself is known; its log may keep nobody waiting.
_PARTIAL, _SIZE = httpx.codes.PARTIAL_CONTENT, re.compile(r"bytes [0-9]+-[0-9]+/([0-9]+)")


def error_lines(root: Mapping[str, Any]) -> str:
    """Return a run's error as lines of code and message, from the outermost to the innermost level.

    What a level only repeats is left out; of a deep tree, the middle is.

    Args:
        root: The run's ``error``.
    """
    said: list[str] = []
    levels = list(_levels(inner(root, "error")))
    for code, message in levels:
        new = [part for part in (code, message) if part and not any(part in line for line in said)]
        if new:
            said.append(": ".join(new))
    shown = said if len(said) <= _LEVELS else [said[0], *said[1 - _LEVELS :]]
    request = str(inner(root, "correlation").get("request") or "")
    if shown and request and levels[0][0] != "UserError":  # The user's own errors mean nothing to support.
        shown.append(f"[request id {request}]")
    return redact("\n".join(shown))


def _levels(error: dict[str, Any]) -> Iterator[tuple[str, str]]:
    pending = [error]
    while pending:
        level = pending.pop(0)
        message = " ".join(str(level.get("message") or "").split())
        code = str(level.get("code") or "")
        yield code, f"{message[:_MESSAGE]}…" if len(message) > _MESSAGE else message
        pending += [below for below in (*rows(level, "details"), inner(level, "innerError")) if below]


def last_log_lines(urls: Mapping[str, Any]) -> Flow[str]:
    """Return the last lines of the most telling log that says anything; empty if none can be read.

    Args:
        urls: Log name to its URL with a SAS, which is a secret.
    """
    for name in _telling(urls):
        text = ""
        with suppress(BatchError):
            text = yield from _tail(str(urls[name]))
        told = last_lines(name, text)
        if told:
            return told
    return ""


def _telling(urls: Mapping[str, Any]) -> list[str]:
    return [name for start in _LOGS for name in sorted(urls) if name.startswith(start)]


def _tail(url: str) -> Flow[str]:
    """Read the end of a blob. Blob storage knows no range that counts from the end, so its start tells."""
    first = yield from _part(url, 0)
    size = _size(first)
    if size <= _TAIL:
        return _text(first)
    last = yield from _part(url, size - _TAIL)
    return _text(last).partition("\n")[2]  # The first line is cut.


def _part(url: str, start: int) -> Flow[httpx.Response]:
    headers = {"Range": f"bytes={start}-{start + _TAIL - 1}", "Accept": "*/*"}
    # No token: the URL carries its own permission, and its host is one that an answer names.
    request = ask("GET", url, "none", headers=headers)
    if request.url.scheme != "https" and not is_local(url):
        return httpx.Response(httpx.codes.FORBIDDEN)
    return (yield from send(request, retry=_READ))


def _size(response: httpx.Response) -> int:
    match = _SIZE.fullmatch(response.headers.get("content-range", ""))
    return int(match[1]) if match and response.status_code == _PARTIAL else 0


def _text(response: httpx.Response) -> str:
    return response.content[-_TAIL:].decode("utf-8", "replace") if response.is_success else ""
