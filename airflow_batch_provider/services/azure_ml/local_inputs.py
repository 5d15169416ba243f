"""Inputs that name local paths, to be uploaded before the service can read them.

Source: how ``az ml batch-endpoint invoke`` takes ``--input`` and the inputs of its YAML files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.services.azure_ml import uris
from airflow_batch_provider.services.azure_ml.inputs import described_path
from airflow_batch_provider.values import is_nothing, shown

_FOLDER, _FILE = "uri_folder", "uri_file"
_MARKS = ("./", "../", "file:")


@dataclass(frozen=True)
class LocalInput:
    """A local path that an input names.

    Args:
        name: How messages call it.
        path: As it was written.
        type: Of the input, as the user said; empty if nothing was said.
        options: Further keys of the input.
    """

    name: str
    path: str
    type: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def check(self, *, is_folder: bool) -> None:
        """Make sure that the type fits what is there.

        Raises:
            InvalidInput: It does not.
        """
        there, wanted = (_FOLDER, _FILE) if is_folder else (_FILE, _FOLDER)
        if self.type == wanted:
            kind = "a folder" if is_folder else "a file"
            raise InvalidInput(
                f"{self.name} has the type {wanted}, but {shown(self.path)} is {kind}.",
                fix=f"Say type: {there}, or give another path.",
            )

    def at(self, uri: str, *, is_folder: bool) -> dict[str, Any]:
        """Return the input as it is when its path was uploaded to *uri*."""
        kind = self.type or (_FOLDER if is_folder else _FILE)
        return {**self.options, "type": kind, "path": uri}


def local_input(value: Any, name: str, exists: Callable[[str], bool], *, literal: bool) -> LocalInput | None:
    """Return the local path that an input names, if it names one.

    In a mapping, whatever is no URI is a local path, as in the CLI's YAML. A plain text is one if it begins
    with ``./``, ``../`` or ``file:``, or if there is such a path; but where it can also be a literal, a path
    without any of these must be absolute.

    Args:
        value: The input, as for `inputs.input_data`.
        name: How messages call it.
        exists: Says whether there is such a path.
        literal: Whether a plain text can be a literal.

    Raises:
        InvalidInput: It is a URI that fits no form.
    """
    if isinstance(value, Mapping):
        return _in_mapping(value, name)
    if not isinstance(value, str) or is_nothing(value):
        return None
    text = value.strip()
    if text.startswith(_MARKS) or text in (".", ".."):
        return LocalInput(name, text)
    if literal and not text.startswith("/"):
        return None
    return LocalInput(name, text) if is_local(text, name) and exists(text) else None


def _in_mapping(value: Mapping[Any, Any], name: str) -> LocalInput | None:
    kind, path, options = described_path(value, name)
    if not isinstance(path, str) or is_nothing(path) or not is_local(path.strip(), f"{name}.path"):
        return None
    return LocalInput(name, path.strip(), kind, options)


def is_local(text: str, name: str) -> bool:
    """Say whether a text names a local path.

    Args:
        text: A path or a URI.
        name: How messages call it.

    Raises:
        InvalidInput: It is a URI that fits no form.
    """
    return text.startswith("file:") or uris.parse(text, name).kind == "local"


@dataclass(frozen=True)
class Inputs:
    """What an operator's two arguments for inputs say, with the local paths among it.

    Args:
        input: The one input of a model deployment.
        inputs: Inputs by name.
        local: The local paths: by name of the input, or ``None`` for the one.
    """

    input: Any
    inputs: Any
    local: Mapping[Any, LocalInput]

    @classmethod
    def read(cls, one: Any, named: Any, exists: Callable[[str], bool]) -> Inputs:
        """Find the local paths.

        Args:
            one: The one input of a model deployment, or ``None``.
            named: Inputs by name, or ``None``.
            exists: Says whether there is such a path.

        Raises:
            InvalidInput: A URI fits no form.
        """
        found = {None: local_input(one, "input", exists, literal=False)}
        if isinstance(named, Mapping):
            for key, value in named.items():
                found[key] = local_input(value, f"inputs[{key!r}]", exists, literal=True)
        return cls(one, named, {key: local for key, local in found.items() if local is not None})

    def at(self, put: Callable[[LocalInput], Mapping[str, Any]]) -> Inputs:
        """Return them with the local paths replaced by what *put* returns for each."""
        if not self.local:
            return self
        placed = {key: put(local) for key, local in self.local.items()}
        one = placed.pop(None, self.input)
        return replace(self, input=one, inputs={**self.inputs, **placed} if placed else self.inputs, local={})
