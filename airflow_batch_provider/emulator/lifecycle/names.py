"""What resources may be called.

Endpoints and deployments: the service's page on batch endpoints. Versioned assets: the patterns of the ARM
specification and of the SDK. Computes: the studio's form. Datastores: the SDK's YAML reference.
"""

from __future__ import annotations

import re

from airflow_batch_provider.emulator.errors import ServiceError

_ENDPOINT = (
    re.compile(r"[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?"),
    (3, 32),
    "letters, digits and hyphens, beginning with a letter and not ending with a hyphen",
)
_ASSET = (re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9_.]*"), (1, 255), "letters, digits, '-', '_' and '.'")
_RULES = {
    "batchEndpoints": _ENDPOINT,
    "deployments": _ENDPOINT,
    "computes": (
        re.compile(r"[a-zA-Z][-a-zA-Z0-9]*"),
        (3, 24),
        "letters, digits and hyphens, beginning with a letter",
    ),
    "datastores": (re.compile(r"[a-zA-Z0-9_]+"), (1, 255), "letters, digits and underscores"),
    "anonymous versions": _ASSET,
    "versions": (re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9_.]*"), (1, 30), "letters, digits, '-', '_' and '.'"),
}


def check(kind: str, name: str) -> None:
    """Refuse a name that the service does not allow.

    Args:
        kind: The last part of the resource's kind, such as ``deployments`` or ``models``; for versions of
            assets without a name of their own ``anonymous versions``.
        name: The name that a request wants to create.

    Raises:
        ServiceError: 400 with the rule.
    """
    pattern, (least, most), rule = _RULES.get(kind, _ASSET)
    if not least <= len(name) <= most or not pattern.fullmatch(name):
        raise ServiceError(
            400,
            f"The name {name!r} under {kind} is invalid: it must have {least} to {most} characters: {rule}.",
            inner=("BadArgument", "InvalidName"),
        )
