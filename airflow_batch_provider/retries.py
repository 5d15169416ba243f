"""Which failures a retry can mend: a retry policy for tasks that run batch jobs (AIP-105)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import RetryDecision, RetryPolicy

from airflow_batch_provider.checks import positive
from airflow_batch_provider.errors import (
    AuthenticationFailed,
    BadRequest,
    BatchError,
    ConnectionFailed,
    InvalidInput,
    JobFailed,
    JobUnreachable,
    NotFound,
    OperationFailed,
    OperationUnreachable,
    PermissionDenied,
    ServiceUnavailable,
    SubmissionUnknown,
    Throttled,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

_OUTAGE = (Throttled, ServiceUnavailable, ConnectionFailed, JobUnreachable, OperationUnreachable)
_FAULTY = (InvalidInput, BadRequest, PermissionDenied, NotFound)

SHORTAGES = {
    "quota": r"quota",  # "QuotaExceeded", "JobNodeCountExceedsCoreQuota", "a total vCPU quota of 4"
    "capacity": (  # "We do not have sufficient capacity for the requested VM size", "SkuNotAvailable"
        r"(?:sufficient|enough|available) (?:\w+ )?capacity|capacity (?:constraint|is not available|exceeded)"
        r"|allocation ?failed|over-?constrained ?(?:zonal)?allocation|sku ?not ?available"
    ),
    "preemption": r"pre-?empt|\bevicted\b|low[- ]priority node",  # "PreemptionError: Nodes … got pre-empted"
    "disk": r"no space left on device|disk (?:is )?full|diskfull|out of disk",
    "throttling": r"too ?many ?requests|throttl",
}
"""How a failed job says that it lacked what another hour may bring; each is searched for without case.

Source: messages that users of Azure Machine Learning compute report, and the errors of its allocation.
"""


class BatchRetryPolicy(RetryPolicy):
    """Retry later what passes with time, and fail at once what a retry cannot mend.

    Throttling, outages, and a job or an operation that failed for want of quota, capacity, a node or disk
    space are retried *later*. Bad input, a refused request or credential, a missing resource, a job that
    failed by itself and an unknown submission fail at once. Whatever else happens, Airflow's own rule holds.
    A retry always counts against the task's ``retries``.

    Args:
        later: Delay before a retry, a ``timedelta`` or seconds.
        retry_user_code: Leave a job that failed by itself to Airflow's own rule.
        retry_authentication: Leave a refused credential to Airflow's own rule, as where secrets rotate.
        retry_unknown_submission: Leave an unknown submission to Airflow's own rule: the next try looks for
            the job again.
    """

    def __init__(
        self,
        *,
        later: timedelta | float = timedelta(minutes=15),
        retry_user_code: bool = False,
        retry_authentication: bool = False,
        retry_unknown_submission: bool = False,
    ) -> None:
        self.later = later if isinstance(later, timedelta) else timedelta(seconds=positive("later", later))
        self.retry_user_code = retry_user_code
        self.retry_authentication = retry_authentication
        self.retry_unknown_submission = retry_unknown_submission

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # noqa: ARG002  # Airflow's interface
        max_tries: int,  # noqa: ARG002
        context: Context | None = None,  # noqa: ARG002
    ) -> RetryDecision:
        """Decide about a failure."""
        kind = type(exception).__name__
        if isinstance(exception, _OUTAGE):
            return RetryDecision.retry(self.later, f"{kind}: the service could not serve us now.")
        if isinstance(exception, (JobFailed, OperationFailed)) and (lacked := shortage(str(exception))):
            return RetryDecision.retry(self.later, f"{kind}: its text speaks of {lacked}.")
        if isinstance(exception, self._hopeless()):
            return RetryDecision.fail(f"{kind}: a retry would end the same way.")
        return RetryDecision.default()

    def _hopeless(self) -> tuple[type[BatchError], ...]:
        unless = {
            JobFailed: self.retry_user_code,
            AuthenticationFailed: self.retry_authentication,
            SubmissionUnknown: self.retry_unknown_submission,
        }
        return (*_FAULTY, *(kind for kind, retried in unless.items() if not retried))

    def serialize(self) -> dict[str, Any]:
        """Return the arguments as JSON."""
        return {**vars(self), "later": self.later.total_seconds()}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> BatchRetryPolicy:
        """Read what `serialize` wrote."""
        return cls(**data)


def shortage(text: str) -> str:
    """Return which of `SHORTAGES` a failed job's text speaks of, or an empty text."""
    found = (lacked for lacked, pattern in SHORTAGES.items() if re.search(pattern, text, re.IGNORECASE))
    return next(found, "")
