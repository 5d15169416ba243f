"""What waiting tasks cost a triggerer: ours, beside the official Azure and Databricks providers'.

Each run is a process of its own, in which a small triggerer runs the real trigger classes in one event loop,
against a service in another process; only the look-up of connections is patched. The machine's speed and
load matter: compare figures of one run only.
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

_ROW = "{:<14}{:>7}{:>11}{:>9}{:>10}{:>10}{:>8}{:>9}{:>9}{:>8}{:>8}{:>9}"
_HEAD = (
    "",
    "jobs",
    "endpoints",
    "CPU s",
    "x empty",
    "requests",
    "tokens",
    "lookups",
    "RSS MB",
    "p50",
    "p99",
    "lag ms",
)


def measured(kind: str, number: int, endpoints: int, interval: float) -> dict[str, Any] | None:
    """Run one kind of trigger in a process of its own; ``None`` if it is not installed or breaks."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        # The budget protects a service that has limits; here, the number of requests is to be the same.
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parent),
            "AIRFLOW__AIRFLOW_BATCH_PROVIDER__POLLS_PER_SECOND": "0",
        }
        command = [sys.executable, "-m", "waits.triggerer", kind, str(number), str(endpoints)]
        done = subprocess.run(
            [*command, str(interval), str(result)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if result.exists():
            found: dict[str, Any] = json.loads(result.read_text())
            return found
        print(f"{kind}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None


def row(kind: str, number: int, endpoints: int, found: dict[str, Any], empty: float) -> str:
    """Return a line of the table."""
    late = [f"{found[key]:.2f}" if key in found else "" for key in ("p50", "p99")]
    return _ROW.format(
        kind,
        number,
        endpoints,
        f"{found['cpu']:.3f}",
        f"{found['cpu'] / empty:.1f}" if empty else "",
        f"{found['requests']:.0f}",
        found["tokens"],
        found["look-ups"],
        f"{found['memory']:.0f}",
        *late,
        f"{found['lag p99 ms']:.1f}",
    )


def main() -> None:
    """Print a table for each number of jobs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--interval", type=float, default=10.0)
    parser.add_argument("--kinds", nargs="+", default=["ours", "databricks", "data_factory", "plain httpx"])
    parser.add_argument("--most-for-peers", type=int, default=1000)
    options = parser.parse_args()
    print("Per 1,000 jobs and interval: CPU seconds, RSS. Per interval: requests. p50, p99: intervals.")
    print(_ROW.format(*_HEAD))
    for number in options.jobs:
        nothing = measured("empty", number, 1, options.interval)
        empty = nothing["cpu"] if nothing else 0.0
        if nothing:
            print(row("empty", number, 0, nothing, empty), flush=True)
        for kind in options.kinds:
            if kind != "ours" and number > options.most_for_peers:
                continue
            # A peer's requests are the same, whatever the endpoint.
            for endpoints in (1, number) if kind == "ours" else (number,):
                found = measured(kind, number, endpoints, options.interval)
                if found:
                    print(row(kind, number, endpoints, found, empty), flush=True)


if __name__ == "__main__":
    main()
