"""Access keys: the account's own, and temporary ones that IAM gave out. They survive a restart."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_batch_provider.emulator.database import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS temporary_keys (
    access TEXT PRIMARY KEY, secret TEXT NOT NULL, token TEXT NOT NULL, expires REAL NOT NULL);
"""


@dataclass(frozen=True)
class Key:
    """An access key with its secret.

    Attributes:
        access: The access key.
        secret: The secret key.
        token: The security token that must come with it; None for a permanent key.
        expires: Epoch second of its end; None for a permanent key.
    """

    access: str
    secret: str
    token: str | None = None
    expires: float | None = None

    @property
    def expired(self) -> bool:
        """Whether its time is over."""
        return self.expires is not None and time.time() >= self.expires

    def opens_with(self, token: str | None) -> bool:
        """Whether a request with this security token, or none, may use the key."""
        return self.token is None or secrets.compare_digest(self.token, token or "")


class KeyStore:
    """The keys of the emulated account.

    Args:
        database: Where temporary keys are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        database.connection.executescript(_SCHEMA)
        self.permanent: dict[str, str] = {}

    def find(self, access: str) -> Key | None:
        """Return a key, or None if there is none of this name."""
        if access in self.permanent:
            return Key(access, self.permanent[access])
        row = self._database.execute(
            "SELECT access, secret, token, expires FROM temporary_keys WHERE access = ?", access
        ).fetchone()
        return Key(*row) if row else None

    def issue(self, seconds: float) -> Key:
        """Make a temporary key.

        Args:
            seconds: How long it is good.
        """
        key = Key(
            access=secrets.token_hex(10).upper(),
            secret="emu_" + secrets.token_urlsafe(30),
            token="emu_" + secrets.token_urlsafe(96),
            expires=time.time() + seconds,
        )
        self._database.execute(
            "INSERT INTO temporary_keys VALUES (?, ?, ?, ?)", key.access, key.secret, key.token, key.expires
        )
        return key

    def expire_all(self) -> None:
        """End every temporary key now."""
        self._database.execute("UPDATE temporary_keys SET expires = min(expires, ?)", time.time())
