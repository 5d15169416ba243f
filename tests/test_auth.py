"""Tokens: asked for once, kept fresh, and sent nowhere but where they belong."""

from __future__ import annotations

import asyncio
import gc
import http.server
import logging
import ssl
import threading
import time
import traceback
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

import httpx
import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError, ServiceResponseError
from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    CredentialUnavailableError,
    DefaultAzureCredential,
    ManagedIdentityCredential,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from airflow_batch_provider import drive
from airflow_batch_provider.auth import (
    EmulatorCredential,
    EntraAuth,
    Token,
    Tokens,
    azure_credential,
    entra_auth,
    tls_of,
    tokens_of,
)
from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    InvalidInput,
    ServiceUnavailable,
)
from airflow_batch_provider.flow import send
from airflow_batch_provider.services.azure_ml.answers import read
from airflow_batch_provider.services.azure_ml.clouds import CLOUDS
from airflow_batch_provider.services.azure_ml.connection import AzureMLConnection
from airflow_batch_provider.services.azure_ml.hosts import token_hosts
from airflow_batch_provider.services.azure_ml.workspace import ask

# A test that fails leaves connections open, and uvloop never ends if its warning about them is an error.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed resource <TCPTransport:ResourceWarning")

SECRET = "S3CR3T-S3CR3T"
ML, ARM = "https://ml.azure.com", "https://management.azure.com"
JOBS = "https://e.eastus.inference.ml.azure.com/jobs"
NOW = 1_800_000_000.0


@dataclass
class Issued:
    """An access token in azure-identity's shape."""

    token: str
    expires_on: float


@dataclass
class Issuer:
    """Gives out numbered tokens, or raises, and keeps count; waits while its gate is closed."""

    lifetime: float = 3600.0
    now: float = NOW
    error: Exception | None = None
    scopes: list[str] = field(default_factory=list)
    made: int = 0
    gate: threading.Event = field(default_factory=threading.Event)
    asked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __post_init__(self) -> None:
        self.gate.set()

    def get_token(self, *scopes: str) -> Any:
        self.scopes += scopes
        self.asked.release()
        assert self.gate.wait(20)
        if self.error:
            raise self.error
        return Issued(f"{SECRET}-{len(self.scopes)}", self.now + self.lifetime)

    def make(self) -> Issuer:
        self.made += 1
        return self

    def tokens(self) -> Tokens:
        return Tokens(self.make, now=lambda: self.now)

    async def is_asked(self) -> None:
        assert await asyncio.to_thread(self.asked.acquire, timeout=20)


def numbers(*tokens: Token) -> list[int]:
    return [int(token.value.rpartition("-")[2]) for token in tokens]


# --- tokens -----------------------------------------------------------------------------------------------


def test_a_token_is_asked_for_once_per_resource():
    """A token is kept and used again; each resource has its own, all of them one credential."""
    issuer = Issuer()
    tokens = issuer.tokens()

    assert numbers(*(tokens.get(resource) for resource in (ML, ML, ARM, ML, ARM))) == [1, 1, 2, 1, 2]
    assert issuer.scopes == [f"{ML}/.default", f"{ARM}/.default"]
    assert issuer.made == 1


@pytest.mark.parametrize(
    "audience", ["https://ml.azure.com", "https://ml.azure.com/", "https://ml.azure.com/.default"]
)
def test_a_scope_is_the_resource_and_default(audience):
    """An audience may be pasted with or without what makes it a scope."""
    issuer = Issuer()
    issuer.tokens().get(audience)

    assert issuer.scopes == ["https://ml.azure.com/.default"]


@pytest.mark.parametrize(
    ("lifetime", "good_for"),
    [(3600, 3300), (86400, 86100), (1500, 1200), (1000, 800), (100, 80), (10, 8), (0, 0), (-5, 0)],
)
def test_a_token_is_renewed_ahead_of_its_end(lifetime, good_for):
    """Five minutes before, or in the last fifth of a short life, so that no request carries a stale one."""
    issuer = Issuer(lifetime)
    tokens = issuer.tokens()
    first = tokens.get(ML)
    issuer.now += max(good_for - 1, 0)
    before = tokens.get(ML)
    issuer.now = NOW + good_for
    after = tokens.get(ML)

    assert (before == first) is (good_for > 0)
    assert after != before


def test_a_renewal_that_fails_waits_while_the_token_is_good(caplog):
    """When the issuer is away for a moment, the token held goes on; it is not asked at every request."""
    issuer = Issuer()
    tokens = issuer.tokens()
    first = tokens.get(ML)
    issuer.now, issuer.error = NOW + 3400, ServiceRequestError("no route")

    assert [tokens.get(ML).value for _ in range(5)] == [first.value] * 5
    assert len(issuer.scopes) == 2
    issuer.now += 31
    assert tokens.get(ML).value == first.value
    assert len(issuer.scopes) == 3
    assert "no route" in caplog.text
    assert SECRET not in caplog.text
    issuer.now = NOW + 3600
    with pytest.raises(ConnectionFailed):
        tokens.get(ML)
    issuer.error = None
    assert numbers(tokens.get(ML)) == [5]


def test_a_refused_token_is_dropped_with_the_credential_that_keeps_it():
    """A credential would hand out its own copy of the refused token, so the next one is a new one's."""
    issuer = Issuer()
    tokens = issuer.tokens()
    refused, other = tokens.get(ML), tokens.get(ARM)
    tokens.drop(ML, refused)

    assert numbers(tokens.get(ML)) == [3]
    assert tokens.get(ARM) is other
    assert issuer.made == 2


def test_a_token_that_was_replaced_meanwhile_is_not_dropped():
    """Many find out at the same time that a token is refused: only the first makes it be replaced."""
    issuer = Issuer()
    tokens = issuer.tokens()
    refused = tokens.get(ML)
    tokens.drop(ML, refused)
    fresh = tokens.get(ML)
    tokens.drop(ML, refused)
    tokens.drop(ARM, refused)

    assert tokens.get(ML) is fresh
    assert (len(issuer.scopes), issuer.made) == (2, 2)


def test_a_prolonged_token_can_be_dropped():
    """A token that goes on after a failed renewal is still the one that was refused."""
    issuer = Issuer()
    tokens = issuer.tokens()
    first = tokens.get(ML)
    issuer.now, issuer.error = NOW + 3400, ServiceRequestError("no route")
    tokens.get(ML)
    issuer.error = None
    tokens.drop(ML, first)

    assert tokens.get(ML).value != first.value


def test_a_token_that_came_in_between_is_used():
    """Who finds no good token, but one has come before its turn to ask, uses that."""
    issuer = Issuer()
    times = iter([NOW, NOW, NOW + 3600, NOW])  # asked for, issued, too old at first sight, good at the second
    tokens = Tokens(issuer.make, now=lambda: next(times))
    tokens.get(ML)

    assert numbers(tokens.get(ML)) == [1]
    assert len(issuer.scopes) == 1


# --- one question, however many wait ----------------------------------------------------------------------


async def asked_by_many(tokens, issuer, number=1000):
    """Let many tasks wait for a token before the issuer answers; return what each got."""
    issuer.gate.clear()
    waiting = [asyncio.create_task(tokens.aget(ML)) for _ in range(number)]
    await issuer.is_asked()
    for _ in range(3):  # every task has got as far as it can
        await asyncio.sleep(0)
    issuer.gate.set()
    return await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 20)


def test_a_thousand_waiting_tasks_share_one_token():
    """One question to the issuer, one token for all."""
    issuer = Issuer()
    found = asyncio.run(asked_by_many(issuer.tokens(), issuer))

    assert numbers(*found) == [1] * 1000
    assert len(issuer.scopes) == 1


def test_many_threads_share_one_token():
    """The same for threads."""
    issuer = Issuer()
    tokens, found = issuer.tokens(), []
    issuer.gate.clear()
    ready = threading.Barrier(33)

    def wait():
        ready.wait(20)
        found.append(tokens.get(ML))

    threads = [threading.Thread(target=wait) for _ in range(32)]
    for thread in threads:
        thread.start()
    ready.wait(20)
    issuer.gate.set()
    for thread in threads:
        thread.join(20)

    assert numbers(*found) == [1] * 32
    assert len(issuer.scopes) == 1


def test_a_thousand_waiting_tasks_share_one_failure():
    """The issuer is not asked a thousand times when it is away, and each task names its own job."""
    issuer = Issuer(error=ServiceRequestError("no route"))
    found = asyncio.run(asked_by_many(issuer.tokens(), issuer))

    assert len(issuer.scopes) == 1
    assert {type(error) for error in found} == {ConnectionFailed}
    told = {str(error.about(f"job-{number}")) for number, error in enumerate(found)}
    assert len(told) == 1000, "each has an error of its own"
    assert isinstance(found[7].__cause__, ServiceRequestError)


def test_after_a_failure_the_issuer_is_asked_anew():
    """A failure is shared with those who waited for it, not kept."""
    issuer = Issuer(error=ServiceRequestError("no route"))
    tokens = issuer.tokens()
    with pytest.raises(ConnectionFailed):
        tokens.get(ML)
    issuer.error = None

    assert numbers(tokens.get(ML)) == [2]


def test_who_gives_up_waiting_stops_nobody_else():
    """A cancelled task, even the one that asked first, leaves the others waiting for the same token."""
    issuer = Issuer()
    tokens = issuer.tokens()

    async def scenario():
        issuer.gate.clear()
        first, *others = [asyncio.create_task(tokens.aget(ML)) for _ in range(3)]
        await issuer.is_asked()
        first.cancel()
        await asyncio.wait([first])
        assert first.cancelled()
        issuer.gate.set()
        return await asyncio.wait_for(asyncio.gather(*others), 20)

    assert numbers(*asyncio.run(scenario())) == [1, 1]


def test_waiting_for_one_resource_holds_up_no_other():
    """While the issuer is slow with one token, another is had."""
    slow = Issuer()
    tokens = slow.tokens()

    async def scenario():
        slow.gate.clear()
        waiting = asyncio.create_task(tokens.aget(ML))
        await slow.is_asked()
        other = asyncio.create_task(tokens.aget(ARM))
        await slow.is_asked()
        slow.gate.set()
        return await asyncio.wait_for(asyncio.gather(waiting, other), 20)

    assert len(asyncio.run(scenario())) == 2
    assert sorted(slow.scopes) == [f"{ARM}/.default", f"{ML}/.default"]


def test_a_connection_has_one_store_of_tokens():
    """Equal connections share their tokens, different ones do not."""
    one = AzureMLConnection("a", CLOUDS["AzurePublicCloud"], ARM)

    assert tokens_of(one) is tokens_of(replace(one))
    assert tokens_of(one) is not tokens_of(replace(one, tenant_id="T"))


# --- where a token goes -----------------------------------------------------------------------------------

PUBLIC_HOSTS = token_hosts(CLOUDS["AzurePublicCloud"], ARM)
LOCAL_HOSTS = token_hosts(CLOUDS["AzurePublicCloud"], "http://127.0.0.1:8787")
IPV6_HOSTS = token_hosts(CLOUDS["AzurePublicCloud"], "http://[::1]:8787")

ALLOWED = [
    (PUBLIC_HOSTS, "ml", JOBS),
    (PUBLIC_HOSTS, "ml", "HTTPS://E.EastUS.Inference.ML.Azure.com/jobs"),
    (PUBLIC_HOSTS, "ml", "https://e.eastus.inference.ml.azure.com:443/jobs"),
    (PUBLIC_HOSTS, "ml", "https://eastus.api.azureml.ms/mferp/managementfrontend/x"),
    (PUBLIC_HOSTS, "arm", "https://management.azure.com/subscriptions"),
    (PUBLIC_HOSTS, "arm", "https://eastus.api.azureml.ms/history/v1.0"),
    (PUBLIC_HOSTS, "storage", "https://acct.blob.core.windows.net/c/p"),
    (LOCAL_HOSTS, "ml", "http://127.0.0.1:8787/endpoints/eastus/digits/jobs"),
    (LOCAL_HOSTS, "arm", "http://127.0.0.1:8787/subscriptions"),
    (IPV6_HOSTS, "arm", "http://[::1]:8787/subscriptions"),
    (LOCAL_HOSTS, "ml", JOBS),  # a tunnel to Resource Manager alone
]
REFUSED = [
    (PUBLIC_HOSTS, "ml", "https://evil-inference.ml.azure.com/jobs"),
    (PUBLIC_HOSTS, "ml", "https://evilinference.ml.azure.com/jobs"),
    (PUBLIC_HOSTS, "ml", "https://inference.ml.azure.com.evil.example/jobs"),
    (PUBLIC_HOSTS, "ml", "https://e.eastus.inference.ml.azure.com@evil.example/jobs"),
    (PUBLIC_HOSTS, "ml", "https://evil.example/e.eastus.inference.ml.azure.com/jobs"),
    (PUBLIC_HOSTS, "ml", "https://evil.example?x=.inference.ml.azure.com"),
    (PUBLIC_HOSTS, "ml", "https://evil.example#.inference.ml.azure.com"),
    (PUBLIC_HOSTS, "ml", "https://evil.example\\.inference.ml.azure.com/jobs"),
    (PUBLIC_HOSTS, "ml", "https://e.eastus.inference.ml.azure.com./jobs"),
    (PUBLIC_HOSTS, "ml", "https://e.eastus.inference.ml.azure.com:8443/jobs"),
    (PUBLIC_HOSTS, "ml", "http://e.eastus.inference.ml.azure.com/jobs"),
    (PUBLIC_HOSTS, "ml", "https://e.chinaeast2.inference.ml.azure.cn/jobs"),
    (PUBLIC_HOSTS, "ml", "https://management.azure.com/jobs"),
    (PUBLIC_HOSTS, "ml", "http://127.0.0.1/jobs"),
    (PUBLIC_HOSTS, "ml", "/jobs"),
    (PUBLIC_HOSTS, "arm", "https://management.azure.com.evil.example/"),
    (PUBLIC_HOSTS, "arm", "https://evil.management.azure.com/"),
    (PUBLIC_HOSTS, "arm", "https://evilmanagement.azure.com/"),
    (PUBLIC_HOSTS, "arm", "https://evil.inference.ml.azure.com/"),
    (PUBLIC_HOSTS, "arm", "https://acct.blob.core.windows.net/"),
    (PUBLIC_HOSTS, "storage", "http://acct.blob.core.windows.net/c"),
    (PUBLIC_HOSTS, "storage", "https://core.windows.net.evil.example/c"),
    (PUBLIC_HOSTS, "storage", "https://acct.blob.core.chinacloudapi.cn/c"),
    (LOCAL_HOSTS, "arm", "http://127.0.0.1:8788/subscriptions"),
    (LOCAL_HOSTS, "arm", "http://127.0.0.1/subscriptions"),
    (LOCAL_HOSTS, "arm", "http://localhost:8787/subscriptions"),
    (LOCAL_HOSTS, "arm", "http://127.0.0.1.evil.example:8787/"),
    (LOCAL_HOSTS, "arm", "http://127.0.0.1:8787@evil.example/"),
    (LOCAL_HOSTS, "arm", "http://0.0.0.0:8787/"),
    (LOCAL_HOSTS, "arm", "https://management.azure.com/"),
    (IPV6_HOSTS, "arm", "http://[::1]:8788/"),
    (IPV6_HOSTS, "arm", "http://[::]:8787/"),
]


def authorised(auth: EntraAuth, request: httpx.Request, *statuses: int) -> list[str | None]:
    """Drive the blocking auth by hand; return the header of each request that it sends."""
    sent, flow = [], auth.sync_auth_flow(request)
    try:
        step = next(flow)
        for status in statuses or (200,):
            sent.append(step.headers.get("authorization"))
            step = flow.send(httpx.Response(status))
    except StopIteration:
        return sent
    raise AssertionError("asks more often than there are answers")


def aauthorised(auth: EntraAuth, request: httpx.Request, *statuses: int) -> list[str | None]:
    """Do the same with that of an event loop."""

    async def scenario():
        sent, flow = [], auth.async_auth_flow(request)
        try:
            step = await anext(flow)
            for status in statuses or (200,):
                sent.append(step.headers.get("authorization"))
                step = await flow.asend(httpx.Response(status))
        except StopAsyncIteration:
            return sent
        raise AssertionError("asks more often than there are answers")

    return asyncio.run(scenario())


BOTH = pytest.mark.parametrize("authorise", [authorised, aauthorised], ids=["blocking", "async"])
RESOURCES = {"arm": ARM, "ml": ML, "storage": "https://storage.azure.com"}


@BOTH
@pytest.mark.parametrize(("hosts", "audience", "url"), ALLOWED)
def test_a_token_goes_to_its_own_service(authorise, hosts, audience, url):
    """Each kind of token goes to the hosts of its own service, made for that service."""
    issuer = Issuer()
    sent = authorise(EntraAuth(issuer.tokens(), RESOURCES, hosts), ask("GET", url, audience))

    assert sent == [f"Bearer {SECRET}-1"]
    assert issuer.scopes == [f"{RESOURCES[audience]}/.default"]


@BOTH
@pytest.mark.parametrize(("hosts", "audience", "url"), REFUSED)
def test_a_token_goes_nowhere_else(authorise, hosts, audience, url):
    """Any other host is refused before a token is even asked for, and the message names it."""
    issuer = Issuer()
    with pytest.raises(InvalidInput, match=r"no token is sent there|not one that this token may be sent to"):
        authorise(EntraAuth(issuer.tokens(), RESOURCES, hosts), ask("GET", url, audience))

    assert issuer.scopes == []


@BOTH
def test_a_request_for_nobody_carries_no_token(authorise):
    """What needs no token gets none, wherever it goes."""
    issuer = Issuer()
    auth = EntraAuth(issuer.tokens(), RESOURCES, PUBLIC_HOSTS)

    assert authorise(auth, ask("GET", "https://anywhere.example/", "none")) == [None]
    assert authorise(auth, httpx.Request("GET", "https://anywhere.example/")) == [None]
    assert issuer.scopes == []


@BOTH
@pytest.mark.parametrize(
    ("statuses", "used"),
    [
        ((200,), [1]),
        ((401, 200), [1, 2]),
        ((401, 401), [1, 2]),
        ((401, 403), [1, 2]),
        ((403,), [1]),
        ((500,), [1]),
        ((302,), [1]),
    ],
)
def test_a_refused_token_is_replaced_once(authorise, statuses, used):
    """After a 401 the request is sent once more with a fresh token; any other answer is the caller's."""
    issuer = Issuer()
    auth = EntraAuth(issuer.tokens(), RESOURCES, PUBLIC_HOSTS)
    sent = authorise(auth, ask("GET", JOBS, "ml"), *statuses)

    assert sent == [f"Bearer {SECRET}-{number}" for number in used]
    assert len(issuer.scopes) == len(used)


@BOTH
def test_a_failure_to_get_a_token_is_raised_before_anything_is_sent(authorise):
    """No request goes out without its token."""
    auth = EntraAuth(
        Issuer(error=ClientAuthenticationError("AADSTS7000215: no")).tokens(), RESOURCES, PUBLIC_HOSTS
    )

    with pytest.raises(AuthenticationFailed, match="AADSTS7000215"):
        authorise(auth, ask("GET", JOBS, "ml"))


# --- what credentials raise -------------------------------------------------------------------------------


def unavailable(status: int) -> ClientAuthenticationError:
    """Return what azure-identity raises when the issuer answers with a server error."""
    error = ClientAuthenticationError("Unexpected response from Microsoft Entra ID")
    error.status_code = status
    return error


RAISED = {
    "refused": (
        ClientAuthenticationError("AADSTS7000215: Invalid client secret provided."),
        AuthenticationFailed,
    ),
    "nothing configured": (
        CredentialUnavailableError("No managed identity endpoint found."),
        AuthenticationFailed,
    ),
    "no federated token": (
        FileNotFoundError(2, "No such file", "/var/run/secrets/token"),
        AuthenticationFailed,
    ),
    "refused value": (ValueError("invalid scope"), AuthenticationFailed),
    "no route": (ServiceRequestError("Failed to resolve 'login.example'"), ConnectionFailed),
    "no answer": (ServiceResponseError("Read timed out."), ConnectionFailed),
    "reset": (ConnectionResetError("reset by peer"), ConnectionFailed),
    "timeout": (TimeoutError("timed out"), ConnectionFailed),
    "issuer broken": (unavailable(503), ServiceUnavailable),
    "issuer's backend away": (
        ClientAuthenticationError("AADSTS90033: A transient error has occurred."),
        ServiceUnavailable,
    ),
    "issuer's gateway away": (
        ClientAuthenticationError("Authentication failed: HTTP Error: 502"),
        ServiceUnavailable,
    ),
    "tenant throttled": (ClientAuthenticationError("AADSTS90055: Too many requests."), ServiceUnavailable),
    "our own error": (InvalidInput("x is y."), InvalidInput),
    "a bug": (KeyError("x"), KeyError),
}


@pytest.mark.parametrize(("raised", "kind"), RAISED.values(), ids=RAISED.keys())
def test_what_a_credential_raises_is_explained(raised, kind):
    """What to do is told apart: wait, mend the connection, or mend the code."""
    for got in (
        Issuer(error=raised).tokens().get,
        lambda resource: asyncio.run(Issuer(error=raised).tokens().aget(resource)),
    ):
        with pytest.raises(kind) as caught:
            got(ML)
        assert type(caught.value) is kind


# --- credentials ------------------------------------------------------------------------------------------


def read_connection(extra=None, **fields):
    given = {"login": None, "password": None, "host": None} | fields
    return AzureMLConnection.read("azure_1", extra=extra or {}, **given)


def pem_of(key, password=None):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    years = [datetime(year, 1, 1, tzinfo=timezone.utc) for year in (2026, 2036)]
    builder = builder.not_valid_before(years[0]).not_valid_after(years[1])
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    return secret + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    key = rsa.generate_private_key(65537, 2048)
    (folder / "plain.pem").write_bytes(pem_of(key))
    (folder / "locked.pem").write_bytes(pem_of(key, b"open sesame"))
    (folder / "elliptic.pem").write_bytes(pem_of(ec.generate_private_key(ec.SECP256R1())))
    (folder / "garbage.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\ngarbage\n")
    (folder / "empty.pfx").write_bytes(b"")
    return folder


CREDENTIALS = {
    "secret": ({"tenantId": "T"}, {"login": "id", "password": SECRET}, ClientSecretCredential),
    "certificate": (
        {"tenantId": "T", "certificate_path": "plain.pem"},
        {"login": "id"},
        CertificateCredential,
    ),
    "locked certificate": (
        {"tenantId": "T", "certificate_path": "locked.pem"},
        {"login": "id", "password": "open sesame"},
        CertificateCredential,
    ),
    "managed identity": ({"managed_identity_client_id": "M"}, {}, ManagedIdentityCredential),
    "workload identity": (
        {"managed_identity_client_id": "M", "workload_identity_tenant_id": "T"},
        {},
        DefaultAzureCredential,
    ),
    "the machine's": ({}, {}, DefaultAzureCredential),
    "the machine's, China": ({"cloud_environment": "AzureChinaCloud"}, {}, DefaultAzureCredential),
    "emulator": ({}, {"host": "http://127.0.0.1:8787"}, EmulatorCredential),
    "emulator with a secret": (
        {"tenantId": "T"},
        {"host": "http://127.0.0.1:8787", "login": "id", "password": SECRET},
        EmulatorCredential,
    ),
    "emulator with TLS": ({}, {"host": "https://127.0.0.1:8787"}, EmulatorCredential),
    "emulator with TLS and a secret": (
        {"tenantId": "T"},
        {"host": "https://127.0.0.1:8787", "login": "id", "password": SECRET},
        ClientSecretCredential,
    ),
}


@pytest.mark.parametrize(("extra", "fields", "kind"), CREDENTIALS.values(), ids=CREDENTIALS.keys())
def test_a_connection_describes_a_credential(certificates, extra, fields, kind):
    """Which of azure-identity's credentials asks for tokens follows from the fields that are filled."""
    if "certificate_path" in extra:
        extra = extra | {"certificate_path": str(certificates / extra["certificate_path"])}
    credential = azure_credential(read_connection(extra, **fields))

    assert type(credential) is kind
    assert SECRET not in f"{credential!r} {credential}"


UNREADABLE = {
    "missing": ("nowhere.pem", None, "No such file"),
    "a folder": (".", None, "directory"),
    "garbage": ("garbage.pem", None, "which cannot be read"),
    "empty": ("empty.pfx", None, "which cannot be read"),
    "without RSA": ("elliptic.pem", None, "RSA"),
    "locked": ("locked.pem", None, "which cannot be read"),
    "wrong password": ("locked.pem", SECRET, "which cannot be read"),
    "password for an open one": ("plain.pem", SECRET, "which cannot be read"),
}


@pytest.mark.parametrize(("name", "password", "says"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_certificate_that_cannot_be_read_is_named(certificates, name, password, says):
    """The message names the connection, the field and the path, and never the password."""
    path = str(certificates / name)
    connection = read_connection({"tenantId": "T", "certificate_path": path}, login="id", password=password)

    with pytest.raises(InvalidInput) as caught:
        tokens_of(connection).get(ML)
    assert f"Connection 'azure_1' has the certificate_path {path!r}" in str(caught.value)
    assert says in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("name", ["nowhere.pem", "garbage.pem", "empty.pfx"])
def test_a_ca_bundle_that_cannot_be_read_is_named(certificates, name):
    """The message names the connection, the field and the path, whether a client or a credential needs it."""
    connection = read_connection(
        {"verify": str(certificates / name), "tenantId": "T"}, login="id", password="x"
    )

    for needs_it in (tls_of, azure_credential):
        with pytest.raises(InvalidInput, match="Connection 'azure_1' has the verify '") as caught:
            needs_it(connection)
        assert caught.value.fix


@pytest.mark.parametrize("value", [True, False])
def test_verification_is_on_or_off(value):
    """Without a bundle, the switch decides whether certificates are looked at; clients share a context."""
    context = tls_of(read_connection({"verify": value}))

    assert (context.verify_mode is ssl.CERT_REQUIRED) is value
    assert tls_of(read_connection({"verify": value})) is context


def test_verification_takes_a_folder(certificates):
    """A folder of certificates is a bundle, too."""
    context = tls_of(read_connection({"verify": str(certificates)}))

    assert context.verify_mode is ssl.CERT_REQUIRED


def test_nothing_shows_a_secret():
    """Tokens, their store, the auth and the credentials can be logged."""
    issuer = Issuer()
    tokens = issuer.tokens()
    token = tokens.get(ML)
    things = [token, tokens, EntraAuth(tokens, RESOURCES, PUBLIC_HOSTS)]
    things.append(EmulatorCredential("http://127.0.0.1:1", "T", "id", SECRET))

    assert token.value == f"{SECRET}-1"
    assert not [thing for thing in things if SECRET in f"{thing!r} {thing}"]


# --- against real servers ---------------------------------------------------------------------------------

WORKSPACE = "/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices/workspaces/W"


@pytest.fixture(scope="module", params=["http", "https"])
def emulator(request, tmp_path_factory):
    with Emulator(tmp_path_factory.mktemp("state"), tls=request.param == "https") as running:
        yield running
        gc.collect()  # closes what dropped credentials still hold open


# azure-identity asks for tokens over TLS only.
OVER_TLS = pytest.mark.parametrize("emulator", ["https"], indirect=True)


class Control:
    """The emulator's own switches and journal."""

    def __init__(self, emulator: Emulator) -> None:
        verify = tls_of(connection_to(emulator))
        self._http = httpx.Client(base_url=f"{emulator.url}/_emulator", verify=verify, trust_env=False)
        self.post("reset")

    def post(self, what: str, body: Any = None) -> None:
        self._http.post(f"/{what}", json=body).raise_for_status()

    def requests(self, plane: str) -> list[dict[str, Any]]:
        return self._http.get("/requests", params={"plane": plane}).json()["requests"]

    def issued(self) -> int:
        return sum(request["path"].endswith("/token") for request in self.requests("entra"))

    def close(self) -> None:
        self._http.close()


@pytest.fixture
def control(emulator):
    found = Control(emulator)
    yield found
    found.post("reset")
    found.close()


def connection_to(emulator: Emulator, conn_id: str = "emulator_1", **fields) -> AzureMLConnection:
    given = emulator.airflow_connection()
    fields = {name: given[name] for name in ("login", "password", "host")} | fields
    return AzureMLConnection.read(conn_id, extra=given["extra"], **fields)


@pytest.fixture
def connection(emulator, request):
    """A connection of this test's own, so that no token of another test is held."""
    found = connection_to(emulator, request.node.name)
    yield found
    close_credential(found)


def close_credential(connection):
    """Close the connection that a real credential keeps open to its issuer."""
    credential = tokens_of(connection)._credential
    if hasattr(credential, "close"):
        credential.close()


def look_up(url):
    return read((yield from send(ask("GET", url, "arm"))), "looking up a workspace")


def options(connection):
    return {"auth": entra_auth(connection), "verify": tls_of(connection), "trust_env": False, "timeout": 20}


def run(connection, flow):
    with httpx.Client(**options(connection)) as client:
        return drive.run(flow, client)


def arun(connection, *flows):
    async def scenario():
        async with httpx.AsyncClient(**options(connection)) as client:
            return await asyncio.gather(*(drive.arun(flow, client) for flow in flows))

    return asyncio.run(scenario())


def test_tokens_of_the_real_credential_open_the_emulator(emulator, connection, control):
    """azure-identity's own client secret credential over TLS, and the emulator's over plain http."""
    url = connection.workspace("S", "G", "W").url()

    expected = ClientSecretCredential if emulator.ca_file else EmulatorCredential
    assert type(azure_credential(connection)) is expected
    assert run(connection, look_up(url))["name"] == "W"
    assert arun(connection, look_up(url))[0]["name"] == "W"
    assert control.issued() == 1


def test_the_emulators_own_answer_can_be_logged(emulator):
    """What its credential returns shows no token."""
    credential = EmulatorCredential(emulator.url, "T", "id", SECRET, tls_of(connection_to(emulator)))
    got = credential.get_token(f"{ML}/.default")

    assert got.expires_on > time.time()
    assert got.token not in f"{got!r} {got}"


def test_a_token_that_expires_in_the_middle_is_replaced(connection, control):
    """The service refuses a token early: one fresh token from the real credential, and the answer comes."""
    url = connection.workspace("S", "G", "W").url()
    run(connection, look_up(url))
    for once in (run, arun):
        control.post("faults", [{"match": {"plane": "arm"}, "action": "expire_tokens", "times": 1}])
        once(connection, look_up(url))

    assert control.issued() == 3
    assert [request["status"] for request in control.requests("arm")] == [200, 401, 200, 401, 200]


@OVER_TLS
def test_a_thousand_waits_need_one_token(connection, control):
    """A thousand requests at once, by as many tasks, with one token of the real credential."""
    url = connection.workspace("S", "G", "W").url()
    found = arun(connection, *(look_up(url) for _ in range(1000)))

    assert len(found) == 1000
    assert control.issued() == 1
    assert {request["status"] for request in control.requests("arm")} == {200}


@OVER_TLS
def test_a_certificate_is_a_credential(emulator, certificates, control):
    """azure-identity's own certificate credential over TLS."""
    extra = emulator.airflow_connection()["extra"] | {"certificate_path": str(certificates / "locked.pem")}
    connection = AzureMLConnection.read(
        "certificate_1", login="id", password="open sesame", host=emulator.url, extra=extra
    )

    assert type(azure_credential(connection)) is CertificateCredential
    assert run(connection, look_up(connection.workspace("S", "G", "W").url()))["name"] == "W"
    assert control.issued() == 1
    close_credential(connection)


@OVER_TLS
def test_the_identity_of_the_machine_asks_the_connections_authority(emulator, control, monkeypatch):
    """`DefaultAzureCredential` asks the authority and trusts the CA bundle that the connection names."""
    for name, value in {"TENANT_ID": "T", "CLIENT_ID": "id", "CLIENT_SECRET": SECRET}.items():
        monkeypatch.setenv(f"AZURE_{name}", value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    extra = {"authority": emulator.url, "verify": str(emulator.ca_file)}
    connection = AzureMLConnection.read("machine_1", login=None, password=None, host=None, extra=extra)
    credential = azure_credential(connection)

    assert type(credential) is DefaultAzureCredential
    assert tokens_of(connection).get(ARM).value
    assert control.issued() == 1
    close_credential(connection)


def test_the_environments_proxies_do_not_lead_to_the_emulator(connection, control, monkeypatch):
    """No proxy can reach this machine's loopback interface, so none is asked."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    assert tokens_of(connection).get(ARM).value
    assert control.issued() == 1


def test_a_wrong_secret_is_told_in_the_issuers_words(tmp_path, caplog):
    """The issuer's own words and code are kept; the secret is in no message, traceback or log."""
    (tmp_path / "setup.yml").write_text("clients: {app: right}\n")
    caplog.set_level(logging.DEBUG)
    for tls in (False, True):
        with Emulator(tmp_path / str(tls), setup=tmp_path / "setup.yml", tls=tls) as emulator:
            connection = connection_to(emulator, f"wrong_{tls}", password=SECRET)
            with pytest.raises(AuthenticationFailed, match="AADSTS7000215: Invalid client secret") as caught:
                run(connection, look_up(connection.workspace("S", "G", "W").url()))
            assert "client id and secret" in caught.value.fix
            assert SECRET not in "".join(traceback.format_exception(caught.value))
            close_credential(connection)
    assert SECRET not in caplog.text


def test_an_issuer_that_is_down_is_a_lost_connection(emulator, request):
    """Nobody listens there: what waits for a job counts it as an outage."""
    listener = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    closed = f"{emulator.url.partition(':')[0]}://127.0.0.1:{listener.server_port}"
    listener.server_close()
    began = time.monotonic()

    with pytest.raises(ConnectionFailed):
        tokens_of(connection_to(emulator, request.node.name, host=closed)).get(ML)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("path", ["/token$", "configuration$|/token$"])
def test_an_issuer_that_is_broken_is_unavailable(connection, control, path):
    """A server error of the issuer passes, unlike a refusal."""
    control.post("faults", [{"match": {"path": path}, "action": "status", "status": 503}])

    with pytest.raises(ServiceUnavailable):
        tokens_of(connection).get(ML)
