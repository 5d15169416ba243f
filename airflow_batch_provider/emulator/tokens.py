"""Access tokens: random strings of which only a hash is kept, with audience and expiry."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass

from airflow_batch_provider.emulator.database import Database


@dataclass(frozen=True)
class Token:
    """What the emulator knows of a token that it issued."""

    audience: str
    client: str
    tenant: str
    expires: float

    @property
    def expired(self) -> bool:
        """Whether its time is over."""
        return time.time() >= self.expires


class TokenStore:
    """The tokens issued so far; they survive a restart of the emulator."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def issue(self, audience: str, client: str, tenant: str, lifetime: float) -> str:
        """Make a token for an audience and return it; it is kept as a hash only."""
        token = "emu_" + secrets.token_urlsafe(32)
        expires = time.time() + lifetime
        with self._database.transaction():
            self._database.execute("DELETE FROM tokens WHERE expires < ?", time.time() - 86400)
            self._database.execute(
                "INSERT INTO tokens VALUES (?, ?, ?, ?, ?)", _hash(token), audience, client, tenant, expires
            )
        return token

    def find(self, token: str) -> Token | None:
        """Return what is known of a token, or None if it was not issued here."""
        row = self._database.execute(
            "SELECT audience, client, tenant, expires FROM tokens WHERE hash = ?", _hash(token)
        ).fetchone()
        return Token(*row) if row else None

    def expire_all(self) -> None:
        """End every token now."""
        self._database.execute("UPDATE tokens SET expires = min(expires, ?)", time.time())


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
