"""IAM tokens of Huawei Cloud: for a user's password, or one that exists already.

A token is made for one project and lives for 24 hours. Source: the vendor's API pages of IAM
(``POST /v3/auth/tokens``). Where a user has access keys, they are the better choice; the vendor says so, too.
"""

from __future__ import annotations

import time
from typing import Any

import httpx

from airflow_batch_provider.answers import inner
from airflow_batch_provider.auth.attached import TokenAuth
from airflow_batch_provider.auth.credentials import tls_of
from airflow_batch_provider.auth.tokens import AccessToken, Credential, Token, Tokens, shared_tokens
from airflow_batch_provider.errors import ConnectionFailed, UnexpectedAnswer, redact
from airflow_batch_provider.services.modelarts.answers import read
from airflow_batch_provider.services.modelarts.connection import ModelArtsConnection
from airflow_batch_provider.values import epoch
from airflow_batch_provider.web import USER_AGENT, check_host

LIFETIME = 24 * 3600.0
"""Seconds that a token lives."""

RESOURCE = "Huawei Cloud"
"""What tokens are asked for: one is good for all services of its project."""

_HINT = "Check region and endpoint, and the URL."
_REFUSED = (
    "Check iam_user, iam_domain (the account's name) and password. Accounts with a HUAWEI ID, and users who "
    "need a second factor, cannot get a token by password: use access keys."
)


class PasswordCredential:
    """Asks IAM for tokens with the name and password of an IAM user.

    Args:
        connection: Of kind ``token``, with a password.
    """

    def __init__(self, connection: ModelArtsConnection) -> None:
        self._connection = connection

    def get_token(self, *scopes: str) -> Any:  # noqa: ARG002  # a token is for all services of a project
        """Return a token; raises as every request does."""
        request = _request(self._connection)
        return _token(post_to_iam(self._connection, "/v3/auth/tokens?nocatalog=true", request))


class GivenToken:
    """A token that exists already, and cannot be renewed.

    Args:
        connection: Of kind ``token``, with a security token.
    """

    def __init__(self, connection: ModelArtsConnection) -> None:
        self._connection = connection

    def get_token(self, *scopes: str) -> Any:  # noqa: ARG002  # a token is for all services of a project
        """Return the token."""
        return AccessToken(self._connection.security_token, time.time() + LIFETIME)


class IamAuth(TokenAuth):
    """Attaches IAM tokens; see `TokenAuth`."""

    hint = _HINT

    def _attach(self, request: httpx.Request, token: Token) -> None:
        request.headers["X-Auth-Token"] = token.value


def iam_credential(connection: ModelArtsConnection) -> Credential:
    """Return the credential that a connection of kind ``token`` describes."""
    return PasswordCredential(connection) if connection.iam_password else GivenToken(connection)


def iam_tokens_of(connection: ModelArtsConnection) -> Tokens:
    """Return the tokens of a connection; see `shared_tokens`."""
    return shared_tokens(iam_credential, connection)


def post_to_iam(connection: ModelArtsConnection, path: str, body: Any) -> httpx.Response:
    """Ask IAM for a credential, which is why the request carries none.

    Args:
        connection: Says where IAM is.
        path: Of the URL, with its query.
        body: Sent as JSON.

    Raises:
        InvalidInput: IAM's address is not one that a secret may be sent to.
        ConnectionFailed: Nothing answers.
    """
    url = f"{connection.endpoints.iam}{path}"
    check_host(url, connection.hosts()["iam"], "The address of IAM", hint=_HINT)
    try:
        return httpx.post(
            url,
            json=body,
            headers={"User-Agent": USER_AGENT},
            timeout=30,
            verify=tls_of(connection),
            # The environment's proxies are for the internet, never for the emulator on this machine.
            trust_env=not connection.is_emulator,
        )
    except httpx.RequestError as error:
        raise ConnectionFailed(
            f"IAM at {url} does not answer: {type(error).__name__}: {redact(str(error))}.",
            fix="Check region and iam_endpoint, and that this machine can reach it.",
        ) from error


def _request(connection: ModelArtsConnection) -> dict[str, Any]:
    project = {"id": connection.project_id} if connection.project_id else {"name": connection.region}
    user = {
        "name": connection.iam_user,
        "password": connection.iam_password,
        "domain": {"name": connection.iam_domain},
    }
    identity = {"methods": ["password"], "password": {"user": user}}
    return {"auth": {"identity": identity, "scope": {"project": project}}}


def _token(response: httpx.Response) -> AccessToken:
    doing = "asking IAM for a token"
    fix = _REFUSED if response.status_code == httpx.codes.UNAUTHORIZED else ""
    body = read(response, doing, fix=fix)
    value = response.headers.get("x-subject-token")
    if not value:
        raise UnexpectedAnswer("Asking IAM for a token failed: the answer lacks the header X-Subject-Token.")
    return AccessToken(value, epoch(inner(body, "token").get("expires_at")) or time.time() + LIFETIME)
