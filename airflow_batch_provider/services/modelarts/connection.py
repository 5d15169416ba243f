"""What an Airflow connection says about Huawei Cloud ModelArts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_batch_provider.checks import choice, texts
from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.services.modelarts.project import Project
from airflow_batch_provider.services.modelarts.project import project_id as checked_id
from airflow_batch_provider.services.modelarts.regions import Endpoints, endpoints
from airflow_batch_provider.values import shown
from airflow_batch_provider.web import base_url, is_local, tls_verify

# Both travel in headers.
_IN_HEADER = re.compile(r"[\x21-\x7e]*")
_EXAMPLE = "https://modelarts.cn-north-4.myhuaweicloud.com"


@dataclass(frozen=True)
class ModelArtsConnection:
    """A connection of type ``modelarts``, read and checked.

    Args:
        conn_id: The connection's id, for messages.
        region: Id of the region.
        endpoints: Where the services are.
        project_id: Empty to look it up by the region's name.
        workspace_id: ModelArts workspace; empty for the default one.
        auth: ``aksk`` signs each request, ``token`` carries an IAM token.
        access_key: Of an access key pair.
        secret_key: A secret.
        security_token: A secret: of temporary keys, or with ``token`` an IAM token that exists already.
        iam_user: Name of an IAM user, for a token.
        iam_domain: Name of the account that the user belongs to.
        iam_password: A secret.
        verify: Whether, or with which CA bundle, TLS certificates are verified.
    """

    conn_id: str
    region: str
    endpoints: Endpoints
    project_id: str = ""
    workspace_id: str = ""
    auth: str = "aksk"
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    security_token: str = field(default="", repr=False)
    iam_user: str = ""
    iam_domain: str = ""
    iam_password: str = field(default="", repr=False)
    verify: bool | str = True

    @classmethod
    def read(  # noqa: D417  # described by what Airflow calls them
        cls,
        conn_id: str,
        *,
        login: str | None,
        password: str | None,
        host: str | None,
        extra: Mapping[str, Any],
        region: str | None = None,
        project_id: str | None = None,
    ) -> ModelArtsConnection:
        """Read the fields of an Airflow connection.

        Args:
            conn_id: The connection's id.
            region: Instead of the connection's. The project is then looked up, unless it is given, too.
            project_id: Instead of the connection's.

        Raises:
            InvalidInput: A field cannot be right; the message names it.
        """
        instead = texts(region=region, project_id=project_id)
        extra = {**extra, **_moved(conn_id, host, extra, instead), **instead}

        def field_of(name: str) -> str:
            value = extra.get(name)
            return str("" if value is None else value).strip()

        def url_of(name: str) -> str:
            return base_url(conn_id, name, field_of(name), _EXAMPLE)

        try:
            project = field_of("project_id")
            found = cls(
                conn_id,
                field_of("region"),
                endpoints(
                    field_of("region"),
                    modelarts=_endpoint(base_url(conn_id, "host", host, _EXAMPLE), url_of("endpoint")),
                    iam=url_of("iam_endpoint"),
                    obs=url_of("obs_endpoint"),
                ),
                project_id=checked_id("project_id", project) if project else "",
                workspace_id=field_of("workspace_id"),
                auth=choice("auth", field_of("auth").lower() or "aksk", "aksk", "token"),
                security_token=field_of("security_token"),
                verify=tls_verify(extra.get("verify")),
                **_identity(field_of, (login or "").strip(), password or ""),
            )
            found._check()
        except InvalidInput as error:
            if error.message.startswith("Connection"):
                raise
            told = f", with the task's {' and '.join(instead)}" if instead else ""
            raise InvalidInput(f"Connection {conn_id!r}{told}: {error.message}", fix=error.fix) from error
        return found

    def _check(self) -> None:
        if not self.region and not self.project_id:
            raise InvalidInput(
                "region is empty, and so is project_id.", fix="Give region, such as cn-north-4."
            )
        needed = self._keys() if self.auth == "aksk" else self._user()
        for name, value in (("login", self.access_key), ("security_token", self.security_token)):
            if not _IN_HEADER.fullmatch(value):
                raise InvalidInput(f"{name} has characters that it cannot have.", fix="Paste it again.")
        missing = [name for name, value in needed.items() if not value]
        if missing:
            raise InvalidInput(
                f"auth is {self.auth!r}, but the connection lacks {', '.join(missing)}.", fix=self._fix()
            )

    def _keys(self) -> dict[str, str]:
        return {"login (access key)": self.access_key, "password (secret key)": self.secret_key}

    def _user(self) -> dict[str, str]:
        user = {
            "iam_user": self.iam_user,
            "iam_domain": self.iam_domain,
            "password (of the IAM user)": self.iam_password,
        }
        return {} if self.security_token and not any(user.values()) else user

    def _fix(self) -> str:
        if self.auth == "aksk":
            return "Give an access key pair, or set auth to 'token'."
        return "Give all three, or nothing of them and an IAM token that you have as security_token."

    @property
    def is_emulator(self) -> bool:
        """Whether the service and IAM are on this machine, as the emulator's are."""
        return self.endpoints.local

    def hosts(self) -> dict[str, tuple[str, ...]]:
        """Return, for each kind of request, the hosts that may see a credential; see `Endpoints.hosts`."""
        return self.endpoints.hosts()

    def at(self, region: str, project_id: str) -> ModelArtsConnection:
        """Return the connection of the same identity to another project.

        Args:
            region: Where it is.
            project_id: Its id.

        Raises:
            InvalidInput: There is no such region.
        """
        there = self.endpoints.moved(self.region, region)
        return replace(self, region=region, project_id=project_id, endpoints=there)

    def project(self) -> Project:
        """Return the project that the connection names."""
        return Project(self.endpoints, self.region, self.project_id, self.workspace_id)


def _moved(
    conn_id: str, host: str | None, extra: Mapping[str, Any], instead: Mapping[str, str]
) -> dict[str, str]:
    """Return which of a connection's fields do not count in another region, emptied.

    Raises:
        InvalidInput: The connection has addresses of its own region, which nobody can move.
    """
    own = str(extra.get("region") or "").strip()
    if instead.get("region", own) == own:
        return {}
    given = {"host": host, **{name: extra.get(name) for name in ("endpoint", "obs_endpoint")}}
    fixed = [name for name, url in given.items() if url and not is_local(str(url))]
    if fixed:
        raise InvalidInput(
            f"region is {shown(instead['region'])}, but connection {conn_id!r} has the {' and '.join(fixed)} "
            f"of its own region{f', {own}' if own else ''}.",
            fix="Use a connection of that region, or empty these addresses: they follow from the region.",
        )
    return {"project_id": ""}


def _endpoint(host: str, endpoint: str) -> str:
    if host and endpoint and host != endpoint:
        raise InvalidInput(
            f"host is {host!r} and endpoint is {endpoint!r}.", fix="Both override the same address: give one."
        )
    return host or endpoint


def _identity(field_of: Any, login: str, password: str) -> dict[str, str]:
    """Return who the connection is: what login and password mean depends on how it authenticates."""
    user = {"iam_user": field_of("iam_user"), "iam_domain": field_of("iam_domain")}
    if field_of("auth").lower() != "token":
        return {**user, "access_key": login, "secret_key": password.strip()}
    if login and user["iam_user"] and login != user["iam_user"]:
        raise InvalidInput(
            f"auth is 'token', login is {login!r} and iam_user is {user['iam_user']!r}.",
            fix="Give the user's name once, as iam_user.",
        )
    return {**user, "iam_user": user["iam_user"] or login, "iam_password": password}
