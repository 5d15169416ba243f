"""Every form of data URI that the service documents leads to the same place."""

from __future__ import annotations

import pytest

from airflow_batch_provider.emulator.blob import BlobStore
from airflow_batch_provider.emulator.data_uris import Locator
from airflow_batch_provider.emulator.database import Database
from airflow_batch_provider.emulator.ids import STORAGE_ACCOUNT, Workspace
from airflow_batch_provider.emulator.resources import ResourceStore

HOME = Workspace("s1", "g1", "w1")
OTHER = Workspace("s2", "g2", "w2")
CONTAINER = HOME.container


@pytest.fixture
def locator(tmp_path):
    database = Database(tmp_path)
    resources = ResourceStore(database)
    for version in ("1", "2"):
        uri = f"azureml://datastores/workspaceblobstore/paths/v{version}"
        resources.put("data/versions", HOME, f"images/{version}", {"properties": {"dataUri": uri}})
    resources.put("data", HOME, "images", {"properties": {"latestVersion": "2"}})
    yield Locator(resources, BlobStore(tmp_path / "blobs"))
    database.close()


@pytest.mark.parametrize(
    "uri",
    [
        "azureml://datastores/workspaceblobstore/paths/a/b",
        "azureml://datastores/workspaceblobstore/paths/a/b/",
        "AZUREML://Datastores/WorkspaceBlobStore/paths/a/b",
        "azureml://subscriptions/s1/resourceGroups/g1/workspaces/w1/datastores/workspaceblobstore/paths/a/b",
        "azureml://subscriptions/s1/resourcegroups/g1/workspaces/w1/datastores/workspaceblobstore/paths/a/b",
        f"azureml:/{HOME.id}/datastores/workspaceblobstore/paths/a/b".replace("azureml://", "azureml:/"),
        f"azureml:/{HOME.id}/datastores/workspaceblobstore/paths/a/b",
        f"{HOME.id}/datastores/workspaceblobstore/paths/a/b",
        f"https://emulatorstore.blob.core.windows.net/{CONTAINER}/a/b",
        f"https://emulatorstore.blob.core.chinacloudapi.cn/{CONTAINER}/a/b",
        f"https://emulatorstore.dfs.core.usgovcloudapi.net/{CONTAINER}/a/b",
        f"https://emulatorstore.blob.core.windows.net/{CONTAINER}/a/b?sv=2021&sig=abc",
        f"wasbs://{CONTAINER}@emulatorstore.blob.core.windows.net/a/b",
        f"abfss://{CONTAINER}@emulatorstore.dfs.core.windows.net/a/b",
        f"http://127.0.0.1:1/blob/emulatorstore/{CONTAINER}/a/b",
        f"http://emulatorstore.blob.localhost:1/{CONTAINER}/a/b",
    ],
)
def test_forms_of_one_place_agree(locator, tmp_path, uri):
    assert locator.local_path(uri, HOME) == tmp_path / "blobs" / STORAGE_ACCOUNT / CONTAINER / "a" / "b"


@pytest.mark.parametrize(
    ("uri", "version"),
    [
        ("azureml:images:1", "v1"),
        ("azureml:images@latest", "v2"),
        ("azureml:images", "v2"),
        ("azureml://locations/eastus/workspaces/w1/data/images/versions/1", "v1"),
        ("azureml://locations/eastus/workspaces/w1/data/images/versions/1/", "v1"),
        ("azureml://locations/eastus/workspaces/w1/data/images/versions/labels/latest", "v2"),
        (f"{HOME.id}/data/images/versions/1", "v1"),
        (f"azureml:{HOME.id}/data/images/versions/1", "v1"),
    ],
)
def test_forms_of_data_assets_lead_to_their_version(locator, uri, version):
    assert locator.local_path(uri, HOME).name == version


def test_path_of_another_workspace_is_in_its_own_container(locator):
    uri = f"{OTHER.id}/datastores/workspaceblobstore/paths/a"

    assert locator.local_path(uri, HOME).parent.name == OTHER.container


@pytest.mark.parametrize(
    ("uri", "path"), [("/data/in", "/data/in"), ("file:///data/in%20put", "/data/in put")]
)
def test_paths_of_this_machine_are_themselves(locator, uri, path):
    assert str(locator.local_path(uri, HOME)) == path


@pytest.mark.parametrize(
    "uri",
    [
        "gibberish",
        "ftp://host/path",
        "https://example.com/data",
        "azureml://jobs/j/outputs/score/paths/p",
        "azureml:a:b:c",
        "azureml://datastores/workspaceblobstore/paths/../../../etc",
        "https://emulatorstore.blob.core.windows.net/Not_A_Container/x",
    ],
)
def test_text_that_leads_nowhere_is_refused(locator, uri):
    with pytest.raises(ValueError, match=r".+"):
        locator.local_path(uri, HOME)


@pytest.mark.parametrize(
    "uri",
    [
        "azureml://datastores/unknown/paths/a",
        "azureml:unknown:1",
        "azureml:images:9",
        "azureml:unknown@latest",
    ],
)
def test_names_that_do_not_exist_are_told(locator, uri):
    with pytest.raises(LookupError, match=r"unknown|images:9"):
        locator.local_path(uri, HOME)
