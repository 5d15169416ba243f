"""Credentials as ``httpx.Auth``: `entra_auth` for Azure.

`Tokens` holds a connection's tokens for all tasks of a process; `azure_credential` says who asks for them;
`EntraAuth` decides where they may go.
"""

from __future__ import annotations

from airflow_batch_provider.auth.credentials import EmulatorCredential, azure_credential, tls_of
from airflow_batch_provider.auth.entra import EntraAuth, entra_auth, tokens_of
from airflow_batch_provider.auth.tokens import Credential, Token, Tokens

__all__ = [
    "Credential",
    "EmulatorCredential",
    "EntraAuth",
    "Token",
    "Tokens",
    "azure_credential",
    "entra_auth",
    "tls_of",
    "tokens_of",
]
