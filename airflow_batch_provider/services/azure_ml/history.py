"""Run history and data: what a finished job did, and where it wrote.

Source: how azure-ai-ml downloads batch results and streams jobs, and recorded exchanges. These services are
regional, found through the workspace, and take Resource Manager's token.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from airflow_batch_provider.errors import BatchError, NotFound
from airflow_batch_provider.flow import Flow, send
from airflow_batch_provider.jobs import Log
from airflow_batch_provider.services.azure_ml.answers import inner, need, read, rows
from airflow_batch_provider.services.azure_ml.failures import error_lines
from airflow_batch_provider.services.azure_ml.logs import last_log_lines, tell_logs
from airflow_batch_provider.services.azure_ml.workspace import A_MINUTE, Workspace, ask, segment

_RUNS = 5
_SCORING = "batchscoring"
_DEFAULT_DATASTORE = "workspaceblobstore"


def output_uris(workspace: Workspace, job_id: str) -> Flow[dict[str, list[str]]]:
    """Return, for each output, the ``azureml://`` URIs where it may be, the likeliest first.

    A model deployment's outputs are those of the job's one step; a pipeline component's are the job's own.

    Raises:
        BatchError: Run history does not tell.
    """
    api = yield from _api(workspace)
    steps = yield from _steps(api, workspace, job_id)
    if not steps:
        raise NotFound(f"Run history knows no step of job {job_id}.")
    step = _scoring_step(steps)
    assets = yield from _output_assets(api, workspace, step or job_id)
    resolved = yield from _resolved(api, workspace, [asset for asset in assets.values() if asset])
    if step is None:
        return {name: [resolved[asset]] for name, asset in assets.items() if asset in resolved}
    names = assets or {"score": ""}
    if all(asset in resolved for asset in names.values()):
        return {name: [resolved[asset]] for name, asset in names.items()}
    datastore = yield from _default_datastore(workspace)
    return {
        name: [resolved[asset]] if asset in resolved else _default_places(datastore, step, name)
        for name, asset in names.items()
    }


def _default_places(datastore: str, run: str, name: str) -> list[str]:
    below = f"azureml://datastores/{datastore}/paths"
    return [f"{below}/azureml/{run}/{name}/", f"{below}/dataset/{run}/{name}/"]


def _default_datastore(workspace: Workspace) -> Flow[str]:
    """Return the name of the workspace's default datastore, or the name that it has everywhere at first."""
    with suppress(BatchError):
        url = workspace.url("datastores", isDefault="true")
        response = yield from send(ask("GET", url, "arm", lasts=A_MINUTE))
        found = rows(read(response, "looking up the default datastore"))
        return next((str(row["name"]) for row in found if row.get("name")), _DEFAULT_DATASTORE)
    return _DEFAULT_DATASTORE


def failure_text(workspace: Workspace, job_id: str) -> Flow[str]:
    """Return what run history says of a job's failure, with the end of its log, or an empty text.

    The step that failed knows more than the job, whose text is often only that a step failed.
    """
    api = yield from _api(workspace)
    steps = yield from _known_steps(api, workspace, job_id)
    run = next(iter(_failed(steps)), _scoring_step(steps)) or job_id
    details = yield from _details(api, workspace, run, f"asking why job {job_id} failed")
    told = error_lines(inner(details, "error"))
    log = yield from last_log_lines(inner(details, "logFiles"))
    return "\n".join(part for part in (told, log) if part)


def logs(workspace: Workspace, job_id: str, tell: Callable[[Log], None]) -> Flow[None]:
    """Read the ends of a job's logs: of the steps that failed, or else of all, or else its own.

    Args:
        workspace: Where it is.
        job_id: Of the job.
        tell: Called with each.

    Raises:
        BatchError: Run history does not tell.
    """
    api = yield from _api(workspace)
    steps = yield from _known_steps(api, workspace, job_id)
    count = 0
    for run in (_failed(steps) or [str(step["runId"]) for step in steps])[:_RUNS]:
        count += yield from _run_logs(api, workspace, run, tell)
    if not count:
        yield from _run_logs(api, workspace, job_id, tell)


def _run_logs(api: str, workspace: Workspace, run: str, tell: Callable[[Log], None]) -> Flow[int]:
    details = yield from _details(api, workspace, run, f"asking for the logs of run {run}")
    return (yield from tell_logs(f"run {run}", inner(details, "logFiles"), tell))


def _known_steps(api: str, workspace: Workspace, job_id: str) -> Flow[list[dict[str, Any]]]:
    with suppress(NotFound):
        return (yield from _steps(api, workspace, job_id))
    return []


def _failed(steps: list[dict[str, Any]]) -> list[str]:
    return [str(step["runId"]) for step in steps if step.get("status") == "Failed"]


def _details(api: str, workspace: Workspace, run: str, doing: str) -> Flow[dict[str, Any]]:
    url = f"{api}/history/v1.0{workspace.id}/runs/{segment('run id', run)}/details"
    return read((yield from send(ask("GET", url, "arm"))), doing)


def describe(workspace: Workspace) -> Flow[dict[str, Any]]:
    """Return the workspace as Resource Manager describes it."""
    doing = f"looking up workspace {workspace.name!r}"
    return read((yield from send(ask("GET", workspace.url(), "arm", lasts=A_MINUTE))), doing)


def _api(workspace: Workspace) -> Flow[str]:
    """Return the base URL of the region's services."""
    body = yield from describe(workspace)
    discovery = str(need(body, f"looking up workspace {workspace.name!r}", "properties", "discoveryUrl"))
    # Unauthenticated by contract: no token goes to a host that an answer names.
    response = yield from send(ask("GET", discovery, "none", lasts=A_MINUTE))
    doing = "discovering the region's services"
    return str(need(read(response, doing), doing, "api")).rstrip("/")


def _steps(api: str, workspace: Workspace, job_id: str) -> Flow[list[dict[str, Any]]]:
    url = f"{api}/history/v1.0{workspace.id}/runs/{segment('job id', job_id)}/children?api-version=v1.0"
    body = read((yield from send(ask("GET", url, "arm"))), f"looking up the steps of job {job_id}")
    return [step for step in rows(body) if step.get("runId")]


def _scoring_step(steps: list[dict[str, Any]]) -> str | None:
    """Return the run id of the one step of a model deployment's job; a pipeline component has others."""
    for step in steps:
        names = [step[key] for key in ("name", "displayName") if step.get(key)]
        if _SCORING in names or (not names and len(steps) == 1):
            return str(step["runId"])
    return None


def _output_assets(api: str, workspace: Workspace, run: str) -> Flow[dict[str, str]]:
    url = f"{api}/history/v1.0{workspace.id}/rundata"
    wanted = {"selectRunMetadata": True, "selectRunDefinition": True, "selectJobSpecification": True}
    request = ask("POST", url, "arm", body={"runId": run, **wanted})
    body = read((yield from send(request, repeatable=True)), f"looking up run {run}")
    outputs = inner(body, "runMetadata", "outputs")
    return {name: str(inner(asset).get("assetId") or "") for name, asset in outputs.items()}


def _resolved(api: str, workspace: Workspace, assets: list[str]) -> Flow[dict[str, str]]:
    if not assets:
        return {}
    url = f"{api}/data/v1.0{workspace.id}/dataversion/batchGetResolvedUris?api-version=1.5.0"
    response = yield from send(ask("POST", url, "arm", body={"values": assets}), repeatable=True)
    values: dict[str, object] = {}
    with suppress(BatchError):  # the documented default place is tried instead
        values = inner(read(response, "resolving output assets"), "values")
    return {asset: str(inner(value)["uri"]) for asset, value in values.items() if inner(value).get("uri")}
