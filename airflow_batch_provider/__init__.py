"""Run remote machine-learning batch jobs from Apache Airflow."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def get_provider_info() -> dict[str, Any]:
    """Return what Airflow wants to know of this provider, as data that needs no import."""
    from airflow_batch_provider.provider_info import PROVIDER_INFO

    return {**PROVIDER_INFO, "versions": [__version__]}
