"""Reading answers: what all services share of finding out whether an answer is one, and what is in it."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import httpx

from airflow_batch_provider.errors import ServiceError, UnexpectedAnswer, error_class, redact
from airflow_batch_provider.values import shown

T = TypeVar("T")

_SHOWN = 400
_LONGEST_MESSAGE = 2000
_LOG_LINES, _LOG_LINE = 20, 300
_FETCHED_LINES, _FETCHED_LINE = 200, 2000


class _NotJson:
    pass


NOT_JSON = _NotJson()
"""What `parsed` returns for a body that is not JSON."""


def parsed(response: httpx.Response) -> Any:
    """Return the JSON value of a body: ``None`` for an empty one, `NOT_JSON` for one that is not JSON."""
    if not response.content:
        return None
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return NOT_JSON


def good(response: httpx.Response, doing: str, kind: type[T]) -> T:
    """Return the JSON value of an answer that is not an error.

    Args:
        response: An answer with a status below 400.
        doing: What was asked, as a gerund: "invoking endpoint 'digits'".
        kind: What the value is to be, ``dict`` or ``list``.

    Returns:
        The body; an empty value for an empty body or ``null``.

    Raises:
        UnexpectedAnswer: A redirect, or a body that is not what it is to be.
    """
    if not response.is_success:
        raise UnexpectedAnswer(
            f"{opening(doing)}: the answer is a redirect (HTTP {response.status_code}) to "
            f"{_target(response)}, which is not followed because the token must not go elsewhere."
        )
    body = parsed(response)
    if body is None:
        return kind()
    if not isinstance(body, kind):
        wanted = "a JSON object" if kind is dict else "a JSON array"
        raise UnexpectedAnswer(
            f"{opening(doing)}: the answer (HTTP {response.status_code}, "
            f"{response.headers.get('content-type', 'no content type')}) is not {wanted}: "
            f"{excerpt(response)}",
            fix="Is a proxy, a login page or another server answering at this host?",
        )
    return body


def refusal(
    response: httpx.Response,
    doing: str,
    *,
    code: str,
    message: str,
    request_id: str,
    fix: str = "",
    kind: type[ServiceError] | None = None,
) -> ServiceError:
    """Return the error that an answer stands for.

    Args:
        response: The answer.
        doing: What was asked, as a gerund.
        code: The service's error code.
        message: What the service says.
        request_id: The service's id of the request.
        fix: What to do next.
        kind: Class of the error; default: by status.
    """
    return (kind or error_class(response.status_code))(
        f"{opening(doing)}: {redact(message)[:_LONGEST_MESSAGE] or 'no reason was given.'}",
        status=response.status_code,
        code=redact(code),
        request_id=request_id,
        fix=fix,
    )


def need(body: dict[str, Any], doing: str, *keys: str) -> Any:
    """Return the value below *keys*, one level each.

    Raises:
        UnexpectedAnswer: A key is missing or empty.
    """
    value: Any = body
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    if value in (None, ""):
        # Its keys only: what else such an answer holds may be a secret.
        raise UnexpectedAnswer(
            f"{opening(doing)}: the answer lacks {'.'.join(keys)}; it has {shown(list(body))}."
        )
    return value


def inner(value: Any, *keys: str) -> dict[str, Any]:
    """Return the mapping below *keys*, one level each; empty if there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def rows(body: dict[str, Any], key: str = "value") -> list[dict[str, Any]]:
    """Return the mappings in the list below *key*."""
    found = body.get(key)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def excerpt(response: httpx.Response) -> str:
    """Return the beginning of a body for a message, redacted."""
    # Not httpx's own `text`, which decodes with whatever codec the answer names.
    text = " ".join(redact(response.content.decode("utf-8", "replace")).split())
    return f"{text[:_SHOWN]}…" if len(text) > _SHOWN else text or "(empty)"


def last_lines(name: str, text: str) -> str:
    """Return the last lines of a log for a message, redacted; empty if it says nothing.

    Args:
        name: What log it is, for whoever wants to read more.
        text: Its end.
    """
    lines = [line for line in text.splitlines() if line.strip()][-_LOG_LINES:]
    shown = (f"  | {redact(line)[:_LOG_LINE]}" for line in lines)
    return "\n".join([f"The last lines of {name}:", *shown]) if lines else ""


def end_of_log(text: str, before: int = 0) -> tuple[tuple[str, ...], str]:
    """Return the end of a log for a task's log, redacted, and what is left out before it.

    Args:
        text: What was read of it.
        before: How many bytes come before that.

    Returns:
        At most 200 lines, each of at most 2000 characters, and a text such as ``3 lines and 512 bytes``,
        which is empty if nothing is left out.
    """
    said = [line.rstrip() for line in text.splitlines() if line.strip()]
    shown = said[-_FETCHED_LINES:]
    counts = ((len(said) - len(shown), "line"), (before, "byte"))
    left_out = " and ".join(
        f"{count} {what}{'s' if count > 1 else ''}" for count, what in counts if count > 0
    )
    return tuple(redact(line)[:_FETCHED_LINE] for line in shown), left_out


def opening(doing: str) -> str:
    """Begin a message about what failed."""
    return f"{doing[:1].upper()}{doing[1:]} failed"


def _target(response: httpx.Response) -> str:
    try:
        host = httpx.URL(response.headers.get("location", "")).raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError):
        return "what is not a URL"
    return host or "this host"
