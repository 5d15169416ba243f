"""Outputs in a storage account that we did not write ourselves: Azurite's."""

from __future__ import annotations

import asyncio
import base64
import time

import pytest
from airflow.sdk.exceptions import AirflowSensorTimeout

from airflow_batch_provider import errors
from airflow_batch_provider.hooks.azure_ml import AzureMLHook
from airflow_batch_provider.sensors import BatchOutputSensor
from airflow_batch_provider.triggers.outputs import OutputTrigger

ROWS = b"a 1\nb 2\n"


@pytest.fixture
def folder(azurite, request):
    """Write the files of a job into a folder of its own, in the private and in the public container."""
    name = f"job-{abs(hash(request.node.nodeid)):x}"
    for container in ("outputs", "public"):
        azurite.put(f"{name}/score/predictions.csv", ROWS, container)
        azurite.put(f"{name}/score/deep/part 1.csv", b"12345", container)
        azurite.put(f"{name}/score/log.txt", b"", container)
    return f"{name}/score"


@pytest.fixture(params=["worker", "triggerer"])
def looked(request, task):
    """Look once, with the sensor or with the trigger that it defers to."""

    def in_worker(path, **wanted):
        sensor = BatchOutputSensor(task_id="wait", path=path, deferrable=False, timeout=0, **wanted)
        return task.run(sensor)

    def in_triggerer(path, **wanted):
        event = asyncio.run(task.event_of(OutputTrigger(path=path, deadline=time.time(), **wanted)))
        if event["outcome"] == "error":
            raise getattr(errors, event["kind"])(event["message"])
        if event["outcome"] == "timed_out":
            raise AirflowSensorTimeout(event["message"])
        return event["files"]

    return in_worker if request.param == "worker" else in_triggerer


def place(azurite, way, folder):
    """Return a path that leads to the folder in one of the ways."""
    return {
        "key": f"azureml://datastores/by-key/paths/{folder}",
        "datastore's SAS": f"azureml://datastores/by-sas/paths/{folder}",
        "public datastore": f"azureml://datastores/public/paths/{folder}",
        "SAS": f"{azurite.url}/outputs/{folder}?{azurite.sas()}",
        "public": f"{azurite.url}/public/{folder}",
    }[way]


each_way = pytest.mark.parametrize("way", ["key", "datastore's SAS", "public datastore", "SAS", "public"])


@each_way
def test_files_are_found(azurite, folder, looked, way):
    """The files, with their sizes and without a signature, whatever it is that opens the container."""
    path = place(azurite, way, folder)

    found = looked(path)

    shown = path.partition("?")[0]
    blank = "%20" if shown.startswith("http") else " "
    assert [(file["path"], file["size"]) for file in found] == [
        (f"{shown}/deep/part{blank}1.csv", 5),
        (f"{shown}/log.txt", 0),
        (f"{shown}/predictions.csv", 8),
    ]
    assert all(file["etag"] and file["last_modified"].startswith("20") for file in found)


@each_way
def test_a_file_is_read(azurite, folder, way):
    """What the sensor finds can be read, in the same ways."""
    assert AzureMLHook().read_file(place(azurite, way, f"{folder}/predictions.csv")) == ROWS


@each_way
def test_a_hook_lists_files(azurite, folder, way):
    """The hook lists in a worker and in an event loop."""
    hook = AzureMLHook()
    files = hook.files(hook.locate(place(azurite, way, folder)))

    assert files.exists()
    assert [file.size for file in files.list("*.csv")] == [8]
    assert asyncio.run(files.alist("*.csv")) == files.list("*.csv")
    assert abs(files.now() - time.time()) < 3600


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({"glob": "*.csv"}, ["predictions.csv"]),
        ({"glob": "**/*.csv", "min_files": 2, "min_bytes": 13}, ["deep/part 1.csv", "predictions.csv"]),
        ({"glob": "*.csv", "min_files": 2}, None),
        ({"min_bytes": 14}, None),
        ({"glob": "*.parquet"}, None),
    ],
)
def test_what_is_wanted_is_waited_for(azurite, folder, looked, wanted, names):
    """Pattern, number and bytes decide whether the files are complete."""
    path = place(azurite, "key", folder)
    if names is None:
        with pytest.raises(AirflowSensorTimeout):
            looked(path, **wanted)
    else:
        assert [file["path"] for file in looked(path, **wanted)] == [f"{path}/{name}" for name in names]


def test_markers_of_folders_are_no_files(azurite, looked, task):
    """An empty blob that stands for a folder, in either of the two ways that tools write it, is no file."""
    name = f"marked-{id(task)}"
    for folder in (name, f"{name}/deep", f"{name}/empty"):
        azurite.put(folder, b"", hdi_isfolder="true")
    azurite.put(f"{name}/other/", b"")
    path = place(azurite, "key", name)
    with pytest.raises(AirflowSensorTimeout):
        looked(path)
    azurite.put(f"{name}/deep/a.csv")

    assert [file["path"] for file in looked(path)] == [f"{path}/deep/a.csv"]


@pytest.fixture(scope="module")
def many(azurite):
    """Write more blobs than one page of a listing holds."""
    asyncio.run(azurite.put_many([f"many/{number:05}.csv" for number in range(5003)]))


@pytest.mark.usefixtures("many")
def test_all_pages_are_read(azurite, looked):
    """A listing has pages of 5000 blobs."""
    assert len(looked(place(azurite, "key", "many"), min_files=5003)) == 5003


REFUSED = {
    "wrong key": ("azureml://datastores/wrong-key/paths/out", "account key"),
    "no credentials": ("azureml://datastores/none/paths/out", "connection's identity, or a SAS"),
    "anonymous": ("{url}/outputs/out", "connection's identity, or a SAS"),
    "expired SAS": ("{url}/outputs/out?{expired}", "SAS has not expired"),
    "SAS that may not list": ("{url}/outputs/out/?{narrow}", "allows reading and listing"),
}


@pytest.mark.parametrize(("path", "fix"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_told_without_the_secret(azurite, looked, caplog, path, fix):
    """The error names the container and what to do; neither key nor signature is in it or in the log."""
    expired, narrow = azurite.sas("rl", "2020-01-01T00:00:00Z"), azurite.sas("w")
    path = path.format(url=azurite.url, expired=expired, narrow=narrow)

    with pytest.raises((errors.PermissionDenied, errors.AuthenticationFailed)) as refused:
        looked(path)

    told = f"{refused.value} {caplog.text}"
    assert "container 'outputs' of storage account 'account'" in told
    assert fix in told
    signatures = [sas.partition("sig=")[2] for sas in (expired, narrow)]
    wrong_key = base64.b64encode(b"WRONGKEYwrongkey").decode()[:20]
    assert not [secret for secret in (azurite.key, wrong_key, *signatures) if secret in told]


def test_a_missing_container_is_waited_for(looked):
    """It is only not there yet; the message says so when time is up."""
    with pytest.raises(AirflowSensorTimeout):
        looked("azureml://datastores/missing/paths/out")


def test_a_file_that_is_not_there_is_not_found(azurite, folder):
    """Reading it names the path, and no signature."""
    path = place(azurite, "SAS", f"{folder}/nothing.csv")

    with pytest.raises(errors.NotFound, match=r"nothing\.csv") as caught:
        AzureMLHook().read_file(path)

    assert "sig=" not in str(caught.value)
