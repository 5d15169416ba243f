"""What importing our operators costs at DAG-parse time, beside the official Azure provider's.

Each figure is the median over fresh interpreters, on top of a base that every DAG file pays anyway: the names
of ``airflow.sdk`` and ``airflow.triggers.base``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

BASE = """
from airflow.sdk import (
    DAG, BaseHook, BaseOperator, BaseOperatorLink, BaseSensorOperator, Context, Param, conf, task
)
import airflow.triggers.base
"""
MODULES = {
    "ours: operators.azure_ml": "airflow_batch_provider.operators.azure_ml",
    "ours: sensors.outputs": "airflow_batch_provider.sensors.outputs",
    "official Azure: operators.data_factory": "airflow.providers.microsoft.azure.operators.data_factory",
}
TIMED = """
import time
{base}
began = time.perf_counter()
import {module}
print((time.perf_counter() - began) * 1000)
"""


def cost(module: str, runs: int) -> float | None:
    """Return the median milliseconds of importing a module, or ``None`` if it is not installed.

    Bytecode is cached, as it is in production; the first run writes it and is not counted.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    took = []
    for _ in range(runs + 1):
        code = TIMED.format(base=BASE, module=module)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
        )
        if done.returncode:
            return None
        took.append(float(done.stdout))
    return statistics.median(took[1:])


def main() -> None:
    """Print a row for each module, and the ratio to ours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    costs = {name: cost(module, runs) for name, module in MODULES.items()}
    ours = costs["ours: operators.azure_ml"]
    for name, took in costs.items():
        if took is None:
            print(f"{name:<40} not installed (pip install apache-airflow-providers-microsoft-azure)")
        else:
            ratio = f"{took / ours:8.1f} x ours" if ours else ""
            print(f"{name:<40} {took:8.1f} ms {ratio}")


if __name__ == "__main__":
    main()
