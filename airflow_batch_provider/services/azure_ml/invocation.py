"""An invocation: everything that one call of a batch endpoint says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.services.azure_ml.inputs import input_data, output_data, single_input
from airflow_batch_provider.values import RENDERED, is_nothing, mapping, shown

_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{1,30}[a-zA-Z0-9]")
_LEVELS = {"info": "Info", "warning": "Warning", "debug": "Debug"}
_DURATION = re.compile(r"PT(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+S)?")


@dataclass(frozen=True)
class Invocation:
    """What is sent when a batch endpoint is invoked, but for the marker.

    Args:
        endpoint_name: The endpoint; may be empty where a scoring URI is given.
        deployment_name: Empty for the endpoint's default.
        scoring_uri: Empty to look it up.
        properties: The body's ``properties``; a URI in it may hold a SAS.
        auto_outputs: Whether we choose where the output goes.
    """

    endpoint_name: str = ""
    deployment_name: str = ""
    scoring_uri: str = ""
    properties: dict[str, Any] = field(default_factory=dict, repr=False)
    auto_outputs: bool = False


def invocation(
    *,
    endpoint_name: str | None = None,
    scoring_uri: str | None = None,
    deployment_name: str | None = None,
    input: Any = None,  # noqa: A002  # the CLI's name
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | Literal["auto"] | None = None,
    experiment_name: str | None = None,
    job_overrides: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
) -> Invocation:
    """Check what a user says and turn it into what is sent.

    ``None`` means not given; a text that is empty or ``"None"`` is taken for a template that found nothing.

    Args:
        endpoint_name: 3 to 32 letters, digits and hyphens.
        scoring_uri: Of the endpoint, to save the look-up.
        deployment_name: Like the endpoint's name; default: the endpoint's default deployment.
        input: The one data input of a model deployment.
        inputs: Named inputs, see `inputs.input_data`.
        outputs: Named outputs, see `inputs.output_data`; ``"auto"`` has a model deployment write to a path of
            its own below the default datastore.
        experiment_name: Under which the job is listed.
        job_overrides: ``mini_batch_size``, ``instance_count``, ``error_threshold``, ``max_retries``,
            ``timeout`` (seconds), ``output_file_name``, ``logging_level``.
        tags: Of the job.
        properties: Of the job.

    Raises:
        InvalidInput: The service would refuse it.
    """
    if endpoint_name is None and scoring_uri is None:
        raise InvalidInput(
            "endpoint_name is None and scoring_uri is None.",
            fix="Give endpoint_name, or the endpoint's scoring_uri.",
        )
    if input is not None and inputs:
        raise InvalidInput(
            "input and inputs are both given.",
            fix="Give input (one, for model deployments) or inputs, not both.",
        )
    body: dict[str, Any] = {}
    if input is not None:
        body["InputData"] = single_input(input)
    elif inputs is not None and (data := input_data(inputs)):
        body["InputData"] = data
    auto_outputs = outputs == "auto"
    if outputs is not None and not auto_outputs and (places := output_data(outputs)):
        body["OutputData"] = places
    body |= _overrides(mapping("job_overrides", {} if job_overrides is None else job_overrides))
    body |= _labels(experiment_name, tags, properties)
    return Invocation(
        endpoint_name=_checked("endpoint_name", endpoint_name),
        deployment_name=_checked("deployment_name", deployment_name),
        scoring_uri=_uri(scoring_uri),
        properties=body,
        auto_outputs=auto_outputs,
    )


def _labels(experiment_name: Any, tags: Any, properties: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if tags is not None and (texts := _texts("tags", tags)):
        found["tags"] = texts
    if properties is not None and (texts := _texts("properties", properties)):
        found["properties"] = texts
    if experiment_name is not None:
        experiment = {"experimentName": _text("experiment_name", experiment_name)}
        found["properties"] = found.get("properties", {}) | experiment
    return found


def _text(field_name: str, value: Any) -> str:
    if not isinstance(value, str) or is_nothing(value):
        why = f" {RENDERED}" if is_nothing(value) else ""
        raise InvalidInput(f"{field_name} is {shown(value)}.{why}", fix="Give a text, or leave it out.")
    return value


def _checked(field_name: str, name: Any) -> str:
    if name is None:
        return ""
    if not _NAME.fullmatch(_text(field_name, name)):
        raise InvalidInput(
            f"{field_name} is {shown(name)}, which is not a name that Azure Machine Learning accepts.",
            fix="Use 3 to 32 letters, digits and hyphens, a letter first, no hyphen last.",
        )
    return str(name)


def _uri(scoring_uri: Any) -> str:
    """Check that jobs can be addressed below it; whether its host is right depends on the connection."""
    if scoring_uri is None:
        return ""
    text = _text("scoring_uri", scoring_uri).strip().rstrip("/")
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL("")
    if url.scheme not in ("https", "http") or not url.raw_host or url.userinfo or url.query or url.fragment:
        raise InvalidInput(
            f"scoring_uri is {shown(text)}, which is not the URL of a batch endpoint.",
            fix="Give it as the endpoint's details show it: https://ENDPOINT.REGION.inference.ml.azure.com/jobs.",
        )
    return text


def _texts(field_name: str, values: Any) -> dict[str, str]:
    return {
        _key(field_name, key): _scalar(field_name, key, value)
        for key, value in mapping(field_name, values).items()
    }


def _key(field_name: str, key: Any) -> str:
    if not isinstance(key, str) or is_nothing(key):
        raise InvalidInput(f"{field_name} has the name {shown(key)}.", fix="Give names that are texts.")
    return key


def _scalar(field_name: str, key: str, value: Any) -> str:
    if not isinstance(value, str | bool | int | float) or value == "None":
        why = f" {RENDERED}" if is_nothing(value) else ""
        raise InvalidInput(f"{field_name}[{key!r}] is {shown(value)}.{why}", fix="Give a text or a number.")
    try:
        return str(value)
    except ValueError:  # an integer of thousands of digits
        raise InvalidInput(f"{field_name}[{key!r}] is {shown(value)}.", fix="Give it as a text.") from None


def _integer(least: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        number = int(str(value))
        if number < least:
            raise ValueError(f"at least {least}")
        return number

    return read


def _duration(value: Any) -> str:
    """Return an ISO 8601 duration; the service wants whole seconds."""
    text = str(value)
    if _DURATION.fullmatch(text):
        return text
    return f"PT{_integer(1)(value)}S"


def _file_name(value: Any) -> str:
    if not isinstance(value, str) or is_nothing(value) or re.search(r"[/\\\x00-\x1f]", value):
        raise ValueError
    return value


def _level(value: Any) -> str:
    return _LEVELS[str(value).lower()]


# Override to its place in the body and how its value is read. Azure's guide lists the first six; the wire
# model of the data plane has the last one too.
_OVERRIDES: dict[str, tuple[tuple[str, ...], Callable[[Any], Any], str]] = {
    "mini_batch_size": (("miniBatchSize",), _integer(1), "an integer from 1"),
    "instance_count": (("compute", "instanceCount"), _integer(1), "an integer from 1"),
    "error_threshold": (("errorThreshold",), _integer(-1), "an integer from -1"),
    "max_retries": (("retrySettings", "maxRetries"), _integer(0), "an integer from 0"),
    "timeout": (("retrySettings", "timeout"), _duration, "whole seconds from 1"),
    "output_file_name": (("outputFileName",), _file_name, "a file name without a path"),
    "logging_level": (("loggingLevel",), _level, "info, warning or debug"),
}


def _overrides(values: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for key, value in values.items():
        if key not in _OVERRIDES:
            raise InvalidInput(
                f"job_overrides has {shown(key)}, which cannot be set for one job.",
                fix=f"Use {', '.join(_OVERRIDES)}.",
            )
        place, read, wanted = _OVERRIDES[key]
        try:
            wire = read(value)
        except (ValueError, KeyError):
            why = f" {RENDERED}" if is_nothing(value) else ""
            raise InvalidInput(
                f"job_overrides[{key!r}] is {shown(value)}.{why}", fix=f"Give {wanted}."
            ) from None
        inner = body
        for part in place[:-1]:
            inner = inner.setdefault(part, {})
        inner[place[-1]] = wire
    return body
