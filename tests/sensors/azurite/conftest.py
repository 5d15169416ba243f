"""Azurite as the storage account behind datastores of ours."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from airflow_batch_provider.emulator.server import Emulator
from tests.azurite import ACCOUNT, Azurite


@pytest.fixture(scope="session")
def azurite(azurite_account: Azurite) -> Azurite:
    """Give Azurite with a private container and a public one."""
    azurite_account.create("outputs")
    azurite_account.create("public", public=True)
    return azurite_account


@pytest.fixture(scope="session")
def workspace(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Run a workspace whose datastores are in Azurite's account."""
    other_key = base64.b64encode(b"WRONGKEYwrongkey" * 4).decode()
    place = {"account_name": ACCOUNT, "endpoint": azurite.host, "protocol": "http"}
    stores = {
        "by-key": {"container_name": "outputs", "credentials": {"account_key": azurite.key}},
        "by-sas": {"container_name": "outputs", "credentials": {"sas_token": azurite.sas()}},
        "wrong-key": {"container_name": "outputs", "credentials": {"account_key": other_key}},
        "missing": {"container_name": "missing", "credentials": {"account_key": azurite.key}},
        "public": {"container_name": "public"},
        "none": {"container_name": "outputs"},
    }
    setup = tmp_path_factory.mktemp("workspace") / "setup.yml"
    setup.write_text(json.dumps({"datastores": {name: place | store for name, store in stores.items()}}))
    with Emulator(setup=setup) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def connection(workspace: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connect to the workspace."""
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", json.dumps(workspace.airflow_connection()))
