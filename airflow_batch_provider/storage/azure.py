"""A container of an Azure storage account, opened with obstore."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.storage.access import Access
from airflow_batch_provider.web import is_local

# obstore asks again after 5xx, 429 and lost connections; whoever waits for files has patience of its own.
_RETRIES: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=60)}
_TIMEOUTS = {"connect_timeout": timedelta(seconds=15), "timeout": timedelta(seconds=60)}


@dataclass(frozen=True)
class Container:
    """A container of a storage account.

    Args:
        endpoint_url: Of the account's blob service, without a slash at the end.
        account: Its name.
        name: Container, or file system.
        verify: Whether, or with which CA bundle, TLS certificates are verified.

    Raises:
        InvalidInput: The endpoint is not encrypted, and not on this machine.
    """

    endpoint_url: str
    account: str
    name: str
    verify: bool | str = True

    def __post_init__(self) -> None:
        scheme = httpx.URL(self.endpoint_url).scheme
        if scheme != "https" and not (scheme == "http" and self.is_local):
            raise InvalidInput(
                f"{self.endpoint_url} is not encrypted; nothing is sent there.",
                fix="Use https. Plain http is for storage emulators on this machine.",
            )

    def __str__(self) -> str:
        return f"container {self.name!r} of storage account {self.account!r}"

    @property
    def is_local(self) -> bool:
        """Whether the endpoint is on this machine."""
        return is_local(self.endpoint_url)


@lru_cache(maxsize=64)
def open_store(container: Container, access: Access) -> Any:
    """Return obstore's store of a container.

    It takes tens of milliseconds to make and holds a pool of connections, so all tasks of a process share it.
    """
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore

    provider: Any = None if access.is_anonymous else access.credential
    try:
        return AzureStore(
            container.name,
            # obstore fills in from environment variables what is not given here. They are not meant for us:
            # address and credential are always ours.
            account_name=container.account,
            endpoint=container.endpoint_url,
            use_emulator=False,
            skip_signature=access.is_anonymous,
            credential_provider=provider,
            client_options=_client_options(container),
            retry_config=_RETRIES,
        )
    except (BaseError, ValueError) as error:
        raise InvalidInput(f"The {container} cannot be opened: {str(error).splitlines()[0]}") from error


def _client_options(container: Container) -> Any:
    options: dict[str, Any] = dict(_TIMEOUTS)
    if container.verify is False:
        options["allow_invalid_certificates"] = True
    elif isinstance(container.verify, str):
        options["root_certificate"] = certificates(container.verify)
    if container.is_local:
        options["allow_http"] = True
        # The environment's proxies are for the internet. obstore leaves them alone only if told of another.
        options["proxy_url"] = container.endpoint_url
        options["proxy_excludes"] = httpx.URL(container.endpoint_url).host
    return options


def certificates(bundle: str) -> bytes:
    """Return the CA certificates in a PEM file, or in the files of a folder.

    Raises:
        InvalidInput: They cannot be read.
    """
    place = Path(bundle)
    try:
        files = sorted(place.iterdir()) if place.is_dir() else [place]
        return b"\n".join(file.read_bytes() for file in files)
    except OSError as error:
        raise InvalidInput(
            f"The connection's verify is {bundle!r}, which cannot be read: {error.strerror}.",
            fix="Give the path of a PEM file with CA certificates, or true or false.",
        ) from error
