"""Versioned assets: codes, models, environments, data and components.

A version's content never changes: only description, tags, properties and ``isArchived`` do (text of the
refusal: the service's, for data). That it is refused with 409 is assumed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_batch_provider.emulator import wire
from airflow_batch_provider.emulator.arm import ASSET_KINDS
from airflow_batch_provider.emulator.batch import WORKSPACE
from airflow_batch_provider.emulator.errors import ServiceError, bad_request, not_found
from airflow_batch_provider.emulator.lifecycle import answers, call, names
from airflow_batch_provider.emulator.world import base_url

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_batch_provider.emulator.lifecycle.call import Call

_META = ("description", "tags", "properties", "isArchived", "isAnonymous")


@dataclass(frozen=True)
class _Form:
    """A kind of asset: its content, what it needs, and what it is called in errors."""

    noun: str
    content: tuple[str, ...]
    required: tuple[tuple[str, ...], ...]
    choices: tuple[tuple[str, tuple[str, ...]], ...] = ()


_FORMS = {
    "codes": _Form("code", ("codeUri",), (("codeUri",),)),
    "models": _Form(
        "model",
        ("modelUri", "modelType", "flavors", "jobName"),
        (("modelUri",),),
        (("modelType", ("custom_model", "mlflow_model", "triton_model")),),
    ),
    "environments": _Form(
        "environment",
        ("image", "condaFile", "build", "osType", "inferenceConfig"),
        (("image", "build"),),
        (("osType", ("Linux", "Windows")),),
    ),
    "data": _Form(
        "data",
        ("dataType", "dataUri", "referencedUris"),
        (("dataUri",), ("dataType",)),
        (("dataType", ("uri_folder", "uri_file", "mltable")),),
    ),
    "components": _Form("component", ("componentSpec",), (("componentSpec",),)),
}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "models": {"modelType": "custom_model", "flavors": {}},
    "environments": {"osType": "Linux", "condaFile": None, "image": None, "build": None},
}


def _put_version(kind: str) -> Any:
    async def answer(request: Request) -> Response:
        asked = await call.read(request)
        name, version = asked.path("name"), asked.path("version")
        names.check(kind, name)
        # A client makes the version of an anonymous asset from its content: a digest, long and no number.
        anonymous = wire.fold(asked.properties, _META).get("isAnonymous") is True
        names.check("anonymous versions" if anonymous else f"{kind}/versions", version)
        resources = asked.world.resources
        old = resources.get(f"{kind}/versions", asked.workspace, f"{name}/{version}")
        properties = _properties(asked, kind, old)
        body = {"properties": properties, "systemData": asked.system_data(old)}
        with asked.world.database.transaction():
            resources.put(f"{kind}/versions", asked.workspace, f"{name}/{version}", body)
            _count(asked, kind, name)
        shown = resources.get(f"{kind}/versions", asked.workspace, f"{name}/{version}")
        headers = {"Location": f"{base_url(request)}{request.url.path}"}
        return JSONResponse(shown, 200, None) if old else JSONResponse(shown, 201, headers)

    return answer


def _properties(asked: Call, kind: str, old: dict[str, Any] | None) -> dict[str, Any]:
    form = _FORMS[kind]
    given = wire.fold(asked.properties, (*form.content, *_META))
    for choice in form.required:
        if not any(given.get(key) for key in choice):
            raise bad_request(f"The field properties.{' or properties.'.join(choice)} is required.")
    for key, allowed in form.choices:
        _choose(given, key, allowed)
    properties = {
        "description": given.get("description"),
        "tags": asked.texts("tags", given),
        "properties": asked.texts("properties", given),
        "isArchived": bool(given.get("isArchived")),
        "isAnonymous": bool(given.get("isAnonymous")),
        **_DEFAULTS.get(kind, {}),
        **{key: value for key, value in given.items() if key not in _META and value is not None},
    }
    if kind == "components":
        _check_component(properties["componentSpec"])
    if old is not None:
        _refuse_other_content(form, old, properties)
    return properties | {"provisioningState": "Succeeded"}


def _choose(given: dict[str, Any], key: str, allowed: tuple[str, ...]) -> None:
    if given.get(key) is None:
        return
    found = next((one for one in allowed if one.lower() == str(given[key]).lower()), None)
    if found is None:
        raise bad_request(
            f"The value {given[key]!r} of properties.{key} must be one of {', '.join(allowed)}."
        )
    given[key] = found


def _check_component(spec: Any) -> None:
    if not isinstance(spec, dict) or str(spec.get("type")) not in {
        "command",
        "pipeline",
        "parallel",
        "spark",
    }:
        raise bad_request("properties.componentSpec must be an object whose type is command or pipeline.")


def _refuse_other_content(form: _Form, old: dict[str, Any], new: dict[str, Any]) -> None:
    before = old["properties"]
    changed = [key for key in form.content if before.get(key) != new.get(key)]
    if changed:
        raise ServiceError(
            409,
            f"A {form.noun} version with this name and version already exists. If you are trying to create a"
            f" new {form.noun} version, use a different name or version. If you are trying to update an"
            f" existing {form.noun} version, the existing asset's {', '.join(changed)} cannot be changed."
            " Only tags, description, and isArchived can be updated.",
            inner=("Conflict",),
        )


def _count(asked: Call, kind: str, name: str) -> None:
    """Bring the asset above its versions up to date: the version made last is its latest."""
    resources = asked.world.resources
    versions = resources.list(f"{kind}/versions", asked.workspace, name)
    if not versions:
        resources.remove(kind, asked.workspace, name)
        return
    latest = max(versions, key=lambda one: one["systemData"]["createdAt"])
    numbers = [int(one["name"]) for one in versions if one["name"].isdigit()]
    old = resources.get(kind, asked.workspace, name)
    properties: dict[str, Any] = {"description": None, "tags": {}, "properties": {}, "isArchived": False}
    properties |= (old or {}).get("properties") or {}
    properties |= {"latestVersion": latest["name"], "nextVersion": str(max(numbers, default=0) + 1)}
    if kind == "data":
        properties["dataType"] = latest["properties"]["dataType"]
    made = (old or {}).get("systemData") or asked.system_data(None)
    resources.put(kind, asked.workspace, name, {"properties": properties, "systemData": made})


def _delete_version(kind: str) -> Any:
    async def answer(request: Request) -> Response:
        asked = await call.read(request)
        name = f"{asked.path('name')}/{asked.path('version')}"
        if asked.world.resources.get(f"{kind}/versions", asked.workspace, name) is None:
            return answers.gone()
        with asked.world.database.transaction():
            asked.world.resources.remove(f"{kind}/versions", asked.workspace, name)
            _count(asked, kind, asked.path("name"))
        return Response(status_code=200)

    return answer


def _delete_all(kind: str) -> Any:
    async def answer(request: Request) -> Response:
        asked = await call.read(request)
        if asked.world.resources.get(kind, asked.workspace, asked.path("name")) is None:
            return answers.gone()
        asked.world.resources.remove(kind, asked.workspace, asked.path("name"))
        return Response(status_code=200)

    return answer


def _labelled(kind: str) -> Any:
    async def answer(request: Request) -> Response:
        asked = await call.read(request)
        name, label = asked.path("name"), asked.path("label")
        holder = asked.world.resources.get(kind, asked.workspace, name)
        version = holder["properties"]["latestVersion"] if holder and label.lower() == "latest" else None
        found = asked.world.resources.get(f"{kind}/versions", asked.workspace, f"{name}/{version}")
        if found is None:
            raise not_found(f"The label {label} of {kind}/{name} was not found.")
        return JSONResponse(found)

    return answer


async def start_pending_upload(request: Request) -> Response:
    """Answer where a client may put the files of a new code (form: the ARM specification)."""
    asked = await call.read(request)
    store = asked.world.resources.get("datastores", asked.workspace, "workspaceblobstore")
    account, container = (store or {})["properties"]["accountName"], asked.workspace.container
    folder = (
        f"{base_url(request)}/blob/{account}/{container}/code/{asked.path('name')}/{asked.path('version')}"
    )
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    reference = {
        "blobUri": folder,
        "storageAccountArmId": None,
        "credential": {
            "credentialType": "SAS",
            "sasUri": f"{folder}?sv=2021-08-06&sr=c&sp=rwdl&se={end}&sig=emulator",
        },
    }
    return JSONResponse(
        {
            "pendingUploadId": asked.body.get("pendingUploadId"),
            "pendingUploadType": "TemporaryBlobReference",
            "blobReferenceForConsumption": reference,
        }
    )


def _routes(kind: str) -> list[Route]:
    asset = f"{WORKSPACE}/{kind}/{{name}}"
    return [
        Route(asset, _delete_all(kind), methods=["DELETE"]),
        Route(f"{asset}/labels/{{label}}", _labelled(kind)),
        Route(f"{asset}/versions/labels/{{label}}", _labelled(kind)),
        Route(f"{asset}/versions/{{version}}", _put_version(kind), methods=["PUT"]),
        Route(f"{asset}/versions/{{version}}", _delete_version(kind), methods=["DELETE"]),
    ]


ROUTES = [
    *(route for kind in ASSET_KINDS for route in _routes(kind)),
    Route(
        f"{WORKSPACE}/codes/{{name}}/versions/{{version}}/startPendingUpload",
        start_pending_upload,
        methods=["POST"],
    ),
]
