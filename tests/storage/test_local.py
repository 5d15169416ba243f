"""Files on this machine."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from datetime import datetime, timezone

import pytest

from airflow_batch_provider.errors import InvalidInput, NotFound, ServiceUnavailable
from airflow_batch_provider.storage import local_files


@pytest.fixture
def folder(tmp_path):
    for name in ("a.csv", "b.txt", "deep/c.csv"):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text(name)
    (tmp_path / "out" / "empty").mkdir()
    (tmp_path / "outside.csv").touch()
    return tmp_path / "out"


def names(files, folder):
    return [file.path.removeprefix(f"{folder}/") for file in files]


def test_a_folder_is_looked_through(folder, listed):
    """Every file below a folder is found, no folder is."""
    assert names(listed(local_files(str(folder))), folder) == ["a.csv", "b.txt", "deep/c.csv"]


@pytest.mark.parametrize("form", ["file://{}", "file://localhost{}", "FILE:{}", "{}/"])
def test_a_place_can_be_written_in_several_ways(folder, listed, form):
    """A ``file:`` URL and a path name the same place."""
    assert len(listed(local_files(form.format(folder)))) == 3


def test_a_url_is_unquoted(tmp_path):
    """Blanks and the like are quoted in a URL, not in a path."""
    (tmp_path / "a b%").touch()

    assert local_files(f"file://{tmp_path}/a%20b%25").exists()
    assert local_files(f"{tmp_path}/a b%").exists()


def test_glob_is_relative_to_the_place(folder, listed):
    """A pattern is matched against the path below the place."""
    assert names(listed(local_files(str(folder)), "*.csv"), folder) == ["a.csv"]
    assert names(listed(local_files(str(folder)), "**/*.csv"), folder) == ["a.csv", "deep/c.csv"]


def test_a_files_path_below_the_place_is_told(folder):
    """As a glob sees it; of a single file it is the name."""
    place, single = local_files(str(folder)), local_files(str(folder / "a.csv"))

    assert "deep/c.csv" in [place.relative(file) for file in place.list()]
    assert [single.relative(file) for file in single.list()] == ["a.csv"]


def test_a_single_file_is_a_place(folder, listed):
    """A path that is a file gives that file, matched by its name."""
    place = local_files(str(folder / "a.csv"))

    assert names(listed(place), folder) == ["a.csv"]
    assert names(listed(place, "*.csv"), folder) == ["a.csv"]
    assert listed(place, "*.txt") == []


def test_a_missing_place_has_no_files(tmp_path, listed):
    """What does not exist is not there yet."""
    place = local_files(str(tmp_path / "later"))

    assert listed(place) == []
    assert not place.exists()
    assert not asyncio.run(place.aexists())


def test_a_file_is_described(folder):
    """Size, time of modification and an etag that differs after each write."""
    (file,) = local_files(str(folder)).list("a.csv")
    os.utime(folder / "a.csv", (0, 1_000_000_000))
    (old,) = local_files(str(folder)).list("a.csv")

    assert file.to_dict() == {
        "path": str(folder / "a.csv"),
        "size": 5,
        "etag": file.etag,
        "last_modified": file.last_modified,
    }
    modified = datetime.fromisoformat(file.last_modified.replace("Z", "+00:00"))
    assert abs(datetime.now(timezone.utc) - modified).total_seconds() < 60
    assert old.last_modified == "2001-09-09T01:46:40Z"
    assert old.etag != file.etag


def test_a_file_with_an_old_time_came_just_now(folder):
    """Copying tools keep the original's time; what counts is when the file came to its place."""
    os.utime(folder / "a.csv", (0, 1_000_000_000))
    place = local_files(str(folder))
    (file,) = place.list("a.csv")

    assert place.now() - file.changed_at < 60
    assert asyncio.run(place.anow()) == pytest.approx(time.time(), abs=5)


def test_a_file_can_be_read(folder):
    """A place that is a file gives its bytes; one that is none is named."""
    place = local_files(str(folder / "a.csv"))

    assert place.read() == asyncio.run(place.aread()) == (folder / "a.csv").read_bytes()
    with pytest.raises(NotFound, match="later"):
        local_files(str(folder / "later")).read()
    with pytest.raises(ServiceUnavailable, match="could not be read"):
        local_files(str(folder)).read()


def test_what_is_no_file_is_left_out(folder, listed):
    """Links that lead nowhere and pipes are no files; a link to a file is one."""
    (folder / "dangling").symlink_to(folder / "nowhere")
    (folder / "link.csv").symlink_to(folder / "a.csv")
    os.mkfifo(folder / "pipe")

    assert "link.csv" in names(listed(local_files(str(folder))), folder)
    assert not {"dangling", "pipe"} & set(names(listed(local_files(str(folder))), folder))


@pytest.mark.parametrize("url", ["file://server/share", "file:relative"])
def test_a_url_of_another_machine_is_refused(url):
    """Only this machine's files can be listed."""
    with pytest.raises(InvalidInput, match="names no file of this machine"):
        local_files(url)


def test_a_path_that_the_system_refuses(tmp_path):
    """Trouble with a file system is an error of ours that names the place."""
    with pytest.raises(ServiceUnavailable, match="could not be listed"):
        local_files(str(tmp_path / ("x" * 300))).list()


def test_a_folder_that_may_not_be_read():
    """A missing right is told apart from a missing folder, also for a folder below."""
    # In a process of its own, because root, who may read everything, must become somebody else.
    code = """
import os, tempfile
from airflow_batch_provider.errors import PermissionDenied
from airflow_batch_provider.storage import local_files
with tempfile.TemporaryDirectory() as folder:
    os.chmod(folder, 0o755)
    os.mkdir(f"{folder}/deep")
    os.chmod(f"{folder}/deep", 0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        print(local_files(folder).list())
    except PermissionDenied as error:
        print(str(error).replace(folder, ""))
    os.seteuid(user)
    os.chmod(f"{folder}/deep", 0o755)
"""
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    told = "/deep may not be read. Give the user that runs Airflow the right to read it."
    assert run.stdout.strip() == told, run.stderr
