"""A hostile service: whatever it answers, no token, key or secret goes anywhere but to its own service."""

from __future__ import annotations

import asyncio
import http.server
import itertools
import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from airflow_batch_provider import drive
from airflow_batch_provider.auth import EntraAuth, Tokens, entra_auth
from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.errors import BatchError, InvalidInput
from airflow_batch_provider.hooks.azure_ml import AzureMLHook
from airflow_batch_provider.jobs import JobRef
from airflow_batch_provider.services.azure_ml import uris
from airflow_batch_provider.services.azure_ml.clouds import CLOUDS
from airflow_batch_provider.services.azure_ml.connection import AzureMLConnection
from airflow_batch_provider.services.azure_ml.deployments import Deployments
from airflow_batch_provider.services.azure_ml.history import describe
from airflow_batch_provider.services.azure_ml.invocation import invocation
from airflow_batch_provider.services.azure_ml.listing import listed
from airflow_batch_provider.services.azure_ml.outputs import default_datastore_uri
from airflow_batch_provider.services.azure_ml.secrets import datastore_secret
from airflow_batch_provider.services.azure_ml.workspace import ask

pytestmark = pytest.mark.filterwarnings("ignore:unclosed resource <TCPTransport:ResourceWarning")

DATA = "azureml://datastores/workspaceblobstore/paths/out/a.csv"
SETUP = """
endpoints:
  letters:
    defaults: {deployment_name: plain}
    deployments: {plain: {emulator: {run_seconds: 100000}}}
"""
SECRET = "S3CR3T-S3CR3T"
ORDER = invocation(endpoint_name="letters", input=DATA)


class Elsewhere:
    """A server of somebody else's that keeps what it was sent, and answers as told."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.answer: dict[str, Any] = {}
        elsewhere = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                elsewhere.seen.append(f"{self.command} {self.path}\n{self.headers}{body.decode()}")
                answer = json.dumps(elsewhere.answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer)

            do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815  # the standard library's names

            def log_message(self, *args):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def credentials(self) -> list[str]:
        """What it was shown that opens anything."""
        words = ("bearer", "client_secret", SECRET.lower())
        return [request for request in self.seen if any(word in request.lower() for word in words)]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def elsewhere():
    running = Elsewhere()
    yield running
    running.close()


class Service:
    """The emulator, told to lie; a job of it that runs; and a connection that holds no token yet."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._http = httpx.Client(base_url=f"{emulator.url}/_emulator", trust_env=False)
        self.reset()

    def reset(self) -> None:
        for what in ("faults", "requests"):
            self._http.delete(f"/{what}").raise_for_status()

    def lie(self, match: dict[str, str], status: int, headers: Any = None, body: Any = None) -> None:
        fault = {"action": "status", "match": match, "status": status, "headers": headers or {}, "body": body}
        self._http.post("/faults", json=[fault]).raise_for_status()

    def statuses(self) -> list[int]:
        return [request["status"] for request in self._http.get("/requests").json()["requests"]]

    def connection(self) -> str:
        return json.dumps({**self._emulator.airflow_connection(), "password": SECRET})

    def close(self) -> None:
        self._http.close()


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory):
    setup = tmp_path_factory.mktemp("hostile") / "setup.yml"
    setup.write_text(SETUP)
    with Emulator(setup=setup) as emulator:
        service = Service(emulator)
        yield service
        service.close()


_NUMBERS = itertools.count()


@pytest.fixture
def hook(shared_service, monkeypatch):
    """A hook whose connection holds no token yet."""
    conn_id = f"hostile_{next(_NUMBERS)}"
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", shared_service.connection())
    found = AzureMLHook(conn_id)
    found.open()
    return found


@pytest.fixture(scope="module")
def ref(shared_service):
    """A job that runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_OF_THE_JOB", shared_service.connection())
        found = AzureMLHook("of_the_job")
        found.open()
        plan = found.run(found.service.plan(ORDER))
        return found.run(found.service.submit(plan, "marker"))[0]


@pytest.fixture
def service(shared_service, ref):
    del ref
    shared_service.reset()
    yield shared_service
    shared_service.reset()


Flows = Callable[[AzureMLHook, JobRef], Any]


def invoke(hook, ref):
    del ref
    plan = yield from hook.service.plan(ORDER)
    return (yield from hook.service.submit(plan, "marker"))


KINDS: dict[str, tuple[dict[str, str], Flows]] = {
    "token": ({"path": "/token$"}, lambda hook, _: describe(hook.workspace)),
    "workspace": ({"path": "/workspaces/emulator$"}, lambda hook, _: describe(hook.workspace)),
    "endpoint": ({"path": "/batchEndpoints/letters$"}, lambda hook, _: hook.service.endpoint("letters")),
    "deployment": (
        {"path": "/deployments/plain$"},
        lambda hook, _: Deployments().get(hook.workspace, "letters", "plain"),
    ),
    "invoke": ({"method": "POST", "plane": "batch"}, invoke),
    "job": ({"method": "GET", "plane": "batch"}, lambda hook, ref: hook.service.get(ref)),
    "job at Resource Manager": (
        {"plane": "arm", "path": "/jobs/"},
        lambda hook, ref: hook.service.get(JobRef("azure_ml", ref.id)),
    ),
    "list": ({"plane": "batch"}, lambda hook, ref: listed(ref.place["scoring_uri"], "ml", "listing")),
    "cancel": ({"path": "/cancel$"}, lambda hook, ref: hook.service.cancel(ref)),
    "datastore": ({"path": "/datastores/workspaceblobstore$"}, lambda hook, _: hook._locate(DATA)),
    "default datastore": ({"path": "/datastores$"}, lambda hook, _: default_datastore_uri(hook.workspace)),
    "secrets": (
        {"path": "/listSecrets$"},
        lambda hook, _: datastore_secret(hook.workspace, uris.parse(DATA, "path")),
    ),
    "discovery": ({"path": "/discovery"}, lambda hook, ref: hook.service.outputs(ref)),
    "run's children": ({"path": "/children"}, lambda hook, ref: hook.service.outputs(ref)),
    "run data": ({"path": "/rundata"}, lambda hook, ref: hook.service.outputs(ref)),
    "run's details": ({"path": "/details"}, lambda hook, ref: hook.service.explain(ref)),
}
REDIRECTS = [301, 302, 303, 307, 308]


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("way", ["worker", "event loop"])
@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize(("match", "flow"), KINDS.values(), ids=KINDS)
def test_no_request_follows_a_redirect(service, hook, ref, elsewhere, match, flow, status, way):  # noqa: PLR0917
    """Whatever is asked, and however the service redirects it, the host named there is not asked."""
    service.lie(match, status, {"Location": f"{elsewhere.url}/x"})

    with pytest.raises(BatchError, match=r"redirect|No answer|HTTP 30"):
        hook.run(flow(hook, ref)) if way == "worker" else asyncio.run(hook.arun(flow(hook, ref)))

    assert status in service.statuses()
    assert elsewhere.seen == []


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize(
    "look", [lambda files: files.list(), lambda files: files.read()], ids=["list", "read"]
)
def test_a_redirect_takes_no_token_of_storage_elsewhere(service, hook, elsewhere, look, status):
    """Storage clients follow redirects; the token stays behind."""
    files = hook.files(hook.locate(DATA))
    service.lie({"plane": "blob"}, status, {"Location": f"{elsewhere.url}/x"})

    with suppress(BatchError):
        look(files)

    assert status in service.statuses()
    assert elsewhere.credentials == []
    assert not [request for request in elsewhere.seen if "authorization" in request.lower()]


def test_a_client_that_follows_redirects_leaves_the_token_behind(service, hook, elsewhere):
    """If a client did follow a redirect, the token would not go along."""
    service.lie({"path": "/workspaces/emulator$"}, 302, {"Location": elsewhere.url})
    options = {"auth": entra_auth(hook.connection), "trust_env": False, "follow_redirects": True}
    with httpx.Client(**options) as client:
        drive.run(describe(hook.workspace), client)

    assert len(elsewhere.seen) == 1
    assert elsewhere.credentials == []


def discover(hook, ref):
    return hook.service.outputs(JobRef("azure_ml", ref.id))


# What is answered to which request, and who reads it; {elsewhere} stands for the other server.
LIES: dict[str, tuple[dict[str, str], Any, Flows]] = {
    "nextLink": (
        {"plane": "batch"},
        {"value": [], "nextLink": "{elsewhere}/jobs?page=2"},
        lambda hook, ref: listed(ref.place["scoring_uri"], "ml", "listing"),
    ),
    "nextLink without a scheme": (
        {"plane": "batch"},
        {"value": [], "nextLink": "//{host}/jobs"},
        lambda hook, ref: listed(ref.place["scoring_uri"], "ml", "listing"),
    ),
    "scoringUri": (
        {"path": "/batchEndpoints/letters$"},
        {"properties": {"scoringUri": "{elsewhere}/jobs", "defaults": {"deploymentName": "plain"}}},
        invoke,
    ),
    "api": ({"path": "/discovery"}, {"api": "{elsewhere}"}, discover),
    "api with the right host as user": ({"path": "/discovery"}, {"api": "http://127.0.0.1@{host}"}, discover),
}


def told(lie: Any, elsewhere: Elsewhere) -> Any:
    text = json.dumps(lie).replace("{elsewhere}", elsewhere.url).replace("{host}", elsewhere.host)
    return json.loads(text)


@pytest.mark.parametrize("way", ["worker", "event loop"])
@pytest.mark.parametrize(("match", "body", "flow"), LIES.values(), ids=LIES)
def test_an_address_in_an_answer_gets_no_token(service, hook, ref, elsewhere, match, body, flow, way):  # noqa: PLR0917
    """A host that an answer names and that is not the service's is refused before anything is sent there."""
    service.lie(match, 200, body=told(body, elsewhere))

    with pytest.raises(
        InvalidInput, match=r"not one that this token may be sent to|not encrypted|not a URL|with a user"
    ):
        hook.run(flow(hook, ref)) if way == "worker" else asyncio.run(hook.arun(flow(hook, ref)))

    assert elsewhere.seen == []


def test_discovery_elsewhere_is_asked_without_a_token(service, hook, ref, elsewhere):
    """Its address is the service's to choose and needs no token; what it names gets none, either."""
    elsewhere.answer = {"api": elsewhere.url}
    service.lie({"path": "/workspaces/emulator$"}, 200, body={"properties": {"discoveryUrl": elsewhere.url}})

    with pytest.raises(InvalidInput, match="not one that this token may be sent to"):
        hook.run(discover(hook, ref))

    assert len(elsewhere.seen) == 1
    assert elsewhere.credentials == []


@pytest.mark.parametrize("header", ["Location", "Azure-AsyncOperation", "Operation-Location"])
def test_the_address_of_an_operation_is_not_asked(service, hook, ref, elsewhere, header):
    """Cancelling is done when it is accepted; where the operation could be followed does not matter."""
    service.lie({"path": "/cancel$"}, 202, {header: f"{elsewhere.url}/operation", "Retry-After": "0"})

    hook.run(hook.service.cancel(ref))

    assert elsewhere.seen == []


def test_a_stored_address_gets_no_token(hook, elsewhere):
    """A job's reference that somebody changed in Airflow's database leads no token elsewhere."""
    changed = JobRef("azure_ml", "job", {"scoring_uri": f"{elsewhere.url}/jobs"})

    with pytest.raises(InvalidInput, match="not one that this token may be sent to"):
        hook.run(hook.service.get(changed))

    assert elsewhere.seen == []


@pytest.mark.parametrize(
    "endpoint", ["{host}", "{host}\\@{own}/blob"], ids=["plain", "as two parsers read it"]
)
@pytest.mark.parametrize(
    "look", [lambda files: files.list(), lambda files: files.read()], ids=["list", "read"]
)
def test_a_datastore_elsewhere_gets_no_token(service, hook, elsewhere, look, endpoint):
    """Only a signature made with the datastore's own key goes there, never a token and never the key."""
    own = hook.connection.arm.removeprefix("http://")
    datastore = {
        "accountName": "account",
        "containerName": "c",
        "protocol": "http",
        "endpoint": endpoint.format(host=elsewhere.host, own=own),
        "datastoreType": "AzureBlob",
    }
    service.lie({"path": "/datastores/workspaceblobstore$"}, 200, body={"properties": datastore})
    files = hook.files(hook.locate(DATA))
    with suppress(BatchError):
        look(files)

    assert bool(elsewhere.seen) is (endpoint == "{host}")
    assert elsewhere.credentials == []


@pytest.mark.parametrize("endpoint", ["storage.evil.example", "core.windows.net.evil.example"])
def test_a_datastore_elsewhere_without_tls_is_not_asked(service, hook, endpoint):
    """Plain http is for this machine alone, also where an answer asks for it."""
    datastore = {"accountName": "a", "containerName": "c", "protocol": "http", "endpoint": endpoint}
    service.lie({"path": "/datastores/workspaceblobstore$"}, 200, body={"properties": datastore})

    with pytest.raises(InvalidInput, match="not encrypted"):
        hook.files(hook.locate(DATA))


# --- hosts that are not this machine's: recorded, not connected to ---------------------------------------


def issuer() -> Any:
    token = SimpleNamespace(token=SECRET, expires_on=time.time() + 3600)
    return SimpleNamespace(get_token=lambda *_: token)


def sent(cloud: str, audience: str, url: str) -> list[httpx.Request]:
    """Ask a URL with a token of an audience; return what would have left the machine."""
    requests = []

    def record(request):
        requests.append(request)
        return httpx.Response(200, json={})

    connection = AzureMLConnection.read(
        "c", login=None, password=None, host=None, extra={"cloud_environment": cloud}
    )
    auth = EntraAuth(Tokens(issuer), connection.audiences(), connection.hosts())
    with httpx.Client(auth=auth, transport=httpx.MockTransport(record)) as client:
        client.send(ask("GET", url, audience))
    return requests


HOSTS = [
    (name, audience, host)
    for name, cloud in CLOUDS.items()
    for audience, host in (
        ("arm", cloud.arm.removeprefix("https://")),
        ("arm", f"eastus.{cloud.api}"),
        ("ml", f"e.eastus.{cloud.inference}"),
        ("ml", f"eastus.{cloud.api}"),
        ("storage", f"acct.blob.{cloud.storage}"),
    )
]
LOOK_ALIKES = {
    "suffix": "https://{host}.evil.example/x",
    "other top-level domain": "https://{host}.example/x",
    "user": "https://{host}@evil.example/x",
    "user and password": "https://{host}:443@evil.example/x",
    "path": "https://evil.example/{host}",
    "query": "https://evil.example?{host}",
    "fragment": "https://evil.example#{host}",
    "backslash": "https://evil.example\\.{host}/x",
    "backslash and user": "https://evil.example\\@{host}/x",
    "port": "https://{host}:8443/x",
    "http": "http://{host}/x",
    "http on the port of https": "http://{host}:443/x",
    "trailing dot": "https://{host}./x",
    "two dots": "https://{host}../x",
    "quoted dot": "https://{host}%2eevil.example/x",
    "quoted slash": "https://evil.example%2f.{host}/x",
    "ideographic dot": "https://{host}\u3002evil.example/x",
    "full-width dot": "https://{host}\uff0eevil.example/x",
    "half-width dot": "https://{host}\uff61evil.example/x",
    "soft hyphen": "https://{host}\u00ad.evil.example/x",
    "Cyrillic": "https://{cyrillic}/x",
    "blank": "https://{host} .evil.example/x",
    "tab": "https://{host}\t.evil.example/x",
    "line break": "https://{host}\n.evil.example/x",
    "NUL": "https://{host}\0.evil.example/x",
    "no scheme": "//{host}.evil.example/x",
    "ftp": "ftp://{host}/x",
}


@pytest.mark.parametrize("shape", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
@pytest.mark.parametrize(("cloud", "audience", "host"), HOSTS)
def test_a_look_alike_gets_no_token(cloud, audience, host, shape):
    """In every cloud, a host that only looks like the service's is refused before anything is sent."""
    cyrillic = host.replace("e", "\u0435").replace("a", "\u0430").replace("c", "\u0441")
    with pytest.raises(InvalidInput):
        sent(cloud, audience, shape.format(host=host, cyrillic=cyrillic))


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_domain_with_something_in_front_gets_no_token(cloud):
    """Resource Manager has one host; of a domain, only what a dot separates is below it."""
    of = CLOUDS[cloud]
    arm = of.arm.removeprefix("https://")
    for audience, host in (
        ("arm", f"evil-{arm}"),
        ("arm", f"evil.{arm}"),
        *(
            (kind, f"evil-{domain}")
            for kind, domain in (("arm", of.api), ("ml", of.inference), ("storage", of.storage))
        ),
    ):
        with pytest.raises(InvalidInput, match="not one that this token may be sent to"):
            sent(cloud, audience, f"https://{host}/x")


@pytest.mark.parametrize(("cloud", "audience", "host"), HOSTS)
def test_the_services_own_hosts_get_the_token(cloud, audience, host):
    """In every cloud, in any case of letters, and with the port that https has anyway."""
    for url in (f"https://{host}/x", f"HTTPS://{host.upper()}/x", f"https://{host}:443/x"):
        (request,) = sent(cloud, audience, url)
        assert request.headers["Authorization"] == f"Bearer {SECRET}"
        assert request.url.host == host
