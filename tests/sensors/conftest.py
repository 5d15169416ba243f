"""An emulator with its default datastore, and the part of Airflow that calls a sensor."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from datetime import datetime, timezone
from urllib.parse import quote

import httpx
import pytest
from airflow.sdk._shared.secrets_masker import redact, reset_secrets_masker
from airflow.sdk.exceptions import TaskDeferred

from airflow_batch_provider.emulator.server import Emulator
from tests.secret_scan import CLIENT_SECRET, look

PATIENCE = 20.0
DATASTORE = "workspaceblobstore"


class Service:
    """What tests ask the emulator about itself, and the default datastore's container."""

    def __init__(self, emulator):
        self.url = emulator.url
        self.connection = {**emulator.airflow_connection(), "password": CLIENT_SECRET}
        self._http = httpx.Client(base_url=emulator.url, trust_env=False)
        extra = self.connection["extra"]
        workspace = (
            f"/subscriptions/{extra['subscriptionId']}/resourceGroups/{extra['resource_group_name']}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{extra['workspace_name']}"
        )
        form = {"grant_type": "client_credentials", "client_id": "a", "client_secret": "b"}
        scope = {"scope": "https://management.azure.com/.default"}
        token = self._call("POST", "/t/oauth2/v2.0/token", data=form | scope).json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        store = self._call("GET", f"{workspace}/datastores/{DATASTORE}", headers=bearer).json()["properties"]
        self.account, self.container = store["accountName"], store["containerName"]
        self.folder_url = f"{self.url}/blob/{self.account}/{self.container}"

    def put(self, name, body=b"x"):
        """Write a blob into the default datastore."""
        headers = {"Authorization": "SharedKey a:b", "x-ms-blob-type": "BlockBlob"}
        self._call("PUT", f"{self.folder_url}/{quote(name)}", content=body, headers=headers)

    def fail(self, *faults):
        """Let requests go wrong."""
        self._call("POST", "/_emulator/faults", json=list(faults))

    def requests(self, plane="blob"):
        """Return what was asked of a service since the last reset."""
        return self._call("GET", "/_emulator/requests", params={"plane": plane}).json()["requests"]

    def wait_for_looks(self, number):
        """Wait until storage was asked so often since the last reset."""
        deadline = time.monotonic() + PATIENCE
        while len(self.requests()) < number:
            assert time.monotonic() < deadline, "nobody looked"
            time.sleep(0.01)

    def reset(self):
        """Forget faults and requests."""
        self._call("DELETE", "/_emulator/faults")
        self._call("DELETE", "/_emulator/requests")

    def close(self):
        self._http.close()

    def _call(self, method, url, **options):
        return self._http.request(method, url, **options).raise_for_status()


@pytest.fixture(scope="session")
def shared_service():
    with Emulator() as emulator:
        service = Service(emulator)
        yield service
        service.close()


@pytest.fixture
def service(shared_service, monkeypatch):
    """The emulator, without faults, behind the connection ``azure_ml_default``."""
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", json.dumps(shared_service.connection))
    shared_service.reset()
    yield shared_service
    shared_service.reset()


@pytest.fixture
def folder(service, request):
    """The name of a folder of its own, not there yet, and its path on the datastore."""
    name = f"outputs/{abs(hash(request.node.nodeid)):x}"
    return name, f"azureml://datastores/{DATASTORE}/paths/{name}"


class TaskInstance:
    """The running task instance, as far as sensors use it."""

    def __init__(self):
        self.start_date = datetime.now(timezone.utc)
        self.first_reschedule_date = None

    def get_first_reschedule_date(self, context):
        del context
        return self.first_reschedule_date


class Task:
    """Runs a sensor as Airflow does: render, execute, wait in a trigger, resume."""

    def __init__(self):
        self.instance = TaskInstance()
        self.deferred = []
        self.events = []

    def run(self, sensor, **params):
        context = {"ti": self.instance, "params": params}
        sensor.render_template_fields(context)
        look("rendered fields", *(redact(getattr(sensor, name), name) for name in sensor.template_fields))
        returned = self._returned(sensor, context)
        look("XCom return_value", returned)
        return returned

    def _returned(self, sensor, context):
        try:
            return sensor.execute(context)
        except TaskDeferred as deferred:
            self.deferred.append(deferred)
            look("trigger", json.dumps(deferred.trigger.serialize()))
            event = asyncio.run(self.event_of(deferred.trigger))
            # Everything is in the event: dag.test() drops what defer() was given besides.
            return sensor.resume_execution(deferred.method_name, {"event": event}, context)

    async def event_of(self, trigger):
        """Run a trigger as a triggerer does, made anew from what was stored, and return its one event."""
        _, kwargs = trigger.serialize()
        trigger = type(trigger)(**json.loads(json.dumps(kwargs)))
        events = [json.loads(json.dumps(event.payload)) async for event in trigger.run()]
        look("event", json.dumps(events))
        self.events += events
        (event,) = events
        return event


@pytest.fixture
def task():
    return Task()


@pytest.fixture
def meanwhile():
    """Do something in a thread while a sensor waits; what goes wrong there fails the test."""
    threads, problems = [], []

    def start(action):
        def run():
            try:
                action()
            except Exception as error:  # noqa: BLE001  # told in the test's own thread
                problems.append(error)

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert not problems, problems


@pytest.fixture(autouse=True)
def nothing_masked_yet() -> None:
    """Have Airflow forget what tests before have had it mask: it would mask the same words here."""
    reset_secrets_masker()


@pytest.fixture(autouse=True)
def no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let triggers fire at once: no worker of Airflow's is about to exit here."""
    monkeypatch.setattr("airflow_batch_provider.triggers.settling.SETTLE_SECONDS", 0.0)
