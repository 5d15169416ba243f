"""What a remote job is, and what a service must be able to answer about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, Protocol

from airflow_batch_provider.errors import JobCanceled, JobFailed
from airflow_batch_provider.flow import Flow


class JobState(str, Enum):
    """What a job's status means for the one who waits. The raw status stays in `Job.status`."""

    PENDING = "pending"
    RUNNING = "running"
    CANCELING = "canceling"
    # It goes on only when a person acts, which may be never: waiting for it ends with an error.
    BLOCKED = "blocked"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    # A status that the service's documentation did not know when this was written: waited on like RUNNING.
    UNKNOWN = "unknown"

    @property
    def done(self) -> bool:
        """Whether the job will never change again."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELED)


@dataclass(frozen=True)
class Step:
    """A part of a job that has begun.

    Args:
        name: The name that people see.
        status: The service's own word.
        done: Whether it will not go on, however it ended.
        seconds: How long it has taken so far; ``None`` if the service does not say.
    """

    name: str
    status: str
    done: bool = False
    seconds: float | None = None


@dataclass(frozen=True)
class Job:
    """A remote job as its service last described it.

    Args:
        service: ``azure_ml`` or ``modelarts``.
        id: The service's id of the job.
        name: The name that people see.
        state: What the status means.
        status: The service's own word.
        detail: What the service says of it, such as the text of a failure, or how far it has come.
        url: Its page in the service's web interface.
        endpoint: The endpoint or workflow that it runs on.
        outputs: Output name to ``{"uri": …, "url": …, "abfss": …}``.
        steps: Its parts that have begun, where the service tells them; not among what `to_dict` returns.
        steps_in_all: How many it has in all; 0 if that is not known. Likewise.
    """

    service: str
    id: str
    name: str = ""
    state: JobState = JobState.UNKNOWN
    status: str = ""
    detail: str = ""
    url: str = ""
    endpoint: str = ""
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    steps: tuple[Step, ...] = field(default=(), compare=False)
    steps_in_all: int = field(default=0, compare=False)

    @property
    def news(self) -> str:
        """Its status and what the service says of it: a change is worth a line in a log."""
        return f"{self.status}: {self.detail.rstrip('.')}" if self.detail else self.status

    def to_dict(self) -> dict[str, Any]:
        """Return JSON scalars and mappings only."""
        told = {**asdict(self), "state": self.state.value}
        del told["steps"], told["steps_in_all"]  # For whoever waits; the service has them.
        return told

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Job:
        """Read what `to_dict` wrote."""
        return cls(**{**data, "state": JobState(data["state"])})

    def logs_wanted(self, fetch_logs: str) -> bool:
        """Say whether this job's logs are to be fetched, now that it is done.

        Args:
            fetch_logs: ``on_failure``, ``always`` or ``never``.
        """
        return fetch_logs == "always" or (fetch_logs == "on_failure" and self.state is not JobState.SUCCEEDED)

    def check(self) -> Job:
        """Return the job if it succeeded.

        Raises:
            JobFailed: It failed.
            JobCanceled: It was cancelled.
        """
        if self.state is JobState.SUCCEEDED:
            return self
        kind = JobCanceled if self.state is JobState.CANCELED else JobFailed
        on = f" on {self.endpoint!r}" if self.endpoint else ""
        detail = f": {self.detail}" if self.detail else "."
        raise kind(f"The job{on} ended as {self.status}{detail}").about(self.id, self.url)


FRESH_SECONDS = 60.0
"""A service may not show a job in the first moments after it was accepted: until then, "not found" says
nothing."""

LATE_SECONDS = 60.0
"""A service may not list a job in the first moments after it was accepted: until then, its absence says
nothing."""

REQUEST_SECONDS = 60.0
"""How long a request may be under way after it was recorded that it is about to be sent."""


@dataclass(frozen=True)
class JobRef:
    """Where a job is found again. It crosses from worker to trigger to event to worker.

    Args:
        service: ``azure_ml`` or ``modelarts``.
        id: The service's id of the job.
        place: The service's own address of it, strings only.
        submitted_at: Epoch seconds; deadlines and poll intervals count from here, whichever process asks.
        marker: The marker of the submission, see `marker_of`.
        url: Its page in the service's web interface.
    """

    service: str
    id: str
    place: dict[str, str] = field(default_factory=dict)
    submitted_at: float = 0.0
    marker: str = ""
    url: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON scalars and mappings only."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> JobRef:
        """Read what `to_dict` wrote."""
        return cls(**data)


@dataclass(frozen=True)
class Log:
    """The end of one of a job's logs, without secrets.

    Args:
        name: What log it is.
        lines: Its last lines; none where only something is left out.
        left_out: What came before them, such as ``3 lines and 512 bytes``; empty for nothing.
    """

    name: str
    lines: tuple[str, ...]
    left_out: str = ""

    def told_in(self, text: str) -> bool:
        """Say whether a text has all there is, its lines cut as `answers.last_lines` cuts them."""
        return not self.left_out and all(line[:300] in text for line in self.lines)

    def __str__(self) -> str:
        """Return it for a task's log."""
        if not self.lines:
            return f"Left out of {self.name}: {self.left_out}."
        before = f" ({self.left_out} before that left out)" if self.left_out else ""
        return "\n".join([f"The end of {self.name}{before}:", *(f"  | {line}" for line in self.lines)])


@dataclass(frozen=True)
class Trace:
    """A job that a service lists, and what it tells of who started it.

    Args:
        ref: Its reference. ``marker`` is the one that the service kept, or empty; ``submitted_at`` is the
            service's time of creation, or 0.
        job: As the list describes it.
        alike: Whether it may have been started by the plan that was compared with: same inputs and outputs;
            ``None`` if that cannot be said.
    """

    ref: JobRef
    job: Job
    alike: bool | None


@dataclass(frozen=True)
class Traces:
    """What a service lists.

    Args:
        found: Its jobs, in any order.
        complete: Whether no job in question can be missing but for a list that lags.
    """

    found: tuple[Trace, ...]
    complete: bool = True


@dataclass(frozen=True)
class JobPage:
    """A page of the list in which a service shows several jobs at once.

    Args:
        jobs: Of those that were asked about, the ones that it shows, by id, as `Service.get` describes them.
        rows: How many jobs it shows in all.
        after: Where the next page is, in the service's own terms; ``None`` behind the last.
    """

    jobs: dict[str, Job]
    rows: int
    after: Any = None


class Service(Protocol):
    """What a service must be able to answer; each method is a flow."""

    @property
    def name(self) -> str:
        """``azure_ml`` or ``modelarts``."""

    def plan(self, order: Any) -> Flow[Any]:
        """Look up what an order needs before it can be sent. Starts nothing, so it may be repeated."""

    def submit(self, plan: Any, marker: str) -> Flow[tuple[JobRef, Job]]:
        """Start a job that carries *marker*.

        Raises:
            AnswerLost: It cannot be known whether a job was started; `UnexpectedAnswer` and
                `ServiceUnavailable` mean the same here.
            BatchError: Any other: no job was started.
        """

    def traces(self, plan: Any, marker: str, since: float) -> Flow[Traces]:
        """List the jobs that *plan* may have started.

        Args:
            plan: What `plan` returned.
            marker: The marker that the job carries, if the service keeps it.
            since: Epoch seconds; older jobs without the marker need not be told.
        """

    def about(self, plan: Any) -> str:
        """Return where a plan is sent and, after a blank, what it says: the same text for the same job.

        It is recorded, so it must hold no secret.
        """

    def get(self, ref: JobRef) -> Flow[Job]:
        """Ask for one job."""

    def asking(self, ref: JobRef) -> Callable[[], Flow[Job]]:
        """Return what asks for one job as `get` does, again and again: what can be is prepared once.

        Each flow must have ended before the next begins.
        """

    def group(self, ref: JobRef) -> str:
        """Name the list that shows a job together with others; empty if there is none."""

    def common_group(self, ref: JobRef) -> str:
        """Name a list that shows a job together with those of other groups; empty if there is none."""

    def page(self, refs: Mapping[str, JobRef], after: Any = None) -> Flow[JobPage]:
        """Ask for one page of the list that shows all these jobs.

        Args:
            refs: Jobs of one `group` or `common_group`, by id; at least one.
            after: Where the page is, as the page before it said; ``None`` for the first.
        """

    def cancel(self, ref: JobRef) -> Flow[None]:
        """Ask the service to end the job; harmless if it has ended."""

    def outputs(self, ref: JobRef) -> Flow[dict[str, dict[str, str]]]:
        """Find where a finished job wrote: output name to its URIs."""

    def explain(self, ref: JobRef) -> Flow[str]:
        """Tell why a job failed, as far as the service says."""

    def logs(self, ref: JobRef, tell: Callable[[Log], None]) -> Flow[None]:
        """Read the ends of a finished job's logs, of what failed if something did; a few, each bounded.

        Args:
            ref: The job.
            tell: Called with each as soon as it is read.
        """
