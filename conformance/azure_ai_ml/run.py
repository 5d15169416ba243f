"""Microsoft's own ``MLClient`` does its work against the emulator.

Run it in an environment of its own, as ``python run.py https://localhost:8787 STATE/ca.pem``, while the
emulator runs with ``--tls --state STATE``. It prints a line for each operation and ends with 1 if one failed.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import uuid
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

URL, CA_FILE = sys.argv[1], sys.argv[2]
sys.path.insert(0, str(Path(__file__).parents[1]))

os.environ |= {"REQUESTS_CA_BUNDLE": CA_FILE, "SSL_CERT_FILE": CA_FILE, "NO_PROXY": ".localhost,localhost"}
_resolve = socket.getaddrinfo


def _loopback(host: Any, *arguments: Any, **options: Any) -> Any:
    """Resolve names below ``localhost``, as RFC 6761 asks of resolvers; not every machine's does."""
    inner = isinstance(host, str) and host.endswith(".localhost")
    return _resolve("localhost" if inner else host, *arguments, **options)


socket.getaddrinfo = _loopback

from azure.ai.ml import Input, MLClient, Output, load_component
from azure.ai.ml.entities import (
    AccountKeyConfiguration,
    AmlCompute,
    AzureBlobDatastore,
    BatchEndpoint,
    BuildContext,
    CodeConfiguration,
    Data,
    Environment,
    Model,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
    PipelineComponentBatchDeployment,
)
from azure.core.exceptions import ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.storage.blob import BlobClient
from operations import Operations, refused

SCORE = """
import os

def init():
    global offset
    (folder,) = os.scandir(os.environ["AZUREML_MODEL_DIR"])
    offset = int(open(os.path.join(folder.path, "offset.txt")).read())

def run(mini_batch):
    return [f"{os.path.basename(path)} {int(open(path).read()) + offset}" for path in mini_batch]
"""
ADD = """
import argparse, pathlib
parser = argparse.ArgumentParser()
for name in ("--numbers", "--plus", "--out"):
    parser.add_argument(name)
given = parser.parse_args()
total = sum(int(file.read_text()) for file in pathlib.Path(given.numbers).glob("*.txt"))
pathlib.Path(given.out, "total.txt").write_text(str(total + int(given.plus)))
"""
ADD_COMPONENT = """
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: add_{run}
version: "1"
inputs:
  numbers: {{type: uri_folder}}
  plus: {{type: integer}}
  seconds: {{type: number}}
outputs:
  total: {{type: uri_folder}}
code: ./add
environment: azureml:plain-{run}:1
command: >-
  sleep ${{{{inputs.seconds}}}} &&
  python add.py --numbers ${{{{inputs.numbers}}}} --plus ${{{{inputs.plus}}}} --out ${{{{outputs.total}}}}
"""
TWICE = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json
type: pipeline
name: twice_{run}
version: "1"
inputs:
  numbers: {{type: uri_folder}}
  plus: {{type: integer, default: 1}}
  seconds: {{type: number, default: 0}}
outputs:
  total: {{type: uri_folder}}
jobs:
  second:
    type: command
    component: azureml:add_{run}:1
    inputs:
      numbers: ${{{{parent.jobs.first.outputs.total}}}}
      plus: ${{{{parent.inputs.plus}}}}
      seconds: 0
    outputs: {{total: "${{{{parent.outputs.total}}}}"}}
  first:
    type: command
    component: azureml:add_{run}:1
    inputs:
      numbers: ${{{{parent.inputs.numbers}}}}
      plus: ${{{{parent.inputs.plus}}}}
      seconds: ${{{{parent.inputs.seconds}}}}
"""
NUMBERS = range(7)


class Names:
    """Names of one run, so that it can be repeated on the same state."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.model, self.environment, self.data = f"offset-{run}", f"plain-{run}", f"numbers-{run}"
        self.add, self.twice, self.compute = f"add_{run}", f"twice_{run}", f"cpu-{run}"
        self.endpoint, self.pipe = f"score-{run}", f"pipe-{run}"


def write(folder: Path, names: Names) -> None:
    """Write what the operations upload."""
    files = {
        "model/offset.txt": "100",
        "code/score.py": SCORE,
        "add/add.py": ADD,
        "add.yml": ADD_COMPONENT.format(run=names.run),
        "twice.yml": TWICE.format(run=names.run),
        "context/Dockerfile": "FROM ubuntu:22.04\n",
        "conda.yml": "name: plain\ndependencies: [python=3.11]\n",
        **{f"numbers/{number}.txt": str(number) for number in NUMBERS},
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def client() -> MLClient:
    """Return the client, its cloud being the emulator: nothing in it is replaced."""
    address = urlsplit(URL)
    # The storage client tells the account by a host that contains ".blob.core.".
    storage = f"core.localhost:{address.port}"
    hosts = ("azure_portal", "resource_manager", "active_directory", "registry_discovery_endpoint")
    return MLClient(
        ClientSecretCredential(
            "emulator", "sdk", "any secret", authority=URL, disable_instance_discovery=True
        ),
        "00000000-0000-0000-0000-000000000000",
        "emulator",
        "emulator",
        cloud="emulator",
        cloud_metadata=dict.fromkeys(hosts, URL)
        | {"aml_resource_id": "https://ml.azure.com", "storage_endpoint": storage},
        enable_telemetry=False,
        show_progress=False,
        polling_interval=1,
    )


def run(ml: MLClient, folder: Path, names: Names) -> bool:
    """Carry out every operation; return whether all passed."""
    done = Operations("azure-ai-ml")
    done("workspaces.get", lambda: ml.workspaces.get().discovery_url)
    workspace_and_data(ml, done, folder, names)
    assets(ml, done, folder, names)
    computes(ml, done, names)
    model_endpoint(ml, done, folder, names)
    model_jobs(ml, done, folder, names)
    pipeline_endpoint(ml, done, folder, names)
    deletions(ml, done, names)
    return done.report()


def workspace_and_data(ml: MLClient, done: Operations, folder: Path, names: Names) -> None:
    """Datastores, and a folder that becomes a data asset."""
    done("datastores.list", lambda: {store.name for store in ml.datastores.list()} >= {"workspaceblobstore"})
    done("datastores.get_default", lambda: ml.datastores.get_default().name == "workspaceblobstore")
    done("datastores.get with secrets", lambda: ml.datastores.get("workspaceblobstore", include_secrets=True))
    extra = AzureBlobDatastore(
        name=f"extra_{names.run}",
        account_name="sales",
        container_name="raw",
        credentials=AccountKeyConfiguration(account_key="a2V5"),
    )
    done("datastores.create_or_update", lambda: ml.datastores.create_or_update(extra).name == extra.name)
    secret = partial(ml.datastores.get, extra.name, include_secrets=True)
    done("its key comes back", lambda: secret().credentials.account_key == "a2V5")
    done("datastores.delete", lambda: ml.datastores.delete(extra.name) is None)
    file = Data(name=f"file-{names.run}", path=str(folder / "numbers" / "3.txt"), type="uri_file")
    done("data.create_or_update from a file", lambda: ml.data.create_or_update(file).path.endswith("/3.txt"))
    asset = Data(name=names.data, version="1", path=str(folder / "numbers"), type="uri_folder")
    done("data.create_or_update from a folder", lambda: ml.data.create_or_update(asset).path)
    done("data.create_or_update again", lambda: ml.data.create_or_update(asset).version == "1")
    done("data.get by label", lambda: ml.data.get(names.data, label="latest").version == "1")
    done("data.list", lambda: names.data in {one.name for one in ml.data.list()})
    done("data.list versions", lambda: [one.version for one in ml.data.list(names.data)] == ["1"])
    done("data.archive", lambda: ml.data.archive(names.data, version="1") is None)
    done("data.restore", lambda: ml.data.restore(names.data, version="1") is None)


def assets(ml: MLClient, done: Operations, folder: Path, names: Names) -> None:
    """Model, environment and component, from local files."""
    model = Model(name=names.model, version="1", path=str(folder / "model"), type="custom_model")
    done("models.create_or_update from a folder", lambda: ml.models.create_or_update(model).path)
    done("models.create_or_update again", lambda: ml.models.create_or_update(model).version == "1")
    other = Model(name=names.model, version="1", path=str(folder / "numbers"), type="custom_model")
    done("a version with another content is refused", refused(lambda: ml.models.create_or_update(other)))
    done("models.get", lambda: ml.models.get(names.model, version="1").type == "custom_model")
    done("models.get by label", lambda: ml.models.get(names.model, label="latest").version == "1")
    done("models.list", lambda: names.model in {one.name for one in ml.models.list()})
    done("models.download", lambda: ml.models.download(names.model, "1", str(folder / "again")) is None)
    done("the model came back", lambda: [f.read_text() for f in (folder / "again").rglob("*.txt")] == ["100"])
    following = Model(name=names.model, path=str(folder / "numbers"))
    done(
        "models.create_or_update without a version",
        lambda: ml.models.create_or_update(following).version == "2",
    )
    built = Environment(
        name=f"built-{names.run}", version="1", build=BuildContext(path=str(folder / "context"))
    )
    done("environments from a build context", lambda: ml.environments.create_or_update(built).build.path)
    environment = Environment(
        name=names.environment, version="1", image="ubuntu:22.04", conda_file=str(folder / "conda.yml")
    )
    done("environments.create_or_update", lambda: ml.environments.create_or_update(environment).conda_file)
    done("environments.get", lambda: ml.environments.get(names.environment, "1").image == "ubuntu:22.04")
    done("environments.list", lambda: names.environment in {one.name for one in ml.environments.list()})
    component = load_component(folder / "add.yml")
    done("components.create_or_update with code", lambda: ml.components.create_or_update(component).id)
    done("components.get", lambda: ml.components.get(names.add, "1").type == "command")
    done("components.list", lambda: names.add in {one.name for one in ml.components.list()})


def computes(ml: MLClient, done: Operations, names: Names) -> None:
    """A cluster."""
    cluster = AmlCompute(name=names.compute, size="STANDARD_D2_V2", min_instances=0, max_instances=2)
    done("compute.begin_create_or_update", lambda: ml.compute.begin_create_or_update(cluster).result().id)
    done("compute.get", lambda: ml.compute.get(names.compute).provisioning_state == "Succeeded")
    done("compute.list", lambda: names.compute in {one.name for one in ml.compute.list()})
    cluster.max_instances = 4
    done("compute.begin_update", lambda: ml.compute.begin_update(cluster).result().max_instances == 4)


def model_endpoint(ml: MLClient, done: Operations, folder: Path, names: Names) -> None:
    """Endpoint and deployment of a model, from local files; the default deployment."""
    endpoint = BatchEndpoint(name=names.endpoint, description="numbers", tags={"kind": "conformance"})
    create = ml.batch_endpoints.begin_create_or_update
    done("batch_endpoints.begin_create_or_update", lambda: create(endpoint).result().scoring_uri)
    done(
        "an endpoint without a deployment is refused",
        refused(lambda: ml.batch_endpoints.invoke(names.endpoint)),
    )
    deployment = ModelBatchDeployment(
        name="blue",
        endpoint_name=names.endpoint,
        model=Model(path=str(folder / "model")),
        environment=Environment(image="ubuntu:22.04", conda_file=str(folder / "conda.yml")),
        code_configuration=CodeConfiguration(code=str(folder / "code"), scoring_script="score.py"),
        compute=names.compute,
        settings=ModelBatchDeploymentSettings(mini_batch_size=3, output_file_name="predictions.csv"),
    )
    deploy = ml.batch_deployments.begin_create_or_update
    done("batch_deployments.begin_create_or_update from local files", lambda: deploy(deployment).result().id)
    registered = partial(
        ModelBatchDeployment,
        endpoint_name=names.endpoint,
        model=f"azureml:{names.model}:1",
        environment=f"azureml:{names.environment}:1",
        code_configuration=CodeConfiguration(code=str(folder / "code"), scoring_script="score.py"),
    )
    elsewhere = registered(name="green", compute="no-such-cluster")
    done("a deployment on a missing compute is refused", refused(lambda: deploy(elsewhere).result()))
    doomed = registered(name="doomed", compute=names.compute, tags={"emulate": "quota: no cores left"})
    done("a deployment that fails says why", refused(lambda: deploy(doomed).result(), text="no cores left"))
    done("batch_deployments.begin_delete", lambda: delete(ml, "doomed", names.endpoint))
    done(
        "batch_deployments.get", lambda: ml.batch_deployments.get("blue", names.endpoint).mini_batch_size == 3
    )
    done(
        "batch_deployments.list",
        lambda: [d.name for d in ml.batch_deployments.list(names.endpoint)] == ["blue"],
    )
    blue = ml.batch_deployments.get("blue", names.endpoint)
    blue.mini_batch_size = 4
    done("a deployment is changed", lambda: deploy(blue).result().mini_batch_size == 4)
    done("the default deployment", lambda: choose(ml, names.endpoint, "blue") == "blue")
    done("batch_endpoints.get", lambda: ml.batch_endpoints.get(names.endpoint).tags["kind"] == "conformance")
    done("batch_endpoints.list", lambda: names.endpoint in {one.name for one in ml.batch_endpoints.list()})


def delete(ml: MLClient, deployment: str, endpoint: str) -> bool:
    """Delete a deployment; return whether it is gone."""
    ml.batch_deployments.begin_delete(deployment, endpoint).result()
    return deployment not in {one.name for one in ml.batch_deployments.list(endpoint)}


def choose(ml: MLClient, name: str, deployment: str) -> str:
    """Make a deployment the default of an endpoint; return the default that there is then."""
    endpoint = ml.batch_endpoints.get(name)
    endpoint.defaults.deployment_name = deployment
    ml.batch_endpoints.begin_create_or_update(endpoint).result()
    return ml.batch_endpoints.get(name).defaults.deployment_name


def model_jobs(ml: MLClient, done: Operations, folder: Path, names: Names) -> None:
    """Jobs of the model's deployment: from a data asset, from a local folder, with an output of one's own."""
    registered = Input(type="uri_folder", path=f"azureml:{names.data}:1")
    job = done(
        "batch_endpoints.invoke", lambda: ml.batch_endpoints.invoke(names.endpoint, input=registered).name
    )
    done("jobs.stream", lambda: ml.jobs.stream(job) is None)
    done("jobs.get", lambda: ml.jobs.get(job).status == "Completed")
    done(
        "jobs.download",
        lambda: ml.jobs.download(job, download_path=folder / "out", output_name="score") is None,
    )
    done("jobs.list of its steps", lambda: len(list(ml.jobs.list(parent_job_name=job))) == 1)
    done("predictions.csv", lambda: predictions(folder / "out") == {f"{n}.txt {n + 100}" for n in NUMBERS})
    local = Input(type="uri_folder", path=str(folder / "numbers"))
    overrides = [{"mini_batch_size": 2}, {"retry_settings.max_retries": 1}, {"compute.instance_count": 1}]
    path = f"azureml://datastores/workspaceblobstore/paths/{names.run}/chosen.csv"
    chosen = {"score": Output(type="uri_file", path=path)}
    invoke = ml.batch_endpoints.invoke
    second = done(
        "batch_endpoints.invoke with a local folder, outputs, overrides and a deployment",
        lambda: (
            invoke(
                names.endpoint,
                deployment_name="blue",
                inputs={"data": local},
                outputs=chosen,
                params_override=overrides,
            ).name
        ),
    )
    done("jobs.stream of the second", lambda: ml.jobs.stream(second) is None)
    done("the second ended well", lambda: ml.jobs.get(second).status == "Completed")
    jobs = {job, second}
    done(
        "batch_endpoints.list_jobs",
        lambda: {one.name for one in ml.batch_endpoints.list_jobs(names.endpoint)} == jobs,
    )
    listed = ml.batch_deployments.list_jobs
    done(
        "batch_deployments.list_jobs",
        lambda: {one.name for one in listed(names.endpoint, name="blue")} == jobs,
    )
    update = partial(ml.jobs.update, job, display_name="renamed", tags={"tried": "yes"})
    done("jobs.update", lambda: update().tags["tried"] == "yes")
    done("it has its new name", lambda: ml.jobs.get(job).display_name == "renamed")
    done("jobs.archive", lambda: ml.jobs.archive(job) is None)
    done("it is not listed", lambda: job not in {one.name for one in ml.jobs.list()})
    done("jobs.restore", lambda: ml.jobs.restore(job) is None)
    done("jobs.list", lambda: {one.name for one in ml.jobs.list()} >= jobs)


def predictions(folder: Path) -> set[str]:
    """Return the rows of the only predictions.csv below a folder."""
    (file,) = folder.rglob("predictions.csv")
    return set(file.read_text().splitlines())


def pipeline_endpoint(ml: MLClient, done: Operations, folder: Path, names: Names) -> None:
    """A pipeline of two commands as a deployment, with literals; a job of it is cancelled."""
    pipeline = load_component(folder / "twice.yml")
    done("components.create_or_update of a pipeline", lambda: ml.components.create_or_update(pipeline).id)
    endpoint = BatchEndpoint(name=names.pipe)
    done(
        "an endpoint for it", lambda: ml.batch_endpoints.begin_create_or_update(endpoint).result().scoring_uri
    )
    deployment = PipelineComponentBatchDeployment(
        name="twice",
        endpoint_name=names.pipe,
        component=f"azureml:{names.twice}:1",
        settings={"default_compute": names.compute, "continue_on_step_failure": False},
    )
    deploy = ml.batch_deployments.begin_create_or_update
    done(
        "batch_deployments.begin_create_or_update of it", lambda: deploy(deployment).result().name == "twice"
    )
    done("its default deployment", lambda: choose(ml, names.pipe, "twice") == "twice")
    numbers = Input(type="uri_folder", path=f"azureml:{names.data}:1")
    place = f"{names.run}/twice"
    outputs = {
        "total": Output(type="uri_folder", path=f"azureml://datastores/workspaceblobstore/paths/{place}")
    }
    # Named each time: the client (1.35.2) goes on sending the deployment that was named last.
    invoke = partial(ml.batch_endpoints.invoke, names.pipe, deployment_name="twice")
    inputs = {"numbers": numbers, "plus": Input(type="integer", default=5)}
    job = done("invoke with literals", lambda: invoke(inputs=inputs, outputs=outputs).name)
    done("jobs.stream of a pipeline", lambda: ml.jobs.stream(job) is None)
    done("the pipeline ended well", lambda: ml.jobs.get(job).status == "Completed")
    done("both steps added", lambda: blob(ml, f"{place}/total.txt") == str(sum(NUMBERS) + 2 * 5))
    slow = inputs | {"seconds": Input(type="number", default=600.0)}
    long = done("invoke of what takes long", lambda: invoke(inputs=slow).name)
    done("jobs.begin_cancel", lambda: ml.jobs.begin_cancel(long).result() is None)
    done("it is cancelled", lambda: ml.jobs.get(long).status == "Canceled")


def blob(ml: MLClient, path: str) -> str:
    """Return the text of a blob in the default datastore."""
    store = ml.datastores.get("workspaceblobstore", include_secrets=True)
    account = f"https://{store.account_name}.blob.core.localhost:{urlsplit(URL).port}"
    key = {"account_name": store.account_name, "account_key": store.credentials.account_key}
    return BlobClient(account, store.container_name, path, credential=key).download_blob().readall().decode()


def deletions(ml: MLClient, done: Operations, names: Names) -> None:
    """What was made goes; jobs stay."""
    deployments = ml.batch_deployments
    for name in (names.pipe, names.endpoint):
        done(
            f"batch_endpoints.begin_delete {name[:5]}",
            lambda n=name: ml.batch_endpoints.begin_delete(n).result() is None,
        )
    done("it is gone", refused(lambda: ml.batch_endpoints.get(names.endpoint), ResourceNotFoundError))
    done(
        "with its deployments",
        refused(lambda: deployments.get("blue", names.endpoint), ResourceNotFoundError),
    )
    done("compute.begin_delete", lambda: ml.compute.begin_delete(names.compute).result() is None)
    done("the cluster is gone", refused(lambda: ml.compute.get(names.compute), ResourceNotFoundError))
    archives = {"models": names.model, "environments": names.environment, "components": names.add}
    for kind, name in archives.items():
        operations = getattr(ml, kind)
        done(f"{kind}.archive", lambda o=operations, n=name: o.archive(n, version="1") is None)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        names = Names(uuid.uuid4().hex[:8])
        write(Path(made), names)
        sys.exit(0 if run(client(), Path(made), names) else 1)
