"""Hooks: from an Airflow connection to a service and an authenticated client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_batch_provider.hooks.base import BatchHook


def hook_for(service: str, conn_id: str, place: Mapping[str, Any]) -> BatchHook:
    """Return the hook of a service.

    Args:
        service: ``azure_ml`` or ``modelarts``.
        conn_id: The connection's id.
        place: What overrides the connection, as the hook's keyword arguments.
    """
    if service == "azure_ml":
        from airflow_batch_provider.hooks.azure_ml import AzureMLHook

        return AzureMLHook(conn_id, **place)
    if service == "modelarts":
        from airflow_batch_provider.hooks.modelarts import ModelArtsHook

        return ModelArtsHook(conn_id, **place)
    raise ValueError(f"There is no service {service!r}.")
