"""Operations go on after the emulator was killed in the middle of them."""

from __future__ import annotations

from airflow_batch_provider.emulator.server import Emulator

from .conftest import Azure
from .lifecycle import CLUSTER, ENDPOINT, Lifecycle
from .test_cli import emulator


def test_operations_that_a_kill_interrupted_end_after_the_restart(tmp_path):
    """Creation, failure and deletion end as they would have; what was finished is still there."""
    with emulator(tmp_path, "--speed", "0.5") as (process, ready):
        azure = Azure(ready["url"])
        life = Lifecycle(azure)
        life.parts()
        life.put("/batchEndpoints/leaving", ENDPOINT)
        started = {
            "created": life.put("/batchEndpoints/created", ENDPOINT),
            "failed": life.put("/computes/failed", CLUSTER | {"tags": {"emulate": "failed"}}),
            "deleted": life.send("DELETE", "/batchEndpoints/leaving"),
        }
        assert life.state("/batchEndpoints/created") == "Creating"
        azure.http.close()
        process.kill()
        process.wait(10)
    with Emulator(tmp_path / "state", speed=50) as second:
        azure = Azure(second.url)
        life = Lifecycle(azure)
        told = {
            name: answer.headers["azure-asyncoperation"].replace(ready["url"], second.url)
            for name, answer in started.items()
        }

        assert life.send("GET", told["created"]).json()["status"] == "Updating"
        for name, answer in started.items():
            answer.headers["azure-asyncoperation"] = told[name]
        ended = {name: life.waited(answer)["status"] for name, answer in started.items()}

        assert ended == {"created": "Succeeded", "failed": "Failed", "deleted": "Succeeded"}
        assert life.properties("/batchEndpoints/created")["scoringUri"].startswith(second.url)
        assert life.state("/computes/failed") == "Failed"
        assert life.send("GET", "/batchEndpoints/leaving").status_code == 404
        assert life.state("/models/offset/versions/1") == "Succeeded"
        azure.http.close()


def test_deployment_made_before_a_restart_is_executed_after_it(tmp_path, numbers):
    with Emulator(tmp_path / "state", speed=50) as first:
        azure = Azure(first.url)
        life = Lifecycle(azure)
        life.parts()
        life.endpoint("lasting")
        azure.http.close()
    with Emulator(tmp_path / "state", speed=50) as second:
        azure = Azure(second.url)
        name = azure.invoke("lasting", str(numbers)).json()["name"]
        job = azure.finished("lasting", name)
        azure.http.close()

    assert (job["status"], job["error"]) == ("Completed", None)
    (output,) = (tmp_path / "state" / "blobs").rglob("predictions.csv")
    assert output.read_text().splitlines() == [f"{number}.txt {number + 100}" for number in range(5)]
