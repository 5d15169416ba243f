"""From the shape that ``az ml batch-endpoint invoke`` takes to the body that the batch data plane takes.

Sources: the CLI's YAML reference for jobs and inputs, the REST guide, and request bodies that azure-ai-ml
sends. Keys are written in PascalCase as in the REST guide; the service takes any case.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.services.azure_ml import uris
from airflow_batch_provider.values import RENDERED, is_nothing, mapping, shown

_DATA_TYPES = {"uri_folder": "UriFolder", "uri_file": "UriFile"}
_MODEL_TYPES = {"custom_model": "CustomModel", "mlflow_model": "MLFlowModel", "triton_model": "TritonModel"}
_LITERAL_TYPES = {
    "string": str,
    "boolean": bool,
    "float": float,
    "number": float,
    "integer": int,
}
_INPUT_TYPES = (*_DATA_TYPES, *_MODEL_TYPES, *_LITERAL_TYPES)
_V1_TYPES = {"dataset", "filedataset", "tabulardataset", "datasetversion", "datasetid"}
_INPUT_MODES = {
    "ro_mount": "ReadOnlyMount",
    "rw_mount": "ReadWriteMount",
    "download": "Download",
    "direct": "Direct",
    "eval_mount": "EvalMount",
    "eval_download": "EvalDownload",
}
_OUTPUT_MODES = {"rw_mount": "ReadWriteMount", "upload": "Upload"}
_INPUT_KEYS = ("type", "path", "uri", "default", "value", "mode", "description")
_OUTPUT_KEYS = ("type", "path", "uri", "mode", "description")
_KEY = re.compile(r"[A-Za-z0-9_]+")
_PLACE_FIX = "Give azureml://datastores/DATASTORE/paths/PATH."
_INT64 = 2**63  # The service reads numbers into 64 bits.


def input_data(inputs: Any) -> dict[str, dict[str, Any]]:
    """Turn named inputs into ``InputData``.

    Args:
        inputs: Mapping of a name to a URI, a literal's value, or a mapping with ``type`` and ``path`` (data)
            or ``default`` or ``value`` (literal), as in the CLI's YAML.

    Raises:
        InvalidInput: A name or a value that the service would refuse.
    """
    named = mapping("inputs", inputs)
    return {_name(key, "inputs"): _input(value, f"inputs[{key!r}]") for key, value in named.items()}


def single_input(value: Any) -> dict[str, dict[str, Any]]:
    """Turn the one input of a model deployment into ``InputData``; its name is ignored by the service.

    Raises:
        InvalidInput: It is a literal, or cannot be sent.
    """
    wire = _input(value, "input")
    if wire["JobInputType"] == "Literal":
        raise InvalidInput(
            f"input is {shown(value)}, a literal; a model deployment takes one data input.",
            fix="Give a URI, or pass literals by name in inputs to a pipeline component deployment.",
        )
    return {wire["JobInputType"]: wire}


def output_data(outputs: Any) -> dict[str, dict[str, Any]]:
    """Turn named outputs into ``OutputData``.

    Args:
        outputs: Mapping of a name to a datastore URI, or to a mapping with ``path`` and optionally ``type``
            (``uri_file``, or ``uri_folder`` where a pipeline declares one), ``mode`` and ``description``.

    Raises:
        InvalidInput: A name, or a place that is not on a datastore.
    """
    named = mapping("outputs", outputs)
    return {_name(key, "outputs"): _output(value, f"outputs[{key!r}]") for key, value in named.items()}


def described_path(value: Mapping[Any, Any], field: str) -> tuple[str, Any, dict[str, Any]]:
    """Take apart an input that is written as a mapping.

    Returns:
        Its type if one is given, its path or URI (``None`` for a literal), and its other keys.

    Raises:
        InvalidInput: A key or the type that means nothing.
    """
    given = _keys(value, field, _INPUT_KEYS)
    kind = _input_kind(given, field)
    path = _first(given, "path", "uri")
    if kind in _LITERAL_TYPES or kind == "literal":
        path = None
    options = {key: item for key, item in given.items() if key not in ("type", "path", "uri")}
    return kind if given.get("type") is not None else "", path, options


def _name(key: Any, field: str) -> str:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise InvalidInput(
            f"{field} has the name {shown(key)}, which the service does not accept.",
            fix="Use letters, digits and underscores.",
        )
    return key


def _input(value: Any, field: str) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return _described(value, field)
    if is_nothing(value):
        meant = ' If this text is meant, write {"type": "string", "default": "None"}.' if value else ""
        raise InvalidInput(
            f"{field} is {shown(value)}. {RENDERED}", fix=f"Give a URI or a literal, or leave it out.{meant}"
        )
    if isinstance(value, str) and uris.looks_like_data(value):
        return {"JobInputType": "UriFolder", "Uri": _data_uri(value, field)}
    return {"JobInputType": "Literal", "Value": _literal(value, field, "literal")}


def _described(value: Mapping[Any, Any], field: str) -> dict[str, Any]:
    given = _keys(value, field, _INPUT_KEYS)
    kind = _input_kind(given, field)
    path = _first(given, "path", "uri")
    if kind in _LITERAL_TYPES or kind == "literal":
        literal = _first(given, "default", "value", "path", "uri")
        return {"JobInputType": "Literal", "Value": _literal(literal, field, kind)}
    wire = {
        "JobInputType": {**_DATA_TYPES, **_MODEL_TYPES}[kind],
        "Uri": _data_uri(_path(path, field, f"Give it a URI; {uris.FORMS}"), f"{field}.path"),
    }
    return wire | _options(given, field, _INPUT_MODES)


def _keys(value: Mapping[Any, Any], field: str, known: tuple[str, ...]) -> dict[str, Any]:
    """Return the mapping with its keys in one spelling: ``JobInputType``, ``jobInputType`` and ``type``."""
    given: dict[str, Any] = {}
    for key, item in value.items():
        plain = str(key).lower()
        plain = "type" if plain in ("jobinputtype", "joboutputtype") else plain
        if plain.replace("_", "") in ("datasetname", "datasetid", "datasetversion", "datainputtype"):
            raise InvalidInput(f"{field} has {shown(key)}: it describes a V1 dataset.", fix=uris.V1_FIX)
        if plain not in known:
            raise InvalidInput(f"{field} has {shown(key)}, which means nothing here.", fix=_use(known))
        given[plain] = item
    return given


def _first(given: Mapping[str, Any], *keys: str) -> Any:
    return next((given[key] for key in keys if given.get(key) is not None), None)


def _input_kind(given: Mapping[str, Any], field: str) -> str:
    if given.get("type") is None:
        return "literal" if {"default", "value"} & set(given) else "uri_folder"
    plain = _plain(given["type"])
    if plain == "mltable":
        fix = "Batch endpoints do not read tables: give the folder or the file that it lists."
    elif plain in _V1_TYPES:
        fix = uris.V1_FIX
    else:
        fix = _use(_INPUT_TYPES)
    return _kind(given["type"], field, (*_INPUT_TYPES, "literal"), fix)


def _kind(kind: Any, field: str, known: tuple[str, ...], fix: str) -> str:
    found = {_plain(name): name for name in known}.get(_plain(kind))
    if found is None:
        raise InvalidInput(
            f"{field} has the type {shown(kind)}, which a batch endpoint does not take.", fix=fix
        )
    return found


def _plain(kind: Any) -> str:
    """Reduce ``UriFolder`` and ``uri_folder`` to one spelling."""
    return kind.strip().lower().replace("_", "") if isinstance(kind, str) else ""


def _use(words: tuple[str, ...]) -> str:
    return f"Use one of {', '.join(words)}."


def _options(given: Mapping[str, Any], field: str, modes: Mapping[str, str]) -> dict[str, str]:
    options: dict[str, str] = {}
    mode = given.get("mode")
    if mode is not None:
        wire = {**modes, **{name: name for name in modes.values()}}.get(str(mode))
        if wire is None:
            raise InvalidInput(f"{field} has the mode {shown(mode)}.", fix=_use(tuple(modes)))
        options["Mode"] = wire
    if given.get("description"):
        options["Description"] = str(given["description"])
    return options


def _literal(value: Any, field: str, kind: str) -> Any:
    if not isinstance(value, str | bool | int | float):
        raise InvalidInput(
            f"{field} has the value {shown(value)}, which is no literal.",
            fix="Give a string, boolean, float or integer.",
        )
    try:
        found = _converted(value, _LITERAL_TYPES.get(kind))
    except (ValueError, TypeError, KeyError, OverflowError):
        raise InvalidInput(
            f"{field} has the value {shown(value)}, which is not of its type {kind}.",
            fix="Change the value or the type.",
        ) from None
    if isinstance(found, float) and not math.isfinite(found):
        raise InvalidInput(
            f"{field} has the value {shown(value)}, which JSON cannot carry.", fix="Give a finite number."
        )
    if isinstance(found, int) and not -_INT64 <= found < _INT64:
        raise InvalidInput(
            f"{field} has the value {shown(value)}, more than 64 bits.", fix="Pass it as a string."
        )
    return found


def _converted(value: Any, kind: type | None) -> Any:
    """Convert what a template rendered to text; never lose a part of a number."""
    if kind is None or type(value) is kind:
        return value
    if kind is str:
        return str(value)
    if kind is bool:
        return {"true": True, "false": False}[str(value).strip().lower()]
    if isinstance(value, bool):
        raise TypeError
    if kind is int:
        return int(value) if isinstance(value, float) and value.is_integer() else int(str(value))
    return float(value)


def _path(path: Any, field: str, fix: str) -> str:
    if not isinstance(path, str) or is_nothing(path):
        why = f" {RENDERED}" if is_nothing(path) else ""
        raise InvalidInput(f"{field} has the path {shown(path)}.{why}", fix=fix)
    return path


def _data_uri(text: str, field: str) -> str:
    uri = uris.parse(text, field)
    if uri.kind == "local":
        raise InvalidInput(
            f"{field} is the local path {shown(text)}, which the service cannot read.",
            fix="Upload it to a datastore and give its URI; " + uris.FORMS,
        )
    return uri.text


def _output(value: Any, field: str) -> dict[str, Any]:
    given = _keys(value if isinstance(value, Mapping) else {"path": value}, field, _OUTPUT_KEYS)
    path = _path(_first(given, "path", "uri"), field, _PLACE_FIX)
    uri = uris.parse(path, f"{field}.path")
    if uri.kind != "datastore":
        raise InvalidInput(
            f"{field}.path is {shown(uri.text)}; outputs can be written only to a registered blob datastore.",
            fix=_PLACE_FIX,
        )
    known = tuple(_DATA_TYPES)
    kind = _kind("uri_file" if given.get("type") is None else given["type"], field, known, _use(known))
    return {"JobOutputType": _DATA_TYPES[kind], "Uri": uri.text} | _options(given, field, _OUTPUT_MODES)
