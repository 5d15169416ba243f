"""Buckets of OBS, Huawei Cloud's object storage, by its S3-compatible interface.

Source: the developer guide of OBS. A bucket is a subdomain of its region's endpoint: since 2023-12-30 it is
refused as a part of the path there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.storage.endpoint import RETRIES, Endpoint
from airflow_batch_provider.storage.files import Files
from airflow_batch_provider.storage.keys import KeyAccess
from airflow_batch_provider.storage.objects import object_files


def obs_files(
    *, endpoint_url: str, region: str, bucket: str, path: str, access: KeyAccess, verify: bool | str = True
) -> Files:
    """Return the files at a place in a bucket.

    Args:
        endpoint_url: Of OBS in the bucket's region: ``https://obs.cn-north-4.myhuaweicloud.com``. On this
            machine no bucket has a host of its own, so the bucket is a part of the path there.
        region: Its id, which is signed.
        bucket: The bucket's name.
        path: Below the bucket, not quoted; empty for all of it. Ending in ``/``, it is a folder only.
        access: How requests are signed.
        verify: Whether, or with which CA bundle, TLS certificates are verified.

    Raises:
        InvalidInput: No request can be made for this path or endpoint.
    """
    place = Bucket(Endpoint(endpoint_url.rstrip("/"), verify), region, bucket)
    return object_files(f"obs://{bucket}/{path}", place, path, access)


@dataclass(frozen=True)
class Bucket:
    """A bucket.

    Args:
        endpoint: OBS, in the bucket's region.
        region: Its id.
        name: The bucket's name.
    """

    endpoint: Endpoint
    region: str
    name: str

    def __str__(self) -> str:
        return f"bucket {self.name!r} at {self.endpoint.url}"

    @property
    def url(self) -> str:
        """What obstore takes as endpoint: it wants the bucket in it only where the bucket is a host."""
        if self.endpoint.is_local:
            return self.endpoint.url
        scheme, host = self.endpoint.url.split("://", 1)
        return f"{scheme}://{self.name}.{host}"

    def open(self, access: KeyAccess) -> Any:
        """Return obstore's store of the bucket.

        Raises:
            InvalidInput: It cannot be opened.
        """
        return _open(self, access)


@lru_cache(maxsize=64)
def _open(bucket: Bucket, access: KeyAccess) -> Any:
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    provider: Any = access.credential
    try:
        return S3Store(
            bucket.name,
            # obstore fills in from environment variables what is not given here. They are of another cloud:
            # address and credential are always ours.
            endpoint=bucket.url,
            region=bucket.region or "region",
            virtual_hosted_style_request=not bucket.endpoint.is_local,
            skip_signature=False,
            credential_provider=provider,
            client_options=bucket.endpoint.client_options(),
            retry_config=RETRIES,
        )
    except (BaseError, ValueError) as error:
        raise InvalidInput(f"The {bucket} cannot be opened: {str(error).splitlines()[0]}") from error
