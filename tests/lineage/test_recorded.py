"""What OpenLineage's own listener sends of real runs; ``build/lineage`` keeps the events to look at."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import ValidationError

from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.lineage.facets import KEY
from tests.secret_scan import HUAWEI_ACCOUNT, look

from .validation import check

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "lineage"
SETUP = """
data:
  images: {type: uri_folder, path: ./images}
datastores:
  lake: {type: azure_blob, account_name: contoso, container_name: sales, endpoint: core.windows.net}
endpoints:
  churn:
    deployments:
      well: &pipeline {type: pipeline, component: "azureml:scorer@2", emulator: {run_seconds: 1}}
      badly:
        <<: *pipeline
        emulator: {run_seconds: 1, status: Failed, error: Out of luck.}
modelarts:
  <<: {account}
  objects: {"obs://lab/in/": ./images}
  workflows:
    well: &workflow
      steps:
        - &fit
          name: fit
          type: model
          properties: {emulator: {run_seconds: 1}}
          outputs: [{name: model, type: obs, config: {obs_url: /lab/out/}}]
      data_requirements: [{name: customers, type: obs, delay: true, used_steps: [fit]}]
    badly:
      <<: *workflow
      steps:
        - <<: *fit
          properties: {emulator: {run_seconds: 1, status: failed, error: Out of luck.}}
"""
RUN = """
import sys
sys.path.insert(0, sys.argv[1])
from airflow_batch_provider.triggers import settling
settling.SETTLE_SECONDS = 0  # No worker of a scheduler's is about to exit here.
import recorded_dag
recorded_dag.dag.test()
"""
EVERY = [
    (service, waits, ends)
    for service in ("azure_ml", "modelarts")
    for waits in ("in_worker", "deferred")
    for ends in ("well", "badly")
]
every_task = pytest.mark.parametrize(("service", "waits", "ends"), EVERY)

SIGNED = "https://contoso.blob.core.windows.net/raw/customers?sv=2026-01-01&sig=planted-secret-signature"
WORKSPACE = (
    "azureml://subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/emulator/workspaces/emulator"
)
SALES = "wasbs://sales@contoso.blob.core.windows.net"


@pytest.fixture(scope="module")
def events(tmp_path_factory, terminal):
    """Run the DAG in a terminal, with the listener on; return the events of its tasks in their order."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "images").mkdir()
    (folder / "images" / "a.txt").write_text("a")
    (folder / "setup.yml").write_text(SETUP.replace("{account}", HUAWEI_ACCOUNT))
    (folder / "dags").mkdir()
    shutil.copy(HERE / "recorded_dag.py", folder / "dags")
    events = folder / "events.jsonl"
    with Emulator(setup=folder / "setup.yml", speed=20) as emulator:
        environment = {
            **terminal,
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
                {"type": "file", "log_file_path": str(events), "append": True}
            ),
            "AIRFLOW_VAR_SIGNED": SIGNED,
            "AIRFLOW_CONN_AZURE_ML_DEFAULT": json.dumps(emulator.airflow_connection()),
            "AIRFLOW_CONN_MODELARTS_DEFAULT": json.dumps(emulator.modelarts_connection()),
        }
        command = [sys.executable, "-c", RUN, str(folder / "dags")]
        run = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=240, check=False
        )
    assert events.is_file(), (run.stdout + run.stderr)[-5000:]
    look("OpenLineage events", events.read_text())
    found = [json.loads(line) for line in events.read_text().splitlines()]
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    told = [event for event in found if event["job"]["name"].startswith("recorded.")]
    for number, event in enumerate(told):
        name = f"{number:02}-{event['job']['name'].removeprefix('recorded.')}-{event['eventType']}.json"
        (BUILD / name).write_text(json.dumps(event, indent=2))
    return told


def of(events, service, waits, ends):
    name = f"recorded.{service}_{waits}_{ends}"
    return [event for event in events if event["job"]["name"] == name]


def names(datasets):
    return {f"{data['namespace']} {data['name']}" for data in datasets}


def symlinks(dataset):
    return names(dataset.get("facets", {}).get("symlinks", {}).get("identifiers", []))


def test_every_event_is_valid(events):
    """Each can be read back with the client's classes, and each facet by its schema."""
    for event in events:
        check(event)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda run, _: run["facets"]["parent"].update(job=5),
        lambda run, _: run["facets"]["parent"]["job"].update(name=None),
        lambda run, _: run.update(runId="no UUID"),
        lambda run, _: run["facets"][KEY].update(jobId=7),
        lambda _, data: data.update(name=""),
        lambda _, data: data["facets"]["symlinks"].update(identifiers="nonsense"),
        lambda _, data: data["facets"]["symlinks"].update(more=1),
    ],
)
def test_an_event_that_is_not_valid_is_noticed(events, spoil):
    """Down to the fields of facets."""
    spoilt, data = next(
        (event, data)
        for event in copy.deepcopy(events)
        for data in (*event["inputs"], *event["outputs"])
        if symlinks(data) and event["eventType"] == "COMPLETE"
    )
    check(spoilt)
    spoil(spoilt["run"], data)

    with pytest.raises((AssertionError, ValueError, ValidationError)):
        check(spoilt)


@every_task
def test_what_is_sent_when(events, service, waits, ends):
    """A task starts, again when it goes on after a deferral, and ends; its parent is the run of the DAG."""
    told = of(events, service, waits, ends)

    starts = ["START"] * (2 if waits == "deferred" else 1)
    assert [event["eventType"] for event in told] == [*starts, "COMPLETE" if ends == "well" else "FAIL"]
    assert len({event["run"]["runId"] for event in told}) == 1
    assert {event["run"]["facets"]["parent"]["job"]["name"] for event in told} == {"recorded"}


@every_task
def test_inputs_have_one_name_from_the_start_to_the_end(events, service, waits, ends):
    """They are told in every event, without the signature of a signed URL."""
    day = of(events, service, waits, ends)[0]["run"]["facets"]["nominalTime"]["nominalStartTime"]
    expected = {
        "azure_ml": {
            "wasbs://raw@contoso.blob.core.windows.net customers",
            "abfss://lake@contoso.dfs.core.windows.net all",
            f"{WORKSPACE} data/images/versions/1",
            f"{WORKSPACE} datastores/lake/paths/days/{day[:10]}",
        },
        "modelarts": {"obs://lab in"},
    }

    for event in of(events, service, waits, ends):
        assert names(event["inputs"]) == expected[service]


@every_task
def test_outputs_are_told_when_they_are_there(events, service, waits, ends):
    """Only at a good end, by the storage that they are in; a datastore is told as another name of it."""
    *starts, end = of(events, service, waits, ends)

    assert all(event["outputs"] == [] for event in starts)
    if ends == "badly":
        assert end["outputs"] == []
    elif service == "modelarts":
        assert names(end["outputs"]) == {"obs://lab out"}
    else:
        (output,) = end["outputs"]
        folder, _, day = output["name"].partition("/")
        assert names([output]) == {f"{SALES} azure_ml_{waits}_well/{day}"}
        assert symlinks(output) == {
            f"abfss://sales@contoso.dfs.core.windows.net {folder}/{day}",
            f"{WORKSPACE} datastores/lake/paths/{folder}/{day}",
        }
        (days,) = [data for data in end["inputs"] if "days" in data["name"]]
        assert f"{SALES} days/{day}" in symlinks(days)


@every_task
def test_the_job_is_told(events, service, waits, ends):
    """At the start where it will run, at the end which job it was and how it ended."""
    *starts, end = (event["run"]["facets"][KEY] for event in of(events, service, waits, ends))
    at_start, at_end = (
        {key: value for key, value in facet.items() if key[0] != "_"} for facet in (starts[0], end)
    )

    assert at_start.items() <= at_end.items()
    assert {"jobId", "jobUrl", "status"}.isdisjoint(at_start)
    assert at_end["jobId"] in at_end["jobUrl"]
    if service == "azure_ml":
        assert (at_end["endpoint"], at_end["deployment"]) == ("churn", ends)
        assert at_end["workspace"].endswith("/workspaces/emulator")
        assert at_end["status"] == ("Completed" if ends == "well" else "Failed")
    else:
        assert (at_end["workflowName"], at_end["region"]) == (ends, "cn-north-4")
        assert at_end["workflowId"] in at_end["jobUrl"]
        assert at_end["status"] == ("completed" if ends == "well" else "abnormal")


@pytest.mark.parametrize("service", ["azure_ml", "modelarts"])
@pytest.mark.parametrize("ends", ["well", "badly"])
def test_a_deferred_task_tells_the_same(events, service, ends):
    """What goes on in a new process after the deferral tells as much as what never left its worker."""
    one, other = (of(events, service, waits, ends)[-1] for waits in ("in_worker", "deferred"))
    facets = [event["run"]["facets"][KEY] for event in (one, other)]

    for data in ("inputs", "outputs"):
        assert json.dumps(one[data]).replace("in_worker", "deferred") == json.dumps(other[data])
    alike = [{key: facet[key] for key in facet.keys() - {"jobId", "jobUrl"}} for facet in facets]
    assert alike[0] == alike[1]
    assert facets[0].keys() == facets[1].keys()
    assert facets[0]["jobId"] != facets[1]["jobId"]


@every_task
def test_the_services_error_is_told(events, service, waits, ends):
    """A failed task tells what the service said of its job, and which job that is."""
    end = of(events, service, waits, ends)[-1]["run"]["facets"]

    assert ("errorMessage" in end) is (ends == "badly")
    if ends == "badly":
        assert "Out of luck." in end["errorMessage"]["message"]
        assert end[KEY]["jobId"] in end["errorMessage"]["message"]
