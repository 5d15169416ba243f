"""What waiting tasks cost a triggerer: ours, beside the official Azure and Databricks providers'.

Each run is a process of its own, in which a small triggerer runs the real trigger classes in one event loop,
against a service in another process. The look-up of connections is patched, and two settings of ours: no
budget (`polls_per_second` is 0), so that all ask as often as they are told to, and no wait in the first
seconds, in which Airflow must not hear of an end yet. The machine's speed and load matter: compare figures of
one run only.

A row says: the jobs that wait; on how many endpoints; requests per interval; CPU seconds per 1,000 jobs and
interval, and how many times those of triggers that only sleep; megabytes per 1,000 jobs; tokens and look-ups
of connections in all; how late the end of a job is noticed, in intervals, and in seconds (p99) if it ends
within its first half minute, measured with 100 jobs; by how many milliseconds the event loop is late (p99),
and while all begin within two intervals.

Where there are many endpoints, "ours" is asking with the workspace's list, and "ours by GET" for each job by
itself, as where that list is of no use.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_WIDTHS = (5, 9, 8, 6, 7, 5, 6, 8, 5, 5, 7, 6, 8)
_ROW = " | ".join(["| {:<12}", *(f"{{:>{width}}}" for width in _WIDTHS)]) + " |"
_HEAD = (
    "",
    "jobs",
    "endpoints",
    "requests",
    "CPU s",
    "x empty",
    "MB",
    "tokens",
    "look-ups",
    "p50",
    "p99",
    "young s",
    "lag ms",
    "start ms",
)
KINDS = ("ours", "ours by GET", "databricks", "data_factory", "plain httpx")
_YOUNG_JOBS = 100
_MOST_OF_A_CORE = 0.8
_MOST_OF_THE_MEMORY = 0.5


def measured(kind: str, number: int, endpoints: int, interval: float, *more: str) -> dict[str, Any]:
    """Run one kind of trigger in a process of its own; what went wrong is told as ``error``."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        # The budget protects a service that has limits; here, the number of requests is to be the same.
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (HERE, HERE.parent))),
            "AIRFLOW__AIRFLOW_BATCH_PROVIDER__POLLS_PER_SECOND": "0",
        }
        command = [sys.executable, "-m", "waits.triggerer", kind, str(number), str(endpoints)]
        done = subprocess.run(
            [*command, str(interval), str(result), *more],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if result.exists():
            found: dict[str, Any] = json.loads(result.read_text())
            return found
        return {"error": (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]}


def row(kind: str, number: int, endpoints: int, found: dict[str, Any], empty: float) -> str:
    """Return a line of the table."""
    if "error" in found:
        return f"| {kind:<12} | {number:>5} | {endpoints:>9} | {found['error']} |"
    late = [f"{found[key]:.2f}" if key in found else "" for key in ("p50", "p99", "young")]
    undetected = number - found.get("detected", number)
    return _ROW.format(
        kind,
        number,
        endpoints,
        f"{found['requests']:.0f}",
        f"{found['cpu']:.3f}",
        f"{found['cpu'] / empty:.1f}" if empty else "",
        f"{found['memory']:.0f}",
        found["tokens"],
        found["look-ups"],
        *late,
        f"{found['lag p99 ms']:.1f}",
        f"{found['start p99 ms']:.1f}",
    ) + (f" {undetected} not noticed" if undetected else "")


def too_much(before: dict[str, Any] | None, number: int, interval: float) -> str:
    """Return why a peer cannot run with so many jobs, by what it cost with fewer, or an empty text."""
    if before is None or "error" in before:
        return ""
    share = before["cpu"] * number / 1000 / interval
    if share > _MOST_OF_A_CORE:
        return f"left out: it would need {share:.0%} of a core at this interval"
    megabytes = before["memory"] * number / 1000
    if megabytes > _MOST_OF_THE_MEMORY * available():
        return f"left out: it would need {megabytes / 1000:.1f} GB"
    return ""


def available() -> float:
    """Return the megabytes of memory that are free."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(float(line.split()[1]) / 1000 for line in lines if line.startswith("MemAvailable"))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--interval", type=float, default=5.0)
    parser.add_argument("--kinds", nargs="+", default=KINDS)
    options = parser.parse_args()
    interval: float = options.interval
    print((__doc__ or "").split("\n\n", 1)[1])
    print(_ROW.format(*_HEAD))
    print("|" + 14 * "---|", flush=True)
    before: dict[str, dict[str, Any]] = {}
    for number in options.jobs:
        nothing = measured("empty", number, 1, interval)
        print(row("empty", number, 0, nothing, nothing["cpu"]), flush=True)
        for kind in options.kinds:
            # A peer's requests are the same, whatever the endpoint.
            for endpoints in (1, number) if kind == "ours" else (number,):
                reason = "" if kind.startswith("ours") else too_much(before.get(kind), number, interval)
                found = {"error": reason} if reason else measured(kind, number, endpoints, interval)
                if number == _YOUNG_JOBS and "error" not in found:
                    found |= measured(kind, number, endpoints, interval, "young")
                print(row(kind, number, endpoints, found, nothing["cpu"]), flush=True)
                before[kind] = found


if __name__ == "__main__":
    main()
