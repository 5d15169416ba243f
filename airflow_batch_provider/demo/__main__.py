"""``python -m airflow_batch_provider.demo``: run the example DAG and print what happens.

``python -m airflow_batch_provider.demo modelarts``: the same with a ModelArts workflow.

``python -m airflow_batch_provider.demo lifecycle``: create a batch endpoint, use it, delete it.

``python -m airflow_batch_provider.demo airflow``: leave Airflow's web interface open until Ctrl-C.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx

from airflow_batch_provider.demo import digits
from airflow_batch_provider.demo.local_airflow import LocalAirflow
from airflow_batch_provider.emulator.server import Emulator

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class _Story:
    """A DAG of the examples, and which of its tasks tells what."""

    dag: str
    files: str
    connection: str
    cloud: str


_STORIES = {
    "run": _Story("example_azure_ml_batch_endpoint", "predictions", "azure_ml_default", "Azure"),
    "lifecycle": _Story("example_azure_ml_lifecycle", "predictions", "azure_ml_default", "Azure"),
    "modelarts": _Story("example_modelarts_workflow", "metrics", "modelarts_default", "Huawei Cloud"),
}
_RUN_SECONDS = 300


def main() -> int:
    """Run the demo; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m airflow_batch_provider.demo", description=__doc__)
    parser.add_argument("what", nargs="?", choices=[*_STORIES, "airflow"], default="run")
    parser.add_argument("--port", type=int, default=8080, help="of Airflow's web interface, with 'airflow'")
    arguments = parser.parse_args()
    if not (find_spec("sklearn") and find_spec("PIL")):
        parser.error("the demo needs scikit-learn and pillow: pip install 'airflow-batch-provider[demo]'")
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:6.1f}s  {what}", flush=True)

    with tempfile.TemporaryDirectory(prefix="batch-demo-") as temporary:
        if arguments.what == "airflow":
            return _browse(Path(temporary), arguments.port, say)
        return _run(_STORIES[arguments.what], Path(temporary), say)


def _run(story: _Story, folder: Path, say: Callable[[str], None]) -> int:
    with _emulator(folder, say) as emulator, _airflow(folder, emulator, 0, say) as airflow:
        watcher = _JobWatcher(emulator, say)
        run_id = airflow.trigger(story.dag)
        say(f"Started a run of the DAG {story.dag}.")
        with watcher:
            state = airflow.wait_for_run(story.dag, run_id, _RUN_SECONDS, _task_teller(say))
        if state != "success":
            tasks = airflow.task_instances(story.dag, run_id)
            for failed in [one["task_id"] for one in tasks if one["state"] == "failed"]:
                print(airflow.task_log(story.dag, run_id, failed), file=sys.stderr)
            say(f"The run ended as {state}.")
            return 1
        for file in airflow.xcom(story.dag, run_id, story.files):
            _, datastores, path = file["path"].rpartition("/datastores/")
            say(f"found {'…' * bool(datastores)}{datastores}{path} ({file['size']} bytes)")
        share = airflow.xcom(story.dag, run_id, "accuracy")
        say(f"{share:.1%} of the held-out digits were read rightly.")
    print(
        "\nNext: 'make airflow', or 'python -m airflow_batch_provider.demo airflow', opens the same in the"
        " browser."
        f"\nTo run it on {story.cloud}, change nothing but the connection {story.connection}."
    )
    return 0


def _task_teller(say: Callable[[str], None]) -> Callable[[str, str | None, str | None], None]:
    return lambda task, _old, new: say(f"task {task:<12} {new}")


def _browse(folder: Path, port: int, say: Callable[[str], None]) -> int:
    with _emulator(folder, say) as emulator, _airflow(folder, emulator, port, say) as airflow:
        say(f"Airflow is at {airflow.url} and the emulator at {emulator.url}. Ctrl-C ends both.")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            say("Ending.")
    return 0


@contextmanager
def _emulator(folder: Path, say: Callable[[str], None]) -> Iterator[Emulator]:
    deployment = folder / "deployment"
    shutil.copytree(_HERE / "deployment", deployment)
    count = digits.write(deployment)
    say(f"Trained a model on scikit-learn's digits; wrote {count} held-out ones as images.")
    with Emulator(folder / "emulator", setup=deployment / "setup.yml") as emulator:
        say(f"The emulator runs at {emulator.url}, with the batch endpoint and the bucket 'digits'.")
        yield emulator


@contextmanager
def _airflow(
    folder: Path, emulator: Emulator, port: int, say: Callable[[str], None]
) -> Iterator[LocalAirflow]:
    airflow = LocalAirflow(
        folder / "airflow",
        _example_dags(),
        connections={
            "azure_ml_default": emulator.airflow_connection(),
            "modelarts_default": emulator.modelarts_connection(),
        },
        env={"EXAMPLE_DIGITS": str(folder / "deployment")},
        port=port,
    )
    say("Starting Airflow: API server, scheduler, DAG processor, triggerer …")
    with airflow:
        say(f"Airflow runs at {airflow.url}.")
        yield airflow


def _example_dags() -> Path:
    """Return the examples' folder: beside the package in a checkout, inside it when installed."""
    inside = _HERE.parent / "example_dags"
    return inside if inside.is_dir() else _HERE.parent.parent / "example_dags"


class _JobWatcher:
    """Prints the state changes of the emulator's jobs, from a thread."""

    def __init__(self, emulator: Emulator, say: Callable[[str], None]) -> None:
        self._emulator = emulator
        self._say = say
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _jobs(self) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self._emulator.url}/_emulator/jobs", trust_env=False).raise_for_status()
        jobs: list[dict[str, Any]] = answer.json()["jobs"]
        return jobs

    def _watch(self) -> None:
        told = 0
        while not self._stop.wait(0.3):
            changes = [
                f"job  {job['id'][:20]}…  {state['status']}"
                for job in self._jobs()
                for state in job["states"]
            ]
            for change in changes[told:]:
                self._say(change)
            told = len(changes)


if __name__ == "__main__":
    sys.exit(main())
