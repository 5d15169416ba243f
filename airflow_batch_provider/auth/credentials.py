"""Credentials: who asks for tokens, as an object of azure-identity or the emulator's own."""

from __future__ import annotations

import ssl
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import httpx

from airflow_batch_provider.auth.tokens import AccessToken, Credential
from airflow_batch_provider.errors import ConnectionFailed, InvalidInput, redact
from airflow_batch_provider.services.azure_ml.answers import need, read
from airflow_batch_provider.services.azure_ml.connection import AzureMLConnection

# Of azure-identity's requests; its defaults wait for minutes. Whoever waits for a job asks again anyway.
_ISSUER_LIMITS = {"connection_timeout": 15, "read_timeout": 60, "retry_total": 3}


class EmulatorCredential:
    """Asks the emulator for tokens, with the client-credentials request of the OAuth 2.0 specification.

    Args:
        url: Base URL of the emulator, on this machine.
        tenant: Any tenant id.
        client_id: Client id.
        client_secret: Client secret.
        verify: How its certificate is verified, if it serves TLS.
    """

    def __init__(
        self,
        url: str,
        tenant: str,
        client_id: str,
        client_secret: str,
        verify: bool | ssl.SSLContext = True,
    ) -> None:
        self._url = f"{url}/{tenant or 'common'}/oauth2/v2.0/token"
        self._verify = verify
        self._form = {
            "grant_type": "client_credentials",
            "client_id": client_id or "emulator",
            "client_secret": client_secret or "emulator",
        }

    def get_token(self, *scopes: str) -> Any:
        """Return a token; raises as every request does."""
        form = {**self._form, "scope": " ".join(scopes)}
        try:
            # The environment's proxies are for the internet, never for the emulator on this machine.
            response = httpx.post(self._url, data=form, timeout=30, verify=self._verify, trust_env=False)
        except httpx.RequestError as error:
            raise ConnectionFailed(
                f"The emulator at {self._url} does not answer: {redact(str(error))}.",
                fix="Is it running? Start it with 'make emulator'.",
            ) from error
        doing = "asking the emulator for a token"
        body = read(response, doing)
        return AccessToken(
            str(need(body, doing, "access_token")), time.time() + float(body.get("expires_in") or 3600)
        )


class Connection(Protocol):
    """What a connection of any service says about TLS."""

    @property
    def conn_id(self) -> str:
        """The connection's id."""

    @property
    def verify(self) -> bool | str:
        """Whether, or with which CA bundle, certificates are verified."""


def tls_of(connection: Connection) -> ssl.SSLContext:
    """Return what ``httpx`` takes as ``verify``: one context for all clients, because building one is slow.

    Raises:
        InvalidInput: The connection's CA bundle cannot be read.
    """
    try:
        return _context(connection.verify)
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"Connection {connection.conn_id!r} has the verify {connection.verify!r}, "
            f"which cannot be read: {error}.",
            fix="Give true, false, or the path of a CA bundle in PEM form.",
        ) from error


@lru_cache(maxsize=16)
def _context(verify: bool | str) -> ssl.SSLContext:
    if isinstance(verify, bool):
        return httpx.create_ssl_context(verify=verify)
    bundle = Path(verify)
    if bundle.is_dir():
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)


def azure_credential(connection: AzureMLConnection) -> Credential:
    """Return the credential that a connection describes: one of azure-identity, or the emulator's.

    A service principal's is azure-identity's own also where the emulator serves TLS, without which
    azure-identity talks to nobody.

    Raises:
        InvalidInput: A certificate cannot be read, or azure-identity refuses a value.
    """
    verify = tls_of(connection)
    is_principal = bool(connection.client_secret or connection.certificate_path)
    if connection.is_emulator and not (is_principal and connection.authority.startswith("https:")):
        return EmulatorCredential(
            connection.authority, connection.tenant_id, connection.client_id, connection.client_secret, verify
        )
    try:
        return _principal(connection) if is_principal else _identity_of_machine(connection)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"Connection {connection.conn_id!r} describes no credential: {error}",
            fix="Check tenantId, login, managed_identity_client_id and authority.",
        ) from error


def _principal(connection: AzureMLConnection) -> Credential:
    from azure import identity

    options = {**_authority(connection), **_ISSUER_LIMITS}
    principal = (connection.tenant_id, connection.client_id)
    if not connection.certificate_path:
        return identity.ClientSecretCredential(*principal, connection.client_secret, **options)
    password = connection.certificate_password or None
    try:
        return identity.CertificateCredential(
            *principal, connection.certificate_path, password=password, **options
        )
    except (OSError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"Connection {connection.conn_id!r} has the certificate_path "
            f"{connection.certificate_path!r}, which cannot be read: {error}.",
            fix="Give a PEM or PKCS12 file with the certificate and its private key, and as password that of "
            "the file, if it has one.",
        ) from error


def _identity_of_machine(connection: AzureMLConnection) -> Credential:
    from azure import identity

    client_id, tenant = connection.managed_identity_client_id, connection.workload_identity_tenant_id
    if client_id and not tenant:
        return identity.ManagedIdentityCredential(client_id=client_id)
    options = _authority(connection)
    if client_id:
        options |= {"managed_identity_client_id": client_id, "workload_identity_client_id": client_id}
    if tenant:
        options["workload_identity_tenant_id"] = tenant
    return identity.DefaultAzureCredential(**options)


def _authority(connection: AzureMLConnection) -> dict[str, Any]:
    """Return the options that say whom to ask for tokens, and how."""
    options: dict[str, Any] = {"authority": connection.authority}
    if connection.authority != connection.cloud.authority:
        # It would be looked up in the list of the public cloud, which knows no private one.
        options["disable_instance_discovery"] = True
    if connection.verify is not True:
        options["connection_verify"] = connection.verify
    if connection.is_emulator:
        options["use_env_settings"] = False  # No proxy leads to this machine.
    return options
