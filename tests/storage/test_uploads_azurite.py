"""Uploads to a storage account that we did not write ourselves: Azurite's."""

from __future__ import annotations

import json
import os

import pytest

from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.errors import NotFound, PermissionDenied
from airflow_batch_provider.hooks.azure_ml import AzureMLHook
from airflow_batch_provider.hooks.uploads import upload

MIB = 1024 * 1024
NAMES = (
    "a b.csv",
    "über/é ñ.csv",
    "日本/語.csv",
    "100%.csv",
    "a%20b",
    "x#y?z",
    "t~x!$&'()*+,;=@[]{}|^`",
    "..x",
)


@pytest.fixture(scope="module")
def container(azurite_account):
    azurite_account.create("uploads")
    return "uploads"


@pytest.fixture(scope="module")
def emulator():
    with Emulator() as running:
        yield running


@pytest.fixture
def default(azurite_account, emulator, container, monkeypatch):
    """Make a container of Azurite's the default datastore, opened in a way of the test's choice."""
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", json.dumps(emulator.airflow_connection()))

    def use(credential, container=container):
        azurite_account.make_default(emulator.url, container, credential)

    return use


@pytest.fixture
def folder(tmp_path, request):
    place = tmp_path / "data"
    for name in NAMES:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(request.node.name)
    (place / "empty").touch()
    (place / "pieces").write_bytes(os.urandom(9 * MIB + 1))
    return place


def put(path, log=lambda _: None):
    return upload(AzureMLHook(), str(path), kind="data", log=log)


@pytest.mark.parametrize("way", ["key", "sas"])
def test_a_folder_arrives_as_it_is(azurite_account, default, folder, way):
    """Every name and every byte, and a second time nothing is sent; whatever opens the datastore."""
    default(azurite_account.by_key() if way == "key" else azurite_account.by_sas("rcwl"))

    done, said = put(folder), []
    again = put(folder, said.append)

    hook = AzureMLHook()
    found = hook.files(hook.locate(done.uri)).list()
    arrived = {
        file.path.removeprefix(f"{done.uri}/"): hook.files(hook.locate(file.path)).read() for file in found
    }
    assert arrived == {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    assert (done.sent, again.sent, again.uri) == (len(NAMES) + 2, 0, done.uri)
    assert said[-1] == "All of it is there already; nothing is sent."


def test_a_signature_that_may_not_write_is_refused(azurite_account, default, folder, caplog):
    """The error says what to grant, and shows no signature."""
    default(azurite_account.by_sas("rl"))
    said = []

    with pytest.raises(PermissionDenied, match=r"role 'Storage Blob Data Contributor'|sp=rcwl") as refused:
        put(folder, said.append)

    assert "sig=" not in f"{refused.value} {caplog.text} {said}"


def test_a_container_that_is_not_there_is_named(azurite_account, default, folder):
    """The error says which one."""
    default(azurite_account.by_key(), container="missing")

    with pytest.raises(NotFound, match="container 'missing' of storage account 'account' does not exist"):
        put(folder)
