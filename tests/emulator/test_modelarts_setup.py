"""The section ``modelarts`` of a set-up file, and the connection that it makes."""

from __future__ import annotations

from textwrap import dedent

import httpx
import pytest

from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.emulator.setup import SetupError, load
from airflow_batch_provider.emulator.world import World

from .huawei import Huawei, write_cloud
from .test_cli import emulator

ACCOUNT = """
    modelarts:
      region: eu-west-0
      project_id: p-1
      domain: company
      user: me
      password: pass
      access_keys: {AK1: SK1, AK2: SK2}
"""


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path / "state")
    yield made
    made.close()


def written(folder, text):
    file = write_cloud(folder)
    file.write_text(dedent(text))
    return file


def test_connection_names_what_the_file_says(tmp_path):
    with Emulator(setup=written(tmp_path, ACCOUNT)) as running:
        connection = running.modelarts_connection()

        user = {"name": "me", "password": "pass", "domain": {"name": "company"}}
        identity = {"methods": ["password"], "password": {"user": user}}
        body = {"auth": {"identity": identity, "scope": {"project": {"name": "eu-west-0"}}}}
        answer = httpx.post(f"{running.url}/v3/auth/tokens", json=body)

    assert (connection["conn_type"], connection["login"], connection["password"]) == (
        "modelarts",
        "AK1",
        "SK1",
    )
    assert connection["extra"] == {
        "region": "eu-west-0",
        "project_id": "p-1",
        "iam_endpoint": running.url,
        "obs_endpoint": f"{running.url}/obs",
    }
    assert answer.json()["token"]["project"]["id"] == "p-1"


def test_account_and_objects_are_remembered_with_the_state(tmp_path):
    with Emulator(tmp_path / "state", setup=write_cloud(tmp_path)):
        pass
    with Emulator(tmp_path / "state") as second:
        huawei = Huawei(second.url)
        found = huawei.object("lab/in/3.txt")
        huawei.http.close()

    assert found.text == "3"


def test_workflow_is_replaced_under_its_id(tmp_path):
    seen = []
    for title in ("old", "new"):
        file = written(tmp_path, f"modelarts: {{workflows: {{train: {{steps: [], description: {title}}}}}}}")
        with Emulator(tmp_path / "state", setup=file) as running:
            huawei = Huawei(running.url)
            seen += huawei.get("")["items"]
            huawei.http.close()

    old, new = seen
    assert (old["name"], old["description"], new["description"]) == ("train", "old", "new")
    assert old["workflow_id"] == new["workflow_id"]


def test_second_line_of_the_command_line_is_this_connection(tmp_path):
    with emulator(tmp_path) as (process, told):
        process.terminate()
        lines = process.communicate(timeout=10)[0].splitlines()

    assert lines[3].startswith('export AIRFLOW_CONN_MODELARTS_DEFAULT=\'{"conn_type":"modelarts"')
    assert told["url"] in lines[3]


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("colour: red", "modelarts.colour", "is not a known key"),
        ("region: [x]", "modelarts.region", "must be text"),
        ("objects: {lab/x: ./train}", "modelarts.objects.lab/x", "must be a local path under an OBS path"),
        ("objects: {'obs://lab': ./setup.yml}", "modelarts.objects.obs://lab", "must be a local path under"),
        ("objects: {'obs://lab/': ./gone}", "modelarts.objects.obs://lab/", "does not exist"),
        ("public_buckets: lab", "modelarts.public_buckets", "must be a list of bucket names"),
        ("algorithms: {a: {boot_file: x}}", "modelarts.algorithms.a.code_dir", "must be text"),
        ("algorithms: {a: {code_dir: x, boot_file: y}}", "modelarts.algorithms.a.code_dir", "an OBS folder"),
        ("algorithms: {a: {code_dir: 'obs://b/'}}", "modelarts.algorithms.a.boot_file", "must be text"),
        ("workflows: {1st: {}}", "modelarts.workflows.1st:", "failed on the 'workflow_name' tag"),
        ("workflows: {a: {steps: [{name: s}]}}", "modelarts.workflows.a:", "WorkflowStep.Type"),
        ("workflows: {a: 1}", "modelarts.workflows.a", "must be a mapping"),
    ],
)
def test_error_names_file_key_and_fix(world, tmp_path, text, key, words):
    file = written(tmp_path, f"modelarts:\n  {text}")

    with pytest.raises(SetupError) as caught:
        load(world, file)

    assert str(caught.value).startswith(f"{file}: {key} ")
    assert words in str(caught.value)
