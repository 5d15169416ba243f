"""The emulator's memory: one SQLite file in the state folder.

Every change is committed before its request is answered, so that a killed emulator forgets nothing that a
client was told. All access is from the server's event loop: statements are short and never interleave.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS resources (
    kind TEXT, workspace TEXT, name TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, workspace, name));
CREATE TABLE IF NOT EXISTS tokens (
    hash TEXT PRIMARY KEY, audience TEXT NOT NULL, client TEXT NOT NULL, tenant TEXT NOT NULL,
    expires REAL NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, workspace TEXT NOT NULL,
    endpoint TEXT NOT NULL, deployment TEXT NOT NULL, status TEXT NOT NULL, created REAL NOT NULL,
    child TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS jobs_by_endpoint ON jobs (workspace, endpoint, seq);
CREATE INDEX IF NOT EXISTS jobs_by_child ON jobs (child);
CREATE TABLE IF NOT EXISTS repeatability (key TEXT PRIMARY KEY, job TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests (seq INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL);
"""


class StateInUseError(RuntimeError):
    """Another emulator works in this state folder."""


class Database:
    """The SQLite file and the lock of a state folder.

    Args:
        folder: The state folder; created if missing.

    Raises:
        StateInUseError: Another emulator works in this folder.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _lock(folder)
        self.connection = sqlite3.connect(
            folder / "emulator.db", isolation_level=None, check_same_thread=False
        )
        # A killed process loses nothing in WAL mode; only a power cut could, and to survive that costs an
        # fsync for each request.
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=NORMAL")
        self.connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file and let the next emulator have the folder."""
        self.connection.close()
        os.close(self._lock)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything inside together, or nothing if it raises."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """Run one statement, committed at once unless inside a transaction."""
        return self.connection.execute(statement, values)

    def recall(self, key: str, default: Any = None) -> Any:
        """Return the JSON value kept under a key."""
        row = self.execute("SELECT value FROM meta WHERE key = ?", key).fetchone()
        return default if row is None else json.loads(row[0])

    def remember(self, key: str, value: Any) -> None:
        """Keep a JSON value under a key."""
        self.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, json.dumps(value))


def _lock(folder: Path) -> int:
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise StateInUseError(
            f"The state folder {folder} is in use by another emulator. Stop it, or choose another --state."
        ) from error
    return handle
