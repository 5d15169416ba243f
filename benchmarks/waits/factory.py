"""The official Data Factory operator and trigger, pointed at a service on this machine.

Azure's clients refuse plain http, so they get the address, a credential that asks the service for a token,
and leave to send it. Nothing else of the provider is changed.
"""

from __future__ import annotations

import os
import time
from typing import Any

import aiohttp
import httpx
from airflow.providers.microsoft.azure.hooks import data_factory as hooks
from airflow.providers.microsoft.azure.triggers.data_factory import AzureDataFactoryTrigger
from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy, BearerTokenCredentialPolicy

SCOPE = "https://management.azure.com/.default"
URL = "WAITS_URL"
"""The environment variable that says where the service is, in processes that Airflow starts."""


class LocalTrigger(AzureDataFactoryTrigger):
    """The official trigger; Airflow imports this module with it."""

    def serialize(self) -> Any:
        return "waits.factory.LocalTrigger", super().serialize()[1]


class Credential:
    """Asks the service for a token, without a library that would check where it is."""

    def __init__(self, **_: Any) -> None: ...

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return _token(httpx.post(f"{os.environ[URL]}/t/oauth2/v2.0/token", trust_env=False).json())


class AsyncCredential(Credential):
    """The same for an event loop."""

    async def get_token(self, *_: str, **__: Any) -> AccessToken:  # type: ignore[override]
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{os.environ[URL]}/t/oauth2/v2.0/token") as answer,
        ):
            return _token(await answer.json())

    async def close(self) -> None: ...


def _token(answer: dict[str, Any]) -> AccessToken:
    return AccessToken(answer["access_token"], int(time.time()) + 86_400)


class Policy(BearerTokenCredentialPolicy):
    """Sends the token without TLS."""

    def on_request(self, request: Any) -> None:
        request.context.options["enforce_https"] = False
        super().on_request(request)


class AsyncPolicy(AsyncBearerTokenCredentialPolicy):
    """The same for an event loop."""

    async def on_request(self, request: Any) -> None:
        request.context.options["enforce_https"] = False
        await super().on_request(request)


def point_at_service() -> None:
    """Have the provider's hooks ask the service."""
    client, async_client = hooks.DataFactoryManagementClient, hooks.AsyncDataFactoryManagementClient

    def local(credential: Any, subscription_id: str) -> Any:
        policy = Policy(credential, SCOPE)
        return client(credential, subscription_id, base_url=os.environ[URL], authentication_policy=policy)

    def async_local(credential: Any, subscription_id: str) -> Any:
        policy = AsyncPolicy(credential, SCOPE)
        return async_client(
            credential, subscription_id, base_url=os.environ[URL], authentication_policy=policy
        )

    hooks.DataFactoryManagementClient, hooks.AsyncDataFactoryManagementClient = local, async_local
    hooks.ClientSecretCredential, hooks.AsyncClientSecretCredential = Credential, AsyncCredential


point_at_service()
