"""What an Airflow connection says about Azure Machine Learning."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.services.azure_ml.clouds import STORAGE_AUDIENCE, Cloud, cloud_named
from airflow_batch_provider.services.azure_ml.hosts import is_local, is_loopback, token_hosts
from airflow_batch_provider.services.azure_ml.workspace import API_VERSION, Workspace
from airflow_batch_provider.values import RENDERED, is_nothing, shown
from airflow_batch_provider.web import base_url, tls_verify

__all__ = ["AzureMLConnection", "is_loopback"]

_TENANT = re.compile(r"[A-Za-z0-9.-]+")
_AUDIENCE = re.compile(r"[A-Za-z0-9_.:/-]+")
_DOMAIN = re.compile(r"(?i)[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]+)?")
_DOMAINS = {"inference_domain": "inference", "api_domain": "api", "storage_suffix": "storage"}
"""Fields that override a domain of the cloud, for private links and proxies, and what they override."""


@dataclass(frozen=True)
class AzureMLConnection:
    """A connection of type ``azure_ml``, or one of the official Azure provider, read and checked.

    Args:
        conn_id: The connection's id, for messages.
        cloud: The cloud, with the domains that the connection overrides.
        arm: Base URL of Resource Manager.
        client_id: Of a service principal, empty for none.
        client_secret: A secret.
        certificate_password: Of an encrypted certificate file; a secret.
        tenant_id: Entra tenant.
        subscription_id: Default for tasks.
        resource_group: Default for tasks.
        workspace_name: Default for tasks.
        authority: Base URL of Entra ID.
        ml_audience: Audience of data plane tokens.
        api_version: Of Resource Manager requests.
        managed_identity_client_id: Of a user-assigned managed identity.
        workload_identity_tenant_id: Of a workload identity.
        certificate_path: PEM or PKCS12 file with certificate and key, instead of a secret; then the
            connection's password is that of the file.
        verify: Whether, or with which CA bundle, TLS certificates are verified.
    """

    conn_id: str
    cloud: Cloud
    arm: str
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    certificate_password: str = field(default="", repr=False)
    tenant_id: str = ""
    subscription_id: str = ""
    resource_group: str = ""
    workspace_name: str = ""
    authority: str = ""
    ml_audience: str = ""
    api_version: str = API_VERSION
    managed_identity_client_id: str = ""
    workload_identity_tenant_id: str = ""
    certificate_path: str = ""
    verify: bool | str = True

    @classmethod
    def read(  # noqa: D417  # described by what Airflow calls them
        cls,
        conn_id: str,
        *,
        login: str | None,
        password: str | None,
        host: str | None,
        extra: Mapping[str, Any],
        cloud_environment: str | None = None,
    ) -> AzureMLConnection:
        """Read the fields of an Airflow connection.

        Args:
            conn_id: The connection's id.
            cloud_environment: Overrides the connection's.

        Raises:
            InvalidInput: A field cannot be right; the message names it.
        """

        def field_of(name: str) -> str:
            # The official provider's forms of old stored their fields with a prefix.
            value = extra.get(name)
            return str((value if value is not None else extra.get(f"extra__azure__{name}")) or "").strip()

        def checked(name: str, pattern: re.Pattern[str], fix: str) -> str:
            value = field_of(name)
            if value and not pattern.fullmatch(value):
                raise InvalidInput(f"Connection {conn_id!r} has the {name} {shown(value)}.", fix=fix)
            return value

        _check_key_files(conn_id, field_of)
        _given("cloud_environment", cloud_environment)
        cloud = cloud_named(cloud_environment or field_of("cloud_environment"))
        cloud = _overridden(
            cloud, lambda name: checked(name, _DOMAIN, f"Give a domain like {cloud.storage}.")
        )
        cloud = replace(cloud, studio=_url(conn_id, "studio", field_of("studio")) or cloud.studio)
        arm = _url(conn_id, "host", host) or cloud.arm
        certificate_path = field_of("certificate_path")
        found = cls(
            conn_id,
            cloud,
            arm,
            client_id=str(login or "").strip(),
            client_secret="" if certificate_path else password or "",
            certificate_password=password or "" if certificate_path else "",
            tenant_id=checked("tenantId", _TENANT, "Give the tenant's GUID or domain."),
            subscription_id=field_of("subscriptionId"),
            resource_group=field_of("resource_group_name"),
            workspace_name=field_of("workspace_name"),
            # The emulator issues its own tokens.
            authority=_url(conn_id, "authority", field_of("authority"))
            or (arm if is_local(arm) else cloud.authority),
            ml_audience=checked("ml_audience", _AUDIENCE, f"Give a URL like {cloud.ml_audience}.")
            or cloud.ml_audience,
            api_version=field_of("api_version") or API_VERSION,
            managed_identity_client_id=field_of("managed_identity_client_id"),
            workload_identity_tenant_id=field_of("workload_identity_tenant_id"),
            certificate_path=certificate_path,
            verify=tls_verify(extra.get("verify")),
        )
        found._check_principal()
        return found

    def _check_principal(self) -> None:
        proof = self.certificate_path or self.client_secret
        given = {
            "login (client id)": self.client_id,
            "password (client secret) or certificate_path": proof,
            "tenantId": self.tenant_id,
        }
        if proof or self.client_id:
            missing = [name for name, value in given.items() if not value]
            if missing:
                raise InvalidInput(
                    f"Connection {self.conn_id!r} describes a service principal, but lacks "
                    f"{', '.join(missing)}.",
                    fix="Fill it in, or leave login and password empty to use the identity of the machine.",
                )

    @property
    def is_emulator(self) -> bool:
        """Whether Resource Manager and the issuer of tokens are on this machine, as the emulator's are."""
        return is_local(self.arm) and is_local(self.authority)

    def audiences(self) -> dict[str, str]:
        """Return, for each kind of token, the resource that it is made for."""
        return {"arm": self.cloud.arm, "ml": self.ml_audience, "storage": STORAGE_AUDIENCE}

    def hosts(self) -> dict[str, tuple[str, ...]]:
        """Return, for each kind of token, the hosts that it may be sent to; see `hosts.token_hosts`."""
        return token_hosts(self.cloud, self.arm)

    def workspace(
        self,
        subscription_id: str | None = None,
        resource_group_name: str | None = None,
        workspace_name: str | None = None,
    ) -> Workspace:
        """Return the workspace that the connection names, with what a task overrides.

        Raises:
            InvalidInput: A part is missing; the message names the connection's field.
        """
        _given("subscription_id", subscription_id)
        _given("resource_group_name", resource_group_name)
        _given("workspace_name", workspace_name)
        parts = {
            "subscriptionId": subscription_id or self.subscription_id,
            "resource_group_name": resource_group_name or self.resource_group,
            "workspace_name": workspace_name or self.workspace_name,
        }
        missing = [name for name, value in parts.items() if not value]
        if missing:
            raise InvalidInput(
                f"Connection {self.conn_id!r} lacks {', '.join(missing)}.",
                fix="Fill it in there (in the extra fields), or give it to the task.",
            )
        subscription, group, name = parts.values()
        return Workspace(self.cloud, subscription, group, name, arm=self.arm, api_version=self.api_version)


def _check_key_files(conn_id: str, field_of: Callable[[str], str]) -> None:
    """Refuse what the official provider takes for a service principal, rather than be somebody else."""
    for name in ("key_path", "key_json"):
        if field_of(name):
            raise InvalidInput(
                f"Connection {conn_id!r} has a {name}, which is not read here.",
                fix="Copy its clientId into login, its clientSecret into password and its tenantId into the "
                f"extra field tenantId, and empty {name}.",
            )


def _given(field_name: str, value: Any) -> None:
    """Refuse what a task gives instead of the connection's field, if a template rendered it to nothing."""
    if value is not None and is_nothing(value):
        raise InvalidInput(f"{field_name} is {shown(value)}. {RENDERED}", fix="Give a name, or leave it out.")


def _overridden(cloud: Cloud, domain_of: Callable[[str], str]) -> Cloud:
    given = {part: domain_of(name) for name, part in _DOMAINS.items()}
    return replace(cloud, **{part: domain.lower() for part, domain in given.items() if domain})


def _url(conn_id: str, field_name: str, value: str | None) -> str:
    return base_url(conn_id, field_name, value, "https://management.azure.com")
