"""The services whose submissions are put to the test, and what is different about each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.hooks.azure_ml import AzureMLHook
from airflow_batch_provider.hooks.base import BatchHook
from airflow_batch_provider.hooks.modelarts import ModelArtsHook
from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator
from airflow_batch_provider.operators.base import BatchOperator
from airflow_batch_provider.operators.modelarts import ModelArtsWorkflowOperator


@dataclass(frozen=True)
class ServiceUnderTest:
    """A service, and a job of it that takes some seconds and reads one folder.

    Attributes:
        name: As ``jobs.Service.name``.
        setup: The emulator's set-up file.
        settings: Of the emulator: half of the markers get lost, and nothing helps against duplicates.
        connection: Returns the Airflow connection, with credentials that can expire.
        hook: Its hook, with the default connection.
        operator: Runs one of its jobs.
        order: Returns the order of a job that reads a folder, as arguments of the hook's ``order``, which are
            the operator's, too.
        read: Returns the folder that a job in the emulator's list of jobs was given.
        done: The status of a job that succeeded.
    """

    name: str
    setup: str
    settings: dict[str, Any]
    connection: Callable[[Emulator], dict[str, Any]]
    hook: type[BatchHook]
    operator: type[BatchOperator]
    order: Callable[[str], dict[str, Any]]
    read: Callable[[dict[str, Any]], str]
    done: str


def _azure_folder(job: dict[str, Any]) -> str:
    (data,) = job["request"]["inputData"].values()
    return str(data["uri"]).partition("/paths/")[2]


AZURE_ML = ServiceUnderTest(
    name="azure_ml",
    setup="""
endpoints:
  busy:
    defaults: {deployment_name: only}
    deployments:
      only: {emulator: {run_seconds: 2}}
""",
    settings={"drop_tags": 0.5, "repeatability_dedupe": False},
    connection=Emulator.airflow_connection,
    hook=AzureMLHook,
    operator=AzureMLBatchEndpointOperator,
    order=lambda folder: {
        "endpoint_name": "busy",
        "input": {"type": "uri_folder", "path": f"azureml://datastores/workspaceblobstore/paths/{folder}"},
    },
    read=_azure_folder,
    done="Completed",
)


def _with_token(emulator: Emulator) -> dict[str, Any]:
    """Signatures never expire, tokens of IAM do."""
    found = emulator.modelarts_connection()
    user = {"auth": "token", "iam_user": "emulator", "iam_domain": "emulator"}
    return found | {"login": "", "password": "emulator", "extra": found["extra"] | user}


MODELARTS = ServiceUnderTest(
    name="modelarts",
    setup="""
modelarts:
  workflows:
    busy:
      steps: [{name: train, type: model, properties: {emulator: {run_seconds: 2}}}]
      data_requirements: [{name: rows, type: obs, delay: true, used_steps: [train]}]
""",
    settings={"drop_labels": 0.5},
    connection=_with_token,
    hook=ModelArtsHook,
    operator=ModelArtsWorkflowOperator,
    order=lambda folder: {"workflow_name": "busy", "data": {"rows": f"obs://lab/{folder}"}},
    read=lambda job: str(job["data"]["rows"]["obs_url"]).removeprefix("/lab/").rstrip("/"),
    done="completed",
)
