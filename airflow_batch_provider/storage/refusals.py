"""What obstore says when a storage service does not answer as hoped, in our own error tree.

obstore puts the HTTP status and the service's XML into the text of a general error, so the text is read here.
The codes are those of the Blob service's REST reference and of S3's, which OBS shares.
"""

from __future__ import annotations

import re

from airflow_batch_provider.errors import (
    AuthenticationFailed,
    BatchError,
    ConnectionFailed,
    InvalidInput,
    NotFound,
    PermissionDenied,
    ServiceError,
    UnexpectedAnswer,
    error_class,
)

_STATUS = re.compile(r"status code: (\d{3})")
# Neither storage redirects, unless it is the wrong one.
_REDIRECT = re.compile(r"redirect without LOCATION", re.IGNORECASE)
_ERRORS = 400
_CODE = re.compile(r"<Code>([^<]+)</Code>")
_MESSAGE = re.compile(r"<Message>([^<\n]+)")
_REQUEST_ID = re.compile(r"RequestId(?::|>)([0-9A-Za-z-]+)")
# What went wrong below HTTP is only in the dump of the Rust error: texts, and the names of TLS problems.
_CAUSE = re.compile(
    r'(?:message|error): "([^"]+)"|"(dns error|tcp connect error)"'
    r"|\b(Invalid[A-Z]\w+|UnknownIssuer|NotValidForName|Expired|TimedOut)\b"
)

# Refusals whose HTTP status does not say what they mean.
_BY_CODE: dict[str, type[ServiceError]] = {
    "AuthenticationFailed": AuthenticationFailed,  # 403: a signature that is wrong or has expired
    "PublicAccessNotPermitted": PermissionDenied,  # 409: the account allows no anonymous reading
    **dict.fromkeys(
        # 403, and 400 for what has expired
        (
            *("InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed"),
            *("InvalidSecurityToken", "InvalidToken", "ExpiredToken"),
        ),
        AuthenticationFailed,
    ),
}

_REGION = "A bucket is reached in its own region only: check region, or obs_endpoint."


def explained(error: Exception, place: str, fix: str, failed: str = "could not be listed") -> BatchError:
    """Return the error of ours that says what an exception of obstore means.

    Args:
        error: The exception.
        place: What was listed: "container 'c' of storage account 'a'".
        fix: What to do if the credential is not accepted or lacks a role.
        failed: What is to be said of the place.
    """
    text = str(error)
    status = _STATUS.search(text)
    if status:
        return _refused(int(status[1]), text, place, fix, failed)
    if isinstance(error, FileNotFoundError):
        return NotFound(f"Nothing is there: {place}.")
    return _without_status(text, place)


def _without_status(text: str, place: str) -> BatchError:
    if _REDIRECT.search(text):
        return _elsewhere(place)
    if "invalid path" in text:
        name = re.search(r'path: "([^"]*)"', text)
        return InvalidInput(
            f"A file in {place} is named {name[1] if name else '?'!r}, which cannot be listed.",
            fix="Rename it (a part of its name is empty, '.' or '..'), or watch a folder without it.",
        )
    if "Invalid Access Key" in text:
        return InvalidInput(f"The account key for {place} is not base64.", fix="Copy it again.")
    if "invalid list response" in text or "missing from response" in text:
        return UnexpectedAnswer(f"What answered for {place} is no storage service: {_first_line(text)}")
    return ConnectionFailed(f"No answer from {place}: {_cause(text)}.")


def _elsewhere(place: str) -> InvalidInput:
    return InvalidInput(
        f"The {place} is not there: the storage points elsewhere.",
        fix=_REGION,
    )


def _refused(status: int, text: str, place: str, fix: str, failed: str) -> BatchError:
    if status < _ERRORS:
        return _elsewhere(place)
    code, message, request_id = _CODE.search(text), _MESSAGE.search(text), _REQUEST_ID.search(text)
    elsewhere = code is not None and code[1] == "AuthorizationHeaderMalformed"
    kind = _BY_CODE.get(code[1] if code else "", error_class(status))
    said = f": {message[1].strip().rstrip('.')}" if message else ""
    doing = "does not exist" if kind is NotFound else failed
    return kind(
        f"The {place} {doing}{said}.",
        status=status,
        code=code[1] if code else "",
        request_id=request_id[1] if request_id else "",
        fix=_REGION if elsewhere else fix if kind in (AuthenticationFailed, PermissionDenied) else "",
    )


def _cause(text: str) -> str:
    first, _, dump = text.partition("Debug source:")
    found = [next(filter(None, groups)) for groups in _CAUSE.findall(dump)]
    return ", ".join(dict.fromkeys(found)) or _first_line(first)


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0][:300]
