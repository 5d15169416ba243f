"""What a job needs on disk before it runs, and the output file that it leaves."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from airflow_batch_provider.emulator.scoring_failure import JobFailedError
from airflow_batch_provider.emulator.whole_files import partial_path, write_whole

if TYPE_CHECKING:
    from airflow_batch_provider.emulator.scoring_ledger import Ledger
    from airflow_batch_provider.emulator.scoring_spec import ScoringSpec


def prepare(spec: ScoringSpec) -> None:
    """Check what the job needs and lay out its folders; may be repeated after a restart.

    Args:
        spec: The job.

    Raises:
        JobFailedError: The scoring script or the model is missing, there is nothing to score, or the output
            file exists already.
    """
    if not spec.script_path.is_file():
        raise JobFailedError(
            f"The scoring script {spec.scoring_script!r} was not found in the code folder {spec.code_dir}. "
            "Set the deployment's scoringScript to a path relative to that folder."
        )
    if not spec.input_files:
        raise JobFailedError("The input holds no files: nested folders are not explored.")
    _refuse_existing_output(spec)
    spec.output_dir.mkdir(parents=True, exist_ok=True)
    if spec.model_path is not None:
        _lay_out_model(spec.model_path, spec.work_dir / "model")


def publish(spec: ScoringSpec, ledger: Ledger) -> None:
    """Write the job's output file, whole or not at all.

    Args:
        spec: The job.
        ledger: Its finished mini-batches.

    Raises:
        JobFailedError: Somebody else wrote that file while the job ran.
    """
    _refuse_existing_output(spec)
    partial = partial_path(spec.output_file, tag=f"{spec.work_dir.name}-")
    with partial.open("wb") as file:
        if spec.output_action == "AppendRow":
            ledger.copy_rows(file)
        else:
            _write_summary(file, ledger)
    # The receipt comes before the file, so that a job killed between the two knows its own work.
    write_whole(_receipt(spec), json.dumps(_identity(partial)))
    partial.replace(spec.output_file)


def _refuse_existing_output(spec: ScoringSpec) -> None:
    if spec.output_file.exists() and not _is_ours(spec):
        raise JobFailedError(
            f"The output {spec.output_file_name!r} cannot be written: the path already exists. "
            "Choose an output path that is new for each job."
        )


def _is_ours(spec: ScoringSpec) -> bool:
    try:
        return bool(json.loads(_receipt(spec).read_text("utf-8")) == _identity(spec.output_file))
    except FileNotFoundError:
        return False


def _receipt(spec: ScoringSpec) -> Path:
    return spec.work_dir / "published.json"


def _identity(path: Path) -> list[int]:
    """Return what stays the same when a file is renamed and differs for any other file."""
    status = path.stat()
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]


def _write_summary(file: BinaryIO, ledger: Ledger) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=" ", lineterminator="\n")
    writer.writerows((Path(name).name, index, outcome) for index, name, outcome in ledger.outcomes())
    file.write(text.getvalue().encode())


def _lay_out_model(model: Path, folder: Path) -> None:
    """Make a folder that contains the model's own folder or file and nothing else."""
    if not model.exists():
        raise JobFailedError(f"The model was not found at {model}.")
    if folder.exists():
        return
    unfinished = partial_path(folder)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    if model.is_dir():
        shutil.copytree(model, unfinished / model.name, copy_function=_link_or_copy)
    else:
        _link_or_copy(str(model), str(unfinished / model.name))
    unfinished.rename(folder)


def _link_or_copy(source: str, target: str) -> None:
    """Share the file's content where the file system can: models are large."""
    with contextlib.suppress(OSError):
        os.link(os.path.realpath(source), target)
        return
    shutil.copy2(source, target)
