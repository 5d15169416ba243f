"""Connections, regions and answers: what a field means, and what the service says."""

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
    InvalidInput,
    NotFound,
    PermissionDenied,
    ServiceUnavailable,
    Throttled,
    UnexpectedAnswer,
)
from airflow_batch_provider.services.modelarts.answers import read, read_list, request_id
from airflow_batch_provider.services.modelarts.connection import ModelArtsConnection
from airflow_batch_provider.services.modelarts.project import Project
from airflow_batch_provider.services.modelarts.regions import REGIONS, endpoints
from airflow_batch_provider.web import check_host

SECRET = "S3CR3T-S3CR3T"
REGION = {"region": "cn-north-4"}
TOKEN = {**REGION, "auth": "token", "iam_user": "u", "iam_domain": "d"}
LOCAL = "http://127.0.0.1:8787"


def conn(extra=None, *, login="AK", password=SECRET, host=None, **instead):
    fields = {"login": login, "password": password, "host": host, "extra": extra or {}}
    return ModelArtsConnection.read("ma_1", **fields, **instead)


# --- regions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("region", REGIONS)
def test_each_region_has_addresses_of_its_own(region):
    """Every address follows from the region's name, and each kind of request has its hosts."""
    found = endpoints(region)

    assert found.modelarts == f"https://modelarts.{region}.myhuaweicloud.com"
    assert found.hosts() == {
        "modelarts": (f"modelarts.{region}.myhuaweicloud.com",),
        "iam": (f"iam.{region}.myhuaweicloud.com",),
        "obs": (f"obs.{region}.myhuaweicloud.com", f"*.obs.{region}.myhuaweicloud.com"),
    }
    assert not found.local
    check_host(f"https://bucket.obs.{region}.myhuaweicloud.com/x", found.hosts()["obs"], "x")


def test_each_address_can_be_overridden():
    """Other clouds, private links and newer regions are reached by their addresses."""
    found = endpoints(
        "moon-1", modelarts="https://m.example", iam="https://i.example", obs="https://o.example"
    )

    assert (found.modelarts, found.iam, found.obs) == (
        "https://m.example",
        "https://i.example",
        "https://o.example",
    )
    assert (
        endpoints("cn-north-4", iam="https://iam.example").obs == "https://obs.cn-north-4.myhuaweicloud.com"
    )


def test_on_this_machine_all_is_the_emulator():
    """A loopback address is that of everything: no credential leaves the machine."""
    found = endpoints("cn-north-4", modelarts=LOCAL)

    assert {found.modelarts, found.iam, found.obs, found.console} == {LOCAL}
    assert found.local
    assert endpoints("", modelarts=LOCAL).local
    assert not endpoints("cn-north-4", modelarts=LOCAL, iam="https://iam.example").local


@pytest.mark.parametrize(
    ("region", "says"),
    [
        ("cn-north4", "Did you mean cn-north-4"),
        ("", "Known are af-north-1"),
        ("None", "Did a template render to nothing?"),
        ("moon-1", "give endpoint, iam_endpoint and obs_endpoint"),
        ("evil.example/", "Give a region's id"),
    ],
)
def test_a_region_that_is_none_is_refused(region, says):
    """A wrong region would be a host that does not exist; names that are like it are offered."""
    with pytest.raises(InvalidInput) as caught:
        endpoints(region)

    assert str(caught.value).startswith(f"region is {region!r}")
    assert says in str(caught.value)


# --- connections ------------------------------------------------------------------------------------------


def test_access_keys_are_login_and_password():
    """The plainest connection: a key pair and a region."""
    found = conn(REGION, password=f"{SECRET}\n")

    assert (found.auth, found.access_key, found.secret_key) == ("aksk", "AK", SECRET)
    assert found.project() == Project(endpoints("cn-north-4"), "cn-north-4")
    assert (found.verify, found.is_emulator) == (True, False)


def test_every_field_is_read():
    """Each field of the form arrives where it belongs."""
    extra = {
        **REGION,
        "project_id": "0123abc",
        "security_token": "STS",
        "workspace_id": "7",
        "endpoint": "https://m.example/",
        "iam_endpoint": "i.example",
        "obs_endpoint": "https://o.example",
        "verify": "false",
        "iam_user": None,
    }
    found = conn(extra)

    assert found.endpoints == endpoints(
        "cn-north-4", modelarts="https://m.example", iam="https://i.example", obs="https://o.example"
    )
    assert (found.project_id, found.workspace_id, found.security_token) == ("0123abc", "7", "STS")
    assert found.verify is False
    assert found.hosts()["iam"] == ("i.example",)


def test_a_user_gets_a_token():
    """With ``token``, login and password are an IAM user's."""
    by_field, by_login = conn(TOKEN, login=None), conn({**TOKEN, "iam_user": ""}, login="u")

    assert by_field.iam_password == SECRET
    assert (by_field.iam_user, by_login.iam_user) == ("u", "u")
    assert by_field.access_key == by_field.secret_key == ""


def test_a_token_that_exists_is_used():
    """A token alone is enough."""
    found = conn({**REGION, "auth": "Token", "security_token": "TOKEN"}, login=None, password=None)

    assert (found.auth, found.security_token, found.iam_password) == ("token", "TOKEN", "")


def test_the_host_is_the_emulator():
    """Host and endpoint are the same thing; plain http is for this machine only."""
    assert conn(REGION, host=LOCAL).is_emulator
    assert conn({**REGION, "endpoint": LOCAL}, host=LOCAL).endpoints.iam == LOCAL


REFUSED = {
    "no keys": (
        REGION,
        {"login": None, "password": None},
        "lacks login (access key), password (secret key).",
    ),
    "no secret key": (
        REGION,
        {"password": ""},
        "auth is 'aksk', but the connection lacks password (secret key).",
    ),
    "no access key": (REGION, {"login": " "}, "login (access key)"),
    "blank secret key": (REGION, {"password": " \n"}, "password (secret key)"),
    "no domain": ({**TOKEN, "iam_domain": ""}, {"login": None}, "lacks iam_domain."),
    "no password": (TOKEN, {"login": "u", "password": None}, "lacks password (of the IAM user)."),
    "no user": (
        {**REGION, "auth": "token"},
        {"login": None, "password": None},
        "lacks iam_user, iam_domain, password",
    ),
    "a token and half a user": (
        {**TOKEN, "security_token": "T"},
        {"login": None, "password": None},
        "password (of",
    ),
    "two users": (TOKEN, {"login": "other"}, "login is 'other' and iam_user is 'u'"),
    "unknown auth": ({**REGION, "auth": "magic"}, {}, "auth is 'magic'. Use one of 'aksk', 'token'."),
    "no region": ({}, {}, "region is ''"),
    "no region, no project": ({}, {"host": LOCAL}, "region is empty, and so is project_id."),
    "wrong region": ({"region": "cn-nort-4"}, {}, "Did you mean cn-north-4"),
    "wrong project": ({**REGION, "project_id": "a/b"}, {}, "project_id is 'a/b'."),
    "two endpoints": ({**REGION, "endpoint": "https://a.example"}, {"host": "https://b.example"}, "give one"),
    "plain http": (REGION, {"host": "http://m.example"}, "nothing secret goes there without TLS"),
    "no URL": (
        {**REGION, "iam_endpoint": "https://"},
        {},
        "iam_endpoint 'https://', which is not a base URL",
    ),
    "key with a line break": (REGION, {"login": "A\nK"}, "login has characters"),
    "token with a blank": ({**REGION, "security_token": "a b"}, {}, "security_token has characters"),
}


@pytest.mark.parametrize(("extra", "fields", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_right_is_named(extra, fields, says):
    """Half-filled and contradicting fields are refused, with the connection and the field."""
    with pytest.raises(InvalidInput) as caught:
        conn(extra, **fields)

    assert str(caught.value).startswith("Connection 'ma_1'")
    assert says in str(caught.value)
    assert SECRET not in str(caught.value)


OWN = {**REGION, "project_id": "p1"}
ELSEWHERE = "ap-southeast-1"


@pytest.mark.parametrize(
    ("extra", "instead", "region", "project"),
    [
        (OWN, {}, "cn-north-4", "p1"),
        (OWN, {"project_id": "p2"}, "cn-north-4", "p2"),
        (OWN, {"region": "cn-north-4"}, "cn-north-4", "p1"),
        (OWN, {"region": ELSEWHERE}, ELSEWHERE, ""),
        (OWN, {"region": ELSEWHERE, "project_id": "p2"}, ELSEWHERE, "p2"),
        ({**OWN, "iam_endpoint": "https://iam.myhuaweicloud.com"}, {"region": ELSEWHERE}, ELSEWHERE, ""),
    ],
)
def test_a_task_may_work_elsewhere(extra, instead, region, project):
    """Another region has other addresses and another project, which is looked up unless it is given."""
    found = conn(extra, **instead)

    assert (found.region, found.project_id) == (region, project)
    assert found.endpoints.modelarts == f"https://modelarts.{region}.myhuaweicloud.com"
    assert found.endpoints.obs == f"https://obs.{region}.myhuaweicloud.com"


def test_a_connection_is_moved_to_where_a_request_goes():
    """What follows from the region moves, what the user has given stays; the emulator is everywhere."""
    moved = conn({**OWN, "iam_endpoint": "https://iam.example.com"}).at(ELSEWHERE, "p2")
    local = conn(OWN, host=LOCAL).at(ELSEWHERE, "p2")

    assert (moved.region, moved.project_id) == (local.region, local.project_id) == (ELSEWHERE, "p2")
    assert moved.endpoints.modelarts == f"https://modelarts.{ELSEWHERE}.myhuaweicloud.com"
    assert moved.endpoints.iam == "https://iam.example.com"
    assert local.endpoints == conn(OWN, host=LOCAL).endpoints
    with pytest.raises(InvalidInput, match="region is 'nowhere'"):
        conn(OWN).at("nowhere", "p2")


def test_the_emulator_is_in_every_region():
    """Its addresses stay; a project of another region is looked up there, too."""
    found = conn({**OWN, "obs_endpoint": f"{LOCAL}/obs"}, host=LOCAL, region=ELSEWHERE)

    assert (found.endpoints.modelarts, found.endpoints.obs) == (LOCAL, f"{LOCAL}/obs")
    assert (found.region, found.project_id) == (ELSEWHERE, "")


@pytest.mark.parametrize(
    ("extra", "instead", "says"),
    [
        (OWN, {"region": "None"}, "region is 'None'. Did a template render to nothing?"),
        (OWN, {"project_id": ""}, "project_id is ''. Did a template render to nothing?"),
        (OWN, {"region": 7}, "region is 7. Give a text, or leave it out."),
        (OWN, {"region": "cn-nort-4"}, "'ma_1', with the task's region: region is 'cn-nort-4', which is not"),
        (OWN, {"project_id": "a/b"}, "'ma_1', with the task's project_id: project_id is 'a/b'"),
        (
            {**OWN, "endpoint": "https://modelarts.x.com", "obs_endpoint": "https://obs.x.com"},
            {"region": ELSEWHERE},
            "has the endpoint and obs_endpoint of its own region, cn-north-4. Use a connection of that",
        ),
    ],
)
def test_where_a_task_cannot_work_is_told(extra, instead, says):
    """Before anything is asked, with the task's argument, and without a request to the wrong region."""
    with pytest.raises(InvalidInput) as caught:
        conn(extra, **instead)

    assert says in str(caught.value)


def test_no_repr_shows_a_secret():
    """A connection can be logged."""
    things = [conn({**REGION, "security_token": SECRET}), conn(TOKEN, login=None)]

    assert SECRET not in repr(things)


def test_the_console_has_the_region():
    """The link opens the console of the region, or the emulator's."""
    assert (
        conn(REGION)
        .project()
        .console_url("w", "e")
        .startswith("https://console.huaweicloud.com/modelarts/?region=cn")
    )
    assert (
        conn(REGION, host=LOCAL).project().console_url() == f"{LOCAL}/modelarts/?region=cn-north-4#/workflow"
    )


FIELDS = (
    "region",
    "project_id",
    "security_token",
    "auth",
    "iam_user",
    "iam_domain",
    "endpoint",
    "iam_endpoint",
)
TEXTS = st.text(max_size=12) | st.sampled_from(
    ["cn-north-4", "token", "aksk", LOCAL, "https://m.example", "u"]
)


@given(
    st.dictionaries(st.sampled_from(FIELDS), TEXTS | st.none() | st.integers()),
    st.none() | TEXTS,
    st.none() | TEXTS,
    st.none() | TEXTS,
)
def test_any_connection_is_read_or_refused(extra, login, password, host):
    """Whatever the form holds, there is a connection whose addresses can be asked, or `InvalidInput`."""
    with suppress(InvalidInput):
        found = conn({**REGION, **extra}, login=login, password=password, host=host)
        with suppress(InvalidInput):
            assert found.project().ask("GET").url.host


# --- answers ----------------------------------------------------------------------------------------------

ANSWERS = {
    "plain": (
        400,
        {"error_code": "ModelArts.1", "error_msg": "Bad."},
        BadRequest,
        "Bad. [HTTP 400, ModelArts.1]",
    ),
    "camel case": (400, {"errorCode": "A.1", "errorMsg": "Bad."}, BadRequest, "Bad. [HTTP 400, A.1]"),
    "code": (400, {"code": "A.1", "message": "Bad."}, BadRequest, "Bad. [HTTP 400, A.1]"),
    "code only": (400, {"error_code": "A.1"}, BadRequest, "no reason was given. [HTTP 400, A.1]"),
    "message only": (400, {"error_msg": "Bad."}, BadRequest, "Bad. [HTTP 400]"),
    "IAM": (
        401,
        {"error": {"code": 401, "message": "The username or password is wrong.", "title": "Unauthorized"}},
        AuthenticationFailed,
        "The username or password is wrong. [HTTP 401, 401]",
    ),
    "two levels down": (400, {"a": {"b": {"error_code": "A.1"}}}, BadRequest, '"A.1"'),
    "gateway": (
        401,
        {"error_code": "APIGW.0301", "error_msg": "decrypt token fail", "request_id": "r-1"},
        AuthenticationFailed,
        "APIGW.0301, request id r-1]",
    ),
    "old gateway": (401, {"error_code": "APIG.0301", "error_msg": "x"}, AuthenticationFailed, "secret key"),
    "throttled": (
        429,
        {"error_code": "APIG.0308", "error_msg": "over ratelimit"},
        Throttled,
        "over ratelimit",
    ),
    "throttled otherwise": (400, {"error_code": "ModelArts.4206", "error_msg": "x"}, Throttled, "x"),
    "no workflow": (
        400,
        {"error_code": "ModelArts.7512", "error_msg": "Workflow x not found"},
        NotFound,
        "not found",
    ),
    "no execution": (400, {"error_code": "ModelArts.7511", "error_msg": "x"}, NotFound, "x"),
    "bad key": (
        403,
        {"error_code": "ModelArts.0206", "error_msg": "x"},
        AuthenticationFailed,
        "access key (login)",
    ),
    "no permission": (
        403,
        {"error_code": "ModelArts.0108", "error_msg": "x"},
        PermissionDenied,
        "modelarts:workflow:go",
    ),
    "other project": (
        403,
        {"error_code": "ModelArts.0210", "error_msg": "x"},
        PermissionDenied,
        "leave project_id",
    ),
    "uuid": (400, {"error_code": "ModelArts.0104", "error_msg": "Key: ''"}, BadRequest, "UUIDs only"),
    "quota": (400, {"error_code": "ModelArts.0118", "error_msg": "x"}, BadRequest, "quota"),
    "workspace": (400, {"error_code": "ModelArts.0102", "error_msg": "x"}, BadRequest, "Check workspace_id."),
    "5xx": (503, {"error_code": "ModelArts.0010", "error_msg": "x"}, ServiceUnavailable, "ModelArts.0010"),
    "text": (502, "Bad gateway", ServiceUnavailable, "Bad gateway"),
    "empty": (500, None, ServiceUnavailable, "no reason was given. [HTTP 500]"),
    "a list": (400, ["x"], BadRequest, "x"),
    "an object that says nothing": (400, {"x": 1}, BadRequest, '{"x":1}'),
    "good, but refused": (
        201,
        {"error_code": "ModelArts.7", "error_msg": "No."},
        BadRequest,
        "No. [HTTP 201",
    ),
    "good, but gone": (200, {"error_code": "ModelArts.7511", "error_msg": "No."}, NotFound, "No."),
    "redirect": (302, None, UnexpectedAnswer, "is a redirect"),
    "html": (200, "<html>", UnexpectedAnswer, "not a JSON object"),
}


def answer(status, body, **headers):
    content = {"content": body.encode()} if isinstance(body, str) else {} if body is None else {"json": body}
    return httpx.Response(status, **content, headers=headers)


@pytest.mark.parametrize(("status", "body", "kind", "says"), ANSWERS.values(), ids=ANSWERS.keys())
def test_each_shape_of_error_is_read(status, body, kind, says):
    """Of the service, of IAM and of gateways, with JSON and without, whatever the status."""
    with pytest.raises(BatchError) as caught:
        read(answer(status, body), "asking", action="go")

    assert type(caught.value) is kind
    assert says in str(caught.value)
    assert str(caught.value).startswith("Asking failed: ")


@pytest.mark.parametrize(
    ("body", "headers", "found"),
    [
        (None, {"X-Request-Id": "r"}, "r"),
        (None, {"X-IAM-Trace-Id": "t"}, "t"),
        ({"request_id": "b"}, {}, "b"),
        ([], {}, ""),
    ],
)
def test_the_request_id_is_for_the_support(body, headers, found):
    """It comes as a header, and from gateways in the body."""
    assert request_id(answer(400, body, **headers)) == found


def test_a_good_answer_is_its_json():
    """An error code that is empty is no error; nothing is nothing."""
    assert read(answer(200, {"error_code": "", "a": 1}), "x") == {"error_code": "", "a": 1}
    assert read(answer(204, None), "x") == {}
    assert read_list(answer(200, [1]), "x") == [1]
    with pytest.raises(BadRequest, match="Mend it"):
        read_list(answer(400, {"error_code": "A"}), "x", fix="Mend it.")


@pytest.mark.parametrize(
    ("headers", "date", "says"),
    [
        ({"X-Sdk-Date": "20260102T030405Z"}, "Fri, 02 Jan 2026 02:34:05 GMT", "clock is 30 minutes ahead of"),
        ({"X-Sdk-Date": "20260102T030405Z"}, "Fri, 02 Jan 2026 04:04:05 GMT", "clock is 60 minutes behind"),
        (
            {"X-Sdk-Date": "20260102T030405Z"},
            "Fri, 02 Jan 2026 03:10:05 GMT",
            "Check the connection's access key",
        ),
        ({"X-Sdk-Date": "20260102T030405Z"}, "soon", "Check the connection's access key"),
        ({"X-Sdk-Date": "now"}, "Fri, 02 Jan 2026 03:10:05 GMT", "Check the connection's access key"),
        ({"X-Auth-Token": SECRET}, "Fri, 02 Jan 2026 03:10:05 GMT", "Check the connection's iam_user"),
    ],
)
def test_a_refused_credential_says_what_to_check(headers, date, says):
    """A clock that is wrong by more than a quarter of an hour makes every signature wrong."""
    refused = answer(401, {"error_code": "APIGW.0301", "error_msg": "verify aksk signature fail"}, Date=date)
    refused.request = httpx.Request("GET", "https://x/", headers=headers)
    with pytest.raises(AuthenticationFailed) as caught:
        read(refused, "asking")

    assert says in caught.value.fix
    assert SECRET not in str(caught.value)


@given(
    st.integers(100, 599),
    st.binary()
    | st.recursive(
        st.text(), lambda b: st.dictionaries(st.sampled_from(["error_code", "error", "message", "code"]), b)
    ).map(lambda b: json.dumps(b).encode()),
)
def test_any_answer_is_read_or_an_error(status, body):
    """No body makes reading fail in another way than an error of ours."""
    with suppress(BatchError):
        read(httpx.Response(status, content=body), "asking")
    with suppress(BatchError):
        read_list(httpx.Response(status, content=body), "asking")
