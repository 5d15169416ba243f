"""From a path to files: who may see what of a connection's credentials."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from airflow_batch_provider.errors import PermissionDenied
from airflow_batch_provider.hooks.azure_ml import AzureMLHook
from airflow_batch_provider.hooks.places import files_at
from airflow_batch_provider.storage import run

EMPTY = b"<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>"


class Stranger:
    """A storage service on a host that does not belong to the connection's cloud."""

    def __init__(self):
        self.public = True
        self.refusal = 403
        self.credentials = []
        stranger = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                shown = self.headers.get("Authorization", "none")
                stranger.credentials.append(shown)
                self.send_response(200 if stranger.public or shown != "none" else stranger.refusal)
                self.send_header("Content-Length", str(len(EMPTY)))
                self.end_headers()
                self.wfile.write(EMPTY)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def stranger():
    running = Stranger()
    yield running
    running.close()


@pytest.mark.usefixtures("service")
def test_no_token_goes_to_a_strangers_host(stranger):
    """A storage account outside of the connection's cloud is asked without the identity."""
    files = run(files_at(f"http://{stranger.host}/account/container/out/", "azure_ml_default"))

    assert files.list() == []
    assert asyncio.run(files.alist()) == []
    assert stranger.credentials == ["none", "none"]


@pytest.fixture
def files(service, stranger):
    """A folder of the default datastore, as if that were on the stranger's host."""
    del service
    stranger.public = False
    hook = AzureMLHook()
    location = hook.locate("azureml://datastores/workspaceblobstore/paths/out/")
    return hook.files(replace(location, endpoint=stranger.host))


@pytest.mark.parametrize("refusal", [403, 404], ids=["forbidden", "hidden"])
def test_a_datastore_on_another_host_is_opened_with_its_own_key(service, stranger, files, refusal):
    """Where no token may go, the datastore's key signs the requests without travelling itself.

    Strangers may be told that the container does not exist.
    """
    stranger.refusal = refusal

    assert files.list() == []
    assert asyncio.run(files.alist()) == []
    assert [shown.split()[0] for shown in stranger.credentials] == ["none", "SharedKey", "SharedKey"]
    asked = [request["path"] for request in service.requests("arm")]
    assert len([path for path in asked if path.endswith("/listSecrets")]) == 1


def test_who_may_not_ask_for_the_key_is_told_the_missing_action(service, files):
    """The refusal to hand out a datastore's key names the action that a role must have."""
    service.fail({"action": "status", "status": 403, "match": {"path": "/listSecrets$"}})

    with pytest.raises(PermissionDenied) as refused:
        files.list()

    action = "Microsoft.MachineLearningServices/workspaces/datastores/listSecrets/action"
    assert action in str(refused.value)
    assert "datastore 'workspaceblobstore'" in str(refused.value)
