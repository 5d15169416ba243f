"""Where a storage service answers, and how obstore is to talk to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.web import is_local

# obstore asks again after 5xx, 429 and lost connections; whoever waits for files has patience of its own.
RETRIES: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=60)}
_CONNECT_TIMEOUT = timedelta(seconds=15)


@dataclass(frozen=True)
class Endpoint:
    """A storage service.

    Args:
        url: Its base URL, without a slash at the end.
        verify: Whether, or with which CA bundle, TLS certificates are verified.
        timeout: Seconds for one request with its answer.

    Raises:
        InvalidInput: It is not encrypted, and not on this machine.
    """

    url: str
    verify: bool | str = True
    timeout: float = 60.0

    def __post_init__(self) -> None:
        scheme = httpx.URL(self.url).scheme
        if scheme != "https" and not (scheme == "http" and self.is_local):
            raise InvalidInput(
                f"{self.url} is not encrypted; nothing is sent there.",
                fix="Use https. Plain http is for storage emulators on this machine.",
            )

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return is_local(self.url)

    def client_options(self) -> Any:
        """Return obstore's ``client_options``.

        Raises:
            InvalidInput: The CA bundle cannot be read.
        """
        options: dict[str, Any] = {
            "connect_timeout": _CONNECT_TIMEOUT,
            "timeout": timedelta(seconds=self.timeout),
        }
        if self.verify is False:
            options["allow_invalid_certificates"] = True
        elif isinstance(self.verify, str):
            options["root_certificate"] = certificates(self.verify)
        if self.is_local:
            options["allow_http"] = True
            # The environment's proxies are for the internet. obstore leaves them alone only if told of
            # another.
            options["proxy_url"] = self.url
            options["proxy_excludes"] = httpx.URL(self.url).host
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
