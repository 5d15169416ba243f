"""`OutputEventTrigger` in Airflow's shared streams, on local folders and on the emulator over real HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import time

import pytest
from structlog.testing import capture_logs

from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.storage import FileInfo
from airflow_batch_provider.triggers.looks import Sighting
from airflow_batch_provider.triggers.output_events import OutputEventTrigger
from airflow_batch_provider.triggers.watermark import Watermark
from tests.secret_scan import look
from tests.sensors.conftest import Service

from .conftest import Triggerer, until

SOON = 0.05
REFUSED = {"action": "status", "status": 403, "match": {"plane": "blob"}}


def watching(path, **arguments):
    return OutputEventTrigger(path=str(path), **{"poll_interval": SOON, **arguments})


def at_rest(airflow, number):
    """Say whether so many were told, and a watermark knows them."""
    known = max((len(state["seen"]) // 8 for state in airflow.states.values()), default=0)
    return len(airflow.told()) >= number and known >= number


def test_arguments_survive_being_stored():
    """What is serialised is JSON, and makes the same trigger again."""
    arguments = {
        "path": "/data",
        "glob": "*.csv",
        "min_bytes": 3,
        "stable_for": 4.5,
        "azure_ml_conn_id": "other",
        "modelarts_conn_id": "third",
        "poll_interval": 5.0,
        "since": "2026-11-21T12:00:00+00:00",
    }
    path, kwargs = OutputEventTrigger(**arguments).serialize()

    assert path == "airflow_batch_provider.triggers.output_events.OutputEventTrigger"
    assert kwargs == arguments


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"path": " "}, "path"),
        ({"path": None}, "path"),
        ({"path": "https://a.blob.core.windows.net/c/f?sv=1&sig=TOPSECRETTOPSECRET"}, "path"),
        ({"path": "wasbs://c@a.blob.core.windows.net/f?sv=1&sig=TOPSECRETTOPSECRET"}, "path"),
        ({"path": "obs://key:TOPSECRET@bucket/f"}, "path"),
        ({"glob": "../*"}, "glob"),
        ({"min_bytes": -1}, "min_bytes"),
        ({"stable_for": "soon"}, "stable_for"),
        ({"poll_interval": 0}, "poll_interval"),
        ({"since": "yesterday"}, "since"),
        ({"since": 5}, "since"),
    ],
)
def test_bad_arguments_are_told_when_the_dag_is_parsed(arguments, field):
    """By their name; a signature or password in a path is refused and not shown."""
    with pytest.raises(InvalidInput, match=field) as caught:
        OutputEventTrigger(**{"path": "/data", **arguments})

    look("message", str(caught.value).replace("key:", ""))


@pytest.mark.parametrize("path", ["wasbs://c@a.blob.core.windows.net/f", "/data/what?.csv", "file:///a?b"])
def test_what_is_no_secret_is_taken(path):
    """A container is no user, and a local file may have any name."""
    assert OutputEventTrigger(path=path).path == path


def test_each_file_is_told_once(airflow, service, folder):
    """With its path, size, etag and time; those in other folders and of other names are not."""
    name, path = folder

    async def story():
        triggerer = Triggerer(airflow)
        triggerer.watch(watching(path, glob="*.csv", poll_interval=0.2), "scores")
        await asyncio.to_thread(service.wait_for_looks, 1)
        for file in ("a.csv", "b.txt", "below/c.csv", "d e.csv"):
            await asyncio.to_thread(service.put, f"{name}/{file}", b"12345")
        await until(lambda: at_rest(airflow, 2), "two files")
        service.reset()
        await asyncio.to_thread(service.wait_for_looks, 3)
        await triggerer.kill()

    asyncio.run(story())

    assert sorted(airflow.told()) == ["a.csv", "d e.csv"]
    for event in airflow.arrivals():
        assert event.keys() == {"path", "size", "etag", "last_modified"}
        assert event["path"].startswith("azureml://")
        assert event["size"] == 5
        assert event["etag"]


def test_nothing_is_missed_or_repeated_by_a_restart(airflow, tmp_path):
    """What was told before is not told again, what came in between is."""

    async def story():
        first = Triggerer(airflow)
        (tmp_path / "a").write_text("1")
        first.watch(watching(tmp_path), "scores")
        await until(lambda: at_rest(airflow, 1), "a")
        await first.kill()
        (tmp_path / "b").write_text("1")
        second = Triggerer(airflow)
        second.watch(watching(tmp_path), "scores")
        (tmp_path / "c").write_text("1")
        await until(lambda: at_rest(airflow, 3), "b and c")
        await asyncio.sleep(4 * SOON)
        await second.kill()

    asyncio.run(story())

    assert sorted(airflow.told()) == ["a", "b", "c"]


def test_the_watermark_waits_for_the_event(airflow, tmp_path):
    """It is stored after the event only; a kill in between tells the same again, and nothing else."""

    async def story():
        first = Triggerer(airflow)
        (tmp_path / "a").write_text("1")
        first.watch(watching(tmp_path), "scores")
        await until(lambda: at_rest(airflow, 1), "a")
        before = dict(airflow.states)
        first.stores = False
        (tmp_path / "b").write_text("1")
        await until(lambda: first.unstored, "b to fire")
        await asyncio.sleep(4 * SOON)
        assert airflow.states == before
        await first.kill()
        second = Triggerer(airflow)
        second.watch(watching(tmp_path), "scores")
        await until(lambda: at_rest(airflow, 2), "b again")
        await second.kill()

    asyncio.run(story())

    assert airflow.told() == ["a", "b"]


def test_a_kill_between_event_and_watermark_repeats_the_event(airflow, tmp_path):
    """At least once, never less."""

    async def story():
        first = Triggerer(airflow)
        first.stores = False
        (tmp_path / "a").write_text("1")
        first.watch(watching(tmp_path), "scores")
        await until(lambda: first.unstored, "a to fire")
        airflow.is_out_of_order = True  # The event is stored, and then Airflow hears no more of it.
        first.store()
        await asyncio.sleep(4 * SOON)
        await first.kill()
        second = Triggerer(airflow)
        second.watch(watching(tmp_path), "scores")
        await until(lambda: len(airflow.told()) == 2 and airflow.states, "a again")
        await second.kill()

    asyncio.run(story())

    assert airflow.told() == ["a", "a"]


def test_a_watermark_that_cannot_be_stored_is_stored_later(airflow, tmp_path, caplog):
    """The stream goes on, and the log says it once."""

    async def story():
        triggerer = Triggerer(airflow)
        (tmp_path / "a").write_text("1")
        triggerer.watch(watching(tmp_path), "scores")
        await until(lambda: at_rest(airflow, 1), "a")
        airflow.is_out_of_order = True
        (tmp_path / "b").write_text("1")
        await until(lambda: len(airflow.told()) == 2, "b")
        await asyncio.sleep(6 * SOON)
        airflow.is_out_of_order = False
        await until(lambda: at_rest(airflow, 2), "the watermark")
        await triggerer.kill()

    asyncio.run(story())

    assert airflow.told() == ["a", "b"]
    assert [record.message for record in caplog.records if "not stored yet" in record.message] == [
        f"A watermark of {tmp_path} is not stored yet: Airflow is out of order"
    ]


def test_nothing_is_told_before_the_watermark_is_known(airflow, tmp_path):
    """While Airflow does not answer, nothing is told twice, and the log says it once."""

    async def story():
        first = Triggerer(airflow)
        (tmp_path / "a").write_text("1")
        first.watch(watching(tmp_path), "scores")
        await until(lambda: at_rest(airflow, 1), "a")
        await first.kill()
        airflow.is_out_of_order = True
        (tmp_path / "b").write_text("1")
        second = Triggerer(airflow)
        second.watch(watching(tmp_path), "scores")
        await asyncio.sleep(6 * SOON)
        assert airflow.told() == ["a"]
        airflow.is_out_of_order = False
        await until(lambda: at_rest(airflow, 2), "b")
        await second.kill()

    with capture_logs() as logs:
        asyncio.run(story())

    assert airflow.told() == ["a", "b"]
    assert sum("not known yet" in str(line) for line in logs) == 1


def test_twenty_five_assets_on_one_path_cost_one_stream(airflow, service, folder):
    """Each trigger tells its own files of the one listing that all share."""
    name, path = folder

    async def story():
        triggerer = Triggerer(airflow)
        for number in range(25):
            watch = watching(path, glob=f"{number:02}.csv", poll_interval=0.5)
            triggerer.watch(watch, f"scores-{number}")
        await asyncio.to_thread(service.wait_for_looks, 1)
        for number in range(25):
            await asyncio.to_thread(service.put, f"{name}/{number:02}.csv")
        await until(lambda: len(airflow.told()) == 25, "25 files")
        await until(lambda: len(airflow.states) == 25, "25 watermarks")
        service.reset()
        started = time.monotonic()
        await asyncio.to_thread(service.wait_for_looks, 4)
        looks, seconds = len(service.requests()), time.monotonic() - started
        await triggerer.kill()
        return looks, seconds

    looks, seconds = asyncio.run(story())

    assert looks <= seconds / 0.4 + 2  # Of one stream; 25 would make 25 times as many.
    assert sorted(airflow.told()) == [f"{number:02}.csv" for number in range(25)]


def test_other_places_connections_and_intervals_are_other_streams():
    """What is chosen of a place makes no difference."""
    same = [watching("/a"), watching("/a", glob="*.csv", min_bytes=1, stable_for=2, since="2026-01-01")]
    other = [
        watching("/b"),
        watching("/a", poll_interval=9),
        watching("/a", azure_ml_conn_id="b"),
        watching("/a", modelarts_conn_id="b"),
    ]

    assert len({one.shared_stream_key() for one in same}) == 1
    assert len({one.shared_stream_key() for one in (*same, *other)}) == 5


def test_several_assets_of_one_trigger_all_remember(airflow, tmp_path):
    """Airflow makes one trigger of equal watchers in one DAG file: each of its assets has the watermark."""

    async def story():
        triggerer = Triggerer(airflow)
        (tmp_path / "a").write_text("1")
        triggerer.watch(watching(tmp_path), "one", "two")
        await until(lambda: len(airflow.states) == 2, "both watermarks")
        await triggerer.kill()

    asyncio.run(story())

    assert {asset for asset, _ in airflow.states} == {"one", "two"}
    assert airflow.told() == ["a"]


def test_an_outage_is_waited_out(airflow, service, folder, caplog):
    """Whatever the storage answers: the log says so once, and what came meanwhile is told."""
    name, path = folder
    service.put(f"{name}/a.csv")

    async def story():
        triggerer = Triggerer(airflow)
        triggerer.watch(watching(path), "scores")
        await until(lambda: at_rest(airflow, 1), "a")
        service.fail(REFUSED)
        await until(lambda: "cannot be watched" in caplog.text, "the outage")
        service.reset()
        service.fail(REFUSED)
        await asyncio.to_thread(service.wait_for_looks, 4)
        service.reset()
        await asyncio.to_thread(service.put, f"{name}/b.csv")
        await until(lambda: at_rest(airflow, 2), "b")
        await triggerer.kill()

    asyncio.run(story())

    assert airflow.told() == ["a.csv", "b.csv"]
    assert sum("cannot be watched" in record.message for record in caplog.records) == 1


def test_a_missing_connection_is_told_and_waited_for(airflow, service, folder, caplog, monkeypatch):
    """No error ends the stream, which Airflow would start again every second."""
    name, path = folder
    service.put(f"{name}/a.csv")

    async def story():
        triggerer = Triggerer(airflow)
        triggerer.watch(watching(path, azure_ml_conn_id="comes_late"), "scores")
        await until(lambda: "cannot be watched" in caplog.text, "the error")
        monkeypatch.setenv("AIRFLOW_CONN_COMES_LATE", os.environ["AIRFLOW_CONN_AZURE_ML_DEFAULT"])
        await until(lambda: at_rest(airflow, 1), "a")
        await triggerer.kill()

    asyncio.run(story())

    assert airflow.told() == ["a.csv"]


def test_a_connection_that_was_changed_is_read_after_an_outage(airflow, service, folder, monkeypatch):
    """A watcher lives for weeks; hosts and credentials do not."""
    name, path = folder
    service.put(f"{name}/b.csv")

    async def story(first):
        triggerer = Triggerer(airflow)
        monkeypatch.setenv("AIRFLOW_CONN_MOVES", json.dumps(first.connection))
        triggerer.watch(watching(path, azure_ml_conn_id="moves"), "scores")
        await until(lambda: at_rest(airflow, 1), "a")
        await asyncio.to_thread(first.fail, REFUSED)
        monkeypatch.setenv("AIRFLOW_CONN_MOVES", json.dumps(service.connection))
        await until(lambda: at_rest(airflow, 2), "b")
        await triggerer.kill()

    with Emulator() as other:
        first = Service(other)
        first.put(f"{name}/a.csv")
        asyncio.run(story(first))
        first.close()

    assert airflow.told() == ["a.csv", "b.csv"]


def test_what_is_written_anew_is_told_anew(airflow, tmp_path):
    """Also with the same content."""

    async def story():
        triggerer = Triggerer(airflow)
        (tmp_path / "a").write_text("1")
        triggerer.watch(watching(tmp_path), "scores")
        await until(lambda: at_rest(airflow, 1), "a")
        (tmp_path / "a").write_text("1")
        await until(lambda: at_rest(airflow, 2), "a again")
        await triggerer.kill()

    asyncio.run(story())

    assert airflow.told() == ["a", "a"]


def test_the_same_content_at_another_time_is_another_arrival():
    """In object storages with S3's interface the etag says what is in a file, not when it was written."""
    trigger = watching("obs://bucket/out")
    files = [FileInfo("obs://bucket/out/a", 1, "etag", when, 1.0) for when in ("2026-11-21", "2026-11-22")]
    first, second = trigger._arrivals(Sighting([("a", file) for file in files], now=9.0))

    assert Watermark().after([first]).fresh([first, second]) == [second]


def test_files_that_come_together_are_one_event(airflow, tmp_path):
    """Of several events at once, Airflow 3.3.2 starts a run for the first alone."""
    for name in "abc":
        (tmp_path / name).write_text(name)

    async def story():
        triggerer = Triggerer(airflow)
        triggerer.watch(watching(tmp_path), "scores")
        await until(lambda: at_rest(airflow, 3), "three files")
        await triggerer.kill()

    asyncio.run(story())

    ((_, event),) = airflow.events
    assert [file["path"][-1] for file in event["files"]] == ["a", "b", "c"]
    assert event["path"] == event["files"][-1]["path"]


def test_a_file_is_told_when_it_is_what_is_wanted(airflow, tmp_path):
    """Big enough, and unchanged for long enough; one that is not there yet is waited for."""
    place = tmp_path / "later"

    async def story():
        triggerer = Triggerer(airflow)
        triggerer.watch(watching(place, min_bytes=2, stable_for=0.5), "scores")
        await asyncio.sleep(2 * SOON)
        place.mkdir()
        (place / "a").write_text("1")
        (place / "b").write_text("12")
        written = time.time()
        await until(lambda: at_rest(airflow, 1), "b")
        assert time.time() - written > 0.4
        assert airflow.told() == ["b"]
        (place / "a").write_text("12")
        await until(lambda: at_rest(airflow, 2), "a")
        await triggerer.kill()

    asyncio.run(story())

    assert airflow.told() == ["b", "a"]


def test_a_backlog_is_told_in_portions(airflow, tmp_path, monkeypatch):
    """Each is one event and stored before the next, which does not wait for a long interval to pass."""
    monkeypatch.setattr("airflow_batch_provider.triggers.looks._NEXT_PORTION", 0.2)
    for number in range(250):
        (tmp_path / f"{number:03}").write_text("1")

    async def story():
        triggerer = Triggerer(airflow)
        triggerer.watch(watching(tmp_path, poll_interval=3600), "scores")
        await until(lambda: at_rest(airflow, 250), "all")
        await triggerer.kill()

    asyncio.run(story())

    assert len(set(airflow.told())) == len(airflow.told()) == 250
    assert [len(event["files"]) for _, event in airflow.events] == [200, 50]
    assert airflow.writes == 2


def test_what_came_before_since_is_not_told(airflow, tmp_path):
    """A watcher of a folder with a history can leave it out."""
    (tmp_path / "a").write_text("1")
    time.sleep(0.05)
    since = time.time()
    time.sleep(0.05)
    (tmp_path / "b").write_text("1")

    async def story():
        triggerer = Triggerer(airflow)
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since)) + f"{since % 1:.6f}"[1:] + "Z"
        triggerer.watch(watching(tmp_path, since=moment), "scores")
        await until(lambda: at_rest(airflow, 1), "b")
        await triggerer.kill()

    asyncio.run(story())

    assert airflow.told() == ["b"]


def test_a_follower_that_airflow_gives_up_tells_again(airflow, tmp_path):
    """Its events were not stored, so neither is a later watermark that would know them; siblings go on."""

    async def story():
        triggerer = Triggerer(airflow, ack_timeout=1.0)
        bad = triggerer.watch(watching(tmp_path, glob="a*"), "bad")
        triggerer.watch(watching(tmp_path, glob="b*"), "good")
        await asyncio.sleep(2 * SOON)
        triggerer.stores = False
        (tmp_path / "a").write_text("1")
        await until(lambda: triggerer.unstored, "a to fire")
        triggerer.unstored, triggerer.stores = [], True  # That event is lost.
        (tmp_path / "b").write_text("1")
        await until(triggerer.tasks[bad].done, "the follower to be given up")
        assert "AckTimeout" in repr(triggerer.tasks[bad].exception())
        triggerer.watch(watching(tmp_path, glob="a*"), "bad")
        await until(lambda: len(airflow.states) == 2, "both watermarks")
        await triggerer.kill()
        return triggerer

    asyncio.run(story())

    assert sorted(set(airflow.told())) == ["a", "b"]


def test_a_later_watermark_of_one_who_was_given_up_is_not_stored(airflow, tmp_path):
    """Its next looks may be acknowledged although the events of an earlier one are lost."""

    async def story():
        triggerer = Triggerer(airflow, ack_timeout=1.0)
        bad = triggerer.watch(watching(tmp_path), "bad")
        triggerer.stores = False
        (tmp_path / "a").write_text("1")
        await until(lambda: triggerer.unstored, "a to fire")
        triggerer.unstored = []
        await until(triggerer.tasks[bad].done, "the follower to be given up")
        await asyncio.sleep(4 * SOON)
        await triggerer.kill()

    asyncio.run(story())

    assert airflow.states == {}
