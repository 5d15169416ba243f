"""Real Airflows for end-to-end tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from airflow_batch_provider.demo.local_airflow import LocalAirflow


@pytest.fixture(scope="module")
def airflow_factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., LocalAirflow]]:
    """Start an Airflow for a folder of DAG files, with LocalAirflow's options; it ends with the test module.

    Its start takes half a minute, so a module makes one, in a fixture of its own with the same scope.
    """
    with ExitStack() as stack:

        def start(dags_folder, **options) -> LocalAirflow:
            home = tmp_path_factory.mktemp("airflow")
            return stack.enter_context(LocalAirflow(home, dags_folder, **options))

        yield start
