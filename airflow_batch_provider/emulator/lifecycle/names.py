"""What resources may be called.

Endpoints and deployments: the service's page on batch endpoints. Versioned assets: the patterns of the ARM
specification and of the SDK; versions of data: the service's refusal of a longer one; versions of models: the
YAML reference, and the model management service's integer of 64 bits. Computes: Azure's naming rules for an
AML compute, with the studio's form for the first letter. Datastores: the SDK's YAML reference.
"""

from __future__ import annotations

import re

from airflow_batch_provider.emulator.errors import ServiceError

_NAME = (
    re.compile(r"[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?"),
    (3, 32),
    "letters, digits and hyphens, beginning with a letter and not ending with a hyphen",
)
_ASSET = (re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9_.]*"), (1, 255), "letters, digits, '-', '_' and '.'")
_RULES = {
    "batchEndpoints": _NAME,
    "deployments": _NAME,
    "computes": _NAME,
    "datastores": (re.compile(r"[a-zA-Z0-9_]+"), (1, 255), "letters, digits and underscores"),
    "data/versions": (_ASSET[0], (1, 30), _ASSET[2]),
    "models/versions": (re.compile(r"[1-9][0-9]*"), (1, 19), "an integer from 1"),
}


def check(kind: str, name: str) -> None:
    """Refuse a name that the service does not allow.

    Args:
        kind: The last part of the resource's kind, such as ``deployments`` or ``models``; for versions
            ``models/versions`` and so on, and for those of assets without a name of their own
            ``anonymous versions``.
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
