"""Batch endpoints: invoke one, ask for its jobs, cancel them.

Invoking, getting and listing are the batch data plane's, with its own token audience; cancelling exists in
Resource Manager only. Source: recorded exchanges in azure-sdk-for-python, and the REST guide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from airflow_batch_provider.errors import (
    AnswerLost,
    BatchError,
    InvalidInput,
    ServiceUnavailable,
    UnexpectedAnswer,
)
from airflow_batch_provider.flow import RETRY, Flow, Retry, send
from airflow_batch_provider.jobs import Job, JobRef, JobState
from airflow_batch_provider.services.azure_ml.answers import inner, need, read, rows
from airflow_batch_provider.services.azure_ml.deployments import Deployment, Deployments, check
from airflow_batch_provider.services.azure_ml.history import failure_text
from airflow_batch_provider.services.azure_ml.hosts import check_host, token_hosts
from airflow_batch_provider.services.azure_ml.invocation import Invocation
from airflow_batch_provider.services.azure_ml.outputs import default_datastore_uri, job_outputs
from airflow_batch_provider.services.azure_ml.workspace import Workspace, ask, segment
from airflow_batch_provider.values import epoch, shown

SERVICE = "azure_ml"
MARKER = "airflow.marker"
"""Tag and property that carry a submission's marker."""

STATES = {
    "NotStarted": JobState.PENDING,
    "Starting": JobState.PENDING,
    "Provisioning": JobState.PENDING,
    "Preparing": JobState.PENDING,
    "Queued": JobState.PENDING,
    "Running": JobState.RUNNING,
    "Finalizing": JobState.RUNNING,
    "CancelRequested": JobState.CANCELING,
    "Completed": JobState.SUCCEEDED,
    "Failed": JobState.FAILED,
    "Canceled": JobState.CANCELED,
    # Microsoft's own client takes these two for an end, but the service says that a run comes back from them.
    "NotResponding": JobState.RUNNING,
    "Paused": JobState.RUNNING,
    "Unknown": JobState.UNKNOWN,
}
"""The status words of both planes. Source: JobStatus of the Resource Manager specification."""

_INVOKE_ACTION = "batchEndpoints/deployments/jobs/write"

# A poll that is throttled or lost is asked again soon by its caller anyway.
_POLL = Retry(attempts=3, patience=60.0)


@dataclass(frozen=True)
class Call:
    """An invocation whose scoring URI is known.

    Args:
        order: What to say.
        scoring_uri: Where.
        output_folder: Where the service shall write if the order leaves it to us; the marker is appended.
        output_file: The file's name there.
    """

    order: Invocation
    scoring_uri: str
    output_folder: str = ""
    output_file: str = ""

    def properties(self, marker: str) -> dict[str, Any]:
        """Return the body's ``properties``; they carry the marker, if there is one."""
        said = dict(self.order.properties)
        if self.output_folder and marker:
            uri = f"{self.output_folder}/{marker}/{self.output_file}"
            said["OutputData"] = {"score": {"JobOutputType": "UriFile", "Uri": uri}}
        return _marked(said, marker) if marker else said


@dataclass(frozen=True)
class BatchEndpoints:
    """The batch endpoints of a workspace, as a `jobs.Service`.

    Args:
        workspace: Where they are.
        now: Wall clock, epoch seconds, that stamps submissions; default: the one that retries go by.
    """

    workspace: Workspace
    now: Callable[[], float] = RETRY.now
    deployments: Deployments = field(default_factory=Deployments)
    name: str = SERVICE

    def plan(self, order: Invocation) -> Flow[Call]:
        """Find where an invocation is sent, and check it against the rules of the deployment there.

        With a scoring URI nothing is looked up, so nothing is known of the deployment.

        Raises:
            NotFound: There is no such endpoint in the workspace, or no such deployment.
            InvalidInput: The endpoint cannot be invoked yet, its scoring URI is not of this cloud, or its
                deployment does not take what the invocation says.
        """
        if order.scoring_uri:
            call = Call(order, self._of_this_cloud(order.scoring_uri, "scoring_uri"))
            return (yield from self._with_outputs(call, Deployment(order.deployment_name)))
        endpoint = yield from self.endpoint(order.endpoint_name)
        call = Call(order, self._scoring_uri(order, endpoint))
        name = order.deployment_name or inner(endpoint, "properties", "defaults").get("deploymentName")
        if not name:
            raise InvalidInput(
                f"Endpoint {order.endpoint_name!r} has no default deployment.",
                fix="Set one, or give deployment_name.",
            )
        deployment = yield from self.deployments.get(self.workspace, order.endpoint_name, str(name))
        check(deployment, order.properties)
        return (yield from self._with_outputs(call, deployment))

    def _scoring_uri(self, order: Invocation, endpoint: dict[str, Any]) -> str:
        scoring_uri = inner(endpoint, "properties").get("scoringUri")
        if not scoring_uri:
            state = inner(endpoint, "properties").get("provisioningState")
            raise InvalidInput(
                f"Endpoint {order.endpoint_name!r} has no scoring URI; "
                f"its provisioning state is {shown(state)}.",
                fix="It can be invoked once that is Succeeded.",
            )
        what = f"The scoring URI of endpoint {order.endpoint_name!r}"
        return self._of_this_cloud(str(scoring_uri).rstrip("/"), what)

    def _with_outputs(self, call: Call, deployment: Deployment) -> Flow[Call]:
        if not call.order.auto_outputs:
            return call
        if deployment.kind == "pipeline":
            raise InvalidInput(
                f"outputs is 'auto', but deployment {deployment.name!r} is of a pipeline component.",
                fix="Name its outputs: {'NAME': {'path': 'azureml://datastores/…', 'type': 'uri_folder'}}.",
            )
        folder = yield from default_datastore_uri(self.workspace)
        name = call.order.properties.get("outputFileName") or deployment.output_file_name
        return replace(call, output_folder=f"{folder}/airflow", output_file=name)

    def _of_this_cloud(self, scoring_uri: str, what: str) -> str:
        """Refuse a host that gets no token, before anything is recorded or sent."""
        where = self.workspace
        check_host(scoring_uri, token_hosts(where.cloud, where.arm_url)["ml"], what)
        return scoring_uri

    def endpoint(self, name: str) -> Flow[dict[str, Any]]:
        """Return an endpoint as Resource Manager describes it."""
        doing = f"looking up batch endpoint {name!r}"
        where = self.workspace
        response = yield from send(ask("GET", where.url("batchEndpoints", name), "arm"))
        missing = (
            f"Check endpoint_name, and that workspace_name {where.name!r}, resource_group_name "
            f"{where.resource_group!r} and subscriptionId {where.subscription_id!r} are right."
        )
        fix = missing if response.status_code == httpx.codes.NOT_FOUND else ""
        return read(response, doing, fix=fix, action="batchEndpoints/read")

    def submit(self, plan: Call, marker: str) -> Flow[tuple[JobRef, Job]]:
        """Invoke. The request is sent once; only a refusal that did nothing (429) is asked again.

        Args:
            plan: What `plan` returned.
            marker: Carried by the job; empty for none.

        Raises:
            AnswerLost: A job may have been started.
            BatchError: The service refused.
        """
        order = plan.order
        doing = f"invoking {_endpoint_called(plan)}"
        headers = {"repeatability_request-id": marker} if marker else {}
        if order.deployment_name:
            headers["azureml-model-deployment"] = order.deployment_name
        properties = plan.properties(marker)
        request = ask("POST", plan.scoring_uri, "ml", body={"properties": properties}, headers=headers)
        submitted_at = self.now()
        response = yield from send(request, repeatable=False)
        try:
            answer = read(response, doing, fix=_invoke_fix(response, plan), action=_INVOKE_ACTION)
            job_id = _new_job_id(answer, doing)
        except (ServiceUnavailable, UnexpectedAnswer) as error:
            raise AnswerLost(f"{error.message} [HTTP {response.status_code}]", fix=error.fix) from error
        ref = JobRef(
            SERVICE,
            job_id,
            {
                "scoring_uri": plan.scoring_uri,
                "endpoint": _endpoint_name(order.endpoint_name, plan.scoring_uri),
                **_outputs_asked(properties),
            },
            submitted_at,
            marker,
            _studio(answer) or self.workspace.studio_url(job_id),
        )
        return ref, self.job(answer, ref)

    def get(self, ref: JobRef) -> Flow[Job]:
        """Ask for one job.

        The data plane is asked, which spends nothing of Resource Manager's budget, if the scoring URI is
        known; else Resource Manager, which knows every job of the workspace.
        """
        scoring_uri = ref.place.get("scoring_uri")
        if scoring_uri:
            request = ask("GET", f"{scoring_uri}/{segment('job id', ref.id)}", "ml")
        else:
            request = ask("GET", self.workspace.url("jobs", ref.id), "arm")
        doing = f"asking for job {ref.id}"
        response = yield from send(request, retry=_POLL)
        answer = read(response, doing, action="jobs/read")
        need(answer, doing, "properties", "status")
        return self.job(answer, ref)

    def list(self, scoring_uri: str, *, pages: int = 20) -> Flow[list[tuple[JobRef, Job]]]:
        """Ask the data plane for an endpoint's jobs; their order is not documented.

        Args:
            scoring_uri: Of the endpoint.
            pages: How many pages to read at most.

        Returns:
            Each job with its reference. ``submitted_at`` is 0 where the service tells no creation time.
        """
        found: list[tuple[JobRef, Job]] = []
        url: str | None = scoring_uri
        for _ in range(pages):
            if not url:
                break
            response = yield from send(ask("GET", url, "ml"), retry=_POLL)
            page = read(response, "listing the endpoint's jobs", action="jobs/read")
            found += [self._listed(row, scoring_uri) for row in rows(page) if _job_id(row.get("name"))]
            url = page.get("nextLink")
        return found

    def _listed(self, row: dict[str, Any], scoring_uri: str) -> tuple[JobRef, Job]:
        job_id = str(row["name"])
        marker = inner(row, "properties", "tags").get(MARKER) or inner(row, "properties", "properties").get(
            MARKER
        )
        ref = JobRef(
            SERVICE,
            job_id,
            {"scoring_uri": scoring_uri, "endpoint": _endpoint_name("", scoring_uri)},
            epoch(inner(row, "systemData").get("createdAt")),
            str(marker or ""),
            _studio(row) or self.workspace.studio_url(job_id),
        )
        return ref, self.job(row, ref)

    def cancel(self, ref: JobRef) -> Flow[None]:
        """Ask Resource Manager to cancel a job; harmless if it has ended or is being cancelled.

        Raises:
            BatchError: The service refused, and the job goes on; the error names it.
        """
        url = self.workspace.url("jobs", ref.id, "cancel")
        try:
            response = yield from send(ask("POST", url, "arm"), repeatable=True, retry=_POLL)
            read(response, f"cancelling job {ref.id}", action="jobs/cancel/action")
        except BatchError as error:
            # What the service says of a job that has ended is not documented; the job itself tells.
            if not (yield from self._is_ending(ref)):
                raise error.about(ref.id, ref.url) from None

    def _is_ending(self, ref: JobRef) -> Flow[bool]:
        try:
            job = yield from self.get(ref)
        except BatchError:
            return False
        return job.state.done or job.state is JobState.CANCELING

    def outputs(self, ref: JobRef) -> Flow[dict[str, dict[str, str]]]:
        """Find where a finished job wrote; see `outputs.job_outputs`."""
        return job_outputs(self.workspace, ref)

    def explain(self, ref: JobRef) -> Flow[str]:
        """Return what the service tells of a job's failure."""
        return failure_text(self.workspace, ref.id)

    def job(self, answer: dict[str, Any], ref: JobRef) -> Job:
        """Read a job out of the description of it that the data plane or Resource Manager gives."""
        properties = inner(answer, "properties")
        status = str(properties.get("status") or "")
        return Job(
            service=SERVICE,
            id=ref.id,
            name=str(properties.get("name") or properties.get("displayName") or ref.id),
            state=STATES.get(status, JobState.UNKNOWN),
            status=status,
            url=ref.url,
            endpoint=ref.place.get("endpoint", ""),
        )


def _marked(properties: Mapping[str, Any], marker: str) -> dict[str, Any]:
    """Add the marker where the service may keep it; the user's own tags and properties stay."""
    return {
        **properties,
        "tags": {**properties.get("tags", {}), MARKER: marker},
        "properties": {**properties.get("properties", {}), MARKER: marker},
    }


def _outputs_asked(properties: Mapping[str, Any]) -> dict[str, str]:
    return {f"output:{name}": str(output["Uri"]) for name, output in properties.get("OutputData", {}).items()}


def _new_job_id(answer: dict[str, Any], doing: str) -> str:
    # Never from `id`, in which pipeline deployments leave a segment empty, nor from `Location`, which is the
    # deployment's.
    name = need(answer, doing, "name")
    job_id = _job_id(name)
    if not job_id:
        raise UnexpectedAnswer(f"The answer names the job {shown(name)}.")
    return job_id


def _job_id(name: Any) -> str:
    """Return a job's id if one can ask for it, else an empty text."""
    try:
        segment("job id", name)
    except InvalidInput:
        return ""
    return str(name)


def _endpoint_name(given: str, scoring_uri: str) -> str:
    """Return the endpoint's name: the host's first part, or the path's last where several share a host."""
    url = httpx.URL(scoring_uri)
    parts = [part for part in url.path.split("/") if part]
    return given or (parts[-2] if len(parts) > 1 else url.raw_host.decode("ascii").split(".")[0])


def _endpoint_called(plan: Call) -> str:
    deployment = plan.order.deployment_name
    name = _endpoint_name(plan.order.endpoint_name, plan.scoring_uri)
    return f"endpoint {name!r}" + (f" (deployment {deployment!r})" if deployment else "")


def _studio(answer: dict[str, Any]) -> str:
    url = str(inner(answer, "properties", "interactionEndpoints", "Studio").get("endpoint") or "")
    return url if url.startswith(("https://", "http://")) else ""  # it becomes a link


def _invoke_fix(response: httpx.Response, plan: Call) -> str:
    order = plan.order
    if b"No valid deployments to route to" in response.content:
        name = _endpoint_name(order.endpoint_name, plan.scoring_uri)
        return f"Endpoint {name!r} has no default deployment: set one, or give deployment_name."
    if response.status_code == httpx.codes.NOT_FOUND and order.deployment_name:
        return f"Check deployment_name {order.deployment_name!r}."
    return ""
