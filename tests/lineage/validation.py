"""Whether an event is one that OpenLineage's own client could have made, facet by facet."""

from __future__ import annotations

import inspect
import json
from enum import Enum
from importlib.resources import files
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import attr
from jsonschema import Draft202012Validator
from openlineage.client import facet_v2
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.generated.base import BaseFacet
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from airflow_batch_provider.lineage.facets import KEY

_OURS = json.loads(
    (files("airflow_batch_provider.lineage") / "AirflowBatchProviderJobRunFacet.json").read_text()
)
_SPEC = {"$defs": {"RunFacet": {"type": "object", "required": ["_producer", "_schemaURL"]}}}
_REGISTRY = Registry().with_resources(
    [
        (_OURS["$id"], DRAFT202012.create_resource(_OURS)),
        ("https://openlineage.io/spec/2-0-2/OpenLineage.json", DRAFT202012.create_resource(_SPEC)),
    ]
)
_STANDARD = {
    kind._get_schema(): kind
    for module in vars(facet_v2).values()
    if inspect.ismodule(module)
    for kind in vars(module).values()
    if inspect.isclass(kind) and issubclass(kind, BaseFacet) and "/facets/" in kind._get_schema()
}


def check(event: dict[str, Any]) -> None:
    """Fail unless the event can be read back with the client's classes, and each facet by its schema."""
    run, job = event["run"], event["job"]
    RunEvent(
        eventType=RunState[event["eventType"]],
        eventTime=event["eventTime"],
        run=Run(run["runId"], facets=run["facets"]),
        job=Job(job["namespace"], job["name"], facets=job["facets"]),
        inputs=[InputDataset(**data) for data in event["inputs"]],
        outputs=[OutputDataset(**data) for data in event["outputs"]],
        producer=event["producer"],
    )
    assert event["schemaURL"] == RunEvent._get_schema()
    for data in (*event["inputs"], *event["outputs"]):
        assert data["namespace"], data
        assert data["name"], data
    holders = [run, job, *event["inputs"], *event["outputs"]]
    for key, facet in [pair for holder in holders for pair in holder.get("facets", {}).items()]:
        _check_facet(key, facet)


def _check_facet(key: str, facet: dict[str, Any]) -> None:
    assert all(urlsplit(facet[name]).netloc for name in ("_producer", "_schemaURL")), facet
    if key == KEY:
        assert facet["_schemaURL"] == f"{_OURS['$id']}#/$defs/AirflowBatchProviderJobRunFacet"
        Draft202012Validator(_OURS, registry=_REGISTRY).validate({key: facet})
    elif kind := _STANDARD.get(facet["_schemaURL"]):
        assert fits(facet, kind), (key, facet)
    else:
        assert key.startswith("airflow"), f"{key} is nobody's facet"


def fits(value: Any, hint: Any) -> bool:
    """Say whether JSON can be read as a type of the client's, to its innermost field."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in inner)
    if origin is list:
        return isinstance(value, list) and all(fits(one, inner[0]) for one in value)
    if origin is dict:
        return isinstance(value, dict) and all(fits(one, inner[1]) for one in value.values())
    if attr.has(hint):
        return isinstance(value, dict) and _fits_class(value, hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        hint = type(next(iter(hint)).value)
    return hint is Any or (isinstance(value, hint) and not (hint is int and isinstance(value, bool)))


def _fits_class(value: dict[str, Any], kind: type) -> bool:
    fields, hints = {field.name: field for field in attr.fields(kind)}, get_type_hints(kind)
    needed = {name for name, field in fields.items() if field.default is attr.NOTHING}
    return needed <= value.keys() <= fields.keys() and all(
        fits(one, hints[name]) for name, one in value.items()
    )
