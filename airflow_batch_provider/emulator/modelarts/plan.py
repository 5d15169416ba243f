"""From a step's definition to what it is in one execution: everything resolved, and the job that it runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.emulator.ids import new_guid
from airflow_batch_provider.emulator.modelarts import references
from airflow_batch_provider.emulator.modelarts.local_job import JobFailedError, JobSpec
from airflow_batch_provider.emulator.modelarts.places import Place, read_place
from airflow_batch_provider.emulator.modelarts.workflows import is_missing

if TYPE_CHECKING:
    from airflow_batch_provider.emulator.modelarts.account import Account
    from airflow_batch_provider.emulator.modelarts.executions import Execution, StepRun
    from airflow_batch_provider.emulator.obs.store import ObjectStore

_MADE = {"model": "model_id", "service": "service_id", "dataset": "dataset_id"}


def missing(execution: Execution, name: str) -> list[str]:
    """Return the parameters and data requirements that a step uses and that have no value yet."""
    used = {references.read(text) for text in references.within(execution.defined(name))}
    named = {(reference.section, reference.name) for reference in used}
    return [
        item["name"]
        for section in ("parameters", "data_requirements")
        for item in execution.definition.get(section) or []
        if is_missing(item) and (name in (item.get("used_steps") or []) or (section, item["name"]) in named)
    ]


def fill(execution: Execution, step: StepRun, account: Account, store: ObjectStore) -> None:
    """Resolve a step's inputs, outputs and properties, make the folders that it asks for, and plan its job.

    Raises:
        JobFailedError: The step cannot be created.
    """
    definition = execution.defined(step.name)
    scope = execution.scope()
    try:
        step.properties = scope.resolve(definition.get("properties") or {})
        step.inputs = [_input(scope, item) for item in definition.get("inputs") or []]
        step.outputs = [_output(scope, item) for item in definition.get("outputs") or []]
    except references.UnresolvedError as error:
        raise JobFailedError(f"{error} has no value.") from None
    _make_folders(definition, step, store)
    spec = _job(step, account, store) if definition.get("type") == "job" else None
    step.job = asdict(spec) if spec else None


def _input(scope: references.Scope, item: dict[str, Any]) -> dict[str, Any]:
    value = scope.resolve(item["data"] if references.is_reference(item.get("data")) else item.get("value"))
    return item | {"value": {"obs_url": value} if isinstance(value, str) else value}


def _output(scope: references.Scope, item: dict[str, Any]) -> dict[str, Any]:
    config = scope.resolve(item.get("config") or {})
    if isinstance(config, str):
        config = {"obs_url": config}
    made = _MADE.get(str(item.get("type")))
    return item | {"config": {made: new_guid()} | config if made else config}


def _make_folders(definition: dict[str, Any], step: StepRun, store: ObjectStore) -> None:
    for item, resolved in zip(definition.get("outputs") or [], step.outputs, strict=True):
        flags = {flag for text in references.within(item) for flag in references.read(text).flags}
        place = read_place(str(resolved["config"].get("obs_url", "")))
        if "create_dir" in flags and place is not None and place.folder:
            store.put(place.bucket, place.folder, b"")


def _job(step: StepRun, account: Account, store: ObjectStore) -> JobSpec | None:
    """Return what a job step runs; None if its algorithm is registered nowhere: it only takes its time."""
    asked = step.properties.get("algorithm") or {}
    algorithm = account.algorithms.get(str(asked.get("id")), {}) | {k: v for k, v in asked.items() if v}
    if not algorithm.get("code_dir") or not algorithm.get("boot_file"):
        return None
    code = read_place(str(algorithm["code_dir"]))
    if code is None:
        raise JobFailedError(f"code_dir {algorithm['code_dir']!r} is no OBS path.")
    boot_file = _boot_file(code, str(algorithm["boot_file"]))
    if not store.exists(code.bucket, code.folder + boot_file):
        raise JobFailedError(f"The boot file obs://{code.bucket}/{code.folder}{boot_file} does not exist.")
    return JobSpec(
        code=f"obs://{code.bucket}/{code.folder}",
        boot_file=boot_file,
        parameters={item["name"]: item.get("value") for item in algorithm.get("parameters") or []},
        inputs={item["name"]: url for item in step.inputs if (url := _url(item.get("value")))},
        outputs={item["name"]: url for item in step.outputs if (url := _url(item["config"]))},
        environment={str(k): str(v) for k, v in (algorithm.get("environments") or {}).items()},
    )


def _boot_file(code: Place, boot_file: str) -> str:
    """Return a boot file relative to its code: it may be given as a whole OBS path."""
    place = read_place(boot_file)
    return boot_file if place is None else place.key.removeprefix(code.folder)


def _url(value: Any) -> str | None:
    return value.get("obs_url") if isinstance(value, dict) else None
