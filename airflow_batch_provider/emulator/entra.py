"""Microsoft Entra ID: tokens by client credentials, and the metadata that its clients ask for first."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_batch_provider.emulator.access import audience_of
from airflow_batch_provider.emulator.ids import new_guid
from airflow_batch_provider.emulator.world import base_url, world_of

if TYPE_CHECKING:
    from starlette.requests import Request


async def token(request: Request) -> Response:
    """Answer ``POST /{tenant}/oauth2/v2.0/token`` (also the v1 form with ``resource``)."""
    text = (await request.body()).decode("utf-8", "replace")
    form = dict(parse_qsl(text, keep_blank_values=True))
    tenant = request.path_params["tenant"]
    clients: dict[str, str] | None = world_of(request).database.recall("clients")
    problem = _grant_problem(form) or _client_problem(form, clients, tenant)
    if problem is not None:
        return problem
    world = world_of(request)
    lifetime = world.settings.current.token_lifetime
    audience = audience_of(form.get("scope") or form["resource"])
    access_token = world.tokens.issue(audience, form["client_id"], tenant, lifetime)
    answer = {"token_type": "Bearer", "expires_in": int(lifetime), "ext_expires_in": int(lifetime)}
    return JSONResponse(
        answer | {"access_token": access_token}, headers={"Cache-Control": "no-store, no-cache"}
    )


def _grant_problem(form: dict[str, str]) -> Response | None:
    grant = form.get("grant_type")
    if grant is None:
        return _missing("grant_type")
    if grant != "client_credentials":
        text = f"The app requested an unsupported grant type '{grant}'."
        return _error(400, "unsupported_grant_type", 70003, text)
    scope = form.get("scope", "").strip()
    if not scope and not form.get("resource"):
        return _missing("scope")
    if scope and not scope.split(maxsplit=1)[0].endswith("/.default"):
        text = (
            f"The provided value for scope {scope} is not valid. Client credential flows must have a scope"
            " value with /.default suffixed to the resource identifier (application ID URI)."
        )
        return _error(400, "invalid_scope", 1002012, text)
    return None


def _client_problem(form: dict[str, str], clients: dict[str, str] | None, tenant: str) -> Response | None:
    client = form.get("client_id")
    if not client:
        return _missing("client_id")
    if clients is not None and client not in clients:
        text = f"Application with identifier '{client}' was not found in the directory '{tenant}'."
        return _error(400, "unauthorized_client", 700016, text)
    if form.get("client_assertion"):
        return None
    secret = form.get("client_secret")
    if not secret:
        text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
        return _error(401, "invalid_client", 7000218, text)
    if clients is not None and not secrets.compare_digest(secret.encode(), clients[client].encode()):
        text = (
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret"
            f" value, not the client secret ID, for a secret added to app '{client}'."
        )
        return _error(401, "invalid_client", 7000215, text)
    return None


def _missing(parameter: str) -> Response:
    text = f"The request body must contain the following parameter: '{parameter}'."
    return _error(400, "invalid_request", 900144, text)


def _error(status: int, error: str, number: int, text: str) -> Response:
    trace, correlation = new_guid(), new_guid()
    moment = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    body = {
        "error": error,
        "error_description": (
            f"AADSTS{number}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {moment}"
        ),
        "error_codes": [number],
        "timestamp": moment,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"https://login.microsoftonline.com/error?code={number}",
    }
    return JSONResponse(body, status)


async def openid_configuration(request: Request) -> Response:
    """Answer ``GET /{tenant}/v2.0/.well-known/openid-configuration``."""
    tenant = f"{base_url(request)}/{request.path_params['tenant']}"
    document: dict[str, Any] = {
        "token_endpoint": f"{tenant}/oauth2/v2.0/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "jwks_uri": f"{tenant}/discovery/v2.0/keys",
        "response_types_supported": ["code", "id_token", "token"],
        "scopes_supported": ["openid"],
        "issuer": f"{tenant}/v2.0",
        "authorization_endpoint": f"{tenant}/oauth2/v2.0/authorize",
        "device_authorization_endpoint": f"{tenant}/oauth2/v2.0/devicecode",
        "tenant_region_scope": None,
        "cloud_instance_name": "microsoftonline.com",
    }
    return JSONResponse(document)


async def instance_discovery(request: Request) -> Response:
    """Answer ``GET /common/discovery/instance``: the emulator is its own cloud."""
    host = request.url.netloc
    return JSONResponse(
        {
            "tenant_discovery_endpoint": f"{base_url(request)}/common/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }
    )


ROUTES = [
    Route("/common/discovery/instance", instance_discovery),
    Route("/{tenant}/v2.0/.well-known/openid-configuration", openid_configuration),
    Route("/{tenant}/oauth2/v2.0/token", token, methods=["POST"]),
    Route("/{tenant}/oauth2/token", token, methods=["POST"]),
]
