"""How requests to OBS are signed: with access keys, permanent or temporary."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, ClassVar

from airflow_batch_provider.services.modelarts.keys import Keys
from airflow_batch_provider.storage.access import TokenAccess, Tokens

_RESOURCE = "OBS"


@dataclass(frozen=True)
class KeyAccess(TokenAccess):
    """Access keys.

    Args:
        tokens: Where they come from: their values are those of `services.modelarts.keys.Keys`.
    """

    tokens: Tokens = field(repr=False)
    resource: ClassVar[str] = _RESOURCE
    is_anonymous: ClassVar[bool] = False
    is_for_one_file: ClassVar[bool] = False

    @property
    def fix(self) -> str:
        """What to do when the storage refuses."""
        return (
            "Check the connection's credentials, that they may list and read the bucket, and that region or "
            "obs_endpoint is the bucket's."
        )

    def credential(self) -> dict[str, Any]:
        """Return what obstore asks for before each request."""
        keys = Keys.from_text(self.tokens.get(_RESOURCE).value)
        return {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret_key,
            "token": keys.security_token or None,
            # Declared as expired, so that obstore keeps no copy: refused keys are replaced at once.
            "expires_at": datetime.now(timezone.utc),
        }
