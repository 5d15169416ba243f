"""What an operator tells OpenLineage's listener, in the listener's own terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import Dataset
from openlineage.client.facet_v2 import symlinks_dataset

from airflow_batch_provider.jobs import Job, JobRef
from airflow_batch_provider.lineage.facets import KEY, PRODUCER, AirflowBatchProviderJobRunFacet
from airflow_batch_provider.lineage.names import DatasetName

_TYPE = "LOCATION"


def lineage(
    service: str,
    *,
    read: Iterable[DatasetName],
    written: Iterable[DatasetName],
    ref: JobRef | None,
    job: Job | None,
    facts: Mapping[str, str],
) -> OperatorLineage[Any, Any]:
    """Return what is told.

    Args:
        service: ``azure_ml`` or ``modelarts``.
        read: The inputs that were asked for.
        written: The outputs, once the job has succeeded.
        ref: The job, once there is one.
        job: The job, once it has ended.
        facts: Further fields of the facet; empty ones are left out.
    """
    told = {"jobId": ref.id if ref else "", "jobUrl": ref.url if ref else "", **facts}
    told["status"] = job.status if job else ""
    known = {name: text for name, text in told.items() if text}
    facet = AirflowBatchProviderJobRunFacet(service, producer=PRODUCER, **known)
    return OperatorLineage(
        inputs=[_dataset(name) for name in dict.fromkeys(read)],
        outputs=[_dataset(name) for name in dict.fromkeys(written)],
        run_facets={KEY: facet},
    )


def _dataset(name: DatasetName) -> Dataset:
    if not name.aliases:
        return Dataset(name.namespace, name.name)
    links = symlinks_dataset.SymlinksDatasetFacet(
        identifiers=[
            symlinks_dataset.Identifier(alias.namespace, alias.name, _TYPE) for alias in name.aliases
        ]
    )
    return Dataset(name.namespace, name.name, facets={"symlinks": links})
