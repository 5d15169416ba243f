"""Creating, changing, leaving alone, listing and deleting resources."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from dataclasses import replace

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_provider.errors import (
    BadRequest,
    BatchError,
    Conflict,
    InvalidInput,
    NotFound,
    PermissionDenied,
    UnexpectedAnswer,
)
from airflow_batch_provider.services.azure_ml.operations import advance
from airflow_batch_provider.services.azure_ml.resources import fields
from airflow_batch_provider.services.azure_ml.resources.assets import (
    code,
    component,
    data,
    environment,
    model,
)
from airflow_batch_provider.services.azure_ml.resources.computes import compute
from airflow_batch_provider.services.azure_ml.resources.datastores import default_datastore
from airflow_batch_provider.services.azure_ml.resources.deployments import (
    model_deployment,
    pipeline_deployment,
)
from airflow_batch_provider.services.azure_ml.resources.endpoints import batch_endpoint, set_default
from airflow_batch_provider.services.azure_ml.resources.ensure import ensure
from airflow_batch_provider.services.azure_ml.resources.lists import list_resources
from airflow_batch_provider.services.azure_ml.resources.references import latest, reference
from airflow_batch_provider.services.azure_ml.resources.removal import (
    delete_compute,
    delete_deployment,
    delete_endpoint,
)
from airflow_batch_provider.services.azure_ml.workspace import Workspace

from .script import HTML, NOON, PUBLIC, WORKSPACE, ZEROS, play, recorded, recorded_body, refused

NAME = "batch-ept-11a618d470304b2"
DEPLOYMENT = "batch-dpm-11a618d470304b2"
LONG = f"azureml://subscriptions/{ZEROS}/resourcegroups/00000/workspaces/00000/datastores/d/paths/m"


def ok(body, status=200, **headers):
    return httpx.Response(status, json=body, headers=headers)


def described(properties, **more):
    return {"id": "/x", "name": "x", "location": "westus2", "properties": properties, **more}


def ensured(resource, *answers, **options):
    return play(ensure(WORKSPACE, resource, now=lambda: NOON, **options), answers)


def deployment(**given):
    said = {"model": "azureml:model_test:1", "compute": "cpu-cluster", **given}
    return model_deployment(WORKSPACE, NAME, DEPLOYMENT, **said)


# --- what is as it shall be -------------------------------------------------------------------------------

MODEL = described({"modelUri": LONG, "modelType": "custom_model", "tags": {}, "isArchived": False})
CLUSTER = described(
    {
        "computeType": "AmlCompute",
        "provisioningState": "Succeeded",
        "createdOn": "2023",
        "provisioningErrors": None,
        "properties": {
            "osType": "Linux",
            "vmSize": "Standard_D2_V2",
            "vmPriority": "Dedicated",
            "scaleSettings": {"maxNodeCount": 5, "minNodeCount": 0, "nodeIdleTimeBeforeScaleDown": "PT2M"},
            "allocationState": "Steady",
            "currentNodeCount": 0,
            "errors": [],
        },
    }
)
CONDA = "name: e\ndependencies: [python=3.11]\n"
ENVIRONMENT = described({"image": "i:1", "condaFile": '{"dependencies": ["python=3.11"], "name": "e"}'})
ENDPOINT = recorded_body("endpoint_get")
UNCHANGED = {
    "endpoint: the case of its authMode": (batch_endpoint(NAME), ENDPOINT),
    "endpoint: what is not said may be anything": (batch_endpoint(NAME, location="West US 2"), ENDPOINT),
    "endpoint: its default": (batch_endpoint(NAME, default_deployment=DEPLOYMENT), ENDPOINT),
    "endpoint: no tags are no tags": (batch_endpoint(NAME, tags={}, properties={}), ENDPOINT),
    "deployment: levels, actions, durations and numbers": (
        deployment(
            code="azureml:9a7f3c6e-6c0b-4c0a-8d2f-6a3f5d1e2b90:1",
            scoring_script="digit_identification.py",
            environment="azureml:CliV2AnonymousEnvironment:e1ad0fca",
            logging_level="info",
            output_action="append_row",
            output_file_name="predictions.csv",
            mini_batch_timeout="PT0M30S",
            max_retries="3",
            mini_batch_size="10",
            error_threshold=-1,
            max_concurrency_per_instance=2,
            instance_count=1,
            environment_variables={},
        ),
        recorded_body("deployment_get"),
    ),
    "deployment: an id in another case": (
        deployment(
            compute=f"{WORKSPACE.id}/computes/cpu-cluster".replace("resourceGroups", "resourcegroups")
        ),
        recorded_body("deployment_get"),
    ),
    "compute: sizes and durations": (
        compute(
            "cpu", vm_size="STANDARD_D2_V2", max_nodes=5, idle_time_before_scale_down=120, tier="dedicated"
        ),
        CLUSTER,
    ),
    "model: the short form of its URI": (model("m", 1, path="azureml://datastores/d/paths/m/"), MODEL),
    "environment: the conda file as the service lays it out": (
        environment("e", 1, image="i:1", conda_file=CONDA),
        ENVIRONMENT,
    ),
    "data": (
        data("d", 1, path="https://x.example/d/"),
        described({"dataType": "uri_folder", "dataUri": "https://x.example/d"}),
    ),
    "component: with what the service adds to its spec": (
        component("c", 1, spec={"type": "pipeline", "jobs": {"a": {"inputs": [1, "x"]}}}),
        described(
            {
                "componentSpec": {
                    "type": "pipeline",
                    "version": "1",
                    "jobs": {"a": {"inputs": ["1", "x"], "outputs": {}}},
                }
            }
        ),
    ),
}


@pytest.mark.parametrize(("resource", "found"), UNCHANGED.values(), ids=UNCHANGED.keys())
def test_what_is_as_it_shall_be_is_left_alone(resource, found):
    """Nothing is sent for what differs only in how the service writes it, and the text says so."""
    played = ensured(resource, ok(found))

    assert played.raised is None
    assert played.returned.action == "unchanged"
    assert "nothing was sent" in played.returned.text
    assert [request.method for request in played.requests] == ["GET"]
    assert played.returned.operation.done
    assert played.returned.operation.resource == found


def endpoint_with(**properties):
    body = copy.deepcopy(ENDPOINT)
    body["properties"] |= properties
    return body


TOUCHED = endpoint_with(
    description="Digits.", properties={"AzureAsyncOperationUri": "https://x", "owner": "me"}
)
TOUCHED["tags"] = {"team": "a", "cost": "1"}
TOUCHED["identity"] = {
    "type": "UserAssigned",
    "principalId": "p",
    "userAssignedIdentities": {"/subscriptions/s/x": {"clientId": "c", "principalId": "p"}},
}
UPDATES = {
    "what is not said stays": (
        batch_endpoint(NAME, tags={"team": "b"}, default_deployment="green"),
        TOUCHED,
        ("tags.team", "properties.defaults.deploymentName"),
        {
            "location": "westus2",
            "tags": {"team": "b", "cost": "1"},
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/subscriptions/s/x": {}}},
            "properties": {
                "authMode": "aadToken",
                "description": "Digits.",
                "properties": {"owner": "me"},
                "defaults": {"deploymentName": "green"},
            },
        },
    ),
    "a cluster grows": (
        compute("cpu", vm_size="standard_d2_v2", max_nodes=9),
        CLUSTER,
        ("properties.properties.scaleSettings.maxNodeCount",),
        {
            "location": "westus2",
            "properties": {
                "computeType": "AmlCompute",
                "properties": {
                    "osType": "Linux",
                    "vmSize": "standard_d2_v2",
                    "vmPriority": "Dedicated",
                    "scaleSettings": {
                        "maxNodeCount": 9,
                        "minNodeCount": 0,
                        "nodeIdleTimeBeforeScaleDown": "PT2M",
                    },
                },
            },
        },
    ),
    "a version is described anew": (
        model("m", 1, path=LONG, description="New.", tags={"a": 1}),
        MODEL,
        ("properties.description", "properties.tags.a"),
        {
            "location": "westus2",
            "properties": {
                "modelUri": LONG,
                "modelType": "custom_model",
                "isArchived": False,
                "description": "New.",
                "tags": {"a": "1"},
            },
        },
    ),
    "what failed is sent again": (
        batch_endpoint(NAME),
        endpoint_with(provisioningState="Failed"),
        (),
        {
            "location": "westus2",
            "properties": {
                "authMode": "aadToken",
                "properties": {"BatchEndpointCreationApiVersion": "2022-05-01"},
                "defaults": {"deploymentName": DEPLOYMENT},
            },
        },
    ),
}


@pytest.mark.parametrize(("resource", "found", "changed", "body"), UPDATES.values(), ids=UPDATES.keys())
def test_what_differs_is_changed(resource, found, changed, body):
    """A change is a PUT of what is there with what is said on top, without what only the service writes."""
    played = ensured(resource, ok(found), ok(described({"provisioningState": "Updating"})))

    assert played.raised is None
    assert (played.returned.action, played.returned.changed) == ("updated", changed)
    assert played.body == body
    assert not played.returned.operation.done
    assert "is being updated" in played.returned.text


def test_a_variable_that_is_called_like_a_field_stays():
    """Only the service's own fields are left out of what is sent back, not a user's of the same name."""
    found = recorded_body("deployment_get")
    found["properties"] |= {"environmentVariables": {"errors": "1"}, "properties": {"errors": "2"}}
    played = ensured(deployment(mini_batch_size=3), ok(found), ok(found))

    assert played.body["properties"]["environmentVariables"] == {"errors": "1"}
    assert played.body["properties"]["properties"] == {"errors": "2"}


FIXED = {
    "model": (
        model("m", 1, path="azureml://datastores/d/paths/other"),
        MODEL,
        "properties.modelUri",
        "new version",
    ),
    "code": (
        code("s", 1, path="https://a.blob.core.windows.net/c/new"),
        described({"codeUri": "https://a.blob.core.windows.net/c/old?sig=SECRET"}),
        "properties.codeUri",
        "new version",
    ),
    "environment": (
        environment("e", 1, image="i:1", conda_file="name: other"),
        ENVIRONMENT,
        "properties.condaFile",
        "new version",
    ),
    "what a newer api-version takes": (
        model("m", 1, path=LONG, extra_properties={"novelty": [1]}),
        MODEL,
        "properties.novelty",
        "new version",
    ),
    "a list of another length": (
        component("c", 1, spec={"a": [1, 2]}),
        described({"componentSpec": {"a": [1]}}),
        "properties.componentSpec.a",
        "new version",
    ),
    "machines of a cluster": (
        compute("cpu", vm_size="STANDARD_D4_V2", max_nodes=5),
        CLUSTER,
        "properties.properties.vmSize",
        "Delete it first",
    ),
    "region": (batch_endpoint(NAME, location="eastus"), ENDPOINT, "location", "Delete it first"),
}


@pytest.mark.parametrize(("resource", "found", "place", "fix"), FIXED.values(), ids=FIXED.keys())
def test_what_cannot_be_changed_is_told(resource, found, place, fix):
    """The message names the field that differs and both values, and nothing is sent."""
    played = ensured(resource, ok(found))

    assert isinstance(played.raised, Conflict)
    assert f"it differs in {place}, which cannot be changed" in str(played.raised)
    assert fix in str(played.raised)
    assert "SECRET" not in str(played.raised)


def test_if_exists():
    """What exists is left as it is, or is an error, if the user says so."""
    differs = batch_endpoint(NAME, default_deployment="green")
    skipped = ensured(differs, ok(ENDPOINT), if_exists="skip")
    failed = ensured(differs, ok(ENDPOINT), if_exists="fail")

    assert (skipped.returned.action, skipped.returned.operation.done) == ("skipped", True)
    assert "left as it is" in skipped.returned.text
    assert isinstance(failed.raised, Conflict)
    assert "if_exists is 'fail'" in str(failed.raised)
    assert isinstance(ensured(differs, if_exists="ignore").raised, InvalidInput)


@pytest.mark.parametrize("if_exists", ["update", "skip"])
def test_what_an_earlier_try_began_is_waited_for(if_exists):
    """A task that died after its PUT finds it under way: nothing is sent, the resource is polled."""
    played = ensured(
        batch_endpoint(NAME), ok(endpoint_with(provisioningState="Creating")), if_exists=if_exists
    )

    assert played.returned.action == {"update": "unchanged", "skip": "skipped"}[if_exists]
    operation = played.returned.operation
    assert (operation.done, operation.kind, operation.resource_url) == (
        False,
        "resource",
        WORKSPACE.url("batchEndpoints", NAME),
    )


def test_what_is_being_deleted_is_not_changed():
    """A PUT would race with the deletion."""
    played = ensured(batch_endpoint(NAME), ok(endpoint_with(provisioningState="Deleting")))

    assert isinstance(played.raised, Conflict)
    assert "is being deleted" in str(played.raised)


def test_a_conflict_with_our_own_request_is_none():
    """A PUT whose answer got lost is sent again; what conflicts with it then is what it has begun itself."""
    lost = httpx.ReadTimeout("slow")
    creating = ok(endpoint_with(provisioningState="Creating"))
    played = ensured(
        batch_endpoint(NAME, location="westus2"), refused(404), lost, refused(409, "Busy."), creating
    )

    assert [request.method for request in played.requests] == ["GET", "PUT", "PUT", "GET"]
    assert (played.returned.action, played.returned.operation.kind) == ("created", "resource")
    assert not played.returned.operation.done


CONFLICTS = {
    "somebody else changes it": (ok(endpoint_with(tags={}, authMode="Key")), "somebody else"),
    "it is being deleted": (ok(endpoint_with(provisioningState="Deleting")), "somebody else"),
    "the name is taken in the region": (refused(404), "unique within a region"),
}


@pytest.mark.parametrize(("found", "text"), CONFLICTS.values(), ids=CONFLICTS.keys())
def test_a_conflict_with_another(found, text):
    """Any other conflict is the user's to resolve."""
    played = ensured(batch_endpoint(NAME, location="westus2"), refused(404), refused(409, "Busy."), found)

    assert isinstance(played.raised, Conflict)
    assert "Busy." in str(played.raised)
    assert text in str(played.raised)


def test_no_secret_of_a_resource_is_kept():
    """What is returned goes to Airflow's database: without values of variables and signatures."""
    found = recorded_body("deployment_get")
    found["properties"] |= {"environmentVariables": {"KEY": "hush"}, "uris": ["https://a/b?sig=hush"]}
    unchanged = ensured(deployment(), ok(found)).returned.operation
    created = ensured(deployment(location="westus2"), refused(404), ok(found, 201)).returned.operation

    followed = play(advance(replace(created, done=False, resource={})), [ok(found)]).returned

    for operation in (unchanged, created, followed):
        assert operation.done
        assert "hush" not in str(operation.to_dict())
        assert operation.resource["properties"]["environmentVariables"] == {"KEY": "***"}


@pytest.mark.parametrize("told", [None, "hush-hush"], ids=["not told", "told"])
def test_a_password_is_neither_compared_where_it_is_not_told_nor_shown(told):
    """The service takes a cluster's password and does not tell it: that is no difference, and no message."""
    login = {"adminUserName": "me", "adminUserPassword": "hush"}
    extra = {"properties": {"userAccountCredentials": login}}
    wanted = compute("cpu", vm_size="S", max_nodes=1, location="westus2", extra_properties=extra)
    found = json.loads(json.dumps(wanted.body))
    found["properties"]["properties"]["userAccountCredentials"]["adminUserPassword"] = told
    played = ensured(wanted, ok(found))

    if told is None:
        assert played.returned.action == "unchanged"
        return
    assert isinstance(played.raised, Conflict)
    assert "adminUserPassword" in str(played.raised)
    assert "hush" not in str(played.raised)


def test_the_workspace_tells_the_region():
    """Without a location, a new resource goes where the workspace is."""
    played = ensured(batch_endpoint("digits"), refused(404), recorded("workspace_get"), ok(ENDPOINT, 201))

    assert played.body == {
        "properties": {"authMode": "aadToken"},
        "location": recorded_body("workspace_get")["location"],
    }


# --- references -------------------------------------------------------------------------------------------

REFERENCES = {
    "short": ("models", "azureml:mnist:1", "/models/mnist/versions/1"),
    "shorter": ("models", "mnist:1", "/models/mnist/versions/1"),
    "latest": ("environments", "azureml:mnist@latest", "/environments/mnist/labels/latest"),
    "compute": ("computes", "azureml:cpu-cluster", "/computes/cpu-cluster"),
    "ARM id": ("codes", f"{WORKSPACE.id}/codes/c/versions/2", "/codes/c/versions/2"),
    "ARM id behind azureml:": ("codes", f"azureml:{WORKSPACE.id}/codes/c/versions/2", "/codes/c/versions/2"),
}


@pytest.mark.parametrize(("kind", "given", "path"), REFERENCES.values(), ids=REFERENCES.keys())
def test_every_form_of_a_reference(kind, given, path):
    """What the CLI takes becomes the ARM id that REST takes."""
    assert reference(WORKSPACE, kind, "it", given) == f"{WORKSPACE.id}{path}"


def test_an_asset_of_a_registry_goes_as_it_is():
    """Registries are not of the workspace."""
    given = "azureml://registries/azureml/environments/e/versions/3"

    assert reference(WORKSPACE, "environments", "environment", given) == given


def test_latest_is_looked_up_before_it_is_sent():
    """What is sent is a version: the latest one at the moment of the PUT."""
    again = {"again": [f"{WORKSPACE.id}/models/m/labels/latest"]}
    wanted = deployment(model="azureml:m@latest", environment="azureml:e@latest", extra_properties=again)
    played = ensured(
        wanted,
        refused(404),
        ok({"properties": {"latestVersion": "7"}}),
        ok({"properties": {"latestVersion": None}}),
        ok({"value": [{"name": "12"}]}),
        recorded("workspace_get"),
        ok({}, 201),
    )

    assert played.raised is None
    assert played.body["properties"]["model"]["assetId"] == f"{WORKSPACE.id}/models/m/versions/7"
    assert played.body["properties"]["again"] == [f"{WORKSPACE.id}/models/m/versions/7"]
    assert played.body["properties"]["environmentId"] == f"{WORKSPACE.id}/environments/e/versions/12"
    assert dict(played.requests[3].url.params)["$orderBy"] == "createdtime desc"


def test_a_label_of_nothing():
    """What has no version is told, with what to do."""
    for answers in ([refused(404)], [ok({}), ok({"value": []})]):
        played = play(latest(WORKSPACE, "data", "d"), answers)
        assert isinstance(played.raised, NotFound)
        assert "Register the data asset first." in str(played.raised)


# --- refusals ---------------------------------------------------------------------------------------------

THERE = ok({"properties": {}})
# Answers to the look-ups in the order: endpoint, model, compute. Then what the message says.
REFUSALS = {
    "no endpoint": (
        [refused(404)],
        f"There is no batch endpoint {NAME!r} in workspace '00000': create it first.",
    ),
    "no model": ([THERE, refused(404)], "There is no model 'model_test' version '1' in workspace"),
    "no compute": ([THERE, THERE, refused(404)], "There is no compute 'cpu-cluster' in workspace"),
    "the wrong compute": (
        [THERE, THERE, ok({"properties": {"computeType": "ComputeInstance"}})],
        "is of type 'ComputeInstance': give a compute cluster.",
    ),
    "a compute that failed": (
        [THERE, THERE, ok({"properties": {"computeType": "AmlCompute", "provisioningState": "Failed"}})],
        "The provisioning state of compute 'cpu-cluster' is Failed.",
    ),
    "the spelling of another": (
        [THERE, THERE, THERE, refused(404)],
        "There is no Models 'm' version '1' in workspace '00000': create it first.",
    ),
    "nothing to be found": ([THERE, refused(403), HTML, HTML], "Bad."),
}


@pytest.mark.parametrize(("answers", "text"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_names_what_is_missing(answers, text):
    """What a refused resource names is looked up, and the message says which is missing or unfit."""
    other = {"other": f"{WORKSPACE.id}/Models/m/versions/1"}
    wanted = deployment(location="westus2", extra_properties=other)
    played = ensured(wanted, refused(404), refused(400, "Bad."), *answers)

    assert isinstance(played.raised, BadRequest)
    assert text in str(played.raised)
    assert "Bad." in str(played.raised)


def test_quota_is_told_with_what_to_do():
    """A region's quota is the user's to change."""
    played = ensured(
        compute("big", vm_size="S", max_nodes=100, location="westus2"),
        refused(404),
        refused(400, "Operation exceeds quota."),
    )

    assert "Ask for more quota in this region" in str(played.raised)


def test_a_missing_role_is_named():
    """The action is the one that the request needs."""
    for answers, action in (([refused(403)], "read"), ([refused(404), refused(403)], "write")):
        played = ensured(batch_endpoint(NAME, location="x"), *answers)
        assert isinstance(played.raised, PermissionDenied)
        assert f"workspaces/batchEndpoints/{action} " in str(played.raised)


# --- the default deployment -------------------------------------------------------------------------------


def test_the_default_is_set_once():
    """What is the default already is not set again."""
    played = play(set_default(WORKSPACE, NAME, DEPLOYMENT), [recorded("deployment_get"), ok(ENDPOINT)])

    assert played.returned.action == "unchanged"


@pytest.mark.parametrize("answers", [[refused(404)], [recorded("deployment_get"), refused(404)]])
def test_a_default_needs_its_deployment(answers):
    """Nothing is created on the way."""
    played = play(set_default(WORKSPACE, NAME, DEPLOYMENT), answers)

    assert isinstance(played.raised, NotFound)
    assert "first" in str(played.raised)
    assert all(request.method == "GET" for request in played.requests)


# --- deleting and listing ---------------------------------------------------------------------------------

DELETIONS = {
    "202": (ok(None, 202, location="https://management.azure.com/r"), False),
    "200": (ok(None), True),
    "204: it is gone by now": (httpx.Response(204), True),
    "404: likewise": (refused(404), True),
}
THERE = ok({"properties": {"provisioningState": "Succeeded"}})


@pytest.mark.parametrize(("response", "done"), DELETIONS.values(), ids=DELETIONS.keys())
def test_deleting(response, done):
    """What is there is deleted, and waited for as long as the service says."""
    for flow, path in (
        (delete_endpoint(WORKSPACE, NAME), f"/batchEndpoints/{NAME}"),
        (delete_deployment(WORKSPACE, NAME, "blue"), f"/batchEndpoints/{NAME}/deployments/blue"),
        (delete_compute(WORKSPACE, "cpu"), "/computes/cpu"),
    ):
        played = play(flow, [THERE, response])
        operation = played.returned.operation
        assert (played.returned.action, operation.done, operation.deleting) == ("deleted", done, True)
        assert played.asked == [("arm", verb, f"{WORKSPACE.id}{path}") for verb in ("GET", "DELETE")]
        assert ("is deleted" if done else "is being deleted") in played.returned.text


def test_what_is_gone_is_deleted():
    """Nothing is sent for what is not there."""
    played = play(delete_endpoint(WORKSPACE, NAME), [refused(404)])

    assert [request.method for request in played.requests] == ["GET"]
    assert (played.returned.action, played.returned.operation.done) == ("gone", True)
    assert "there is nothing to delete" in played.returned.text


def test_a_deletion_under_way_is_taken_up():
    """A retry asks the resource until it is gone, and sends nothing again."""
    deleting = ok(endpoint_with(provisioningState="Deleting"))
    played = play(delete_endpoint(WORKSPACE, NAME), [deleting])
    operation = played.returned.operation

    assert [request.method for request in played.requests] == ["GET"]
    assert (played.returned.action, operation.done, operation.deleting) == ("deleting", False, True)
    assert "nothing was sent" in played.returned.text
    assert play(advance(operation), [refused(404)]).returned.done


def test_deleting_a_compute_says_how():
    """The machines are deleted, or only let go."""
    for detach, action in ((False, "Delete"), (True, "Detach")):
        played = play(delete_compute(WORKSPACE, "cpu", detach=detach), [THERE, httpx.Response(204)])
        assert played.requests[1].url.params["underlyingResourceAction"] == action
        assert "underlyingResourceAction" not in played.returned.operation.resource_url


def test_a_deletion_that_is_refused():
    """What is in use says so; a wrong connection is no deletion."""
    busy = play(delete_endpoint(WORKSPACE, NAME), [THERE, refused(409, "Jobs are running.")])
    astray = ok({"error": {"code": "SubscriptionNotFound", "message": "No."}}, 404)
    lost = play(delete_endpoint(WORKSPACE, NAME), [astray])

    assert isinstance(busy.raised, Conflict)
    assert "cancel them or let them end" in str(busy.raised)
    assert isinstance(lost.raised, NotFound)


def test_a_list_is_read_to_its_end():
    """Each page names the next one."""
    following = f"{WORKSPACE.url('batchEndpoints')}&$skip=1"
    pages = [
        ok({"value": [{"name": "a"}], "nextLink": following}),
        ok({"value": [{"name": "b"}], "nextLink": None}),
    ]
    played = play(list_resources(WORKSPACE, "batchEndpoints"), pages)

    assert [row["name"] for row in played.returned] == ["a", "b"]
    assert str(played.requests[1].url) == following


@pytest.mark.parametrize(
    ("link", "kind"),
    [
        (WORKSPACE.url("models"), UnexpectedAnswer),
        ("https://evil.example/models", InvalidInput),
        (7, InvalidInput),
    ],
)
def test_a_list_that_leads_astray(link, kind):
    """A page that leads to itself, or to another host, is not followed."""
    played = play(list_resources(WORKSPACE, "models"), [ok({"value": [], "nextLink": link})])

    assert isinstance(played.raised, kind)
    assert len(played.requests) == 1


def test_a_workspace_without_a_default_datastore():
    """It says so."""
    played = play(default_datastore(WORKSPACE), [ok({"value": []})])

    assert isinstance(played.raised, NotFound)


# --- bodies that the guide does not show ------------------------------------------------------------------


def test_a_pipeline_component_deployment():
    """Its configuration names the component; settings travel as texts."""
    newer = Workspace(PUBLIC, ZEROS, "00000", "00000", api_version="2024-10-01")
    resource = pipeline_deployment(
        newer,
        "digits",
        "blue",
        component="azureml:train:2",
        settings={"default_compute": "cpu-cluster", "continue_on_step_failure": False},
        description="Trains.",
    )

    assert resource.body == {
        "properties": {
            "description": "Trains.",
            "deploymentConfiguration": {
                "deploymentConfigurationType": "PipelineComponent",
                "componentId": {
                    "referenceType": "Id",
                    "assetId": f"{WORKSPACE.id}/components/train/versions/2",
                },
                "settings": {"default_compute": "cpu-cluster", "continue_on_step_failure": "False"},
            },
        }
    }
    assert resource.path == ("batchEndpoints", "digits", "deployments", "blue")


def test_every_field_of_a_model_deployment():
    """What the task does not name by a word of its own goes by extra_properties, merged on every level."""
    resource = deployment(
        environment_variables={"A": 1, "B": True},
        instance_count="2",
        instance_type="gpu",
        resource_properties={"p": {"q": 1}},
        output_action="summary_only",
        output_file_name="out.csv",
        logging_level="DEBUG",
        tags={"t": 1},
        description="D.",
        extra_properties={"retrySettings": {"backoff": 2}, "novelty": True},
        max_retries=0,
    )

    assert resource.body["tags"] == {"t": "1"}
    properties = resource.body["properties"]
    assert properties["environmentVariables"] == {"A": "1", "B": "True"}
    assert properties["resources"] == {
        "instanceCount": 2,
        "instanceType": "gpu",
        "properties": {"p": {"q": 1}},
    }
    assert (properties["outputAction"], properties["outputFileName"]) == ("SummaryOnly", "out.csv")
    assert (properties["loggingLevel"], properties["novelty"]) == ("Debug", True)
    assert properties["retrySettings"] == {"maxRetries": 0, "backoff": 2}


def test_the_other_bodies():
    """Build contexts, hashes, types and data paths are in the recorded forms."""
    built = environment("e", 1, build_context="https://a.blob.core.windows.net/c/x", dockerfile_path="D")
    hashed = code("c", 1, path="https://a.blob.core.windows.net/c/x", content_hash="ab")
    typed = model(
        "m", 1, path="azureml://jobs/j/outputs/o/paths/m", type="mlflow_model", flavors={"python": {}}
    )
    by_path = {"referenceType": "DataPath", "datastoreId": f"{WORKSPACE.id}/datastores/d", "path": "m"}

    assert built.body["properties"] == {
        "build": {"contextUri": "https://a.blob.core.windows.net/c/x", "dockerfilePath": "D"}
    }
    assert hashed.body["properties"]["properties"] == {"hash_sha256": "ab", "hash_version": "202208"}
    assert typed.body["properties"]["modelType"] == "mlflow_model"
    assert deployment(model=by_path).body["properties"]["model"] == by_path


# --- bad input --------------------------------------------------------------------------------------------

OLDER = Workspace(PUBLIC, ZEROS, "00000", "00000", api_version="2023-10-01")
URI = "azureml://datastores/d/paths/p"
# What is described wrongly, then what the message begins with and what it says to do.
BAD = {
    "endpoint name": (lambda: batch_endpoint("1st"), "endpoint_name is '1st'", "3 to 32 letters"),
    "endpoint name of two": (lambda: batch_endpoint("ab"), "endpoint_name is 'ab'", "3 to 32 letters"),
    "rendered to nothing": (lambda: batch_endpoint("None"), "endpoint_name is 'None'. Did a template", ""),
    "default": (
        lambda: batch_endpoint(NAME, default_deployment="a/b"),
        "default_deployment is 'a/b'",
        "3 to 32",
    ),
    "compute name": (lambda: compute("c_c", vm_size="S", max_nodes=1), "compute_name is 'c_c'", "3 to 32"),
    "nodes": (lambda: compute("cpu", vm_size="S", max_nodes=0), "max_nodes is 0", "integer from 1"),
    "more at least than at most": (
        lambda: compute("cpu", vm_size="S", max_nodes=1, min_nodes=2),
        "min_nodes is 2 and max_nodes is 1",
        "no more as min_nodes",
    ),
    "tier": (
        lambda: compute("cpu", vm_size="S", max_nodes=1, tier="cheap"),
        "tier is 'cheap'",
        "dedicated, low_priority",
    ),
    "size": (lambda: compute("cpu", vm_size="", max_nodes=1), "vm_size is ''", "STANDARD_D2_V2"),
    "asset name": (lambda: model("a b", 1, path=URI), "name is 'a b'", "1 to 255"),
    "version": (lambda: model("m", "", path=URI), "version is ''", "1 to 255"),
    "a version that is no version": (lambda: model("m", 1.5, path=URI), "version is 1.5", "1 to 255"),
    "compute name of two": (
        lambda: compute("cc", vm_size="S", max_nodes=1),
        "compute_name is 'cc'",
        "3 to 32",
    ),
    "model version of parts": (lambda: model("m", "1.0", path=URI), "version is '1.0'", "integer from 1"),
    "model version of nothing": (lambda: model("m", 0, path=URI), "version is 0", "integer from 1"),
    "model version with zeros": (lambda: model("m", "01", path=URI), "version is '01'", "integer from 1"),
    "model version too large": (
        lambda: model("m", str(2**63), path=URI),
        "version is '9223",
        "integer from 1",
    ),
    "long data version": (lambda: data("d", "v" * 31, path=URI), "version is 'vvv", "at most 30"),
    "local model": (lambda: model("m", 1, path="./model"), "path is the local path './model'", "Upload"),
    "model type": (lambda: model("m", 1, path=URI, type="onnx"), "type is 'onnx'", "custom_model"),
    "data type": (
        lambda: data("d", 1, path=URI, type="mltable"),
        "type is 'mltable'",
        "uri_folder, uri_file",
    ),
    "an environment of nothing": (
        lambda: environment("e", 1),
        "image is None and build_context is None",
        "one of them",
    ),
    "an environment of both": (
        lambda: environment("e", 1, image="i", build_context=URI),
        "image is 'i' and build_context",
        "one of them",
    ),
    "conda in a build": (
        lambda: environment("e", 1, build_context=URI, conda_file="name: e"),
        "build_context and conda_file",
        "Dockerfile",
    ),
    "a Dockerfile of nothing": (
        lambda: environment("e", 1, image="i", dockerfile_path="D"),
        "dockerfile_path is 'D'",
        "build_context",
    ),
    "spec": (lambda: component("c", 1, spec={}), "spec is {}", "YAML"),
    "spec that JSON cannot carry": (lambda: component("c", 1, spec={"a": {1}}), "spec is ", "JSON"),
    "tags": (lambda: batch_endpoint(NAME, tags=["a"]), "tags is ['a']", "mapping"),
    "a tag": (lambda: batch_endpoint(NAME, tags={"a": None}), "tags['a'] is None", "text or a number"),
    "extra": (lambda: batch_endpoint(NAME, extra_properties=3), "extra_properties is 3", "mapping"),
    "model reference": (lambda: deployment(model="m"), "model is 'm'", "azureml:MODEL:VERSION"),
    "model of another kind": (
        lambda: deployment(model=f"{WORKSPACE.id}/data/d/versions/1"),
        "model is ",
        "This is no model.",
    ),
    "reference type": (
        lambda: deployment(model={"referenceType": "Name"}),
        "model['referenceType'] is 'Name'",
        "Id, DataPath, OutputPath",
    ),
    "reference without its path": (
        lambda: deployment(model={"referenceType": "DataPath", "datastoreId": "x"}),
        "model['path'] is None",
        "text",
    ),
    "compute reference": (lambda: deployment(compute="a:1"), "compute is 'a:1'", "name of a compute"),
    "code without a script": (
        lambda: deployment(code="c:1"),
        "code is 'c:1' and scoring_script is None",
        "both",
    ),
    "mini-batch": (lambda: deployment(mini_batch_size=0), "mini_batch_size is 0", "integer from 1"),
    "a part of a node": (lambda: deployment(instance_count=1.5), "instance_count is 1.5", "integer from 1"),
    "a boolean": (lambda: deployment(max_retries=True), "max_retries is True", "integer from 0"),
    "threshold": (lambda: deployment(error_threshold=-2), "error_threshold is -2", "integer from -1"),
    "timeout": (lambda: deployment(mini_batch_timeout="30 s"), "mini_batch_timeout is '30 s'", "PT30S"),
    "level": (lambda: deployment(logging_level="trace"), "logging_level is 'trace'", "info, warning, debug"),
    "action": (lambda: deployment(output_action="overwrite"), "output_action is 'overwrite'", "append_row"),
    "file name": (lambda: deployment(output_file_name="a/b"), "output_file_name is 'a/b'", "without a path"),
    "pipelines in an old api-version": (
        lambda: pipeline_deployment(OLDER, NAME, "blue", component="c:1"),
        "api_version is '2023-10-01'",
        "2024-10-01",
    ),
    "delete": (lambda: delete_endpoint(WORKSPACE, ""), "endpoint_name is ''", "3 to 32"),
    "default of nothing": (lambda: set_default(WORKSPACE, NAME, None), "deployment_name is None", "3 to 32"),
}


@pytest.mark.parametrize(("make", "opening", "fix"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_told_before_anything_is_asked(make, opening, fix):
    """The message names the field and its value, and what to do instead."""
    with pytest.raises(InvalidInput) as caught:
        make()

    assert str(caught.value).startswith(opening)
    assert fix in str(caught.value)


# --- anything at all --------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        *(
            "properties",
            "provisioningState",
            "identity",
            "tags",
            "location",
            "defaults",
            "deploymentName",
            "type",
        ),
        *(
            "userAssignedIdentities",
            "value",
            "nextLink",
            "latestVersion",
            "Succeeded",
            "Creating",
            "Failed",
            "x",
        ),
        *(
            NAME,
            "PT5S",
            "azureml://datastores/d/paths/p",
            "azureml:",
            f"{WORKSPACE.id}/computes/c",
            "",
            "None",
        ),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | WORDS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(), inner, max_size=5)
)
ANSWERS = st.builds(
    lambda status, body: httpx.Response(status, json=body) if status != 299 else HTML,
    st.sampled_from([200, 200, 200, 201, 202, 204, 299, 302, 400, 403, 404, 404, 409, 429, 500]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | WORDS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    ),
)
FLOWS = [
    lambda: ensure(
        WORKSPACE, batch_endpoint(NAME, tags={"x": 1}, default_deployment="blue"), now=lambda: NOON
    ),
    lambda: ensure(WORKSPACE, deployment(model="m@latest", environment="e@latest"), now=lambda: NOON),
    lambda: ensure(WORKSPACE, component("c", 1, spec={"type": [1, {"x": 2}]}), now=lambda: NOON),
    lambda: ensure(WORKSPACE, compute("cpu", vm_size="S", max_nodes=1), if_exists="skip", now=lambda: NOON),
    lambda: set_default(WORKSPACE, NAME, "blue"),
    lambda: delete_endpoint(WORKSPACE, NAME),
    lambda: list_resources(WORKSPACE, "batchEndpoints"),
    lambda: default_datastore(WORKSPACE),
    lambda: latest(WORKSPACE, "models", "m"),
]


@pytest.mark.parametrize("flow", FLOWS)
@given(answers=st.lists(ANSWERS, min_size=1, max_size=8))
def test_any_answers_are_a_value_or_an_error_of_ours(flow, answers):
    """Whatever is answered, the flow ends with a value or one of our errors, and asks no other host."""
    script = iter([*answers, *[refused(404)] * 200])
    played = play(flow(), lambda _: next(script))

    assert played.raised is None or isinstance(played.raised, BatchError), repr(played.raised)
    assert all(request.url.host == "management.azure.com" for request in played.requests)


@given(st.data())
def test_any_arguments_are_a_body_or_bad_input(given_data):
    """Whatever a DAG says, there is a request to send, or `InvalidInput`."""
    value = given_data.draw(VALUES)
    makers = (
        lambda: batch_endpoint(value),
        lambda: batch_endpoint(NAME, tags=value, properties=value),
        lambda: batch_endpoint(NAME, extra_properties=value),
        lambda: compute("cpu", vm_size="S", max_nodes=value, min_nodes=value),
        lambda: compute("cpu", vm_size=value, max_nodes=1, idle_time_before_scale_down=value),
        lambda: model(value, value, path=URI),
        lambda: model("m", 1, path=value, type=value),
        lambda: component("c", 1, spec=value),
        lambda: environment("e", 1, image=value, conda_file=value),
        lambda: deployment(model=value),
        lambda: deployment(compute=value),
        lambda: deployment(environment=value, environment_variables=value),
        lambda: deployment(mini_batch_timeout=value, error_threshold=value, logging_level=value),
        lambda: deployment(output_file_name=value, resource_properties=value),
    )
    with suppress(InvalidInput):
        resource = given_data.draw(st.sampled_from(makers))()
        assert httpx.Request("PUT", resource.url(WORKSPACE), content=b"{}").url.host == "management.azure.com"
        fields.json_mapping("body", resource.body)
