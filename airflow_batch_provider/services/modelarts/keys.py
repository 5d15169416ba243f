"""Access keys as one text, so that they are kept and renewed like tokens."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass, field


@dataclass(frozen=True)
class Keys:
    """An access key pair.

    Args:
        access_key: Names the pair.
        secret_key: A secret.
        security_token: A secret, of temporary keys; empty for permanent ones.
    """

    access_key: str
    secret_key: str = field(repr=False)
    security_token: str = field(default="", repr=False)

    def to_text(self) -> str:
        """Return all three, a secret."""
        return json.dumps(astuple(self))

    @classmethod
    def from_text(cls, text: str) -> Keys:
        """Read what `to_text` wrote."""
        return cls(*json.loads(text))
