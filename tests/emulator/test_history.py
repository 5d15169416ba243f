"""Discovery, run history and data: the way from a job to its outputs and logs."""

from __future__ import annotations

import httpx
import pytest

from .conftest import WORKSPACE

HISTORY = f"/history/v1.0{WORKSPACE}"
RESOLVE = f"/data/v1.0{WORKSPACE}/dataversion/batchGetResolvedUris"


def post(azure, path, body):
    return azure.http.post(path, json=body, headers=azure.arm)


def child_of(azure, name):
    (child,) = azure.http.get(f"{HISTORY}/runs/{name}/children", headers=azure.arm).json()["value"]
    return child["runId"]


def scored(azure, numbers, **properties):
    name = azure.invoke("digits", str(numbers), **properties).json()["name"]
    azure.finished("digits", name)
    return name


def test_discovery_needs_no_token_and_names_the_emulator(azure):
    url = azure.get("").json()["properties"]["discoveryUrl"]

    found = httpx.get(url).json()

    assert (found["api"], found["history"]) == (azure.url, azure.url)


def test_output_is_found_as_the_vendor_s_client_finds_it(azure, numbers):
    name = scored(azure, numbers)

    child = child_of(azure, name)
    run = post(azure, f"{HISTORY}/rundata", {"runId": child, "selectRunMetadata": True}).json()
    asset = run["runMetadata"]["outputs"]["score"]["assetId"]
    place = post(azure, RESOLVE, {"values": [asset]}).json()["values"][asset]

    assert place["type"] == "UriFolder"
    assert place["uri"].startswith("azureml://subscriptions/")
    assert place["uri"].endswith(f"/datastores/workspaceblobstore/paths/azureml/{child}/score/")


def test_chosen_output_file_is_what_run_history_tells(azure, numbers):
    uri = "azureml://datastores/workspaceblobstore/paths/told/p.csv"
    name = scored(azure, numbers, outputData={"mine": {"jobOutputType": "UriFile", "uri": uri}})

    run = post(azure, f"{HISTORY}/rundata", {"runId": child_of(azure, name)}).json()
    asset = run["runMetadata"]["outputs"]["score"]["assetId"]
    place = post(azure, RESOLVE, {"values": [asset]}).json()["values"][asset]

    assert place["uri"].endswith("/datastores/workspaceblobstore/paths/told/p.csv")


def test_outputs_appear_only_when_the_job_is_done(azure):
    name = azure.invoke("waiting").json()["name"]

    run = post(azure, f"{HISTORY}/rundata", {"runId": name}).json()

    assert run["runMetadata"]["outputs"] == {}
    assert run["runMetadata"]["parentRunId"] is None


def test_data_assets_resolve_and_unknown_ones_are_left_out(azure):
    known, unknown = "azureml:numbers:1", "azureml:unknown:1"

    values = post(azure, RESOLVE, {"values": [known, unknown, "gibberish"]}).json()["values"]

    assert list(values) == [known]
    assert values[known]["type"] == "UriFolder"
    assert values[known]["uri"].startswith("azureml://datastores/workspaceblobstore/paths/")


def test_logs_are_readable_by_their_urls_alone(azure, numbers):
    name = scored(azure, numbers)

    details = azure.http.get(f"{HISTORY}/runs/{child_of(azure, name)}/details", headers=azure.arm).json()
    logs = {name: httpx.get(url) for name, url in details["logFiles"].items()}

    assert "user_logs/std_log_0.txt" in logs
    assert {log.status_code for log in logs.values()} == {200}
    assert "5" in logs["logs/job_progress_overview.txt"].text


def test_failure_is_told_in_the_details_with_the_script_s_error(azure, numbers):
    (numbers / "word.txt").write_text("seven")
    name = scored(azure, numbers, errorThreshold=0)

    details = azure.http.get(f"{HISTORY}/runs/{child_of(azure, name)}/details", headers=azure.arm).json()

    assert details["status"] == "Failed"
    assert details["error"]["error"]["message"].startswith("User program failed with Exception")
    assert "seven" in httpx.get(details["logFiles"]["logs/user/error.txt"]).text


def test_parent_run_logs_its_states(azure):
    name = azure.invoke("waiting", deployment="doomed").json()["name"]
    azure.finished("waiting", name)

    details = azure.http.get(f"{HISTORY}/runs/{name}/details", headers=azure.arm).json()
    log = httpx.get(details["logFiles"]["logs/azureml/executionlogs.txt"]).text

    assert [line.split("] ")[1] for line in log.splitlines()[:-1]] == [
        "Preparing",
        "Queued",
        "Running",
        "Failed",
    ]
    assert log.endswith("out of quota\n")


@pytest.mark.parametrize("path", ["/runs/none/children", "/runs/none/details", "/runs/none"])
def test_unknown_run_is_a_404_of_run_history(azure, path):
    answer = azure.http.get(HISTORY + path, headers=azure.arm)

    assert (answer.status_code, answer.json()["componentName"]) == (404, "run-history")


def test_run_of_another_workspace_is_not_found(azure):
    name = azure.invoke("waiting").json()["name"]
    elsewhere = HISTORY.replace("workspaces/emulator", "workspaces/other")

    assert azure.http.get(f"{elsewhere}/runs/{name}", headers=azure.arm).status_code == 404


@pytest.mark.parametrize(
    ("path", "body"), [("/rundata", {}), ("/rundata", {"runId": 3}), (None, {}), (None, {"values": "x"})]
)
def test_incomplete_request_is_a_400(azure, path, body):
    assert post(azure, HISTORY + path if path else RESOLVE, body).status_code == 400


@pytest.mark.parametrize("content", [b"{", b"[]", b""])
def test_body_that_is_no_object_is_a_400(azure, content):
    assert azure.http.post(f"{HISTORY}/rundata", content=content, headers=azure.arm).status_code == 400


class TestRunChanges:
    def test_tags_are_merged_and_the_rest_replaced(self, azure):
        """As studio changes a job: a running one keeps what was changed when it goes on."""
        name = azure.invoke("waiting", deployment="short").json()["name"]
        run = f"{HISTORY}/experiments/waiting/runs/{name}"

        for change in (
            {"tags": {"a": "1"}, "displayName": "mine"},
            {"tags": {"b": "2"}, "description": "why"},
        ):
            assert azure.http.patch(run, headers=azure.arm, json=change).status_code == 200

        assert azure.finished("waiting", name)["status"] == "Completed"
        shown = azure.get(f"/jobs/{name}").json()["properties"]
        assert {"a": "1", "b": "2"}.items() <= shown["tags"].items()
        assert "azureml.deploymentname" in shown["tags"]
        assert (shown["displayName"], shown["description"]) == ("mine", "why")

    def test_hidden_jobs_are_listed_only_when_asked_for(self, azure):
        name = azure.invoke("waiting", deployment="short").json()["name"]
        run = f"{HISTORY}/experiments/waiting/runs/{name}"

        def listed(**view):
            return name in {job["name"] for job in azure.get("/jobs", **view).json()["value"]}

        azure.http.patch(run, headers=azure.arm, json={"hidden": True})
        assert azure.get(f"/jobs/{name}").json()["properties"]["isArchived"] is True
        assert [listed(), listed(listViewType="ArchivedOnly"), listed(listViewType="All")] == [
            False,
            True,
            True,
        ]
        azure.http.patch(run, headers=azure.arm, json={"hidden": False})
        assert [listed(), listed(listViewType="ArchivedOnly"), listed(listViewType="All")] == [
            True,
            False,
            True,
        ]

    def test_step_and_wrong_field_are_refused(self, azure):
        name = azure.invoke("waiting", deployment="short").json()["name"]
        runs = f"{HISTORY}/experiments/waiting/runs"
        child = azure.journal_of(name)["childRun"]

        for run, change in ((child, {"hidden": True}), (name, {"tags": {"a": {}}}), (name, {"tags": "a"})):
            answer = azure.http.patch(f"{runs}/{run}", headers=azure.arm, json=change)
            assert answer.status_code == 400
        assert azure.get(f"/jobs/{name}").json()["properties"]["isArchived"] is False
