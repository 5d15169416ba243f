"""Datasets and jobs of Azure Machine Learning, as OpenLineage is told of them.

OpenLineage has rules for blobs and for Data Lake Storage, but none for what a workspace knows by a name of
its own: datastores and data assets are named by the workspace and their long ``azureml://`` URI. Its rule for
blobs puts ``dfs`` into their host, where no ``wasbs`` URI is valid; they are named by their own host here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from airflow_batch_provider import assets
from airflow_batch_provider.jobs import JobRef
from airflow_batch_provider.lineage.names import DatasetName, in_store, on_the_web, on_this_machine
from airflow_batch_provider.services.azure_ml import uris
from airflow_batch_provider.services.azure_ml.inputs import input_data, single_input
from airflow_batch_provider.services.azure_ml.uris import DataUri

# Workspace and datastore to the stores that it is: namespace, and what stands before a path in it.
_Roots: TypeAlias = dict[tuple[str, str], list[tuple[str, str]]]

_SCHEMES = {"dfs": "abfss", "blob": "wasbs"}
_KINDS = {"CustomModel": "models", "MLFlowModel": "models", "TritonModel": "models"}
_PROVIDER = "/providers/Microsoft.MachineLearningServices"
_ROOTS = ("subscriptions", "locations", "registries")
_LONG = re.compile(
    r"(?P<where>azureml://(?:subscriptions/[^/]+/resourcegroups/[^/]+/workspaces/[^/]+"
    r"|locations/[^/]+/workspaces/[^/]+|registries/[^/]+))/(?P<what>.+)"
)
_ON_DATASTORE = re.compile(r"(?P<root>datastores/[^/]+/paths/)(?P<path>.*)")


def read_by(one: Any, named: Any, local: Iterable[str], workspace: str) -> list[DatasetName]:
    """Return the datasets that a job reads.

    Args:
        one: The one input of a model deployment, or ``None``; no local path.
        named: Inputs by name, likewise.
        local: Absolute local paths that are uploaded as inputs.
        workspace: Its ARM id; empty where it is not known: then data that only it knows is left out.

    Raises:
        InvalidInput: An input cannot be one.
    """
    wire = {**(single_input(one) if one is not None else {}), **input_data(named or {})}
    told = [
        named_by(data["Uri"], workspace, _KINDS.get(data["JobInputType"], "data"))
        for data in wire.values()
        if "Uri" in data
    ]
    return [*(on_this_machine(path) for path in local), *(name for name in told if name is not None)]


def written_to(places: Mapping[str, Mapping[str, str]], workspace: str) -> list[DatasetName]:
    """Return the datasets that a job wrote, by the storage they are in, with their other names.

    Args:
        places: Its outputs, see `jobs.Job`.
        workspace: Its ARM id, or empty.
    """
    found = []
    for place in places.values():
        texts = [place[form] for form in ("url", "abfss", "uri") if place.get(form)]
        names = [name for text in texts if (name := named_by(text, workspace)) is not None]
        if uris.parse(place["uri"], "uri").kind == "storage":
            names.insert(0, names.pop())
        others = tuple(name for name in dict.fromkeys(names[1:]) if name != names[0])
        found.append(replace(names[0], aliases=others))
    return found


def with_storage(read: Iterable[DatasetName], written: Iterable[DatasetName]) -> list[DatasetName]:
    """Return what a job read, with the storage as another name where it wrote to the same datastore."""
    roots: _Roots = {}
    for place in written:
        for alias in place.aliases:
            on = _ON_DATASTORE.fullmatch(alias.name)
            for known in (place, *place.aliases):
                if on and known != alias and known.name.endswith(on["path"]):
                    root = known.name.removesuffix(on["path"])
                    roots.setdefault((alias.namespace, on["root"]), []).append((known.namespace, root))
    return [replace(name, aliases=_through(roots, name)) for name in read]


def _through(roots: _Roots, name: DatasetName) -> tuple[DatasetName, ...]:
    on = _ON_DATASTORE.fullmatch(name.name)
    known = roots.get((name.namespace, on["root"]), []) if on else []
    return tuple(in_store(namespace, root + (on["path"] if on else "")) for namespace, root in known)


def facts(ref: JobRef | None, said: Mapping[str, Any], workspace: str) -> dict[str, str]:
    """Return what is told of a job, besides what is told of every job.

    Args:
        ref: The job, once there is one.
        said: The operator's arguments.
        workspace: Its ARM id, or empty.
    """
    place = ref.place if ref else {}
    return {
        "endpoint": place.get("endpoint") or str(said.get("endpoint_name") or ""),
        "deployment": place.get("deployment") or str(said.get("deployment_name") or ""),
        "model": place.get("model", ""),
        "workspace": workspace,
    }


def named_by(text: str, workspace: str, kind: str = "data") -> DatasetName | None:
    """Return the name of what a URI names.

    Args:
        text: A data URI, which may hold a SAS.
        workspace: The ARM id of the workspace that a short ``azureml:`` URI is about, or empty.
        kind: ``data`` or ``models``: of which kind an asset named by a short URI is.

    Returns:
        The name; ``None`` for a short ``azureml:`` URI without a workspace.

    Raises:
        InvalidInput: It is no data URI.
    """
    uri = uris.parse(text, "uri")
    if uri.kind == "storage":
        return _in_storage(uri)
    if uri.kind == "web":
        return on_the_web(uri.text)
    if uri.kind == "local":
        return on_this_machine(uri.text)
    return _in_workspace(uri.text, workspace, kind)


def _in_storage(uri: DataUri) -> DatasetName:
    scheme, _, rest = uri.text.lower().partition("://")
    if uris.is_ip(uri.suffix):
        host, _, below = uri.suffix.partition("/")
        path = "/".join(part for part in (below, uri.account, uri.container, uri.path) if part)
        return in_store(f"{scheme}://{host}", path)
    is_lake = scheme.startswith("abfs") or f".dfs.{uri.suffix.lower()}" in rest.partition("/")[0]
    kind = "dfs" if is_lake else "blob"
    host = f"{uri.account}.{kind}.{uri.suffix}".lower()
    return in_store(f"{_SCHEMES[kind]}://{uri.container}@{host}", uri.path)


def _in_workspace(text: str, workspace: str, kind: str) -> DatasetName | None:
    plain = re.sub(r"(?i)^azureml:", "", text).strip("/")
    short = re.fullmatch(r"(?P<name>[^/:@]+)(?P<sign>[:@])(?P<version>[^/:@]+)", plain)
    if short:
        word = "versions" if short["sign"] == ":" else "labels"
        plain = f"{kind}/{short['name']}/{word}/{short['version']}"
    if plain.partition("/")[0].lower() not in _ROOTS:
        if not workspace:
            return None
        plain = f"{workspace.strip('/')}/{plain}"
    return long_name(assets.azureml(urlsplit(f"azureml://{plain}")).geturl())


def long_name(uri: str) -> DatasetName | None:
    """Return the name of what a normalised, long ``azureml://`` URI names, or ``None`` if it is not long."""
    found = _LONG.fullmatch(uri.replace(_PROVIDER, "", 1).replace("/versions/labels/", "/labels/"))
    return in_store(found["where"], found["what"]) if found else None
