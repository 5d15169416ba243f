"""Identifiers: workspaces, runs and the names that the service invents."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass

PROVIDER = "Microsoft.MachineLearningServices"
STORAGE_ACCOUNT = "emulatorstore"
DEFAULT_DATASTORE = "workspaceblobstore"
ARTIFACT_DATASTORE = "workspaceartifactstore"

_NAMESPACE = uuid.UUID("6f4b7c1e-55a4-4c0e-9d42-2f1f5b6ad0f3")
_ADJECTIVES = (
    "amiable",
    "brave",
    "calm",
    "careful",
    "clever",
    "gentle",
    "honest",
    "jolly",
    "loyal",
    "polite",
)
_NOUNS = ("angle", "apple", "bean", "bulb", "carrot", "cloud", "date", "garden", "guitar", "lemon", "parrot")


@dataclass(frozen=True)
class Workspace:
    """An Azure ML workspace, by the three names that address it."""

    subscription: str
    group: str
    name: str

    @property
    def id(self) -> str:
        """The ARM id, in the case in which the workspace was addressed."""
        return f"{self.group_id}/providers/{PROVIDER}/workspaces/{self.name}"

    @property
    def group_id(self) -> str:
        """The ARM id of the resource group."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"

    @property
    def key(self) -> str:
        """The id as a lookup key: ARM compares names without case."""
        return self.id.lower()

    @property
    def guid(self) -> str:
        """The workspace's own GUID, the same at every start."""
        return str(uuid.uuid5(_NAMESPACE, self.key))

    @property
    def container(self) -> str:
        """The container of the default datastore."""
        return f"azureml-blobstore-{self.guid}"


def new_guid() -> str:
    """Return a fresh GUID, as the service uses for runs, requests and operations."""
    return str(uuid.uuid4())


def display_name() -> str:
    """Return a random display name such as ``careful_bulb_plwyqfx0`` (form: recorded invoke answers)."""
    letters = "bcdfghjklmnpqrstvwxyz0123456789"
    tail = "".join(random.choices(letters, k=8))  # noqa: S311 - a label, not a secret
    return f"{random.choice(_ADJECTIVES)}_{random.choice(_NOUNS)}_{tail}"  # noqa: S311 - a label, not a secret
