"""How requests to an Azure storage account are authorised."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, ClassVar, Protocol
from urllib.parse import parse_qs

from airflow_batch_provider.services.azure_ml.clouds import STORAGE_AUDIENCE
from airflow_batch_provider.storage.steps import Step, Steps


class Tokens(Protocol):
    """Gets tokens and keeps them while they are good; the shape of `auth.Tokens`."""

    def get(self, resource: str) -> Any:
        """Return a token, an object with ``value``."""

    async def aget(self, resource: str) -> Any:
        """Do the same in an event loop."""

    def drop(self, resource: str, token: Any) -> None:
        """Forget a token that was refused."""


class TokenAccess:
    """What is authorised by tokens that expire, whatever they are."""

    tokens: Tokens | None
    resource: ClassVar[str]

    def token(self) -> Steps[Any]:
        """Return the token that `credential` is going to use, or ``None`` if it uses none.

        Asked for here first, a token that cannot be had is seen as the error that it is.
        """
        if self.tokens is None:
            return None
        tokens, resource = self.tokens, self.resource
        return (yield Step(lambda: tokens.get(resource), lambda: tokens.aget(resource)))

    def drop(self, token: Any) -> None:
        """Forget a token that was refused."""
        if self.tokens is not None:
            self.tokens.drop(self.resource, token)


@dataclass(frozen=True)
class Access(TokenAccess):
    """A SAS, an account key, tokens, or (with nothing given) anonymous access.

    Args:
        sas: Query string of a shared access signature, a secret.
        account_key: A secret.
        tokens: Where tokens for blob storage come from.
    """

    sas: str = field(default="", repr=False)
    account_key: str = field(default="", repr=False)
    tokens: Tokens | None = field(default=None, repr=False)
    resource: ClassVar[str] = STORAGE_AUDIENCE

    @property
    def is_anonymous(self) -> bool:
        """Whether nothing is given."""
        return self == Access()

    @property
    def is_for_one_file(self) -> bool:
        """Whether it is a SAS for a single blob, with which nothing can be listed."""
        return parse_qs(self.sas).get("sr") == ["b"]

    @property
    def fix(self) -> str:
        """What to do when the storage refuses."""
        if self.sas:
            return "Check that the SAS has not expired and allows reading and listing (sp=rl)."
        if self.account_key:
            return "Check the account key, and that the account allows access by key."
        if self.tokens:
            return "Give this identity the role 'Storage Blob Data Reader' on the container or the account."
        return "Anonymous reading is not allowed there: use a connection's identity, or a SAS."

    @property
    def write_fix(self) -> str:
        """What to do when the storage refuses to take files."""
        if self.sas:
            return "Check that the SAS has not expired and allows listing, reading and writing (sp=rcwl)."
        if self.tokens:
            return "Give this identity the role 'Storage Blob Data Contributor' on the container."
        return self.fix

    def credential(self) -> dict[str, Any]:
        """Return what obstore asks for before each request."""
        if self.sas:
            return {"sas_token": self.sas, "expires_at": None}
        if self.account_key:
            return {"access_key": self.account_key, "expires_at": None}
        if self.tokens is None:
            raise RuntimeError("Anonymous access has no credential.")
        # Declared as expired, so that obstore keeps no copy: a refused token is replaced at once.
        token = self.tokens.get(self.resource)
        return {"token": token.value, "expires_at": datetime.now(timezone.utc)}
