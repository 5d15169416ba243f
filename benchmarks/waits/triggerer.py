"""A small triggerer: one event loop that runs real triggers, and what that costs. A process for each run."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from waits.kinds import KINDS, LOOK_UPS, OLD

_TICK = 0.01
_QUIET_INTERVALS = 4
_YOUNG_SECONDS = 30.0
_SERVER = Path(__file__).with_name("server.py")


def cpu() -> float:
    """Return the seconds of computing that this process has cost."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def memory() -> float:
    """Return the megabytes that this process holds."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


class Lag:
    """Measures how late the event loop is."""

    def __init__(self) -> None:
        self.late: list[float] = []

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _TICK
            await asyncio.sleep(_TICK)
            self.late.append(loop.time() - due)


def share(values: list[float], part: float) -> float:
    """Return the value below which a part of the values lies."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))] if values else 0.0


async def measure(kind: str, number: int, endpoints: int, interval: float, url: str) -> dict[str, Any]:
    """Run triggers, and measure some intervals in which nothing happens, then two in which all jobs end."""
    make = KINDS[kind](url, endpoints, interval, OLD)
    make(0)  # imports
    ended: dict[int, float] = {}

    async def one(index: int) -> None:
        await asyncio.sleep(random.random() * interval)  # noqa: S311  # not all in the same instant
        async for _ in make(index).run():
            ended[index] = time.monotonic()
            return

    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as control:
        gc.freeze()
        held, told = memory(), dict[str, Any]()
        lag = Lag()
        watch = asyncio.create_task(lag.run())
        tasks = [asyncio.create_task(one(index)) for index in range(number)]
        await asyncio.sleep(2.2 * interval)
        watch.cancel()
        told["start p99 ms"] = share(lag.late, 0.99) * 1000
        counts = (await control.get("/control/counts")).json()
        told["tokens"], told["look-ups"] = counts.get("tokens", 0), LOOK_UPS["look-ups"]
        told["memory"] = (memory() - held) / number * 1000
        spent, began = cpu(), time.monotonic()
        await control.get("/control/counts")
        await asyncio.sleep(_QUIET_INTERVALS * interval)
        intervals = (time.monotonic() - began) / interval
        told["cpu"] = (cpu() - spent) / number * 1000 / intervals
        counts = (await control.get("/control/counts")).json()
        told["requests"] = counts.get("requests", 0) / intervals
        lag = Lag()  # Measured apart, for it costs more than an empty trigger.
        watch = asyncio.create_task(lag.run())
        await asyncio.sleep(interval)
        watch.cancel()
        told["lag p99 ms"] = share(lag.late, 0.99) * 1000
        if kind != "empty":
            now = time.monotonic()
            ends = {index: now + random.random() * 2 * interval for index in range(number)}  # noqa: S311
            await control.post("/control/end", json=ends)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.gather(*tasks), 6 * interval)
            late = [(ended[index] - at) / interval for index, at in ends.items() if index in ended]
            told["detected"] = len(late)
            told["p50"], told["p99"] = share(late, 0.5), share(late, 0.99)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return told


async def measure_young(kind: str, number: int, endpoints: int, interval: float, url: str) -> dict[str, Any]:
    """Measure how soon the end of jobs is noticed that end within half a minute after they began."""
    KINDS[kind](url, endpoints, interval, 0.0)(0)  # imports
    make = KINDS[kind](url, endpoints, interval, 0.0)
    ended: dict[int, float] = {}

    async def one(index: int) -> None:
        async for _ in make(index).run():
            ended[index] = time.monotonic()
            return

    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as control:
        now = time.monotonic()
        ends = {index: now + 1 + random.random() * (_YOUNG_SECONDS - 1) for index in range(number)}  # noqa: S311
        await control.post("/control/end", json=ends)
        async with asyncio.timeout(2 * _YOUNG_SECONDS):
            await asyncio.gather(*(one(index) for index in range(number)))
    late = [ended[index] - at for index, at in ends.items()]
    return {"young": share(late, 0.99)}


def run(kind: str, number: int, endpoints: int, interval: float, *, young: bool) -> dict[str, Any]:
    """Measure in this process, against a service in another."""
    measuring = measure_young if young else measure
    command = [sys.executable, str(_SERVER), str(number), str(endpoints)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        port = (server.stdout or sys.stdin).readline().strip()
        try:
            return asyncio.run(measuring(kind, number, endpoints, interval, f"http://127.0.0.1:{port}"))
        finally:
            server.communicate()


def main() -> None:
    """Measure what the arguments say, and write it as JSON to the file that they name."""
    kind, number, endpoints, interval, result, *young = sys.argv[1:]
    logging.basicConfig(level=logging.INFO, stream=Path(os.devnull).open("w"))  # noqa: SIM115  # to the end
    told = run(kind, int(number), int(endpoints), float(interval), young=bool(young))
    Path(result).write_text(json.dumps(told))


if __name__ == "__main__":
    main()
