"""What a function returned, kept from before its job is submitted until the job is known."""

from __future__ import annotations

import json
from typing import Any

from airflow_batch_provider.errors import redact

KEY = "airflow_batch_provider.inputs"
"""Never renamed: tasks that are running across an upgrade look for it."""

LARGEST = 64 * 1024


class KeptInputs:
    """The inputs that a function returned, in Airflow's task state store, next to the submission's record.

    A function may return other inputs each time. A job whose submission was interrupted is known by its
    inputs where the service lost its marker, so they must be those that were sent.

    Args:
        accessor: Airflow's accessor of the task instance that runs.
        records: Where the record of the submission is, see `operators.records`.
    """

    def __init__(self, accessor: Any, records: Any) -> None:
        self._accessor = accessor
        self._records = records

    def of_open_submission(self) -> Any:
        """Return the inputs that an earlier try may have sent without learning of its job, or ``None``."""
        from airflow_batch_provider.jobs import Submission

        record = self._records.load()
        if record is None or Submission.from_dict(record).ref is not None:
            return None
        kept = self._accessor.get(KEY)
        return json.loads(kept) if isinstance(kept, str) and kept else None

    def keep(self, value: Any) -> None:
        """Keep what is about to be sent; what is secret, or long, is not kept."""
        from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]  # missing in the stub only

        try:
            text = json.dumps(value)
        except (TypeError, ValueError):
            text = ""
        if len(text) > LARGEST or redact(text) != text:
            text = ""
        self._accessor.set(KEY, text, retention=NEVER_EXPIRE)
