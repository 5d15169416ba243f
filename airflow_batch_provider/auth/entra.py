"""Microsoft Entra tokens on requests."""

from __future__ import annotations

import httpx

from airflow_batch_provider.auth.attached import TokenAuth
from airflow_batch_provider.auth.credentials import azure_credential
from airflow_batch_provider.auth.tokens import Token, Tokens, shared_tokens
from airflow_batch_provider.services.azure_ml.connection import AzureMLConnection
from airflow_batch_provider.services.azure_ml.hosts import HINT


class EntraAuth(TokenAuth):
    """Attaches Entra tokens; see `TokenAuth`."""

    hint = HINT

    def _attach(self, request: httpx.Request, token: Token) -> None:
        request.headers["Authorization"] = f"Bearer {token.value}"


def tokens_of(connection: AzureMLConnection) -> Tokens:
    """Return the tokens of a connection; see `shared_tokens`."""
    return shared_tokens(azure_credential, connection)


def entra_auth(connection: AzureMLConnection) -> EntraAuth:
    """Return the auth of a connection's requests."""
    return EntraAuth(tokens_of(connection), connection.audiences(), connection.hosts())
