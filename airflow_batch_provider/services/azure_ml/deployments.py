"""Model deployments and pipeline component deployments: told apart, each with its own rules.

Sources: the guide to inputs and outputs of batch endpoints (a model deployment takes one data input and makes
one output, a pipeline component takes any number of inputs and literals), and recorded deployments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

from airflow_batch_provider.errors import InvalidInput, PermissionDenied
from airflow_batch_provider.flow import RETRY, Flow, send
from airflow_batch_provider.services.azure_ml.answers import inner, read
from airflow_batch_provider.services.azure_ml.workspace import A_MINUTE, Workspace, ask

Kind = Literal["model", "pipeline", "unknown"]

_REMEMBERED_SECONDS = 300.0


@dataclass(frozen=True)
class Deployment:
    """What matters of a deployment for those who invoke it.

    Args:
        name: Its name.
        kind: ``unknown`` where this identity may not look, or an old api-version does not tell.
        output_file_name: Of a model deployment.
        model: ARM id of its model, if it has one.
    """

    name: str
    kind: Kind = "unknown"
    output_file_name: str = "predictions.csv"
    model: str = ""


UNKNOWN = Deployment("")
"""Which deployment it is, is not known."""


@dataclass
class Deployments:
    """Deployments that were looked up lately, shared by all tasks of a process.

    Args:
        now: Clock, seconds.
    """

    now: Callable[[], float] = RETRY.now
    _known: dict[str, tuple[float, Deployment]] = field(default_factory=dict)

    def get(self, workspace: Workspace, endpoint: str, name: str) -> Flow[Deployment]:
        """Return a deployment of an endpoint.

        Raises:
            NotFound: The endpoint has no such deployment.
        """
        url = workspace.url("batchEndpoints", endpoint, "deployments", name)
        known = self._known.get(url)
        if known and self.now() - known[0] < _REMEMBERED_SECONDS:
            return known[1]
        found = yield from _look_up(url, endpoint, name)
        self._known[url] = (self.now(), found)
        return found


def _look_up(url: str, endpoint: str, name: str) -> Flow[Deployment]:
    doing = f"looking up deployment {name!r} of endpoint {endpoint!r}"
    response = yield from send(ask("GET", url, "arm", lasts=A_MINUTE))
    fix = f"Check deployment_name {name!r}." if response.status_code == httpx.codes.NOT_FOUND else ""
    try:
        body = read(response, doing, fix=fix)
    except PermissionDenied:
        return Deployment(name)
    properties = inner(body, "properties")
    file_name = properties.get("outputFileName") or Deployment.output_file_name
    model = inner(properties, "model").get("assetId")
    return Deployment(name, _kind(properties), str(file_name), str(model or ""))


def _kind(properties: Mapping[str, Any]) -> Kind:
    if properties.get("model"):
        return "model"
    configured = inner(properties, "deploymentConfiguration").get("deploymentConfigurationType")
    # Before that field there was a private form, in the deployment's own properties.
    private = any(key.startswith("ComponentDeployment.") for key in inner(properties, "properties"))
    return "pipeline" if configured == "PipelineComponent" or private else "unknown"


def check(deployment: Deployment, body: Mapping[str, Any]) -> None:
    """Check an invocation's body against the rules of the deployment that it goes to.

    Raises:
        InvalidInput: The service would refuse it, or the job would fail.
    """
    if deployment.kind == "model":
        _check_model(deployment.name, body)


def _check_model(name: str, body: Mapping[str, Any]) -> None:
    inputs, outputs = body.get("InputData") or {}, body.get("OutputData") or {}
    literals = [key for key, value in inputs.items() if value["JobInputType"] == "Literal"]
    if literals:
        raise InvalidInput(
            f"inputs has the literal {literals[0]!r}, but deployment {name!r} is of a model: it takes none.",
            fix="Leave it out, or invoke a deployment of a pipeline component.",
        )
    if len(inputs) != 1:
        raise InvalidInput(
            f"inputs has {len(inputs)} data inputs, but deployment {name!r} is of a model: it takes one.",
            fix="Give one folder or file as input.",
        )
    if len(outputs) > 1:
        raise InvalidInput(
            f"outputs has {', '.join(outputs)}, but deployment {name!r} is of a model: it makes one.",
            fix="Give one output.",
        )
    for key, value in outputs.items():
        if value["JobOutputType"] != "UriFile":
            raise InvalidInput(
                f"outputs[{key!r}] has the type uri_folder, but deployment {name!r} is of a model, "
                "which writes one file.",
                fix="Give the path of the file, with the type uri_file.",
            )
