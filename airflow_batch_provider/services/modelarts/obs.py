"""Places in OBS, Huawei Cloud's object storage: ``obs://bucket/key`` and ``/bucket/key``.

The workflow API and its samples write ``/bucket/key``, the vendor's other clients ``obs://bucket/key``; a
folder ends with ``/``. Source: the API pages of ModelArts and the developer guide of OBS, whose endpoints
take a bucket as a subdomain only.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from airflow_batch_provider.web import is_local

_PLACE = re.compile(r"(?:obs:/)?/(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<key>.*))?", re.DOTALL)


def is_obs_path(value: Any) -> bool:
    """Say whether *value* is a place in OBS, in either form."""
    return isinstance(value, str) and _PLACE.fullmatch(value) is not None


def bucket_and_key(path: str) -> tuple[str, str] | None:
    """Return the bucket and the key of a place in OBS in either form, or ``None`` if it is none."""
    found = _PLACE.fullmatch(path)
    return (found["bucket"], found["key"] or "") if found else None


def api_path(path: str) -> str:
    """Return a place in OBS as the workflow API writes it: ``/bucket/key``."""
    return path.removeprefix("obs:/")


def uri(path: str) -> str:
    """Return a place in OBS as ``obs://bucket/key``."""
    return f"obs:/{api_path(path)}"


def url(path: str, endpoint: str) -> str:
    """Return the HTTP address of a place in OBS.

    Args:
        path: In either form.
        endpoint: Base URL of OBS in the bucket's region. On this machine no bucket has a host of its own, so
            the bucket is part of the path there.
    """
    bucket, key = bucket_and_key(path) or ("", "")
    if is_local(endpoint):
        return f"{endpoint}/{bucket}/{quote(key)}"
    scheme, host = endpoint.split("://", 1)
    return f"{scheme}://{bucket}.{host}/{quote(key)}"
