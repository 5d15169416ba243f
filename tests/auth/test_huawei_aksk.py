"""Signatures of Huawei Cloud: as the vendor makes them, and only where they belong."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_provider.auth.huawei_aksk import AkSkAuth, authorization
from airflow_batch_provider.errors import BatchError, InvalidInput
from airflow_batch_provider.services.modelarts.project import Project
from airflow_batch_provider.services.modelarts.regions import endpoints
from airflow_batch_provider.web import AUDIENCE, ask

from .huawei_requests import ACCESS_KEY, COUNT, SECRET_KEY, requests

GOLDEN = json.loads((Path(__file__).parent / "huawei_signatures.json").read_text())["signatures"]
URL = "https://modelarts.cn-north-4.myhuaweicloud.com/v2/p/workflows"
ENDPOINTS = endpoints("cn-north-4")
NOW = 1_767_323_045.0  # 2026-01-02T03:04:05Z


def auth(security_token="", secret_key=SECRET_KEY):
    return AkSkAuth(ACCESS_KEY, secret_key, security_token, ENDPOINTS.hosts(), now=lambda: NOW)


def signed(request, **options):
    return next(auth(**options).sync_auth_flow(request))


def test_two_thousand_requests_are_signed_as_the_vendor_signs_them():
    """Byte for byte the vendor's signature, over odd paths, unicode queries, bodies, types and tokens."""
    made = []
    for one in requests():
        headers, body = dict(one["headers"]), one["body"].encode()
        if headers.get("Content-Type", "application/json").partition("/")[0] == "text":
            headers["X-Sdk-Content-Sha256"] = "UNSIGNED-PAYLOAD"
        found = authorization(
            ACCESS_KEY,
            SECRET_KEY,
            method=one["method"],
            path=quote(one["path"], safe="/"),
            query=one["query"],
            headers=headers,
            body=body,
        )
        made.append(found)

    assert len(made) == len(GOLDEN) == COUNT
    assert made == [
        f"SDK-HMAC-SHA256 Access={ACCESS_KEY}, SignedHeaders={names}, Signature={signature}"
        for names, signature in GOLDEN
    ]


def test_a_request_says_what_it_is_signed_with():
    """Date, host, type, project and security token are signed; what changes on the way is not."""
    request = Project(ENDPOINTS, "cn-north-4", "p1").ask("POST", "w", "executions", body={"a": "中文"})
    sent = signed(request, security_token="STS-TOKEN")
    header = sent.headers["authorization"]

    assert sent.headers["x-sdk-date"] == "20260102T030405Z"
    assert sent.headers["x-security-token"] == "STS-TOKEN"
    assert "SignedHeaders=content-type;host;x-project-id;x-sdk-date;x-security-token," in header
    assert "x-sdk-content-sha256" not in sent.headers


@pytest.mark.parametrize(
    ("content_type", "digested"),
    [("application/json", True), ("application/bson", True), ("text/plain", False), ("", True)],
)
def test_only_known_types_are_digested(content_type, digested):
    """Bodies of other types than JSON are signed by name, as the service expects."""
    headers = {"Content-Type": content_type} if content_type else {}
    request = httpx.Request("POST", URL, headers=headers, content=b"x", extensions={AUDIENCE: "modelarts"})

    assert (signed(request).headers.get("x-sdk-content-sha256") is None) is digested


def test_the_signature_covers_the_query_as_it_is_sent():
    """What the service decodes from the query is what was signed, blanks and plus signs too."""
    text = "a b+c&d=中文/%~"
    request = Project(ENDPOINTS, "cn-north-4", "p1").ask(
        "GET", query={"name": text, "limit": 3, "none": None}
    )
    header = signed(request).headers["authorization"]
    expected = authorization(
        ACCESS_KEY,
        SECRET_KEY,
        method="GET",
        path="/v2/p1/workflows/",
        query=[("name", text), ("limit", "3")],
        headers={
            "host": "modelarts.cn-north-4.myhuaweicloud.com",
            "x-project-id": "p1",
            "x-sdk-date": "20260102T030405Z",
        },
        body=b"",
    )

    assert header == expected
    assert b"+" not in request.url.query


@pytest.mark.parametrize(
    ("url", "audience"),
    [
        ("https://evil.example/v2/p/workflows", "modelarts"),
        ("http://modelarts.cn-north-4.myhuaweicloud.com/v2", "modelarts"),
        ("https://modelarts.cn-north-4.myhuaweicloud.com.evil.example/", "modelarts"),
        ("https://modelarts.cn-north-4.myhuaweicloud.com:8443/", "modelarts"),
        ("https://iam.cn-north-4.myhuaweicloud.com/v3/projects", "modelarts"),
        (URL, "iam"),
        ("https://user@modelarts.cn-north-4.myhuaweicloud.com/v2", "modelarts"),
        ("http://127.0.0.1:8787/v2", "modelarts"),
    ],
)
def test_no_signature_leaves_for_another_host(url, audience):
    """A signature goes to the hosts of its own kind only, and never without encryption."""
    with pytest.raises(InvalidInput) as caught:
        signed(ask("GET", url, audience))

    assert SECRET_KEY not in str(caught.value)


def test_what_needs_no_credential_gets_none():
    """A request to nobody in particular is sent as it is."""
    sent = signed(ask("GET", "https://elsewhere.example/", "none"))

    assert "authorization" not in sent.headers


def test_a_repeated_request_is_signed_anew():
    """Each time that a request is sent it carries the time of then, in a worker and in an event loop."""
    clock = [NOW]
    both = AkSkAuth(ACCESS_KEY, SECRET_KEY, "", ENDPOINTS.hosts(), now=lambda: clock[0])
    request = ask("GET", URL, "modelarts")
    dates = []

    def app(sent):
        dates.append(sent.headers["x-sdk-date"])
        clock[0] += 60
        return httpx.Response(200)

    async def twice():
        async with httpx.AsyncClient(transport=httpx.MockTransport(app), auth=both) as client:
            await client.send(request)

    with httpx.Client(transport=httpx.MockTransport(app), auth=both) as client:
        client.send(request)
    asyncio.run(twice())

    assert dates == ["20260102T030405Z", "20260102T030505Z"]


def test_no_repr_shows_the_key():
    """Neither the auth nor the signed request shows the secret key."""
    request = signed(ask("GET", URL, "modelarts"), security_token="STS")

    assert SECRET_KEY not in repr(auth()) + repr(request) + str(request.headers)


@given(st.text(), st.text(), st.text())
def test_any_name_is_signed_or_refused(workflow, name, key):
    """Whatever stands in a path or a query, there is a signed request or a `BatchError`."""
    try:
        request = Project(ENDPOINTS, "cn-north-4", "p1").ask("GET", workflow, query={"name": name, "x": key})
    except BatchError:
        return
    assert signed(request).headers["authorization"].startswith("SDK-HMAC-SHA256 Access=")
