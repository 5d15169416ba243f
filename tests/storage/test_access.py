"""What is sent where: credentials, the environment, redirects, errors."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from airflow_batch_provider import errors
from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.storage import Access, azure_files

EMPTY = b"<?xml version='1.0'?><EnumerationResults><Blobs/><NextMarker/></EnumerationResults>"
SECRET = "TOPSECRETtopsecretTOPSECRET0000"


class Tokens:
    """Hands out numbered tokens."""

    def __init__(self):
        self.made = 0

    def get(self, resource):
        assert resource == "https://storage.azure.com"
        self.made = self.made or 1
        return SimpleNamespace(value=f"token-{self.made}")

    async def aget(self, resource):
        return self.get(resource)

    def drop(self, resource, token):
        assert token.value == f"token-{self.made}"
        self.made += 1


@pytest.fixture
def folder(server):
    """Return the files of a folder on the server."""
    server.answer = lambda _: (200, {"Content-Type": "application/xml"}, EMPTY)

    def files(access, url=server.url, **options):
        endpoint = f"{url}/account"
        place = {"endpoint_url": endpoint, "account": "account", "container": "c", "path": "out/"}
        return azure_files("azureml://datastores/d/paths/out", access=access, **{**place, **options})

    return files


def refused(status, code=""):
    text = f"<Error><Code>{code}</Code><Message>No.\nRequestId:42-x\nTime:t</Message></Error>"
    return lambda _: (status, {}, text.encode())


def test_a_token_is_sent(folder, server, listed):
    """The token goes into the header."""
    assert listed(folder(Access(tokens=Tokens()))) == []
    assert server.asked[0].headers["Authorization"] == "Bearer token-1"


def test_a_refused_token_is_renewed_once(folder, server, listed):
    """A token that was revoked is replaced; the second refusal is told."""
    tokens = Tokens()
    server.answer = lambda request: (
        (200, {}, EMPTY) if request.headers["Authorization"] == "Bearer token-2" else refused(401)(request)
    )
    assert listed(folder(Access(tokens=tokens))) == []
    assert [request.headers["Authorization"] for request in server.asked] == [
        "Bearer token-1",
        "Bearer token-2",
    ]

    server.answer = refused(401, "InvalidAuthenticationInfo")
    with pytest.raises(errors.AuthenticationFailed, match="Storage Blob Data Reader"):
        listed(folder(Access(tokens=tokens)))


def test_tokens_are_asked_for_before_each_request(folder, server, listed):
    """A wait that is longer than a token's life goes on with the next one."""
    tokens = Tokens()
    files = folder(Access(tokens=tokens))
    listed(files)
    tokens.made = 7
    listed(files)

    assert server.asked[-1].headers["Authorization"] == "Bearer token-7"


def test_a_token_that_cannot_be_had_is_the_error(folder, listed):
    """The issuer's refusal is told as it is, not as a failure of the storage account."""

    class NoTokens(Tokens):
        def get(self, resource):
            raise errors.AuthenticationFailed(f"No token for {resource}: AADSTS7000215")

    with pytest.raises(errors.AuthenticationFailed, match="AADSTS7000215"):
        listed(folder(Access(tokens=NoTokens())))


@pytest.mark.parametrize(
    ("access", "authorization", "query"),
    [
        (Access(), None, ""),
        (Access(sas="sp=rl&sig=a%2Bb%3D"), None, "&sp=rl&sig=a%2Bb%3D"),
        (Access(account_key="a2V5"), "SharedKey account:", ""),
    ],
    ids=["anonymous", "sas", "key"],
)
@pytest.mark.usefixtures("foreign_environment")
def test_the_environment_changes_nothing(folder, server, access, authorization, query):
    """Credentials, endpoints and proxies of the machine are not for these requests."""
    files = folder(access)

    assert files.list() == []
    (request,) = server.asked
    assert request.path == f"/account/c?restype=container&comp=list&prefix=out%2F{query}"
    assert str(request.headers["Authorization"]).startswith(str(authorization))
    assert files.now() > 0


@pytest.fixture
def foreign_environment(monkeypatch):
    """Environment variables that obstore and httpx would follow."""
    for name, value in {
        "AZURE_STORAGE_TOKEN": "of-somebody-else",
        "AZURE_STORAGE_ACCOUNT_KEY": "b3RoZXI=",
        "AZURE_STORAGE_SAS_TOKEN": "sig=other",
        "AZURE_STORAGE_ENDPOINT": "http://127.0.0.1:9/other",
        "AZURE_STORAGE_USE_EMULATOR": "true",
        "AZURE_SKIP_SIGNATURE": "true",
        "AZURE_CLIENT_ID": "a",
        "AZURE_TENANT_ID": "b",
        "AZURE_CLIENT_SECRET": "c",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)


def test_credentials_do_not_follow_a_redirect(folder, server, other_server, listed):
    """Another host that an answer leads to sees neither token nor SAS."""
    server.answer = lambda _: (302, {"Location": f"{other_server.url}/x"}, b"")
    other_server.answer = lambda _: (200, {}, EMPTY)
    for access in (Access(tokens=Tokens()), Access(sas=f"sp=rl&sig={SECRET}"), Access(account_key="a2V5")):
        listed(folder(access))

    assert len(other_server.asked) == 3
    for request in other_server.asked:
        assert "Authorization" not in request.headers
        assert SECRET not in request.path


@pytest.mark.xfail(
    reason="obstore's client tells in Referer where it was sent from, with the query", strict=True
)
def test_no_referer_shows_a_signature(folder, server, other_server):
    """Another host that an answer leads to does not learn a SAS from the address that led there."""
    server.answer = lambda _: (302, {"Location": f"{other_server.url}/x"}, b"")
    other_server.answer = lambda _: (200, {}, EMPTY)
    folder(Access(sas=f"sp=rl&sig={SECRET}")).list()

    assert SECRET not in str(other_server.asked[0].headers)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "InvalidUri", errors.BadRequest),
        (401, "NoAuthenticationInformation", errors.AuthenticationFailed),
        (403, "AuthorizationPermissionMismatch", errors.PermissionDenied),
        (403, "AuthenticationFailed", errors.AuthenticationFailed),
        (404, "ContainerNotFound", errors.NotFound),
        (409, "PublicAccessNotPermitted", errors.PermissionDenied),
        (409, "ContainerBeingDeleted", errors.Conflict),
        (429, "TooManyRequests", errors.Throttled),
        (500, "InternalError", errors.ServiceUnavailable),
        (503, "ServerBusy", errors.ServiceUnavailable),
    ],
)
def test_a_refusal_is_told_in_our_words(folder, server, status, code, kind):
    """Each answer becomes the error by which the caller can act, with status, code and request id."""
    server.answer = refused(status, code)

    with pytest.raises(kind, match="container 'c' of storage account 'account'") as told:
        folder(Access(sas=f"sp=rl&sig={SECRET}")).list()

    assert type(told.value) is kind
    assert (told.value.status, told.value.code, told.value.request_id) == (status, code, "42-x")
    assert SECRET not in f"{told.value!r} {told.value} {told.value.__cause__} {told.value.__context__}"


@pytest.mark.parametrize(
    ("access", "fix"),
    [
        (Access(), "Anonymous reading is not allowed"),
        (Access(sas="sp=rl&sig=a"), "the SAS has not expired"),
        (Access(account_key="a2V5"), "Check the account key"),
        (Access(tokens=Tokens()), "the role 'Storage Blob Data Reader'"),
    ],
    ids=["anonymous", "sas", "key", "identity"],
)
def test_a_refusal_says_what_to_do(folder, server, listed, access, fix):
    """The next step depends on how one asked."""
    server.answer = refused(403, "AuthorizationFailure")

    with pytest.raises(errors.PermissionDenied, match=fix):
        listed(folder(access))


def test_a_problem_that_passes_is_asked_again(folder, server, listed):
    """A single 503 is not worth an error."""
    server.answer = lambda request: refused(503)(request) if len(server.asked) == 1 else (200, {}, EMPTY)

    assert listed(folder(Access())) == []
    assert len(server.asked) == 2


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", EMPTY[:60], b"", b"{}"])
def test_what_is_no_blob_service_is_told(folder, server, listed, body):
    """A proxy's page or a cut answer is no empty folder."""
    server.answer = lambda _: (200, {}, body)

    with pytest.raises(errors.UnexpectedAnswer, match="no storage service"):
        listed(folder(Access()))


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://127.0.0.1:1", "Connection refused"),
        ("https://nowhere.invalid", "dns error"),
        ("tls", "InvalidContentType"),
    ],
)
def test_where_nothing_answers_is_told(folder, server, listed, url, cause):
    """Of a failed connection the cause is told, without a dump."""
    url = server.url.replace("http:", "https:") if url == "tls" else url

    with pytest.raises(errors.ConnectionFailed, match=f"^No answer from container 'c'.*{cause}") as told:
        listed(folder(Access(sas=f"sig={SECRET}"), url=url))

    assert type(told.value) is errors.ConnectionFailed
    assert "\n" not in str(told.value)
    assert SECRET not in str(told.value)


@pytest.mark.parametrize("url", ["http://storage.test", "http://10.0.0.1:10000", "ftp://127.0.0.1"])
def test_nothing_is_sent_unencrypted(folder, url):
    """Plain http is for this machine only."""
    with pytest.raises(InvalidInput, match="not encrypted"):
        folder(Access(sas=f"sig={SECRET}"), url=url)


def test_a_bundle_that_cannot_be_read_is_named(folder, listed, tmp_path):
    """The connection's ``verify`` is named."""
    with pytest.raises(InvalidInput, match=r"verify is '.*nowhere\.pem', which cannot be read"):
        listed(folder(Access(), url="https://127.0.0.1:1", verify=str(tmp_path / "nowhere.pem")))


def test_a_key_that_is_none_is_named(folder, listed):
    """A key that is no base64 cannot be right, and is not shown."""
    with pytest.raises(InvalidInput, match="is not base64") as told:
        listed(folder(Access(account_key=f"{SECRET}!")))

    assert SECRET not in str(told.value)


def test_secrets_are_not_shown():
    """An access has no secrets in its text."""
    assert not re.search("a2V5|sig", repr(Access(sas="sig=a2V5", account_key="a2V5", tokens=Tokens())))


@pytest.fixture(scope="module")
def tls_account():
    with Emulator(tls=True) as emulator:
        yield emulator


def test_tls_with_an_authority_of_ones_own(tls_account, listed, tmp_path):
    """A CA bundle, a file or a folder of files, is trusted besides the system's own."""
    (tmp_path / "ca.pem").write_bytes(tls_account.ca_file.read_bytes())
    for verify in (str(tls_account.ca_file), str(tmp_path), False):
        files = tls_files(tls_account, verify)
        with pytest.raises(errors.NotFound):
            listed(files)
        assert files.now() > 0


def test_an_unknown_authority_is_told(tls_account, listed):
    """Without the bundle nothing is sent, and the error says why."""
    with pytest.raises(errors.ConnectionFailed, match="UnknownIssuer"):
        listed(tls_files(tls_account, verify=True))


def tls_files(emulator, verify):
    place = {"account": "account", "container": "nowhere", "path": "out"}
    url = f"{emulator.url}/blob/account"
    return azure_files(
        "azureml://x", endpoint_url=url, access=Access(account_key="a2V5"), verify=verify, **place
    )
