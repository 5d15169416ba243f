"""Which API of the service a path belongs to."""

from __future__ import annotations

import re

from airflow_batch_provider.emulator.ids import PROVIDER

SENT_PATH = "airflow_batch_provider.sent_path"
"""Key of a request's scope that says which path the client sent, in bytes: that is what it signed."""

_ROOTS = {
    "subscriptions": "arm",
    "endpoints": "batch",
    "mferp": "batch",
    "history": "history",
    "data": "data",
    "discovery": "discovery",
    "blob": "blob",
    "runs": "studio",
    "v2": "modelarts",
    "v3": "iam",
    "v3.0": "iam",
    "obs": "obs",
    "_emulator": "control",
}
_EXACT = frozenset({"blob", "obs", "modelarts", "iam"})
_FIXED = (
    *("subscriptions", "resourceGroups", "providers", "locations", "workspaces", "datastores", "listSecrets"),
    *("computes", "codes", "models", "environments", "components", "data", "versions", "batchEndpoints"),
    *("deployments", "jobs", "cancel", "mfeOperationResults", "mfeOperationsStatus"),
    *("computeOperationsStatus", "labels", "startPendingUpload"),
    *("dataversion", "runs", "children", "details", "rundata"),
)
_CANONICAL = {word.lower(): word for word in _FIXED} | {PROVIDER.lower(): PROVIDER}
_OBS_HOST = re.compile(r"(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\.obs\.", re.IGNORECASE)
_REGION_IN_HOST = re.compile(r"(?:.*\.)?(?:modelarts|obs)\.(?P<region>[a-z]+-[a-z]+-[0-9]+)\.", re.IGNORECASE)
_BLOB_HOST = re.compile(r"(?P<account>[a-z0-9]{3,24})\.blob\.", re.IGNORECASE)


def plane_of(path: str) -> str:
    """Return the plane of a path: one of the names above, else entra, whose paths begin with any tenant."""
    return _ROOTS.get(path.lstrip("/").partition("/")[0].lower(), "entra")


def canonical_path(path: str) -> str:
    """Return a path with its fixed segments in their canonical case, since ARM compares them without case.

    Only keys are changed, that is every second segment from ``subscriptions`` on, and the provider's name: a
    workspace that happens to be called ``Jobs`` keeps its name.
    """
    if plane_of(path) in _EXACT:
        return path
    segments = path.split("/")
    start = next((i for i, segment in enumerate(segments) if segment.lower() == "subscriptions"), None)
    if start is None:
        return path
    for index in range(start, len(segments)):
        word = segments[index].lower()
        if (index - start) % 2 == 0 or word == PROVIDER.lower():
            segments[index] = _CANONICAL.get(word, segments[index])
    return "/".join(segments)


def region_of(host: str) -> str:
    """Return the region that a host of Huawei Cloud is in; empty for a host that says none."""
    found = _REGION_IN_HOST.match(host)
    return found["region"].lower() if found else ""


def storage_path(host: str, path: str) -> str:
    """Return the path of a request to a storage host; other paths as they are.

    ``{account}.blob.*`` is what ``/blob/{account}`` is, ``{bucket}.obs.*`` what ``/obs/{bucket}`` is.
    """
    blob, obs = _BLOB_HOST.match(host), _OBS_HOST.match(host)
    if blob:
        return f"/blob/{blob['account'].lower()}{path}"
    return f"/obs/{obs['bucket'].lower()}{path}" if obs else path
