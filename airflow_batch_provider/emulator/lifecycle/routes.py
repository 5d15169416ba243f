"""All routes that change resources, and those that tell how a change goes."""

from __future__ import annotations

from airflow_batch_provider.emulator.lifecycle import (
    assets,
    computes,
    datastores,
    deployments,
    endpoints,
    operation_routes,
)

ROUTES = [
    *computes.ROUTES,
    *datastores.ROUTES,
    *assets.ROUTES,
    *endpoints.ROUTES,
    *deployments.ROUTES,
    *operation_routes.ROUTES,
]
