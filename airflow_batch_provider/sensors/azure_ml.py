"""The sensor that waits for a job of Azure Machine Learning."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator, PokeReturnValue, conf

from airflow_batch_provider.checks import not_negative, positive
from airflow_batch_provider.links import AzureMLJobLink

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batch_provider.errors import BatchError
    from airflow_batch_provider.hooks.azure_ml import AzureMLHook
    from airflow_batch_provider.jobs import JobRef

_GRACE = 300.0


class AzureMLJobSensor(BaseSensorOperator):
    """Wait until a job that another task or system started has succeeded, and return it.

    A job that failed or was cancelled fails the task at once. The job is never cancelled by this sensor.

    Args:
        job_id: The job's id: the ``job_id`` that `AzureMLBatchEndpointOperator` pushes, or the name that
            Azure Machine Learning studio shows.
        azure_ml_conn_id: The connection.
        subscription_id: Instead of the connection's.
        resource_group_name: Instead of the connection's.
        workspace_name: Instead of the connection's.
        cloud_environment: Instead of the connection's.
        outage_tolerance: Seconds without a good answer after which the task fails.
        deferrable: Whether to wait in the triggerer. Default: ``[operators] default_deferrable``.
        poke_interval: Seconds between two looks.
        timeout: Seconds after which the task fails. Default: ``[sensors] default_timeout``.
        **kwargs: Of `BaseSensorOperator` and `BaseOperator`.
    """

    template_fields = (
        "job_id",
        "azure_ml_conn_id",
        "subscription_id",
        "resource_group_name",
        "workspace_name",
        "cloud_environment",
    )
    operator_extra_links = (AzureMLJobLink(),)
    job_url: str = ""

    def __init__(
        self,
        *,
        job_id: str,
        azure_ml_conn_id: str = "azure_ml_default",
        subscription_id: str | None = None,
        resource_group_name: str | None = None,
        workspace_name: str | None = None,
        cloud_environment: str | None = None,
        outage_tolerance: float = 900,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: float | timedelta = 60,
        **kwargs: Any,
    ) -> None:
        seconds = poke_interval.total_seconds() if isinstance(poke_interval, timedelta) else poke_interval
        positive("poke_interval", seconds)
        not_negative("outage_tolerance", outage_tolerance)
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.job_id = job_id
        self.azure_ml_conn_id = azure_ml_conn_id
        self.subscription_id = subscription_id
        self.resource_group_name = resource_group_name
        self.workspace_name = workspace_name
        self.cloud_environment = cloud_environment
        self.outage_tolerance = outage_tolerance
        self.deferrable = deferrable
        self._outage_since: float | None = None

    def execute(self, context: Context) -> Any:
        """Wait for the job.

        Returns:
            The job, see `jobs.Job.to_dict`.

        Raises:
            JobFailed: It failed.
            JobCanceled: It was cancelled.
            AirflowSensorTimeout: It did not end in time.
            BatchError: The service refuses to tell.
        """
        if not self.deferrable:
            return super().execute(context)
        found = self.poke(context)
        return found.xcom_value if found else self._defer(context)

    def poke(self, context: Context) -> PokeReturnValue:
        """Ask once."""
        from airflow_batch_provider.errors import PASSING

        hook = self._hook()
        ref = self._ref(hook)
        self.job_url = ref.url
        for link in self.operator_extra_links:
            context["ti"].xcom_push(key=link.xcom_key, value=ref.url)
        try:
            job = hook.run(hook.service.get(ref))
        except PASSING as error:
            self._tolerate(error, ref)
            return PokeReturnValue(is_done=False)
        self._outage_since = None
        self.log.info("Job %s is %s.", job.id, job.status)
        if not job.state.done:
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

    def _result(self, hook: AzureMLHook, ref: JobRef) -> dict[str, Any]:
        from airflow_batch_provider.jobs import Watch, finish

        # Asks once more, and adds the outputs, or why it failed.
        return hook.run(finish(hook.service, ref, Watch())).check().to_dict()

    def _tolerate(self, error: BatchError, ref: JobRef) -> None:
        now = time.time()
        self._outage_since = self._outage_since or now
        self.log.warning("Asking again: %s", error)
        if now - self._outage_since >= float(self.outage_tolerance):
            error.about(ref.id, ref.url)
            raise error

    def _defer(self, context: Context) -> NoReturn:
        from airflow_batch_provider.triggers.jobs import JobTrigger

        deadline = context["ti"].start_date.timestamp() + self.timeout
        hook = self._hook()
        trigger = JobTrigger(
            service="azure_ml",
            conn_id=self.azure_ml_conn_id,
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

    def _hook(self) -> AzureMLHook:
        from airflow_batch_provider.hooks.azure_ml import AzureMLHook

        hook = AzureMLHook(self.azure_ml_conn_id, **self._place())
        hook.open()
        return hook

    def _ref(self, hook: AzureMLHook) -> JobRef:
        from airflow_batch_provider.jobs import JobRef

        return JobRef("azure_ml", self.job_id, url=hook.workspace.studio_url(self.job_id))

    def _place(self) -> dict[str, Any]:
        return {
            "subscription_id": self.subscription_id,
            "resource_group_name": self.resource_group_name,
            "workspace_name": self.workspace_name,
            "cloud_environment": self.cloud_environment,
        }
