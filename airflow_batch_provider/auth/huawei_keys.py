"""Access keys for OBS, which takes no IAM token: the connection's own, or temporary ones for its token.

Source: the vendor's API page of ``POST /v3.0/OS-CREDENTIAL/securitytokens``.
"""

from __future__ import annotations

import time
from typing import Any

import httpx

from airflow_batch_provider.answers import inner, need
from airflow_batch_provider.auth.huawei_iam import RESOURCE, iam_tokens_of, post_to_iam
from airflow_batch_provider.auth.tokens import AccessToken, Credential, Token, Tokens, shared_tokens
from airflow_batch_provider.services.modelarts.answers import read
from airflow_batch_provider.services.modelarts.connection import ModelArtsConnection
from airflow_batch_provider.services.modelarts.keys import Keys
from airflow_batch_provider.values import epoch

_KEY_SECONDS = 3600
_FOREVER = 10 * 365 * 24 * 3600.0
_DOING = "asking IAM for temporary access keys"


class OwnKeys:
    """The keys that a connection of kind ``aksk`` has.

    Args:
        connection: The connection.
    """

    def __init__(self, connection: ModelArtsConnection) -> None:
        self._connection = connection

    def get_token(self, *scopes: str) -> Any:  # noqa: ARG002  # keys are for all services
        """Return the keys."""
        own = self._connection
        keys = Keys(own.access_key, own.secret_key, own.security_token)
        return AccessToken(keys.to_text(), time.time() + _FOREVER)


class TemporaryKeys:
    """Exchanges an IAM token for keys.

    Args:
        connection: Of kind ``token``.
    """

    def __init__(self, connection: ModelArtsConnection) -> None:
        self._connection = connection

    def get_token(self, *scopes: str) -> Any:  # noqa: ARG002  # keys are for all services
        """Return keys; raises as every request does."""
        tokens = iam_tokens_of(self._connection)
        token = tokens.get(RESOURCE)
        response = self._ask(token)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            tokens.drop(RESOURCE, token)
            response = self._ask(tokens.get(RESOURCE))
        found = inner(read(response, _DOING), "credential")
        names = ("access", "secret", "securitytoken")
        keys = Keys(*(str(need(found, _DOING, name)) for name in names))
        return AccessToken(keys.to_text(), epoch(found.get("expires_at")) or time.time() + _KEY_SECONDS)

    def _ask(self, token: Token) -> httpx.Response:
        asked = {"id": token.value, "duration_seconds": _KEY_SECONDS}
        body = {"auth": {"identity": {"methods": ["token"], "token": asked}}}
        return post_to_iam(self._connection, "/v3.0/OS-CREDENTIAL/securitytokens", body)


def keys_credential(connection: ModelArtsConnection) -> Credential:
    """Return where a connection's access keys come from."""
    return OwnKeys(connection) if connection.auth == "aksk" else TemporaryKeys(connection)


def obs_keys_of(connection: ModelArtsConnection) -> Tokens:
    """Return the access keys of a connection, shared by all tasks of a process; see `shared_tokens`."""
    return shared_tokens(keys_credential, connection)
