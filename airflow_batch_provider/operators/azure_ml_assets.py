"""Operators that register code, models, environments and data; `operators.azure_ml` exports them."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.operators.azure_ml_resources import COMMON, AzureMLCreateOperator, is_literal

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batch_provider.hooks.azure_ml import AzureMLHook
    from airflow_batch_provider.hooks.uploads import Kind, Uploaded

_SAID = ("description", "tags", "properties", "extra_properties")
_DIGITS = 16
_DIGITS_OF_NUMBERS = 13  # 52 bits: what reads numbers as floating point reads these right.
_SOMEWHERE = "https://uploaded.example/folder"
_JSON = dict.fromkeys(("tags", "properties", "extra_properties"), "json")


class _RegisterOperator(AzureMLCreateOperator):
    """Base of those that register a version of something."""

    stand_ins: ClassVar[Mapping[str, Any]] = {"name": "name", "version": "1"}

    def __init__(
        self,
        *,
        name: str,
        version: str | int | None = None,
        description: str | None = None,
        tags: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
        extra_properties: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.version = version
        self.description = description
        self.tags = tags
        self.properties = properties
        self.extra_properties = extra_properties

    def _resource(self, resources: Any, said: dict[str, Any]) -> Any:
        described = getattr(resources, self._kind())
        return described(said.pop("name"), said.pop("version"), **said)

    @classmethod
    @abstractmethod
    def _kind(cls) -> str:
        """Return what is registered, as the hook's resources call it."""


class _RegisterPathOperator(_RegisterOperator):
    """Base of those that register files, which may be on this machine."""

    def __init__(self, *, path: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.path = path

    def _literals(self) -> dict[str, Any]:
        from airflow_batch_provider.hooks.azure_ml_resources import Resources

        said = super()._literals()
        # A local path is looked for where the task runs.
        known = is_literal(self.path) and not Resources.is_local(self.path)
        return said if known else self._at(said, _SOMEWHERE, "1", is_folder=True)

    def _resource(self, resources: Any, said: dict[str, Any]) -> Any:
        if said["version"] is None:
            raise InvalidInput(
                "version is None, and path is a URI.",
                fix="Give a version; only that of a local path can be made from its content.",
            )
        return super()._resource(resources, said)

    def _flow(self, resources: Any, said: Mapping[str, Any]) -> Any:
        wanted = self._resource(resources, dict(said))
        return resources.ensure(wanted, if_exists=self.if_exists, by_content=self.version is None)

    def _begin(self, context: Context, hook: AzureMLHook) -> Any:
        from airflow_batch_provider.hooks import uploads
        from airflow_batch_provider.operators.files import search_path

        local = uploads.local_path(self.path, search_path(self), type=self._wanted())
        if local is None:
            return super()._begin(context, hook)
        said = self._said(context)
        # What is wrong with the rest is told before hours are spent on an upload.
        self._flow(hook.resources, self._at(said, _SOMEWHERE, "1", is_folder=True))
        kind: Kind = self._kind()  # type: ignore[assignment]  # one of them
        there = uploads.upload(hook, local, kind=kind, log=self.log.info)
        return hook.run(self._flow(hook.resources, self._uploaded(said, there)))

    def _wanted(self) -> str | None:
        """Return ``uri_folder`` or ``uri_file``, if a local path must be one."""
        return None

    def _uploaded(self, said: dict[str, Any], there: Uploaded) -> dict[str, Any]:
        return self._at(said, there.uri, self._version_by(there.digest), is_folder=there.is_folder)

    @classmethod
    def _version_by(cls, digest: str) -> str:
        """Return the version of a content."""
        return digest[:_DIGITS]

    def _at(self, said: dict[str, Any], uri: str, version: str, *, is_folder: bool) -> dict[str, Any]:  # noqa: ARG002  # for data
        """Return what is said, of a path that was uploaded."""
        return said | {"path": uri, "version": version if said["version"] is None else said["version"]}


class AzureMLRegisterCodeOperator(_RegisterPathOperator):
    """Register a version of a folder with a scoring script, uploading it if it is on this machine.

    A version never changes: other content needs another version. Content that was uploaded before is not sent
    again.

    Args:
        name: 1 to 255 letters, digits, ``-``, ``_`` and ``.``.
        path: A local folder, or its https URL in the workspace's storage. Relative paths start at the DAG
            file's folder. What its ``.amlignore``, or without one its ``.gitignore``, names is left out.
        version: Default: of a local path, the first 16 digits of the SHA-256 of its content, so that the
            same content is the same version.
        description: Of the code.
        tags: Of the version.
        properties: Of the version.
        extra_properties: Merged into the body's ``properties``, for what a newer api-version takes.
        **kwargs: As of `AzureMLCreateOperator`.

    Returns (XCom):
        The version as the service describes it; besides, ``id`` is pushed, which a deployment takes as
        ``code``.
    """

    title = "code {name!r}"
    fields = ("name", "version", "path", *_SAID)
    template_fields = (*fields, "if_exists", *COMMON)
    template_fields_renderers = _JSON

    def __init__(self, *, name: str, path: str, version: str | int | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, path=path, version=version, **kwargs)
        self._check_literals()

    @classmethod
    def _kind(cls) -> str:
        return "code"

    def _wanted(self) -> str:
        return "uri_folder"

    def _uploaded(self, said: dict[str, Any], there: Uploaded) -> dict[str, Any]:
        return super()._uploaded(said, there) | {"path": there.blob_url, "content_hash": there.digest}


class AzureMLRegisterModelOperator(_RegisterPathOperator):
    """Register a version of a model, uploading it if it is on this machine.

    A version never changes: other content needs another version. Content that was uploaded before is not sent
    again.

    Args:
        name: 1 to 255 letters, digits, ``-``, ``_`` and ``.``.
        path: A local file or folder, or one on a datastore (``azureml://…``), also of another job's output.
            Relative paths start at the DAG file's folder.
        version: An integer from 1. Default: of a local path, the first 52 bits of the SHA-256 of its content,
            so that the same content is the same version.
        type: ``custom_model`` (the service's default), ``mlflow_model`` or ``triton_model``.
        flavors: Of an MLflow model.
        description: Of the model.
        tags: Of the version.
        properties: Of the version.
        extra_properties: Merged into the body's ``properties``, for what a newer api-version takes.
        **kwargs: As of `AzureMLCreateOperator`.

    Returns (XCom):
        The version as the service describes it; besides, ``id`` is pushed, which a deployment takes as
        ``model``.
    """

    title = "model {name!r}"
    fields = ("name", "version", "path", "type", "flavors", *_SAID)
    template_fields = (*fields, "if_exists", *COMMON)
    template_fields_renderers = _JSON | {"flavors": "json"}

    def __init__(
        self,
        *,
        name: str,
        path: str,
        version: str | int | None = None,
        type: str | None = None,  # noqa: A002  # the CLI's name
        flavors: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, path=path, version=version, **kwargs)
        self.type = type
        self.flavors = flavors
        self._check_literals()

    @classmethod
    def _kind(cls) -> str:
        return "model"

    @classmethod
    def _version_by(cls, digest: str) -> str:
        return str(int(digest[:_DIGITS_OF_NUMBERS], 16))


class AzureMLRegisterDataOperator(_RegisterPathOperator):
    """Register a version of a data asset, uploading it if it is on this machine.

    A version never changes: other content needs another version. Content that was uploaded before is not sent
    again.

    Args:
        name: 1 to 255 letters, digits, ``-``, ``_`` and ``.``.
        path: A local file or folder, or where it is: on a datastore, in a storage account, or public.
            Relative paths start at the DAG file's folder.
        version: At most 30 characters. Default: of a local path, the first 16 digits of the SHA-256 of its
            content, so that the same content is the same version.
        type: ``uri_folder`` or ``uri_file``; default: what a local path is, else ``uri_folder``.
        description: Of the data.
        tags: Of the version.
        properties: Of the version.
        extra_properties: Merged into the body's ``properties``, for what a newer api-version takes.
        **kwargs: As of `AzureMLCreateOperator`.

    Returns (XCom):
        The version as the service describes it; besides, ``id`` is pushed, which an input of a batch endpoint
        takes.
    """

    title = "data asset {name!r}"
    fields = ("name", "version", "path", "type", *_SAID)
    template_fields = (*fields, "if_exists", *COMMON)
    template_fields_renderers = _JSON

    def __init__(
        self,
        *,
        name: str,
        path: str,
        version: str | int | None = None,
        type: str | None = None,  # noqa: A002  # the CLI's name
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, path=path, version=version, **kwargs)
        self.type = type
        self._check_literals()

    @classmethod
    def _kind(cls) -> str:
        return "data"

    def _wanted(self) -> str | None:
        return self.type

    def _resource(self, resources: Any, said: dict[str, Any]) -> Any:
        return super()._resource(resources, said | {"type": said["type"] or "uri_folder"})

    def _at(self, said: dict[str, Any], uri: str, version: str, *, is_folder: bool) -> dict[str, Any]:
        kind = "uri_folder" if is_folder else "uri_file"
        return super()._at(said, uri, version, is_folder=is_folder) | {"type": said["type"] or kind}


class AzureMLRegisterEnvironmentOperator(_RegisterOperator):
    """Register a version of an environment: an image, with a conda file on top of it, or a build context.

    A version never changes: other content needs another version.

    Args:
        name: 1 to 255 letters, digits, ``-``, ``_`` and ``.``.
        version: Of the environment.
        image: A container image. Give this or *build_context*.
        conda_file: A YAML or JSON file, whose templates are rendered (relative paths start at the DAG file's
            folder), what such a file says as a mapping, or its text.
        build_context: URI of the folder that an image is built from.
        dockerfile_path: In that folder; the service's default is ``Dockerfile``.
        os_type: ``Linux`` or ``Windows``.
        description: Of the environment.
        tags: Of the version.
        properties: Of the version.
        extra_properties: Merged into the body's ``properties``, for what a newer api-version takes.
        **kwargs: As of `AzureMLCreateOperator`.

    Returns (XCom):
        The version as the service describes it; besides, ``id`` is pushed, which a deployment takes as
        ``environment``.
    """

    title = "environment {name!r}"
    fields = (
        "name",
        "version",
        "image",
        "conda_file",
        "build_context",
        "dockerfile_path",
        "os_type",
        *_SAID,
    )
    stand_ins: ClassVar[Mapping[str, Any]] = {
        **_RegisterOperator.stand_ins,
        "image": "image",
        "build_context": "https://context.example/folder",
    }
    template_fields = (*fields, "if_exists", *COMMON)
    template_fields_renderers = _JSON | {"conda_file": "json"}

    def __init__(
        self,
        *,
        name: str,
        version: str | int,
        image: str | None = None,
        conda_file: str | Mapping[str, Any] | None = None,
        build_context: str | None = None,
        dockerfile_path: str | None = None,
        os_type: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, version=version, **kwargs)
        self.image = image
        self.conda_file = conda_file
        self.build_context = build_context
        self.dockerfile_path = dockerfile_path
        self.os_type = os_type
        self._check_literals()

    @classmethod
    def _kind(cls) -> str:
        return "environment"

    def _said(self, context: Context) -> dict[str, Any]:
        from airflow_batch_provider.operators.files import text_from_file

        return super()._said(context) | {"conda_file": text_from_file(self, "conda_file", context)}

    def _resource(self, resources: Any, said: dict[str, Any]) -> Any:
        conda = said["conda_file"]
        text = json.dumps(conda) if isinstance(conda, Mapping) else conda
        return super()._resource(resources, said | {"conda_file": text})
