"""Uploads to the emulator's storage: what is sent, what is not, and what goes wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from urllib.parse import unquote

import httpx
import pytest

from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.errors import Conflict, ConnectionFailed, InvalidInput, PermissionDenied
from airflow_batch_provider.hooks.azure_ml import AzureMLHook
from airflow_batch_provider.hooks.uploads import upload
from airflow_batch_provider.storage import sending
from airflow_batch_provider.storage.progress import Progress

MIB = 1024 * 1024
CHILD = """
import sys
from airflow_batch_provider.hooks.azure_ml import AzureMLHook
from airflow_batch_provider.hooks.uploads import upload
print(upload(AzureMLHook(), sys.argv[1], kind="data", log=print))
"""
MEASURED = """
import resource
AzureMLHook().open()
import obstore.store
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
upload(AzureMLHook(), sys.argv[1], kind="data", log=lambda line: None)
print("grew", peak() - before)
"""


class Workspace:
    """The emulator, and what it was asked."""

    def __init__(self, emulator):
        self._control = f"{emulator.url}/_emulator"
        self._http = httpx.Client(trust_env=False)

    def fail(self, **fault):
        self._http.post(f"{self._control}/faults", json=[fault]).raise_for_status()

    def reset(self):
        for what in ("faults", "requests"):
            self._http.delete(f"{self._control}/{what}").raise_for_status()

    def requests(self):
        return self._http.get(f"{self._control}/requests").json()["requests"]

    def sent(self, *, status=201):
        """Return the blobs that were written, or pieces of them, in the order of the answers."""
        return [
            unquote(one["path"])
            for one in self.requests()
            if one["plane"] == "blob" and one["method"] == "PUT" and one["status"] == status
        ]

    def close(self):
        self._http.close()


@pytest.fixture(scope="module")
def emulator():
    with Emulator() as running:
        yield running


@pytest.fixture
def workspace(emulator, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML_DEFAULT", json.dumps(emulator.airflow_connection()))
    service = Workspace(emulator)
    service.reset()
    yield service
    service.reset()
    service.close()


@pytest.fixture
def folder(tmp_path, request):
    """A folder that no other test has."""
    place = tmp_path / "data"
    write(place, "name", content=request.node.name)
    return place


def write(folder, *names, content="x"):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def many(folder, number):
    write(folder, *(f"part-{at:03}" for at in range(number)))


def put(path, kind="data", log=lambda _: None):
    return upload(AzureMLHook(), str(path), kind=kind, log=log)


def there(uploaded):
    """Return what is there: the content by name, read as outputs are."""
    hook = AzureMLHook()
    found = hook.files(hook.locate(uploaded.uri)).list()
    return {
        file.path.removeprefix(uploaded.uri).lstrip("/"): hook.files(hook.locate(file.path)).read()
        for file in found
    }


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def child(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(what):
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


NAMES = (
    "a b.csv",
    "über/é ñ.csv",
    "日本/語.csv",
    "100%.csv",
    "a%20b",
    "x#y?z",
    "t~x!$&'()*+,;=@[]{}|^`",
    "..x",
)


@pytest.mark.usefixtures("workspace")
def test_a_folder_arrives_as_it_is(folder):
    """Every name and every byte, of empty, small and large files."""
    write(folder, *NAMES)
    write(folder, "empty", content="")
    for name, size in {"piece": 4 * MIB, "pieces": 9 * MIB + 1}.items():
        (folder / name).write_bytes(os.urandom(size))

    done = put(folder)

    assert there(done) == contents(folder)
    assert (done.is_folder, done.files, done.sent) == (True, len(NAMES) + 4, len(NAMES) + 4)
    assert done.bytes == sum(map(len, contents(folder).values()))
    assert done.uri.startswith("azureml://subscriptions/")
    assert done.uri.endswith(f"/datastores/workspaceblobstore/paths/LocalUpload/{done.digest}/data")
    assert done.blob_url.endswith(f"/LocalUpload/{done.digest}/data")


@pytest.mark.usefixtures("workspace")
def test_a_file_arrives_as_it_is(folder):
    """A path can be a file, also a ``file://`` URL; it keeps its name."""
    write(folder, "über 1.bin", content="123" * 100)
    path = folder / "über 1.bin"

    done = put(path.as_uri())

    assert done.uri.endswith(f"/{done.digest}/über 1.bin")
    assert done.blob_url.endswith("/%C3%BCber%201.bin")
    assert there(done) == {"": path.read_bytes()}
    assert (done.is_folder, done.files, done.bytes, done.sent) == (False, 1, 300, 1)
    assert put(path).sent == 0


def test_what_is_there_is_not_sent(workspace, folder):
    """A second upload asks once what is there, and sends nothing; one more file is sent alone."""
    many(folder, 20)
    first = put(folder)
    workspace.reset()

    second = put(folder)

    assert second.sent == 0
    assert (second.uri, second.digest) == (first.uri, first.digest)
    assert [one["method"] for one in workspace.requests() if one["plane"] == "blob"] == ["GET"]


def test_the_same_content_in_two_places_is_sent_once(workspace, folder, tmp_path):
    """The place depends on content and name, not on where it was."""
    first = put(folder)
    write(tmp_path / "else" / "data", "name", content=(folder / "name").read_text())
    workspace.reset()

    second = put(tmp_path / "else" / "data")

    assert second.uri == first.uri
    assert workspace.sent() == []


@pytest.mark.parametrize(("kind", "names"), [("code", ["name", "run.py"]), ("data", None), ("model", None)])
@pytest.mark.usefixtures("workspace")
def test_of_code_caches_are_left_out(folder, kind, names):
    """They differ from run to run, so the same code would be uploaded anew; data keeps all that it has."""
    write(folder, "run.py", "__pycache__/run.pyc", ".git/HEAD")
    said = []

    done = put(folder, kind, said.append)

    assert sorted(there(done)) == (names or sorted(contents(folder)))
    assert any("left out" in line for line in said) == (kind == "code")


@pytest.mark.usefixtures("workspace")
def test_ignored_files_do_not_arrive(folder):
    """Neither do they, nor do they change the digest."""
    write(folder, ".amlignore", content="*.log\n")
    before = put(folder)
    write(folder, "a.log")
    said = []

    after = put(folder, log=said.append)

    assert (after.uri, after.sent) == (before.uri, 0)
    assert f"{folder}/.amlignore: left out 1." in said[0]


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "status"])
def test_trouble_that_passes_is_survived(workspace, folder, fault):
    """A lost connection or a busy storage in the middle costs nothing but time."""
    many(folder, 30)
    (folder / "large").write_bytes(os.urandom(9 * MIB))
    workspace.fail(action=fault, status=503, match={"method": "PUT", "plane": "blob"}, skip=5, times=4)

    done = put(folder)

    assert there(done) == contents(folder)


def test_trouble_that_stays_names_the_file(workspace, folder, monkeypatch):
    """When the connection is lost for good, the error says which file, and what arrived stays there."""
    monkeypatch.setattr(sending, "_PAUSES", (0.01,))
    many(folder, 30)
    workspace.fail(action="drop_before", match={"method": "PUT", "plane": "blob", "path": "part-017"})

    with pytest.raises(ConnectionFailed, match=r"data/part-017 could not be sent\. No answer from container"):
        put(folder)

    arrived = set(workspace.sent())
    workspace.reset()
    assert put(folder).sent == 31 - len(arrived)
    assert not arrived & set(workspace.sent())


def test_a_killed_upload_is_taken_up(workspace, folder):
    """After a kill in the middle, what has arrived is not sent again, and what was missing arrives."""
    many(folder, 60)
    workspace.fail(action="latency", seconds=0.5, effect=True, match={"method": "PUT", "plane": "blob"})
    killed = child(CHILD, folder)
    wait_for(lambda: len(workspace.sent()) >= 20)

    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    settled = [-1]
    wait_for(
        lambda: settled[-1] == len(workspace.sent()) or settled.append(len(workspace.sent())) or time.sleep(1)
    )
    before = workspace.sent()
    workspace.reset()
    done = put(folder)

    after = workspace.sent()
    assert 20 <= len(before) < 61
    assert not set(before) & set(after)
    assert len(before) + len(after) == 61
    assert there(done) == contents(folder)


@pytest.mark.parametrize("status", [401, 403])
def test_who_may_not_write_uses_the_datastores_credential(workspace, folder, status):
    """Where the identity is refused, the datastore's own credential is asked for; a token is renewed."""
    many(folder, 5)
    workspace.fail(action="status", status=status, match={"method": "PUT", "plane": "blob"}, times=1)

    done = put(folder)

    assert there(done) == contents(folder)
    asked = [one["path"].rpartition("/")[2] for one in workspace.requests()]
    assert ("listSecrets" in asked) == (status == 403)


def test_a_refusal_says_what_to_grant(workspace, folder):
    """When nothing opens the container for writing, the error names the role."""
    workspace.fail(action="status", status=403, match={"method": "PUT", "plane": "blob"})

    with pytest.raises(PermissionDenied, match="Storage Blob Data Contributor"):
        put(folder)


def test_a_file_changed_before_it_is_sent_does_not_arrive(workspace, folder, monkeypatch):
    """Nothing is ever under a digest that is not its own."""
    (folder / "large").write_bytes(os.urandom(9 * MIB))
    changing = sending.send

    def change_first(target, files, progress):
        status = (folder / "large").stat()
        with (folder / "large").open("r+b") as file:
            file.write(b"changed")
        os.utime(folder / "large", ns=(status.st_atime_ns, status.st_mtime_ns))
        changing(target, files, progress)

    monkeypatch.setattr("airflow_batch_provider.storage.uploads.send", change_first)
    with pytest.raises(Conflict, match="data/large was changed"):
        put(folder)

    assert not [path for path in workspace.sent() if path.endswith("large")]


def test_a_file_changed_while_it_is_sent_does_not_arrive(workspace, folder):
    """Also if the change comes after the first pieces are away."""
    path = folder / "large"
    path.write_bytes(os.urandom(60 * MIB))
    pieces = {"method": "PUT", "plane": "blob", "path": "large"}
    workspace.fail(action="latency", seconds=0.5, effect=True, match=pieces)

    def change():
        wait_for(lambda: any(one.endswith("large") for one in workspace.sent()))
        with path.open("r+b") as file:
            file.write(b"changed")

    changing = threading.Thread(target=change)
    changing.start()
    with pytest.raises(Conflict, match="data/large was changed"):
        put(folder)
    changing.join()

    assert not [one for one in workspace.requests() if one["query"] == "comp=blocklist"]


def test_how_far_it_is_goes_to_the_log(workspace, folder, monkeypatch):
    """Files and bytes that have arrived, never more than there are, also when something is sent again."""
    monkeypatch.setattr("airflow_batch_provider.storage.progress._EVERY_SECONDS", 0.0)
    many(folder, 30)
    (folder / "large").write_bytes(os.urandom(40 * MIB))
    workspace.fail(
        action="drop_before", match={"method": "PUT", "plane": "blob", "path": "part-00"}, times=20
    )
    said = []

    put(folder, log=said.append)

    shares = [int(line.partition("(")[2].partition(" %")[0]) for line in said if " of 32 files" in line]
    sent = [
        share
        for line, share in zip((one for one in said if " of 32 files" in one), shares, strict=True)
        if line.startswith("Uploaded")
    ]
    assert max(sent) == 100
    assert any(share > 0 for share in sent)
    assert re.fullmatch(r"Uploaded 32 files, 40\.0 MiB: .* s, .* MiB/s\.", said[-1])


@pytest.mark.usefixtures("workspace")
def test_two_tasks_may_send_the_same(folder):
    """They do not disturb each other; both end well."""
    for name in "abc":
        (folder / name).write_bytes(os.urandom(20 * MIB))
    done = []
    tasks = [threading.Thread(target=lambda: done.append(put(folder))) for _ in range(3)]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join()

    assert len({one.uri for one in done}) == 1
    assert len(done) == 3
    assert there(done[0]) == contents(folder)


@pytest.mark.usefixtures("workspace")
def test_a_large_file_does_not_pass_through_memory(folder):
    """However large it is, some MiB of it are in memory at a time."""
    with (folder / "large").open("wb") as file:
        for _ in range(512):
            file.write(os.urandom(MIB))

    head, _, _ = CHILD.partition("print(")
    out, err = child(head + MEASURED, folder).communicate(timeout=120)

    assert "grew" in out, err
    assert int(out.split()[-1]) < 100


@pytest.mark.parametrize("path", ["", " ", "None", None, 3])
def test_a_path_that_says_nothing_is_refused(workspace, path):
    """The value is shown, and nothing is asked."""
    with pytest.raises(InvalidInput, match="The path is"):
        upload(AzureMLHook(), path, kind="data", log=print)

    assert workspace.requests() == []


def test_progress_is_told_every_few_seconds():
    """At most every five seconds, with files, bytes, share and speed."""
    now, said = [0.0], []
    progress = Progress("Uploaded", 10, 2 * MIB, said.append, lambda: now[0])
    for second in range(11):
        now[0] = float(second)
        progress.count(files=1 if second else 0, size=MIB // 10)
        progress.tell()

    assert said == [
        "Uploaded 5 of 10 files, 614.4 KiB of 2.0 MiB (29 %), 122.9 KiB/s.",
        "Uploaded 10 of 10 files, 1.1 MiB of 2.0 MiB (54 %), 112.6 KiB/s.",
    ]
