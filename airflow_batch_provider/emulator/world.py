"""Everything that a request handler may touch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_batch_provider.emulator.blob import BlobStore
from airflow_batch_provider.emulator.database import Database
from airflow_batch_provider.emulator.faults import FaultStore
from airflow_batch_provider.emulator.jobs import JobStore
from airflow_batch_provider.emulator.journal import Journal
from airflow_batch_provider.emulator.lifecycle.operations import OperationStore
from airflow_batch_provider.emulator.modelarts.world import ModelArts
from airflow_batch_provider.emulator.obs.store import ObjectStore
from airflow_batch_provider.emulator.resources import ResourceStore
from airflow_batch_provider.emulator.runner import Runner
from airflow_batch_provider.emulator.settings import SettingsStore
from airflow_batch_provider.emulator.tokens import TokenStore

if TYPE_CHECKING:
    from starlette.requests import Request


@dataclass
class World:
    """The stores of one emulator and the runners of its jobs.

    Args:
        folder: The state folder.
        speed: How many times faster than the service jobs and operations go through their states.
    """

    folder: Path
    speed: float = 1.0

    def __post_init__(self) -> None:
        self.database = Database(self.folder)
        self.tokens = TokenStore(self.database)
        self.resources = ResourceStore(self.database)
        self.operations = OperationStore(self.database, self.resources, self.speed)
        self.jobs = JobStore(self.database)
        self.settings = SettingsStore(self.database)
        self.faults = FaultStore(self.database)
        self.journal = Journal(self.database)
        self.blobs = BlobStore(self.folder / "blobs")
        self.runner = Runner(self.jobs, self.resources, self.blobs, self.folder / "runs", self.speed)

        self.obs = ObjectStore(self.folder / "obs")
        self.modelarts = ModelArts(self.database, self.obs, self.folder / "modelarts", self.speed)

    def expire_credentials(self) -> None:
        """End every token and every temporary key now."""
        self.tokens.expire_all()
        self.modelarts.keys.expire_all()

    def close(self) -> None:
        """Let the state folder go."""
        self.database.close()


def world_of(request: Request) -> World:
    """Return the world that a request happens in."""
    world: World = request.app.state.world
    return world


def base_url(request: Request) -> str:
    """Return the URL under which the caller reaches the emulator, without a slash at the end."""
    return f"{request.url.scheme}://{request.url.netloc}"
