"""Run remote machine-learning batch jobs from Apache Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_batch_provider.retries import BatchRetryPolicy

__all__ = ["BatchRetryPolicy", "__version__", "get_provider_info"]
__version__ = "0.1.0"


def get_provider_info() -> dict[str, Any]:
    """Return what Airflow wants to know of this provider, as data that needs no import."""
    from airflow_batch_provider.provider_info import PROVIDER_INFO

    return {**PROVIDER_INFO, "versions": [__version__]}


def __getattr__(name: str) -> Any:
    # Nobody who asks for the version or the provider info shall wait for Airflow's SDK.
    if name == "BatchRetryPolicy":
        from airflow_batch_provider.retries import BatchRetryPolicy

        return BatchRetryPolicy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
