"""Everything that can go wrong, grouped by what the reader can do about it.

::

    BatchError
    ├── InvalidInput              change the DAG or the connection; nothing was sent (also a ValueError)
    ├── ConnectionFailed          nothing answered: name resolution, TLS, a closed connection
    │   └── AnswerLost            the request may have been carried out, but its answer never arrived
    ├── UnexpectedAnswer          something answered that is not this service (HTML, cut JSON, a key missing)
    ├── ServiceError              the service refused: status, code and request id are attributes
    │   ├── BadRequest            400 and other 4xx: change the request
    │   ├── AuthenticationFailed  401, or no token could be had: check the credential
    │   ├── PermissionDenied      403: ask for a role
    │   ├── NotFound              404
    │   ├── Conflict              409: it exists or is being changed
    │   ├── Throttled             429: later
    │   └── ServiceUnavailable    408 and 5xx: later
    ├── SubmissionUnknown         it cannot be known whether a job was started
    ├── OperationError            the service accepted to create, change or delete something
    │   ├── OperationFailed       it failed or was cancelled there
    │   ├── OperationTimedOut     it goes on there; a retry takes it up again
    │   └── OperationUnreachable  likewise
    └── JobError                  the job was accepted; it is always named
        ├── JobFailed
        ├── JobCanceled
        ├── JobTimedOut
        ├── JobBlocked            it goes on only when a person acts on the service; left as it is
        └── JobUnreachable        left running; a retry takes it up again

``str()`` of an error says what failed, what the service said, for which job (with its link) and what to do
next. No message ever holds a token, a key or a signed URL's signature: see `redact`.
"""

from __future__ import annotations

import re
from typing import Any

# Where a parameter may begin: "&" and "?" come escaped when a URL is quoted in JSON or in another URL.
_BORDER = r"(?:(?<![a-z0-9])|(?<=\\u0026)|(?<=%26)|(?<=%3f))"
_SECRET = (
    rf"(?:{_BORDER}sig(?:nature)?|(?<=[?&;])code|passw(?:or)?d|client[_-]?(?:secret|assertion)"
    r"|(?:access|refresh|security|auth|subject|sas)[_-]?token|(?:account|shared[_-]?access)[_-]?key)"
)
_RULES = (
    (rf"(?i)({_SECRET}(?:=|%3d))[^&\s\"']+", r"\1***"),
    (rf"(?i)({_SECRET}\\?[\"']\s*:\s*\\?[\"'])[^\"']+", r"\1***"),
    (r"(?i)\b(bearer|sharedkey [^:\s]+:)\s*[\w.~+/=%-]{8,}", r"\1 ***"),
    (r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?", "***"),  # a JSON web token
    (r"(://[^/\s:@?#]*:)[^/\s@?#]+@", r"\1***@"),
)


def redact(text: str) -> str:
    """Replace signatures, tokens and secrets in a text that is about to be shown.

    Args:
        text: Any text, such as a URL with a SAS, an answer's body or a header.

    Returns:
        The same text with the value of each secret replaced by ``***``.
    """
    for pattern, shown in _RULES:
        text = re.sub(pattern, shown, text)  # compiled and cached at first use, not when a DAG is parsed
    return text


class BatchError(Exception):
    """Base of every error that this package raises on purpose.

    Args:
        message: What failed, and for bad input the field, the value and the fix.
        fix: What to do next, one sentence; appended to the text.
    """

    def __init__(self, message: str, *, fix: str = "") -> None:
        self.message = redact(message)
        super().__init__(self.message)  # repr() shows the arguments
        self.fix = fix
        self.job_id = ""
        self.job_url = ""

    def about(self, job_id: str, job_url: str = "") -> BatchError:
        """Name the job that this error concerns, unless one is named already; return the error itself."""
        if not self.job_id:
            self.job_id, self.job_url = job_id, job_url
        return self

    def summary(self) -> str:
        """Return what failed and what the service said: the text without the job and the next step."""
        return redact(f"{self.message}{self._told()}")

    def __str__(self) -> str:
        link = f" ({self.job_url})" if self.job_url else ""
        job = f"Job: {self.job_id}{link}." if self.job_id else ""
        said = self.summary()
        # Below a log of many lines, what to do next would not be seen at the end of the last one.
        joint = "\n" if "\n" in said else " " if said.endswith((".", "]", "!", "?")) else ". "
        rest = " ".join(part for part in (job, self.fix) if part)
        return redact(f"{said}{joint}{rest}" if rest else said)

    def _told(self) -> str:
        return ""

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions cross process borders in Airflow; the default would call __init__ without keywords.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[BatchError], args: tuple[Any, ...], state: dict[str, Any]) -> BatchError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class InvalidInput(BatchError, ValueError):
    """The DAG or the connection says something that cannot work; nothing was sent."""


class ConnectionFailed(BatchError):
    """Nothing answered, and nothing was carried out."""


class AnswerLost(ConnectionFailed):
    """The connection broke after the request was sent: it may have been carried out."""


class UnexpectedAnswer(BatchError):
    """An answer came that cannot be from this service, or that lacks what it must hold."""


class ServiceError(BatchError):
    """The service answered with an error.

    Args:
        message: What was being done, and what the service said.
        status: HTTP status, 0 when unknown.
        code: The service's own error code, the innermost one.
        request_id: The service's id of the request, for its support.
        fix: What to do next.
    """

    def __init__(
        self, message: str, *, status: int = 0, code: str = "", request_id: str = "", fix: str = ""
    ) -> None:
        super().__init__(message, fix=fix)
        self.status = status
        self.code = code
        self.request_id = request_id

    def _told(self) -> str:
        facts = [f"HTTP {self.status}" if self.status else "", self.code]
        facts.append(f"request id {self.request_id}" if self.request_id else "")
        told = ", ".join(fact for fact in facts if fact)
        return f" [{told}]" if told else ""


class BadRequest(ServiceError):
    """The service does not accept the request as it is."""


class AuthenticationFailed(ServiceError):
    """The service, or the token issuer, does not accept the credential."""


class PermissionDenied(ServiceError):
    """The identity is known but lacks a role."""


class NotFound(ServiceError):
    """What was asked for does not exist, or is not visible to this identity."""


class Conflict(ServiceError):
    """It exists already, or is being changed by somebody else."""


class Throttled(ServiceError):
    """Too many requests."""


class ServiceUnavailable(ServiceError):
    """The service has a problem of its own, which usually passes."""


class SubmissionUnknown(BatchError):
    """It cannot be known whether a job was started.

    Args:
        message: What happened.
        marker: The marker that the job carries if it exists.
        fix: How to look for it.
    """

    def __init__(self, message: str, *, marker: str = "", fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.marker = marker

    def _told(self) -> str:
        return f" [marker {self.marker}]" if self.marker else ""


class OperationError(BatchError):
    """What the service accepted to do to a resource did not end well, or can no longer be followed."""


class OperationFailed(OperationError):
    """It failed, or was cancelled, on the service."""


class OperationTimedOut(OperationError):
    """It did not end within the task's timeout."""


class OperationUnreachable(OperationError):
    """The service could not be asked for too long."""


class JobError(BatchError):
    """A job that the service accepted did not end well, or can no longer be followed."""


class JobFailed(JobError):
    """The job failed on the service."""


class JobCanceled(JobError):
    """The job was cancelled, by us or by somebody else."""


class JobTimedOut(JobError):
    """The job did not end within the task's timeout."""


class JobBlocked(JobError):
    """The job goes on only when a person acts on the service; it was left as it is."""


class JobUnreachable(JobError):
    """The service could not be asked for too long; the job was left running."""


_BY_STATUS: dict[int, type[ServiceError]] = {
    401: AuthenticationFailed,
    403: PermissionDenied,
    404: NotFound,
    408: ServiceUnavailable,
    409: Conflict,
    429: Throttled,
}

PASSING = (ConnectionFailed, UnexpectedAnswer, Throttled, ServiceUnavailable)
"""Errors that usually pass by themselves: while waiting they are an outage, not an end."""


def error_class(status: int) -> type[ServiceError]:
    """Return the error class of an HTTP status of 400 or above."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return ServiceUnavailable if status >= 500 else BadRequest  # noqa: PLR2004  # where server errors begin
