"""The part of Airflow that triggerers talk to, over HTTP, so that they can be processes that die.

It hands tasks to triggerers, keeps the XComs, tries again what has failed, and moves tasks from one triggerer
to the other as a rebalance does.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from airflow.sdk.execution_time import comms

from tests.triggers.airflow_in_memory import Airflow

from .verdict import Task


@dataclass
class InTrigger(Task):
    """A task instance that a trigger runs.

    Attributes:
        dag_id: Twins are runs of one DAG.
        triggerer: Who is to run it; empty while nobody is.
        leaving: Whether that one is to stop running it first.
        try_number: Of this try.
        starts: How often a trigger was started for it.
        ended: Whether it has ended.
    """

    dag_id: str = ""
    triggerer: str = ""
    leaving: bool = False
    try_number: int = 1
    starts: int = 0
    ended: bool = False


@dataclass
class Scheduler:
    """Decides who runs what.

    Args:
        tasks: By name.
        tries: Of each task.
        moves: The share of what a triggerer runs that it has to give away at each of its turns.
        chance: Of what happens when.
    """

    tasks: dict[str, InTrigger]
    tries: int
    moves: float
    chance: random.Random
    alive: list[str] = field(default_factory=list)
    moved: int = 0
    deaths: int = 0

    def share(self) -> None:
        """Hand all tasks to those who are alive."""
        for task in self.tasks.values():
            self._hand_over(task)

    def died(self, triggerer: str) -> None:
        """Take note that a triggerer is no more; the others take its tasks over."""
        self.alive.remove(triggerer)
        for task in self.tasks.values():
            if task.triggerer == triggerer and not task.ended:
                self._hand_over(task)

    def turn(self, triggerer: str, running: list[str], ends: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Answer a triggerer that tells what it runs and what has ended: all that it is to run."""
        for end in ends:
            self._end(self.tasks[end["task"]], triggerer, end)
        mine = [task for task in self.tasks.values() if task.triggerer == triggerer and not task.ended]
        for task in mine:
            if task.leaving and task.name not in running:
                self._hand_over(task)
            elif task.name in running and self.chance.random() < self.moves:
                task.leaving = True
                self.moved += 1
        return [self._told(task) for task in mine if task.triggerer == triggerer and not task.leaving]

    def _end(self, task: InTrigger, triggerer: str, end: dict[str, Any]) -> None:
        if task.ended or task.triggerer != triggerer:
            return
        if end["state"] == "success":
            task.ended = True
            return
        task.errors.append(end["error"])
        task.outcome = end["error"].partition(":")[0]
        if task.outcome == "Death":
            self.deaths += 1
        else:
            task.try_number += 1
        task.ended = task.outcome == "SubmissionUnknown" or task.try_number > self.tries
        if not task.ended:
            self._hand_over(task)

    def _hand_over(self, task: InTrigger) -> None:
        task.triggerer, task.leaving = self.chance.choice(self.alive), False
        task.starts += 1

    @staticmethod
    def _told(task: InTrigger) -> dict[str, Any]:
        names = ("name", "dag_id", "folder", "try_number", "starts")
        return {name: getattr(task, name) for name in names}


class AirflowByHttp:
    """Serves a scheduler, and the store of XComs.

    Args:
        scheduler: Who decides.

    Attributes:
        url: Where.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.airflow = _Counting(scheduler)
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"served": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, told: Any) -> Any:
        """Answer a request."""
        if path == "/turn":
            with self.lock:
                return self.scheduler.turn(**told)
        message = getattr(comms, told["kind"]).model_validate(told["message"])
        with self.lock:
            answer = asyncio.run(self.airflow.asend(message))
        return {"kind": type(answer).__name__, "message": answer.model_dump(mode="json")}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1000  # Or the answer to many at once is that the connection is reset.

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of triggerers that died in the middle of a request."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Counting(Airflow):
    """Knows how many runs a DAG has."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._scheduler = scheduler

    async def _answer(self, message: Any) -> Any:
        if isinstance(message, comms.GetDRCount):
            runs = [one for one in self._scheduler.tasks.values() if one.dag_id == message.dag_id]
            return comms.DRCount(count=sum("success" in message.states or not one.ended for one in runs))
        return await super()._answer(message)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    served: AirflowByHttp

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        told = self.rfile.read(length)
        if len(told) < length:
            self.close_connection = True  # Whoever asks died in the middle of it.
            return
        body = json.dumps(self.served.answer(self.path, json.loads(told))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


class Supervisor(Airflow):
    """What a trigger finds in its own process: it asks `AirflowByHttp`.

    Args:
        client: With that as its base URL.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        super().__init__()
        self._client = client

    async def _answer(self, message: Any) -> Any:
        told = {"kind": type(message).__name__, "message": message.model_dump(mode="json")}
        answer = (await self._client.post("/ask", json=told)).raise_for_status().json()
        return getattr(comms, answer["kind"]).model_validate(answer["message"])
