"""Reading answers of ModelArts, of IAM, and of the gateway in front of them.

Error shapes: ``{"error_code", "error_msg"}``, the same in camel case, ``{"code", "message"}``, and any of
them one level down, as IAM's ``{"error": {"code", "message", "title"}}``; gateways add ``request_id``. What
does not exist is refused with 400 and a code of its own. An action may be answered with 2xx and an error all
the same. Sources: the exception handler of the vendor's SDK, the error codes that the Terraform provider
handles, and recorded answers.
"""

from __future__ import annotations

from typing import Any

import httpx

from airflow_batch_provider.answers import NOT_JSON, excerpt, good, parsed, refusal
from airflow_batch_provider.errors import (
    AuthenticationFailed,
    BadRequest,
    NotFound,
    PermissionDenied,
    ServiceError,
    Throttled,
    error_class,
)
from airflow_batch_provider.values import epoch, http_date

SKEW_SECONDS = 15 * 60
"""A signature is refused if its time is further from the gateway's than this."""

# Workflow, execution, subscription and schedule.
_MISSING = ("7512", "7511", "7519", "7525")
_THROTTLED = ("0308", "2799", "4206", "4395", "6101")
_UNAUTHENTICATED = ("0201", "0202", "0203", "0204", "0206", "0207", "0212", "4127", "6620", "0301", "0303")
_BY_CODE: dict[str, type[ServiceError]] = {
    **{f"ModelArts.{number}": NotFound for number in _MISSING},
    **{f"ModelArts.{number}": Throttled for number in _THROTTLED},
    **{f"ModelArts.{number}": AuthenticationFailed for number in _UNAUTHENTICATED},
    **{f"{gateway}.0308": Throttled for gateway in ("APIG", "APIGW")},
    **{
        f"{gateway}.{code}": AuthenticationFailed
        for gateway in ("APIG", "APIGW")
        for code in ("0301", "0303")
    },
}
_FIXES = {
    "ModelArts.7511": "Check execution_id and workflow_id: the execution was deleted, or is of another "
    "workflow, project or region.",
    "ModelArts.7512": "Check workflow_id: the workflow was deleted, or is of another project or region.",
    "ModelArts.0102": "Check workspace_id.",
    "ModelArts.0104": "Check the ids: the service takes UUIDs only.",
    "ModelArts.0118": "The quota is used up: delete what is no longer needed, or ask for more.",
    "ModelArts.0210": "The credential is of another project: check project_id and region, or leave "
    "project_id empty to have it looked up.",
}
_SHAPES = (("error_code", "error_msg"), ("errorCode", "errorMsg"), ("code", "message"))


def read(response: httpx.Response, doing: str, *, fix: str = "", action: str = "") -> dict[str, Any]:
    """Return the JSON object of a good answer.

    Args:
        response: The answer to any request.
        doing: What was asked, as a gerund: "starting workflow 'digits'".
        fix: What to do if the answer is an error; without it a hint by status and code.
        action: The permission that the request needs, below ``modelarts:workflow:``.

    Returns:
        The body; empty for an empty body or ``null``.

    Raises:
        ServiceError: The service refused, with whatever status.
        UnexpectedAnswer: A redirect, or a body that is not a JSON object.
    """
    _check(response, doing, fix, action)
    return good(response, doing, dict)


def read_list(response: httpx.Response, doing: str, *, fix: str = "", action: str = "") -> list[Any]:
    """Do the same for an answer that is a bare JSON array."""
    _check(response, doing, fix, action)
    return good(response, doing, list)


def request_id(response: httpx.Response) -> str:
    """Return the service's id of the request, or an empty text."""
    body = parsed(response)
    told = body.get("request_id") if isinstance(body, dict) else ""
    return str(response.headers.get("x-request-id") or response.headers.get("x-iam-trace-id") or told or "")


def _check(response: httpx.Response, doing: str, fix: str, action: str) -> None:
    body = parsed(response)
    fields = body if isinstance(body, dict) else {}
    if not response.is_error and not (response.is_success and fields.get("error_code")):
        return
    code, message = _said(fields)
    if not code and not message and (body is NOT_JSON or body):
        message = excerpt(response)
    status = BadRequest if response.is_success else error_class(response.status_code)
    kind = _BY_CODE.get(code, status)
    raise refusal(
        response,
        doing,
        code=code,
        message=message,
        request_id=request_id(response),
        fix=fix or _FIXES.get(code) or _hint(response, kind, action),
        kind=kind,
    )


def _said(body: dict[str, Any], depth: int = 1) -> tuple[str, str]:
    for code, message in _SHAPES:
        if body.get(code) or body.get(message):
            return str(body.get(code) or ""), str(body.get(message) or "")
    below = [value for value in body.values() if isinstance(value, dict)] if depth else []
    return next((said for value in below if any(said := _said(value, depth - 1))), ("", ""))


def _hint(response: httpx.Response, kind: type[ServiceError], action: str) -> str:
    if kind is AuthenticationFailed:
        return _skew(response) or _credential(response)
    if kind is PermissionDenied:
        needed = f"the permission modelarts:workflow:{action}" if action else "permissions of ModelArts"
        return f"Give the identity {needed}, and check that project_id is one of its projects."
    return ""


def _credential(response: httpx.Response) -> str:
    if "x-auth-token" in _asked(response):
        return (
            "Check the connection's iam_user, iam_domain and password, or the token in security_token; a "
            "token must be of this project."
        )
    return (
        "Check the connection's access key (login) and secret key (password), that region is theirs, and "
        "security_token if they are temporary, which expires."
    )


def _skew(response: httpx.Response) -> str:
    """Tell of a clock so wrong that no signature made by it is accepted."""
    signed = epoch(_iso(_asked(response).get("x-sdk-date", "")))
    theirs = http_date(response.headers.get("date"))
    ahead = signed - (theirs or 0.0)
    if not signed or theirs is None or abs(ahead) <= SKEW_SECONDS:
        return ""
    side = "ahead of" if ahead > 0 else "behind"
    return (
        f"This machine's clock is {abs(ahead) / 60:.0f} minutes {side} the service's, which accepts "
        f"{SKEW_SECONDS // 60}: set it right (NTP)."
    )


def _iso(stamp: str) -> str:
    """Turn ``20260102T030405Z`` into a form that every Python reads."""
    return f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[9:11]}:{stamp[11:13]}:{stamp[13:15]}"


def _asked(response: httpx.Response) -> httpx.Headers:
    try:
        return response.request.headers
    except RuntimeError:  # an answer that no client got
        return httpx.Headers()
