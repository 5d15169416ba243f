"""Files in OBS, watched and read with the same code on the emulator and on moto's S3."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from airflow.sdk.exceptions import AirflowSensorTimeout

from airflow_batch_provider import errors
from airflow_batch_provider.hooks.modelarts import ModelArtsHook
from airflow_batch_provider.sensors import BatchOutputSensor
from airflow_batch_provider.storage.endpoint import Endpoint
from airflow_batch_provider.storage.obs import Bucket
from tests.secret_scan import IAM_PASSWORD

both_ways = pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])


def sensor(path, **arguments):
    return BatchOutputSensor(task_id="wait", path=path, **{"poke_interval": 0.05, "timeout": 15, **arguments})


def opened():
    hook = ModelArtsHook()
    hook.open()
    return hook


@both_ways
def test_files_that_are_there_are_returned(bucket, task, deferrable):
    """To any depth, with their addresses; the marks of folders are no files."""
    bucket.put("out/")
    bucket.put("out/a.csv", b"a 1\n")
    bucket.put("out/deep/")
    bucket.put("out/deep/b.csv", b"b 2\n")
    bucket.put("out/empty.csv", b"")
    bucket.put("outside.csv")

    found = task.run(sensor(f"obs://{bucket.name}/out/", deferrable=deferrable))

    root = f"obs://{bucket.name}/out"
    assert [file["path"] for file in found] == [f"{root}/a.csv", f"{root}/deep/b.csv", f"{root}/empty.csv"]
    assert [file["size"] for file in found] == [4, 4, 0]
    assert all(file["etag"] and file["last_modified"].endswith("Z") for file in found)


@both_ways
def test_files_are_waited_for(bucket, task, meanwhile, deferrable):
    """A folder that the service has made is not yet an output."""
    bucket.put("later/")
    meanwhile(lambda: bucket.put("later/a b+ü.csv", b"x" * 10))

    found = task.run(sensor(f"obs://{bucket.name}/later/", deferrable=deferrable, glob="*.csv", min_bytes=10))

    assert [file["path"] for file in found] == [f"obs://{bucket.name}/later/a b+ü.csv"]


@both_ways
def test_a_mark_alone_is_a_timeout(bucket, task, deferrable):
    """It says what is missing."""
    bucket.put("marked/")

    with pytest.raises(AirflowSensorTimeout):
        task.run(sensor(f"obs://{bucket.name}/marked/", deferrable=deferrable, timeout=1))


def test_the_api_s_way_to_write_a_path_needs_a_connection(bucket, task, tmp_path):
    """With a connection of ModelArts a leading slash is OBS, without one it is this machine."""
    bucket.put("out/a.csv")
    (tmp_path / "local.csv").write_text("x")

    found = task.run(sensor(f"/{bucket.name}/out/", modelarts_conn_id="modelarts_default"))
    local = task.run(sensor(str(tmp_path)))

    assert [file["path"] for file in found] == [f"obs://{bucket.name}/out/a.csv"]
    assert [file["path"] for file in local] == [str(tmp_path / "local.csv")]


@both_ways
def test_more_files_than_a_page_holds_are_found(bucket, task, deferrable):
    """A listing ends after a thousand keys; those that follow are asked for."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(bucket.put, [f"many/{number:04}.csv" for number in range(1003)]))

    found = task.run(sensor(f"obs://{bucket.name}/many/", deferrable=deferrable, min_files=1003))

    assert [file["path"][-8:] for file in found] == [f"{number:04}.csv" for number in range(1003)]


def test_a_place_has_files_or_not(bucket):
    """One look at the first tells."""
    bucket.put("few/a")

    assert opened().files(f"obs://{bucket.name}/few").exists()
    assert opened().files(f"obs://{bucket.name}").exists()
    assert not opened().files(f"obs://{bucket.name}/fe").exists()


def test_a_file_is_read(bucket):
    """By either form of its path, blocking and in an event loop; one that is missing is told."""
    bucket.put("out/metrics.json", b"[1]")

    assert ModelArtsHook().read_file(f"obs://{bucket.name}/out/metrics.json") == b"[1]"
    assert ModelArtsHook().read_file(f"/{bucket.name}/out/metrics.json") == b"[1]"
    assert asyncio.run(opened().files(f"obs://{bucket.name}/out/metrics.json").aread()) == b"[1]"
    with pytest.raises(errors.NotFound, match=r"obs://.*/out/none"):
        ModelArtsHook().read_file(f"obs://{bucket.name}/out/none")


@both_ways
def test_a_bucket_that_does_not_exist_is_not_there_yet(bucket, task, deferrable):
    """As a container is not."""
    with pytest.raises(AirflowSensorTimeout):
        task.run(sensor(f"obs://{bucket.name}-none/x/", deferrable=deferrable, timeout=1))


@pytest.mark.parametrize(
    "path", ["obs://", "obs://UPPER/x", "obs:/bucket/x", "obs://a/../b", "obs://bucket/a//x"]
)
def test_a_path_that_is_none_is_told(bucket, task, path):
    """Before anything is asked."""
    with pytest.raises(errors.InvalidInput, match="path is '"):
        task.run(sensor(path))


def with_token(bucket, **extra):
    user = {"auth": "token", "iam_user": "emulator", "iam_domain": "emulator"}
    changed = bucket.connection["extra"] | user | extra
    return json.dumps({**bucket.connection, "login": "", "password": IAM_PASSWORD, "extra": changed})


@both_ways
@pytest.mark.parametrize("bucket", ["emulator"], indirect=True)
def test_an_iam_token_is_exchanged_for_temporary_keys(bucket, task, emulator, monkeypatch, deferrable):
    """OBS takes no IAM token; keys that have expired are replaced by fresh ones."""
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", with_token(bucket, workspace_id=str(deferrable)))
    bucket.put("out/a.csv")
    place = sensor(f"obs://{bucket.name}/out/", deferrable=deferrable)

    assert len(task.run(place)) == 1
    fault = {"action": "expire_tokens", "match": {"plane": "obs"}, "times": 1}
    httpx.post(f"{emulator.url}/_emulator/faults", json=[fault], trust_env=False).raise_for_status()
    assert len(task.run(place)) == 1


@pytest.mark.parametrize("bucket", ["emulator"], indirect=True)
def test_an_unknown_key_is_told(bucket, task, monkeypatch):
    """At once, with the service's code and what to check."""
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps({**bucket.connection, "login": "NOBODY"}))

    with pytest.raises(errors.AuthenticationFailed, match=r"InvalidAccessKeyId.*obs_endpoint"):
        task.run(sensor(f"obs://{bucket.name}/out/"))


@pytest.mark.parametrize("bucket", ["emulator"], indirect=True)
def test_a_wrong_secret_key_is_told(bucket, task, monkeypatch):
    """As a wrong access key is; the secret itself is not."""
    wrong = {**bucket.connection, "password": "another-secret"}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(wrong))

    with pytest.raises(errors.AuthenticationFailed, match="SignatureDoesNotMatch") as caught:
        task.run(sensor(f"obs://{bucket.name}/out/"))

    assert "another-secret" not in str(caught.value)


@pytest.mark.parametrize("bucket", ["emulator"], indirect=True)
def test_a_bucket_of_another_region_is_told(bucket, task, monkeypatch):
    """With the region that the bucket is in, and the field to mend."""
    elsewhere = json.loads(json.dumps(bucket.connection))
    elsewhere["extra"]["region"] = "cn-east-3"
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(elsewhere))

    with pytest.raises(
        errors.BadRequest, match=r"'cn-east-3' is wrong; expecting 'cn-north-4'.*check region"
    ):
        task.run(sensor(f"obs://{bucket.name}/out/"))


@pytest.mark.parametrize("name", ["AWS_SKIP_SIGNATURE", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST"])
def test_the_environment_s_other_cloud_is_left_alone(bucket, task, monkeypatch, name):
    """What obstore would take from there, address and credential, is given to it."""
    bucket.put("out/a.csv")
    for key, value in {
        name: "true",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "other",
        "AWS_SESSION_TOKEN": "other",
        "AWS_REGION": "other",
    }.items():
        monkeypatch.setenv(key, value)

    assert (
        len(task.run(sensor(f"obs://{bucket.name}/out/", stable_for=int(name == "AWS_SKIP_SIGNATURE")))) == 1
    )


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("https://obs.cn-north-4.myhuaweicloud.com", "https://lab.obs.cn-north-4.myhuaweicloud.com"),
        ("http://127.0.0.1:8787/obs", "http://127.0.0.1:8787/obs"),
    ],
)
def test_a_bucket_is_a_host_of_its_own_but_for_this_machine(endpoint, url):
    """The service refuses a bucket in the path; on this machine no such host exists."""
    assert Bucket(Endpoint(endpoint), "cn-north-4", "lab").url == url


def test_what_is_not_encrypted_gets_no_signature():
    """Plain http is for this machine."""
    with pytest.raises(errors.InvalidInput, match="not encrypted"):
        Endpoint("http://obs.cn-north-4.myhuaweicloud.com")
