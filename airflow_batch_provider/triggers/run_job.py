"""The trigger that runs a task from beginning to end with no worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from airflow.sdk.exceptions import AirflowException
from airflow.triggers.base import BaseTrigger, TaskFailedEvent, TaskSuccessEvent, TriggerEvent

from airflow_batch_provider.checks import not_negative, positive
from airflow_batch_provider.errors import BatchError, JobTimedOut
from airflow_batch_provider.flow import Flow
from airflow_batch_provider.hooks import hook_for
from airflow_batch_provider.jobs import Accepted, Job, JobRef, Policy, Service, TaskIdentity, submit_once
from airflow_batch_provider.masking import mask_signatures
from airflow_batch_provider.triggers.jobs import JobTrigger, error_in
from airflow_batch_provider.triggers.questions import Turn
from airflow_batch_provider.triggers.records import XComRecords, forget, push
from airflow_batch_provider.triggers.rendering import render
from airflow_batch_provider.triggers.task_state import ended_by_user, task_state
from airflow_batch_provider.triggers.try_records import TryRecords
from airflow_batch_provider.triggers.xcoms import finding
from airflow_batch_provider.watching import shared_connection

_SUBMIT_SECONDS = 15.0

_ending: set[asyncio.Future[None]] = set()


class RunJobTrigger(BaseTrigger):
    """Run a task of `operators.base.BatchOperator`; the operator decides whether it may.

    All arguments are JSON and hold no secret; they are what Airflow stores, in the DAG and with the trigger.

    Args:
        service: ``azure_ml`` or ``modelarts``.
        fields: Unrendered: ``order``, ``place`` and ``conn_id`` as of the service's hook, ``poll_interval``,
            ``timeout`` and ``outage_tolerance`` in seconds.
        policy: `jobs.Policy` but for ``outage_tolerance``.
        rerun_failed: As of `operators.modelarts.ModelArtsWorkflowOperator`.
        cancel_on_timeout: Whether the job is cancelled when its time is over.
        fetch_logs: As of `operators.base.BatchOperator`.
        retries: Of the task.
        links: Keys of the XComs that hold the job's page.
        places: Keys of the XComs that hold what the job's place has under the same name.
        push_result: Whether the job is pushed as the task's return value.

    Yields:
        One event, which ends the task: with success, or with failure, which Airflow's retries take up.
        Surprises are raised; Airflow then has a worker fail the task.
    """

    def __init__(
        self,
        *,
        service: str,
        fields: Mapping[str, Any],
        policy: Mapping[str, Any],
        rerun_failed: bool = False,
        cancel_on_timeout: bool = True,
        fetch_logs: str = "on_failure",
        retries: int = 0,
        links: Sequence[str] = (),
        places: Sequence[str] = (),
        push_result: bool = True,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow annotates no constructor
        self.service = service
        self.fields = fields
        self.policy = policy
        self.rerun_failed = rerun_failed
        self.cancel_on_timeout = cancel_on_timeout
        self.fetch_logs = fetch_logs
        self.retries = retries
        self.links = links
        self.places = places
        self.push_result = push_result
        self._context: Mapping[str, Any] | None = None
        self._submitting: asyncio.Future[JobTrigger] | None = None
        self._waiting: JobTrigger | None = None
        self._killed = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class's path and its arguments."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "service": self.service,
            "fields": self.fields,
            "policy": self.policy,
            "rerun_failed": self.rerun_failed,
            "cancel_on_timeout": self.cancel_on_timeout,
            "fetch_logs": self.fetch_logs,
            "retries": self.retries,
            "links": self.links,
            "places": self.places,
            "push_result": self.push_result,
        }

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:  # noqa: ARG002  # Airflow's
        """Keep the context. Airflow calls this in the event loop; `run` renders where it disturbs nobody."""
        self._context = context

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Run the task, then yield its end."""
        yield await self._end_of_task()

    async def _end_of_task(self) -> TriggerEvent:
        instance: Any = self.task_instance
        records = await TryRecords.begin(XComRecords(instance), instance.try_number, self.retries)
        try:
            job = await self._job(records)
        except (BatchError, AirflowException) as error:
            self.log.error("The task failed with %s: %s", type(error).__name__, error)  # noqa: TRY400
            await records.end("failed")
            return TaskFailedEvent()
        # Not by the event: Airflow 3.3.2 stores the event's XComs as the text of their JSON.
        await push(instance, self._xcoms(job), Turn.ENDING)
        await records.end("success")
        return TaskSuccessEvent()

    async def _job(self, records: TryRecords) -> Job:
        fields = await self._rendered()
        async with shared_connection(self.service, fields["conn_id"], fields["place"]):
            if (ref := records.ref) is not None:
                self.log.info("Goes on with job %s: %s", ref.id, ref.url)
                self._waiting = self._waiter(ref, fields)
            else:
                self._submitting = asyncio.ensure_future(self._submitted(records, fields))
                # A request that is under way goes on when the task is killed, so that its job can be
                # cancelled.
                self._waiting = await asyncio.shield(self._submitting)
            return await self._waited(self._waiting)

    # --- What is asked for

    async def _rendered(self) -> dict[str, Any]:
        if self._context is None:
            raise RuntimeError(
                "Airflow gave no context to render templates with: the task starts on a worker now, and did "
                "not when this try began."
            )
        fields = await render(self.get_template_env(), self.fields, self._context)
        self._release()
        await asyncio.to_thread(mask_signatures, fields)
        fields["poll_interval"] = positive("poll_interval", fields["poll_interval"])
        fields["outage_tolerance"] = not_negative("outage_tolerance", fields["outage_tolerance"])
        if fields["timeout"] is not None:
            fields["timeout"] = positive("timeout", fields["timeout"])
        return fields

    def _release(self) -> None:
        """Let go of the DAG: Airflow gives each trigger a copy of it, and holds it as long as they wait."""
        context: Any = self._context
        self._context = {"dag_run": context["dag_run"]}
        context.clear()
        instance: Any = self.task_instance
        instance.task = None

    def _identity(self, records: TryRecords) -> TaskIdentity:
        instance: Any = self.task_instance
        run = (self._context or {})["dag_run"]
        return TaskIdentity(
            instance.dag_id,
            str(instance.run_id),
            instance.task_id,
            max_tries=records.tries.clears,
            first_try=records.nothing_sent,
            goes_on=records.goes_on,
            salt=str(run.start_date or ""),
        )

    # --- The submission

    async def _submitted(self, records: TryRecords, fields: Mapping[str, Any]) -> JobTrigger:
        hook: Any = hook_for(self.service, fields["conn_id"], fields["place"])
        order = hook.order(**fields["order"])
        if records.again:
            await self._forget_xcoms()
        # Its own use of it: a submission goes on when the task is killed.
        async with shared_connection(self.service, fields["conn_id"], fields["place"]) as connection:
            accepted = await connection.submit(
                lambda service: self._submission(service, order, records, fields["outage_tolerance"]),
                store=records,
            )
        ref, job = accepted.ref, accepted.job
        await records.take(ref)
        how = "Took up" if accepted.taken_up else "Submitted"
        self.log.info("%s job %s on %s, now %s: %s", how, ref.id, job.endpoint, job.status, ref.url)
        await self._push(ref)
        return self._waiter(ref, fields)

    def _submission(
        self, service: Service, order: Any, records: TryRecords, tolerance: float
    ) -> Flow[Accepted]:
        task = self._identity(records)
        policy = Policy(**self.policy, outage_tolerance=tolerance)
        flow = submit_once(service, order, task, policy)
        if not self.rerun_failed:
            return flow
        from airflow_batch_provider.hooks.modelarts import rerun_or

        return rerun_or(flow, service, task, tolerance)

    async def _push(self, ref: JobRef) -> None:
        try:
            await push(self.task_instance, finding(ref, self.links, self.places), Turn.SUBMITTING)
        except Exception as error:  # noqa: BLE001  # whatever Airflow's API raises, the job is running
            self.log.warning("The XComs of job %s could not be pushed yet: %s", ref.id, error)

    async def _forget_xcoms(self) -> None:
        """Remove what an earlier try has pushed, as a worker does when it starts a task."""
        names = finding(JobRef(self.service, ""), self.links, self.places)
        await forget(self.task_instance, [*names, "outputs", "return_value"])

    # --- The wait

    def _waiter(self, ref: JobRef, fields: Mapping[str, Any]) -> JobTrigger:
        waiter = JobTrigger(
            service=self.service,
            conn_id=fields["conn_id"],
            place=fields["place"],
            ref=ref.to_dict(),
            poll_interval=fields["poll_interval"],
            deadline=self._deadline(ref, fields["timeout"]),
            outage_tolerance=fields["outage_tolerance"],
            cancel_on_kill=self.policy["cancel_on_kill"],
            cancel_on_timeout=self.cancel_on_timeout,
        )
        waiter.task_instance = self.task_instance
        return waiter

    def _deadline(self, ref: JobRef, timeout: float | None) -> float | None:
        ends = [] if timeout is None else [ref.submitted_at + timeout]
        # Airflow ends a deferred task itself at its execution_timeout, which it tells here.
        if (airflow_ends := getattr(self, "timeout_after", None)) is not None:
            ends.append(airflow_ends.timestamp())
        return min(ends, default=None)

    async def _waited(self, waiting: JobTrigger) -> Job:
        outcome = await waiting.outcome()
        error = error_in(outcome)
        if isinstance(error, JobTimedOut) and self.cancel_on_timeout:
            await waiting.cancel()
        if error is not None:
            raise error
        job = Job.from_dict(outcome["job"])
        if job.logs_wanted(self.fetch_logs):
            await waiting.write_logs(job)
        job.check()
        for name, place in job.outputs.items():
            self.log.info("Output %s of job %s is at %s", name, job.id, place["uri"])
        return job

    def _xcoms(self, job: Job) -> dict[str, Any]:
        ref = JobRef.from_dict(self._waiting.ref) if self._waiting else JobRef(self.service, job.id)
        result = {"return_value": job.to_dict()} if self.push_result else {}
        return {**finding(ref, self.links, self.places), "outputs": job.outputs, **result}

    # --- The user's word

    async def on_kill(self) -> None:
        """Cancel the job if the user ended the task; Airflow calls this at other times, too."""
        self._killed = True
        # Airflow cancels this call when it is still under way at the triggerer's next turn, seconds later.
        work = asyncio.ensure_future(self._end_job())
        _ending.add(work)
        work.add_done_callback(_ending.discard)
        await asyncio.shield(work)

    async def _end_job(self) -> None:
        submitting = self._submitting
        if submitting is not None and not submitting.done():
            if ended_by_user(await task_state(self.task_instance)):
                await asyncio.wait({submitting}, timeout=_SUBMIT_SECONDS)
            if not submitting.done():
                self.log.warning("Left a job, if one is being submitted, to whoever goes on with the task.")
                submitting.cancel()
                return
        if submitting is not None and not submitting.cancelled() and submitting.exception() is None:
            self._waiting = submitting.result()
        if self._waiting is not None:
            await self._waiting.on_kill()

    async def cleanup(self) -> None:
        """Stop submitting when this triggerer is no longer in charge; whoever is looks for the job."""
        if self._submitting is not None and not self._killed:
            self._submitting.cancel()
