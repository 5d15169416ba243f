"""Creating, changing and deleting resources by REST: the services' rules and answers."""

from __future__ import annotations

import pytest

from airflow_batch_provider.emulator.server import Emulator

from .conftest import WORKSPACE, Azure, wait_for
from .lifecycle import CLUSTER, ENDPOINT, Lifecycle


@pytest.fixture(scope="module")
def module_azure():
    with Emulator(speed=20) as running:
        azure = Azure(running.url)
        Lifecycle(azure).parts()
        yield azure
        azure.http.close()


@pytest.fixture
def life(module_azure):
    module_azure.reset()
    return Lifecycle(module_azure)


def refused(answer, status, *words):
    """Assert that an answer is a refusal in ARM's shape that says these words."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    for word in words:
        assert word in error["message"] or word == error["code"]
    return True


class TestOperations:
    def test_new_endpoint_goes_through_its_states_and_tells_where_to_look(self, life):
        """201 with both headers; Creating without a scoring URI, then Updating, then Succeeded with one."""
        answer = life.put("/batchEndpoints/fresh", ENDPOINT, **{"api-version": "2023-10-01"})

        shown = answer.json()["properties"]
        assert answer.status_code == 201
        assert (shown["provisioningState"], shown["scoringUri"]) == ("Creating", None)
        assert (shown["authMode"], shown["defaults"]) == ("AADToken", {"deploymentName": None})
        assert shown["properties"]["BatchEndpointCreationApiVersion"] == "2023-10-01"
        assert answer.headers["x-ms-async-operation-timeout"] == "PT30M"
        assert "/batchEndpoints/fresh?api-version=2023-10-01" in answer.headers["location"]
        url = answer.headers["azure-asyncoperation"]
        assert "/locations/eastus/mfeOperationsStatus/be:" in url
        assert url.endswith("api-version=2023-10-01")
        assert shown["properties"]["AzureAsyncOperationUri"] == url
        seen = [life.send("GET", url).json()["status"]]
        wait_for(lambda: life.state("/batchEndpoints/fresh") == "Updating")
        assert seen == ["Updating"]
        assert life.waited(answer)["status"] == "Succeeded"
        assert life.state("/batchEndpoints/fresh") == "Succeeded"
        assert life.properties("/batchEndpoints/fresh")["scoringUri"].endswith("/endpoints/eastus/fresh/jobs")

    def test_newer_clusters_tell_the_operation_by_headers_alone(self, life):
        life.azure.settings(operation_uri_in_body=False)

        answer = life.put("/batchEndpoints/newer", ENDPOINT)

        assert "AzureAsyncOperationUri" not in answer.json()["properties"]["properties"]
        assert "/mfeOperationsStatus/bebes:" in answer.headers["azure-asyncoperation"]

    def test_change_of_an_existing_one_is_200_and_its_scoring_uri_stays(self, life):
        life.endpoint("changed")

        answer = life.put("/batchEndpoints/changed", ENDPOINT | {"tags": {"a": "1"}})

        shown = answer.json()
        assert (answer.status_code, shown["tags"]) == (200, {"a": "1"})
        assert shown["properties"]["provisioningState"] == "Updating"
        assert shown["properties"]["scoringUri"]
        assert shown["properties"]["defaults"] == {"deploymentName": None}

    @pytest.mark.parametrize("verb", ["create", "update"])
    def test_tag_lets_an_operation_fail(self, life, verb):
        """The operation and the resource are Failed, the operation with the error; a PUT without it mends."""
        path, ordered = f"/computes/bad-{verb}", {"emulate": f"quota@{verb}: no cores left"}
        if verb == "update":
            life.waited(life.put(path, CLUSTER))

        told = life.waited(life.put(path, CLUSTER | {"tags": ordered}))

        assert told["status"] == "Failed"
        assert told["error"] == {"code": "QuotaExceeded", "message": "no cores left"}
        assert life.state(path) == "Failed"
        assert life.waited(life.put(path, CLUSTER))["status"] == "Succeeded"
        assert life.state(path) == "Succeeded"

    def test_deletion_can_fail_and_then_nothing_is_deleted(self, life):
        life.waited(life.put("/batchEndpoints/sticky", ENDPOINT | {"tags": {"emulate": "failed@delete"}}))

        answer = life.send("DELETE", "/batchEndpoints/sticky")

        assert life.waited(answer)["status"] == "Failed"
        assert life.state("/batchEndpoints/sticky") == "Failed"
        assert refused(life.send("GET", answer.headers["location"]), 409, "InternalServerError")

    def test_unknown_script_and_unknown_operation_are_refused(self, life):
        body = CLUSTER | {"tags": {"emulate": "explode"}}

        assert refused(life.put("/computes/scripted", body), 400, "emulate", "explode")
        url = life.put("/batchEndpoints/known", ENDPOINT).headers["azure-asyncoperation"]
        assert refused(life.send("GET", url.rpartition(":")[0] + ":none"), 404, "not found")

    def test_second_change_is_refused_only_if_the_settings_say_so(self, life):
        life.put("/batchEndpoints/hurried", ENDPOINT)
        assert life.put("/batchEndpoints/hurried", ENDPOINT).status_code == 200

        life.azure.settings(one_operation_at_a_time=True)

        assert refused(life.put("/batchEndpoints/hurried", ENDPOINT), 409, "provisioning state")


class TestComputes:
    def test_cluster_is_created_resized_and_deleted(self, life):
        scale = {"minNodeCount": 0, "maxNodeCount": 5}
        body = {
            "computeType": "AmlCompute",
            "properties": {"vmSize": "standard_d2_v2", "scaleSettings": scale},
        }
        created = life.put("/computes/resized", CLUSTER | {"properties": body})
        assert "/computeOperationsStatus/" in created.headers["azure-asyncoperation"]
        assert life.send("GET", created.headers["azure-asyncoperation"]).json()["status"] == "InProgress"
        life.waited(created)

        patch = {"properties": {"properties": {"scaleSettings": {"maxNodeCount": "7"}}}}
        life.waited(life.send("PATCH", "/computes/resized", patch))

        inner = life.properties("/computes/resized")["properties"]
        assert inner["scaleSettings"] == {
            "minNodeCount": 0, "maxNodeCount": 7, "nodeIdleTimeBeforeScaleDown": "PT2M"
        }  # fmt: skip
        assert refused(life.send("DELETE", "/computes/resized"), 400, "underlyingResourceAction")
        gone = life.send("DELETE", "/computes/resized", underlyingResourceAction="Delete")
        assert (gone.status_code, gone.json()) == (202, None)
        life.waited(gone)
        assert life.send("GET", "/computes/resized").status_code == 404
        assert life.send("DELETE", "/computes/resized").status_code == 204

    @pytest.mark.parametrize(
        ("name", "body", "words"),
        [
            ("1st", CLUSTER, ["1st", "3 to 32"]),
            ("typeless", CLUSTER | {"properties": {}}, ["computeType"]),
            ("sizeless", CLUSTER | {"properties": {"computeType": "AmlCompute"}}, ["vmSize"]),
            ("placeless", {"properties": CLUSTER["properties"]}, ["LocationRequired"]),
        ],
    )
    def test_wrong_cluster_is_refused(self, life, name, body, words):
        assert refused(life.put(f"/computes/{name}", body), 400, *words)

    def test_size_of_the_machines_never_changes(self, life):
        life.put("/computes/fixed", CLUSTER)
        other = {"computeType": "AmlCompute", "properties": {"vmSize": "STANDARD_D4_V2"}}

        assert refused(life.put("/computes/fixed", CLUSTER | {"properties": other}), 400, "vmSize")


class TestDatastores:
    def test_secrets_are_kept_and_told_only_when_asked_for(self, life):
        secret = {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": "hush"}}
        properties = {
            "datastoreType": "AzureBlob",
            "accountName": "sales",
            "containerName": "raw",
            "credentials": secret,
        }

        created = life.put("/datastores/sales", {"properties": properties})

        assert created.status_code == 201
        assert "hush" not in created.text + life.send("GET", "/datastores").text
        told = life.send("POST", "/datastores/sales/listSecrets").json()
        assert told == {"secretsType": "AccountKey", "key": "hush"}
        assert life.put("/datastores/sales", {"properties": properties}).status_code == 200
        assert life.send("DELETE", "/datastores/sales").status_code == 200
        assert life.send("DELETE", "/datastores/sales").status_code == 204

    @pytest.mark.parametrize(
        ("kind", "key"),
        [
            ("AccountKey", "key"),
            ("Sas", "sasToken"),
            ("ServicePrincipal", "clientSecret"),
            ("Certificate", "certificate"),
        ],
    )
    def test_secret_of_no_kind_is_in_the_journal(self, life, kind, key):
        credentials = {"credentialsType": kind, "secrets": {"secretsType": kind, key: "hush-hush"}}
        properties = {"datastoreType": "AzureBlob", "accountName": "a", "containerName": "c"}

        life.put(f"/datastores/{kind}", {"properties": properties | {"credentials": credentials}})

        (entry,) = life.azure.requests(method="PUT")
        assert kind in str(entry["body"])
        assert "hush-hush" not in str(entry)

    def test_new_default_takes_the_place_of_the_old_and_cannot_be_deleted(self, module_azure):
        life = Lifecycle(module_azure, WORKSPACE.replace("workspaces/emulator", "workspaces/stores"))
        properties = {
            "datastoreType": "AzureBlob",
            "accountName": "sales",
            "containerName": "raw",
            "credentials": {"credentialsType": "None"},
        }
        life.put("/datastores/mine", {"properties": properties | {"isDefault": True}})

        listed = life.send("GET", "/datastores", isDefault="true").json()["value"]

        assert [store["name"] for store in listed] == ["mine"]
        assert refused(life.send("DELETE", "/datastores/mine"), 400, "default")
        assert life.send("DELETE", "/datastores/workspaceblobstore").status_code == 200

    @pytest.mark.parametrize(
        ("properties", "word"),
        [
            ({"datastoreType": "Tape"}, "datastoreType"),
            ({"datastoreType": "AzureBlob", "accountName": "a"}, "containerName"),
            ({"datastoreType": "AzureFile", "accountName": "a", "fileShareName": "f"}, "credentialsType"),
        ],
    )
    def test_wrong_datastore_is_refused(self, life, properties, word):
        assert refused(life.put("/datastores/wrong", {"properties": properties}), 400, word)


CONTENT = {
    "codes": (
        {"codeUri": "https://a.blob.core.windows.net/c/x"},
        {"codeUri": "https://a.blob.core.windows.net/c/y"},
    ),
    "models": (
        {"modelUri": "azureml://datastores/d/paths/x"},
        {"modelUri": "azureml://datastores/d/paths/y"},
    ),
    "environments": ({"image": "ubuntu", "condaFile": "{}"}, {"image": "ubuntu", "condaFile": "{1}"}),
    "data": ({"dataType": "uri_folder", "dataUri": "x"}, {"dataType": "uri_file", "dataUri": "x"}),
    "components": ({"componentSpec": {"type": "command"}}, {"componentSpec": {"type": "pipeline"}}),
}


class TestAssets:
    @pytest.mark.parametrize("kind", CONTENT)
    def test_version_is_immutable_but_for_its_description_and_tags(self, life, kind):
        content, other = CONTENT[kind]
        path = f"/{kind}/kept/versions/1"
        first = life.put(path, {"properties": content})
        assert (first.status_code, first.json()["properties"]["provisioningState"]) == (201, "Succeeded")

        again = life.put(path, {"properties": content | {"description": "new", "tags": {"a": "b"}}})

        assert again.status_code == 200
        shown = life.properties(path)
        assert (shown["description"], shown["tags"]) == ("new", {"a": "b"})
        assert refused(life.put(path, {"properties": other}), 409, "already exists", "cannot be changed")
        assert {key: life.properties(path)[key] for key in content} == content

    @pytest.mark.parametrize("kind", CONTENT)
    def test_version_made_last_is_the_latest(self, life, kind):
        content = {"properties": CONTENT[kind][0]}
        for version in ("9", "10", "2"):
            life.put(f"/{kind}/counted/versions/{version}", content)

        def latest():
            return life.properties(f"/{kind}/counted")["latestVersion"]

        assert (latest(), life.properties(f"/{kind}/counted")["nextVersion"]) == ("2", "11")
        assert life.send("GET", f"/{kind}/counted/labels/latest").json()["name"] == "2"
        page = life.send(
            "GET", f"/{kind}/counted/versions", **{"$orderBy": "createdtime desc", "$top": "2"}
        ).json()
        rest = life.send("GET", page["nextLink"]).json()
        assert [one["name"] for one in page["value"] + rest["value"]] == ["2", "10", "9"]
        assert rest["nextLink"] is None
        assert life.send("DELETE", f"/{kind}/counted/versions/2").status_code == 200
        assert life.send("DELETE", f"/{kind}/counted/versions/2").status_code == 204
        assert latest() == "10"
        assert life.send("DELETE", f"/{kind}/counted").status_code == 200
        assert life.send("GET", f"/{kind}/counted/versions/9").status_code == 404

    @pytest.mark.parametrize(
        ("path", "properties", "words"),
        [
            ("/codes/x/versions/1", {}, ["codeUri"]),
            ("/models/x/versions/1", {"modelUri": "x", "modelType": "pickle"}, ["modelType", "pickle"]),
            ("/environments/x/versions/1", {"condaFile": "x"}, ["image", "build"]),
            ("/data/x/versions/1", {"dataUri": "x"}, ["dataType"]),
            ("/data/x/versions/1", {"dataUri": "x", "dataType": "csv"}, ["dataType", "csv"]),
            ("/components/x/versions/1", {"componentSpec": {"type": "sweep"}}, ["componentSpec"]),
            ("/codes/-x/versions/1", {"codeUri": "x"}, ["-x", "codes"]),
            (f"/codes/x/versions/{'1' * 256}", {"codeUri": "x"}, ["codes/versions", "1 to 255"]),
            (f"/data/x/versions/{'1' * 31}", {"dataUri": "x"}, ["data/versions", "1 to 30"]),
            ("/models/x/versions/1.0", {"modelUri": "x"}, ["models/versions", "an integer from 1"]),
            ("/models/x/versions/0", {"modelUri": "x"}, ["models/versions", "an integer from 1"]),
        ],
    )
    def test_wrong_version_is_refused(self, life, path, properties, words):
        assert refused(life.put(path, {"properties": properties}), 400, *words)

    @pytest.mark.parametrize("kind", CONTENT)
    def test_version_of_an_anonymous_asset_may_be_a_digest(self, life, kind):
        """Rules about the versions of data and models are for named ones."""
        path = f"/{kind}/azureml_anonymous/versions/{'0123456789abcdef' * 4}"
        anonymous = {"properties": CONTENT[kind][0] | {"isAnonymous": True}}

        assert life.put(path, anonymous).status_code == 201

    @pytest.mark.parametrize(
        ("kind", "version"),
        [("codes", "v" * 255), ("environments", "2.1-rc.1"), ("data", "v" * 30), ("models", str(2**52))],
    )
    def test_longest_versions_are_taken(self, life, kind, version):
        assert (
            life.put(f"/{kind}/long/versions/{version}", {"properties": CONTENT[kind][0]}).status_code == 201
        )

    def test_model_of_no_framework_has_an_empty_object_of_flavors(self, life):
        """The service's SDK walks through the flavors of any model."""
        life.put("/models/plain/versions/1", {"properties": CONTENT["models"][0]})

        assert life.properties("/models/plain/versions/1")["flavors"] == {}

    def test_archived_versions_are_listed_only_when_asked_for(self, life):
        for version, archived in (("1", True), ("2", False)):
            properties = CONTENT["data"][0] | {"isArchived": archived}
            life.put(f"/data/old/versions/{version}", {"properties": properties})

        def listed(**view):
            return [one["name"] for one in life.send("GET", "/data/old/versions", **view).json()["value"]]

        assert listed() == ["2"]
        assert listed(listViewType="ArchivedOnly") == ["1"]
        assert listed(listViewType="All") == ["1", "2"]

    def test_files_of_a_new_code_can_be_put_where_the_service_says(self, life):
        place = life.send("POST", "/codes/sent/versions/1/startPendingUpload", {}).json()
        uri = place["blobReferenceForConsumption"]["blobUri"]
        sas = place["blobReferenceForConsumption"]["credential"]["sasUri"].partition("?")[2]

        sent = life.azure.http.put(
            f"{uri}/score.py?{sas}", content=b"x", headers={"x-ms-blob-type": "BlockBlob"}
        )

        assert sent.status_code == 201
        assert life.put("/codes/sent/versions/1", {"properties": {"codeUri": uri}}).status_code == 201

    def test_body_that_is_no_json_is_refused(self, life):
        answer = life.azure.http.put(
            f"{WORKSPACE}/codes/x/versions/1", headers=life.azure.arm, content=b'{"properties": '
        )

        assert refused(answer, 400, "InvalidRequestContent")


class TestEndpoints:
    @pytest.mark.parametrize("name", ["ab", "a" * 33, "1abc", "abc-", "a_bc"])
    def test_name_follows_the_published_rule(self, life, name):
        assert refused(life.put(f"/batchEndpoints/{name}", ENDPOINT), 400, "3 to 32")
        parent = life.put("/batchEndpoints/namer", ENDPOINT)
        assert parent.status_code in {200, 201}
        answer = life.put(f"/batchEndpoints/namer/deployments/{name}", life.deployment())
        assert refused(answer, 400, "3 to 32")

    def test_name_is_unique_in_a_region(self, life):
        other = Lifecycle(life.azure, WORKSPACE.replace("workspaces/emulator", "workspaces/second"))
        life.put("/batchEndpoints/single", ENDPOINT)

        assert refused(other.put("/batchEndpoints/Single", ENDPOINT), 409, "region eastus")
        assert other.put("/batchEndpoints/single", ENDPOINT | {"location": "West US"}).status_code == 201
        assert refused(
            life.put("/batchEndpoints/single", ENDPOINT | {"location": "westus"}),
            409,
            "InvalidResourceLocation",
        )

    @pytest.mark.parametrize(
        ("properties", "word"),
        [
            ({"authMode": "Key"}, "AADToken"),
            ({}, "AADToken"),
            ({"authMode": "AADToken", "defaults": {"deploymentName": "nobody"}}, "nobody"),
        ],
    )
    def test_wrong_endpoint_is_refused(self, life, properties, word):
        assert refused(life.put("/batchEndpoints/wrong", ENDPOINT | {"properties": properties}), 400, word)

    def test_patch_changes_tags_only_except_in_the_first_version_of_the_api(self, life):
        life.endpoint("patched")
        default = {"properties": {"defaults": {"deploymentName": None}}}

        answer = life.send("PATCH", "/batchEndpoints/patched", {"tags": {"a": "b"}})

        assert (answer.status_code, answer.json()["tags"]) == (202, {"a": "b"})
        life.waited(answer)
        newer = life.send("PATCH", "/batchEndpoints/patched", default, **{"api-version": "2023-10-01"})
        assert refused(newer, 400, "PUT")
        older = life.send("PATCH", "/batchEndpoints/patched", default, **{"api-version": "2022-05-01"})
        life.waited(older)
        assert life.properties("/batchEndpoints/patched")["defaults"] == {"deploymentName": None}
        assert life.send("GET", "/batchEndpoints/patched").json()["tags"] == {"a": "b"}

    def test_deletion_takes_the_deployments_and_leaves_the_jobs(self, life, numbers):
        life.endpoint("leaving")
        scoring = life.properties("/batchEndpoints/leaving")["scoringUri"]
        job = life.azure.invoke("leaving", str(numbers)).json()["name"]

        answer = life.send("DELETE", "/batchEndpoints/leaving")

        assert (answer.status_code, answer.json()) == (202, None)
        assert "/mfeOperationResults/" in answer.headers["location"]
        pending = life.send("GET", answer.headers["location"])
        assert (pending.status_code, pending.json()) == (202, {})
        assert life.state("/batchEndpoints/leaving") == "Deleting"
        assert refused(life.put("/batchEndpoints/leaving", ENDPOINT), 409, "Deleting")
        assert life.waited(answer)["status"] == "Succeeded"
        result = life.send("GET", answer.headers["location"])
        assert (result.status_code, result.content) == (200, b"")
        for path in ("/batchEndpoints/leaving", "/batchEndpoints/leaving/deployments/one"):
            assert life.send("GET", path).status_code == 404
        assert life.azure.http.get(scoring, headers=life.azure.ml).status_code == 404
        assert life.send("DELETE", "/batchEndpoints/leaving").status_code == 204
        wait_for(lambda: life.properties(f"/jobs/{job}")["status"] == "Completed")

    def test_it_needs_a_deployment_and_to_be_ready_before_it_is_invoked(self, life):
        life.put("/batchEndpoints/empty", ENDPOINT)
        wait_for(lambda: life.state("/batchEndpoints/empty") == "Succeeded")
        assert life.azure.invoke("empty").status_code == 404

        life.put("/batchEndpoints/empty/deployments/one", life.deployment())

        early = life.azure.invoke("empty", deployment="one")
        assert early.status_code == 409
        assert "Creating" in early.json()["error"]["message"]
        wait_for(lambda: life.state("/batchEndpoints/empty/deployments/one") == "Succeeded")
        assert life.azure.invoke("empty", deployment="one").status_code == 201


class TestDeployments:
    def test_settings_are_read_with_their_defaults(self, life):
        life.put("/batchEndpoints/settings", ENDPOINT)

        answer = life.put("/batchEndpoints/settings/deployments/one", life.deployment())

        shown = answer.json()["properties"]
        assert answer.status_code == 201
        assert (shown["miniBatchSize"], shown["errorThreshold"], shown["maxConcurrencyPerInstance"]) == (
            10,
            -1,
            1,
        )
        assert shown["retrySettings"] == {"maxRetries": 3, "timeout": "PT30S"}
        assert (shown["outputAction"], shown["outputFileName"]) == ("AppendRow", "predictions.csv")
        assert shown["resources"] == {"instanceCount": 1, "instanceType": None, "properties": None}
        assert (shown["loggingLevel"], shown["provisioningState"]) == ("Info", "Creating")

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            (
                {"model": {"referenceType": "Id", "assetId": WORKSPACE + "/models/no/versions/1"}},
                ["models/no", "PUT"],
            ),
            (
                {"compute": WORKSPACE.replace("workspaces/emulator", "workspaces/x") + "/computes/cluster"},
                ["properties.compute", "another workspace"],
            ),
            ({"codeConfiguration": {"codeId": WORKSPACE + "/codes/no/versions/1"}}, ["codes/no/versions/1"]),
            ({"codeConfiguration": {"codeId": WORKSPACE + "/codes/score/versions/1"}}, ["scoringScript"]),
            ({"codeConfiguration": None}, ["codeConfiguration", "MLflow"]),
            ({"environmentId": WORKSPACE + "/environments/plain/versions/2"}, ["plain/versions/2"]),
            ({"environmentId": None}, ["environmentId"]),
            ({"compute": WORKSPACE + "/computes/none"}, ["computes/none"]),
            ({"compute": "cluster"}, ["properties.compute", "cluster"]),
            ({"compute": WORKSPACE + "/computes/desk"}, ["ComputeInstance", "AmlCompute"]),
            ({"miniBatchSize": "0"}, ["miniBatchSize"]),
            ({"errorThreshold": "few"}, ["errorThreshold", "few"]),
            ({"retrySettings": {"timeout": "30"}}, ["timeout"]),
            ({"outputAction": "Print"}, ["outputAction", "AppendRow"]),
            ({"outputFileName": "a/b.csv"}, ["outputFileName"]),
        ],
    )
    def test_wrong_deployment_is_refused(self, life, changes, words):
        desk = {"computeType": "ComputeInstance", "properties": {"vmSize": "STANDARD_D2_V2"}}
        life.put("/computes/desk", CLUSTER | {"properties": desk})
        life.put("/batchEndpoints/strict", ENDPOINT)

        answer = life.put("/batchEndpoints/strict/deployments/one", life.deployment(**changes))

        assert refused(answer, 400, *words)

    def test_parent_must_exist(self, life):
        answer = life.put("/batchEndpoints/nobody/deployments/one", life.deployment())

        assert refused(answer, 404, "ParentResourceNotFound")

    def test_label_names_the_version_of_this_moment(self, life):
        life.put("/batchEndpoints/label", ENDPOINT)
        model = {"referenceType": "id", "assetId": f"{WORKSPACE}/models/offset/labels/latest"}

        shown = life.put("/batchEndpoints/label/deployments/one", life.deployment(model=model)).json()

        assert shown["properties"]["model"]["assetId"] == f"{WORKSPACE}/models/offset/versions/1"

    def test_patch_changes_tags_and_description_only(self, life):
        life.endpoint("narrow")
        path = "/batchEndpoints/narrow/deployments/one"

        life.waited(life.send("PATCH", path, {"tags": {"a": "b"}, "properties": {"description": "d"}}))

        shown = life.send("GET", path).json()
        assert (shown["tags"], shown["properties"]["description"]) == ({"a": "b"}, "d")
        assert refused(life.send("PATCH", path, {"properties": {"miniBatchSize": 3}}), 400, "PUT")

    def test_twenty_are_the_most(self, life):
        life.put("/batchEndpoints/crowded", ENDPOINT)
        for number in range(20):
            answer = life.put(f"/batchEndpoints/crowded/deployments/d-{number}", life.deployment())
            assert answer.status_code == 201

        answer = life.put("/batchEndpoints/crowded/deployments/d-20", life.deployment())

        assert refused(answer, 400, "limit of 20")

    def test_failed_one_cannot_be_invoked_and_a_second_can(self, life, numbers):
        life.endpoint("rollout")
        body = life.deployment(properties={"emulate": "failed"})
        assert life.waited(life.put("/batchEndpoints/rollout/deployments/two", body))["status"] == "Failed"
        assert life.azure.invoke("rollout", deployment="two").status_code == 409

        life.waited(life.put("/batchEndpoints/rollout/deployments/two", life.deployment()))

        assert life.azure.invoke("rollout", str(numbers), deployment="two").status_code == 201

    def test_deletion_of_one_leaves_the_endpoint(self, life):
        life.endpoint("thinner")

        life.waited(life.send("DELETE", "/batchEndpoints/thinner/deployments/one"))

        assert life.send("GET", "/batchEndpoints/thinner/deployments").json()["value"] == []
        assert life.send("DELETE", "/batchEndpoints/thinner/deployments/one").status_code == 204
        assert life.azure.invoke("thinner").status_code == 404

    def test_mlflow_model_without_a_script_is_accepted_and_refused_at_invoke(self, life):
        uri = "azureml://datastores/workspaceblobstore/paths/model"
        model = {"properties": {"modelUri": uri, "modelType": "mlflow_model"}}
        life.put("/models/flow/versions/1", model)
        life.put("/batchEndpoints/flow", ENDPOINT)
        named = {"referenceType": "Id", "assetId": f"{WORKSPACE}/models/flow/versions/1"}
        body = life.deployment(model=named, codeConfiguration=None, environmentId=None)
        life.waited(life.put("/batchEndpoints/flow/deployments/one", body))

        answer = life.azure.invoke("flow", deployment="one")

        assert answer.status_code == 400
        assert "not supported by the emulator" in answer.json()["error"]["message"]

    @pytest.mark.parametrize("datapath", [False, True])
    def test_one_is_executed_like_one_of_the_set_up_file(self, life, numbers, datapath):
        name = f"runs-{int(datapath)}"
        life.put(f"/batchEndpoints/{name}", ENDPOINT)
        store = f"{WORKSPACE}/datastores/workspaceblobstore"
        model = {"referenceType": "DataPath", "datastoreId": store, "path": "model"}
        body = life.deployment(**({"model": model} if datapath else {}))
        life.waited(life.put(f"/batchEndpoints/{name}/deployments/one", body))

        job = life.azure.invoke(name, str(numbers), deployment="one").json()["name"]

        found = life.azure.finished(name, job)
        assert (found["status"], found["error"]) == ("Completed", None)
