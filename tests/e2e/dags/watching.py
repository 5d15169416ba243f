"""DAGs that start when files arrive."""

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_batch_provider.triggers.output_events import OutputEventTrigger

PLACE = "azureml://datastores/workspaceblobstore/paths/watched"
INTERVAL = 2.0


def watched(name, place, **arguments):
    trigger = OutputEventTrigger(path=f"{PLACE}/{place}", poll_interval=INTERVAL, **arguments)
    return Asset(name, watchers=[AssetWatcher(name=f"{name}_watcher", trigger=trigger)])


arrived = watched("arrived", "one")

with DAG("watching", schedule=[arrived], catchup=False):

    @task
    def payloads(triggering_asset_events):
        """Return what the events that started this run tell."""
        events = triggering_asset_events[arrived]
        return [file for event in events for file in event.extra["payload"]["files"]]

    payloads()

# One DAG per asset would be 25 runs; the assets alone make Airflow watch.
with DAG("watching_many", schedule=[watched(f"many_{n}", "many", glob=f"{n:02}.csv") for n in range(25)]):

    @task
    def seen():
        """All have come."""

    seen()
