from __future__ import annotations

import json
from contextlib import suppress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_provider.errors import (
    AuthenticationFailed,
    BadRequest,
    BatchError,
    Conflict,
    NotFound,
    PermissionDenied,
    ServiceError,
    ServiceUnavailable,
    Throttled,
    UnexpectedAnswer,
)
from airflow_batch_provider.services.azure_ml.answers import inner, need, read, request_id, rows
from airflow_batch_provider.services.azure_ml.workspace import ask

from .script import recorded


def answer(
    status=400, body=None, url="https://e.eastus.inference.ml.azure.com/jobs", audience="ml", **kwargs
):
    return httpx.Response(status, json=body, request=ask("GET", url, audience), **kwargs)


@pytest.mark.parametrize("content", [b"", b"null", b"{}"])
def test_nothing_is_an_empty_object(content):
    """Accepted requests without a result, such as a cancellation, answer with nothing or with null."""
    assert read(httpx.Response(202, content=content), "cancelling") == {}


def test_a_good_answer_is_its_object():
    """The JSON object is returned as it is."""
    assert read(httpx.Response(200, json={"a": [1]}), "asking") == {"a": [1]}


SHAPES = {
    "data plane": (
        recorded("data_plane_not_found"),
        NotFound,
        "NotFoundError",
        "0b9c6a36-3a61-4dbf-9c1d-7b8f2b1f0b3d",
        "Asking failed: Job was not found.",
    ),
    "Resource Manager": (recorded("arm_not_found"), NotFound, None, None, "Asking failed: "),
    "Resource Manager, no token": (
        recorded("arm_unauthorized"),
        AuthenticationFailed,
        None,
        None,
        "Asking failed: ",
    ),
    "issuer": (
        recorded("token_invalid_client"),
        AuthenticationFailed,
        "invalid_client",
        "",
        "Asking failed: AADSTS7000215: Invalid client secret provided.",
    ),
    "flat": (
        answer(400, {"code": "BadArgument", "message": "No.", "details": []}),
        BadRequest,
        "BadArgument",
        "",
        "Asking failed: No.",
    ),
    "with details": (
        answer(
            409, {"error": {"code": "C", "message": "M.", "details": [{"code": "D", "message": "why"}, "x"]}}
        ),
        Conflict,
        "C",
        "",
        "Asking failed: M. D: why",
    ),
    "quota": (
        answer(
            400, {"error": {"code": "QuotaExceeded", "message": "Quota exceeded for Standard DSv2 family."}}
        ),
        BadRequest,
        "QuotaExceeded",
        "",
        "Asking failed: Quota exceeded for Standard DSv2 family.",
    ),
    "plain text": (
        httpx.Response(503, text="upstream connect error", headers={"x-ms-request-id": "R"}),
        ServiceUnavailable,
        "",
        "R",
        "Asking failed: upstream connect error",
    ),
    "HTML": (
        httpx.Response(502, html="<h1>Bad Gateway</h1>"),
        ServiceUnavailable,
        "",
        "",
        "<h1>Bad Gateway</h1>",
    ),
    "empty": (httpx.Response(500), ServiceUnavailable, "", "", "Asking failed: (empty)"),
    "no reason": (answer(429, {"error": {}}), Throttled, "", "", "Asking failed: no reason was given."),
    "a list": (httpx.Response(400, json=["x"]), BadRequest, "", "", 'Asking failed: ["x"]'),
}


@pytest.mark.parametrize(
    ("response", "kind", "code", "request_id_", "says"), SHAPES.values(), ids=SHAPES.keys()
)
def test_every_shape_of_an_error_is_read(response, kind, code, request_id_, says):
    """Status, innermost code, request id and message are found in each of the services' shapes."""
    with pytest.raises(ServiceError) as caught:
        read(response, "asking")

    error = caught.value
    assert type(error) is kind
    assert error.status == response.status_code
    assert says in str(error)
    assert code is None or error.code == code
    assert request_id_ is None or error.request_id == request_id_ == request_id(response)


NOT_THE_SERVICE = {
    "HTML": (httpx.Response(200, html="<title>Sign in</title>"), "text/html"),
    "cut JSON": (httpx.Response(201, content=b'{"name": "batchjob-1'), '{"name": "batchjob-1'),
    "a list": (httpx.Response(200, json=[1]), "[1]"),
    "a text": (httpx.Response(200, json="ok"), '"ok"'),
    "bytes": (httpx.Response(200, content=b"\xff\xfe\x00"), "not a JSON object"),
    "too deep": (httpx.Response(200, content=b"[" * 200_000), "not a JSON object"),
    "codec that is none": (
        httpx.Response(200, content=b"ok", headers={"content-type": "text/plain; charset=hex"}),
        "not a JSON object: ok",
    ),
}


@pytest.mark.parametrize(("response", "says"), NOT_THE_SERVICE.values(), ids=NOT_THE_SERVICE.keys())
def test_what_is_no_json_object_is_not_from_the_service(response, says):
    """A good status with any other body is an `UnexpectedAnswer`, which shows what came."""
    with pytest.raises(UnexpectedAnswer) as caught:
        read(response, "asking")

    assert says in str(caught.value)
    assert "proxy" in caught.value.fix
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("https://evil.example/x?sig=TOPSECRET", "to evil.example,"),
        ("/elsewhere", "to this host,"),
        ("https://[::1/", "to what is not a URL,"),
        ("https://xn--/", "to xn--,"),
    ],
)
def test_a_redirect_is_named_and_not_followed(location, says):
    """The message tells the host that was pointed to, and nothing of what its URL holds."""
    with pytest.raises(UnexpectedAnswer) as caught:
        read(httpx.Response(302, headers={"location": location}), "asking")

    assert says in str(caught.value)
    assert "TOPSECRET" not in str(caught.value)


# --- hints ------------------------------------------------------------------------------------------------


def test_a_refused_permission_names_the_action():
    """A 403 names the RBAC action that the request needs, and a role that has it."""
    with pytest.raises(PermissionDenied) as caught:
        read(answer(403), "asking", action="jobs/cancel/action")

    assert "Microsoft.MachineLearningServices/workspaces/jobs/cancel/action" in caught.value.fix
    assert "'AzureML Data Scientist'" in caught.value.fix


def test_a_refused_token_names_the_fields():
    """A 401 names what to check; the caller's own advice goes before it."""
    with pytest.raises(AuthenticationFailed) as caught:
        read(answer(401), "asking")
    assert "tenantId" in caught.value.fix
    assert "cloud_environment" in caught.value.fix
    assert "ml_audience" not in caught.value.fix

    with pytest.raises(AuthenticationFailed) as caught:
        read(answer(401), "asking", fix="Do this.")
    assert caught.value.fix == "Do this."


@pytest.mark.parametrize(
    ("url", "audience", "hinted"),
    [
        ("https://e.chinaeast2.inference.ml.azure.cn/jobs", "ml", True),
        ("https://management.chinacloudapi.cn/x", "arm", False),
        ("https://e.eastus.inference.ml.azure.com/jobs", "ml", False),
    ],
)
def test_a_refused_token_in_china_hints_at_the_other_audience(url, audience, hinted):
    """Documentation and clients name different audiences there, so a 401 of the data plane names both."""
    with pytest.raises(AuthenticationFailed) as caught:
        read(answer(401, url=url, audience=audience), "asking")

    assert ("set the connection's ml_audience to https://studio.ml.azure.cn" in caught.value.fix) is hinted


# --- parts of an answer -----------------------------------------------------------------------------------


def test_a_missing_part_is_named():
    """The message names the key that is missing and shows what came, without secrets."""
    with pytest.raises(UnexpectedAnswer) as caught:
        need({"properties": {"access_token": "TOPSECRET"}}, "asking", "properties", "status")

    assert "Asking failed: the answer lacks properties.status" in str(caught.value)
    assert "TOPSECRET" not in str(caught.value)


@pytest.mark.parametrize("body", [{}, {"a": None}, {"a": ""}, {"a": []}, {"a": "x"}])
def test_a_part_below_what_is_no_object_is_missing(body):
    """A part of an answer may have any type: nothing below it is found, and nothing breaks."""
    with pytest.raises(UnexpectedAnswer):
        need(body, "asking", "a", "b")
    assert inner(body, "a", "b") == {}
    assert rows(body, "a") == []


def test_rows_are_the_objects_of_a_list():
    """What is no object is no row."""
    assert rows({"value": [{"a": 1}, None, "x", {}]}) == [{"a": 1}, {}]


# --- properties -------------------------------------------------------------------------------------------

SECRET = "S3CR3TS3CR3T"
PLANTED = st.sampled_from(
    [
        f"https://a.blob.core.windows.net/c?sv=1&sig={SECRET}",
        f'{{"access_token": "{SECRET}"}}',
        f"Authorization: Bearer {SECRET}",
        f"client_secret={SECRET}&scope=x",
        f"AccountKey={SECRET};",
        f"https://me:{SECRET}@host/",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | PLANTED,
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "details", "innerError", "error_description"])
            | st.text(),
            below,
            max_size=4,
        )
    ),
)
BODIES = (
    st.binary()
    | st.text().map(lambda text: text.encode("utf-8", "replace"))
    | JSON.map(lambda value: json.dumps(value).encode())
    | PLANTED.map(str.encode)
)
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "location", "x-ms-request-id", "retry-after"]),
    PLANTED
    | st.sampled_from(["text/html; charset=hex", "application/json; charset=utf-16", "text/plain; charset=x"])
    | st.text(st.characters(min_codepoint=32, max_codepoint=126)),
)


@given(st.integers(200, 599), BODIES, HEADERS)
def test_any_answer_is_read_or_refused_and_no_secret_is_shown(status, body, headers):
    """Whatever answers, it is a JSON object or a `BatchError` in which no planted secret can be read."""
    response = httpx.Response(status, content=body, headers=headers)
    try:
        assert isinstance(read(response, "asking"), dict)
    except BatchError as error:
        told = f"{error} {error!r} {error.message} {error.fix} {error.args} {error.summary()}"
        assert SECRET not in told


@given(JSON)
def test_any_part_is_found_or_missing(value):
    """Whatever lies where a part is expected, it is found or `UnexpectedAnswer`."""
    body = {"a": value}
    with suppress(UnexpectedAnswer):
        need(body, "asking", "a", "error")
    assert isinstance(inner(body, "a", "error"), dict)
    assert all(isinstance(row, dict) for row in rows(body, "a"))
