"""Why the service refused a resource: which of the others that it names is missing or unfit."""

from __future__ import annotations

from airflow_batch_provider.errors import BatchError, NotFound, ServiceError
from airflow_batch_provider.flow import Flow, send
from airflow_batch_provider.services.azure_ml.answers import inner, read
from airflow_batch_provider.services.azure_ml.listing import POLL
from airflow_batch_provider.services.azure_ml.resources.references import WORDS, named_in
from airflow_batch_provider.services.azure_ml.resources.resource import Resource
from airflow_batch_provider.services.azure_ml.workspace import Workspace, ask
from airflow_batch_provider.values import shown

_WORDS = {**WORDS, "batchEndpoints": "batch endpoint"}
_COMPUTES = ("AmlCompute", "Kubernetes")


def explained(workspace: Workspace, resource: Resource, error: ServiceError) -> Flow[ServiceError]:
    """Return the error with what to do next, as far as that can be found out.

    Nothing is looked up before a refusal: the service checks anyway, and most resources are right.

    Args:
        workspace: Of the resource.
        resource: What was refused; only what its own workspace holds is looked at.
        error: The refusal.
    """
    below = f"{workspace.id}/"
    named = [name.removeprefix(below) for name in named_in(resource.body) if name.startswith(below)]
    parents = ["/".join(resource.path[:2])] if "deployments" in resource.path else []
    for path in dict.fromkeys((*parents, *named)):
        if fix := (yield from _unfit(workspace, path)):
            error.fix = fix
            return error
    if "quota" in str(error).lower() and not error.fix:
        error.fix = "Ask for more quota in this region, or take fewer or other machines."
    return error


def _unfit(workspace: Workspace, path: str) -> Flow[str]:
    kind, name, *rest = path.split("/")
    what = f"{_WORDS.get(kind, kind)} {name!r}" + (f" version {rest[1]!r}" if len(rest) > 1 else "")
    try:
        response = yield from send(ask("GET", workspace.url(kind, name, *rest), "arm"), retry=POLL)
        properties = inner(read(response, f"looking up {what}"), "properties")
    except NotFound:
        return f"There is no {what} in workspace {workspace.name!r}: create it first."
    except BatchError:
        return ""
    if kind == "computes" and properties.get("computeType") not in (None, *_COMPUTES):
        return f"The {what} is of type {shown(properties['computeType'])}: give a compute cluster."
    state = properties.get("provisioningState")
    return f"The provisioning state of {what} is {state}." if state in ("Failed", "Deleting") else ""
