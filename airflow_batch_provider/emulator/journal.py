"""What really happened: every request that reached the emulator, without its secrets."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode

from airflow_batch_provider.emulator import wire
from airflow_batch_provider.emulator.database import Database

KEPT_HEADERS = (
    "azureml-model-deployment",
    "repeatability_request-id",
    "repeatability-request-id",
    "x-ms-client-request-id",
    "user-agent",
    "content-type",
    "range",
)
BODY_LIMIT = 65536
_KEEP = 100_000
_SECRET_KEYS = frozenset(
    {
        *("client_secret", "client_assertion", "password", "secret", "access_token"),
        *("key", "accountkey", "accesskey", "sastoken", "sig"),
        *("clientsecret", "certificate", "sasuri"),
        *("token", "securitytoken", "x-amz-security-token", "x-amz-signature", "signature", "totp"),
    }
)
_VARIABLES = "environmentvariables"
_SIGNATURE = re.compile(r"((?:^|[?&;\"'\s])sig=)[^&\"'\s]*", re.IGNORECASE)
_HIDDEN = "***"


class Journal:
    """The requests so far, kept across restarts; the oldest go when there are very many."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entry: dict[str, Any]) -> None:
        """Note one request."""
        cursor = self._database.execute("INSERT INTO requests (body) VALUES (?)", json.dumps(entry))
        number = cursor.lastrowid or 0
        if number % 1000 == 0:
            self._database.execute("DELETE FROM requests WHERE seq <= ?", number - _KEEP)

    def entries(self, *, after: int = 0, **equal: str) -> list[dict[str, Any]]:
        """Return requests in order.

        Args:
            after: Only those after this sequence number.
            equal: Only those whose field has this value, such as ``plane="batch"``.
        """
        rows = self._database.execute("SELECT seq, body FROM requests WHERE seq > ? ORDER BY seq", after)
        entries = ({"seq": seq} | json.loads(body) for seq, body in rows)
        return [entry for entry in entries if all(str(entry.get(k)) == v for k, v in equal.items())]

    def clear(self) -> None:
        """Forget all requests."""
        self._database.execute("DELETE FROM requests")


def summary(body: bytes, content_type: str) -> Any:
    """Return what the journal shows of a body: JSON and forms without secrets, else its size and type.

    Args:
        body: The first bytes of the body, up to :data:`BODY_LIMIT`.
        content_type: As the client declared it.
    """
    if not body:
        return None
    if "x-www-form-urlencoded" in content_type:
        return {key: _hide(key, value) for key, value in parse_qsl(body.decode("utf-8", "replace"))}
    if "json" in content_type:
        try:
            return redact(wire.loads(body))
        except ValueError:
            pass
    return {"bytes": len(body), "contentType": content_type}


def redact(value: Any) -> Any:
    """Return a JSON value with the values of secret keys and the signatures in URLs hidden."""
    if isinstance(value, dict):
        return {key: _hide(str(key), redact(item)) for key, item in value.items()}
    if isinstance(value, list):
        return [redact(item) for item in value]
    return _SIGNATURE.sub(rf"\1{_HIDDEN}", value) if isinstance(value, str) else value


def redact_query(query: str) -> str:
    """Return a query string with its signature and other secrets hidden."""
    return urlencode(
        [(key, _hide(key, value)) for key, value in parse_qsl(query, keep_blank_values=True)], safe="*$/:,"
    )


def _hide(key: str, value: Any) -> Any:
    if key.lower() == _VARIABLES and isinstance(value, dict):
        return dict.fromkeys(value, _HIDDEN)
    return _HIDDEN if key.lower() in _SECRET_KEYS else value
