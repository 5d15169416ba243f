"""Batch endpoints: invoke one, ask for its jobs, cancel them.

Invoking, getting and listing are the batch data plane's, with its own token audience; cancelling exists in
Resource Manager only. Source: recorded exchanges in azure-sdk-for-python, and the REST guide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx

from airflow_batch_provider.errors import (
    AnswerLost,
    BatchError,
    InvalidInput,
    ServiceUnavailable,
    UnexpectedAnswer,
)
from airflow_batch_provider.flow import RETRY, Flow, pause, send, send_once
from airflow_batch_provider.jobs import Job, JobPage, JobRef, JobState, Log, Traces
from airflow_batch_provider.services.azure_ml.answers import inner, need, read
from airflow_batch_provider.services.azure_ml.asking import Asking
from airflow_batch_provider.services.azure_ml.calls import Call, endpoint_name, reference
from airflow_batch_provider.services.azure_ml.deployments import Deployment, Deployments, check
from airflow_batch_provider.services.azure_ml.history import failure_text, logs
from airflow_batch_provider.services.azure_ml.hosts import check_host, token_hosts
from airflow_batch_provider.services.azure_ml.invocation import Invocation
from airflow_batch_provider.services.azure_ml.listing import POLL, SERVICE, job, job_id, page, studio
from airflow_batch_provider.services.azure_ml.outputs import default_datastore_uri, job_outputs
from airflow_batch_provider.services.azure_ml.traces import digest, recent, traces
from airflow_batch_provider.services.azure_ml.workspace import Workspace, ask
from airflow_batch_provider.values import shown

_INVOKE_ACTION = "batchEndpoints/deployments/jobs/write"
_LOOKS_AFTER_CANCEL = (0.5, 1.0, 1.5)


@dataclass(frozen=True)
class BatchEndpoints:
    """The batch endpoints of a workspace, as a `jobs.Service`.

    Args:
        workspace: Where they are.
        now: Wall clock, epoch seconds, that stamps submissions; default: the one that retries go by.
        deployments: What is known of deployments.
        name: Of the service.
        caller: Client id of the identity that calls, if the connection tells it.
    """

    workspace: Workspace
    now: Callable[[], float] = RETRY.now
    deployments: Deployments = field(default_factory=Deployments)
    name: str = SERVICE
    caller: str = ""

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
        call = Call(order, self._scoring_uri(order.endpoint_name, endpoint))
        name = order.deployment_name or inner(endpoint, "properties", "defaults").get("deploymentName")
        if not name:
            raise InvalidInput(
                f"Endpoint {order.endpoint_name!r} has no default deployment.",
                fix="Set one, or give deployment_name.",
            )
        deployment = yield from self.deployments.get(self.workspace, order.endpoint_name, str(name))
        check(deployment, order.properties)
        return (yield from self._with_outputs(call, deployment))

    def _scoring_uri(self, name: str, endpoint: dict[str, Any]) -> str:
        scoring_uri = inner(endpoint, "properties").get("scoringUri")
        if not scoring_uri:
            state = inner(endpoint, "properties").get("provisioningState")
            raise InvalidInput(
                f"Endpoint {name!r} has no scoring URI; its provisioning state is {shown(state)}.",
                fix="It can be invoked once that is Succeeded.",
            )
        what = f"The scoring URI of endpoint {name!r}"
        return self._of_this_cloud(str(scoring_uri).rstrip("/"), what)

    def _with_outputs(self, call: Call, deployment: Deployment) -> Flow[Call]:
        call = replace(call, deployment=deployment)
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
        headers = {"repeatability_request-id": _repeatability_id(marker)} if marker else {}
        if order.deployment_name:
            headers["azureml-model-deployment"] = order.deployment_name
        properties = plan.properties(marker)
        request = ask("POST", plan.scoring_uri, "ml", body={"properties": properties}, headers=headers)
        submitted_at = self.now()
        response = yield from send_once(request)
        try:
            answer = read(response, doing, fix=_invoke_fix(response, plan), action=_INVOKE_ACTION)
            new = _new_job_id(answer, doing)
        except (ServiceUnavailable, UnexpectedAnswer) as error:
            raise AnswerLost(f"{error.message} [HTTP {response.status_code}]", fix=error.fix) from error
        ref = reference(self.workspace, plan, new, marker=marker, at=submitted_at, url=studio(answer))
        return ref, job(answer, ref)

    def get(self, ref: JobRef) -> Flow[Job]:
        """Ask for one job.

        The data plane is asked, which spends nothing of Resource Manager's budget, if the scoring URI is
        known; else, and if that does not find it, Resource Manager, which knows every job of the workspace.
        """
        return self.asking(ref)()

    def asking(self, ref: JobRef) -> Callable[[], Flow[Job]]:
        """Return what asks for one job, again and again."""
        return Asking(self.workspace, ref)

    def group(self, ref: JobRef) -> str:
        """Name the list of the job's endpoint: its scoring URI; empty if that is not known."""
        return ref.place.get("scoring_uri", "")

    def common_group(self, ref: JobRef) -> str:  # noqa: ARG002  # it is every job's
        """Name the list of the workspace, in which Resource Manager shows the jobs of all endpoints."""
        return "workspace"

    def page(self, refs: Mapping[str, JobRef], after: Any = None) -> Flow[JobPage]:
        """Ask for one page of an endpoint's jobs, or, for those of several, of the workspace's."""
        return page(self.workspace, refs, after)

    def about(self, plan: Call) -> str:
        """Return the scoring URI and a digest of what is said; see `traces.digest`."""
        return f"{plan.scoring_uri} {digest(plan)}"

    def traces(self, plan: Call, marker: str, since: float) -> Flow[Traces]:
        """List the jobs that a call may have started; see `traces.traces`."""
        return traces(self.workspace, plan, marker, since, self.caller)

    def where(self, name: str) -> Flow[str]:
        """Return an endpoint's scoring URI, below which its jobs are.

        Raises:
            NotFound: There is no such endpoint in the workspace.
            InvalidInput: It has no scoring URI, or one that is not of this cloud.
        """
        return self._scoring_uri(name, (yield from self.endpoint(name)))

    def recent(self, scoring_uri: str, since: float) -> Flow[Traces]:
        """List an endpoint's jobs; see `traces.recent`."""
        return recent(self.workspace, scoring_uri, since)

    def cancel(self, ref: JobRef) -> Flow[None]:
        """Ask Resource Manager to cancel a job; harmless if it has ended or is being cancelled.

        Raises:
            BatchError: The service refused, and the job goes on; the error names it.
        """
        url = self.workspace.url("jobs", ref.id, "cancel")
        try:
            response = yield from send(ask("POST", url, "arm"), repeatable=True, retry=POLL)
            read(response, f"cancelling job {ref.id}", action="jobs/cancel/action")
            yield from _followed(response, f"cancelling job {ref.id}")
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

    def logs(self, ref: JobRef, tell: Callable[[Log], None]) -> Flow[None]:
        """Read the ends of a finished job's logs; see `history.logs`."""
        return logs(self.workspace, ref.id, tell)


def _repeatability_id(marker: str) -> str:
    """Return the same GUID for the same marker: a GUID is what Microsoft's own client sends."""
    return str(uuid5(NAMESPACE_URL, marker))


def _followed(response: httpx.Response, doing: str) -> Flow[None]:
    """Watch a cancellation for some seconds: its Location answers 202 until the job has ended."""
    location = response.headers.get("location", "")
    for seconds in _LOOKS_AFTER_CANCEL:
        if response.status_code != httpx.codes.ACCEPTED or not location:
            return
        yield from pause(seconds)
        try:
            response = yield from send(ask("GET", location, "arm"), retry=POLL)
        except InvalidInput:  # a host that no token may be sent to
            return
        read(response, doing)


def _new_job_id(answer: dict[str, Any], doing: str) -> str:
    # Never from `id`, in which pipeline deployments leave a segment empty, nor from `Location`, which is the
    # deployment's.
    name = need(answer, doing, "name")
    found = job_id(name)
    if not found:
        raise UnexpectedAnswer(f"The answer names the job {shown(name)}.")
    return found


def _endpoint_called(plan: Call) -> str:
    deployment = plan.order.deployment_name
    name = endpoint_name(plan.order.endpoint_name, plan.scoring_uri)
    return f"endpoint {name!r}" + (f" (deployment {deployment!r})" if deployment else "")


def _invoke_fix(response: httpx.Response, plan: Call) -> str:
    order = plan.order
    if b"No valid deployments to route to" in response.content:
        name = endpoint_name(order.endpoint_name, plan.scoring_uri)
        return f"Endpoint {name!r} has no default deployment: set one, or give deployment_name."
    if response.status_code == httpx.codes.NOT_FOUND and order.deployment_name:
        return f"Check deployment_name {order.deployment_name!r}."
    return ""
