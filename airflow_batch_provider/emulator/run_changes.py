"""Run history: what may be changed of a run after its submission.

Form: the SDK's ``jobs.update``, ``jobs.archive`` and ``jobs.restore``, which do as studio does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_batch_provider.emulator import wire
from airflow_batch_provider.emulator.errors import bad_request
from airflow_batch_provider.emulator.history import HISTORY, job_of, json_object, shown_run
from airflow_batch_provider.emulator.world import world_of

if TYPE_CHECKING:
    from starlette.requests import Request

_KEYS = ("tags", "properties", "displayName", "description", "hidden")


async def patch_run(request: Request) -> Response:
    """Merge tags and properties into those that there are; replace the other fields."""
    run_id = request.path_params["run"]
    job = job_of(request, run_id)
    given = wire.fold(json_object(await request.body()), _KEYS)
    if run_id != job.id:
        raise bad_request(f"The run {run_id} is a step of the job {job.id}, and cannot be changed.")
    job.tags |= _texts(given, "tags")
    job.properties |= _texts(given, "properties")
    if given.get("displayName") is not None:
        job.display_name = str(given["displayName"])
    if given.get("description") is not None:
        job.request["description"] = str(given["description"])
    if given.get("hidden") is not None:
        job.hidden = given["hidden"] is True
    world_of(request).jobs.save(job)
    return JSONResponse(shown_run(job, run_id))


def _texts(given: dict[str, Any], key: str) -> dict[str, str]:
    value = given.get(key) or {}
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise bad_request(f"The field {key} must be an object of texts.")
    return value


ROUTES = [
    Route(f"{HISTORY}/experiments/{{experiment}}/runs/{{run}}", patch_run, methods=["PATCH"]),
]
