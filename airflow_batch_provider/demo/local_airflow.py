"""A whole Airflow on this machine, for the demo and for end-to-end tests."""

from __future__ import annotations

import atexit
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from subprocess import Popen
from types import MappingProxyType, TracebackType
from typing import Any, TypeVar

from typing_extensions import Self

from airflow_batch_provider.demo import airflow_settings as settings
from airflow_batch_provider.demo.airflow_api import AirflowApi, ApiError, NotYet, readable_log, wait_for
from airflow_batch_provider.demo.airflow_processes import Processes

T = TypeVar("T")

_NONE: Mapping[str, Any] = MappingProxyType({})
_ENDED = {"success", "failed"}
_FINISHED = {*_ENDED, "skipped", "upstream_failed", "removed"}
_PARSE_SECONDS = 60
_RESTART_SECONDS = 90
_STOP_GRACE_SECONDS = 5
_RESTART_GRACE_SECONDS = 20
_NOT_FOUND = 404
_JOB_TYPES = {
    "scheduler": "SchedulerJob",
    "dag-processor": "DagProcessorJob",
    "triggerer": "TriggererJob",
}

OnChange = Callable[[str, "str | None", "str | None"], None]


class LocalAirflow:
    """API server, scheduler with its local executor, DAG processor and triggerers, as child processes.

    A context manager: starts them, and ends them with all that they forked. Should this process be killed,
    Linux ends them; for that, the thread that starts them has to live as long as they do.

    Args:
        home: The ``AIRFLOW_HOME``; made if missing. Components' output goes to ``logs-components/NAME.log``.
        dags_folder: The folder of the DAG files.
        connections: By connection id, the fields of the connection as Airflow's JSON form has them.
        env: More environment variables, such as ``AIRFLOW__SECTION__KEY``; they win over this class's own.
        database: The SQLAlchemy URL of the metadata database; without it a SQLite file in *home*.
        triggerers: How many triggerers: ``triggerer``, ``triggerer-2``, …
        port: Of the API server and its web interface; 0 picks a free one.
        login: User and password of the only user, an administrator; without it nobody needs to log in.

    Attributes:
        url: Where the web interface and the API are; known once started.
    """

    def __init__(
        self,
        home: Path,
        dags_folder: Path,
        *,
        connections: Mapping[str, Mapping[str, Any]] = _NONE,
        env: Mapping[str, str] = _NONE,
        database: str | None = None,
        triggerers: int = 1,
        port: int = 0,
        login: tuple[str, str] | None = None,
    ) -> None:
        self.url = ""
        self._home = home.resolve()
        self._dags_folder = dags_folder.resolve()
        self._given = {**_database(database), **settings.connection_variables(connections), **env}
        self._login = login
        self._triggerers = triggerers
        self._port = port
        self._commands: dict[str, tuple[str, ...]] = {}
        self._all: Processes | None = None
        self._client: AirflowApi | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- Processes

    def start(self, timeout: float = 180) -> None:
        """Migrate the database and start the components; return when every one is at work.

        Args:
            timeout: How many seconds each of the two may take.

        Raises:
            ComponentDied: A component ended; with the end of its log.
            TimeoutError: It took longer; with the ends of all logs.
            OSError: The port is taken.
        """
        port = settings.free_port(self._port)
        self.url = f"http://{settings.HOST}:{port}"
        logs = self._home / "logs-components"
        logs.mkdir(parents=True, exist_ok=True)
        (self._home / "airflow.cfg").touch()  # Else each component would write one with every default in it.
        given = settings.users(self._home, self._login) | self._given
        environment = settings.environment(self._home, self._dags_folder, self.url, given)
        self._all = Processes(self._home, logs, environment)
        self._client = AirflowApi(self.url, self._login)
        self._commands = settings.commands(port, self._triggerers)
        atexit.register(self.stop)
        try:
            self._start_components(timeout)
        except BaseException:
            self.stop()
            raise

    def _start_components(self, timeout: float) -> None:
        began = _now()
        self._processes.start("db-migrate", "db", "migrate")
        self._processes.release(["db-migrate"])
        for name, command in self._commands.items():
            self._processes.start(name, *command)
        self._processes.finish("db-migrate", timeout)
        self._processes.release(self._commands)
        self._wait("Airflow to start", lambda: self._check_started(self._commands, began), timeout)

    def _check_started(self, names: Collection[str], since: str) -> None:
        self._processes.require_alive(names)
        if "api-server" in names:
            self._api.warm_up()
        jobs = self._api.pages("jobs", "jobs", job_state="running", start_date_gte=since)
        at_work = Counter(job["job_type"] for job in jobs)
        wanted = Counter(_JOB_TYPES[self._commands[name][0]] for name in names if name != "api-server")
        if missing := wanted - at_work:
            raise NotYet(f"at work: {dict(at_work)}, missing: {dict(missing)}")

    def stop(self) -> None:
        """End every process, and what it forked. Can be repeated."""
        atexit.unregister(self.stop)
        if self._client:
            self._client.close()
        if self._all:
            self._all.end(list(self._all.running), _STOP_GRACE_SECONDS)

    def restart(self, component: str) -> None:
        """End what is left of *component*, gracefully if it can, start it again, wait until it is at work."""
        if component in self._processes.running:
            self._processes.end([component], _RESTART_GRACE_SECONDS)
        began = _now()
        self._processes.start(component, *self._commands[component])
        self._processes.release([component])
        self._wait(
            f"{component} to start again", lambda: self._check_started([component], began), _RESTART_SECONDS
        )

    def kill(self, component: str) -> None:
        """End *component* and all that it forked by SIGKILL."""
        self._processes.kill(component)

    def suspend(self, component: str) -> None:
        """Stop *component* and all that it forked, as a machine that hangs, until `resume`."""
        for process in self._processes.members(component):
            process.suspend()

    def resume(self, component: str) -> None:
        """Let a suspended component go on."""
        for process in self._processes.members(component):
            process.resume()

    @property
    def processes(self) -> dict[str, Popen[bytes]]:
        """The main process of each component, by name; each leads its own session and process group."""
        return self._processes.running

    def worker_pids(self) -> list[int]:
        """Return the pids that are executing a task at this moment: none while all tasks are deferred."""
        return self._processes.executing()

    # --- DAG runs

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run the DAG; wait until its file has been parsed.

        Raises:
            RuntimeError: The DAG's file cannot be imported; with the import error.
            TimeoutError: There is no such DAG.
        """
        self._wait(f"the DAG {dag_id}", lambda: self._check_parsed(dag_id), _PARSE_SECONDS)
        self._api.call("PATCH", "dags", dag_id, body={"is_paused": False})

    def _check_parsed(self, dag_id: str) -> None:
        try:
            self._api.get("dags", dag_id)
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            broken = list(self._api.pages("import_errors", "importErrors"))
            told = "\n".join(f"{one['filename']}: {one['stack_trace']}" for one in broken)
            if any(self._mentions(one["filename"], dag_id) for one in broken):
                raise RuntimeError(f"The DAG {dag_id} cannot be imported: {told}") from None
            raise NotYet(f"no such DAG in {self._dags_folder}; import errors: {told or 'none'}") from None

    def _mentions(self, filename: str, dag_id: str) -> bool:
        file = self._dags_folder / filename
        return file.is_file() and dag_id in file.read_text(errors="replace")

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Unpause the DAG and start a run of it with the parameters *conf*; return the run's id.

        Raises:
            RuntimeError: See ``unpause()``; or the parameters do not fit.
        """
        self.unpause(dag_id)
        body = {"conf": dict(conf or {}), "logical_date": None}
        run_id: str = self._api.call("POST", "dags", dag_id, "dagRuns", body=body)["dag_run_id"]
        return run_id

    def dag_run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return the run, as the API has it."""
        run: dict[str, Any] = self._api.get(*_run(dag_id, run_id))
        return run

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the run's task instances, as the API has them."""
        return list(self._api.pages("task_instances", *_run(dag_id, run_id), "taskInstances"))

    def wait_for_run(
        self, dag_id: str, run_id: str, timeout: float, on_change: OnChange | None = None
    ) -> str:
        """Wait until the run has ended; return its state, ``success`` or ``failed``.

        Args:
            dag_id: The DAG.
            run_id: The run.
            timeout: In seconds.
            on_change: Called with the task's id (``id[index]`` for a mapped one), its old and its new state,
                at each change.

        Raises:
            TimeoutError: It did not end; with the states of its tasks.
        """
        known: dict[str, str | None] = {}

        def check() -> str:
            state: str = self.dag_run(dag_id, run_id)[
                "state"
            ]  # Before its tasks: none changes after its end.
            tasks = {_label(one): one["state"] for one in self.task_instances(dag_id, run_id)}
            for task, new in tasks.items():
                if on_change and new != known.get(task):
                    on_change(task, known.get(task), new)
            known.update(tasks)
            if state not in _ENDED:
                raise NotYet(f"the run is {state}, its tasks are {tasks}")
            return state

        return self._wait(f"the end of run {run_id} of {dag_id}", check, timeout)

    def wait_for_task(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        states: Iterable[str],
        timeout: float,
        *,
        map_index: int = -1,
    ) -> dict[str, Any]:
        """Wait until the task instance is in one of *states*; return it.

        Raises:
            TimeoutError: It was not, within *timeout* seconds; with its last state.
        """
        wanted = list(states)

        def check() -> dict[str, Any]:
            for one in self.task_instances(dag_id, run_id):
                if (one["task_id"], one["map_index"]) == (task_id, map_index):
                    if one["state"] in wanted:
                        return one
                    raise NotYet(f"it is {one['state']}")
            raise NotYet("it is not there")

        return self._wait(f"{task_id} of run {run_id} to be one of {wanted}", check, timeout)

    # --- What tasks leave behind

    def xcom(
        self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1
    ) -> Any:
        """Return the value that the task instance pushed as *key*."""
        path = (*_run(dag_id, run_id), "taskInstances", task_id, "xcomEntries", key)
        return self._api.get(*path, map_index=map_index)["value"]

    def task_log(
        self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1
    ) -> str:
        """Return the log of one try, of worker and triggerer together, as text."""
        path = (*_run(dag_id, run_id), "taskInstances", task_id, "logs", str(try_number))
        return readable_log(self._api.get(*path, map_index=map_index, full_content=True)["content"])

    def extra_links(
        self, dag_id: str, run_id: str, task_id: str, map_index: int = -1
    ) -> dict[str, str | None]:
        """Return the URLs of the task instance's extra links, by the link's name."""
        path = (*_run(dag_id, run_id), "taskInstances", task_id, "links")
        links: dict[str, str | None] = self._api.get(*path, map_index=map_index)["extra_links"]
        return links

    # --- What users do

    def patch_task_state(
        self, dag_id: str, run_id: str, task_id: str, new_state: str, map_index: int = -1
    ) -> None:
        """Mark the task instance as ``success``, ``failed`` or ``skipped``."""
        path = (*_run(dag_id, run_id), "taskInstances", task_id)
        mapped = (str(map_index),) if map_index >= 0 else ()
        self._api.call("PATCH", *path, *mapped, body={"new_state": new_state})

    def clear(
        self, dag_id: str, run_id: str, task_ids: Iterable[str] | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        """Clear tasks of a run, by default all; return the cleared task instances.

        Args:
            dag_id: The DAG.
            run_id: The run.
            task_ids: The tasks.
            **options: More of the API's fields, such as ``include_downstream``.
        """
        body = {"dry_run": False, "only_failed": False, "dag_run_id": run_id, **options}
        if task_ids is not None:
            body["task_ids"] = list(task_ids)
        answer = self._api.call("POST", "dags", dag_id, "clearTaskInstances", body=body)
        return list(answer["task_instances"])

    def _wait(self, what: str, check: Callable[[], T], seconds: float) -> T:
        return wait_for(what, check, seconds, self._processes.tails)

    @property
    def _processes(self) -> Processes:
        if self._all is None:
            raise RuntimeError(
                "This Airflow has not been started: use it in a with statement or call start()."
            )
        return self._all

    @property
    def _api(self) -> AirflowApi:
        if self._client is None:
            raise RuntimeError(
                "This Airflow has not been started: use it in a with statement or call start()."
            )
        return self._client


def _database(url: str | None) -> dict[str, str]:
    return {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url} if url else {}


def _run(dag_id: str, run_id: str) -> tuple[str, ...]:
    return ("dags", dag_id, "dagRuns", run_id)


def _label(task_instance: Mapping[str, Any]) -> str:
    task, index = str(task_instance["task_id"]), task_instance["map_index"]
    return task if index < 0 else f"{task}[{index}]"


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()
