"""Set-up files: what they may say, and a clear error for what they may not."""

from __future__ import annotations

from textwrap import dedent

import pytest

from airflow_batch_provider.emulator.ids import Workspace
from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.emulator.setup import SetupError, load
from airflow_batch_provider.emulator.world import World

from .conftest import SETUP, WORKSPACE, Azure, write_setup

CODE = "code_configuration: {code: ./code, scoring_script: squares.py}"


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path / "state")
    yield made
    made.close()


def deployment(world, tmp_path, text):
    """Return the properties of a deployment with these keys beside its code."""
    yaml = f"endpoints:\n  one-endpoint:\n    deployments:\n      one-deployment:\n        {CODE}\n"
    setup = load(
        world,
        write_setup(tmp_path, yaml + "\n".join(f"        {line}" for line in dedent(text).splitlines())),
    )
    name = "one-endpoint/one-deployment"
    return world.resources.get("batchEndpoints/deployments", setup.workspace, name)["properties"]


class TestDeployments:
    def test_defaults_are_those_of_the_service(self, world, tmp_path):
        found = deployment(world, tmp_path, "")

        assert found["miniBatchSize"] == 10
        assert found["errorThreshold"] == -1
        assert found["maxConcurrencyPerInstance"] == 1
        assert found["outputFileName"] == "predictions.csv"
        assert found["outputAction"] == "AppendRow"
        assert found["loggingLevel"] == "Info"
        assert found["retrySettings"] == {"maxRetries": 3, "timeout": "PT30S"}
        assert found["resources"]["instanceCount"] == 1
        assert found["model"] is None

    @pytest.mark.parametrize("indent", ["", "  "])
    def test_settings_count_under_settings_and_directly_under_the_deployment(self, world, tmp_path, indent):
        text = """\
            mini_batch_size: 3
            max_concurrency_per_instance: 2
            error_threshold: 7
            output_action: Summary_Only
            output_file_name: out.txt
            logging_level: WARNING
            retry_settings: {max_retries: 1, timeout: 90}"""
        lines = [f"{indent}{line}" for line in dedent(text).splitlines()]
        found = deployment(world, tmp_path, "\n".join(["settings:", *lines] if indent else lines))

        assert found["miniBatchSize"] == 3
        assert found["maxConcurrencyPerInstance"] == 2
        assert found["errorThreshold"] == 7
        assert found["outputAction"] == "SummaryOnly"
        assert found["outputFileName"] == "out.txt"
        assert found["loggingLevel"] == "Warning"
        assert found["retrySettings"] == {"maxRetries": 1, "timeout": "PT1M30S"}

    def test_the_rest_of_the_command_line_s_yaml(self, world, tmp_path):
        text = """\
            $schema: https://example.com/modelBatchDeployment.schema.json
            name: ignored
            endpoint_name: ignored
            type: model
            description: what it does
            model: {path: ./model}
            environment: azureml:env@latest
            environment_variables: {COLOUR: red, SIZE: 3}
            compute: azureml:gpu-cluster
            resources: {instance_count: 2}
            tags: {team: a}
            properties: {p: q}"""
        found = deployment(world, tmp_path, text)

        assert found["description"] == "what it does"
        assert found["environmentVariables"] == {"COLOUR": "red", "SIZE": "3"}
        assert found["compute"] == f"{WORKSPACE}/computes/gpu-cluster"
        assert found["resources"]["instanceCount"] == 2
        assert found["properties"] == {"p": "q"}
        assert found["model"]["assetId"].startswith(f"{WORKSPACE}/models/")

    def test_code_and_model_are_copied_at_load(self, world, tmp_path):
        first, same = (deployment(world, tmp_path / folder, "model: ./model") for folder in "ab")
        (tmp_path / "a" / "model" / "offset.txt").write_text("200")
        setup = load(world, tmp_path / "a" / "setup.yml")
        changed = world.resources.get(
            "batchEndpoints/deployments", setup.workspace, "one-endpoint/one-deployment"
        )

        assets = [found["model"]["assetId"] for found in (first, same, changed["properties"])]
        names = [asset.split("/")[-3] for asset in assets]
        copies = {path.parent.parent.name: path.read_text() for path in world.folder.rglob("offset.txt")}
        assert names[0] == names[1] != names[2]
        assert copies == {names[0]: "100", names[2]: "200"}

    def test_pipeline_component_needs_no_code_but_a_simulation(self, world, tmp_path):
        setup = load(world, write_setup(tmp_path, SETUP))

        found = world.resources.get("batchEndpoints/deployments", setup.workspace, "pipes/pipe")["properties"]

        configuration = found["deploymentConfiguration"]
        assert configuration["deploymentConfigurationType"] == "PipelineComponent"
        assert configuration["componentId"]["assetId"] == f"{WORKSPACE}/components/scorer/versions/2"


ENDPOINT = "endpoints:\n  one-endpoint:\n    "
DEPLOYMENT = f"{ENDPOINT}deployments:\n      one-deployment:\n        "
CODED = f"{DEPLOYMENT}{CODE}\n        "
PATH = "endpoints.one-endpoint.deployments.one-deployment"


class TestErrors:
    @pytest.mark.parametrize(
        ("text", "key", "words"),
        [
            ("endpoint: {}", "endpoint", "is not a known key. Known here: $schema, clients"),
            ("endpoints: [a]", "endpoints", "is ['a'], but must be a mapping"),
            ("endpoints: {one-endpoint: 3}", "endpoints.one-endpoint", "is 3, but must be a mapping"),
            ("endpoints: {1x: {}}", "endpoints.1x", "the name '1x' must be 3 to 32 letters"),
            ("endpoints: {ab: {}}", "endpoints.ab", "the name 'ab' must be 3 to 32 letters"),
            (f"endpoints: {{{'a' * 33}: {{}}}}", "endpoints.aaa", "must be 3 to 32 letters"),
            ("workspace: [x]", "workspace", "is ['x'], but must be text"),
            ("clients: {}", "clients", "at least one client id"),
            ("clients: {a: [x]}", "clients.a", "must be text"),
            (f"{ENDPOINT}defaults: {{deployment_name: nope}}",
             "endpoints.one-endpoint.defaults.deployment_name",
             "is 'nope', but must be one of the endpoint's deployments: none"),
            (f"{ENDPOINT}colour: red", "endpoints.one-endpoint.colour", "is not a known key"),
            (f"{DEPLOYMENT}type: online", f"{PATH}.type", "is 'online', but must be one of model, pipeline"),
            (f"{DEPLOYMENT}type: pipeline", f"{PATH}.emulator", "is None, but must be a mapping such as"),
            (f"{DEPLOYMENT}description: x", f"{PATH}.code_configuration.code", "is None, but must be text"),
            (f"{DEPLOYMENT}code_configuration: {{code: ./gone, scoring_script: a.py}}",
             f"{PATH}.code_configuration.code", "/gone does not exist"),
            (f"{DEPLOYMENT}code_configuration: {{code: ./setup.yml, scoring_script: a.py}}",
             f"{PATH}.code_configuration.code", "must be the folder of the scoring script"),
            (f"{DEPLOYMENT}code_configuration: {{code: ./code, scoring_script: gone.py}}",
             f"{PATH}.code_configuration.scoring_script", "is 'gone.py', but must be the name of a file in"),
            (f"{CODED}model: ./gone", f"{PATH}.model", "does not exist"),
            (f"{CODED}mini_batch_size: 0", f"{PATH}.mini_batch_size",
             "is 0, but must be a number from 1"),
            (f"{CODED}mini_batch_size: 1.5", f"{PATH}.mini_batch_size",
             "is 1.5, but must be a whole number"),
            (f"{CODED}error_threshold: true", f"{PATH}.error_threshold", "is True"),
            (f"{CODED}output_action: append", f"{PATH}.output_action",
             "must be one of append_row, summary_only"),
            (f"{CODED}output_file_name: a/b", f"{PATH}.output_file_name",
             "a file name without folders"),
            (f"{CODED}retry_settings: {{retries: 3}}", f"{PATH}.retry_settings.retries",
             "is not a known key. Known here: max_retries, timeout"),
            (f"{CODED}retry_settings: {{timeout: PT30S}}", f"{PATH}.retry_settings.timeout",
             "is 'PT30S', but must be a number"),
            (f"{CODED}mini_batch_size: 1\n        settings: {{mini_batch_size: 2}}",
             f"{PATH}.settings.mini_batch_size", "given once"),
            (f"{DEPLOYMENT}emulator: {{run_seconds: -1}}", f"{PATH}.emulator.run_seconds", "is -1"),
            (f"{DEPLOYMENT}emulator: {{status: paused}}", f"{PATH}.emulator.status", "completed, failed"),
            ("data: {a: {path: ./gone}}", "data.a.path", "does not exist"),
            ("data: {a: {path: ./setup.yml}}", "data.a.path", "must be a folder, since the type is"),
            ("data: {a: {path: 'ftp://x/y'}}", "data.a.path", "must be an azureml:// URI"),
            ("data: {a: {type: mltable, path: ./code}}", "data.a.type", "one of uri_folder, uri_file"),
            ("- a", "the file", "must be a mapping with keys such as 'endpoints'"),
        ],
    )  # fmt: skip
    def test_error_names_file_key_value_and_fix(self, world, tmp_path, text, key, words):
        file = write_setup(tmp_path, text)

        with pytest.raises(SetupError) as caught:
            load(world, file)

        assert str(caught.value).startswith(f"{file}: {key}")
        assert words in str(caught.value)

    def test_yaml_that_does_not_parse_names_its_line(self, world, tmp_path):
        with pytest.raises(SetupError, match="line 2"):
            load(world, write_setup(tmp_path, "endpoints:\n  a: {"))

    def test_file_that_is_not_there_is_named(self, world, tmp_path):
        with pytest.raises(SetupError, match=r"gone\.yml: the set-up file cannot be read: No such file"):
            load(world, tmp_path / "gone.yml")

    def test_bad_file_changes_nothing(self, world, tmp_path):
        setup = load(world, write_setup(tmp_path, SETUP))
        broken = write_setup(tmp_path, SETUP.replace("run_seconds: 1}", "run_seconds: x}"))

        with pytest.raises(SetupError):
            load(world, broken)

        names = [endpoint["name"] for endpoint in world.resources.list("batchEndpoints", setup.workspace)]
        assert names == ["bare", "digits", "pipes", "waiting"]


class TestConnection:
    def test_names_of_the_file_are_those_of_the_connection(self, tmp_path):
        names = "subscription_id: s1, resource_group: g1, workspace: w1"
        text = f"{{{names}, location: westeurope, clients: {{c1: k1}}}}"
        with Emulator(setup=write_setup(tmp_path, text)) as emulator:
            connection = emulator.airflow_connection()
            azure = Azure(emulator.url)
            workspace = Workspace("s1", "g1", "w1").id
            token = azure.token(
                "https://management.azure.com/.default", client_id="c1", client_secret="k1"
            ).json()
            header = {"Authorization": f"Bearer {token['access_token']}"}
            shown = azure.http.get(workspace, headers=header).json()
            azure.http.close()

        assert connection == {
            "conn_type": "azure_ml",
            "host": emulator.url,
            "login": "c1",
            "password": "k1",
            "extra": {
                "tenantId": "emulator",
                "subscriptionId": "s1",
                "resource_group_name": "g1",
                "workspace_name": "w1",
            },
        }
        assert shown["location"] == "westeurope"

    def test_restart_without_a_file_remembers_the_last_one(self, tmp_path):
        first = World(tmp_path / "state")
        loaded = load(first, write_setup(tmp_path, "{workspace: w9, clients: {c1: k1}}"))
        first.close()
        second = World(tmp_path / "state")

        assert load(second, None) == loaded
        second.close()


class TestDatastores:
    def test_a_datastore_may_be_in_an_account_elsewhere(self, tmp_path):
        """It is shown as it is described, but for its secret, which only ``listSecrets`` tells."""
        text = """\
            datastores:
              other: {account_name: a, container_name: c, endpoint: "127.0.0.1:1", protocol: http,
                      credentials: {account_key: TOPSECRET}}
              open: {account_name: a, container_name: c, endpoint: core.windows.net}"""
        with Emulator(setup=write_setup(tmp_path, dedent(text))) as emulator:
            azure = Azure(emulator.url)
            found = {name: azure.get(f"/datastores/{name}") for name in ("other", "open")}
            asked = [
                azure.http.post(f"{WORKSPACE}/datastores/{name}/listSecrets", headers=azure.arm)
                for name in found
            ]
            azure.http.close()

        shown = found["other"].json()["properties"]
        assert (shown["accountName"], shown["containerName"]) == ("a", "c")
        assert (shown["protocol"], shown["endpoint"]) == ("http", "127.0.0.1:1")
        assert found["open"].json()["properties"]["protocol"] == "https"
        assert "TOPSECRET" not in found["other"].text
        assert asked[0].json() == {"secretsType": "AccountKey", "key": "TOPSECRET"}
        assert asked[1].status_code == 400

    @pytest.mark.parametrize(
        ("key", "says"),
        [
            ("credentials: {account_key: a, sas_token: b}", "one of account_key and sas_token"),
            ("credentials: {password: a}", "password is not a known key"),
            ("type: azure_file", "datastores.d.type is 'azure_file'"),
            ("protocol: ftp", "datastores.d.protocol is 'ftp'"),
        ],
    )
    def test_a_bad_datastore_is_named(self, world, tmp_path, key, says):
        text = f"{{datastores: {{d: {{account_name: a, container_name: c, endpoint: e, {key}}}}}}}"
        with pytest.raises(SetupError, match=says):
            load(world, write_setup(tmp_path, text))
