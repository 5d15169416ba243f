"""The emulated cloud: its account, its stores, and the runner of its executions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_batch_provider.emulator.modelarts.account import Account
from airflow_batch_provider.emulator.modelarts.bench import Bench
from airflow_batch_provider.emulator.modelarts.executions import Execution, ExecutionStore
from airflow_batch_provider.emulator.modelarts.keys import KeyStore
from airflow_batch_provider.emulator.modelarts.machine import Machine
from airflow_batch_provider.emulator.modelarts.runner import Runner
from airflow_batch_provider.emulator.modelarts.workflows import WorkflowStore

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_batch_provider.emulator.database import Database
    from airflow_batch_provider.emulator.obs.store import ObjectStore


class ModelArts:
    """Everything of ModelArts that a request handler may touch.

    Args:
        database: Where its state is kept.
        store: The objects of OBS.
        folder: Holds the private folders of the jobs.
        speed: How many times faster than the service an execution goes through its states.
    """

    def __init__(self, database: Database, store: ObjectStore, folder: Path, speed: float) -> None:
        self.keys = KeyStore(database)
        self.workflows = WorkflowStore(database)
        self.executions = ExecutionStore(database)
        self.bench = Bench(store, folder)
        self.machine = Machine(Account(), store, self.bench, speed)
        self.runner = Runner(self.executions, self.machine, self.bench)
        self.account = Account()

    @property
    def account(self) -> Account:
        """Who exists."""
        return self.machine.account

    @account.setter
    def account(self, account: Account) -> None:
        self.machine.account = account
        self.keys.permanent = account.keys

    def forget(self, execution: Execution) -> None:
        """Delete an execution, and end what runs of it."""
        for step in execution.steps:
            self.bench.free(step)
        self.executions.delete(execution.id)
