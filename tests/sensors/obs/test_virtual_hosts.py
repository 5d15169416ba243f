"""OBS as it is on the cloud: a bucket is a host of its own, reached by TLS, signed for its region."""

from __future__ import annotations

import json
import re
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from airflow_batch_provider import errors
from airflow_batch_provider.emulator import tls
from airflow_batch_provider.hooks.modelarts import ModelArtsHook
from airflow_batch_provider.sensors import BatchOutputSensor
from tests.s3_signature import signature_4
from tests.secret_scan import IAM_PASSWORD, SECRET_KEY

from .conftest import ACCESS

REGION = "cn-north-4"
HOST = f"obs.{REGION}.myhuaweicloud.com"
both_ways = pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])


def certificate(folder):
    """Make an authority, and a certificate of it for the buckets' hosts; return the authority's file."""
    authority, authority_key = tls._authority(folder / "ca.pem", folder / "ca-key.pem")
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        tls._builder(HOST, key, authority.subject)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(f"*.{HOST}")]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    (folder / "server.pem").write_bytes(tls._pem(made))
    tls._write_key(folder / "server-key.pem", key)
    return folder / "ca.pem"


class Cloud:
    """A proxy that takes every host for the emulator's OBS, and keeps what was asked of which host."""

    def __init__(self, folder, emulator):
        self.ca = certificate(folder)
        self.asked = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem", folder / "server-key.pem")
        client = httpx.Client(base_url=emulator.url, trust_env=False)
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_CONNECT(self):
                self.send_response_only(200)
                self.end_headers()
                try:
                    self.connection = context.wrap_socket(self.connection, server_side=True)
                except (ssl.SSLError, ConnectionError):  # the certificate is not trusted
                    self.close_connection = True
                    return
                self.rfile = self.connection.makefile("rb")
                self.wfile = self.connection.makefile("wb", buffering=0)
                self.close_connection = False

            def do_GET(self):
                cloud.asked.append(self)
                answer = client.request(self.command, self.path, headers=dict(self.headers))
                body = answer.content
                self.send_response_only(answer.status_code)
                for name in ("content-type", "etag", "last-modified"):
                    if name in answer.headers:
                        self.send_header(name, answer.headers[name])
                self.send_header("content-length", answer.headers["content-length"])
                self.end_headers()
                self.wfile.write(body)

            def finish(self):
                super().finish()
                self.connection.close()

            do_HEAD = do_GET  # noqa: N815  # the standard library's name

            def log_message(self, *args):
                pass

        self._client = client
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self._client.close()


@pytest.fixture
def cloud(tmp_path, emulator, monkeypatch):
    """Have the cloud's hosts lead to the emulator."""
    running = Cloud(tmp_path, emulator)
    monkeypatch.setenv("HTTPS_PROXY", running.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    yield running
    running.close()


@pytest.fixture(params=["aksk", "token"])
def connection(cloud, emulator, monkeypatch, request):
    """Give a connection whose OBS is the region's own; with a token, OBS gets temporary keys."""
    made = emulator.modelarts_connection()
    made["extra"] |= {"obs_endpoint": f"https://{HOST}", "verify": str(cloud.ca)}
    if request.param == "token":
        made |= {"login": "", "password": IAM_PASSWORD}
        made["extra"] |= {"auth": "token", "iam_user": "emulator", "iam_domain": "emulator"}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(made))
    return made


def signature(request, secret):
    """Sign a request as AWS documents Signature Version 4; return that and what the request says."""
    authorization = request.headers["authorization"]
    access, day, region, names, told = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d+)/([^/]+)/s3/aws4_request, "
        r"SignedHeaders=([^,]+), Signature=(\w+)",
        authorization,
    ).groups()
    right = signature_4(request.command, request.path, request.headers, names, region=region, secret=secret)
    assert request.headers["x-amz-date"][:8] == day
    return access, region, right, told


@both_ways
@pytest.mark.parametrize("bucket", ["emulator"], indirect=True)
def test_the_bucket_is_the_host(bucket, cloud, connection, task, deferrable):
    """No request has the bucket in its path; each is signed for the region, by the keys that it names."""
    bucket.put("out/")
    bucket.put("out/a b+ü.csv", b"1,2\n")

    found = task.run(
        BatchOutputSensor(
            task_id="wait",
            path=f"obs://{bucket.name}/out/",
            deferrable=deferrable,
            poke_interval=0.1,
            timeout=20,
        )
    )

    assert [file["path"] for file in found] == [f"obs://{bucket.name}/out/a b+ü.csv"]
    assert ModelArtsHook().read_file(found[0]["path"]) == b"1,2\n"
    assert {request.headers["host"] for request in cloud.asked} == {f"{bucket.name}.{HOST}"}
    assert not [request.path for request in cloud.asked if bucket.name in request.path]
    for request in cloud.asked:
        access, region, _, _ = signature(request, "")
        temporary = request.headers["x-amz-security-token"]
        assert (region, bool(temporary)) == (REGION, connection["login"] == "")
        assert (access == ACCESS) == (not temporary)
    if connection["login"]:
        for request in cloud.asked:
            _, _, right, told = signature(request, SECRET_KEY)
            assert right == told


@pytest.mark.parametrize("bucket", ["emulator"], indirect=True)
def test_a_certificate_that_is_not_trusted_is_told(bucket, cloud, connection, monkeypatch):
    """Nothing is asked of a host that is not the bucket's."""
    del connection["extra"]["verify"]
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(connection))

    with pytest.raises(errors.ConnectionFailed, match="UnknownIssuer"):
        ModelArtsHook().read_file(f"obs://{bucket.name}/out/a.csv")

    assert cloud.asked == []
