"""The published commands for batch scoring by REST, run by bash and curl from the first to the last.

Source: the service's page "Deploy models for batch scoring with REST" (2022-05-01). The commands are in
``published.sh``; only their host is replaced. What they deploy is the demo's model of handwritten digits.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_batch_provider import demo
from airflow_batch_provider.demo import digits
from airflow_batch_provider.emulator.server import Emulator
from tests.secret_scan import CLIENT_SECRET

from .conftest import SUBSCRIPTION, TERMINAL, WORKSPACE, Azure, wait_for

HERE = Path(__file__).parent
HOSTS = ("https://management.chinacloudapi.cn", "https://management.azure.com")
IMAGES = 40
CONDA = {"name": "mnist-env", "dependencies": ["python=3.8", {"pip": ["pandas"]}]}
INVOCATIONS = ("public folder", "short form", "long form", "data asset", "public file", "output chosen")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Run the script; return what it and the emulator have to tell."""
    work = tmp_path_factory.mktemp("page")
    truth = lay_out(work)
    with Emulator(speed=40) as emulator:
        azure = Azure(emulator.url)
        for name in truth:
            upload(azure, f"pipelinedata/sampledata/mnist/{name}", (work / "mnist" / name).read_bytes())
        ran = run(work, emulator.url)
        jobs = azure.http.get("/_emulator/jobs").json()["jobs"]
        for job in jobs:
            wait_for(lambda job=job: azure.journal_of(job["id"])["status"] in TERMINAL, 60)
        yield SimpleNamespace(
            azure=azure,
            truth=truth,
            ran=ran,
            commands=[line.split() for line in (work / "curl.log").read_text().splitlines()],
            jobs=[azure.journal_of(job["id"]) for job in sorted(jobs, key=lambda job: job["createdAt"])],
        )
        azure.http.close()


def lay_out(work):
    """Write the files that the page uploads, from the demo; return the digit that each image shows."""
    digits.write(work / "made")
    mnist = work / "endpoints" / "batch" / "mnist"
    shutil.copytree(Path(demo.__file__).parent / "deployment" / "code", mnist / "code")
    shutil.copytree(work / "made" / "model", mnist / "model")
    (mnist / "environment").mkdir()
    (mnist / "environment" / "conda.json").write_text(json.dumps(CONDA, indent=4))
    (work / "mnist").mkdir()
    truth = {}
    for number, image in enumerate(sorted((work / "made" / "images").iterdir())[:IMAGES]):
        shutil.copy(image, work / "mnist" / f"{number}.png")
        truth[f"{number}.png"] = image.stem[-1]
    return truth


def upload(azure, path, content):
    headers = azure.storage | {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-08-06"}
    azure.http.put(f"/blob/{path}", content=content, headers=headers).raise_for_status()


def run(work, url):
    script = (HERE / "published_tools.sh").read_text() + (HERE / "published.sh").read_text()
    for host in HOSTS:
        script = script.replace(host, url)
    environment = {
        "EMULATOR": url,
        "PYTHON": sys.executable,
        "CURL_LOG": str(work / "curl.log"),
        "CLIENT_SECRET": CLIENT_SECRET,
        "SUBSCRIPTION_ID": SUBSCRIPTION,
        "RESOURCE_GROUP": "emulator",
        "WORKSPACE": "emulator",
        "WORKSPACE_NAME": "emulator",
        "LOCATION": "eastus",
        "LOCATION_NAME": "eastus",
        "OUTPUT_FILE_NAME": "mnist.csv",
    }
    kept = {name: os.environ[name] for name in ("PATH", "NO_PROXY") if name in os.environ}
    bash = [shutil.which("bash"), "-s"]
    return subprocess.run(
        bash,
        cwd=work,
        env=kept | environment,
        input=script,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def rows(page, uri):
    """Return the rows of predictions behind the URI of an output."""
    store = page.azure.get("/datastores/workspaceblobstore").json()["properties"]
    path = uri.rpartition("/paths/")[2]
    path += "predictions.csv" if path.endswith("/") else ""
    blob = f"/blob/{store['accountName']}/{store['containerName']}/{path}"
    answer = page.azure.http.get(blob, headers=page.azure.storage)
    assert answer.status_code == 200, answer.text
    return dict(row.split() for row in answer.text.splitlines())


def test_each_command_is_answered_as_by_the_service(page):
    """What is new is created with 201, the endpoint changed with 200, its deletion accepted with 202."""
    assert (page.ran.returncode, page.ran.stderr) == (0, "")
    told = []
    for code, method, address in page.commands:
        path = address.removeprefix(page.azure.url).removeprefix(WORKSPACE)
        told.append((method, int(code), path.partition("?")[0].split("/")[1]))
    assert told == [
        ("PUT", 201, "computes"),
        ("GET", 200, "datastores"),
        ("PUT", 201, "codes"),
        ("PUT", 201, "models"),
        ("PUT", 201, "environments"),
        ("PUT", 201, "batchEndpoints"),
        ("PUT", 201, "batchEndpoints"),
        ("PUT", 200, "batchEndpoints"),
        ("GET", 200, "batchEndpoints"),
        *[("POST", 201, "endpoints")] * 3,
        ("PUT", 201, "data"),
        *[("POST", 201, "endpoints")] * 3,
        ("DELETE", 202, "batchEndpoints"),
    ]


@pytest.mark.parametrize("invocation", INVOCATIONS)
def test_each_invocation_ends_with_predictions(page, invocation):
    """Whatever form the input has, each file is scored; nearly all of the digits are read rightly."""
    job = page.jobs[INVOCATIONS.index(invocation)]
    assert (job["status"], job["error"]) == ("Completed", None)
    (output,) = job["outputs"].values()
    predicted = rows(page, output["uri"])

    assert set(predicted) == ({"0.png"} if invocation == "public file" else set(page.truth))
    right = sum(predicted[name] == page.truth[name] for name in predicted)
    assert right >= 0.9 * len(predicted)


def test_numbers_that_are_sent_as_texts_are_numbers(page):
    """The deployment's body says "5", "10" and "4"."""
    parameters = json.loads(page.jobs[0]["properties"]["azureml.parameters"])

    assert (parameters["mini_batch_size"], parameters["error_threshold"]) == ("5", "10")
    assert (parameters["process_count_per_node"], parameters["logging_level"]) == ("4", "INFO")


def test_output_goes_where_the_last_invocation_says(page):
    (output,) = page.jobs[-1]["outputs"].values()

    assert output["uri"].endswith("/mnistOutput/mnist.csv")


def test_conda_file_arrives_as_it_lies_on_disk(page):
    """The page sends the JSON of the file as a text, without its line ends."""
    (address,) = (address for _, _, address in page.commands if "/environments/" in address)
    environment = page.azure.http.get(address, headers=page.azure.arm).json()["properties"]

    assert json.loads(environment["condaFile"]) == CONDA


def test_last_command_deletes_endpoint_and_deployment(page):
    (endpoint,) = {job["endpoint"] for job in page.jobs}
    wait_for(lambda: page.azure.get(f"/batchEndpoints/{endpoint}").status_code == 404)

    assert page.azure.get(f"/batchEndpoints/{endpoint}/deployments/nonmlflowedp").status_code == 404
    assert len(page.jobs) == len(INVOCATIONS)
