"""Who exists in the emulated cloud: one account with one project, its user and its keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Account:
    """What a connection to the emulator needs to know, and what else the set-up file says of the account.

    Attributes:
        region: The region's id, which is also the project's name.
        project_id: The project.
        domain: The account's name.
        user: The IAM user's name.
        password: Its password.
        keys: Secret keys by access key; the first is the connection's.
        algorithms: Registered algorithms by id, each with the fields of a job step's ``algorithm``.
        public_buckets: Buckets that anyone may read.
    """

    region: str = "cn-north-4"
    project_id: str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
    domain: str = "emulator"
    user: str = "emulator"
    password: str = "emulator"  # noqa: S105 - opens nothing but the emulator
    keys: dict[str, str] = field(default_factory=lambda: {"EMULATORACCESSKEY000": "emulator-secret-key"})
    algorithms: dict[str, dict[str, Any]] = field(default_factory=dict)
    public_buckets: tuple[str, ...] = ()

    @property
    def user_id(self) -> str:
        """The user's id: any stable text of 32 hexadecimal digits will do."""
        return self.project_id[::-1]
