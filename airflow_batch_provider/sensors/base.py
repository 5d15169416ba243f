"""What the sensors of jobs share: ask, or have the triggerer ask, until the job is done."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator, PokeReturnValue, conf

from airflow_batch_provider.checks import not_negative, positive
from airflow_batch_provider.templating import NamedTemplates

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batch_provider.errors import BatchError
    from airflow_batch_provider.hooks.base import BatchHook
    from airflow_batch_provider.jobs import JobRef

_GRACE = 300.0


class JobSensor(NamedTemplates, BaseSensorOperator):
    """Base of the sensors that wait for one remote job, which they never cancel.

    Args:
        outage_tolerance: Seconds without a good answer after which the task fails.
        deferrable: Whether to wait in the triggerer. Default: ``[operators] default_deferrable``.
        poke_interval: Seconds between two looks.
        timeout: Seconds after which the task fails. Default: ``[sensors] default_timeout``.
        **kwargs: Of `BaseSensorOperator` and `BaseOperator`.
    """

    service: str
    """Of `hooks.hook_for`."""

    job_url: str = ""

    def __init__(
        self,
        *,
        outage_tolerance: float = 900,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: float | timedelta = 60,
        **kwargs: Any,
    ) -> None:
        seconds = poke_interval.total_seconds() if isinstance(poke_interval, timedelta) else poke_interval
        positive("poke_interval", seconds)
        not_negative("outage_tolerance", outage_tolerance)
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.outage_tolerance = outage_tolerance
        self.deferrable = deferrable
        self._outage_since: float | None = None

    @abstractmethod
    def _conn_id(self) -> str:
        """Return the connection's id."""

    @abstractmethod
    def _ref(self, hook: Any) -> JobRef:
        """Return the job that is waited for; may ask the service for it."""

    def _place(self) -> dict[str, Any]:
        """Return what overrides the connection, as keyword arguments of the hook."""
        return {}

    def execute(self, context: Context) -> Any:
        """Wait for the job.

        Returns:
            The job, see `jobs.Job.to_dict`.

        Raises:
            JobFailed: It failed.
            JobCanceled: It was cancelled.
            JobBlocked: It goes on only when a person acts.
            AirflowSensorTimeout: It did not end in time.
            BatchError: The service refuses to tell.
        """
        if not self.deferrable:
            return super().execute(context)
        found = self.poke(context)
        return found.xcom_value if found else self._defer(context)

    def _announce(self, context: Context, ref: JobRef) -> None:
        self.job_url = ref.url
        for link in self.operator_extra_links:
            context["ti"].xcom_push(key=link.xcom_key, value=ref.url)

    def poke(self, context: Context) -> PokeReturnValue:
        """Ask once."""
        from airflow_batch_provider.errors import PASSING
        from airflow_batch_provider.jobs import JobState, told

        hook, ref = self._hook(), None
        try:
            ref = self._ref(hook)
            self._announce(context, ref)
            job = hook.run(hook.service.get(ref))
        except PASSING as error:
            self._tolerate(error, ref)
            return PokeReturnValue(is_done=False)
        self._outage_since = None
        self.log.info("%s", told(job, ref))
        # One that only a person can move on is done for a sensor, too: with an error.
        if not job.state.done and job.state is not JobState.BLOCKED:
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=self._result(hook, ref))

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> Any:  # noqa: ARG002  # Airflow's
        """Go on when the trigger has an outcome. Everything is taken from the event."""
        from airflow.sdk.exceptions import AirflowSensorTimeout

        from airflow_batch_provider.errors import JobTimedOut
        from airflow_batch_provider.jobs import Job
        from airflow_batch_provider.triggers.jobs import error_in

        self.job_url = event["ref"]["url"]
        error = error_in(event)
        if isinstance(error, JobTimedOut):
            raise AirflowSensorTimeout(str(error))
        if error is not None:
            raise error
        return Job.from_dict(event["job"]).check().to_dict()

    def _result(self, hook: BatchHook, ref: JobRef) -> dict[str, Any]:
        from airflow_batch_provider.jobs import Watch, finish

        # Asks once more, and adds the outputs, or why it failed.
        return hook.run(finish(hook.service, ref, Watch())).check().to_dict()

    def _tolerate(self, error: BatchError, ref: JobRef | None) -> None:
        now = time.time()
        self._outage_since = self._outage_since or now
        self.log.warning("Asking again: %s", error)
        if now - self._outage_since >= float(self.outage_tolerance):
            raise error.about(ref.id, ref.url) if ref else error

    def _defer(self, context: Context) -> NoReturn:
        from airflow_batch_provider.triggers.jobs import JobTrigger

        deadline = context["ti"].start_date.timestamp() + self.timeout
        hook = self._hook()
        trigger = JobTrigger(
            service=self.service,
            conn_id=self._conn_id(),
            place=self._place(),
            ref=self._ref(hook).to_dict(),
            poll_interval=self.poke_interval,
            deadline=deadline,
            outage_tolerance=float(self.outage_tolerance),
            cancel_on_kill=False,
            cancel_on_timeout=False,
        )
        left = max(0.0, deadline - time.time())
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=left + _GRACE))

    def _hook(self) -> BatchHook:
        from airflow_batch_provider.hooks import hook_for

        hook = hook_for(self.service, self._conn_id(), self._place())
        hook.open()
        return hook
