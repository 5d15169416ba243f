"""A service of which a fifth of all requests goes wrong."""

from __future__ import annotations

import json
import os
import random

import httpx
import pytest

from airflow_batch_provider.emulator.server import Emulator

from .services import AZURE_ML, MODELARTS

SUBMISSIONS = int(os.environ.get("CHAOS_SUBMISSIONS", "150"))
WANTED_SEED = os.environ.get("CHAOS_SEED", "1")
SEED = random.SystemRandom().randrange(1_000_000) if WANTED_SEED == "random" else int(WANTED_SEED)
# The share of each among all requests: together a fifth.
FAULTS = [
    {"action": "status", "status": 429, "headers": {"Retry-After": "1"}},
    {"action": "status", "status": 429},
    {"action": "status", "status": 500},
    {"action": "status", "status": 503, "effect": True},
    {"action": "drop_before"},
    {"action": "drop_after"},
    {"action": "truncate"},
    {"action": "not_json"},
    {"action": "expire_tokens"},
    {"action": "latency", "seconds": 1.0},
]


@pytest.fixture(params=[AZURE_ML, MODELARTS], ids=lambda service: service.name)
def service(request):
    return request.param


@pytest.fixture
def list_lag():
    """Seconds for which a job that was accepted is not listed."""
    return 3.0


@pytest.fixture
def emulator(tmp_path, monkeypatch, service, list_lag):
    (tmp_path / "setup.yml").write_text(service.setup)
    with Emulator(tmp_path / "state", setup=tmp_path / "setup.yml", speed=5) as emulator:
        variable = f"AIRFLOW_CONN_{service.name.upper()}_DEFAULT"
        monkeypatch.setenv(variable, json.dumps(service.connection(emulator)))
        with httpx.Client(base_url=f"{emulator.url}/_emulator", trust_env=False) as control:
            settings = {"list_lag": list_lag, **service.settings}
            control.post("settings", json=settings).raise_for_status()
            faults = [
                {**fault, "probability": 0.022, "seed": SEED + number} for number, fault in enumerate(FAULTS)
            ]
            control.post("faults", json=faults).raise_for_status()
            yield control
