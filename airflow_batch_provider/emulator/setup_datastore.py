"""Datastores in storage accounts elsewhere, such as one that Azurite serves, out of a set-up file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.emulator.resources import system_data

if TYPE_CHECKING:
    from airflow_batch_provider.emulator.setup_node import Node

_KEYS = {"$schema", "name", "type", "description", "account_name", "container_name", "endpoint", "protocol"}
_SECRETS = {"account_key": ("AccountKey", "key"), "sas_token": ("Sas", "sasToken")}


def read(node: Node) -> dict[str, Any]:
    """Return a datastore as it is stored; jobs cannot use it, since its files are not the emulator's.

    Args:
        node: In the keys of the command line's own YAML for datastores.

    Returns:
        The resource's body; ``secret`` is what ``listSecrets`` answers, and shown nowhere else.
    """
    node.only({*_KEYS, "credentials"})
    node.choice("type", ("azure_blob",), "azure_blob")
    secret = _secret(node.mapping("credentials"))
    return {
        "properties": {
            "description": node.text("description", "") or None,
            "isDefault": False,
            "datastoreType": "AzureBlob",
            "accountName": node.child("account_name").as_text(),
            "containerName": node.child("container_name").as_text(),
            "endpoint": node.child("endpoint").as_text(),
            "protocol": node.choice("protocol", ("http", "https"), "https"),
            "credentials": {"credentialsType": secret.get("secretsType", "None")},
            "serviceDataAccessAuthIdentity": "None",
        },
        "secret": secret,
        "systemData": system_data(time.time(), "emulator"),
    }


def _secret(node: Node) -> dict[str, str]:
    node.only(set(_SECRETS))
    if len(node.value) > 1:
        raise node.wrong("one of account_key and sas_token, or nothing")
    for name, (kind, key) in _SECRETS.items():
        if name in node.value:
            return {"secretsType": kind, key: node.child(name).as_text()}
    return {}
