"""Reading answers of Azure Machine Learning, Resource Manager and Microsoft Entra ID.

Error shapes: Resource Manager's ``{"error": {"code", "message", "details", "additionalInfo"}}``, the data
plane's ``RootError`` (the same with ``innerError``), and the flat ``{"code", "message"}`` of the 2020 data
plane; bodies of gateways may be plain text or HTML. Source: recorded answers in azure-sdk-for-python.
"""

from __future__ import annotations

from typing import Any

import httpx

from airflow_batch_provider.answers import excerpt, good, inner, need, parsed, refusal, rows
from airflow_batch_provider.errors import AuthenticationFailed, PermissionDenied, ServiceError, error_class
from airflow_batch_provider.web import AUDIENCE

__all__ = ["inner", "need", "read", "request_id", "rows"]

_REQUEST_ID_HEADERS = ("x-ms-request-id", "x-request-id", "request-id", "x-ms-correlation-request-id")


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
    return good(response, doing, dict)


def _refusal(response: httpx.Response, doing: str, fix: str) -> ServiceError:
    body = parsed(response)
    code, message = _code_and_message(body) if isinstance(body, dict) else ("", excerpt(response))
    return refusal(response, doing, code=code, message=message, request_id=request_id(response), fix=fix)


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
