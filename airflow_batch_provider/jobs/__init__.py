"""Remote jobs of any service: what they are, how they are submitted once, and how they are waited for.

`Job` is what is shown to users and travels through XCom. `JobRef` is the address under which a job is found
again, by another process and after any crash. A `Service` knows how to ask; `submit_once` and `wait` know
when.
"""

from __future__ import annotations

from airflow_batch_provider.jobs.decision import Policy, decide
from airflow_batch_provider.jobs.model import (
    Job,
    JobPage,
    JobRef,
    JobState,
    Log,
    Service,
    Step,
    Trace,
    Traces,
)
from airflow_batch_provider.jobs.progress import summary, told
from airflow_batch_provider.jobs.record import Submission, TaskIdentity, marker_of
from airflow_batch_provider.jobs.submission import Accepted, submit_once
from airflow_batch_provider.jobs.waiting import Waiting, Watch, details, finish, wait

__all__ = [
    "Accepted",
    "Job",
    "JobPage",
    "JobRef",
    "JobState",
    "Log",
    "Policy",
    "Service",
    "Step",
    "Submission",
    "TaskIdentity",
    "Trace",
    "Traces",
    "Waiting",
    "Watch",
    "decide",
    "details",
    "finish",
    "marker_of",
    "submit_once",
    "summary",
    "told",
    "wait",
]
