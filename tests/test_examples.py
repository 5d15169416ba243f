"""Each example is run as a user would run it in a terminal: with ``dag.test()``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from airflow_batch_provider import demo
from airflow_batch_provider.demo import digits
from airflow_batch_provider.emulator.server import Emulator

EXAMPLES = Path(__file__).parents[1] / "example_dags"

RUN = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("example", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from airflow.sdk import DAG
from airflow_batch_provider.triggers import settling
settling.SETTLE_SECONDS = 0  # No worker of a scheduler's is about to exit here.
(dag,) = [value for value in vars(module).values() if isinstance(value, DAG)]
run = dag.test()
print("RESULT", json.dumps({
    "state": str(run.state), "tasks": {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
}))
"""


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    """Run the demo's emulator, fast."""
    folder = tmp_path_factory.mktemp("deployment") / "deployment"
    shutil.copytree(Path(demo.__file__).parent / "deployment", folder)
    digits.write(folder)
    setup = merged(folder / "setup.yml", EXAMPLES / "first_run" / "setup.yml")
    for name in ("code", "letters"):  # beside the other's own files
        shutil.copytree(EXAMPLES / "first_run" / name, folder / name, dirs_exist_ok=True)
    (folder / "setup.yml").write_text(setup)
    with Emulator(setup=folder / "setup.yml", speed=20) as emulator:
        upload(emulator, folder / "images")
        emulator.digits = folder
        yield emulator


def merged(*setups):
    """Return one set-up file of several, section by section."""
    sections = {}
    for setup in setups:
        for section, values in yaml.safe_load(setup.read_text()).items():
            sections.setdefault(section, {}).update(values)
    return yaml.safe_dump(sections)


def upload(emulator, images):
    """Put the images where the examples look for them."""
    connection = emulator.airflow_connection()
    form = {"grant_type": "client_credentials", "client_id": "emulator", "client_secret": "emulator"}
    extra = connection["extra"]
    workspace = (
        f"/subscriptions/{extra['subscriptionId']}/resourceGroups/{extra['resource_group_name']}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{extra['workspace_name']}"
    )
    with httpx.Client(base_url=emulator.url, trust_env=False) as client:

        def token(resource):
            data = {**form, "scope": f"{resource}/.default"}
            got = client.post("/tenant/oauth2/v2.0/token", data=data).raise_for_status().json()
            return {"Authorization": f"Bearer {got['access_token']}"}

        arm = token("https://management.azure.com")
        listed = client.get(f"{workspace}/datastores?isDefault=true", headers=arm).raise_for_status().json()
        container = listed["value"][0]["properties"]["containerName"]
        headers = {**token("https://storage.azure.com"), "x-ms-blob-type": "BlockBlob"}
        for image in sorted(images.iterdir())[:20]:
            for place in (container, "public"):
                url = f"/blob/emulatorstore/{place}/digits/images/{image.name}"
                client.put(url, content=image.read_bytes(), headers=headers).raise_for_status()


@pytest.mark.e2e
@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_runs_in_a_terminal(example, terminal, emulator):
    """``dag.test()`` of each example ends with success, in one process, without a scheduler."""
    environment = {
        **terminal,
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES),
        "EXAMPLE_DIGITS": str(emulator.digits),
        "AIRFLOW_CONN_AZURE_ML_DEFAULT": json.dumps(emulator.airflow_connection()),
        "AIRFLOW_CONN_MODELARTS_DEFAULT": json.dumps(emulator.modelarts_connection()),
    }

    done = subprocess.run(
        [sys.executable, "-c", RUN, str(example)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    results = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert results, (done.stdout + done.stderr)[-5000:]
    result = json.loads(results[0].removeprefix("RESULT "))
    assert set(result["tasks"].values()) == {"success"}, (result, done.stdout[-5000:])
    assert result["state"] == "success"
    assert ("no scheduler handed it to a triggerer" in done.stdout) is ("worker_free" in example.stem)
