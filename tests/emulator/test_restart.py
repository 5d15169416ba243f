"""An emulator that is killed, or told to end, goes on where it was when it is started again on its state."""

from __future__ import annotations

import pytest

from airflow_batch_provider.emulator.server import Emulator

from .conftest import WORKSPACE, Azure, wait_for, write_setup
from .test_cli import emulator


def client(ready):
    return Azure(ready["url"])


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_running_job_goes_on_after_a_restart(tmp_path, end):
    """What was scored before the end is not scored again, and the job completes."""
    setup = str(write_setup(tmp_path))
    with emulator(tmp_path, "--setup", setup, "--speed", "20") as (process, ready):
        azure = client(ready)
        name = azure.invoke("digits", str(tmp_path / "numbers"), deployment="gated").json()["name"]
        wait_for(lambda: azure.status("digits", name) == "Running")
        azure.http.close()
        getattr(process, end)()
        process.wait(10)
    (tmp_path / "open").touch()
    with emulator(tmp_path, "--speed", "20") as (_, ready):
        azure = client(ready)
        job = azure.finished("digits", name)
        azure.http.close()

    assert (job["status"], job["error"]) == ("Completed", None)
    assert [state["status"] for state in job["states"]] == [
        "Preparing", "Queued", "Running", "Finalizing", "Completed",
    ]  # fmt: skip
    (output,) = (tmp_path / "state" / "blobs").rglob("predictions.csv")
    assert output.read_text().splitlines() == [f"{number}.txt" for number in range(5)]


def test_jobs_that_wait_for_the_clock_go_on_after_a_kill(tmp_path):
    setup = str(write_setup(tmp_path))
    with emulator(tmp_path, "--setup", setup, "--speed", "0.5") as (process, ready):
        azure = client(ready)
        names = {
            "preparing": azure.invoke("waiting", deployment="short").json()["name"],
            "canceled": azure.invoke("waiting", deployment="short").json()["name"],
        }
        azure.http.post(f"{WORKSPACE}/jobs/{names['canceled']}/cancel", headers=azure.arm)
        before = {name: azure.journal_of(name) for name in names.values()}
        azure.http.close()
        process.kill()
        process.wait(10)
    with Emulator(tmp_path / "state", speed=50) as second:
        azure = Azure(second.url)
        for name in names.values():
            assert azure.journal_of(name)["states"] == before[name]["states"]
        # The transitions that were due at the old speed stay due then; only later ones are faster.
        canceled = wait_for(lambda: azure.status("waiting", names["canceled"]) == "Canceled")
        azure.http.close()

    assert canceled


def test_nothing_that_was_answered_is_forgotten_by_a_kill(tmp_path):
    setup = str(write_setup(tmp_path))
    with emulator(tmp_path, "--setup", setup) as (process, ready):
        azure = client(ready)
        azure.settings(keep_tags=False, page_size=7)
        azure.faults({"action": "status", "status": 500, "times": 2, "match": {"path": "never"}})
        headers = {"repeatability_request-id": "r1"}
        names = [azure.invoke("waiting", headers=headers).json()["name"] for _ in range(5)]
        key = azure.http.post(
            f"{WORKSPACE}/datastores/workspaceblobstore/listSecrets", headers=azure.arm
        ).json()
        process.kill()
        process.wait(10)
        azure.http.close()
    with emulator(tmp_path) as (_, ready):
        again = client(ready)
        # Tokens given out before are still good.
        again.arm, again.ml = azure.arm, azure.ml
        listed = again.http.get(again.scoring_uri("waiting"), headers=again.ml).json()["value"]
        journal = [entry["status"] for entry in again.requests(method="POST", plane="batch")]
        settings = again.http.get("/_emulator/settings").json()
        faults = again.http.get("/_emulator/faults").json()["faults"]
        same = again.http.post(
            f"{WORKSPACE}/datastores/workspaceblobstore/listSecrets", headers=again.arm
        ).json()
        again.settings(repeatability_dedupe=True)
        repeated = again.invoke("waiting", headers=headers).json()["name"]
        again.http.close()

    assert [job["name"] for job in listed] == names[::-1]
    assert journal == [201] * 5
    assert (settings["keep_tags"], settings["page_size"]) == (False, 7)
    assert [fault["times"] for fault in faults] == [2]
    assert same == key
    assert repeated == names[-1]


def test_library_emulator_keeps_given_state_and_removes_its_own(tmp_path):
    with Emulator(tmp_path / "kept") as kept, Emulator() as passing:
        own = passing.state_dir
        assert kept.url != passing.url
        assert own.is_dir()

    assert (tmp_path / "kept" / "emulator.db").is_file()
    assert not own.exists()


def test_emulator_that_was_never_started_lets_its_port_and_state_go(tmp_path):
    first = Emulator(tmp_path / "state")
    port = int(first.url.rpartition(":")[2])
    first.stop()

    with Emulator(tmp_path / "state", port=port) as second:
        assert second.url == first.url
