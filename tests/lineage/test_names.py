"""What datasets are called: one place has one name, in the words of the specification, without a secret."""

from __future__ import annotations

import pytest
from airflow.providers.openlineage.utils.utils import translate_airflow_asset
from airflow.sdk import Asset

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.lineage import azure_ml, modelarts
from airflow_batch_provider.lineage.names import DatasetName

WORKSPACE = "/subscriptions/5Ab/resourceGroups/Rg/providers/Microsoft.MachineLearningServices/workspaces/Ws"
HERE = "azureml://subscriptions/5Ab/resourcegroups/Rg/workspaces/Ws"
THERE = "azureml://subscriptions/S/resourcegroups/G/workspaces/W"
ARM = "/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices/workspaces/W"
SAS = "?sv=2026&sig=planted-secret-in-a-name"


@pytest.mark.parametrize(
    ("uri", "namespace", "name"),
    [
        ("https://Acc.blob.core.windows.net/box/a/b", "wasbs://box@acc.blob.core.windows.net", "a/b"),
        (f"https://acc.blob.core.windows.net/box/a{SAS}", "wasbs://box@acc.blob.core.windows.net", "a"),
        ("https://acc.blob.core.windows.net/box/a%20b/", "wasbs://box@acc.blob.core.windows.net", "a b"),
        ("https://acc.blob.core.windows.net/box", "wasbs://box@acc.blob.core.windows.net", "/"),
        ("wasbs://box@acc.blob.core.windows.net/a/", "wasbs://box@acc.blob.core.windows.net", "a"),
        ("wasb://box@acc.blob.core.windows.net/a", "wasbs://box@acc.blob.core.windows.net", "a"),
        ("https://acc.dfs.core.windows.net/lake/a", "abfss://lake@acc.dfs.core.windows.net", "a"),
        (f"abfss://lake@acc.dfs.core.windows.net/a{SAS}", "abfss://lake@acc.dfs.core.windows.net", "a"),
        (
            "https://acc.blob.core.chinacloudapi.cn/box/a",
            "wasbs://box@acc.blob.core.chinacloudapi.cn",
            "a",
        ),
        (
            "abfs://lake@acc.dfs.core.usgovcloudapi.net/a",
            "abfss://lake@acc.dfs.core.usgovcloudapi.net",
            "a",
        ),
        ("http://127.0.0.1:8787/blob/acc/box/a", "http://127.0.0.1:8787", "blob/acc/box/a"),
        ("http://127.0.0.1:10000/acc/box/a", "http://127.0.0.1:10000", "acc/box/a"),
        (f"https://Example.org:8443/d/a.csv{SAS}", "https://example.org:8443", "d/a.csv"),
        ("azureml:images:3", HERE, "data/images/versions/3"),
        ("azureml:/images@latest", HERE, "data/images/labels/latest"),
        ("azureml://datastores/store/paths/a/b/", HERE, "datastores/store/paths/a/b"),
        (f"azureml://datastores/store/paths/a{SAS}", HERE, "datastores/store/paths/a"),
        ("azureml://Datastores/store/Paths/A", HERE, "datastores/store/paths/A"),
        ("azureml://jobs/j/outputs/score/paths/p", HERE, "jobs/j/outputs/score/paths/p"),
        (f"{ARM}/data/images/versions/3", THERE, "data/images/versions/3"),
        (f"azureml:{ARM}/datastores/store/paths/a", THERE, "datastores/store/paths/a"),
        (f"{THERE}/datastores/store/paths/a", THERE, "datastores/store/paths/a"),
        (
            "azureml://subscriptions/S/resourceGroups/G/workspaces/W/datastores/store/paths/a",
            THERE,
            "datastores/store/paths/a",
        ),
        (
            "azureml://locations/l/workspaces/w/data/images/versions/labels/latest",
            "azureml://locations/l/workspaces/w",
            "data/images/labels/latest",
        ),
        ("azureml://registries/r/data/images/versions/3", "azureml://registries/r", "data/images/versions/3"),
    ],
)
def test_each_form_of_data_has_its_name(uri, namespace, name):
    """Blobs and lakes are named by their own cloud's host, what a workspace knows by the workspace."""
    assert azure_ml.named_by(uri, WORKSPACE) == DatasetName(namespace, name)


@pytest.mark.parametrize("uri", ["azureml:images:3", "azureml://datastores/store/paths/a"])
def test_without_its_workspace_a_short_name_names_nothing(uri):
    """Two workspaces may have a datastore of the same name: nothing is told rather than something wrong."""
    assert azure_ml.named_by(uri, "") is None


def test_what_a_job_reads():
    """Data of both arguments, local paths, and models; literals are no datasets."""
    inputs = {
        "epochs": 3,
        "text": {"type": "string", "default": "azureml:no:1"},
        "data": "https://acc.blob.core.windows.net/box/a",
        "net": {"type": "custom_model", "path": "azureml:net:1"},
    }

    assert azure_ml.read_by({"path": "azureml:images:3"}, inputs, ["/data/in/"], WORKSPACE) == [
        DatasetName("file", "/data/in"),
        DatasetName(HERE, "data/images/versions/3"),
        DatasetName("wasbs://box@acc.blob.core.windows.net", "a"),
        DatasetName(HERE, "models/net/versions/1"),
    ]


def test_wrong_input_is_told_as_everywhere():
    with pytest.raises(InvalidInput, match="mltable"):
        azure_ml.read_by({"type": "mltable", "path": "azureml:a:1"}, None, [], WORKSPACE)


ON_STORE = {
    "uri": "azureml://datastores/store/paths/out/",
    "url": "https://acc.blob.core.windows.net/box/out/",
    "abfss": "abfss://box@acc.dfs.core.windows.net/out/",
}
BLOB = DatasetName("wasbs://box@acc.blob.core.windows.net", "out")
LAKE = DatasetName("abfss://box@acc.dfs.core.windows.net", "out")


def test_what_a_job_wrote_is_named_by_its_storage():
    """Its other names are told with it, so that whoever reads it under one of them is found."""
    (found,) = azure_ml.written_to({"score": ON_STORE}, WORKSPACE)

    store = DatasetName(HERE, "datastores/store/paths/out")
    assert found == DatasetName(BLOB.namespace, BLOB.name, (LAKE, store))
    assert azure_ml.written_to({"score": ON_STORE}, "")[0].aliases == (LAKE,)


@pytest.mark.parametrize(
    ("uri", "first", "second"), [(ON_STORE["url"], BLOB, LAKE), (ON_STORE["abfss"], LAKE, BLOB)]
)
def test_a_place_on_no_datastore_keeps_the_name_that_it_was_given(uri, first, second):
    """An output that was asked for as blob is a blob, one that was asked for in a lake is in a lake."""
    (found,) = azure_ml.written_to({"score": {**ON_STORE, "uri": uri}}, WORKSPACE)

    assert found == DatasetName(first.namespace, first.name, (second,))


def test_the_output_tells_which_storage_an_input_is_in():
    """An input on the same datastore gets the storage as another name; its own name stays as at the start."""
    written = azure_ml.written_to({"score": ON_STORE}, WORKSPACE)
    read = [
        DatasetName(HERE, "datastores/store/paths/in/a"),
        DatasetName(HERE, "datastores/other/paths/in"),
        DatasetName(THERE, "datastores/store/paths/in"),
    ]

    found = azure_ml.with_storage(read, written)

    aliases = (DatasetName(BLOB.namespace, "in/a"), DatasetName(LAKE.namespace, "in/a"))
    assert found == [DatasetName(HERE, "datastores/store/paths/in/a", aliases), *read[1:]]


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (f"{THERE}/datastores/store/paths/a/", (THERE, "datastores/store/paths/a")),
        (f"azureml:/{ARM}/data/images/versions/3", (THERE, "data/images/versions/3")),
        (f"obs://lab/in/{SAS}", ("obs://lab", "in")),
        ("azureml://datastores/store/paths/a", None),
    ],
)
def test_assets_of_any_task_have_the_same_names(uri, expected):
    """OpenLineage's provider finds how an inlet is called, where its URI says which workspace."""
    found = translate_airflow_asset(Asset(uri=uri), None)

    assert (found and (found.namespace, found.name)) == expected


def test_places_in_obs():
    """Buckets are namespaces, however the place is written; what is no place in OBS is no dataset."""
    data = {
        "a": "obs://lab/in/a/",
        "b": "/lab/in/b.csv",
        "c": {"obs_url": "/lab/c"},
        "all": "obs://lab",
        "signed": f"obs://lab/d{SAS}",
        "swr": {"swr_path": "x"},
        "number": 3,
    }

    assert modelarts.read_by(data) == [
        DatasetName("obs://lab", name) for name in ("in/a", "in/b.csv", "c", "/", "d")
    ]
    assert modelarts.written_to({"fit/model": {"uri": "obs://lab/out/"}}) == [DatasetName("obs://lab", "out")]
