"""What a scoring job is asked to do and how it ended: values that cross process borders as JSON."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

OutputAction = Literal["AppendRow", "SummaryOnly"]

_PATHS = ("work_dir", "code_dir", "model_path", "output_dir")
_MINIMA = {
    "mini_batch_size": 1,
    "instance_count": 1,
    "max_concurrency_per_instance": 1,
    "error_threshold": -1,
    "max_retries": 0,
}


@dataclass(frozen=True)
class ScoringSpec:
    """One execution of a batch model deployment on this machine.

    The fields are those of an Azure ML batch deployment, with its defaults.

    Args:
        work_dir: Private folder of this job (absolute): finished mini-batches, logs, the result. Starting
            the same job again in the same folder continues it.
        code_dir: Folder of the deployment's code (absolute); current directory and first import path of
            the script.
        scoring_script: Path of the scoring script, relative to *code_dir*.
        model_path: The model's own folder or file (absolute), or None for a deployment without a model.
        input_files: Absolute paths of the files to score.
        output_dir: Folder of the output named ``score`` (absolute); created when it is missing.
        output_file_name: Name of the file in *output_dir* that collects the rows or the summary.
        output_action: ``AppendRow`` collects what ``run()`` returns; ``SummaryOnly`` leaves the output to
            the script and writes a summary of the processed files.
        mini_batch_size: Files per call of ``run()``, at least 1.
        instance_count: Nodes, at least 1; here they are groups of worker processes.
        max_concurrency_per_instance: Worker processes per node, at least 1.
        error_threshold: How many files may fail before the job fails; -1: any number.
        max_retries: How often a failed mini-batch is tried again.
        timeout_seconds: Longest duration of one call of ``run()``, in seconds.
        logging_level: Passed to the script as ``--logging_level``.
        environment_variables: Added to the environment of the script.
        python: Interpreter that runs the script.

    Raises:
        ValueError: A field is out of its range; the message names the field, the value and the rule.
    """

    work_dir: Path
    code_dir: Path
    scoring_script: str
    model_path: Path | None
    input_files: tuple[str, ...]
    output_dir: Path
    output_file_name: str = "predictions.csv"
    output_action: OutputAction = "AppendRow"
    mini_batch_size: int = 10
    instance_count: int = 1
    max_concurrency_per_instance: int = 1
    error_threshold: int = -1
    max_retries: int = 3
    timeout_seconds: float = 30.0
    logging_level: str = "Info"
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    python: str = sys.executable

    def __post_init__(self) -> None:
        for name in _PATHS:
            _require_absolute(name, getattr(self, name))
        for file in self.input_files:
            _require_absolute("input_files", file)
        for name, minimum in _MINIMA.items():
            if getattr(self, name) < minimum:
                raise ValueError(f"{name} must be at least {minimum}, got {getattr(self, name)}")
        if not self.timeout_seconds > 0:
            raise ValueError(f"timeout_seconds must be more than 0, got {self.timeout_seconds}")
        if self.output_action not in ("AppendRow", "SummaryOnly"):
            raise ValueError(f"output_action must be AppendRow or SummaryOnly, got {self.output_action!r}")
        _require_inside("scoring_script", self.scoring_script)
        name = self.output_file_name
        if name in ("", ".", "..") or "/" in name:
            raise ValueError(f"output_file_name must be a file name without folders, got {name!r}")

    @property
    def mini_batches(self) -> list[tuple[str, ...]]:
        """The input files in groups of at most *mini_batch_size*, in their given order."""
        size = self.mini_batch_size
        return [self.input_files[start : start + size] for start in range(0, len(self.input_files), size)]

    @property
    def script_path(self) -> Path:
        """The scoring script's absolute path."""
        return self.code_dir / self.scoring_script

    @property
    def output_file(self) -> Path:
        """The absolute path of the file that collects the rows or the summary."""
        return self.output_dir / self.output_file_name

    def to_json(self) -> str:
        """Return the specification as a JSON object."""
        fields = asdict(self)
        return json.dumps(
            {**fields, **{name: fields[name] and str(fields[name]) for name in _PATHS}}, indent=1
        )

    @classmethod
    def from_json(cls, text: str) -> ScoringSpec:
        """Read what `to_json` wrote.

        Args:
            text: The JSON object.

        Raises:
            ValueError: The text is not JSON or a field is out of its range.
        """
        fields = json.loads(text)
        paths = {name: fields[name] and Path(fields[name]) for name in _PATHS}
        return cls(**{**fields, **paths, "input_files": tuple(fields["input_files"])})


@dataclass(frozen=True)
class ScoringResult:
    """How a scoring job ended.

    Args:
        status: ``Completed`` or ``Failed``, as the service calls them.
        error: Why it failed, beginning with the service's own words where they are known, else None.
        succeeded_files: Items that ``run()`` returned, at most one for each file of its mini-batch.
        failed_files: Files of finished mini-batches that no item was returned for.
        mini_batches_done: Mini-batches that were finished, with or without success.
        mini_batches: Mini-batches of the whole input.
    """

    status: Literal["Completed", "Failed"]
    error: str | None
    succeeded_files: int
    failed_files: int
    mini_batches_done: int
    mini_batches: int

    def to_json(self) -> str:
        """Return the result as a JSON object."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> ScoringResult:
        """Read what `to_json` wrote.

        Args:
            text: The JSON object.
        """
        return cls(**json.loads(text))


def _require_absolute(name: str, path: str | Path | None) -> None:
    if path is not None and not os.path.isabs(path):  # noqa: PTH117 - there may be thousands of strings.
        raise ValueError(f"{name} must be absolute, got {str(path)!r}")


def _require_inside(name: str, relative: str) -> None:
    parts = Path(relative).parts
    if not parts or Path(relative).is_absolute() or ".." in parts:
        raise ValueError(f"{name} must be a path inside the code folder, got {relative!r}")
