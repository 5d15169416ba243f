"""Credentials as ``httpx.Auth``: `entra_auth` for Azure, `modelarts_auth` for Huawei Cloud.

`Tokens` holds a connection's tokens for all tasks of a process; `azure_credential` says who asks for them;
`TokenAuth` decides where they may go. `AkSkAuth` signs requests instead.
"""

from __future__ import annotations

from airflow_batch_provider.auth.credentials import EmulatorCredential, azure_credential, tls_of
from airflow_batch_provider.auth.entra import EntraAuth, entra_auth, tokens_of
from airflow_batch_provider.auth.huawei import modelarts_auth
from airflow_batch_provider.auth.huawei_aksk import AkSkAuth
from airflow_batch_provider.auth.huawei_iam import IamAuth, iam_tokens_of
from airflow_batch_provider.auth.huawei_keys import obs_keys_of
from airflow_batch_provider.auth.tokens import Credential, Token, Tokens

__all__ = [
    "AkSkAuth",
    "Credential",
    "EmulatorCredential",
    "EntraAuth",
    "IamAuth",
    "Token",
    "Tokens",
    "azure_credential",
    "entra_auth",
    "iam_tokens_of",
    "modelarts_auth",
    "obs_keys_of",
    "tls_of",
    "tokens_of",
]
