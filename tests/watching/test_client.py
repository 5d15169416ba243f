"""The client that polls: real sockets, and servers that do what servers do."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from contextlib import asynccontextmanager

import httpx
import pytest

from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.watching.client import PollingClient

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Server:
    """Answers each request with what a script says next, and remembers what it saw."""

    def __init__(self, *answers):
        self.answers, self.requests, self.connections = list(answers), [], 0

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.requests.append(head.decode())
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer is None:
                    await asyncio.sleep(30)
                writer.write(answer.removesuffix(b"CLOSE"))
                if answer.endswith(b"CLOSE"):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(*answers, timeout=5.0, auth=None, verify=None, trust_env=False):
    server = Server(*answers)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    client = PollingClient(
        auth=auth or httpx.Auth(),
        verify=verify or ssl.create_default_context(),
        timeout=httpx.Timeout(timeout),
        trust_env=trust_env,
    )
    try:
        yield server, client, f"http://127.0.0.1:{port}/path?a=b"
    finally:
        await client.aclose()
        listening.close()
        await asyncio.sleep(0.01)  # for the server's ends


def run(story):
    return asyncio.run(asyncio.wait_for(story(), 30))


def test_one_connection_carries_request_after_request():
    """An answer is read to its end, and the connection is used again."""

    async def story():
        async with serving(OK) as (server, client, url):
            answers = [await client.send(httpx.Request("GET", url, headers={"X-A": "b"})) for _ in range(5)]
            return server, answers

    server, answers = run(story)

    assert [answer.text for answer in answers] == ["hi"] * 5
    assert answers[0].request.url.path == "/path"
    assert server.connections == 1
    assert server.requests[0].startswith("GET /path?a=b HTTP/1.1\r\n")
    assert "X-A: b\r\n" in server.requests[0]


def test_requests_at_the_same_time_have_connections_of_their_own():
    """Answers never get mixed up."""

    async def story():
        async with serving(OK) as (server, client, url):
            await asyncio.gather(*(client.send(httpx.Request("GET", url)) for _ in range(5)))
            await asyncio.gather(*(client.send(httpx.Request("GET", url)) for _ in range(5)))
            return server.connections

    assert run(story) == 5


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s"
            % (len(gzip.compress(b"zip")), gzip.compress(b"zip")),
            "zip",
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000, "x" * 1_000_000),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end" + b"CLOSE", "to the end"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, "hi"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test/\r\nContent-Length: 0\r\n\r\n", ""),
    ],
    ids=["chunked", "gzip", "empty", "large", "no-length", "announced", "redirect"],
)
def test_answers_of_every_form_are_read(answer, text):
    """Chunks, codings, length or none; a redirect is an answer like any other."""

    async def story():
        async with serving(answer) as (_, client, url):
            return await client.send(httpx.Request("GET", url))

    assert run(story).text == text


def test_what_follows_a_body_is_no_header():
    """A trailer is not merged into the head, where it would mean something."""
    trailed = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nRetry-After: 9\r\n\r\n"

    async def story():
        async with serving(trailed) as (_, client, url):
            return await client.send(httpx.Request("GET", url))

    answer = run(story)

    assert (answer.text, "Retry-After" in answer.headers) == ("a", False)


def test_a_connection_that_was_closed_meanwhile_is_not_used():
    """A server may close what lies idle; the next request opens another connection."""

    async def story():
        async with serving(OK + b"CLOSE", OK) as (server, client, url):
            for _ in range(2):
                assert (await client.send(httpx.Request("GET", url))).text == "hi"
                await asyncio.sleep(0.05)
            return server.connections

    assert run(story) == 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"CLOSE", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhiCLOSE", httpx.RemoteProtocolError),
        (b"nonsense\r\n\r\nCLOSE", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi", httpx.RemoteProtocolError),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi", httpx.DecodingError),
        (None, httpx.ReadTimeout),
    ],
    ids=["no-answer", "cut", "nonsense", "lengths", "upgrade", "endless", "coding", "silence"],
)
def test_what_goes_wrong_is_an_error_of_httpx(answer, kind):
    """The retry rule knows httpx's errors; each names its request. The next request has a new connection."""

    async def story():
        async with serving(answer, OK, timeout=0.5) as (server, client, url):
            with pytest.raises(kind) as failed:
                await client.send(httpx.Request("GET", url))
            assert (await client.send(httpx.Request("GET", url))).text == "hi"
            return failed.value, server.connections

    error, connections = run(story)

    assert error.request.url.path == "/path"
    assert connections == 2


def test_an_answer_that_nobody_asked_for_is_nobodys():
    """What comes behind an answer is not taken for the answer to the next request."""
    surplus = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"

    async def story():
        async with serving(OK + surplus, OK) as (server, client, url):
            texts = [(await client.send(httpx.Request("GET", url))).text for _ in range(2)]
            return texts, server.connections

    assert run(story) == (["hi", "hi"], 2)


def test_an_answer_to_head_has_no_body():
    """Its length is that of what GET would bring."""

    async def story():
        async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", OK) as (_, client, url):
            return [await client.send(httpx.Request(method, url)) for method in ("HEAD", "GET")]

    head, following = run(story)

    assert (head.content, head.headers["Content-Length"], following.text) == (b"", "1000", "hi")


def test_a_body_is_sent():
    """A request with a body brings it along."""

    async def story():
        async with serving(OK) as (server, client, url):
            await client.send(httpx.Request("POST", url, content=b"x: y\r\n\r\n"))
            return server.requests

    assert run(story)[0].startswith("POST ")
    assert run(story)[1] == "x: y\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [{"X-A": "b\r\nX-C: d"}, {"X-A": "b\nX-C: d"}, {"X-A": "b\x00"}, {"X A": "b"}, {"X-A:b\r\nX-C": "d"}],
    ids=["line", "newline", "nul", "name", "line-in-name"],
)
def test_a_header_cannot_become_two(headers):
    """A token with a line break in it is refused before anything is sent, and not shown."""

    async def story():
        async with serving(OK) as (server, client, url):
            with pytest.raises(httpx.LocalProtocolError) as refused:
                await client.send(httpx.Request("GET", url, headers=headers))
            return str(refused.value), server.requests

    told, requests = run(story)

    assert requests == []
    assert "X-C" not in told


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://no-such-host.invalid/"])
def test_a_host_that_is_not_there_is_a_connect_error(url):
    """Nothing was sent, so it may be asked again whatever it was."""

    async def story():
        async with serving(OK) as (_, client, _url):
            await client.send(httpx.Request("POST", url))

    with pytest.raises(httpx.ConnectError):
        run(story)


def test_a_request_that_is_cancelled_spoils_no_connection():
    """Whatever comes late is nobody's answer."""

    async def story():
        async with serving(None, OK) as (server, client, url):
            asking = asyncio.create_task(client.send(httpx.Request("GET", url)))
            while not server.requests:  # noqa: ASYNC110  # the server has no event
                await asyncio.sleep(0.01)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert (await client.send(httpx.Request("GET", url))).text == "hi"
            return server.connections

    assert run(story) == 2


def test_auth_sees_the_answer_and_may_ask_again():
    """The same `httpx.Auth` as everywhere: it may send the request again with another token."""

    class Auth(httpx.Auth):
        def auth_flow(self, request):
            request.headers["Authorization"] = "old"
            answer = yield request
            if answer.status_code == 401:
                request.headers["Authorization"] = "new"
                yield request

    refused = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"

    async def story():
        async with serving(refused, OK, auth=Auth()) as (server, client, url):
            return await client.send(httpx.Request("GET", url)), server.requests

    answer, requests = run(story)

    assert answer.text == "hi"
    assert ["Authorization: old" in requests[0], "Authorization: new" in requests[1]] == [True, True]


def test_a_proxy_of_the_environment_is_used(monkeypatch):
    """Where the environment names a proxy, requests go through it."""

    async def story():
        async with serving(OK) as (server, _, url):
            monkeypatch.setenv("HTTP_PROXY", url)
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            verify, timeout = ssl.create_default_context(), httpx.Timeout(5)
            client = PollingClient(auth=httpx.Auth(), verify=verify, timeout=timeout, trust_env=True)
            answer = await client.send(httpx.Request("GET", "http://service.test/x"))
            await client.aclose()
            return answer.text, server.requests

    text, requests = run(story)

    assert text == "hi"
    assert requests[0].startswith("GET http://service.test/x HTTP/1.1\r\n")


def test_tls_is_verified(tmp_path):
    """A certificate of the connection's own authority is accepted, any other host's is refused."""

    async def story(url, verify):
        async with serving(OK, verify=verify) as (_, client, _url):
            request = httpx.Request("GET", f"{url}/_emulator/health")
            return [(await client.send(request)).status_code for _ in range(2)]

    with Emulator(tmp_path / "state", tls=True) as emulator:
        known = ssl.create_default_context(cafile=tmp_path / "state" / "ca.pem")
        assert asyncio.run(story(emulator.url, known)) == [200, 200]
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            asyncio.run(story(emulator.url, ssl.create_default_context()))
