"""Connections of the official provider's type ``azure``, as Airflow hands them out."""

from __future__ import annotations

import asyncio
import json

import pytest
from azure.identity import ClientSecretCredential, DefaultAzureCredential, ManagedIdentityCredential

from airflow_batch_provider.auth import azure_credential
from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.hooks.azure_ml import AzureMLHook

SECRET = "S3CR3T-S3CR3T"
PRINCIPAL = {"login": "id", "password": SECRET}

# What the connection has, besides its extra fields; the credential that follows; what is read of it.
CONNECTIONS = {
    "service principal": (
        PRINCIPAL,
        {"tenantId": "T", "subscriptionId": "S"},
        ClientSecretCredential,
        {"client_id": "id", "client_secret": SECRET, "tenant_id": "T", "subscription_id": "S"},
    ),
    "the machine's identity": ({}, {"subscriptionId": "S"}, DefaultAzureCredential, {"subscription_id": "S"}),
    "managed identity": (
        {},
        {"managed_identity_client_id": "M"},
        ManagedIdentityCredential,
        {"managed_identity_client_id": "M"},
    ),
    "workload identity": (
        {},
        {"managed_identity_client_id": "M", "workload_identity_tenant_id": "W"},
        DefaultAzureCredential,
        {"managed_identity_client_id": "M", "workload_identity_tenant_id": "W"},
    ),
    "China": (
        PRINCIPAL,
        {"tenantId": "T", "cloud_environment": "AzureChinaCloud"},
        ClientSecretCredential,
        {"arm": "https://management.chinacloudapi.cn", "authority": "https://login.chinacloudapi.cn"},
    ),
    "US government": (
        {},
        {"cloud_environment": "AzureUSGovernment"},
        DefaultAzureCredential,
        {"arm": "https://management.usgovcloudapi.net", "authority": "https://login.microsoftonline.us"},
    ),
    # It chooses between two libraries there; here there is one.
    "identity object": (
        PRINCIPAL,
        {"tenantId": "T", "use_azure_identity_object": True},
        ClientSecretCredential,
        {"client_secret": SECRET},
    ),
    "empty fields of its form": (
        PRINCIPAL,
        {"tenantId": "T", "key_path": "", "key_json": None, "managed_identity_client_id": ""},
        ClientSecretCredential,
        {"managed_identity_client_id": ""},
    ),
}
prefixes = pytest.mark.parametrize("prefix", ["", "extra__azure__"], ids=["plain", "prefixed"])


@pytest.fixture
def stored(monkeypatch):
    """Store a connection of type ``azure`` where Airflow finds it, and return a hook of it."""

    def store(fields, extra, prefix=""):
        extra = {f"{prefix}{name}": value for name, value in extra.items()}
        connection = json.dumps({"conn_type": "azure", **fields, "extra": extra})
        monkeypatch.setenv("AIRFLOW_CONN_AZURE_DEFAULT", connection)
        return AzureMLHook("azure_default")

    return store


@prefixes
@pytest.mark.parametrize(
    ("fields", "extra", "credential", "expected"), CONNECTIONS.values(), ids=CONNECTIONS.keys()
)
def test_a_connection_of_the_official_provider_works(stored, fields, extra, credential, expected, prefix):  # noqa: PLR0917
    """Its fields mean what they mean there, with or without the prefix of its old forms."""
    hook = stored(fields, extra, prefix)
    hook.open()

    assert {name: getattr(hook.connection, name) for name in expected} == expected
    assert type(azure_credential(hook.connection)) is credential


@prefixes
@pytest.mark.parametrize(
    ("name", "value"), [("key_path", "/etc/key.json"), ("key_json", {"clientSecret": SECRET})]
)
def test_a_key_file_is_explained(stored, name, value, prefix):
    """Who is meant by it would be ignored, so it is refused, with what to do instead and without the key."""
    hook = stored({}, {name: value}, prefix)

    with pytest.raises(InvalidInput, match=f"Connection 'azure_default' has a {name}") as refused:
        hook.open()

    assert "clientSecret into password" in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_connection_written_as_a_url_works(monkeypatch):
    """Airflow also takes connections as URLs."""
    url = f"azure://id:{SECRET}@/?tenantId=T&subscriptionId=S&cloud_environment=AzureChinaCloud"
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_DEFAULT", url)
    hook = AzureMLHook("azure_default")
    asyncio.run(hook.aopen())

    found = hook.connection
    assert (found.client_id, found.client_secret, found.tenant_id) == ("id", SECRET, "T")
    assert (found.subscription_id, found.cloud.name) == ("S", "AzureChinaCloud")


def test_what_it_lacks_comes_from_the_task(monkeypatch):
    """Its form has no resource group and no workspace: a task names them, and the service is reached."""
    with Emulator() as emulator:
        given = emulator.airflow_connection()
        extra = {name: given["extra"][name] for name in ("tenantId", "subscriptionId")}
        stored = {**given, "conn_type": "azure", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AZURE_DEFAULT", json.dumps(stored))
        place = {"resource_group_name": "emulator", "workspace_name": "emulator"}

        assert AzureMLHook("azure_default", **place).test_connection()[0]
        works, told = AzureMLHook("azure_default").test_connection()
        assert not works
        assert "lacks resource_group_name, workspace_name" in told
