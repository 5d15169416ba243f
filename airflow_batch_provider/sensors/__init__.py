"""Sensors: wait for what another task or system brings about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_batch_provider.sensors.azure_ml import AzureMLJobSensor
    from airflow_batch_provider.sensors.modelarts import ModelArtsExecutionSensor
    from airflow_batch_provider.sensors.outputs import BatchOutputSensor

__all__ = ["AzureMLJobSensor", "BatchOutputSensor", "ModelArtsExecutionSensor"]


def __getattr__(name: str) -> Any:
    if name == "AzureMLJobSensor":
        from airflow_batch_provider.sensors.azure_ml import AzureMLJobSensor

        return AzureMLJobSensor
    if name == "BatchOutputSensor":
        from airflow_batch_provider.sensors.outputs import BatchOutputSensor

        return BatchOutputSensor
    if name == "ModelArtsExecutionSensor":
        from airflow_batch_provider.sensors.modelarts import ModelArtsExecutionSensor

        return ModelArtsExecutionSensor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
