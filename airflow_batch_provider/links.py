"""Links from a task in Airflow to its job on the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class JobLink(BaseOperatorLink):
    """The page of a task's job, known from the moment of submission.

    The operator pushes the URL under ``xcom_key`` itself, so that the link works while the task is waiting;
    Airflow pushes it again when the task ends.
    """

    name = "Remote job"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002  # Airflow's
        """Return the URL that the operator has learnt, or an empty text."""
        return str(getattr(operator, "job_url", ""))


class AzureMLJobLink(JobLink):
    """The job in Azure Machine Learning studio, of the right cloud."""

    name = "Azure ML job"


class ModelArtsExecutionLink(JobLink):
    """The execution in the console of Huawei Cloud ModelArts."""

    name = "ModelArts execution"
