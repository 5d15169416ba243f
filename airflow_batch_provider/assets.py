"""Asset URIs of the schemes ``azureml`` and ``obs``: one place has one URI, without a secret in it.

Airflow calls these while it parses DAG files, after it has taken off what all schemes have in common: the
scheme's case, slashes at the end, fragments and passwords.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult

from airflow_batch_provider.errors import InvalidInput, redact

# What Resource Manager reads in any letter case, and what it writes in such URIs.
_WORDS = (
    *("subscriptions", "resourcegroups", "providers", "workspaces", "datastores", "paths", "registries"),
    *("locations", "jobs", "outputs", "data", "versions", "labels"),
)
_ROOTS = ("datastores", "subscriptions", "locations", "registries", "jobs")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_GUID = re.compile(r"[0-9a-fA-F-]{36}")


def azureml(parts: SplitResult) -> SplitResult:
    """Normalise ``azureml://datastores/…``, ``azureml://subscriptions/…``, ``azureml:NAME:VERSION``, ….

    Keywords and the subscription become lower case; names and what lies behind ``paths`` keep theirs. A query
    is no part of where data is, and may be a SAS: it goes.

    Raises:
        InvalidInput: It names nothing.
    """
    plain = parts._replace(query="", fragment="")
    if not parts.netloc:
        return _short(plain)
    root = parts.netloc.lower()
    below = parts.path.strip("/").split("/")
    if root not in _ROOTS or not below[0]:
        raise InvalidInput(
            f"{_told(parts)} is no asset URI of Azure Machine Learning.",
            fix="Write azureml://datastores/NAME/paths/PATH, azureml://subscriptions/…, "
            "azureml://jobs/JOB/outputs/NAME, azureml://locations/… or azureml:NAME:VERSION.",
        )
    return plain._replace(netloc=root, path="/" + "/".join(_segments(root, below)))


def obs(parts: SplitResult) -> SplitResult:
    """Normalise ``obs://bucket/key``.

    Raises:
        InvalidInput: It names no bucket.
    """
    bucket = parts.netloc.rpartition("@")[2]
    if not _BUCKET.fullmatch(bucket):
        raise InvalidInput(
            f"{_told(parts)} is no asset URI of OBS.",
            fix="Write obs://bucket/key; a bucket's name has 3 to 63 lower-case letters, digits, '-', '.'.",
        )
    return parts._replace(netloc=bucket, query="", fragment="")


def _short(parts: SplitResult) -> SplitResult:
    if not re.fullmatch(r"/?[^/]+(:|@)[^/]+|/subscriptions/.+", parts.path, re.IGNORECASE):
        raise InvalidInput(
            f"{_told(parts)} is no asset URI of Azure Machine Learning.", fix="Write azureml:NAME:VERSION."
        )
    root, _, below = parts.path.strip("/").partition("/")
    if not below:
        return parts._replace(path=root)
    return azureml(parts._replace(netloc=root, path=f"/{below}"))


def _segments(root: str, below: list[str]) -> list[str]:
    """Write each keyword as Resource Manager does, up to ``paths``, behind which names are a user's own."""
    found: list[str] = []
    is_name = True
    for at, segment in enumerate(below):
        if not is_name and segment.lower() == "paths":
            return [*found, "paths", *below[at + 1 :]]
        word = segment.lower()
        is_id = is_name and at == 0 and root == "subscriptions" and _GUID.fullmatch(segment)
        found.append(word if is_id or (not is_name and word in _WORDS) else segment)
        is_name = not is_name
    return found


def _told(parts: SplitResult) -> str:
    return redact(repr(parts.geturl()))
