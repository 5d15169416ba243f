"""What finds a task's job: XComs that are pushed as soon as it is submitted, by a worker or a trigger."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_batch_provider.jobs import JobRef


def finding(ref: JobRef, links: Iterable[str], places: Iterable[str]) -> dict[str, str | None]:
    """Return key to value.

    Args:
        ref: The job.
        links: Keys that hold its page's address.
        places: Keys that hold what its address on the service has under the same name.
    """
    return {
        "job_id": ref.id,
        **dict.fromkeys(links, ref.url),
        **{name: ref.place.get(name) for name in places},
    }
