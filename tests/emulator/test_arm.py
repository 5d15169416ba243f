"""Azure Resource Manager: resources, their addresses and their lists."""

from __future__ import annotations

import pytest

from .conftest import SUBSCRIPTION, WORKSPACE


class TestWorkspace:
    def test_any_workspace_exists_at_first_sight(self, azure):
        path = WORKSPACE.replace("workspaces/emulator", "workspaces/never-seen")

        shown = azure.http.get(path, headers=azure.arm).json()

        assert (shown["id"], shown["name"], shown["location"]) == (path, "never-seen", "eastus")
        assert shown["properties"]["discoveryUrl"] == f"{azure.url}/discovery"

    def test_fixed_segments_are_compared_without_case_and_names_are_kept(self, azure):
        path = (
            f"/SUBSCRIPTIONS/{SUBSCRIPTION}/resourcegroups/emulator"
            "/Providers/microsoft.machinelearningservices/Workspaces/Emulator/batchendpoints/Digits"
        )

        answer = azure.http.get(path, headers=azure.arm)

        assert answer.status_code == 200
        assert answer.json()["name"] == "digits"

    @pytest.mark.parametrize(
        "version", [{}, {"api-version": "2022-05-01"}, {"api-version": "2099-01-01-preview"}]
    )
    def test_any_api_version_is_tolerated(self, azure, version):
        assert azure.get("/batchEndpoints/digits", **version).status_code == 200

    def test_workspaces_do_not_see_each_other_s_endpoints(self, azure):
        path = WORKSPACE.replace("workspaces/emulator", "workspaces/other")

        assert azure.http.get(f"{path}/batchEndpoints/digits", headers=azure.arm).status_code == 404


class TestDatastores:
    @pytest.mark.parametrize(
        ("wanted", "names"),
        [
            ({}, ["workspaceartifactstore", "workspaceblobstore"]),
            ({"isDefault": "true"}, ["workspaceblobstore"]),
            ({"isDefault": "false"}, ["workspaceartifactstore"]),
        ],
    )
    def test_list_can_be_limited_to_the_default(self, azure, wanted, names):
        assert [store["name"] for store in azure.get("/datastores", **wanted).json()["value"]] == names

    def test_address_of_the_default_store_is_path_style_at_the_emulator(self, azure):
        properties = azure.get("/datastores/workspaceblobstore").json()["properties"]

        host = azure.url.removeprefix("http://")
        assert (properties["protocol"], properties["endpoint"]) == ("http", f"{host}/blob")
        assert properties["containerName"].startswith("azureml-blobstore-")

    def test_account_key_is_given_out_and_stays_the_same(self, azure):
        def ask(name):
            url = f"{WORKSPACE}/datastores/{name}/listSecrets"
            return azure.http.post(url, headers=azure.arm).json()

        first = ask("workspaceblobstore")

        assert first["secretsType"] == "AccountKey"
        assert len(first["key"]) == 88
        assert ask("workspaceartifactstore") == first


class TestEndpoints:
    def test_list_and_get_agree(self, azure):
        listed = azure.get("/batchEndpoints").json()["value"]

        assert [endpoint["name"] for endpoint in listed] == ["bare", "digits", "pipes", "waiting"]
        assert listed[1] == azure.get("/batchEndpoints/digits").json()

    def test_deployments_are_those_of_the_endpoint(self, azure):
        listed = azure.get("/batchEndpoints/waiting/deployments").json()["value"]

        assert [deployment["name"] for deployment in listed] == ["doomed", "long", "short"]
        assert listed[1] == azure.get("/batchEndpoints/waiting/deployments/long").json()
        assert "emulator" not in listed[1]["properties"]

    def test_deployment_names_its_code_and_model_as_resources(self, azure):
        properties = azure.get("/batchEndpoints/digits/deployments/squares").json()["properties"]

        code, model = properties["codeConfiguration"]["codeId"], properties["model"]["assetId"]
        assert azure.http.get(code, headers=azure.arm).json()["properties"]["codeUri"].startswith("https://")
        assert azure.http.get(model, headers=azure.arm).json()["properties"]["modelType"] == "custom_model"

    def test_data_asset_knows_its_latest_version(self, azure):
        latest = azure.get("/data/numbers").json()["properties"]["latestVersion"]
        version = azure.get(f"/data/numbers/versions/{latest}").json()

        assert version["properties"]["dataType"] == "uri_folder"
        assert [entry["name"] for entry in azure.get("/data/numbers/versions").json()["value"]] == [latest]

    @pytest.mark.parametrize(
        "path",
        [
            "/batchEndpoints/missing",
            "/batchEndpoints/digits/deployments/missing",
            "/batchEndpoints/missing/deployments",
            "/datastores/missing",
            "/data/missing",
            "/jobs/missing",
        ],
    )
    def test_missing_resource_is_told_in_arm_s_shape(self, azure, path):
        answer = azure.get(path)

        error = answer.json()["error"]
        assert answer.status_code == 404
        assert answer.headers["x-ms-response-type"] == "error"
        assert error["code"] == "UserError"
        inner = [info["info"]["value"] for info in error["additionalInfo"] if info["type"] == "InnerError"]
        assert inner == [{"code": "NotFoundError", "innerError": None}]

    def test_unknown_kind_of_resource_is_refused(self, azure):
        answer = azure.get("/onlineEndpoints/x")

        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ResourceNotFound")

    def test_operation_that_the_emulator_does_not_know_is_refused(self, azure):
        answer = azure.http.delete(f"{WORKSPACE}/datastores", headers=azure.arm)

        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ResourceNotFound")


class TestJobs:
    def test_parent_job_shows_neither_error_nor_outputs(self, azure):
        name = azure.invoke("waiting", deployment="doomed").json()["name"]
        azure.finished("waiting", name)

        properties = azure.get(f"/jobs/{name}").json()["properties"]

        assert (properties["jobType"], properties["status"]) == ("Pipeline", "Failed")
        assert properties["description"] == "Pipeline submission for endpoint: waiting, deployment: doomed."
        assert (properties["inputs"], properties["outputs"]) == (None, None)
        assert "out of quota" not in str(properties)

    def test_studio_link_leads_to_a_page_about_the_job(self, azure):
        name = azure.invoke("waiting").json()["name"]
        link = azure.get(f"/jobs/{name}").json()["properties"]["services"]["Studio"]["endpoint"]

        page = azure.http.get(link)

        assert page.status_code == 200
        assert name in page.text

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            ({"tag": "colour"}, True),
            ({"tag": "shape"}, False),
            ({"properties": "marker=m1"}, True),
            ({"properties": "marker"}, True),
            ({"properties": "marker=m2"}, False),
            ({"properties": "marker=m1,other"}, False),
            ({"properties": "marker=m1,runType"}, True),
            ({"jobType": "Pipeline"}, True),
            ({"jobType": "Command"}, False),
            ({"listViewType": "ActiveOnly"}, True),
            ({"listViewType": "ArchivedOnly"}, False),
        ],
    )
    def test_lists_filter_by_tag_key_property_and_type(self, azure, filters, found):
        mine = {"tags": {"colour": "red"}, "properties": {"marker": "m1"}}
        name = azure.invoke("waiting", **mine).json()["name"]

        jobs = azure.get("/jobs", **filters).json()["value"]

        assert (name in [job["name"] for job in jobs]) == found

    def test_pages_of_a_filtered_list_are_full_and_complete(self, azure):
        azure.settings(page_size=2)
        marked = []
        for _ in range(5):
            azure.invoke("waiting")
            marked.append(azure.invoke("waiting", tags={"page": "x"}).json()["name"])

        pages, url = [], f"{azure.url}{WORKSPACE}/jobs?tag=page"
        while url:
            assert len(pages) < 10, "the pages do not end"
            page = azure.http.get(url, headers=azure.arm).json()
            pages.append([job["name"] for job in page["value"]])
            url = page["nextLink"]

        assert [len(page) for page in pages] == [2, 2, 1]
        assert [name for page in pages for name in page] == marked[::-1]

    def test_unknown_operation_is_a_404(self, azure):
        root = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.MachineLearningServices/locations/eastus"

        for operation in ("jc:guid:none", "xx:1:2", "jc"):
            answer = azure.http.get(f"{root}/mfeOperationResults/{operation}", headers=azure.arm)
            assert answer.status_code == 404
