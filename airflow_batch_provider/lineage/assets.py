"""From assets of the schemes ``azureml`` and ``obs``, as inlets and outlets of any task, to datasets.

Airflow imports this whenever it reads the handlers of asset URIs, so everything else is imported later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Asset
    from openlineage.client.event_v2 import Dataset

    from airflow_batch_provider.lineage.names import DatasetName


def azureml(asset: Asset, lineage_context: Any) -> Dataset | None:  # noqa: ARG001  # as Airflow calls it
    """Return the dataset of an asset; ``None`` where its URI does not name the workspace.

    Args:
        asset: With a normalised URI.
        lineage_context: Who asks; not needed.
    """
    from airflow_batch_provider.lineage.azure_ml import long_name

    return _dataset(long_name(asset.uri))


def obs(asset: Asset, lineage_context: Any) -> Dataset | None:  # noqa: ARG001  # as Airflow calls it
    """Return the dataset of an asset.

    Args:
        asset: With a normalised URI.
        lineage_context: Who asks; not needed.
    """
    from airflow_batch_provider.lineage.modelarts import named_by

    return _dataset(named_by(asset.uri))


def _dataset(name: DatasetName | None) -> Dataset | None:
    from openlineage.client.event_v2 import Dataset

    return Dataset(name.namespace, name.name) if name else None
