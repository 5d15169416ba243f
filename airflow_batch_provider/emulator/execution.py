"""From a job to what runs on this machine: inputs found, output placed, the scoring process started."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from airflow_batch_provider.emulator import invoke, journal
from airflow_batch_provider.emulator.blob_names import MARKER_FILE
from airflow_batch_provider.emulator.data_uris import DatastorePath, Locator, datastore_uri, parse
from airflow_batch_provider.emulator.scoring import ScoringJob, ScoringSpec
from airflow_batch_provider.emulator.whole_files import is_partial, write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_batch_provider.emulator.jobs import Job
    from airflow_batch_provider.emulator.resources import ResourceStore


class JobFailedError(Exception):
    """The job cannot run; the text is what the service tells its user."""


class Execution(Protocol):
    """Something that runs: a scoring job or a pipeline."""

    def poll(self) -> Outcome | None:
        """Return how it ended, or None while it runs."""

    def cancel(self) -> None:
        """Stop it; starting it again continues where it stopped."""


@dataclass(frozen=True)
class Outcome:
    """How an execution ended: ``Completed`` or ``Failed``, and why."""

    status: str
    error: str | None = None


@dataclass
class Scoring:
    """A model deployment's scoring script in worker processes."""

    job: ScoringJob

    def poll(self) -> Outcome | None:
        """Return how it ended, or None while it runs."""
        result = self.job.poll()
        return Outcome(result.status, result.error) if result else None

    def cancel(self) -> None:
        """Stop the worker processes."""
        self.job.cancel()


def simulated(job: Job) -> dict[str, Any] | None:
    """Return the ``emulator`` section of a deployment that only takes its time, or None.

    Such a deployment runs no code, so that thousands of its jobs can wait at once.
    """
    section = job.deployment_properties.get("emulator")
    return cast("dict[str, Any] | None", section)


def outputs_of(job: Job) -> dict[str, dict[str, str]]:
    """Return where a job writes: URI and type of each output.

    A model deployment has one, which run history calls ``score`` whatever the request calls it.
    """
    asked = job.request["outputData"]
    if job.kind == "pipeline":
        found = {name: output_of(job, name, item) for name, item in asked.items()}
        # A component that ran has all outputs that it declares, whether the request names them or not.
        return found | (json.loads(job.spec)["outputs"] if job.spec else {})
    return {"score": output_of(job, "score", next(iter(asked.values()), {}))}


def output_of(job: Job, name: str, item: dict[str, Any]) -> dict[str, str]:
    """Return URI and type of one output, given what the request says of it."""
    place = parse(item["uri"]) if item.get("uri") else None
    if not isinstance(place, DatastorePath):
        folder = f"azureml/{job.child}/{name}/"
        return {"uri": datastore_uri(job.where, folder), "type": item.get("jobOutputType", "UriFolder")}
    uri = datastore_uri(place.workspace or job.where, place.path, place.datastore)
    return {"uri": uri, "type": item["jobOutputType"]}


def scoring_spec(job: Job, resources: ResourceStore, locator: Locator, work_dir: Path) -> ScoringSpec:
    """Return what a model deployment's job runs.

    Args:
        job: The job.
        resources: Where the deployment's code and model are registered.
        locator: Finds the local paths.
        work_dir: The private folder of the job.

    Raises:
        JobFailedError: An input, the code, the model or the output's datastore does not exist.
    """
    settings = invoke.effective(job.deployment_properties, job.request)
    deployment = job.deployment_properties
    (output,) = output_files(job, locator)
    code = deployment["codeConfiguration"]
    return ScoringSpec(
        work_dir=work_dir,
        code_dir=asset_path(job, resources, locator, code["codeId"], "codeUri"),
        scoring_script=code["scoringScript"],
        model_path=_model(job, resources, locator, deployment.get("model")),
        input_files=_inputs(job, locator),
        output_dir=output.parent,
        output_file_name=output.name,
        output_action=settings["outputAction"],
        mini_batch_size=settings["miniBatchSize"],
        instance_count=settings["instanceCount"],
        max_concurrency_per_instance=settings["maxConcurrencyPerInstance"],
        error_threshold=settings["errorThreshold"],
        max_retries=settings["maxRetries"],
        timeout_seconds=settings["timeout"],
        logging_level=settings["loggingLevel"],
        environment_variables=deployment.get("environmentVariables") or {},
    )


def output_files(job: Job, locator: Locator) -> list[Path]:
    """Return the local path of the file that collects each output.

    Raises:
        JobFailedError: An output is on a datastore that does not exist.
    """
    return [_output_file(job, locator, output) for output in outputs_of(job).values()]


def _output_file(job: Job, locator: Locator, output: dict[str, str]) -> Path:
    path = found_path(job, locator, output["uri"])
    if output["type"] == "UriFile":
        return path
    return path / str(invoke.effective(job.deployment_properties, job.request)["outputFileName"])


def write_simulated(job: Job, locator: Locator) -> None:
    """Write the outputs of a job that runs no code: one line each, the job's id.

    Raises:
        JobFailedError: An output exists: the service never writes over one.
    """
    content = f"{job.id}\n"
    for file in output_files(job, locator):
        # A job that was killed between its output and its next state finds its own line there.
        if file.exists() and file.read_bytes() != content.encode():
            raise JobFailedError(f"The output {file.name!r} cannot be written: the path already exists.")
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, content)


def found_path(job: Job, locator: Locator, uri: str) -> Path:
    """Return the local path of a job's data URI; whether anything is there is another question.

    Raises:
        JobFailedError: It has no known form, or names what does not exist.
    """
    try:
        return locator.local_path(uri, job.where)
    except (LookupError, ValueError) as error:
        reason = error.args[0] if error.args else error
        raise JobFailedError(f"{_not_found(uri)} ({reason})") from None


def _not_found(uri: str) -> str:
    return (
        "Error Code: ScriptExecution.StreamAccess.NotFound. The requested stream was not found. Please make"
        f" sure the request uri is correct: {journal.redact(uri)}"
    )


def asset_path(job: Job, resources: ResourceStore, locator: Locator, asset_id: str, key: str) -> Path:
    """Return the local path of a registered version's files.

    Args:
        job: The job that needs them.
        resources: Where the version is registered.
        locator: Finds the path.
        asset_id: The version's id.
        key: The property that says where the files are, such as ``codeUri``.

    Raises:
        JobFailedError: The version or its files do not exist.
    """
    kind, name, _, version = asset_id.split("/")[-4:]
    registered = resources.get(f"{kind}/versions", job.where, f"{name}/{version}")
    if registered is None:
        raise JobFailedError(f"The asset {kind}/{name}/versions/{version} of the deployment was not found.")
    path = found_path(job, locator, registered["properties"][key])
    if not path.exists():
        raise JobFailedError(_not_found(registered["properties"][key]))
    return path


def _model(job: Job, resources: ResourceStore, locator: Locator, model: dict[str, Any] | None) -> Path | None:
    if model is None:
        return None
    if model["referenceType"] == "Id":
        return asset_path(job, resources, locator, model["assetId"], "modelUri")
    datastore = model["datastoreId"].rstrip("/").rpartition("/")[2]
    uri = datastore_uri(job.where, model["path"], datastore)
    path = found_path(job, locator, uri)
    if not path.exists():
        raise JobFailedError(_not_found(uri))
    return path


def _inputs(job: Job, locator: Locator) -> tuple[str, ...]:
    (item,) = job.request["inputData"].values()
    path = found_path(job, locator, item["uri"])
    if not path.exists():
        raise JobFailedError(_not_found(item["uri"]))
    if path.is_file():
        return (str(path),)
    files = [str(file) for file in sorted(path.iterdir()) if file.is_file() and _is_data(file.name)]
    if not files:
        raise JobFailedError(f"No file was found in the input folder {journal.redact(item['uri'])}.")
    return tuple(files)


def _is_data(name: str) -> bool:
    return name != MARKER_FILE and not is_partial(name)
