"""Whether an event is one that OpenLineage's own client could have made, facet by facet."""

from __future__ import annotations

import inspect
import json
from importlib.resources import files
from typing import Any
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
    holders = [run, job, *event["inputs"], *event["outputs"]]
    for key, facet in [pair for holder in holders for pair in holder.get("facets", {}).items()]:
        _check_facet(key, facet)


def _check_facet(key: str, facet: dict[str, Any]) -> None:
    assert all(urlsplit(facet[name]).netloc for name in ("_producer", "_schemaURL")), facet
    if key == KEY:
        assert facet["_schemaURL"] == f"{_OURS['$id']}#/$defs/AirflowBatchProviderJobRunFacet"
        Draft202012Validator(_OURS, registry=_REGISTRY).validate({key: facet})
    elif kind := _STANDARD.get(facet["_schemaURL"]):
        fields = {field.name for field in attr.fields(kind)}
        needed = {field.name for field in attr.fields(kind) if field.default is attr.NOTHING}
        assert needed <= facet.keys() <= fields, (key, facet.keys() ^ fields)
    else:
        assert key.startswith("airflow"), f"{key} is nobody's facet"
