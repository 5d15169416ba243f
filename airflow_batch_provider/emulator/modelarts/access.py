"""Who may call IAM and ModelArts: a token of the project, or a signed request of one of its keys.

The reasons in the refusals are the API gateway's, from recorded answers and the vendor's pages of common
questions.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from airflow_batch_provider.emulator.errors import ServiceError
from airflow_batch_provider.emulator.modelarts import signature
from airflow_batch_provider.emulator.modelarts.clock import iam_timestamp
from airflow_batch_provider.emulator.modelarts.errors import unauthenticated
from airflow_batch_provider.emulator.planes import region_of
from airflow_batch_provider.emulator.world import world_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from airflow_batch_provider.emulator.world import World

    Handler = Callable[[Request], Awaitable[Response]]

AUDIENCE = "https://iam.myhuaweicloud.com"
"""The audience under which IAM's tokens are kept, so that they open no plane of another cloud."""

_MOST_SKEW = 15 * 60


def in_project(handler: Handler) -> Handler:
    """Let a handler answer only who has credentials for the project in its path."""

    async def answer(request: Request) -> Response:
        project = await project_of(request)
        account = world_of(request).modelarts.account
        asked, region = request.path_params["project"], region_of(request.headers.get("host", ""))
        # A project is of one region, and nobody's in another.
        if not asked == project == account.project_id or region not in ("", account.region):
            raise ServiceError(
                403, f"The project ID {asked} in the URL does not match the token.", code="ModelArts.0210"
            )
        return await handler(request)

    return answer


async def project_of(request: Request) -> str:
    """Return the project whose credentials a request carries.

    Raises:
        ServiceError: 401, it carries none that are good; 403, they are of no project.
    """
    world = world_of(request)
    if "x-auth-token" in request.headers:
        return token_project(world, request.headers["x-auth-token"])
    claim = signature.read_claim(request.headers.get("authorization", ""))
    if claim is None:
        raise unauthenticated("x-auth-token not found")
    await _check_signature(request, world, claim)
    return request.headers.get("x-project-id") or world.modelarts.account.project_id


def token_project(world: World, text: str) -> str:
    """Return the project of a token.

    Raises:
        ServiceError: 401, the token is not good or is of no project.
    """
    token = world.tokens.find(text)
    if token is None or token.audience != AUDIENCE:
        raise unauthenticated("decrypt token fail")
    if token.expired:
        raise unauthenticated(f"token expires, expires_at:{iam_timestamp(token.expires)}")
    if not token.tenant:
        raise ServiceError(401, "The token must be scoped to a project.", code="ModelArts.0207")
    return token.tenant


async def _check_signature(request: Request, world: World, claim: signature.Claim) -> None:
    key = world.modelarts.keys.find(claim.access)
    if key is None:
        raise unauthenticated(f"Get secretKey failed,ak:{claim.access},err:ak not exist")
    if key.expired or not key.opens_with(request.headers.get("x-security-token")):
        raise unauthenticated("security token is missing, wrong or expired")
    _check_date(request.headers.get("x-sdk-date", ""))
    message = signature.Message(
        request.method,
        request.scope["path"],
        request.scope["query_string"].decode("ascii", "replace"),
        {name.decode("latin-1"): value.decode("utf-8", "replace") for name, value in request.headers.raw},
        await request.body(),
    )
    if not signature.matches(message, claim, key.secret):
        raise unauthenticated("verify aksk signature fail")


def _check_date(text: str) -> None:
    moment = signature.read_date(text)
    if moment is None:
        raise unauthenticated(f"x-sdk-date is missing or not like 20191115T033655Z: '{text}'")
    if abs(time.time() - moment) > _MOST_SKEW:
        raise unauthenticated(
            "signature expired: x-sdk-date differs from the server's time by over 15 minutes"
        )
