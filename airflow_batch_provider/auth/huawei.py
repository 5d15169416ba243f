"""How requests to Huawei Cloud are authorised: signed, or with a token, each for its own project."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator

import httpx

from airflow_batch_provider.auth.huawei_aksk import AkSkAuth
from airflow_batch_provider.auth.huawei_iam import RESOURCE, IamAuth, iam_tokens_of
from airflow_batch_provider.services.modelarts.connection import ModelArtsConnection
from airflow_batch_provider.services.modelarts.project import PLACE


class ModelArtsAuth(httpx.Auth):
    """Authorises each request for the project that it names, which need not be the connection's.

    An execution that was started before the task's region changed is asked about where it runs. A token is
    made for one project, and no credential may be seen by a host of another region than the request's.

    Args:
        connection: Whose credential it is.
    """

    def __init__(self, connection: ModelArtsConnection) -> None:
        self._connection = connection
        self._own = _auth_of(connection)
        self._elsewhere: dict[tuple[str, str], httpx.Auth] = {}

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Authorise a request."""
        return self._of(request).sync_auth_flow(request)

    def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Do the same in an event loop."""
        return self._of(request).async_auth_flow(request)

    def _of(self, request: httpx.Request) -> httpx.Auth:
        own = self._connection
        region, project_id = place = request.extensions.get(PLACE, (own.region, own.project_id))
        # One that was looked up by the region is the connection's, too.
        if region == own.region and own.project_id in ("", project_id):
            return self._own
        if place not in self._elsewhere:
            self._elsewhere[place] = _auth_of(own.at(region, project_id))
        return self._elsewhere[place]


def modelarts_auth(connection: ModelArtsConnection) -> httpx.Auth:
    """Return the auth of a connection's requests: signatures or tokens, as it says."""
    return ModelArtsAuth(connection)


def _auth_of(connection: ModelArtsConnection) -> httpx.Auth:
    hosts = connection.hosts()
    if connection.auth == "aksk":
        return AkSkAuth(connection.access_key, connection.secret_key, connection.security_token, hosts)
    # One token for all: it is made for the project.
    return IamAuth(iam_tokens_of(connection), dict.fromkeys(hosts, RESOURCE), hosts)
