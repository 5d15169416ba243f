"""Changes that meet each other: operations long enough for one to come in while another is under way."""

from __future__ import annotations

import pytest

from airflow_batch_provider.emulator.server import Emulator

from .conftest import Azure, wait_for
from .lifecycle import CLUSTER, ENDPOINT, Lifecycle

DEFAULT = ENDPOINT | {"properties": {"authMode": "AADToken", "defaults": {"deploymentName": "one"}}}


@pytest.fixture(scope="module")
def life():
    with Emulator(speed=4) as running:
        azure = Azure(running.url)
        life = Lifecycle(azure)
        life.parts()
        yield life
        azure.http.close()


def message(answer):
    return answer.status_code, answer.json()["error"]["message"]


def test_end_of_an_earlier_change_does_not_hide_a_later_one(life):
    """A resource is ready once its last operation is."""
    first = life.put("/computes/twice", CLUSTER)
    wait_for(lambda: life.state("/computes/twice") == "Updating")
    second = life.put("/computes/twice", CLUSTER | {"tags": {"a": "b"}})

    assert life.waited(first)["status"] == "Succeeded"
    assert life.state("/computes/twice") == "Updating"
    assert life.waited(second)["status"] == "Succeeded"
    assert life.state("/computes/twice") == "Succeeded"


def test_endpoint_is_not_ready_before_its_default_deployment(life):
    """The published commands wait for the endpoint only, and then invoke."""
    life.put("/batchEndpoints/held", ENDPOINT)
    life.put("/batchEndpoints/held/deployments/one", life.deployment())

    life.waited(life.put("/batchEndpoints/held", DEFAULT))

    assert life.state("/batchEndpoints/held/deployments/one") == "Succeeded"


def test_nothing_is_made_below_an_endpoint_that_is_being_deleted(life):
    life.waited(life.put("/batchEndpoints/going", ENDPOINT))
    life.send("DELETE", "/batchEndpoints/going")

    status, text = message(life.put("/batchEndpoints/going/deployments/one", life.deployment()))

    assert (status, "being deleted" in text) == (409, True)


def test_endpoint_that_is_being_deleted_takes_no_job(life, numbers):
    life.endpoint("closing")
    life.send("DELETE", "/batchEndpoints/closing")

    status, text = message(life.azure.invoke("closing", str(numbers)))

    assert (status, "Deleting" in text) == (409, True)


def test_second_deletion_joins_the_first(life):
    """Both answers name one operation."""
    life.waited(life.put("/batchEndpoints/once", ENDPOINT))

    first, second = (life.send("DELETE", "/batchEndpoints/once") for _ in range(2))

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.headers["azure-asyncoperation"] == second.headers["azure-asyncoperation"]


def test_region_has_room_for_so_many(life):
    """100 endpoints and 500 deployments are the most in a region, over all of its workspaces."""
    there = {"location": "westus"}
    for number in range(25):
        path = f"/batchEndpoints/many-{number}"
        life.put(path, ENDPOINT | there)
        for deployment in range(20):
            life.put(f"{path}/deployments/d-{deployment}", life.deployment() | there)
    for number in range(25, 100):
        life.put(f"/batchEndpoints/many-{number}", ENDPOINT | there)

    elsewhere = Lifecycle(life.azure, life.workspace.replace("workspaces/emulator", "workspaces/second"))
    status, text = message(elsewhere.put("/batchEndpoints/many-more", ENDPOINT | there))
    assert (status, "100 batch endpoints" in text) == (400, True)
    status, text = message(life.put("/batchEndpoints/many-99/deployments/one", life.deployment() | there))
    assert (status, "500 batch deployments" in text) == (400, True)
    assert life.put("/batchEndpoints/many-more", ENDPOINT).status_code == 201
