"""Why a scoring job fails, in the service's words."""

from __future__ import annotations

USER_FAILURE = (
    "User program failed with Exception: Run failed. Please check logs for details. "
    "You can check logs/readme.txt for the layout of logs."
)
"""What a job says of itself when the scoring script is to blame (documented failure text)."""

NOTHING_SUCCEEDED = "No succeeded mini batch item returned from run()"
"""What a job says when not one item was returned (documented failure text)."""


class JobFailedError(Exception):
    """The job is to end as ``Failed``; the text is what the job says of itself."""


def user_failure(detail: str) -> JobFailedError:
    """Return the failure of a job whose scoring script is to blame.

    Args:
        detail: What exactly happened; the service leaves that to the logs.
    """
    return JobFailedError(f"{USER_FAILURE}\n{detail}")
