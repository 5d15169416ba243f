"""Looking again and again: what one process remembers."""

from __future__ import annotations

import os
import time

import pytest

from airflow_batch_provider.errors import ConnectionFailed
from airflow_batch_provider.hooks.outputs import OutputWatch


def watch(path, **options):
    defaults = {"glob": None, "min_files": 1, "min_bytes": 0, "stable_for": 0, "conn_id": "azure_ml_default"}
    return OutputWatch.read(path=path, **{**defaults, **options})


def look_until_found(watch, seconds=10):
    deadline = time.monotonic() + seconds
    while (found := watch.look()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def test_a_deleted_file_is_a_change(tmp_path):
    """A file that goes away leaves no trace in the others, but whoever looked before notices."""
    for name in "ab":
        (tmp_path / name).touch()
    watching = watch(tmp_path, stable_for=0.4)
    assert len(look_until_found(watching)) == 2

    (tmp_path / "a").unlink()

    assert watching.look() is None
    changed = time.time()
    assert len(look_until_found(watching)) == 1
    assert time.time() - changed >= 0.3


def test_a_file_that_came_with_an_old_time_is_a_change(tmp_path):
    """A file moved here from elsewhere keeps its time of modification, and is new all the same."""
    (tmp_path / "a").touch()
    os.utime(tmp_path / "a", (0, 0))

    assert watch(tmp_path, stable_for=60).look() is None


def test_what_is_seen_is_told_when_it_changes(tmp_path):
    """The first look counts, also if it finds nothing; one that finds the same does not."""
    told = []
    watching = watch(tmp_path, min_files=2, on_change=told.append)
    for name in (None, None, "a", None, "b"):
        if name:
            (tmp_path / name).write_text("x")
        watching.look()

    assert told == ["0 of 2 files, 0 bytes", "1 of 2 files, 1 bytes", "2 of 2 files, 2 bytes"]


def test_what_is_missing_is_told(tmp_path):
    """The sentence for a timeout says what there is."""
    watching = watch(tmp_path, min_files=2)
    assert watching.missing == "Nothing could be listed."
    watching.look()
    assert watching.missing == "What is there is not enough: 0 of 2 files, 0 bytes."
    (tmp_path / "a").write_text("abc")
    watching.look()
    assert watching.missing == "What is there is not enough: 1 of 2 files, 3 bytes."

    watching = watch(tmp_path, stable_for=60)
    watching.look()
    told = "There is enough (1 of 1 files, 3 bytes), but it changed in the last 60 seconds."
    assert watching.missing == told


def test_an_outage_ends_with_a_good_answer(service, folder):
    """What is tolerated is the time without any good answer, however many outages there were."""
    service.put(f"{folder[0]}-elsewhere/a.csv")  # The container exists.
    clock = [0.0]
    troubles = []
    watching = watch(folder[1], outage_tolerance=100, now=lambda: clock[0], on_trouble=troubles.append)

    def look(at, *, good):
        clock[0] = at
        service.fail(*([] if good else [{"action": "html", "match": {"plane": "blob"}}]))
        return watching.look()

    looks = [look(0, good=False), look(60, good=False), look(90, good=True), look(110, good=False)]
    assert looks == [None] * 4
    assert look(209, good=False) is None
    assert len(troubles) == 2  # One at the beginning of each outage.
    with pytest.raises(ConnectionFailed, match="No good answer for 100 seconds"):
        look(210, good=False)
