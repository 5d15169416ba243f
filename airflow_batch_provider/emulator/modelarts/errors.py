"""ModelArts' and IAM's errors. Codes: the Terraform provider, recorded live answers and the error lists.

ModelArts tells that something was not found with HTTP 400, never 404.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from airflow_batch_provider.emulator.errors import ServiceError
from airflow_batch_provider.emulator.ids import new_guid

if TYPE_CHECKING:
    from starlette.responses import Response

_NO_ROUTE = {404: "APIG.0101", 405: "APIG.0102"}
_TITLES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


def invalid(message: str) -> ServiceError:
    """Return the refusal of a request that does not pass the service's validator."""
    return ServiceError(400, f"Invalid parameter, error: {message}", code="ModelArts.0104")


def invalid_field(key: str, field: str, rule: str) -> ServiceError:
    """Return a refusal in the words of the validator that the service is built with.

    Args:
        key: The field with its type, such as ``Workflow.Name``; empty for a path parameter.
        field: The field's own name; empty for a path parameter.
        rule: The rule that it breaks, such as ``uuid4``.
    """
    return invalid(f"Key: '{key}' Error:Field validation for '{field}' failed on the '{rule}' tag.")


def workflow_not_found(workflow_id: str) -> ServiceError:
    """Return the refusal for a workflow that does not exist."""
    return ServiceError(400, f"Workflow {workflow_id} not found", code="ModelArts.7512")


def execution_not_found(execution_id: str) -> ServiceError:
    """Return the refusal for an execution that does not exist."""
    return ServiceError(400, f"Workflow execution {execution_id} not found", code="ModelArts.7511")


def unauthenticated(reason: str) -> ServiceError:
    """Return the API gateway's refusal of credentials."""
    return ServiceError(401, f"Incorrect IAM authentication information: {reason}", code="APIGW.0301")


def render(error: ServiceError, plane: str) -> Response:
    """Tell an error.

    Args:
        error: What happened.
        plane: ``iam``, which has a shape of its own, or ``modelarts``.
    """
    if plane == "iam" and not error.code.startswith("APIG"):
        title = _TITLES.get(error.status, "Error")
        body: dict[str, Any] = {"error": {"code": error.status, "message": error.message, "title": title}}
    else:
        code = error.code if "." in error.code else _NO_ROUTE.get(error.status, "ModelArts.0010")
        body = {"error_code": code, "error_msg": error.message}
        if code.startswith("APIG"):
            body["request_id"] = new_guid().replace("-", "")
    return JSONResponse(body, error.status, error.headers)
