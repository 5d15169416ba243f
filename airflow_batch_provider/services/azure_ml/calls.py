"""A call of a batch endpoint: what is sent where, and the reference of the job that it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from airflow_batch_provider.jobs import JobRef
from airflow_batch_provider.services.azure_ml.deployments import UNKNOWN, Deployment
from airflow_batch_provider.services.azure_ml.invocation import Invocation
from airflow_batch_provider.services.azure_ml.listing import MARKER, MARKER_INPUT, SERVICE
from airflow_batch_provider.services.azure_ml.workspace import Workspace


@dataclass(frozen=True)
class Call:
    """An invocation whose scoring URI is known.

    Args:
        order: What to say.
        scoring_uri: Where.
        output_folder: Where the service shall write if the order leaves it to us; the marker is appended.
        output_file: The file's name there.
        deployment: What is known of the deployment there.
    """

    order: Invocation
    scoring_uri: str
    output_folder: str = ""
    output_file: str = ""
    deployment: Deployment = field(default=UNKNOWN, compare=False)

    def properties(self, marker: str) -> dict[str, Any]:
        """Return the body's ``properties``; they carry the marker, if there is one."""
        said = dict(self.order.properties)
        if self.output_folder and marker:
            uri = f"{self.output_folder}/{marker}/{self.output_file}"
            said["OutputData"] = {"score": {"JobOutputType": "UriFile", "Uri": uri}}
        return _marked(said, marker) if marker else said


def _marked(properties: Mapping[str, Any], marker: str) -> dict[str, Any]:
    """Add the marker where the service may keep it; the user's own tags and properties stay."""
    data = properties.get("InputData", {})
    if MARKER_INPUT in data:
        data = {**data, MARKER_INPUT: {"JobInputType": "Literal", "Value": marker}}
    return {
        **properties,
        **({"InputData": data} if data else {}),
        "tags": {**properties.get("tags", {}), MARKER: marker},
        "properties": {**properties.get("properties", {}), MARKER: marker},
    }


def reference(
    workspace: Workspace, call: Call, job_id: str, *, marker: str, at: float, url: str = ""
) -> JobRef:
    """Return the reference of a job that a call started.

    Args:
        workspace: Where.
        call: The call.
        job_id: The service's id of the job.
        marker: That the job carries; empty for none.
        at: Epoch seconds of the submission.
        url: Of its page in the studio; default: made up as the service does.
    """
    outputs = call.properties(marker).get("OutputData", {})
    known = {"deployment": call.deployment.name, "model": call.deployment.model}
    place = {
        "scoring_uri": call.scoring_uri,
        "endpoint": endpoint_name(call.order.endpoint_name, call.scoring_uri),
        **{key: told for key in ("deployment", "model") if (told := known[key])},
        **{f"output:{name}": str(output["Uri"]) for name, output in outputs.items()},
    }
    return JobRef(SERVICE, job_id, place, at, marker, url or workspace.studio_url(job_id))


def endpoint_name(given: str, scoring_uri: str) -> str:
    """Return the endpoint's name: the host's first part, or the path's last where several share a host."""
    url = httpx.URL(scoring_uri)
    parts = [part for part in url.path.split("/") if part]
    return given or (parts[-2] if len(parts) > 1 else url.raw_host.decode("ascii").split(".")[0])
