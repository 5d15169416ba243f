"""Discovery, run history and data: where a job's child run, logs and outputs are told.

Forms: the calls and models of the service's SDK, which finds a batch job's output through them.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_batch_provider.emulator import data_uris, run_logs, wire
from airflow_batch_provider.emulator.batch import WORKSPACE
from airflow_batch_provider.emulator.errors import bad_request, not_found
from airflow_batch_provider.emulator.ids import Workspace
from airflow_batch_provider.emulator.world import World, base_url, world_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_batch_provider.emulator.jobs import Job

HISTORY = f"/history/v1.0{WORKSPACE}"
_OUTPUT_ASSET = re.compile(
    r".*/data/azureml_(?P<run>[0-9a-f-]+)_output_data_(?P<name>\w+)/versions/1", re.IGNORECASE
)


async def discovery(request: Request) -> Response:
    """Answer the addresses of a region's services: all are the emulator's."""
    base = base_url(request)
    names = ("api", "history", "modelmanagement", "pipelines", "experimentation", "hyperdrive")
    return JSONResponse(dict.fromkeys(names, base))


def job_of(request: Request, run_id: str) -> Job:
    """Return the job that a run belongs to.

    Raises:
        ServiceError: 404, the workspace has no such run.
    """
    path = request.path_params
    job = world_of(request).jobs.by_run(run_id)
    if job is None or job.where.key != Workspace(path["s"], path["g"], path["w"]).key:
        raise not_found(f"Run {run_id} was not found.")
    return job


async def children(request: Request) -> Response:
    """Answer the child runs of a job: one, once the job is past its preparation."""
    job = job_of(request, request.path_params["run"])
    has_child = request.path_params["run"] == job.id and job.entered("Queued", "Running") is not None
    value = [shown_run(job, job.child)] if has_child else []
    return JSONResponse({"value": value, "continuationToken": None, "nextLink": None})


async def get_run(request: Request) -> Response:
    """Answer one run."""
    run_id = request.path_params["run"]
    return JSONResponse(shown_run(job_of(request, run_id), run_id))


async def run_data(request: Request) -> Response:
    """Answer what is recorded of a run, its outputs with their asset ids among it."""
    run_id = json_object(await request.body()).get("runId")
    if not isinstance(run_id, str):
        raise bad_request("The field runId is required.")
    job = job_of(request, run_id)
    return JSONResponse(
        {
            "runMetadata": shown_run(job, run_id),
            "runDefinition": None,
            "jobSpecification": None,
            "systemSettings": None,
        }
    )


def json_object(body: bytes) -> dict[str, Any]:
    """Return a request's body.

    Raises:
        ServiceError: 400, it is no JSON object.
    """
    try:
        parsed = wire.loads(body)
    except ValueError as error:
        raise bad_request(f"The request body is not valid JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise bad_request("The request body must be a JSON object.")
    return parsed


def shown_run(job: Job, run_id: str) -> dict[str, Any]:
    """Return a run as run history does: the job's own, or that of its step."""
    is_child = run_id == job.child
    began, ended = job.entered("Running"), job.entered("Completed", "Failed", "Canceled")
    return {
        "runNumber": 1,
        "runId": run_id,
        "runUuid": run_id.removeprefix("batchjob-"),
        "parentRunId": job.id if is_child else None,
        "rootRunId": job.id,
        "experimentId": None,
        "status": job.status,
        "displayName": "batchscoring" if is_child else job.display_name,
        "name": "batchscoring" if is_child else None,
        "createdUtc": wire.timestamp(job.created_at),
        "startTimeUtc": wire.timestamp(began) if began else None,
        "endTimeUtc": wire.timestamp(ended) if ended else None,
        "createdBy": {"userName": job.created_by},
        "runType": "azureml.StepRun" if is_child else "azureml.PipelineRun",
        "dataContainerId": f"dcid.{run_id}",
        "tags": job.tags,
        "properties": job.properties,
        "error": _error(job, run_id),
        "warnings": [],
        "inputs": {},
        "outputs": {name: _output(job, name) for name in job.outputs} if is_child else {},
    }


def _output(job: Job, name: str) -> dict[str, str]:
    asset = f"data/azureml_{job.child}_output_data_{name}/versions/1"
    place = f"azureml://locations/{job.region}/workspaces/{job.where.guid}"
    return {"assetId": f"{place}/{asset}", "type": job.outputs[name]["type"]}


def _error(job: Job, run_id: str) -> dict[str, Any] | None:
    if job.error is None:
        return None
    inner: dict[str, Any] = {
        "code": "UserError",
        "message": job.error,
        "messageFormat": None,
        "details": [],
        "innerError": None,
    }
    return {
        "error": inner,
        "correlation": {
            "operation": uuid.UUID(run_id[-36:]).hex,
            "request": uuid.UUID(run_id[-36:]).hex[:16],
        },
        "environment": job.region,
        "location": job.region,
        "time": None,
    }


async def details(request: Request) -> Response:
    """Answer a run's status, error and logs; the logs are URLs that carry their own permission."""
    run_id = request.path_params["run"]
    job, world = job_of(request, run_id), world_of(request)
    run = shown_run(job, run_id)
    kept = ("runId", "status", "startTimeUtc", "endTimeUtc", "error", "warnings", "properties")
    return JSONResponse(
        {key: run[key] for key in kept}
        | {
            "target": (job.deployment_properties.get("compute") or "").rpartition("/")[2] or None,
            "inputDatasets": [],
            "outputDatasets": [],
            "runDefinition": None,
            "logFiles": run_logs.urls(
                job, run_id, world.blobs, world.folder / "runs" / job.id, base_url(request)
            ),
            "submittedBy": job.created_by,
        }
    )


async def resolve_uris(request: Request) -> Response:
    """Answer where data assets lie; an asset that nobody knows is left out."""
    body = json_object(await request.body())
    values = body.get("values")
    if not isinstance(values, list):
        raise bad_request("The field values must be a list of asset ids.")
    path = request.path_params
    workspace = Workspace(path["s"], path["g"], path["w"])
    found = {str(asset): _resolved(world_of(request), workspace, str(asset)) for asset in values}
    return JSONResponse({"values": {asset: place for asset, place in found.items() if place is not None}})


def _resolved(world: World, workspace: Workspace, asset: str) -> dict[str, str] | None:
    match = _OUTPUT_ASSET.fullmatch(asset)
    if match:
        job = world.jobs.by_run(match["run"])
        return job.outputs.get(match["name"]) if job else None
    try:
        version = data_uris.Locator(world.resources, world.blobs).asset_version(asset, workspace)
    except (ValueError, LookupError):
        return None
    properties = version["properties"]
    kind = "".join(word.title() for word in properties["dataType"].split("_"))
    return {"uri": properties["dataUri"], "type": kind}


ROUTES = [
    Route("/discovery", discovery),
    Route(f"{HISTORY}/runs/{{run}}/children", children),
    Route(f"{HISTORY}/runs/{{run}}/details", details),
    Route(f"{HISTORY}/runs/{{run}}", get_run),
    Route(f"{HISTORY}/experiments/{{experiment}}/runs/{{run}}/details", details),
    Route(f"{HISTORY}/experiments/{{experiment}}/runs/{{run}}", get_run),
    Route(f"{HISTORY}/rundata", run_data, methods=["POST"]),
    Route(f"/data/v1.0{WORKSPACE}/dataversion/batchGetResolvedUris", resolve_uris, methods=["POST"]),
]
