"""Containers of Azure storage accounts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.storage.access import Access
from airflow_batch_provider.storage.endpoint import RETRIES, Endpoint
from airflow_batch_provider.storage.files import Files
from airflow_batch_provider.storage.objects import object_files
from airflow_batch_provider.storage.steps import Step


def azure_files(
    uri: str,
    *,
    endpoint_url: str,
    account: str,
    container: str,
    path: str,
    access: Access,
    otherwise: Step | None = None,
    verify: bool | str = True,
) -> Files:
    """Return the files at a place in a storage account.

    With a SAS, single files below a folder can be told from empty folder markers, and a *path* that is a file
    can be seen, only if it allows reading (``sp=rl``).

    Args:
        uri: How the place is shown to users; the files' own URIs begin with it. Without a SAS.
        endpoint_url: Of the account's blob service: ``https://ACCOUNT.blob.core.windows.net``, or with the
            account in its path, ``http://127.0.0.1:10000/ACCOUNT``.
        account: Its name.
        container: Container, or file system.
        path: Below the container, not quoted; empty for all of it. Ending in ``/``, it is a folder only.
        access: How requests are authorised.
        otherwise: Obtains another `Access`, for when the first is refused; see `objects.object_files`.
        verify: Whether, or with which CA bundle, TLS certificates are verified.

    Raises:
        InvalidInput: No request can be made for this path or endpoint.
    """
    place = Container(Endpoint(endpoint_url.rstrip("/"), verify), account, container)
    return object_files(uri, place, path, access, otherwise)


@dataclass(frozen=True)
class Container:
    """A container of a storage account.

    Args:
        endpoint: The account's blob service.
        account: Its name.
        name: Container, or file system.
    """

    endpoint: Endpoint
    account: str
    name: str

    def __str__(self) -> str:
        return f"container {self.name!r} of storage account {self.account!r}"

    def open(self, access: Access) -> Any:
        """Return obstore's store of the container.

        Raises:
            InvalidInput: It cannot be opened.
        """
        return _open(self, access)


# It takes tens of milliseconds and holds a pool of connections, so all tasks of a process share it.
@lru_cache(maxsize=64)
def _open(container: Container, access: Access) -> Any:
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore

    provider: Any = None if access.is_anonymous else access.credential
    try:
        return AzureStore(
            container.name,
            # obstore fills in from environment variables what is not given here. They are not meant for us:
            # address and credential are always ours.
            account_name=container.account,
            endpoint=container.endpoint.url,
            use_emulator=False,
            skip_signature=access.is_anonymous,
            credential_provider=provider,
            client_options=container.endpoint.client_options(),
            retry_config=RETRIES,
        )
    except (BaseError, ValueError) as error:
        raise InvalidInput(f"The {container} cannot be opened: {str(error).splitlines()[0]}") from error
