"""Places in OBS, Huawei Cloud's object storage: ``obs://bucket/key`` and ``/bucket/key``.

The workflow API and its samples write ``/bucket/key``, the vendor's other clients ``obs://bucket/key``; a
folder ends with ``/``. Source: the API pages of ModelArts and the developer guide of OBS, whose endpoints
take a bucket as a subdomain only.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.values import RENDERED, is_nothing, shown
from airflow_batch_provider.web import is_local

_PLACE = re.compile(r"(?:obs:/)?/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/.*)?", re.DOTALL)


def is_obs_path(value: Any) -> bool:
    """Say whether *value* is a place in OBS, in either form."""
    return isinstance(value, str) and _PLACE.fullmatch(value) is not None


def place_of(where: str, value: Any) -> str:
    """Return *value* if it is a place in OBS, in either form.

    Args:
        where: Where it stands, for the message.
        value: It.

    Raises:
        InvalidInput: It is none.
    """
    if not is_obs_path(value):
        why = f" {RENDERED}" if is_nothing(value) else ""
        raise InvalidInput(
            f"{where} is {shown(value)}, which is not a path of OBS.{why}",
            fix="Write obs://bucket/folder/ or /bucket/folder/; a bucket's name has 3 to 63 lower-case "
            "letters, digits, '-' and '.'.",
        )
    return str(value)


def bucket_and_key(path: str) -> tuple[str, str]:
    """Return the bucket and the key of a place in OBS in either form.

    Raises:
        InvalidInput: It is none.
    """
    bucket, _, key = api_path(place_of("path", path))[1:].partition("/")
    return bucket, key


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
    bucket, key = bucket_and_key(path)
    if is_local(endpoint):
        return f"{endpoint}/{bucket}/{quote(key)}"
    scheme, host = endpoint.split("://", 1)
    return f"{scheme}://{bucket}.{host}/{quote(key)}"
