"""From a job of a pipeline component to its commands: components, inputs, outputs and code are found."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.emulator.execution import JobFailedError, asset_path, found_path, output_of
from airflow_batch_provider.emulator.lifecycle import pipeline_plan

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_batch_provider.emulator.data_uris import Locator
    from airflow_batch_provider.emulator.jobs import Job
    from airflow_batch_provider.emulator.resources import ResourceStore


def pipeline_spec(job: Job, resources: ResourceStore, locator: Locator, work_dir: Path) -> str:
    """Return what a job runs, and where its outputs lie, as JSON text.

    Args:
        job: The job.
        resources: Where components and codes are registered.
        locator: Finds the local paths.
        work_dir: The private folder of the job.

    Raises:
        JobFailedError: A component, a code or an input does not exist, or the emulator cannot run it.
    """

    def component(named: str) -> dict[str, Any]:
        name, version = _name_and_version(named)
        found = resources.get("components/versions", job.where, f"{name}/{version}")
        if found is None:
            raise JobFailedError(f"The component {name}, version {version}, was not found.")
        spec: dict[str, Any] = found["properties"]["componentSpec"]
        return spec

    spec = component(job.deployment_properties["deploymentConfiguration"]["componentId"]["assetId"])
    outputs = {
        name: output_of(job, name, job.request["outputData"].get(name) or {})
        for name in spec.get("outputs") or {}
    }
    places = {name: str(found_path(job, locator, item["uri"])) for name, item in outputs.items()}
    try:
        inputs = _inputs(job, locator, spec)
        steps = pipeline_plan.plan(spec, inputs, places, str(work_dir / "between"), component)
    except pipeline_plan.PlanError as error:
        raise JobFailedError(str(error)) from None
    shown = [asdict(step) for step in steps]
    for step in shown:
        step["code"] = _code(job, resources, locator, step["code"])
    return json.dumps({"steps": shown, "outputs": outputs})


def _name_and_version(named: str) -> tuple[str, str]:
    if "/versions/" in named:
        name, _, version = named.rpartition("/components/")[2].partition("/versions/")
    else:
        name, _, version = named.removeprefix("azureml:").partition(":")
    return name, version


def _inputs(job: Job, locator: Locator, spec: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, declared in (spec.get("inputs") or {}).items():
        item = job.request["inputData"].get(name)
        if item is None:
            values[name] = declared.get("default") if isinstance(declared, dict) else None
        elif "value" in item:
            values[name] = item["value"]
        else:
            path = found_path(job, locator, item["uri"])
            if not path.exists():
                raise JobFailedError(f"The input {name} of the pipeline was not found: {item['uri']}")
            values[name] = str(path)
    return values


def _code(job: Job, resources: ResourceStore, locator: Locator, code: str | None) -> str | None:
    if code is None:
        return None
    if "/versions/" not in code:
        name, _, version = code.removeprefix("azureml:").partition(":")
        code = f"codes/{name}/versions/{version}"
    return str(asset_path(job, resources, locator, code, "codeUri"))
