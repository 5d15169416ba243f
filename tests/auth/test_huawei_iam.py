"""IAM tokens: asked for once, renewed ahead of their end and once when refused, sent only where they belong.

IAM is a real server on this machine; the requests that carry the token go to a function.
"""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import httpx
import pytest

from airflow_batch_provider.auth import Tokens, iam_tokens_of, modelarts_auth
from airflow_batch_provider.auth.huawei_iam import iam_credential
from airflow_batch_provider.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    InvalidInput,
    ServiceUnavailable,
    Throttled,
    UnexpectedAnswer,
)
from airflow_batch_provider.services.modelarts.connection import ModelArtsConnection
from airflow_batch_provider.services.modelarts.project import PLACE
from airflow_batch_provider.web import ask

SECRET = "S3CR3T-S3CR3T"
RESOURCE = "Huawei Cloud"


@dataclass
class Iam:
    """Gives out numbered tokens, or what it is told to answer, and keeps the requests."""

    lifetime: float = 86400.0
    status: int = 201
    body: Any = None
    header: bool = True
    asked: list[tuple[str, Any]] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, body: Any) -> tuple[int, dict[str, str], Any]:
        self.asked.append((path, body))
        if self.status >= 400:
            return self.status, {}, self.body
        end = datetime.fromtimestamp(time.time() + self.lifetime, tz=timezone.utc)
        token = {"token": {"expires_at": end.strftime("%Y-%m-%dT%H:%M:%S.855000Z"), "project": {"id": "p1"}}}
        headers = {"X-Subject-Token": f"{SECRET}-{len(self.asked)}"} if self.header else {}
        return 201, headers, token

    def connection(self, **extra: Any) -> ModelArtsConnection:
        given = {"region": "cn-north-4", "auth": "token", "iam_user": "u", "iam_domain": "d", **extra}
        return ModelArtsConnection.read(self.url, login=None, password=SECRET, host=self.url, extra=given)


@pytest.fixture
def iam():
    known = Iam()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers, answer = known.answer(self.path, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield known
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Service:
    """Answers requests, refusing some tokens, and keeps the tokens that it saw."""

    refuses: tuple[str, ...] = ()
    seen: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        token = request.headers.get("x-auth-token", "")
        self.seen.append(token.removeprefix(f"{SECRET}-"))
        return httpx.Response(401 if self.seen[-1] in self.refuses else 200)

    def send(self, auth: httpx.Auth, *requests: httpx.Request, loop: bool = False) -> list[int]:
        async def each():
            async with httpx.AsyncClient(transport=httpx.MockTransport(self), auth=auth) as client:
                return [(await client.send(request)).status_code for request in requests]

        if loop:
            return asyncio.run(each())
        with httpx.Client(transport=httpx.MockTransport(self), auth=auth) as client:
            return [client.send(request).status_code for request in requests]


def to(iam, path="/v2/p/workflows", audience="modelarts"):
    return ask("GET", f"{iam.url}{path}", audience)


def placed(url, *place):
    request = ask("GET", url, "modelarts")
    request.extensions[PLACE] = place
    return request


@pytest.mark.parametrize("loop", [False, True])
def test_a_request_to_another_project_has_a_token_of_its_own(iam, loop):
    """It is asked for once; requests to the connection's own project go on with the connection's."""
    service, url = Service(), f"{iam.url}/v2/p/workflows"
    auth = modelarts_auth(iam.connection(project_id="p1"))
    places = [("cn-north-4", "p1"), ("cn-north-4", "p2"), ("cn-east-3", "p3"), ("cn-north-4", "p2")]
    service.send(auth, to(iam), *(placed(url, *place) for place in places), loop=loop)

    assert service.seen == ["1", "1", "2", "3", "2"]
    assert [body["auth"]["scope"]["project"] for _, body in iam.asked] == [{"id": f"p{n}"} for n in (1, 2, 3)]


@pytest.mark.parametrize("loop", [False, True])
def test_a_request_to_another_region_is_signed_for_its_host_only(loop):
    """A signature goes to the region that the request names, and to no host beside it."""
    auth = modelarts_auth(
        ModelArtsConnection.read(
            "keys", login="AK", password=SECRET, host="", extra={"region": "cn-north-4", "project_id": "p1"}
        )
    )
    url = "https://modelarts.cn-east-3.myhuaweicloud.com/v2/p2/workflows"
    moved = placed(url, "cn-east-3", "p2")

    assert Service().send(auth, moved, loop=loop) == [200]
    assert "Access=AK," in moved.headers["authorization"]
    for wrong in (placed(url, "cn-north-4", "p1"), placed("https://evil.example/", "cn-east-3", "p2")):
        with pytest.raises(InvalidInput, match="is not one that this token may be sent to"):
            Service().send(auth, wrong, loop=loop)
        assert "authorization" not in wrong.headers


@pytest.mark.parametrize("loop", [False, True])
def test_one_token_is_for_all_requests_of_a_connection(iam, loop):
    """IAM is asked once, for the project of the region, in a worker and in an event loop."""
    service = Service()
    statuses = service.send(modelarts_auth(iam.connection()), to(iam), to(iam, audience="iam"), loop=loop)
    service.send(modelarts_auth(iam.connection()), to(iam), to(iam, audience="none"), loop=loop)

    assert statuses == [200, 200]
    assert service.seen == ["1", "1", "1", ""]
    user = {"name": "u", "password": SECRET, "domain": {"name": "d"}}
    assert iam.asked == [
        (
            "/v3/auth/tokens?nocatalog=true",
            {
                "auth": {
                    "identity": {"methods": ["password"], "password": {"user": user}},
                    "scope": {"project": {"name": "cn-north-4"}},
                }
            },
        )
    ]


def test_a_given_project_is_the_tokens(iam):
    """A project id says more than the region's name."""
    iam_tokens_of(iam.connection(project_id="p7")).get(RESOURCE)

    assert iam.asked[0][1]["auth"]["scope"] == {"project": {"id": "p7"}}


def test_a_token_is_renewed_ahead_of_its_day(iam):
    """After most of its 24 hours a new one is asked for, before the old one ends."""
    clock = [time.time()]
    connection = iam.connection()
    tokens = Tokens(lambda: iam_credential(connection), now=lambda: clock[0])
    first = tokens.get(RESOURCE)
    clock[0] += 86400 - 400
    same = tokens.get(RESOURCE)
    clock[0] += 200

    assert same == first
    assert abs(first.expires_at - time.time() - 86400) < 60
    assert tokens.get(RESOURCE).value == f"{SECRET}-2"


def test_a_token_without_an_end_is_taken_for_a_days(iam):
    """An answer whose time cannot be read gives the documented life."""
    iam.lifetime = -(10.0**9)
    connection = iam.connection(project_id="other")
    credential = iam_credential(connection)
    iam.answer = lambda *_: (201, {"X-Subject-Token": "t"}, {"token": {}})

    assert abs(credential.get_token("x").expires_on - time.time() - 86400) < 60


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize(
    ("refuses", "status", "seen"), [(("1",), 200, ["1", "2"]), (("1", "2"), 401, ["1", "2"])]
)
def test_a_refused_token_is_renewed_once(iam, loop, refuses, status, seen):
    """A password or permission that changed ends a token early; a second refusal is the answer."""
    service = Service(refuses)

    assert service.send(modelarts_auth(iam.connection()), to(iam), loop=loop) == [status]
    assert service.seen == seen


@pytest.mark.parametrize("loop", [False, True])
def test_a_given_token_is_used_as_it_is(iam, loop):
    """It is never asked for, and when it is refused the request is not repeated with it."""
    found = ModelArtsConnection.read(
        "given",
        login=None,
        password=None,
        host=iam.url,
        extra={"region": "cn-north-4", "auth": "token", "security_token": f"{SECRET}-7"},
    )
    service = Service(("7",))

    assert service.send(modelarts_auth(found), to(iam), loop=loop) == [401]
    assert service.seen == ["7"]
    assert iam.asked == []


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (
            401,
            {
                "error": {
                    "code": 401,
                    "message": "The username or password is wrong.",
                    "title": "Unauthorized",
                }
            },
            AuthenticationFailed,
            "Check iam_user, iam_domain",
        ),
        (429, {"error_code": "APIGW.0308", "error_msg": "x"}, Throttled, "APIGW.0308"),
        (503, {"error": {"code": 503, "message": "x"}}, ServiceUnavailable, "503"),
    ],
)
def test_a_refusal_says_what_to_check(iam, status, body, kind, says):
    """With IAM's own words, and without the password."""
    iam.status, iam.body = status, body
    with pytest.raises(kind) as caught:
        iam_tokens_of(iam.connection()).get(RESOURCE)

    assert says in str(caught.value)
    assert SECRET not in str(caught.value)


def test_an_answer_without_a_token_is_none(iam):
    """Something that is not IAM may answer."""
    iam.header = False
    with pytest.raises(UnexpectedAnswer, match="X-Subject-Token"):
        iam_tokens_of(iam.connection()).get(RESOURCE)


def test_an_issuer_that_is_away_is_told(iam):
    """Which address does not answer, and which fields say so."""
    connection = iam.connection(iam_endpoint="http://127.0.0.1:9")
    with pytest.raises(ConnectionFailed, match="iam_endpoint"):
        iam_tokens_of(connection).get(RESOURCE)


@pytest.mark.parametrize(
    "url", ["https://evil.example/", "http://127.0.0.1:1/v2", "http://modelarts.example/"]
)
def test_no_token_leaves_for_another_host(iam, url):
    """Neither is one asked for."""
    service = Service()
    with pytest.raises(InvalidInput, match=r"Check region and endpoint|not encrypted"):
        service.send(modelarts_auth(iam.connection()), ask("GET", url, "modelarts"))

    assert service.seen == iam.asked == []


def test_the_connection_says_how_requests_are_authenticated(iam):
    """Keys sign, users and tokens get tokens; no repr shows a secret."""
    keys = ModelArtsConnection.read(
        "keys", login="AK", password=SECRET, host=iam.url, extra={"region": "cn-north-4"}
    )
    token = modelarts_auth(iam.connection())
    signed = ask("GET", f"{iam.url}/v2", "modelarts")
    seen = Service()
    statuses = seen.send(modelarts_auth(keys), signed)

    assert (statuses, seen.seen) == ([200], [""])
    assert "Access=AK," in signed.headers["authorization"]
    things = [token, iam_credential(iam.connection()), iam_credential(iam.connection()).get_token("x"), keys]
    assert SECRET not in repr(things)
