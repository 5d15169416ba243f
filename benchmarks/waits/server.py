"""A service in a process of its own that answers the polls of every kind of trigger, as cheaply as it can.

It counts requests and tokens, and ends jobs when it is told to. Clocks of processes on one machine agree.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httptools

PAGE = 100
WORKSPACE = "w"
JOB_SECONDS = 20.0
"""For which a job takes that is started here."""


class World:
    """The jobs, by number, and what was asked of them."""

    def __init__(self, jobs: int, endpoints: int) -> None:
        self.jobs = jobs
        self.endpoints = endpoints
        self.ends: dict[int, float] = {}
        self.counts: Counter[str] = Counter()
        self.url = ""

    def done(self, number: int) -> bool:
        return time.monotonic() >= self.ends.get(number, float("inf"))

    def answer(self, path: str, query: dict[str, list[str]], body: bytes) -> Any:
        parts = [part for part in path.split("/") if part]
        if parts[0] == "control":
            return self.control(parts[1], body)
        if "token" in parts[-1]:
            self.counts["tokens"] += 1
            return {"access_token": "t", "expires_in": 86400, "token_type": "Bearer"}
        if "datastores" in parts:  # asked at the end
            return DATASTORE
        self.counts["requests"] += 1
        return self.told(parts, query, body)

    def told(self, parts: list[str], query: dict[str, list[str]], body: bytes) -> Any:
        if parts[0] == "api":
            number = int(json.loads(body)["run_id"])
            return {"state": {**DATABRICKS[self.done(number)], "state_message": ""}}
        if parts[-1] == "createRun":
            number = len(self.ends)
            self.ends[number] = time.monotonic() + JOB_SECONDS
            return {"runId": str(number)}
        if "pipelineruns" in parts or "pipelineRuns" in parts:
            number = int(parts[-1])
            return {"runId": parts[-1], "status": "Succeeded" if self.done(number) else "InProgress"}
        if parts[-1] == "jobs":
            return self.page("/" + "/".join(parts), parts[-2], int(query.get("$skiptoken", ["0"])[0]))
        return self.job(int(parts[-1].removeprefix("job-")))

    def page(self, path: str, endpoint: str, start: int) -> Any:
        if endpoint == WORKSPACE:
            numbers = range(self.jobs)
        else:
            numbers = range(int(endpoint.removeprefix("e")), self.jobs, self.endpoints)
        more = f"{self.url}{path}?$skiptoken={start + PAGE}"
        return {
            "value": [self.job(number) for number in numbers[start : start + PAGE]],
            "nextLink": more if len(numbers) > start + PAGE else None,
        }

    def job(self, number: int) -> Any:
        name = f"job-{number}"
        properties = {**JOB["properties"], "status": "Completed" if self.done(number) else "Running"}
        return {**JOB, "name": name, "properties": properties}

    def control(self, word: str, body: bytes) -> Any:
        if word == "counts":
            counts, self.counts = dict(self.counts), Counter()
            return counts
        self.ends = {int(number): at for number, at in json.loads(body).items()}
        return {}


DATABRICKS = {
    False: {"life_cycle_state": "RUNNING", "result_state": ""},
    True: {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS"},
}
DATASTORE = {
    "name": "d",
    "properties": {"accountName": "a", "containerName": "c", "datastoreType": "AzureBlob"},
}
# As large as a recorded one.
JOB = {
    "id": "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/"
    "Microsoft.MachineLearningServices/workspaces/w/batchEndpoints/e/deployments/d/jobs/j",
    "type": "Microsoft.MachineLearningServices/workspaces/batchEndpoints/deployments/jobs",
    "properties": {
        "provisioningState": "Succeeded",
        "inputData": {
            "input": {"jobInputType": "UriFolder", "uri": "azureml://datastores/d/paths/in/folder"}
        },
        "outputData": {"score": {"jobOutputType": "UriFile", "uri": "azureml://datastores/d/paths/out/file"}},
        "compute": dict.fromkeys(("target", "instanceCount", "isLocal", "location", "instanceType")),
        "output": {"datastoreId": None, "path": None},
        "interactionEndpoints": {
            kind: {"jobEndpointType": kind, "port": None, "endpoint": "https://ml.azure.com/" + 120 * "x"}
            for kind in ("Tracking", "Studio")
        },
        "tags": {"azureml.batchrun": "true", "azureml.deploymentname": "d", "outputType": "output_data"},
        "properties": {f"azureml.property{number}": "some value" for number in range(10)},
        "name": "a_display_name",
        "retrySettings": {"maxRetries": 3, "timeout": "PT30S"},
    },
    "systemData": {"createdAt": "2026-11-01T00:00:00.0000000Z", "createdBy": "somebody"},
}


class Connection(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, world: World) -> None:
        self._world = world

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url, self._body = b"", b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        url = urlsplit(self._url.decode())
        answer = json.dumps(self._world.answer(url.path, parse_qs(url.query), self._body)).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
        self._transport.write(head.encode() + answer)


async def main(jobs: int, endpoints: int) -> None:
    """Serve on a free port, which is printed, until the input ends."""
    world, loop = World(jobs, endpoints), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(world), "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    world.url = f"http://127.0.0.1:{port}"
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
