"""IAM: tokens by password, temporary access keys for a token, and the look-up of a project's id."""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse
from starlette.routing import Route

from airflow_batch_provider.emulator.errors import ServiceError
from airflow_batch_provider.emulator.modelarts.access import AUDIENCE, project_of, token_project
from airflow_batch_provider.emulator.modelarts.clock import iam_timestamp
from airflow_batch_provider.emulator.world import world_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from airflow_batch_provider.emulator.modelarts.account import Account

_SHORTEST_KEY, _LONGEST_KEY = 900, 86400
_METHODS = (["password"], ["password", "totp"])


async def make_token(request: Request) -> Response:
    """Answer ``POST /v3/auth/tokens``: the token is in a header, what is known of it in the body."""
    auth = _auth_of(await request.body())
    world = world_of(request)
    account = world.modelarts.account
    _check_user(account, _part(auth, "identity"))
    scope = auth.get("scope")
    project = _project(account, _part(scope, "project")) if _has(scope, "project") else ""
    lifetime = world.settings.current.iam_token_lifetime
    token = world.tokens.issue(AUDIENCE, account.user, project, lifetime)
    issued = time.time()
    body: dict[str, Any] = {
        "methods": ["password"],
        "issued_at": iam_timestamp(issued),
        "expires_at": iam_timestamp(issued + lifetime),
        "user": {
            "id": account.user_id,
            "name": account.user,
            "domain": _domain(account),
            "password_expires_at": "",
        },
        "roles": [{"id": "0", "name": "te_admin"}],
        "catalog": [],
    }
    body |= (
        {"project": {"id": project, "name": account.region, "domain": _domain(account)}}
        if project
        else {"domain": _domain(account)}
    )
    return JSONResponse({"token": body}, 201, {"X-Subject-Token": token})


async def list_projects(request: Request) -> Response:
    """Answer ``GET /v3/projects``, by name if one is given."""
    await project_of(request)
    account = world_of(request).modelarts.account
    project = {
        "id": account.project_id,
        "name": account.region,
        "domain_id": account.user_id,
        "parent_id": account.user_id,
        "is_domain": False,
        "enabled": True,
        "description": "",
        "links": {"self": f"https://iam.myhuaweicloud.com/v3/projects/{account.project_id}"},
    }
    wanted = request.query_params.get("name", account.region)
    found = [project] if wanted == account.region else []
    links = {"self": "https://iam.myhuaweicloud.com/v3/projects", "previous": None, "next": None}
    return JSONResponse({"projects": found, "links": links})


async def make_temporary_key(request: Request) -> Response:
    """Answer ``POST /v3.0/OS-CREDENTIAL/securitytokens``: 15 minutes unless more is asked, up to 24 hours."""
    identity = _part(_auth_of(await request.body()), "identity")
    asked = identity.get("token") or {}
    world = world_of(request)
    token_project(world, str(asked.get("id") or request.headers.get("x-auth-token", "")))
    seconds = asked.get("duration_seconds", _SHORTEST_KEY)
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, int)
        or not _SHORTEST_KEY <= seconds <= _LONGEST_KEY
    ):
        raise ServiceError(
            400, f"duration_seconds must be {_SHORTEST_KEY} to {_LONGEST_KEY}, not {seconds!r}."
        )
    key = world.modelarts.keys.issue(seconds)
    credential = {
        "access": key.access,
        "secret": key.secret,
        "securitytoken": key.token,
        "expires_at": iam_timestamp(key.expires or 0),
    }
    return JSONResponse({"credential": credential}, 201)


def _auth_of(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        raise ServiceError(400, "The request body is not valid JSON.") from None
    return _part(parsed, "auth")


def _has(value: Any, key: str) -> bool:
    return isinstance(value, dict) and key in value


def _part(value: Any, key: str) -> dict[str, Any]:
    part = value.get(key) if isinstance(value, dict) else None
    if not isinstance(part, dict):
        raise ServiceError(400, f"The field {key} is missing or no object.")
    return part


def _check_user(account: Account, identity: dict[str, Any]) -> None:
    if identity.get("methods") not in _METHODS:
        raise ServiceError(
            400, f"The methods of an identity are one of {_METHODS}, not {identity.get('methods')!r}."
        )
    user = _part(_part(identity, "password"), "user")
    domain = user.get("domain")
    given = (user.get("name"), domain.get("name") if isinstance(domain, dict) else None)
    right_password = secrets.compare_digest(str(user.get("password")).encode(), account.password.encode())
    if given != (account.user, account.domain) or not right_password:
        raise ServiceError(401, "The username or password is wrong.")


def _project(account: Account, asked: dict[str, Any]) -> str:
    if asked.get("id", account.project_id) != account.project_id or (
        asked.get("name", account.region) != account.region
    ):
        raise ServiceError(401, "You have no right to access the project that the scope names.")
    return account.project_id


def _domain(account: Account) -> dict[str, str]:
    return {"id": account.user_id, "name": account.domain}


ROUTES = [
    Route("/v3/auth/tokens", make_token, methods=["POST"]),
    Route("/v3/projects", list_projects),
    Route("/v3.0/OS-CREDENTIAL/securitytokens", make_temporary_key, methods=["POST"]),
]
