"""What a task with outlets tells of its job, on the emulator."""

from __future__ import annotations

import pytest
from airflow.sdk import Asset, AssetAlias
from airflow.sdk.execution_time.context import OutletEventAccessors

from airflow_batch_provider.errors import JobFailed
from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator

SCORES = Asset("scores")
ANY = AssetAlias("whatever was scored")


@pytest.fixture
def events(task, monkeypatch):
    """The events of the task's outlets."""
    accessors = OutletEventAccessors()
    context = task.context
    monkeypatch.setattr(task, "context", lambda **params: {**context(**params), "outlet_events": accessors})
    return accessors


def scoring(data="azureml:good@latest", **arguments):
    return AzureMLBatchEndpointOperator(
        task_id="score", endpoint_name="letters", input=data, poll_interval=1, **arguments
    )


@pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
def test_the_event_says_where_the_job_wrote(emulator, task, events, deferrable):
    """An asset's event carries the job and its outputs; an alias gets an asset for each output."""
    events[SCORES].extra["mine"] = 1

    job = task.run(scoring(deferrable=deferrable, outlets=[SCORES, ANY]))

    told = {
        "job_id": job["id"],
        "name": job["name"],
        "status": "Completed",
        "endpoint": "letters",
        "url": job["url"],
        "outputs": job["outputs"],
    }
    assert job["outputs"]["score"]["uri"].startswith("azureml://")
    assert events[SCORES].extra == {**told, "mine": 1}
    (made,) = events[ANY].asset_alias_events
    assert made.dest_asset_key.uri == Asset(job["outputs"]["score"]["uri"]).uri
    assert made.extra == {**told, "output": "score"}


def test_a_job_that_failed_tells_nothing(emulator, task, events):
    """There is nothing new at the asset."""
    with pytest.raises(JobFailed):
        task.run(scoring("azureml:one-bad@latest", job_overrides={"error_threshold": 0}, outlets=[SCORES]))

    assert len(events) == 0
