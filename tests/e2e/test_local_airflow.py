"""The harness itself: what the demo and the other end-to-end tests rely on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from airflow_batch_provider.demo import airflow_settings
from airflow_batch_provider.demo.airflow_processes import ComponentDied
from airflow_batch_provider.demo.local_airflow import LocalAirflow

pytestmark = pytest.mark.e2e

RUN_SECONDS = 90

# Each task waits for a file, so that a test decides how long it takes.
STORY = """
import subprocess
import time
from pathlib import Path

from airflow.providers.standard.sensors.filesystem import FileSensor
from airflow.sdk import DAG, task

with DAG("story", schedule=None, params={"folder": ""}):

    @task
    def work(params):
        print("at work")
        with subprocess.Popen(["sleep", "60"]) as child:
            while not (Path(params["folder"]) / "work").exists():
                time.sleep(0.1)
            child.terminate()
        return {"answer": [42]}

    @task
    def double(number):
        return 2 * number

    sleep = FileSensor(
        task_id="sleep", filepath="{{ params.folder }}/wake", deferrable=True, poke_interval=0.2, timeout=60
    )
    work() >> sleep
    double.expand(number=[3, 4])

with DAG("wrong", schedule=None):

    @task
    def fail():
        raise ValueError("not today")

    fail()
"""
BROKEN = """
from airflow.sdk import DAG

with DAG("broken", schedule=None):
    1 / 0
"""
PARENT = """
import signal, sys
from pathlib import Path
from airflow_batch_provider.demo.local_airflow import LocalAirflow

signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell may have had it ignored.
LocalAirflow(Path(sys.argv[1]), Path(sys.argv[1])).start()
"""


@pytest.fixture(scope="module")
def airflow(airflow_factory, tmp_path_factory):
    dags = tmp_path_factory.mktemp("dags")
    (dags / "story.py").write_text(STORY)
    (dags / "broken.py").write_text(BROKEN)
    return airflow_factory(dags, connections={"fs_default": {"conn_type": "fs", "extra": {"path": "/"}}})


@pytest.fixture
def folder(tmp_path):
    """Return the folder whose files let a run's tasks go on, as the run's parameter names it."""
    return tmp_path


@pytest.fixture
def sleeping(airflow, folder):
    """Start a run of which all tasks but the deferred one have ended."""
    (folder / "work").touch()
    run_id = airflow.trigger("story", {"folder": str(folder)})
    airflow.wait_for_task("story", run_id, "sleep", ["deferred"], RUN_SECONDS)
    for index in range(2):
        airflow.wait_for_task("story", run_id, "double", ["success"], RUN_SECONDS, map_index=index)
    return run_id


def alive(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not within the bound"
        time.sleep(0.05)


def test_a_run_from_trigger_to_xcom(airflow, folder):
    """A run is followed change by change, and what its tasks left can be read."""
    changes = []
    run_id = airflow.trigger("story", {"folder": str(folder)})

    airflow.wait_for_task("story", run_id, "work", ["running"], RUN_SECONDS)
    until(lambda: "sleep" in [psutil.Process(pid).name() for pid in airflow.worker_pids()])
    (folder / "work").touch()

    def on_change(task, old, new):
        changes.append((task, old, new))
        if (task, new) == ("sleep", "deferred"):
            until(
                lambda: not airflow.worker_pids()
            )  # Airflow fails a task that resumes before its worker ends.
            (folder / "wake").touch()

    assert airflow.wait_for_run("story", run_id, RUN_SECONDS, on_change) == "success"

    by_task = {task: [new for name, _, new in changes if name == task] for task, _, _ in changes}
    assert "deferred" in by_task["sleep"]
    assert {by_task[task][-1] for task in ("work", "sleep", "double[0]", "double[1]")} == {"success"}
    assert airflow.xcom("story", run_id, "work") == {"answer": [42]}
    assert airflow.xcom("story", run_id, "double", map_index=1) == 8
    assert "INFO at work" in airflow.task_log("story", run_id, "work")
    assert airflow.extra_links("story", run_id, "work") == {}
    assert airflow.dag_run("story", run_id)["conf"] == {"folder": str(folder)}


def test_no_worker_while_deferred(airflow, folder, sleeping):
    """While all of a run's tasks are deferred, no process executes a task, and a new triggerer takes over."""
    until(lambda: not airflow.worker_pids())

    airflow.restart("triggerer")

    assert airflow.worker_pids() == []
    airflow.wait_for_task("story", sleeping, "sleep", ["deferred"], 5)
    with pytest.raises(TimeoutError, match=r"the end of run .*'sleep': 'deferred'[\s\S]*triggerer\.log"):
        airflow.wait_for_run("story", sleeping, 0)

    (folder / "wake").touch()
    assert airflow.wait_for_run("story", sleeping, RUN_SECONDS) == "success"


def test_what_users_do_to_a_task(airflow, folder, sleeping):
    """A task can be marked as failed, and cleared to run again."""
    airflow.patch_task_state("story", sleeping, "sleep", "failed")
    assert airflow.wait_for_run("story", sleeping, RUN_SECONDS) == "failed"

    (folder / "wake").touch()
    cleared = airflow.clear("story", sleeping, ["sleep"])
    assert [one["task_id"] for one in cleared] == ["sleep"]
    assert airflow.wait_for_run("story", sleeping, RUN_SECONDS) == "success"


def test_a_failure_is_readable(airflow):
    """The log of a failed task has the exception and its place."""
    run_id = airflow.trigger("wrong")

    assert airflow.wait_for_run("wrong", run_id, RUN_SECONDS) == "failed"
    log = airflow.task_log("wrong", run_id, "fail")
    assert "ValueError: not today" in log
    assert "story.py:" in log


def test_a_dag_that_cannot_be_imported(airflow):
    """The import error is raised as soon as it is known."""
    with pytest.raises(RuntimeError, match=r"broken cannot be imported: broken\.py[\s\S]*ZeroDivisionError"):
        airflow.trigger("broken")


def test_stop_leaves_nothing(airflow, folder, sleeping):
    """Not even a running task's own children outlive stop()."""
    run_id = airflow.trigger("story", {"folder": str(folder / "never")})
    airflow.wait_for_task("story", run_id, "work", ["running"], RUN_SECONDS)
    until(lambda: "sleep" in [psutil.Process(pid).name() for pid in airflow.worker_pids()])
    sessions = {process.pid for process in airflow.processes.values()}
    started = [
        process for process in psutil.Process().children(recursive=True) if os.getsid(process.pid) in sessions
    ]
    assert len([process for process in started if process.pid in sessions]) == 4

    airflow.stop()

    assert [process for process in started if alive(process)] == []


def own_children():
    """Return the living components below this process; the emulator's come and go as they please."""
    return {process for process in psutil.Process().children(recursive=True) if is_of_airflow(process)}


def is_of_airflow(process):
    try:
        return alive(process) and "airflow" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    ("database", "executor", "message"),
    [
        (
            "no/such/folder/airflow.db",
            "LocalExecutor",
            r"db-migrate ended[\s\S]*unable to open database file",
        ),
        ("airflow.db", "no.Executor", r"scheduler ended[\s\S]*no\.Executor"),
    ],
)
def test_a_component_that_dies(tmp_path, database, executor, message):
    """A failing start is an error with the end of the log, and leaves no process."""
    airflow = LocalAirflow(
        tmp_path / "home",
        tmp_path,
        database=f"sqlite:///{tmp_path}/{database}",
        env={"AIRFLOW__CORE__EXECUTOR": executor},
        triggerers=0,
    )
    before = own_children()

    with pytest.raises(ComponentDied, match=message):
        airflow.start()

    assert own_children() - before == set()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_airflow_ends_with_its_parent(tmp_path, sent):
    """Ctrl-C, and even a killed parent, leave no component behind."""
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as parent:
        until(lambda: len(psutil.Process(parent.pid).children()) == 5)
        components = psutil.Process(parent.pid).children()
        until(lambda: all(process.cpu_times().user > 1 for process in components))  # They are importing.
        parent.send_signal(sent)
        assert parent.wait(20) != 0

    until(lambda: not any(alive(process) for process in components), seconds=5)


def test_a_port_that_is_taken(tmp_path):
    """A taken port is an error before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(OSError, match=f"Port {port} of 127.0.0.1 cannot be used"):
            LocalAirflow(tmp_path, tmp_path, port=port).start()


def test_the_users_airflow_does_not_matter(monkeypatch):
    """Variables of another Airflow are not handed down, others are, and given ones win."""
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "theirs")
    monkeypatch.setenv("AIRFLOW_CONN_THEIRS", "http://example.invalid")
    monkeypatch.setenv("OTHER", "kept")
    monkeypatch.setenv("NO_PROXY", "example.invalid")

    given = {"AIRFLOW__CORE__PARALLELISM": "3"}
    environment = airflow_settings.environment(Path("/home"), Path("/dags"), "http://127.0.0.1:1", given)

    assert environment["OTHER"] == "kept"
    assert environment["NO_PROXY"] == "127.0.0.1,localhost,example.invalid"
    assert environment["AIRFLOW__CORE__PARALLELISM"] == "3"
    assert environment["AIRFLOW__CORE__FERNET_KEY"] != "theirs"
    assert "AIRFLOW_CONN_THEIRS" not in environment
    assert len(environment["AIRFLOW__API_AUTH__JWT_SECRET"]) >= 64
