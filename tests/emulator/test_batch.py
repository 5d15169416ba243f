"""The batch data plane: invoke, get, list, cancel, and jobs that really run."""

from __future__ import annotations

import pytest

from .conftest import WORKSPACE, wait_for


class TestInvoke:
    def test_job_of_a_model_deployment_is_named_and_addressed_as_the_service_does(self, azure, numbers):
        answer = azure.invoke("digits", str(numbers))

        job = answer.json()
        assert answer.status_code == 201
        assert job["name"].startswith("batchjob-")
        assert job["id"] == f"{WORKSPACE}/batchEndpoints/digits/deployments/squares/jobs/{job['name']}"
        assert job["properties"]["name"] != job["name"]
        assert job["properties"]["status"] == "Preparing"

    def test_location_points_at_the_deployment_not_at_the_job(self, azure):
        answer = azure.invoke("waiting")

        assert answer.headers["location"] == (
            f"{azure.url}/mferp/managementfrontend{WORKSPACE}/batchEndpoints/waiting/deployments/long"
            "?api-version=2020-09-01-dataplanepreview"
        )
        assert answer.headers["azureml-model-deployment"] == "long"
        assert answer.headers["x-request-id"]
        assert answer.headers["server"] == "azureml-frontdoor"

    def test_pipeline_job_has_a_bare_guid_and_an_empty_endpoint_segment(self, azure):
        job = azure.invoke("pipes").json()

        assert not job["name"].startswith("batchjob-")
        assert job["id"] == f"{WORKSPACE}/batchEndpoints//jobs/{job['name']}"
        assert "retrySettings" not in job["properties"]
        assert job["properties"]["compute"]["target"] is None

    def test_header_chooses_the_deployment(self, azure):
        job = azure.invoke("waiting", deployment="short").json()

        assert "/deployments/short/jobs/" in job["id"]
        assert job["properties"]["tags"]["azureml.deploymentname"] == "short"

    def test_published_body_with_pascal_case_trailing_commas_and_string_numbers_is_accepted(self, azure):
        body = """{ "properties": {
            "InputData": { "mnistinput": { "JobInputType" : "UriFolder", "Uri":  "https://a.b/c", }, },
            "MiniBatchSize": "5", "errorThreshold": "10",
            "RetrySettings": { "MaxRetries": "2", "Timeout": "PT1M" },
            "compute": { "InstanceCount": "3" },
        }, }"""

        answer = azure.http.post(azure.scoring_uri("waiting"), content=body, headers=azure.ml)

        properties = answer.json()["properties"]
        assert answer.status_code == 201
        assert properties["inputData"]["mnistinput"]["mode"] == "ReadOnlyMount"
        assert (properties["miniBatchSize"], properties["errorThreshold"]) == (5, 10)
        assert properties["retrySettings"] == {"maxRetries": 2, "timeout": "PT1M"}
        assert properties["compute"]["instanceCount"] == 3
        assert '"mini_batch_size":"5"' in properties["properties"]["azureml.parameters"]

    def test_experiment_name_counts_for_pipelines_only(self, azure):
        wanted = {"properties": {"experimentName": "mine"}}
        pipeline = azure.invoke("pipes", **wanted).json()["name"]
        model = azure.invoke("waiting", **wanted).json()["name"]

        names = [
            azure.get(f"/jobs/{job}").json()["properties"]["experimentName"] for job in (pipeline, model)
        ]
        assert names == ["mine", "waiting"]

    def test_published_body_that_repeats_the_key_properties_keeps_both(self, azure):
        body = """{"properties": {"InputData": {"a": {"JobInputType": "Literal", "Value": "append"}}},
                   "properties": {"experimentName": "twice"}}"""

        answer = azure.http.post(azure.scoring_uri("pipes"), content=body, headers=azure.ml)

        job = answer.json()
        assert job["properties"]["inputData"]["a"]["value"] == "append"
        assert azure.get(f"/jobs/{job['name']}").json()["properties"]["experimentName"] == "twice"

    @pytest.mark.parametrize("value", ["text", 3, 2.5, True])
    def test_literals_of_every_type_reach_a_pipeline(self, azure, value):
        answer = azure.invoke("pipes", inputData={"a": {"jobInputType": "Literal", "value": value}})

        assert answer.status_code == 201
        assert answer.json()["properties"]["inputData"]["a"]["value"] == value

    def test_outputs_are_echoed(self, azure):
        uri = "azureml://datastores/workspaceblobstore/paths/echo/p.csv"
        answer = azure.invoke("waiting", outputData={"score": {"jobOutputType": "UriFile", "uri": uri}})

        assert answer.json()["properties"]["outputData"]["score"]["uri"] == uri


def literal(value="x"):
    return {"jobInputType": "Literal", "value": value}


def folder(uri="/somewhere", kind="UriFolder"):
    return {"jobInputType": kind, "uri": uri}


OUTPUT = {"jobOutputType": "UriFile", "uri": "azureml://datastores/d/paths/p"}


class TestRefusedInvokes:
    @pytest.mark.parametrize(
        ("endpoint", "properties", "words"),
        [
            ("waiting", {"inputData": {"a": literal()}}, "Literal inputs are not supported"),
            ("waiting", {"inputData": {}}, "exactly one data input; the request has 0"),
            ("waiting", {"inputData": {"a": folder(), "b": folder()}}, "the request has 2"),
            ("waiting", {"inputData": {"a": folder(kind="MLTable")}}, "MLTable is not supported"),
            ("pipes", {"inputData": {"a": folder(kind="MLTable")}}, "MLTable is not supported"),
            ("pipes", {"inputData": {"a": folder(kind="Folder")}}, "'Folder' of inputData.a.jobInputType"),
            ("pipes", {"inputData": {"a": {"jobInputType": "UriFolder"}}}, "needs 'uri'"),
            ("pipes", {"inputData": {"a": {"jobInputType": "Literal"}}}, "needs 'value'"),
            ("pipes", {"inputData": {"a-b": folder()}}, "alphanumeric or underscores"),
            ("pipes", {"inputData": [folder()]}, "properties.inputData must be an object"),
            ("waiting", {"dataset": {"dataInputType": "DataUrl", "path": "x"}}, "V1 datasets"),
            ("waiting", {"miniBatchSize": 0}, "of miniBatchSize must be 1 or more"),
            ("waiting", {"miniBatchSize": "many"}, "'many' of miniBatchSize is not a whole number"),
            ("waiting", {"errorThreshold": -2}, "of errorThreshold must be -1 or more"),
            ("waiting", {"compute": {"instanceCount": 0}}, "of compute.instanceCount"),
            ("waiting", {"retrySettings": {"timeout": "30"}}, "'30' is not an ISO 8601 duration"),
            ("waiting", {"loggingLevel": "Loud"}, "'Loud' of loggingLevel is not supported"),
            ("waiting", {"outputFileName": "a/b.csv"}, "outputFileName is a file name"),
            (
                "waiting",
                {"outputData": {"a": OUTPUT | {"uri": "https://a.blob.core.windows.net/c/p"}}},
                "outputs are written to registered datastores only",
            ),
            (
                "waiting",
                {"outputData": {"a": OUTPUT, "b": OUTPUT}},
                "exactly one output",
            ),
        ],
    )
    def test_what_the_service_forbids_is_a_400_that_says_why_and_makes_no_job(
        self, azure, endpoint, properties, words
    ):
        before = len(azure.http.get("/_emulator/jobs").json()["jobs"])

        answer = azure.invoke(endpoint, **properties)

        assert answer.status_code == 400
        assert words in answer.json()["error"]["message"]
        assert answer.json()["componentName"] == "managementfrontend"
        assert len(azure.http.get("/_emulator/jobs").json()["jobs"]) == before

    @pytest.mark.parametrize("body", [b"{not json", b"[]", b'{"inputData": {}}', b'{"properties": 3}'])
    def test_body_that_is_no_request_is_a_400(self, azure, body):
        answer = azure.http.post(azure.scoring_uri("waiting"), content=body, headers=azure.ml)

        assert answer.status_code == 400

    def test_endpoint_without_a_default_deployment_says_so(self, azure):
        answer = azure.invoke("bare")

        assert answer.status_code == 404
        assert answer.json()["error"]["message"].startswith("No valid deployments to route to.")

    def test_unknown_deployment_is_a_404(self, azure):
        answer = azure.invoke("waiting", deployment="missing")

        assert answer.status_code == 404
        assert "missing" in answer.json()["error"]["message"]

    @pytest.mark.parametrize("path", ["/endpoints/eastus/missing/jobs", "/endpoints/westus/waiting/jobs"])
    def test_endpoint_is_looked_for_in_its_region(self, azure, path):
        answer = azure.http.post(path, json={"properties": {}}, headers=azure.ml)

        assert answer.status_code == 404


class TestRuns:
    def test_scoring_script_really_scores_the_files_directly_inside_the_folder(
        self, azure, emulator, numbers
    ):
        target = "azureml://datastores/workspaceblobstore/paths/runs/one/squares.csv"
        output = {"score": {"jobOutputType": "UriFile", "uri": target}}
        name = azure.invoke("digits", str(numbers), outputData=output).json()["name"]

        job = azure.finished("digits", name)

        assert (job["status"], job["error"]) == ("Completed", None)
        assert [state["status"] for state in job["states"]] == [
            "Preparing", "Queued", "Running", "Finalizing", "Completed",
        ]  # fmt: skip
        times = [state["time"] for state in job["states"]]
        assert times == sorted(times)
        rows = blob(azure, "runs/one/squares.csv").text.splitlines()
        assert rows == [f"{number}.txt {number * number + 100}" for number in range(5)]

    def test_default_output_is_under_the_child_run(self, azure, numbers):
        name = azure.invoke("digits", str(numbers)).json()["name"]

        job = azure.finished("digits", name)

        assert blob(azure, f"azureml/{job['childRun']}/score/predictions.csv").status_code == 200

    def test_overrides_reach_the_run(self, azure, numbers):
        (numbers / "bad.txt").write_text("-1")
        (numbers / "worse.txt").write_text("-2")
        fine = azure.invoke("digits", str(numbers), outputFileName="other.csv").json()["name"]
        strict = azure.invoke("digits", str(numbers), errorThreshold=1).json()["name"]

        job = azure.finished("digits", fine)
        assert job["status"] == "Completed"
        assert blob(azure, f"azureml/{job['childRun']}/score/other.csv").status_code == 200
        assert azure.finished("digits", strict)["status"] == "Failed"

    def test_output_that_exists_fails_the_job_and_is_left_alone(self, azure, numbers):
        uri = "azureml://datastores/workspaceblobstore/paths/runs/twice.csv"
        output = {"score": {"jobOutputType": "UriFile", "uri": uri}}
        first = azure.invoke("digits", str(numbers), outputData=output).json()["name"]
        assert azure.finished("digits", first)["status"] == "Completed"
        content = blob(azure, "runs/twice.csv").content

        second = azure.invoke("digits", str(numbers), outputData=output).json()["name"]

        job = azure.finished("digits", second)
        assert job["status"] == "Failed"
        assert "already exists" in job["error"]
        assert blob(azure, "runs/twice.csv").content == content

    @pytest.mark.parametrize(
        "uri",
        [
            "azureml://datastores/workspaceblobstore/paths/not/there",
            "azureml://datastores/unknown/paths/not/there",
            "azureml:unknown:1",
            "azureml:unknown@latest",
            "https://pipelinedata.blob.core.windows.net/sampledata/not-there",
            "/not/there",
            "gibberish",
            "azureml://datastores/workspaceblobstore/paths/../../etc",
        ],
    )
    def test_input_that_is_not_there_fails_the_job_with_its_uri(self, azure, uri):
        name = azure.invoke("digits", uri).json()["name"]

        job = azure.finished("digits", name)

        assert job["status"] == "Failed"
        assert "The requested stream was not found" in job["error"]
        assert uri in job["error"]

    def test_signature_in_an_input_is_not_repeated_in_the_error(self, azure):
        uri = "https://pipelinedata.blob.core.windows.net/c/not-there?sv=1&sig=planted%2Bsignature"
        name = azure.invoke("digits", uri).json()["name"]

        job = azure.finished("digits", name)

        assert "planted" not in job["error"]
        assert "sig=***" in job["error"]

    def test_empty_folder_fails_the_job(self, azure, tmp_path):
        name = azure.invoke("digits", str(tmp_path)).json()["name"]

        assert "No file was found" in azure.finished("digits", name)["error"]

    def test_data_that_was_uploaded_over_http_is_scored(self, azure):
        container = azure.get("/datastores/workspaceblobstore").json()["properties"]["containerName"]
        put(azure, container, "in/7.txt", b"7")
        name = azure.invoke("digits", f"{azure.url}/blob/emulatorstore/{container}/in?sv=1&sig=x").json()[
            "name"
        ]

        job = azure.finished("digits", name)

        assert blob(azure, f"azureml/{job['childRun']}/score/predictions.csv").text.strip() == "7.txt 149"

    def test_data_asset_leads_to_its_data(self, azure):
        name = azure.invoke("digits", "azureml:numbers@latest").json()["name"]

        job = azure.finished("digits", name)

        assert job["error"] is None
        assert len(blob(azure, f"azureml/{job['childRun']}/score/predictions.csv").text.splitlines()) == 5

    def test_single_file_is_an_input_of_its_own(self, azure, numbers):
        item = {"data": {"jobInputType": "UriFile", "uri": (numbers / "3.txt").as_uri()}}
        name = azure.invoke("digits", inputData=item).json()["name"]

        job = azure.finished("digits", name)

        assert blob(azure, f"azureml/{job['childRun']}/score/predictions.csv").text.strip() == "3.txt 109"

    def test_simulated_job_writes_its_output_and_never_over_another(self, azure):
        uri = "azureml://datastores/workspaceblobstore/paths/runs/simulated.csv"
        output = {"outputData": {"score": {"jobOutputType": "UriFile", "uri": uri}}}
        first = azure.invoke("waiting", deployment="short", **output).json()["name"]
        assert azure.finished("waiting", first)["status"] == "Completed"

        second = azure.invoke("waiting", deployment="short", **output).json()["name"]

        assert "already exists" in azure.finished("waiting", second)["error"]
        assert blob(azure, "runs/simulated.csv").text == f"{first}\n"

    def test_simulated_failure_ends_failed_with_its_text(self, azure):
        name = azure.invoke("waiting", deployment="doomed").json()["name"]

        job = azure.finished("waiting", name)

        assert (job["status"], job["error"]) == ("Failed", "out of quota")


class TestCancel:
    def cancel(self, azure, name):
        return azure.http.post(f"{WORKSPACE}/jobs/{name}/cancel", headers=azure.arm)

    def test_waiting_job_ends_canceled_and_the_operation_ends_with_it(self, azure):
        name = azure.invoke("waiting").json()["name"]

        answer = self.cancel(azure, name)

        operation = answer.headers["location"]
        first = azure.http.get(operation, headers=azure.arm)
        assert (answer.status_code, answer.json()) == (202, None)
        assert (first.status_code, first.json()) == (202, {})
        assert azure.finished("waiting", name)["status"] == "Canceled"
        last = azure.http.get(operation, headers=azure.arm)
        assert (last.status_code, last.content) == (200, b"")

    def test_running_script_is_ended(self, azure, numbers):
        name = azure.invoke("digits", str(numbers), deployment="gated").json()["name"]
        wait_for(lambda: azure.status("digits", name) == "Running")

        self.cancel(azure, name)

        job = azure.finished("digits", name)
        assert [state["status"] for state in job["states"]][-2:] == ["CancelRequested", "Canceled"]

    def test_finished_job_is_not_touched(self, azure):
        name = azure.invoke("waiting", deployment="short").json()["name"]
        azure.finished("waiting", name)

        answer = self.cancel(azure, name)

        assert answer.status_code == 202
        assert azure.http.get(answer.headers["location"], headers=azure.arm).status_code == 200
        assert azure.status("waiting", name) == "Completed"

    def test_second_cancel_is_harmless(self, azure):
        name = azure.invoke("waiting").json()["name"]

        codes = [self.cancel(azure, name).status_code for _ in range(2)]

        assert codes == [202, 202]
        assert azure.finished("waiting", name)["status"] == "Canceled"

    def test_unknown_job_is_a_404(self, azure):
        assert self.cancel(azure, "batchjob-none").status_code == 404


class TestGetAndList:
    def names(self, azure, url, **params):
        found = []
        while url:
            assert len(found) < 100, "the pages do not end"
            page = azure.http.get(url, headers=azure.ml, params=params or None).json()
            found.append([job["name"] for job in page["value"]])
            url, params = page["nextLink"], {}
        return found

    def test_three_addresses_give_the_same_job(self, azure):
        name = azure.invoke("waiting").json()["name"]
        front_end = f"{azure.url}/mferp/managementfrontend{WORKSPACE}/batchEndpoints/waiting"

        urls = [azure.scoring_uri("waiting"), f"{front_end}/jobs", f"{front_end}/deployments/long/jobs"]

        assert {azure.http.get(f"{url}/{name}", headers=azure.ml).json()["id"] for url in urls} == {
            f"{WORKSPACE}/batchEndpoints/waiting/deployments/long/jobs/{name}"
        }

    def test_job_of_another_endpoint_is_not_found(self, azure):
        name = azure.invoke("waiting").json()["name"]

        assert azure.http.get(f"{azure.scoring_uri('pipes')}/{name}", headers=azure.ml).status_code == 404

    def test_pages_hold_each_job_once_newest_first_even_while_jobs_arrive(self, azure):
        azure.settings(page_size=3)
        made = [azure.invoke("waiting").json()["name"] for _ in range(7)]
        first = azure.http.get(azure.scoring_uri("waiting"), headers=azure.ml).json()
        late = azure.invoke("waiting").json()["name"]

        rest = self.names(azure, first["nextLink"])

        listed = [job["name"] for job in first["value"]] + [name for page in rest for name in page]
        assert listed[:7] == made[::-1]
        assert late not in listed
        assert len(listed) == len(set(listed))

    def test_query_makes_pages_smaller_but_not_larger(self, azure):
        azure.settings(page_size=2)
        for _ in range(3):
            azure.invoke("waiting")

        pages = [self.names(azure, azure.scoring_uri("waiting"), **{"$top": top})[0] for top in ("1", "50")]

        assert [len(page) for page in pages] == [1, 2]

    def test_deployment_filters(self, azure):
        name = azure.invoke("waiting", deployment="doomed").json()["name"]
        front_end = f"{azure.url}/mferp/managementfrontend{WORKSPACE}/batchEndpoints/waiting"

        by_query = self.names(azure, f"{front_end}/jobs", deployment="doomed")[0]
        by_path = self.names(azure, f"{front_end}/deployments/doomed/jobs")[0]

        assert by_query == by_path
        assert by_query[0] == name
        assert all(azure.journal_of(job)["deployment"] == "doomed" for job in by_query)

    def test_bad_continuation_token_is_a_400(self, azure):
        answer = azure.http.get(azure.scoring_uri("waiting"), headers=azure.ml, params={"$skiptoken": "x"})

        assert answer.status_code == 400

    def test_list_lag_hides_a_new_job_from_lists_but_not_from_get(self, azure):
        azure.settings(list_lag=3600)
        name = azure.invoke("waiting").json()["name"]

        assert name not in self.names(azure, azure.scoring_uri("waiting"))[0]
        assert name not in [job["name"] for job in azure.get("/jobs").json()["value"]]
        assert azure.status("waiting", name)

        azure.settings(list_lag=0)
        assert name in self.names(azure, azure.scoring_uri("waiting"))[0]


class TestMarkers:
    def test_custom_tags_and_properties_are_kept_or_dropped_as_set(self, azure):
        mine = {"tags": {"marker": "m1"}, "properties": {"marker": "p1"}}
        kept = azure.invoke("waiting", **mine).json()["properties"]
        azure.settings(keep_tags=False)
        dropped = azure.invoke("waiting", **mine).json()["properties"]

        assert (kept["tags"]["marker"], kept["properties"]["marker"]) == ("m1", "p1")
        assert "marker" not in dropped["tags"] | dropped["properties"]
        assert dropped["tags"]["azureml.batchrun"] == "true"

    @pytest.mark.parametrize("header", ["repeatability_request-id", "Repeatability-Request-ID"])
    def test_repeated_request_makes_a_second_job_unless_dedupe_is_on(self, azure, header):
        def twice(key):
            return [azure.invoke("waiting", headers={header: key}).json()["name"] for _ in range(2)]

        first, second = twice(f"off-{header}")
        assert first != second
        azure.settings(repeatability_dedupe=True)
        first, second = twice(f"on-{header}")
        assert first == second

    def test_creator_is_the_client_of_the_token(self, azure):
        assert azure.invoke("waiting").json()["systemData"]["createdBy"] == "app"


def put(azure, container, path, content):
    headers = azure.storage | {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-08-06"}
    url = f"/blob/emulatorstore/{container}/{path}"
    azure.http.put(url, content=content, headers=headers).raise_for_status()


def blob(azure, path):
    container = azure.get("/datastores/workspaceblobstore").json()["properties"]["containerName"]
    headers = azure.storage | {"x-ms-version": "2021-08-06"}
    return azure.http.get(f"/blob/emulatorstore/{container}/{path}", headers=headers)
