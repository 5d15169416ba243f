"""OBS's errors: the store's, told with S3's codes in S3's XML."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

from starlette.responses import Response

from airflow_batch_provider.emulator.blob_errors import BlobError
from airflow_batch_provider.emulator.ids import new_guid

_NOT_MODIFIED = 304
_S3 = {
    "BlobNotFound": (404, "NoSuchKey", "The specified key does not exist."),
    "ContainerNotFound": (404, "NoSuchBucket", "The specified bucket does not exist."),
    "BlobAlreadyExists": (412, "PreconditionFailed", "The object exists already."),
    "ConditionNotMet": (
        412,
        "PreconditionFailed",
        "At least one of the preconditions you specified did not hold.",
    ),
    "InvalidResourceName": (400, "InvalidArgument", None),
    "InvalidBlockList": (400, "InvalidPart", "One or more of the specified parts could not be found."),
    "InvalidRange": (416, "InvalidRange", "The requested range cannot be satisfied."),
    "MissingContentLengthHeader": (411, "MissingContentLength", None),
}
# What the store says in its own words, apart from the names that it quotes.
_WORDS = {"A blob": "An object", "blob service": "OBS", "blob": "object", "container": "bucket"}
_WORD = re.compile(rf"""'[^']*'|"[^"]*"|{"|".join(_WORDS)}""")


def denied(code: str, message: str) -> BlobError:
    """Return the refusal of credentials."""
    return BlobError(403, code, message)


def render(error: BlobError, resource: str) -> Response:
    """Tell an error.

    Args:
        error: What happened.
        resource: The path that it happened to.
    """
    status, code, message = _S3.get(error.code, (error.status, error.code, None))
    message = message or _WORD.sub(lambda found: _WORDS.get(found[0], found[0]), error.message)
    if error.status == _NOT_MODIFIED:
        return Response(status_code=error.status, headers=error.headers)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        f"<Resource>{escape(resource)}</Resource><RequestId>{new_guid()}</RequestId></Error>"
    )
    return Response(text, status, error.headers, "application/xml")
