"""Decorators of the TaskFlow API: ``@task.azure_ml_batch``, or with types ``@azure_ml_batch``."""

from __future__ import annotations

from airflow_batch_provider.decorators.azure_ml import azure_ml_batch

__all__ = ["azure_ml_batch"]
