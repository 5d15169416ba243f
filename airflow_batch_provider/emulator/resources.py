"""ARM resources, stored as (kind, workspace, name) -> JSON; a workspace is made at first sight."""

from __future__ import annotations

import base64
import json
import secrets
import time
from typing import Any

from airflow_batch_provider.emulator import wire
from airflow_batch_provider.emulator.database import Database
from airflow_batch_provider.emulator.ids import (
    ARTIFACT_DATASTORE,
    DEFAULT_DATASTORE,
    PROVIDER,
    STORAGE_ACCOUNT,
    Workspace,
)

DEFAULT_LOCATION = "eastus"


class ResourceStore:
    """Resources of all workspaces.

    Kinds are ARM's, such as ``batchEndpoints`` or ``batchEndpoints/deployments``; the name of a nested
    resource is its path, such as ``digits/blue``. Names are compared without case, as ARM does.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, kind: str, workspace: Workspace, name: str, body: dict[str, Any]) -> None:
        """Create or replace a resource.

        Args:
            kind: ARM's type below the workspace.
            workspace: Where it lives.
            name: Its name, with its parents' names before it.
            body: The resource without ``id``, ``name`` and ``type``, which follow from the other arguments.
        """
        self._database.execute(
            "INSERT OR REPLACE INTO resources VALUES (?, ?, ?, ?)",
            kind, workspace.key, name.lower(), json.dumps({"name": name} | body),
        )  # fmt: skip

    def get(self, kind: str, workspace: Workspace, name: str) -> dict[str, Any] | None:
        """Return a resource as ARM shows it, or None."""
        row = self._database.execute(
            "SELECT body FROM resources WHERE kind = ? AND workspace = ? AND name = ?",
            kind, workspace.key, name.lower(),
        ).fetchone()  # fmt: skip
        return envelope(kind, workspace, json.loads(row[0])) if row else None

    def list(self, kind: str, workspace: Workspace, parent: str = "") -> list[dict[str, Any]]:
        """Return the resources of a kind, below one parent if given, by name."""
        prefix = f"{parent.lower()}/" if parent else ""
        rows = self._database.execute(
            "SELECT body FROM resources WHERE kind = ? AND workspace = ? AND substr(name, 1, ?) = ?"
            " ORDER BY name",
            kind, workspace.key, len(prefix), prefix,
        )  # fmt: skip
        return [envelope(kind, workspace, json.loads(body)) for (body,) in rows]

    def set_state(self, kind: str, workspace: Workspace, name: str, state: str) -> None:
        """Change a resource's ``provisioningState``; nothing happens if it does not exist."""
        self._database.execute(
            "UPDATE resources SET body = json_set(body, '$.properties.provisioningState', ?)"
            " WHERE kind = ? AND workspace = ? AND name = ?",
            state, kind, workspace.key, name.lower(),
        )  # fmt: skip

    def remove(self, kind: str, workspace: Workspace, name: str) -> None:
        """Delete a resource and what lies below it; nothing happens if it does not exist."""
        prefix = f"{name.lower()}/"
        self._database.execute(
            "DELETE FROM resources WHERE workspace = ? AND ((kind = ? AND name = ?)"
            " OR (substr(kind, 1, ?) = ? AND substr(name, 1, ?) = ?))",
            workspace.key, kind, name.lower(), len(kind) + 1, f"{kind}/", len(prefix), prefix,
        )  # fmt: skip

    def count_in_region(self, kind: str, region: str) -> int:
        """Return how many resources of a kind are in a region, over all workspaces."""
        row = self._database.execute(
            "SELECT count(*) FROM resources WHERE kind = ? AND lower(json_extract(body, '$.location')) = ?",
            kind, region.lower(),
        ).fetchone()  # fmt: skip
        return int(row[0])

    def find_endpoint(self, region: str, name: str) -> tuple[Workspace, dict[str, Any]] | None:
        """Return the batch endpoint of that name in a region, where names are unique, and its workspace."""
        rows = self._database.execute(
            "SELECT workspace, body FROM resources WHERE kind = 'batchEndpoints' AND name = ?", name.lower()
        )
        for key, text in rows:
            body = json.loads(text)
            if body["location"].lower() == region.lower():
                workspace = self._workspace(key)
                return workspace, envelope("batchEndpoints", workspace, body)
        return None

    def see(self, workspace: Workspace, location: str | None = None) -> dict[str, Any]:
        """Return a workspace, made now with its datastores if nobody has asked for it before.

        Args:
            workspace: Which one.
            location: Its region; only the first sight counts.
        """
        found = self.get("workspaces", workspace, "")
        if found is not None:
            return found
        place = location or self._database.recall("location", DEFAULT_LOCATION)
        with self._database.transaction():
            self.put("workspaces", workspace, "", _new_workspace(workspace, place))
            for name, container in (
                (DEFAULT_DATASTORE, workspace.container),
                (ARTIFACT_DATASTORE, "azureml"),
            ):
                self.put("datastores", workspace, name, _new_datastore(workspace, container, name))
        return self.see(workspace)

    def account_key(self) -> str:
        """Return the key of the storage account, made at first use."""
        key: str | None = self._database.recall("account_key")
        if key is None:
            key = base64.b64encode(secrets.token_bytes(64)).decode()
            self._database.remember("account_key", key)
        return key

    def _workspace(self, key: str) -> Workspace:
        row = self._database.execute(
            "SELECT body FROM resources WHERE kind = 'workspaces' AND workspace = ?", key
        ).fetchone()
        return Workspace(*json.loads(row[0])["address"])


def envelope(kind: str, workspace: Workspace, body: dict[str, Any]) -> dict[str, Any]:
    """Return a stored body with ``id``, ``name`` and ``type`` as ARM shows them."""
    if kind == "workspaces":
        shown = {key: value for key, value in body.items() if key != "address"}
        return {"id": workspace.id, "type": f"{PROVIDER}/workspaces"} | shown | {"name": workspace.name}
    *parents, name = body["name"].split("/")
    kinds = kind.split("/")
    path = "/".join(f"{k}/{n}" for k, n in zip(kinds, [*parents, name], strict=True))
    address = {"id": f"{workspace.id}/{path}", "name": name, "type": f"{PROVIDER}/workspaces/{kind}"}
    return address | body | {"name": name}


def system_data(created: float, by: str) -> dict[str, Any]:
    """Return the ``systemData`` of something created then and never changed."""
    moment = wire.timestamp(created)
    return {"createdAt": moment, "createdBy": by, "lastModifiedAt": moment, "lastModifiedBy": by}


def _new_workspace(workspace: Workspace, location: str) -> dict[str, Any]:
    providers = f"{workspace.group_id}/providers"
    return {
        "address": [workspace.subscription, workspace.group, workspace.name],
        "location": location,
        "tags": {},
        "kind": "Default",
        "sku": {"name": "Basic", "tier": "Basic"},
        "identity": {"type": "SystemAssigned", "principalId": workspace.guid, "tenantId": workspace.guid},
        "properties": {
            "friendlyName": workspace.name,
            "description": "",
            "storageAccount": f"{providers}/Microsoft.Storage/storageAccounts/{STORAGE_ACCOUNT}",
            "keyVault": f"{providers}/Microsoft.KeyVault/vaults/emulatorvault",
            "applicationInsights": f"{providers}/Microsoft.insights/components/emulatorinsights",
            "containerRegistry": None,
            "hbiWorkspace": False,
            "workspaceId": workspace.guid,
            "publicNetworkAccess": "Enabled",
            "v1LegacyMode": False,
            "provisioningState": "Succeeded",
        },
        "systemData": system_data(time.time(), "emulator"),
    }


def _new_datastore(workspace: Workspace, container: str, name: str) -> dict[str, Any]:
    return {
        "properties": {
            "description": None,
            "tags": None,
            "properties": None,
            "isDefault": name == DEFAULT_DATASTORE,
            "credentials": {"credentialsType": "AccountKey"},
            "datastoreType": "AzureBlob",
            "accountName": STORAGE_ACCOUNT,
            "containerName": container,
            "protocol": "http",
            "serviceDataAccessAuthIdentity": "None",
            "subscriptionId": workspace.subscription,
            "resourceGroup": workspace.group,
        },
        "systemData": system_data(time.time(), "emulator"),
    }
