"""A storage account on a real port, and a server that answers whatever a test wants."""

from __future__ import annotations

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import httpx
import pytest

from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.storage import Access, azure_files

ACCOUNT = "account"
KEY = Access(account_key="a2V5")


class Account:
    """A storage account of the emulator, which lets in whoever shows a signature or a token of its own."""

    def __init__(self, url):
        self.endpoint = f"{url}/blob/{ACCOUNT}"
        self._control = f"{url}/_emulator"
        self._http = httpx.Client(headers={"Authorization": "SharedKey account:sig"}, trust_env=False)
        self._containers = 0

    def container(self):
        """Create a container and return its name."""
        self._containers += 1
        name = f"container-{self._containers}"
        self._put(name, "", restype="container")
        return name

    def put(self, container, name, body=b"x", **metadata):
        """Write a blob."""
        marks = {f"x-ms-meta-{key}": value for key, value in metadata.items()}
        self._put(f"{container}/{quote(name)}", body, {"x-ms-blob-type": "BlockBlob", **marks})

    def fail(self, **fault):
        """Let requests go wrong."""
        self._http.post(f"{self._control}/faults", json=[fault]).raise_for_status()

    def requests(self):
        """Return what was asked of the blob service since the last reset: method, path and query."""
        answer = self._http.get(f"{self._control}/requests", params={"plane": "blob"})
        return answer.raise_for_status().json()["requests"]

    def reset(self):
        """Forget faults and requests."""
        self._http.delete(f"{self._control}/faults").raise_for_status()
        self._http.delete(f"{self._control}/requests").raise_for_status()

    def close(self):
        self._http.close()

    def _put(self, path, body, headers=None, **query):
        url = f"{self.endpoint}/{path}"
        self._http.put(url, params=query or None, content=body, headers=headers).raise_for_status()


@pytest.fixture(scope="session")
def shared_account():
    with Emulator() as emulator:
        account = Account(emulator.url)
        yield account
        account.close()


@pytest.fixture
def account(shared_account):
    shared_account.reset()
    yield shared_account
    shared_account.reset()


@pytest.fixture
def container(account):
    """A container of its own, with the files of a job's output in ``out``."""
    name = account.container()
    for blob in ("out/a.csv", "out/b.txt", "out/deep/c.csv", "out/deep/er/d.csv", "outside/e.csv", "out.csv"):
        account.put(name, blob, blob.encode())
    account.reset()
    return name


@pytest.fixture
def place(account, container):
    """Return the files at a path of the container."""

    def files(path, *, access=KEY, uri=None, container=container, **options):
        return azure_files(
            uri or f"azureml://datastores/d/paths/{path}",
            endpoint_url=options.pop("endpoint_url", account.endpoint),
            account=ACCOUNT,
            container=container,
            path=path,
            access=access,
            **options,
        )

    return files


@pytest.fixture(params=["worker", "event loop"])
def listed(request):
    """List files, once as a worker does and once in an event loop; both must tell the same."""

    def look(files, glob=None):
        return files.list(glob) if request.param == "worker" else asyncio.run(files.alist(glob))

    return look


class Server:
    """Answers every request as told, and remembers what was asked."""

    def __init__(self):
        self.asked = []
        self.answer = lambda request: (200, {}, b"")
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append(self)
                status, headers, body = server.answer(self)
                self.send_response_only(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815  # the standard library's name

            def log_message(self, *args):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def server():
    running = Server()
    yield running
    running.close()


@pytest.fixture
def other_server():
    running = Server()
    yield running
    running.close()
