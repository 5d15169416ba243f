"""The batch data plane: invoke, get and list, at the scoring URI and at the regional management front end."""

from __future__ import annotations

import base64
import binascii
import json
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_batch_provider.emulator import invoke, views
from airflow_batch_provider.emulator.access import bearer
from airflow_batch_provider.emulator.errors import bad_request, not_found
from airflow_batch_provider.emulator.ids import PROVIDER, Workspace, display_name, new_guid
from airflow_batch_provider.emulator.jobs import Job
from airflow_batch_provider.emulator.lifecycle import ready
from airflow_batch_provider.emulator.world import World, base_url, world_of

if TYPE_CHECKING:
    from starlette.requests import Request

MFE = "/mferp/managementfrontend"
WORKSPACE = f"/subscriptions/{{s}}/resourceGroups/{{g}}/providers/{PROVIDER}/workspaces/{{w}}"
_HEADER = "azureml-model-deployment"


@dataclass(frozen=True)
class _Target:
    """The endpoint, and the deployment if the path names one, that a request addresses."""

    workspace: Workspace
    endpoint: dict[str, Any]
    deployment: str | None

    @property
    def name(self) -> str:
        return str(self.endpoint["name"])


def _target(request: Request) -> _Target:
    path, resources = request.path_params, world_of(request).resources
    if "region" in path:
        found = resources.find_endpoint(path["region"], path["e"])
    else:
        workspace = Workspace(path["s"], path["g"], path["w"])
        endpoint = resources.get("batchEndpoints", workspace, path["e"])
        found = (workspace, endpoint) if endpoint else None
    if found is None:
        raise not_found(f"Batch endpoint {path['e']} was not found.")
    return _Target(*found, path.get("d"))


async def create_job(request: Request) -> Response:
    """Answer an invoke: 201 with the new job."""
    target, world = _target(request), world_of(request)
    name = invoke.choose_deployment(target.endpoint, target.deployment or request.headers.get(_HEADER))
    deployment = world.resources.get("batchEndpoints/deployments", target.workspace, f"{target.name}/{name}")
    if deployment is None:
        raise not_found(f"Batch deployment {name} was not found in endpoint {target.name}.")
    ready.check(world, target.workspace, target.endpoint, deployment)
    accepted = invoke.read_request(await request.body(), deployment["properties"])
    key = _repeatability_key(request, target)
    job = world.jobs.by_request(key) if key and world.settings.current.repeatability_dedupe else None
    if job is None:
        job = _new_job(world, target, deployment, accepted, _caller(request))
        _accept(world, job, key)
    return JSONResponse(views.batch_job(job, base_url(request)), 201, _invoke_headers(request, job))


def _accept(world: World, job: Job, key: str | None) -> None:
    world.runner.begin(job)
    with world.database.transaction():
        world.jobs.add(job)
        if key:
            world.jobs.remember_request(key, job.id)
    world.runner.watch(job)


def _invoke_headers(request: Request, job: Job) -> dict[str, str]:
    # The recorded Location points at the deployment, not at the job.
    parent = f"{job.where.id}/batchEndpoints/{job.endpoint}/deployments/{job.deployment}"
    location = f"{base_url(request)}{MFE}{parent}?api-version=2020-09-01-dataplanepreview"
    return {_HEADER: job.deployment, "Location": location}


def _repeatability_key(request: Request, target: _Target) -> str | None:
    value = request.headers.get("repeatability_request-id") or request.headers.get("repeatability-request-id")
    return f"{target.workspace.key}/{target.name}/{value}" if value else None


def _caller(request: Request) -> str:
    token = world_of(request).tokens.find(bearer(request) or "")
    return token.client if token else "unknown"


def _new_job(
    world: World, target: _Target, deployment: dict[str, Any], accepted: dict[str, Any], caller: str
) -> Job:
    kind = invoke.kind_of(deployment["properties"])
    settings = world.settings.current
    keep = settings.keep_tags and random.random() >= settings.drop_tags  # noqa: S311 - chaos, not secrets
    custom = [accepted.pop(key, None) or {} for key in ("tags", "properties")]
    tags, properties = [{str(k): str(v) for k, v in given.items()} for given in custom]
    experiment = accepted.pop("experimentName", None) or properties.pop("experimentName", None)
    fixed = _model_marks if kind == "model" else _pipeline_marks
    own_tags, own_properties = fixed(deployment, accepted)
    return Job(
        id=f"batchjob-{new_guid()}" if kind == "model" else new_guid(),
        workspace=(target.workspace.subscription, target.workspace.group, target.workspace.name),
        region=str(target.endpoint["location"]),
        endpoint=target.name,
        deployment=str(deployment["name"]),
        kind=kind,
        display_name=display_name(),
        experiment=str(experiment) if experiment and kind == "pipeline" else target.name,
        child=new_guid(),
        created_at=time.time(),
        created_by=caller,
        deployment_properties=deployment["properties"],
        request=accepted,
        tags=(tags if keep else {}) | own_tags,
        properties=(properties if keep else {}) | own_properties,
    )


_Marks = tuple[dict[str, str], dict[str, str]]


def _model_marks(deployment: dict[str, Any], accepted: dict[str, Any]) -> _Marks:
    """Return the tags and properties of a model deployment's job (recorded invoke answers)."""
    tags = {
        "outputType": "output_data",
        "inputType": "input_data",
        "azureml.batchrun": "true",
        "azureml.deploymentname": str(deployment["name"]),
        "azureml.jobtype": "azureml.batchjob",
    }
    settings = invoke.effective(deployment["properties"], accepted)
    properties = {
        "azureml.pipelineid": new_guid(),
        "azureml.runsource": "azureml.PipelineRun",
        "runSource": "Unavailable",
        "runType": "HTTP",
        "azureml.parameters": invoke.run_parameters(settings),
        "azureml.continue_on_step_failure": "False",
        "azureml.continue_on_failed_optional_input": "False",
        "azureml.pipelineComponent": "pipelinerun",
    }
    return tags, properties


def _pipeline_marks(deployment: dict[str, Any], accepted: dict[str, Any]) -> _Marks:
    """Return the tags and properties of a pipeline component's job (recorded answers)."""
    literals = {name: str(i["value"]) for name, i in accepted["inputData"].items() if "value" in i}
    settings = (deployment["properties"].get("deploymentConfiguration") or {}).get("settings") or {}
    properties = {
        "azureml.runLineageType": "batchDeployment",
        "runSource": "BatchDeployment",
        "runType": "HTTP",
        "azureml.parameters": json.dumps(literals),
        "azureml.continue_on_step_failure": str(settings.get("continue_on_step_failure", "False")),
        "azureml.pipelineComponent": "pipelinerun",
    }
    return {"azureml.deploymentname": str(deployment["name"])}, properties


async def get_job(request: Request) -> Response:
    """Answer with one job of the endpoint."""
    target = _target(request)
    job = world_of(request).jobs.get(request.path_params["job"])
    if job is None or (job.where.key, job.endpoint.lower()) != (target.workspace.key, target.name.lower()):
        raise not_found(f"Job {request.path_params['job']} was not found in endpoint {target.name}.")
    return JSONResponse(views.batch_job(job, base_url(request)))


async def list_jobs(request: Request) -> Response:
    """Answer with one page of the endpoint's jobs, newest first, and a ``nextLink`` to the next."""
    target, world = _target(request), world_of(request)
    query, settings = request.query_params, world.settings.current
    size = page_size(query.get("$top"), settings.page_size)
    page = world.jobs.page(
        target.workspace,
        endpoint=target.name,
        deployment=target.deployment or query.get("deployment", ""),
        before=read_token(query.get("$skiptoken")),
        created_until=time.time() - settings.list_lag if settings.list_lag else None,
        limit=size + 1,
    )
    base = base_url(request)
    value = [views.batch_job(job, base) for _, job in page[:size]]
    more = next_link(request, "$skiptoken", page[size - 1][0]) if len(page) > size else None
    return JSONResponse({"value": value, "nextLink": more})


def page_size(asked: str | None, most: int) -> int:
    """Return the size of a page: what the query asks for, up to the emulator's setting."""
    if asked is None:
        return most
    if not asked.isdigit() or int(asked) < 1:
        raise bad_request(f"The page size {asked!r} is not a whole number above 0.")
    return min(int(asked), most)


def next_link(request: Request, parameter: str, seq: int) -> str:
    """Return this request's URL with the token of the page after the job with that sequence number."""
    token = base64.urlsafe_b64encode(f"before:{seq}".encode()).decode()
    query = [(key, value) for key, value in request.query_params.multi_items() if key != parameter]
    return f"{base_url(request)}{request.url.path}?{urlencode([*query, (parameter, token)])}"


def read_token(token: str | None) -> int | None:
    """Return the sequence number that a page token carries.

    Raises:
        ServiceError: 400, it is not one of our tokens.
    """
    if not token:
        return None
    try:
        word, _, number = base64.urlsafe_b64decode(token).decode().partition(":")
        if word == "before":
            return int(number)
    except (ValueError, binascii.Error):
        pass
    raise bad_request("The continuation token of the request is invalid.")


def _jobs_routes(prefix: str) -> list[Route]:
    return [
        Route(prefix, create_job, methods=["POST"]),
        Route(prefix, list_jobs),
        Route(f"{prefix}/{{job}}", get_job),
    ]


ROUTES = [
    *_jobs_routes("/endpoints/{region}/{e}/jobs"),
    *_jobs_routes(f"{MFE}{WORKSPACE}/batchEndpoints/{{e}}/jobs"),
    *_jobs_routes(f"{MFE}{WORKSPACE}/batchEndpoints/{{e}}/deployments/{{d}}/jobs"),
]
