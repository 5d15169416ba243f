"""What the operators of all services share: submit once, then wait here or in the triggerer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator, conf

from airflow_batch_provider.checks import choice
from airflow_batch_provider.operators.assets import tell_outlets
from airflow_batch_provider.operators.cancelling import Cancels
from airflow_batch_provider.operators.lineage import ToldLineage
from airflow_batch_provider.operators.logs import CHOICES, write_logs
from airflow_batch_provider.operators.waiting import check_waiting, deadline_of
from airflow_batch_provider.templating import NamedTemplates

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batch_provider.flow import Flow
    from airflow_batch_provider.hooks.base import BatchHook
    from airflow_batch_provider.jobs import Accepted, Job, JobRef, TaskIdentity, Watch
    from airflow_batch_provider.triggers.jobs import JobTrigger

_NO_SCHEDULER = "no scheduler handed it to a triggerer, which dag.test() and 'airflow tasks test' do not have"


class BatchOperator(ToldLineage, Cancels, NamedTemplates, BaseOperator):
    """Base of the operators that run one remote job.

    Args:
        wait_for_completion: Whether the task ends with the job, or as soon as the job is accepted.
        deferrable: Whether it waits in the triggerer. Default: ``[operators] default_deferrable``.
        poll_interval: Longest seconds between two polls; a young job is asked more often.
        timeout: Seconds, or a ``timedelta``, from the submission until the task fails; ``None`` for no limit
            but ``execution_timeout``.
        cancel_on_kill: Whether the job is cancelled when the user marks the task as failed or succeeded, or
            clears it, wherever it waits.
        cancel_on_timeout: Whether the job is cancelled when *timeout* has passed.
        on_retry: What a retry does about a job that is still active: ``reattach``, ``resubmit`` or ``fail``.
        on_clear: What a cleared task does about a job that succeeded: ``rerun`` or ``reuse``.
        on_ambiguous: What to do when the service's answer to a submission was lost: ``reconcile`` looks for
            the job, and fails with `SubmissionUnknown` where it cannot be known whether there is one;
            ``retry`` submits again there, at the risk of a second job; ``fail`` does not look.
        outage_tolerance: Seconds without a good answer after which the task fails and leaves the job running.
        fetch_logs: Whether the ends of the job's logs are written to the task's log when it has ended:
            ``on_failure``, ``always`` or ``never``. See ``docs/logs.md``.
        start_from_trigger: Whether the task runs in the triggerer from the start, with no worker at all, if
            all that it needs is known there; otherwise it runs on a worker, and its log says why. See
            ``docs/worker-free.md``.
    """

    service: str
    """Of `hooks.hook_for`."""

    order_fields: tuple[str, ...] = ()
    """The arguments that say what to submit, as the hook's ``order`` takes them."""

    file_fields: tuple[str, ...] = ()
    """Those of them that may name a file."""

    upload_fields: tuple[str, ...] = ()
    """Those of them that may name local data."""

    place_xcoms: tuple[str, ...] = ()
    """What of a job's place is pushed, under the same name."""

    job_url: str = ""
    """The job's page, once there is a job."""

    def __init__(
        self,
        *,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float = 30,
        timeout: float | timedelta | None = None,
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = True,
        on_retry: str = "reattach",
        on_clear: str = "rerun",
        on_ambiguous: str = "reconcile",
        outage_tolerance: float = 900,
        fetch_logs: str = "on_failure",
        start_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.cancel_on_kill = cancel_on_kill
        self.cancel_on_timeout = cancel_on_timeout
        self.on_retry = choice("on_retry", on_retry, "reattach", "resubmit", "fail")
        self.on_clear = choice("on_clear", on_clear, "rerun", "reuse")
        self.on_ambiguous = choice("on_ambiguous", on_ambiguous, "reconcile", "fail", "retry")
        self.outage_tolerance = outage_tolerance
        self.fetch_logs = choice("fetch_logs", fetch_logs, *CHOICES)
        if self.on_clear == "reuse" and cancel_on_kill:
            self.log.warning(
                "on_clear='reuse' is for finished jobs: with cancel_on_kill=True, clearing this task while "
                "its job runs cancels the job and submits another."
            )
        self._worker_free_wanted, self._why_worker = start_from_trigger, ""
        # Literals are checked when the DAG is parsed, what a template renders when the task runs.
        check_waiting(self, literal=True)

    def prepare_template(self) -> None:
        """Decide where the task starts, once more when its whole DAG file has been read."""
        super().prepare_template()
        self._decide_where_to_start()

    def _decide_where_to_start(self) -> None:
        if self._worker_free_wanted:
            from airflow_batch_provider.operators.worker_free import decide

            self._why_worker = decide(self)

    @abstractmethod
    def _order(self, context: Context) -> Any:
        """Return what to submit, checked, in the service's own terms.

        Called only when there is something to submit: a job that runs is taken up whatever has become of the
        files and arguments that it was made from.
        """

    def _ordering(self, context: Context) -> Callable[[], Any]:
        """Return what `submit_once` calls when it has to know what to submit."""
        return partial(self._order, context)

    @abstractmethod
    def _conn_id(self) -> str:
        """Return the connection's id."""

    def _place(self) -> dict[str, Any]:
        """Return what overrides the connection, as keyword arguments of the hook."""
        return {}

    def _do_render_template_fields(
        self, parent: Any, template_fields: Any, context: Context, *args: Any, **kwargs: Any
    ) -> None:
        self._context = context
        super()._do_render_template_fields(parent, template_fields, context, *args, **kwargs)

    def hook(self) -> BatchHook:
        """Return the hook that the rendered arguments describe."""
        from airflow_batch_provider.hooks import hook_for

        return hook_for(self.service, self._conn_id(), self._place())

    def execute(self, context: Context) -> Any:
        """Submit the job, or take up the one that an earlier try submitted, and wait for it.

        Returns:
            The job, see `jobs.Job.to_dict`.

        Raises:
            InvalidInput: An argument or the connection cannot be right; nothing was sent.
            SubmissionUnknown: It cannot be known whether a job was started.
            JobError: The job did not end well; it is named.
            BatchError: The service refused.
        """
        from airflow.sdk.exceptions import AirflowTaskTimeout

        from airflow_batch_provider.errors import JobTimedOut

        self._instance = context["ti"]
        # A job of an earlier try is known from here on: a kill ends it, and an error names it.
        self._recorded(context)
        try:
            return self._execute(context)
        except AirflowTaskTimeout as error:
            if not self._ref:
                raise
            self._cancel_after_timeout()
            told = JobTimedOut(f"The task's execution_timeout has passed: {error}.")
            raise told.about(self._ref.id, self._ref.url) from error

    def _execute(self, context: Context) -> Any:
        if self._worker_free_wanted:
            why = self._why_worker or _NO_SCHEDULER
            self.log.info("Runs on a worker in spite of start_from_trigger=True: %s.", why)
        hook = self._prepared(context)
        submission = self._submission(hook, self._ordering(context), _identity(context))
        accepted = hook.run(submission, store=self._records(context))
        self._announce(context, accepted)
        if not self.wait_for_completion:
            self._push(context, accepted.ref)
            return accepted.job.to_dict()
        if self.deferrable and not accepted.job.state.done:
            self._defer(context, accepted.ref)
        return self._complete(context, self._wait(context, hook, accepted.ref))

    def _prepared(self, context: Context) -> BatchHook:
        from airflow_batch_provider.errors import BatchError

        try:
            check_waiting(self, literal=False)
            hook = self._hook = self.hook()
            hook.open()
            if self.wait_for_completion and self.deferrable:
                self._rehearse(context)
        except BatchError as error:
            if self._ref:
                error.about(self._ref.id, self._ref.url)
            raise
        return hook

    def _submission(self, hook: BatchHook, order: Callable[[], Any], task: TaskIdentity) -> Flow[Accepted]:
        from airflow_batch_provider.jobs import submit_once

        return submit_once(hook.service, order, task, self._policy())

    def execute_complete(
        self, context: Context, event: Mapping[str, Any], ref: Mapping[str, Any] | None = None
    ) -> Any:
        """Go on when the trigger has an outcome. Everything is taken from the event.

        Args:
            context: Airflow's.
            event: What `triggers.jobs.JobTrigger` yields.
            ref: The job that the task has deferred for, see `jobs.JobRef.to_dict`.
        """
        from airflow_batch_provider.errors import JobTimedOut
        from airflow_batch_provider.jobs import Job, JobRef
        from airflow_batch_provider.triggers.jobs import error_in

        if ref and ref["id"] != event["ref"]["id"]:
            # SQLite gives a deleted trigger's id to the next one, so Airflow may take the trigger of a try
            # that was cleared for this one's.
            self.log.warning("Waiting on for job %s: that was the end of %s.", ref["id"], event["ref"]["id"])
            self._defer(context, JobRef.from_dict(ref))
        self._know(JobRef.from_dict(event["ref"]))
        for line in event["history"]:
            self.log.info("While deferred: %s", line)
        error = error_in(event)
        if isinstance(error, JobTimedOut):
            self._cancel_after_timeout()
        if error is not None:
            raise error
        job = Job.from_dict(event["job"])
        return self._complete(context, job)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral, or end when Airflow says that the trigger timed out or failed."""
        from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout

        from airflow_batch_provider.errors import JobTimedOut, JobUnreachable
        from airflow_batch_provider.jobs import JobRef

        self._instance = context["ti"]
        if self.start_from_trigger:
            from airflow_batch_provider.operators.worker_free import note_failure

            note_failure(context["ti"])  # A trigger that runs a task has a worker end it only then.
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout as error:
            ref = self._recorded(context) or JobRef(self.service, "")
            self._cancel_after_timeout()
            told = "The task was deferred for longer than its execution_timeout allows."
            raise JobTimedOut(told).about(ref.id, ref.url) from error
        except TaskDeferralError as error:
            ref = self._recorded(context) or JobRef(self.service, "")
            raise JobUnreachable(
                f"The trigger that waited for the job failed: {error}.",
                fix="The job was left running; a retry of this task takes it up again.",
            ).about(ref.id, ref.url) from error

    def _recorded(self, context: Context) -> JobRef | None:
        """Learn of the job that an earlier try, or this one before it deferred, has recorded."""
        from airflow_batch_provider.jobs import Submission
        from airflow_batch_provider.operators.worker_free import submitted_by_trigger

        by_trigger = submitted_by_trigger(context["ti"]) if self.start_from_trigger else None
        record = by_trigger or self._records(context).load()
        ref = Submission.from_dict(record).ref if record else None
        if ref is not None and ref.id:
            self._know(ref)
        return self._ref

    def _policy(self) -> Any:
        from airflow_batch_provider.jobs import Policy

        return Policy(
            self.on_retry,  # type: ignore[arg-type]  # checked
            self.on_clear,  # type: ignore[arg-type]  # checked
            self.cancel_on_kill,
            self.on_ambiguous,  # type: ignore[arg-type]  # checked
            float(self.outage_tolerance),
        )

    def _records(self, context: Context) -> Any:
        from airflow_batch_provider.operators.records import TaskStateRecords

        return TaskStateRecords(context["task_state_store"], context["ti"], self._accepted)

    def _accepted(self, ref: Mapping[str, Any]) -> None:
        from airflow_batch_provider.jobs import JobRef

        self._know(JobRef.from_dict(ref))

    def _announce(self, context: Context, accepted: Accepted) -> None:
        ref, job = accepted.ref, accepted.job
        self._know(ref)
        how = "Took up" if accepted.taken_up else "Submitted"
        self.log.info("%s job %s on %s, now %s: %s", how, ref.id, job.endpoint, job.status, ref.url)
        try:
            self._push(context, ref)
        except Exception as error:  # noqa: BLE001  # whatever Airflow's API raises, the job is running
            self.log.warning("The XComs of job %s could not be pushed yet: %s", ref.id, error)
        if self._killed:
            from airflow_batch_provider.errors import JobCanceled

            self._try_to_cancel(ref, self.cancel_on_kill, "cancel_on_kill")
            raise JobCanceled("The task was killed while it submitted its job.").about(ref.id, ref.url)

    def _push(self, context: Context, ref: JobRef) -> None:
        """Push what finds the job; pushing it twice is pushing it once."""
        from airflow_batch_provider.triggers.xcoms import finding

        links = [link.xcom_key for link in self.operator_extra_links]
        self._tell(context, finding(ref, links, self.place_xcoms), ref)

    def _tell(self, context: Context, xcoms: Mapping[str, Any], ref: JobRef) -> None:
        """Push XComs; where Airflow does not take them, the error names the job."""
        from airflow_batch_provider.errors import JobError

        for key, value in xcoms.items():
            try:
                context["ti"].xcom_push(key=key, value=value)
            except Exception as error:
                raise JobError(
                    f"The XCom {key!r} of the job could not be pushed: {type(error).__name__}: {error}.",
                    fix="The job was left as it is; a retry of this task takes it up again.",
                ).about(ref.id, ref.url) from error

    def _know(self, ref: JobRef) -> None:
        self._ref, self.job_url = ref, ref.url

    def _wait(self, context: Context, hook: BatchHook, ref: JobRef) -> Job:
        from airflow_batch_provider.errors import JobTimedOut
        from airflow_batch_provider.jobs import finish

        try:
            return hook.run(finish(hook.service, ref, self._watch(context, ref)))
        except JobTimedOut:
            self._cancel_after_timeout()
            raise

    def _watch(self, context: Context, ref: JobRef) -> Watch:
        from airflow_batch_provider.jobs import Watch, told

        return Watch(
            poll_interval=float(self.poll_interval),
            deadline=self._deadline(context, ref),
            outage_tolerance=float(self.outage_tolerance),
            on_change=lambda job: self.log.info("%s", told(job, ref)),
            on_trouble=lambda error: self.log.warning("Asking again: %s", error),
        )

    def _defer(self, context: Context, ref: JobRef) -> NoReturn:
        told = {"ref": ref.to_dict()}
        self.defer(trigger=self._trigger(context, ref), method_name="execute_complete", kwargs=told)

    def _rehearse(self, context: Context) -> None:
        """Build and serialise the trigger: what fails after the submission would leave a job alone."""
        import json

        from airflow_batch_provider.jobs import JobRef

        json.dumps(self._trigger(context, JobRef(self.service, "rehearsal")).serialize())

    def _trigger(self, context: Context, ref: JobRef) -> JobTrigger:
        from airflow_batch_provider.triggers.jobs import JobTrigger

        return JobTrigger(
            service=self.service,
            conn_id=self._conn_id(),
            place=self._place(),
            ref=ref.to_dict(),
            poll_interval=float(self.poll_interval),
            deadline=self._deadline(context, ref),
            outage_tolerance=float(self.outage_tolerance),
            cancel_on_kill=self.cancel_on_kill,
            cancel_on_timeout=self.cancel_on_timeout,
        )

    def _deadline(self, context: Context, ref: JobRef) -> float | None:
        """Return the epoch second at which waiting ends, the same in every process and try of this job."""
        return deadline_of(self, context, ref.submitted_at)

    def _complete(self, context: Context, job: Job) -> dict[str, Any]:
        from airflow_batch_provider.jobs import JobRef

        self._ended = job
        if self._ref is not None and job.logs_wanted(self.fetch_logs):
            write_logs(self.log, self._hook or self.hook(), self._ref, job)
        job.check()
        if self._ref is not None:
            self._push(context, self._ref)
        for name, place in job.outputs.items():
            self.log.info("Output %s of job %s is at %s", name, job.id, place["uri"])
        ref = self._ref or JobRef(self.service, job.id, url=job.url)
        self._tell(context, {"outputs": job.outputs}, ref)
        tell_outlets(context, self.outlets, job)
        return job.to_dict()


def _identity(context: Context) -> TaskIdentity:
    from airflow_batch_provider.jobs import TaskIdentity

    instance, run = context["ti"], context["dag_run"]
    return TaskIdentity(
        instance.dag_id,
        str(instance.run_id),
        instance.task_id,
        -1 if instance.map_index is None else instance.map_index,
        getattr(instance, "max_tries", None),
        getattr(run, "clear_number", None),
        getattr(instance, "try_number", 1) <= 1,
        str(getattr(run, "start_date", None) or ""),
    )
