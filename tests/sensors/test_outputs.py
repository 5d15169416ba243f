"""`BatchOutputSensor` on real folders and on the emulator's storage, in a worker and deferred."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime, timedelta, timezone

import pytest
from airflow.sdk._shared.secrets_masker import redact
from airflow.sdk.exceptions import (
    AirflowNotFoundException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from structlog.testing import capture_logs

from airflow_batch_provider import errors
from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.sensors import BatchOutputSensor

both_ways = pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
BLOB = {"plane": "blob"}


def sensor(path, **arguments):
    defaults = {"poke_interval": 0.05, "timeout": 15, "deferrable": False}
    return BatchOutputSensor(task_id="wait", path=path, **{**defaults, **arguments})


def told(logs):
    return [log["event"] % log.get("positional_args", ()) for log in logs]


@both_ways
def test_files_that_are_there_are_returned(service, folder, task, deferrable):
    """A look before deferring finds what is there already; the files come as plain values."""
    name, path = folder
    service.put(f"{name}/predictions.csv", b"a 1\n")
    service.put(f"{name}/deep/part.csv", b"b 2\n")

    found = task.run(sensor(path, deferrable=deferrable))

    assert [file["path"] for file in found] == [f"{path}/deep/part.csv", f"{path}/predictions.csv"]
    assert [file["size"] for file in found] == [4, 4]
    assert all(set(file) == {"path", "size", "etag", "last_modified"} for file in found)
    assert json.loads(json.dumps(found)) == found
    assert task.deferred == []


@both_ways
def test_files_are_waited_for(service, folder, task, meanwhile, deferrable):
    """A folder that does not exist is not there yet; the sensor ends when enough is in it."""
    name, path = folder

    def write():
        service.wait_for_looks(4)
        for part in range(3):
            service.put(f"{name}/part-{part}.csv")
        service.put(f"{name}/log.txt")

    meanwhile(write)
    found = task.run(sensor(path, glob="*.csv", min_files=3, deferrable=deferrable))

    assert [file["path"] for file in found] == [f"{path}/part-{part}.csv" for part in range(3)]
    assert len(task.deferred) == deferrable


@both_ways
def test_local_files_are_waited_for(tmp_path, task, meanwhile, deferrable):
    """A local path needs no connection; bytes of the matching files are summed up."""
    folder = tmp_path / "out"

    def write():
        folder.mkdir()
        (folder / "big.txt").write_bytes(b"x" * 1000)
        for part in range(4):
            (folder / f"{part}.csv").write_bytes(b"x" * 25)

    meanwhile(write)
    found = task.run(sensor(f"file://{folder}", glob="*.csv", min_bytes=100, deferrable=deferrable))

    assert sum(file["size"] for file in found) == 100
    assert found[0]["path"] == str(folder / "0.csv")


@both_ways
def test_a_single_file_is_waited_for(service, folder, task, meanwhile, deferrable):
    """The path may be the file itself."""
    name, path = folder

    def write():
        service.wait_for_looks(4)
        service.put(f"{name}/predictions.csv")

    meanwhile(write)
    found = task.run(sensor(f"{path}/predictions.csv", deferrable=deferrable))

    assert [file["path"] for file in found] == [f"{path}/predictions.csv"]


@both_ways
def test_a_url_of_a_storage_account_is_a_place(service, folder, task, deferrable):
    """The URL that a job's outputs hold works like the datastore's path."""
    name, _ = folder
    service.put(f"{name}/a b.csv")

    (file,) = task.run(sensor(f"{service.folder_url}/{name}", deferrable=deferrable))

    assert file["path"] == f"{service.folder_url}/{name}/a%20b.csv"


@both_ways
def test_files_must_stay_as_they_are(tmp_path, task, meanwhile, deferrable):
    """With ``stable_for`` a file that is still written to is waited for."""
    file = tmp_path / "growing.csv"
    file.touch()
    stopped = []

    def write():
        with file.open("a") as growing:
            for _ in range(20):
                growing.write("row\n")
                growing.flush()
                time.sleep(0.03)  # The pace of what is watched, nothing that the test waits for.
        stopped.append(time.time())

    meanwhile(write)
    (found,) = task.run(sensor(str(tmp_path), stable_for=0.4, deferrable=deferrable))

    assert found["size"] == 80
    assert time.time() - stopped[0] >= 0.3


@both_ways
def test_what_was_complete_long_ago_is_stable(service, folder, task, deferrable):
    """Stability is told by the storage's own times, so nobody waits for what happened already."""
    name, path = folder
    service.put(f"{name}/a.csv")
    (file,) = task.run(sensor(path))
    age = 1.5
    modified = datetime.fromisoformat(file["last_modified"].replace("Z", "+00:00")).timestamp()
    while time.time() < modified + age + 3:  # The storage's clock tells whole seconds, and late when busy.
        time.sleep(0.05)

    assert task.run(sensor(path, stable_for=age, timeout=0, deferrable=deferrable))


@both_ways
def test_too_late_is_a_timeout(service, folder, task, deferrable):
    """The error says how long was waited and what there was of what was wanted."""
    name, path = folder
    service.put(f"{name}/a.csv", b"abc")

    with pytest.raises(AirflowSensorTimeout) as raised:
        task.run(sensor(path, min_files=2, timeout=0.4, deferrable=deferrable))

    if deferrable:
        assert "within 0:00:00.400000" in str(raised.value)
        assert "1 of 2 files, 3 bytes" in str(raised.value)
        assert path in str(raised.value)


@both_ways
@pytest.mark.parametrize("timeout", [0, 0.3])
def test_too_late_is_a_skip_with_soft_fail(folder, task, deferrable, timeout):
    """``soft_fail`` skips, at the first look as in the trigger."""
    with pytest.raises(AirflowSkipException):
        task.run(sensor(folder[1], timeout=timeout, soft_fail=True, deferrable=deferrable))


def test_the_timeout_counts_from_the_start(folder, task):
    """A deferred sensor has no more time than another: its deadline is absolute."""
    started = datetime.now(timezone.utc) - timedelta(seconds=100)
    task.instance.start_date = started
    with pytest.raises(AirflowSensorTimeout):
        task.run(sensor(folder[1], timeout=60, deferrable=True))
    assert task.deferred == []

    with pytest.raises(TaskDeferred) as deferred:
        sensor(folder[1], timeout=160, deferrable=True).execute({"ti": task.instance})
    trigger = deferred.value.trigger
    assert trigger.deadline == started.timestamp() + 160
    assert trigger.deadline - time.time() < deferred.value.timeout.total_seconds() < 60 + 600


def test_a_timeout_that_the_scheduler_noticed(task):
    """If no triggerer was there to keep the time, Airflow's own limit ends the sensor in the same way."""
    kwargs = {"error": "Trigger timeout"}
    context = {"ti": task.instance}

    with pytest.raises(AirflowSensorTimeout):
        sensor("/nowhere").resume_execution("__fail__", kwargs, context)
    with pytest.raises(AirflowSkipException):
        sensor("/nowhere", soft_fail=True).resume_execution("__fail__", kwargs, context)


def test_rescheduled_looks_share_nothing(service, folder, task):
    """In reschedule mode each look is made by another process with another sensor object."""
    name, path = folder
    arguments = {"mode": "reschedule", "poke_interval": 30, "stable_for": 1}

    with pytest.raises(AirflowRescheduleException) as rescheduled:
        task.run(sensor(path, **arguments))
    due = (rescheduled.value.reschedule_date - datetime.now(timezone.utc)).total_seconds()
    assert 25 < due <= 30
    service.put(f"{name}/a.csv")
    task.instance.first_reschedule_date = datetime.now(timezone.utc)

    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            (file,) = task.run(sensor(path, **arguments))
        except AirflowRescheduleException:
            continue
        break
    modified = datetime.fromisoformat(file["last_modified"].replace("Z", "+00:00"))
    assert (datetime.now(timezone.utc) - modified).total_seconds() >= 1


def test_rescheduled_looks_time_out(folder, task):
    """The timeout counts from the first look, in whatever process that was."""
    task.instance.first_reschedule_date = datetime.now(timezone.utc) - timedelta(seconds=100)

    with pytest.raises(AirflowSensorTimeout):
        task.run(sensor(folder[1], mode="reschedule", timeout=60))


@both_ways
def test_a_problem_that_passes_is_waited_out(service, folder, task, deferrable):
    """Storage that is out of order for a while is an outage, not an end."""
    name, path = folder
    service.put(f"{name}/a.csv")
    # One look asks four times; then there is one that gets its answer.
    service.fail({"action": "status", "status": 503, "times": 10, "match": BLOB})

    with capture_logs() as logs:
        assert task.run(sensor(path, deferrable=deferrable))

    warnings = [line for line in told(logs) if line.startswith("Looking again: ")]
    assert len(warnings) == 1 + deferrable  # Once in the first look, once in the trigger.
    assert "HTTP 503" in warnings[0]


@both_ways
def test_an_outage_of_resource_manager_is_waited_out(service, folder, task, deferrable):
    """The datastore's look-up is part of looking."""
    name, path = folder
    service.put(f"{name}/a.csv")
    service.fail({"action": "html", "times": 2, "match": {"plane": "arm"}})

    assert task.run(sensor(path, deferrable=deferrable))


@both_ways
def test_an_outage_that_does_not_end_is_told(service, folder, task, deferrable):
    """Beyond ``outage_tolerance`` the task fails, naming the last problem."""
    service.fail({"action": "status", "status": 503, "match": BLOB})

    with pytest.raises(errors.ConnectionFailed, match=r"No good answer for \d seconds.*HTTP 503") as raised:
        task.run(sensor(folder[1], outage_tolerance=1, timeout=60, deferrable=deferrable))

    assert type(raised.value) is errors.ConnectionFailed
    assert len(task.deferred) == deferrable


def test_a_rescheduled_look_makes_no_end_of_an_outage(service, folder, task):
    """In reschedule mode an outage means that the files are not there yet."""
    service.fail({"action": "status", "status": 503, "match": BLOB})

    with capture_logs() as logs, pytest.raises(AirflowRescheduleException):
        task.run(sensor(folder[1], mode="reschedule"))

    assert any(line.startswith("Looking again") for line in told(logs))


REFUSE_ALL = (
    {"action": "status", "status": 403, "match": {**BLOB, "path": "outputs"}},
    {"action": "status", "status": 403, "match": BLOB},
    {"action": "status", "status": 403, "match": {"plane": "arm", "path": "listSecrets"}},
)


@both_ways
def test_a_missing_role_fails_at_once(service, folder, task, deferrable):
    """What does not pass by itself is not waited for; the error says which role is missing."""
    service.fail(*REFUSE_ALL)

    with pytest.raises(errors.PermissionDenied, match="Storage Blob Data Reader"):
        task.run(sensor(folder[1], deferrable=deferrable))


def test_a_role_lost_while_deferred(service, folder, task):
    """The trigger's error is raised in the task as what it is."""
    with pytest.raises(TaskDeferred) as deferred:
        sensor(folder[1], deferrable=True).execute({"ti": task.instance})
    service.fail(*REFUSE_ALL)
    resume = sensor(folder[1]).resume_execution
    kwargs = {"event": asyncio.run(task.event_of(deferred.value.trigger))}
    assert kwargs["event"]["kind"] == "PermissionDenied"
    with pytest.raises(errors.PermissionDenied, match="Storage Blob Data Reader"):
        resume("execute_complete", kwargs, {})
    with pytest.raises(AirflowSkipException):
        sensor(folder[1], never_fail=True).resume_execution("execute_complete", kwargs, {})


@both_ways
def test_never_fail_skips(service, folder, task, deferrable):
    """``never_fail`` turns errors into skips, deferrable or not."""
    service.fail(*REFUSE_ALL)

    with pytest.raises(AirflowSkipException):
        task.run(sensor(folder[1], never_fail=True, deferrable=deferrable))


@both_ways
def test_the_datastores_own_key_is_used_where_the_identity_has_no_role(service, folder, task, deferrable):
    """Who may ask the workspace for the datastore's secrets needs no role on the account."""
    name, path = folder
    service.put(f"{name}/a.csv")
    service.fail({"action": "status", "status": 403, "times": 2, "match": BLOB})

    assert task.run(sensor(path, deferrable=deferrable))
    asked = [request["path"] for request in service.requests("arm")]
    assert len([path for path in asked if path.endswith("/listSecrets")]) == 1


@both_ways
def test_a_public_container_is_read_without_a_role(service, folder, task, deferrable):
    """A place on no datastore is tried anonymously where the identity is refused; here that fails too."""
    service.fail({"action": "status", "status": 403, "match": BLOB})

    with pytest.raises(errors.PermissionDenied, match="Storage Blob Data Reader") as raised:
        task.run(sensor(f"{service.folder_url}/{folder[0]}", deferrable=deferrable))

    assert "Anonymous reading" in str(raised.value.__cause__)


@both_ways
def test_tokens_are_renewed_while_waiting(service, folder, task, meanwhile, deferrable):
    """A token that ends in the middle of a wait is replaced."""
    name, path = folder
    service.fail({"action": "expire_tokens", "times": 1, "skip": 4, "match": BLOB})

    def write():
        service.wait_for_looks(9)
        service.put(f"{name}/a.csv")

    meanwhile(write)
    assert task.run(sensor(path, deferrable=deferrable))


@both_ways
def test_a_missing_datastore_is_an_error(service, task, deferrable):
    """A datastore does not come into being by itself: its name is wrong."""
    with pytest.raises(errors.NotFound, match="nowhere"):
        task.run(sensor("azureml://datastores/nowhere/paths/out", deferrable=deferrable))


@both_ways
def test_a_missing_container_is_not_there_yet(service, task, deferrable):
    """A container may be made by what is waited for; its name is told."""
    path = f"{service.url}/blob/{service.account}/later/out"

    with capture_logs() as logs, pytest.raises(AirflowSensorTimeout):
        task.run(sensor(path, timeout=0.4, deferrable=deferrable))

    assert any("container 'later'" in line and "does not exist" in line for line in told(logs))


@both_ways
def test_a_missing_connection_is_told(folder, task, deferrable):
    """The connection's id is named."""
    with pytest.raises(AirflowNotFoundException, match="not_there"):
        task.run(sensor(folder[1], azure_ml_conn_id="not_there", deferrable=deferrable))


def test_progress_is_logged_once(service, folder, task, meanwhile):
    """A line is written when there is more to see, not at every look."""
    name, path = folder
    service.put(f"{name}/a.csv")
    service.reset()

    def write():
        service.wait_for_looks(6)
        service.put(f"{name}/b.csv")

    meanwhile(write)
    with capture_logs() as logs:
        task.run(sensor(path, min_files=2))

    lines = [line for line in told(logs) if "there is now" in line]
    assert lines == [
        f"At {path} there is now: {seen}" for seen in ("1 of 2 files, 1 bytes", "2 of 2 files, 2 bytes")
    ]


@both_ways
def test_every_argument_is_a_template(service, folder, task, deferrable, monkeypatch):
    """Rendered text is converted to the numbers that it says."""
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(service.connection))
    monkeypatch.delenv("AIRFLOW_CONN_AZURE_ML_DEFAULT")
    name, path = folder
    for part in range(2):
        service.put(f"{name}/{part}.csv", b"12345")
    templates = {
        "path": "{{ params.path }}",
        "glob": "*.{{ params.ending }}",
        "min_files": "{{ params.files }}",
        "min_bytes": "{{ params.bytes }}",
        "stable_for": "{{ params.stable }}",
        "azure_ml_conn_id": "{{ params.conn }}",
        "modelarts_conn_id": "{{ params.conn }}",
    }
    values = {"path": path, "ending": "csv", "files": 2, "bytes": 10, "stable": "0.0", "conn": "other"}

    waiting = sensor(**templates, deferrable=deferrable)

    assert set(waiting.template_fields) == set(templates)
    assert waiting.template_ext == ()
    assert len(task.run(waiting, **values)) == 2


@pytest.mark.parametrize("path", ["", " ", "None", None, 7, {"uri": "x"}])
def test_a_path_that_renders_to_nothing_is_refused(service, task, path):
    """Nothing is asked for a path that says nothing."""
    with pytest.raises(InvalidInput, match=r"^path is "):
        task.run(sensor("{{ params.path }}" if isinstance(path, str) else path), path=path)

    assert service.requests("arm") == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("s3://bucket/out", r"(?s)fits no form.*\n  obs://BUCKET/PATH "),
        ("azureml://datastores/x", "no path"),
        ("azureml:data@latest", "names no place"),
        ("https://example.com/data.csv", "names no place"),
        ("http://storage.blob.core.windows.net/c/out", "not encrypted"),
        ("wasbs://account.blob.core.windows.net/out", "is not a wasbs URI"),
        ("file://server/share", "no file of this machine"),
    ],
)
def test_a_path_that_cannot_be_watched_is_refused(service, task, path, words):
    """The message says what is wrong with the path, and nothing was asked."""
    with pytest.raises(InvalidInput, match=words):
        task.run(sensor(path))

    assert service.requests("arm") == service.requests() == []


@both_ways
@pytest.mark.parametrize(
    ("field", "value"), [("glob", ""), ("min_files", "-1"), ("min_bytes", "many"), ("stable_for", "None")]
)
def test_a_rendered_value_that_cannot_be_right_is_refused(tmp_path, task, deferrable, field, value):
    """The field is named before anything is asked."""
    with pytest.raises(InvalidInput, match=f"^{field} is "):
        task.run(sensor(str(tmp_path), deferrable=deferrable, **{field: value}))


@pytest.mark.parametrize(
    "arguments",
    [
        {"poke_interval": 0},
        {"poke_interval": -1},
        {"poke_interval": timedelta(0)},
        {"poke_interval": "often"},
        {"timeout": -1},
        {"timeout": timedelta(seconds=-1)},
        {"outage_tolerance": -1},
        {"min_files": -1},
        {"min_bytes": -0.5},
        {"stable_for": True},
    ],
)
def test_a_number_that_cannot_be_right_is_refused_when_the_dag_is_parsed(arguments):
    """What is no text, and so no template, is checked where it is written."""
    (field,) = arguments

    with pytest.raises(InvalidInput, match=f"^{field} is "):
        sensor("/data", **arguments)


SIGNATURE = "Zm9vYmFyYmF6cXV4%2Babc%3D"


@both_ways
def test_a_sas_is_used_and_never_shown(service, folder, task, deferrable):
    """A signature in the path opens the storage, and is in no log, error, result or rendered field."""
    name, _ = folder
    url = f"{service.folder_url}/{name}"
    waiting = sensor(
        f"{url}?sp=rl&sig={SIGNATURE}&se=2099-01-01", min_files=2, timeout=0.3, deferrable=deferrable
    )
    service.put(f"{name}/a.csv")

    with capture_logs() as logs, pytest.raises(AirflowSensorTimeout) as raised:
        task.run(waiting)
    waiting.min_files = 1
    (file,) = task.run(waiting)

    assert file["path"] == f"{url}/a.csv"
    assert redact(waiting.path, "path").endswith("?sp=rl&sig=***&se=2099-01-01")
    assert SIGNATURE not in f"{logs} {raised.value}"
    assert task.deferred == []  # Airflow's API shows what a trigger is given.
    assert service.requests("arm") == []
