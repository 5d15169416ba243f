"""IAM, and who may call ModelArts."""

from __future__ import annotations

import json
import time

import pytest

from airflow_batch_provider.emulator.modelarts import signature

from .huawei import ACCESS, PROJECT, SECRET

DATE = "20260102T030405Z"
HOST = "modelarts.cn-north-4.myhuaweicloud.com"
# Made by the vendor's own signer (huaweicloudsdkcore 3.1.219) with the secret key "SKexample/+secret".
GOLDEN = [
    (
        signature.Message("GET", "/v2/p1/workflows", "", {"x-sdk-date": DATE, "host": HOST}, b""),
        "42a88ab83c5dde6e244325d3336d333a6278319ef0a8212bffe69d8e9829e9c6",
    ),
    (
        signature.Message(
            "GET",
            "/v2/p1/workflows",
            "name=%E8%AE%AD%E7%BB%83%20flow&limit=10&labels=a~b&labels=a%2Ab",
            {"x-sdk-date": DATE, "host": HOST},
            b"",
        ),
        "4b1e8e655051dbf5a6d7c9f76f1461e74077926436f5048ce06eafddb4e58b29",
    ),
    (
        signature.Message(
            "POST",
            "/v2/p1/workflows/w1/executions",
            "",
            {"content-type": "application/json", "x-project-id": "p1", "x-sdk-date": DATE, "host": HOST},
            '{"name":"läuft"}'.encode(),
        ),
        "de6e65e60228ffea44701cfd749f049096c82a39b4e54c126f417f990c44a00e",
    ),
    (
        signature.Message(
            "POST",
            "/v2/p1/a b/c",
            "z=&a-b=1&a%21b=2",
            {
                "content-type": "text/plain",
                "x-security-token": "  tok en ",
                "x-sdk-date": DATE,
                "host": HOST,
                "x-sdk-content-sha256": "UNSIGNED-PAYLOAD",
            },
            b"payload",
        ),
        "b729ff2d09822a420727a4fa9ee44cdef1a8ee42f7ecd5bc356ff619fe5f7e04",
    ),
]


@pytest.mark.parametrize(("message", "expected"), GOLDEN)
def test_signature_is_the_vendors(message, expected):
    """The same request gives the same signature as the vendor's own signer made."""
    assert signature.sign(message, tuple(sorted(message.headers)), "SKexample/+secret") == expected


def signed(huawei, method="GET", path="", body=None, *, key=ACCESS, secret=SECRET, late=0, **headers):
    """Send a signed request."""
    content = b"" if body is None else json.dumps(body).encode()
    request = huawei.http.build_request(method, huawei.root + path, content=content)
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - late))
    request.headers.update({"x-sdk-date": moment, "content-type": "application/json", **headers})
    names = tuple(sorted(name for name in request.headers if name in {"host", "x-sdk-date", *headers}))
    message = signature.Message(
        method, request.url.path, request.url.query.decode(), dict(request.headers), content
    )
    value = signature.sign(message, names, secret)
    request.headers["authorization"] = (
        f"SDK-HMAC-SHA256 Access={key}, SignedHeaders={';'.join(names)}, Signature={value}"
    )
    return huawei.http.send(request)


class TestToken:
    def test_is_in_a_header_and_what_is_known_of_it_in_the_body(self, huawei):
        answer = huawei.ask_token()

        token = answer.json()["token"]
        assert answer.status_code == 201
        assert answer.headers["x-subject-token"]
        assert token["project"]["id"] == PROJECT
        assert token["expires_at"].endswith("Z")

    @pytest.mark.parametrize(
        ("options", "status"),
        [
            ({"password": "wrong"}, 401),
            ({"name": "cn-south-1"}, 401),
            ({"id": "other"}, 401),
            ({"id": PROJECT}, 201),
        ],
    )
    def test_is_for_who_knows_the_password_and_names_the_project(self, huawei, options, status):
        answer = huawei.ask_token(**options)

        assert answer.status_code == status
        if status != 201:
            assert answer.json()["error"]["code"] == status

    def test_of_no_project_opens_nothing(self, huawei):
        token = huawei.ask_token(scope=False).headers["x-subject-token"]

        answer = huawei.http.get(huawei.root, headers={"X-Auth-Token": token})

        assert (answer.status_code, answer.json()["error_code"]) == (401, "ModelArts.0207")

    def test_ends_after_its_lifetime(self, huawei):
        huawei.settings(iam_token_lifetime=0)
        token = huawei.ask_token().headers["x-subject-token"]

        answer = huawei.http.get(huawei.root, headers={"X-Auth-Token": token})

        assert answer.status_code == 401
        assert "token expires" in answer.json()["error_msg"]

    @pytest.mark.parametrize(
        ("headers", "reason"),
        [({}, "x-auth-token not found"), ({"X-Auth-Token": "nonsense"}, "decrypt token fail")],
    )
    def test_missing_or_unknown_is_told_by_the_gateway(self, huawei, headers, reason):
        answer = huawei.http.get(huawei.root, headers=headers)

        told = answer.json()
        assert answer.status_code == 401
        assert told["error_code"] == "APIGW.0301"
        assert told["error_msg"] == f"Incorrect IAM authentication information: {reason}"
        assert told["request_id"]

    def test_of_the_other_cloud_opens_nothing(self, huawei):
        form = {"grant_type": "client_credentials", "client_id": "a", "client_secret": "b"}
        answer = huawei.http.post(
            "/tenant/oauth2/v2.0/token", data=form | {"scope": "https://ml.azure.com/.default"}
        )

        token = {"X-Auth-Token": answer.json()["access_token"]}

        assert huawei.http.get(huawei.root, headers=token).status_code == 401

    def test_opens_its_project_in_its_region_only(self, huawei):
        answers = {
            region: huawei.http.get(
                huawei.root, headers=huawei.token | {"Host": f"modelarts.{region}.myhuaweicloud.com"}
            )
            for region in ("cn-north-4", "cn-east-3")
        }

        told = answers["cn-east-3"]
        assert answers["cn-north-4"].status_code == 200
        assert (told.status_code, told.json()["error_code"]) == (403, "ModelArts.0210")

    def test_opens_no_other_project(self, huawei):
        answer = huawei.http.get("/v2/another/workflows", headers=huawei.token)

        assert (answer.status_code, answer.json()["error_code"]) == (403, "ModelArts.0210")


class TestSignature:
    def test_right_one_opens(self, huawei):
        answer = signed(huawei, "POST", body={"name": "x", "steps": [{"name": "a", "type": "model"}]})

        assert answer.status_code == 201
        assert signed(huawei, path="?name=%E8%AE%AD%20x&labels=a~b").status_code == 200

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({"secret": "wrong"}, "verify aksk signature fail"),
            ({"key": "NOBODY"}, "Get secretKey failed,ak:NOBODY,err:ak not exist"),
            ({"late": 15 * 60 + 5}, "signature expired"),
            ({"late": -15 * 60 - 5}, "signature expired"),
        ],
    )
    def test_wrong_one_is_refused_with_its_reason(self, huawei, options, reason):
        answer = signed(huawei, **options)

        assert (answer.status_code, answer.json()["error_code"]) == (401, "APIGW.0301")
        assert reason in answer.json()["error_msg"]

    def test_clock_may_differ_by_less_than_fifteen_minutes(self, huawei):
        assert signed(huawei, late=14 * 60).status_code == 200

    def test_covers_the_body(self, huawei):
        answer = signed(huawei, "POST", body={"name": "x"})
        request = answer.request
        tampered = huawei.http.request("POST", request.url, headers=request.headers, content=b'{"name": "y"}')

        assert answer.json()["error_code"] == "ModelArts.0104"
        assert tampered.json()["error_code"] == "APIGW.0301"

    def test_other_project_is_refused(self, huawei):
        answer = signed(huawei, **{"x-project-id": "another"})

        assert (answer.status_code, answer.json()["error_code"]) == (403, "ModelArts.0210")


class TestTemporaryKeys:
    def key(self, huawei, **token):
        identity = {"methods": ["token"], "token": {"id": huawei.token["X-Auth-Token"]} | token}
        return huawei.http.post("/v3.0/OS-CREDENTIAL/securitytokens", json={"auth": {"identity": identity}})

    def test_open_with_their_security_token_only(self, huawei):
        made = self.key(huawei).json()["credential"]
        pair = {"key": made["access"], "secret": made["secret"]}

        right = signed(huawei, **pair, **{"x-security-token": made["securitytoken"]})
        without, wrong = signed(huawei, **pair), signed(huawei, **pair, **{"x-security-token": "x"})

        assert [answer.status_code for answer in (right, without, wrong)] == [200, 401, 401]

    def test_end_with_the_tokens_when_a_fault_says_so(self, huawei):
        made = self.key(huawei).json()["credential"]
        huawei.faults({"action": "expire_tokens", "times": 1})

        answer = signed(
            huawei,
            key=made["access"],
            secret=made["secret"],
            **{"x-security-token": made["securitytoken"]},
        )

        assert answer.status_code == 401
        huawei.__dict__.pop("token")

    def test_last_fifteen_minutes_to_a_day(self, huawei):
        assert self.key(huawei, duration_seconds=899).status_code == 400
        assert self.key(huawei, duration_seconds=86400).status_code == 201

    def test_survive_no_leak_into_the_journal(self, huawei):
        made = self.key(huawei).json()["credential"]
        huawei.ask_token()
        signed(huawei, **{"x-security-token": made["securitytoken"]})

        told = huawei.http.get("/_emulator/requests").text

        secrets = (made["securitytoken"], made["secret"], huawei.token["X-Auth-Token"], SECRET)
        assert not [secret for secret in secrets if secret in told]
        assert '"caller":"EMULATORACCESSKEY000"' in told


def test_project_is_found_by_its_region(huawei):
    found = huawei.http.get("/v3/projects", params={"name": "cn-north-4"}, headers=huawei.token).json()
    none = huawei.http.get("/v3/projects", params={"name": "nowhere"}, headers=huawei.token).json()

    assert [project["id"] for project in found["projects"]] == [PROJECT]
    assert none["projects"] == []


def test_unknown_route_is_told_by_the_gateway(huawei):
    answer = huawei.http.get(f"/v2/{PROJECT}/nothing")

    assert (answer.status_code, answer.json()["error_code"]) == (404, "APIG.0101")
