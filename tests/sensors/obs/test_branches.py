"""Both branches of a condition run for real, and what the taken one writes is found in either store."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from airflow_batch_provider.hooks.modelarts import ModelArtsHook
from airflow_batch_provider.jobs import Watch, finish
from airflow_batch_provider.sensors import BatchOutputSensor

from .conftest import ACCESS, Bucket

# Sums numbers. Where the output's bucket is in another store, a job on the cloud would write there by itself.
SUM = """
import argparse, pathlib, urllib.request

given = argparse.ArgumentParser()
for name in ("--data_url", "--train_url", "--factor", "--place", "--store", "--login"):
    given.add_argument(name)
given = given.parse_args()
total = sum(int(file.read_text()) for file in pathlib.Path(given.data_url).iterdir()) * int(given.factor)
if given.store:
    url = f"{given.store}{given.place}total.txt"
    request = urllib.request.Request(url, str(total).encode(), method="PUT")
    request.add_header("Authorization", given.login)
    request.add_header("Content-Type", "text/plain")
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
else:
    (pathlib.Path(given.train_url) / "total.txt").write_text(str(total))
"""
FACTORS = {"large": 1000, "small": 1}
# moto verifies no signature.
LOGIN = (
    f"AWS4-HMAC-SHA256 Credential={ACCESS}/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"
)


@pytest.fixture
def code(emulator):
    """Put the code and its data where the emulator's jobs find them."""
    made = Bucket(emulator.modelarts_connection(), f"code-{uuid4().hex[:8]}")
    made.call("PUT")
    made.put("code/sum.py", SUM.encode())
    for number in (1, 2, 3):
        made.put(f"in/{number}.txt", str(number).encode())
    return made


def workflow(code, bucket):
    """Return a condition with two branches, whose jobs write to a folder of the execution's own."""
    store = "" if bucket.endpoint == code.endpoint else bucket.endpoint

    def branch(name):
        place = f"$ref/storages(with_execution_id=True, create_dir=True)/results/{name}"
        given = {"factor": FACTORS[name], "place": place, "store": store, "login": LOGIN}
        algorithm = {
            "code_dir": f"/{code.name}/code/",
            "boot_file": "sum.py",
            "parameters": [{"name": key, "value": value} for key, value in given.items()],
        }
        return {
            "name": name,
            "type": "job",
            "depend_steps": ["choose"],
            "inputs": [{"name": "data_url", "type": "obs", "data": "$ref/data/numbers"}],
            "outputs": [{"name": "train_url", "type": "obs", "config": {"obs_url": place}}],
            "properties": {"algorithm": algorithm},
        }

    choose = {
        "name": "choose",
        "type": "condition",
        "conditions": [{"type": "==", "left": "$ref/parameters/is_large", "right": True}],
        "if_then_steps": ["large"],
        "else_then_steps": ["small"],
    }
    return {
        "name": f"branches-{uuid4().hex[:8]}",
        "steps": [choose, branch("large"), branch("small")],
        "parameters": [{"name": "is_large", "type": "bool", "delay": True, "used_steps": ["choose"]}],
        "data": [{"name": "numbers", "type": "obs", "value": {"obs_url": f"/{code.name}/in/"}}],
        "storages": [{"name": "results", "type": "obs", "path": f"/{bucket.name}/results/"}],
    }


@pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
@pytest.mark.parametrize("taken", FACTORS)
def test_the_output_of_the_branch_that_was_taken_is_found(bucket, code, task, taken, deferrable):
    """The sensor waits while the job runs, and finds what it has written; the other branch writes nothing."""
    hook = ModelArtsHook()
    service = hook.get_conn()
    order = hook.order(workflow=workflow(code, bucket), parameters={"is_large": str(taken == "large")})
    ref, _ = hook.run(service.submit(hook.run(service.plan(order)), ""))
    root = f"obs://{bucket.name}/results/{ref.id}"

    (found,) = task.run(
        BatchOutputSensor(
            task_id="wait",
            path=f"{root}/",
            glob="**/total.txt",
            deferrable=deferrable,
            poke_interval=0.1,
            timeout=30,
        )
    )
    job = hook.run(finish(service, ref, Watch(poll_interval=0.1)))

    assert found["path"] == f"{root}/{taken}/total.txt"
    assert ModelArtsHook().read_file(found["path"]) == str(6 * FACTORS[taken]).encode()
    assert job.status == "completed", json.dumps(job.to_dict())
    assert {name: place["uri"].rstrip("/") for name, place in job.outputs.items()} == {
        f"{taken}/train_url": f"{root}/{taken}"
    }
