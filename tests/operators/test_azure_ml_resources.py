"""The operators that create, change and delete what a batch endpoint is made of, against the emulator."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from zlib import crc32

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowTaskTimeout, TaskDeferralError, TaskDeferralTimeout

from airflow_batch_provider import errors
from airflow_batch_provider.hooks.azure_ml import AzureMLHook
from airflow_batch_provider.jobs import Watch
from airflow_batch_provider.operators import azure_ml
from airflow_batch_provider.operators.azure_ml import (
    AzureMLBatchEndpointOperator,
    AzureMLCreateBatchDeploymentOperator,
    AzureMLCreateBatchEndpointOperator,
    AzureMLCreateComputeOperator,
    AzureMLDeleteBatchEndpointOperator,
    AzureMLDeleteComputeOperator,
    AzureMLSetDefaultDeploymentOperator,
)
from airflow_batch_provider.services.azure_ml.resources.assets import component

from .conftest import rendered
from .needed import needed

SCRIPT = """
import os
from pathlib import Path

def init():
    pass

def run(mini_batch):
    return [f"{Path(path).name} scored" for path in mini_batch]
"""
URI = "azureml://datastores/workspaceblobstore/paths/somewhere"
both_ways = pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    """Have relative paths start at a folder of the test's own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def files(tmp_path):
    """Write a scoring script and a model."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "score.py").write_text(SCRIPT)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.txt").write_text("1")
    return tmp_path


@pytest.fixture
def name(request):
    """Give a name that only this test uses, fit for every kind of resource."""
    return f"t{crc32(request.node.nodeid.encode())}"


def compute(**said):
    said = {"vm_size": "STANDARD_D2_V2", "max_nodes": 2, "poll_interval": 1} | said
    return AzureMLCreateComputeOperator(task_id="create", **said)


def endpoint(**said):
    return AzureMLCreateBatchEndpointOperator(task_id="create", poll_interval=1, **said)


def deployment(**said):
    said = {"model": f"azureml:{said['endpoint_name']}:1", "compute": said["endpoint_name"]} | said
    said = {"deployment_name": "one", "poll_interval": 1} | said
    return AzureMLCreateBatchDeploymentOperator(task_id="create", **said)


def delete(**said):
    return AzureMLDeleteBatchEndpointOperator(task_id="delete", poll_interval=1, **said)


def register(kind, **said):
    return getattr(azure_ml, f"AzureMLRegister{kind}Operator")(task_id="register", **said)


@pytest.fixture
def ready(emulator, task, name):
    """Create an endpoint, a cluster and a model of this name."""
    task.run(compute(compute_name=name))
    task.run(register("Model", name=name, version=1, path=URI, type="mlflow_model"))
    task.run(endpoint(endpoint_name=name))
    emulator._call("DELETE", "requests")
    return name


def sent(emulator, *methods):
    """Return method and the end of the path of each request that changes something."""
    wanted = methods or ("PUT", "DELETE", "PATCH")
    return [
        (one["method"], one["path"].partition("/workspaces/emulator/")[2])
        for one in emulator.requests()
        if one["method"] in wanted and one["plane"] == "arm"
    ]


# --- the whole way ----------------------------------------------------------------------------------------


@both_ways
def test_from_files_to_predictions_and_back(emulator, task, files, name, deferrable):
    """What the operators create from local files is scored with; then it is deleted, endpoint and cluster."""
    wait = {"deferrable": deferrable, "poll_interval": 1}
    cluster = task.run(compute(compute_name=name, **wait))
    code = task.run(register("Code", name=name, path="code"))
    model = task.run(register("Model", name=name, path=str(files / "model")))
    environment = task.run(
        register("Environment", name=name, version=1, image="ubuntu", conda_file={"name": "x"})
    )
    data = task.run(register("Data", name=name, path=f"file://{files}/model/weights.txt"))
    made = task.run(endpoint(endpoint_name=name, deferrable=deferrable))
    deployed = task.run(
        deployment(
            endpoint_name=name,
            model=model["id"],
            code=code["id"],
            scoring_script="score.py",
            environment=environment["id"],
            compute=cluster["id"],
            set_default=True,
            **wait,
        )
    )
    job = task.run(
        AzureMLBatchEndpointOperator(
            task_id="score", endpoint_name=name, input={"type": "uri_file", "path": data["id"]}
        )
    )
    gone = task.run(delete(endpoint_name=name, deferrable=deferrable))
    also = task.run(AzureMLDeleteComputeOperator(task_id="delete", compute_name=name, **wait))

    states = [one["properties"]["provisioningState"] for one in (cluster, made, deployed)]
    assert (states, job["state"], gone, also) == (["Succeeded"] * 3, "succeeded", True, True)
    assert data["properties"]["dataType"] == "uri_file"
    assert deployed["name"] == "one"
    operations = [event for event in task.events if "operation" in event]
    # Cluster, endpoint, deployment, its becoming the default, and two deletions.
    assert len(operations) == (6 if deferrable else 0)
    with pytest.raises(errors.NotFound):
        task.run(deployment(endpoint_name=name, model=model["id"], compute=cluster["id"]))


def test_the_id_is_pushed(emulator, task, name):
    """``operator.output["id"]`` names the resource in another task's arguments."""
    made = task.run(endpoint(endpoint_name=name))

    assert task.instance.xcoms["id"] == made["id"]
    assert made["id"].endswith(f"/batchEndpoints/{name}")


# --- idempotent -------------------------------------------------------------------------------------------


@both_ways
def test_what_is_as_it_shall_be_is_left_alone(emulator, task, ready, deferrable):
    """A second run sends nothing and says so; a change sends one PUT, and says what changed."""
    task.run(deployment(endpoint_name=ready, mini_batch_size=5, deferrable=deferrable))
    first = sent(emulator)
    again = task.run(deployment(endpoint_name=ready, mini_batch_size="5", deferrable=deferrable))
    changed = task.run(deployment(endpoint_name=ready, mini_batch_size=6, deferrable=deferrable))

    path = f"batchEndpoints/{ready}/deployments/one"
    assert (first, sent(emulator)) == ([("PUT", path)], [("PUT", path)] * 2)
    assert (again["properties"]["miniBatchSize"], changed["properties"]["miniBatchSize"]) == (5, 6)


def test_each_thing_that_is_done_is_told(emulator, task, name, capsys):
    """One line says whether it is created, updated, unchanged, skipped, deleted or gone."""
    for said in ({}, {}, {"tags": {"a": "b"}}, {"tags": {"a": "c"}, "if_exists": "skip"}):
        task.run(endpoint(endpoint_name=name, **said))
    for _ in range(2):
        task.run(delete(endpoint_name=name))

    told = re.findall(rf"Batch endpoint '{name}' (.+?)\.? +\[", capsys.readouterr().out)
    assert told == [
        "is being created",
        "is as it shall be; nothing was sent",
        "is being updated: tags.a",
        "exists and is left as it is; nothing was sent",
        "is being deleted",
        "does not exist; there is nothing to delete",
    ]


def test_what_exists_and_must_not(emulator, task, name):
    """``if_exists="fail"`` fails where there is one."""
    task.run(endpoint(endpoint_name=name))

    with pytest.raises(errors.Conflict, match="if_exists is 'fail'"):
        task.run(endpoint(endpoint_name=name, if_exists="{{ params.how }}"), how="fail")


def test_the_same_content_is_the_same_version(emulator, task, files, name):
    """Without a version the content makes it: nothing is sent twice, and a change is a new version."""
    (files / "code" / "score.py").write_text(f"{SCRIPT}# {name}\n")
    first = task.run(register("Code", name=name, path="code"))
    before = sent(emulator)
    again = task.run(register("Code", name=name, path="code"))
    assert (again["id"], sent(emulator)) == (first["id"], before)

    (files / "code" / "score.py").write_text(f"{SCRIPT}# better {name}\n")
    better = task.run(register("Code", name=name, path="code"))
    assert better["name"] != first["name"]
    assert len(better["name"]) == 16
    uploads = [one for one in emulator.requests() if one["plane"] == "blob" and one["method"] == "PUT"]
    assert len(uploads) == 2


@pytest.mark.parametrize("kind", ["Code", "Model", "Data"])
def test_the_same_content_under_another_name_is_the_same_version(emulator, task, files, name, kind):
    """A folder that was renamed is no conflict: what is registered is as good."""
    (files / "code" / "score.py").write_text(f"{SCRIPT}# {name}\n")
    first = task.run(register(kind, name=name, path="code"))
    (files / "code").rename(files / "source")
    again = task.run(register(kind, name=name, path="source", description="Renamed."))

    assert again["id"] == first["id"]
    assert again["properties"] == first["properties"] | {"description": "Renamed."}
    # The service takes numbers alone for versions of models.
    assert again["name"].isdecimal() if kind == "Model" else len(again["name"]) == 16


def test_other_content_needs_another_version(emulator, task, files, name):
    """A version that was given stays what it is; the message says what to do."""
    task.run(register("Model", name=name, version=7, path="model"))
    (files / "model" / "weights.txt").write_text("2")

    with pytest.raises(errors.Conflict, match=r"differs in properties\.modelUri.*new version"):
        task.run(register("Model", name=name, version="7", path="model"))


@both_ways
def test_a_delete_that_is_refused_while_jobs_run(emulator, task, ready, deferrable):
    """The error names what is in use and what to do; nothing is deleted, and the next try can."""
    emulator.fail(action="status", status=409, match={"method": "DELETE", "path": "/computes/"}, times=1)
    remove = {"task_id": "delete", "compute_name": ready, "poll_interval": 1, "deferrable": deferrable}

    with pytest.raises(
        errors.Conflict, match=rf"Deleting compute '{ready}'.*jobs that still run: cancel them"
    ):
        task.run(AzureMLDeleteComputeOperator(**remove))
    assert task.run(AzureMLDeleteComputeOperator(**remove)) is True
    assert task.run(AzureMLDeleteComputeOperator(**remove)) is False


def test_a_job_outlives_its_endpoint(emulator, task, ready, files):
    """An endpoint that is deleted while its job runs takes no job along: the task has it in its next try."""
    (files / "code" / "score.py").write_text(f"import time\n{SCRIPT}".replace("pass", "time.sleep(3)"))
    (files / "data").mkdir()
    (files / "data" / "a.txt").write_text("a")
    code = task.run(register("Code", name=ready, path="code"))
    image = task.run(register("Environment", name=ready, version=1, image="ubuntu"))
    said = {"scoring_script": "score.py", "code": code["id"], "environment": image["id"], "set_default": True}
    custom = task.run(register("Model", name=f"{ready}-x", version=1, path="model"))
    task.run(deployment(endpoint_name=ready, model=custom["id"], **said))
    score = {"task_id": "score", "endpoint_name": ready, "input": "./data", "poll_interval": 1}
    begun = task.run(AzureMLBatchEndpointOperator(**score, wait_for_completion=False))

    assert task.run(delete(endpoint_name=ready)) is True
    task.instance.try_number = 2
    job = task.run(AzureMLBatchEndpointOperator(**score))

    assert (job["id"], job["state"]) == (begun["id"], "succeeded")


# --- retries, restarts and trouble ------------------------------------------------------------------------


def test_a_retry_takes_up_what_the_try_before_began(emulator, task, name):
    """Creating and deleting are each sent once, however often the task starts anew meanwhile."""
    for _ in range(3):
        task.run(compute(compute_name=name, wait_for_completion=False))
    made = task.run(compute(compute_name=name))
    remove = {"task_id": "delete", "compute_name": name, "poll_interval": 1}
    for _ in range(3):
        task.run(AzureMLDeleteComputeOperator(wait_for_completion=False, **remove))
    task.run(AzureMLDeleteComputeOperator(**remove))

    assert made["properties"]["provisioningState"] == "Succeeded"
    assert sent(emulator) == [("PUT", f"computes/{name}"), ("DELETE", f"computes/{name}")]


def test_without_waiting_the_resource_is_returned_as_it_is_now(emulator, task, name):
    """The task ends when the service has accepted it."""
    made = task.run(compute(compute_name=name, wait_for_completion=False, deferrable=True))

    assert made["properties"]["provisioningState"] in ("Creating", "Updating")
    assert task.triggers == []


@both_ways
def test_an_operation_that_fails_says_why(emulator, task, name, deferrable):
    """The service's error tree is in the message; a retry tries again."""
    broken = compute(compute_name=name, tags={"emulate": "quota@create"}, deferrable=deferrable)
    with pytest.raises(errors.OperationFailed, match=f"(?s)compute '{name}' failed.*vCPU quota of 0"):
        task.run(broken)

    assert task.run(compute(compute_name=name))["properties"]["provisioningState"] == "Succeeded"
    assert sent(emulator) == [("PUT", f"computes/{name}")] * 2


@both_ways
def test_a_deadline_leaves_the_operation_going_on(emulator, task, name, deferrable):
    """The task fails, nothing is cancelled, and the next one finds it done."""
    with pytest.raises(errors.OperationTimedOut, match="takes it up again"):
        task.run(compute(compute_name=name, timeout=timedelta(seconds=0.01), deferrable=deferrable))

    assert task.run(compute(compute_name=name))["properties"]["provisioningState"] == "Succeeded"
    assert sent(emulator) == [("PUT", f"computes/{name}")]


@both_ways
def test_an_outage_is_waited_out(emulator, task, name, deferrable):
    """Whatever the service answers to looks for a while, the operation is found in the end."""
    emulator.fail(action="status", status=503, match={"path": "OperationsStatus"}, times=9)

    made = task.run(compute(compute_name=name, deferrable=deferrable))
    assert made["properties"]["provisioningState"] == "Succeeded"


def test_an_outage_that_is_too_long_ends_the_task(emulator, task, name):
    """It says that the operation goes on, in the triggerer as in a worker."""
    emulator.fail(action="status", status=503, match={"path": "OperationsStatus"}, times=99)

    with pytest.raises(errors.OperationUnreachable, match="takes it up again"):
        task.run(compute(compute_name=name, deferrable=True, outage_tolerance=0))


@pytest.mark.parametrize("action", ["drop_after", "truncate"])
def test_a_lost_answer_is_no_loss(emulator, task, name, action):
    """Whether the service has carried it out or not, one endpoint is there at the end."""
    emulator.fail(action=action, match={"method": "PUT", "path": "/batchEndpoints/"}, times=1)

    assert task.run(endpoint(endpoint_name=name))["properties"]["provisioningState"] == "Succeeded"


def test_a_task_that_was_deferred_for_too_long_names_its_resource(emulator, task):
    """Airflow's own words about a trigger become an error that says what goes on."""
    one = deployment(endpoint_name="letters")
    context = task.context()
    for raised, wanted in (
        (TaskDeferralTimeout("timeout"), errors.OperationTimedOut),
        (TaskDeferralError("gone"), errors.OperationUnreachable),
    ):
        kwargs = {"error": "Trigger timeout" if wanted is errors.OperationTimedOut else "gone"}
        with pytest.raises(wanted, match="deployment 'one' of endpoint 'letters'") as caught:
            one.resume_execution("__fail__", kwargs, context)
        assert isinstance(caught.value.__cause__, type(raised))


def test_an_execution_timeout_names_its_resource(emulator, task, name, monkeypatch):
    """What Airflow raises in the middle of a wait becomes an error that says what goes on."""
    from airflow_batch_provider.hooks.base import BatchHook

    run = BatchHook.run

    def interrupted(self, flow, *args, **kwargs):
        if flow.__name__ == "finish":
            raise AirflowTaskTimeout("Timeout")
        return run(self, flow, *args, **kwargs)

    monkeypatch.setattr(BatchHook, "run", interrupted)
    with pytest.raises(errors.OperationTimedOut, match=f"execution_timeout has passed.*compute '{name}'"):
        task.run(compute(compute_name=name))


# --- what is deployed -------------------------------------------------------------------------------------


def test_a_pipeline_component_is_deployed_by_a_version_that_knows_it(emulator, task, ready):
    """The connection's default api-version knows no such deployment; the request takes one that does."""
    hook = AzureMLHook()
    hook.open()
    spec = {"type": "pipeline", "jobs": {}}
    hook.run(hook.resources.ensure(component(ready, 1, spec=spec)))
    piped = {"model": None, "compute": None, "component": f"azureml:{ready}@latest", "deferrable": True}
    made = task.run(deployment(endpoint_name=ready, settings={"default_compute": ready}, **piped))
    again = task.run(deployment(endpoint_name=ready, settings={"default_compute": ready}, **piped))

    said = made["properties"]["deploymentConfiguration"]
    assert said["componentId"]["assetId"].endswith(f"/components/{ready}/versions/1")
    assert again["id"] == made["id"]
    asked = [one for one in emulator.requests() if one["path"].endswith("/deployments/one")]
    assert {one["query"] for one in asked} == {"api-version=2024-10-01"}
    assert len([one for one in asked if one["method"] == "PUT"]) == 1


def test_an_old_version_that_was_chosen_is_not_replaced(emulator, task, monkeypatch):
    """Who set an api-version is told that it knows no such deployment."""
    connection = json.loads(json.dumps(emulator.connection))
    connection["extra"]["api_version"] = "2022-05-01"
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", json.dumps(connection))

    with pytest.raises(errors.InvalidInput, match=r"api_version is '2022-05-01'.*2024-10-01 or newer"):
        task.run(deployment(endpoint_name="letters", component="c:1", model=None, compute=None))
    assert emulator.requests() == []


def test_the_default_moves(emulator, task, ready):
    """Setting the default sends one PUT, and none where it is the default already."""
    for each in ("one", "two"):
        task.run(deployment(endpoint_name=ready, deployment_name=each))
    emulator._call("DELETE", "requests")
    choose = {"task_id": "choose", "endpoint_name": ready, "poll_interval": 1}
    for _ in range(2):
        chosen = task.run(AzureMLSetDefaultDeploymentOperator(deployment_name="two", **choose))

    assert chosen["properties"]["defaults"]["deploymentName"] == "two"
    assert sent(emulator) == [("PUT", f"batchEndpoints/{ready}")]
    with pytest.raises(errors.NotFound, match="Create the endpoint and the deployment first"):
        task.run(AzureMLSetDefaultDeploymentOperator(deployment_name="three", **choose))


def test_an_environment_is_read_from_a_file(emulator, task, files, name):
    """The conda file goes as it was written, with its templates rendered."""
    (files / "conda.yml").write_text("name: {{ params.name }}\ndependencies: [python=3.11]\n")
    said = {"name": name, "version": 1, "image": "ubuntu"}
    made = task.run(register("Environment", conda_file=f"{files}/conda.yml", **said), name="lab")

    assert made["properties"]["condaFile"] == "name: lab\ndependencies: [python=3.11]"
    with pytest.raises(errors.InvalidInput, match=r"conda_file is '/missing\.yml', a file that"):
        task.run(register("Environment", conda_file="/missing.yml", **said))


def test_the_values_of_variables_stay_with_the_service(emulator, task, ready):
    """They are sent; shown among the task's fields and returned, their values are ***, also a template's."""
    variables = {"KEY": "S3CR3T value", "OTHER": "{{ params.other }}"}
    operator = deployment(endpoint_name=ready, environment_variables=variables)
    made = task.run(operator, other="S3CR3T of a run")

    assert made["properties"]["environmentVariables"] == {"KEY": "***", "OTHER": "***"}
    assert rendered(operator)["environment_variables"] == {"KEY": "***", "OTHER": "***"}
    again = {"KEY": "S3CR3T value", "OTHER": "S3CR3T of a run"}
    task.run(deployment(endpoint_name=ready, environment_variables=again))
    assert [path for method, path in sent(emulator) if method == "PUT"] == [
        f"batchEndpoints/{ready}/deployments/one"
    ]


def test_values_of_variables_among_other_properties(emulator, task, ready):
    """The same variables by the service's own name are as little shown."""
    operator = deployment(endpoint_name=ready, extra_properties={"environmentVariables": {"KEY": "S3CR3T"}})
    made = task.run(operator)

    assert made["properties"]["environmentVariables"] == {"KEY": "***"}
    assert rendered(operator)["extra_properties"] == {"environmentVariables": "***"}


@pytest.mark.parametrize("wrong", ["S3CR3T", {"KEY": ["S3CR3T"]}, {"KEY": {"S3CR3T": 1}}])
def test_an_error_does_not_show_a_variables_value(wrong):
    """It names the variable, the kind of its value, and the fix."""
    with pytest.raises(errors.InvalidInput, match=r"environment_variables.* is a (str|list|dict)") as caught:
        deployment(endpoint_name="endpoint", environment_variables=wrong)
    assert "Give a" in str(caught.value)


def test_a_signature_is_sent_and_shown_nowhere(emulator, task, name):
    """A signed URL reaches the service; neither the task's fields nor what it returns show the signature."""
    signed = "https://store.blob.core.windows.net/c/d?sp=r&sig=S3CR3Tsignature"
    made = task.run(register("Data", name=name, version=1, path=signed))

    assert made["properties"]["dataUri"].endswith("sig=***")
    # Shown as ***, the whole is not taken for another path: nothing is sent again.
    task.run(register("Data", name=name, version=1, path=signed))
    assert sent(emulator) == [("PUT", f"data/{name}/versions/1")]
    with pytest.raises(errors.Conflict) as caught:
        task.run(register("Data", name=name, version=1, path=signed.replace("c/d", "c/e")))
    assert "S3CR3T" not in str(caught.value)


@both_ways
def test_another_workspace(emulator, task, name, deferrable):
    """What a task gives instead of the connection's workspace counts for every request, deferred ones too."""
    task.run(compute(compute_name=name, workspace_name="elsewhere", deferrable=deferrable))

    paths = [one["path"] for one in emulator.requests() if one["plane"] == "arm"]
    assert paths
    assert all("/workspaces/elsewhere" in path or "perationsStatus" in path for path in paths)


def test_the_hook_does_the_same_in_both_worlds(emulator, name):
    """One flow is carried out by ``run`` in a worker and by ``arun`` in an event loop."""
    hook = AzureMLHook()
    hook.open()
    resources, wanted = hook.resources, hook.resources.batch_endpoint(name)

    async def elsewhere():
        ensured = await hook.arun(resources.ensure(wanted))
        return await hook.arun(resources.follow(ensured.operation, Watch(poll_interval=1)))

    made = asyncio.run(elsewhere())
    assert made.resource == hook.run(resources.get(wanted))
    assert name in [one["name"] for one in hook.run(resources.list("batchEndpoints"))]
    assert hook.run(resources.ensure(wanted)).action == "unchanged"
    assert hook.run(resources.delete_deployment(name, "none")).action == "gone"
    gone = hook.run(resources.delete_endpoint(name))
    assert hook.run(resources.follow(gone.operation, Watch(poll_interval=1))).done
    with pytest.raises(errors.NotFound, match=f"no batch endpoint '{name}'"):
        hook.run(resources.get(wanted))


def test_what_a_deployment_names_and_is_not_there(emulator, task, ready):
    """The message says which resource is missing, and to create it."""
    with pytest.raises(errors.BatchError, match=r"no model 'absent' version '1'.*create it first"):
        task.run(deployment(endpoint_name=ready, model="azureml:absent:1"))


# --- Airflow ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(azure_ml._ELSEWHERE))
def test_each_operator_has_its_templates_and_maps(name):
    """Every template field is an attribute; ``partial`` and ``expand`` take every argument."""
    operator, said = getattr(azure_ml, name), needed(getattr(azure_ml, name))
    one = operator(task_id="t", **said)
    assert [field for field in operator.template_fields if not hasattr(one, field)] == []

    key, value = next(iter(said.items()))
    with DAG("mapped", schedule=None):
        rest = {other: said[other] for other in said if other != key}
        mapped = operator.partial(task_id="m", poll_interval=5, **rest).expand(**{key: [value]})
    assert mapped.unmap({key: value}).poll_interval == 5


def test_they_are_setup_and_teardown():
    """Airflow takes them as both, and knows which belongs to which."""
    with DAG("d", schedule=None):
        made = endpoint(endpoint_name="endpoint").as_setup()
        gone = delete(endpoint_name="endpoint").as_teardown(setups=made)

    assert (made.is_setup, gone.is_teardown) == (True, True)
    assert gone.upstream_task_ids == {"create"}


def test_parsing_a_dag_loads_nothing_heavy():
    """Checking the literals of every operator needs no cloud library, no storage and no trigger."""
    code = """
import sys
from airflow_batch_provider.operators import azure_ml
from tests.operators.needed import needed
for name in azure_ml._ELSEWHERE:
    operator = getattr(azure_ml, name)
    operator(task_id="t", **needed(operator))
heavy = ("azure.identity", "obstore", "airflow_batch_provider.triggers", "airflow_batch_provider.storage")
print("LOADED", [name for name in heavy if name in sys.modules])
"""
    command, root = [sys.executable, "-c", code], Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    assert "LOADED []" in done.stdout, done.stdout + done.stderr


def test_unknown_names_of_the_module_are_refused():
    """The names that are imported on demand hide no mistake."""
    with pytest.raises(AttributeError, match="AzureMLNoSuchOperator"):
        azure_ml.AzureMLNoSuchOperator  # noqa: B018  # the access is what is tried
    assert set(azure_ml.__all__) == {"AzureMLBatchEndpointOperator", *azure_ml._ELSEWHERE}
