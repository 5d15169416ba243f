"""Ask an Airflow's REST API, wait for what it should say, and make its logs readable."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

T = TypeVar("T")

_POLL_SECONDS = 0.4
_REQUEST_SECONDS = 30
_WARM_UP_SECONDS = 120
_PAGE = 100
_SERVER_ERROR = 500
_SHOWN = 2000


class NotYet(Exception):
    """What is awaited is not there yet; the text says what is there instead."""


class ApiError(RuntimeError):
    """Airflow refused a request.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        request = response.request
        super().__init__(
            f"Airflow answered {self.status} to {request.method} {request.url}: {response.text[:_SHOWN]}"
        )


class _Login(httpx.Auth):
    """Logs in at the first request, and shows the token from then on."""

    requires_response_body = True

    def __init__(self, url: str, user: str, password: str) -> None:
        self._asking = (f"{url}/auth/token", {"username": user, "password": password})
        self._token = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if not self._token:
            url, login = self._asking
            response = yield httpx.Request("POST", url, json=login)
            if response.is_error:
                raise ApiError(response)
            self._token = response.json()["access_token"]
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


class AirflowApi:
    """The REST API (version 2) of an Airflow.

    Args:
        url: Where the API server listens.
        login: User and password; ``None`` where everybody is an administrator and needs no login.
    """

    def __init__(self, url: str, login: tuple[str, str] | None = None) -> None:
        auth = _Login(url, *login) if login else None
        self._client = httpx.Client(base_url=url, timeout=_REQUEST_SECONDS, trust_env=False, auth=auth)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(self, method: str, *path: str, body: Any = None, **query: Any) -> Any:
        """Ask for the resource at *path*, whose parts are quoted; return the answer's JSON.

        Raises:
            ApiError: It answered with an error.
            httpx.TransportError: It did not answer.
        """
        url = "/api/v2/" + "/".join(quote(part, safe="") for part in path)
        response = self._client.request(method, url, json=body, params=query)
        if response.is_error:
            raise ApiError(response)
        return response.json() if response.content else None

    def get(self, *path: str, **query: Any) -> Any:
        """Get the resource at *path*; see ``call()``."""
        return self.call("GET", *path, **query)

    def warm_up(self) -> None:
        """Let Airflow build the API that tasks talk to; otherwise the first task would wait for that.

        It builds all of that API's versions at the first request. Everybody has to wait meanwhile.
        """
        response = self._client.get("/execution/health", timeout=_WARM_UP_SECONDS)
        if response.is_error:
            raise ApiError(response)

    def pages(self, items: str, *path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Yield the list *items* of the collection at *path*, over all of its pages."""
        offset = 0
        while True:
            page = self.get(*path, limit=_PAGE, offset=offset, **query)
            yield from page[items]
            offset += _PAGE
            if offset >= page["total_entries"]:
                return


def wait_for(what: str, check: Callable[[], T], seconds: float, explain: Callable[[], str]) -> T:
    """Call *check* until it returns, and return that.

    Args:
        what: What is awaited, for the error.
        check: Raises ``NotYet`` until it is there. A server that is down or cannot answer means the same.
        seconds: How long to wait at most.
        explain: More to say in the error, such as the ends of logs.

    Raises:
        TimeoutError: It did not come, with what was there last.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check()
        except (NotYet, httpx.TransportError) as error:
            last = str(error) or repr(error)
        except ApiError as error:
            if error.status < _SERVER_ERROR:
                raise
            last = str(error)
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {seconds:.0f} s for {what}. Last: {last}\n{explain()}")
        time.sleep(_POLL_SECONDS)


def readable_log(content: list[Any]) -> str:
    """Return the *content* of a task log, as Airflow's API gives it, as lines of text."""
    return "\n".join(_log_entry(entry) if isinstance(entry, Mapping) else str(entry) for entry in content)


def _log_entry(entry: Mapping[str, Any]) -> str:
    hidden = {"timestamp", "level", "event", "logger", "filename", "lineno", "loc", "error_detail"}
    head = [entry.get("timestamp"), str(entry.get("level", "")).upper(), entry.get("event")]
    more = [f"{key}={value}" for key, value in entry.items() if key not in hidden and value is not None]
    lines = [" ".join(str(part) for part in (*head, *more) if part)]
    return "\n".join([*lines, *(_exception(error) for error in entry.get("error_detail") or ())])


def _exception(error: Mapping[str, Any]) -> str:
    frames = [
        f"    {frame.get('filename')}:{frame.get('lineno')} in {frame.get('name')}"
        for frame in error.get("frames") or ()
    ]
    return "\n".join([f"  {error.get('exc_type')}: {error.get('exc_value')}", *frames])
