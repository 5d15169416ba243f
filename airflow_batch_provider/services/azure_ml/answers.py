"""Reading answers of Azure Machine Learning, Resource Manager and Microsoft Entra ID.

Error shapes: Resource Manager's ``{"error": {"code", "message", "details", "additionalInfo"}}``, the data
plane's ``RootError`` (the same with ``innerError``), and the flat ``{"code", "message"}`` of the 2020 data
plane; bodies of gateways may be plain text or HTML. Source: recorded answers in azure-sdk-for-python.
"""

from __future__ import annotations

import json
from typing import Any

import httpx

from airflow_batch_provider.errors import (
    AuthenticationFailed,
    PermissionDenied,
    ServiceError,
    UnexpectedAnswer,
    error_class,
    redact,
)
from airflow_batch_provider.services.azure_ml.values import shown
from airflow_batch_provider.services.azure_ml.workspace import AUDIENCE

_REQUEST_ID_HEADERS = ("x-ms-request-id", "x-request-id", "request-id", "x-ms-correlation-request-id")
_SHOWN = 400
_LONGEST_MESSAGE = 2000


def read(response: httpx.Response, doing: str, *, fix: str = "", action: str = "") -> dict[str, Any]:
    """Return the JSON object of a good answer.

    Args:
        response: The answer to any request.
        doing: What was asked, as a gerund: "invoking endpoint 'digits'".
        fix: What to do if the answer is an error; without it a hint by status.
        action: The RBAC action that the request needs, below
            ``Microsoft.MachineLearningServices/workspaces/``.

    Returns:
        The body; empty for an empty body or ``null``.

    Raises:
        ServiceError: The service refused.
        UnexpectedAnswer: A redirect, or a body that is not a JSON object.
    """
    if response.is_error:
        raise _refusal(response, doing, fix or _hint(response, action))
    if not response.is_success:
        raise UnexpectedAnswer(
            f"{_opening(doing)}: the answer is a redirect (HTTP {response.status_code}) to "
            f"{_target(response)}, which is not followed because the token must not go elsewhere."
        )
    body = _json(response)
    if body is _NOT_JSON or not isinstance(body, dict | None):
        raise UnexpectedAnswer(
            f"{_opening(doing)}: the answer (HTTP {response.status_code}, "
            f"{response.headers.get('content-type', 'no content type')}) is not a JSON object: "
            f"{_excerpt(response)}",
            fix="Is a proxy, a login page or another server answering at this host?",
        )
    return body or {}


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
            f"{_opening(doing)}: the answer lacks {'.'.join(keys)}; it has {shown(list(body))}."
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


def _refusal(response: httpx.Response, doing: str, fix: str) -> ServiceError:
    status = response.status_code
    body = _json(response)
    code, message = _code_and_message(body) if isinstance(body, dict) else ("", _excerpt(response))
    return error_class(status)(
        f"{_opening(doing)}: {redact(message)[:_LONGEST_MESSAGE] or 'no reason was given.'}",
        status=status,
        code=redact(code),
        request_id=request_id(response),
        fix=fix,
    )


def request_id(response: httpx.Response) -> str:
    """Return the service's id of the request, or an empty text."""
    return next((response.headers[name] for name in _REQUEST_ID_HEADERS if name in response.headers), "")


def _code_and_message(body: dict[str, Any]) -> tuple[str, str]:
    error = body.get("error")
    if isinstance(error, str):  # Entra: {"error": "invalid_client", "error_description": "AADSTS…"}
        return error, str(body.get("error_description") or "").split("\r\n")[0]
    if not isinstance(error, dict):
        error = body
    messages = [str(error.get("message") or error.get("Message") or "")]
    messages += [_detail(detail) for detail in rows(error, "details")]
    return _innermost_code(error), " ".join(message for message in messages if message)


def _detail(detail: dict[str, Any]) -> str:
    return ": ".join(str(detail[key]) for key in ("code", "message") if detail.get(key))


def _innermost_code(error: dict[str, Any]) -> str:
    code, inner = str(error.get("code") or ""), error.get("innerError")
    while isinstance(inner, dict):
        code, inner = str(inner.get("code") or code), inner.get("innerError")
    return code


def _hint(response: httpx.Response, action: str) -> str:
    kind = error_class(response.status_code)
    if kind is AuthenticationFailed:
        return _CREDENTIAL + _audience_hint(response)
    if kind is PermissionDenied:
        needed = (
            f"the action Microsoft.MachineLearningServices/workspaces/{action}" if action else "this action"
        )
        return f"Give the identity a role with {needed} on the workspace, such as 'AzureML Data Scientist'."
    return ""


_CREDENTIAL = "Check the connection's tenantId, client id and secret, and that cloud_environment is right."


def _audience_hint(response: httpx.Response) -> str:
    """Tell of the other audience in China, where the documentation and Microsoft's clients differ."""
    try:
        request = response.request
    except RuntimeError:  # an answer that no client got
        return ""
    if request.extensions.get(AUDIENCE) != "ml" or not request.url.raw_host.endswith(b".cn"):
        return ""
    return (
        " In Azure China, the documentation and Microsoft's clients name different audiences for batch "
        "endpoints: set the connection's ml_audience to https://studio.ml.azure.cn, or to https://ml.azure.cn."
    )


class _NotJson:
    pass


_NOT_JSON = _NotJson()


def _json(response: httpx.Response) -> Any:
    if not response.content:
        return None
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return _NOT_JSON


def _excerpt(response: httpx.Response) -> str:
    # Not httpx's own `text`, which decodes with whatever codec the answer names.
    text = " ".join(redact(response.content.decode("utf-8", "replace")).split())
    return f"{text[:_SHOWN]}…" if len(text) > _SHOWN else text or "(empty)"


def _target(response: httpx.Response) -> str:
    try:
        host = httpx.URL(response.headers.get("location", "")).raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError):
        return "what is not a URL"
    return host or "this host"


def _opening(doing: str) -> str:
    return f"{doing[:1].upper()}{doing[1:]} failed"
