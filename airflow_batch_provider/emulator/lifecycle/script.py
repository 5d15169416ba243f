"""Failures on demand: a tag, or a property of the resource, called ``emulate``, says how an operation ends.

``failed`` lets the operations that create or change the resource fail, ``failed@create``, ``failed@update``
and ``failed@delete`` only those; ``quota`` and ``quota@create`` do so for want of quota. A text after a
colon is the error's, as in ``failed@delete: The node is stuck.`` The operation is accepted all the
same: what the service refuses at once is the business of the faults.
"""

from __future__ import annotations

import re
from typing import Any

from airflow_batch_provider.emulator.errors import bad_request
from airflow_batch_provider.emulator.lifecycle.operations import Verb

_SCRIPT = re.compile(
    r"(?P<what>failed|quota)(?:@(?P<verb>create|update|delete))?(?::\s*(?P<text>.+))?", re.DOTALL
)
_ERRORS = {
    "failed": ("InternalServerError", "The emulator was told to let this operation fail."),
    "quota": (
        "QuotaExceeded",
        "The specified subscription has a total vCPU quota of 0, which is less than one node needs.",
    ),
}


def failure(body: dict[str, Any], verb: Verb) -> dict[str, str] | None:
    """Return the error that an operation on a resource ends with, or None.

    Args:
        body: The resource.
        verb: What was asked of it.

    Raises:
        ServiceError: 400, ``emulate`` has another form.
    """
    properties = body["properties"].get("properties") or {}
    text = (body.get("tags") or {}).get("emulate") or properties.get("emulate")
    if not text:
        return None
    match = _SCRIPT.fullmatch(str(text))
    if match is None:
        raise bad_request(
            f"The tag or property emulate is {text!r}, but must be failed or quota, followed by @create,"
            " @update or @delete and by a colon and a text if wanted."
        )
    verbs = {match["verb"]} if match["verb"] else {"create", "update"}
    code, message = _ERRORS[match["what"]]
    return {"code": code, "message": match["text"] or message} if verb in verbs else None
