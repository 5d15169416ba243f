"""Tokens: how they are given out, and that each plane takes only its own."""

from __future__ import annotations

import ssl

import httpx
import pytest
from azure.identity import ClientSecretCredential

from airflow_batch_provider.emulator.server import Emulator

from .conftest import WORKSPACE, Azure, write_setup

ARM, ML, STORAGE = "https://management.azure.com", "https://ml.azure.com", "https://storage.azure.com"
HISTORY = f"/history/v1.0{WORKSPACE}/runs/none/children"
DATA = f"/data/v1.0{WORKSPACE}/dataversion/batchGetResolvedUris"
BATCH = "/endpoints/eastus/waiting/jobs"
BLOB = "/blob/emulatorstore/azureml?restype=container&comp=list"


class TestGrant:
    def test_any_client_gets_a_token_when_no_clients_are_set_up(self, azure):
        answer = azure.token(f"{ML}/.default").json()

        assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3599)
        assert len(answer["access_token"]) > 30

    def test_lifetime_is_adjustable(self, azure):
        azure.settings(token_lifetime=60)

        assert azure.token(f"{ML}/.default").json()["expires_in"] == 60

    def test_assertion_of_a_certificate_or_workload_takes_the_place_of_the_secret(self, azure):
        form = {
            "client_secret": "",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": "a.b.c",
        }

        assert azure.token(f"{ML}/.default", **form).status_code == 200

    @pytest.mark.parametrize(
        ("scope", "form", "expected"),
        [
            (f"{ML}/.default", {"grant_type": "password"}, (400, "unsupported_grant_type", 70003)),
            (f"{ML}/.default", {"client_id": ""}, (400, "invalid_request", 900144)),
            (f"{ML}/.default", {"client_secret": ""}, (401, "invalid_client", 7000218)),
            ("", {}, (400, "invalid_request", 900144)),
            (f"{ML}/user_impersonation", {}, (400, "invalid_scope", 1002012)),
        ],
    )
    def test_bad_request_is_told_in_entra_s_words(self, azure, scope, form, expected):
        answer = azure.token(scope, **form)

        body = answer.json()
        assert (answer.status_code, body["error"], *body["error_codes"]) == expected
        assert body["error_description"].startswith(f"AADSTS{expected[2]}: ")

    def test_set_up_clients_need_their_own_secret(self, tmp_path):
        setup = write_setup(tmp_path, "clients: {app: s3cret}\n")
        with Emulator(setup=setup) as emulator:
            azure = Azure(emulator.url)
            good = azure.token(f"{ML}/.default")
            wrong = azure.token(f"{ML}/.default", client_secret="planted")
            unknown = azure.token(f"{ML}/.default", client_id="stranger")
            azure.http.close()

        assert good.status_code == 200
        assert (wrong.status_code, wrong.json()["error_codes"]) == (401, [7000215])
        assert (unknown.status_code, unknown.json()["error_codes"]) == (400, [700016])
        assert "planted" not in wrong.text
        assert (emulator.airflow_connection()["login"], emulator.airflow_connection()["password"]) == (
            "app",
            "s3cret",
        )

    def test_metadata_leads_to_the_token_endpoint(self, azure):
        known = azure.http.get("/tenant/v2.0/.well-known/openid-configuration").json()
        instance = azure.http.get("/common/discovery/instance").json()

        assert known["token_endpoint"] == f"{azure.url}/tenant/oauth2/v2.0/token"
        assert instance["tenant_discovery_endpoint"].startswith(azure.url)


class TestAudiences:
    @pytest.mark.parametrize(
        "audience",
        [
            ARM,
            "https://management.core.windows.net/",
            "https://management.chinacloudapi.cn",
            "https://management.usgovcloudapi.net",
        ],
    )
    def test_arm_takes_the_management_hosts_of_the_three_clouds(self, azure, audience):
        assert azure.http.get(WORKSPACE, headers=azure.bearer(audience)).status_code == 200

    def test_arm_takes_its_own_address(self, azure):
        for url in (azure.url, azure.url.replace("127.0.0.1", "localhost")):
            assert azure.http.get(WORKSPACE, headers=azure.bearer(url)).status_code == 200

    def test_arm_does_not_take_another_local_address(self, azure):
        assert azure.http.get(WORKSPACE, headers=azure.bearer("http://127.0.0.1:1")).status_code == 401

    @pytest.mark.parametrize(
        "audience", [ML, "https://ml.azure.cn", "https://ml.azure.us", "https://studio.ml.azure.cn"]
    )
    def test_batch_plane_takes_the_ml_audiences(self, azure, audience):
        assert azure.http.get(BATCH, headers=azure.bearer(audience)).status_code == 200

    @pytest.mark.parametrize("path", [WORKSPACE, BATCH, HISTORY, DATA, BLOB])
    @pytest.mark.parametrize("audience", [ARM, ML, STORAGE, "https://graph.microsoft.com"])
    def test_token_opens_its_own_planes_only(self, azure, path, audience):
        opens = {WORKSPACE: ARM, BATCH: ML, HISTORY: ARM, DATA: ARM, BLOB: STORAGE}[path]

        answer = azure.http.get(path, headers=azure.bearer(audience))

        assert (answer.status_code == 401) == (audience != opens)

    @pytest.mark.parametrize("path", [WORKSPACE, BATCH, HISTORY, DATA, BLOB])
    @pytest.mark.parametrize(
        "header", [{}, {"Authorization": "Bearer stranger"}, {"Authorization": "Basic YTpi"}]
    )
    def test_missing_or_unknown_token_is_a_401_with_a_challenge(self, azure, path, header):
        answer = azure.http.get(path, headers=header)

        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer authorization_uri=")

    def test_error_has_the_shape_of_its_plane(self, azure):
        arm, batch, blob = (azure.http.get(path) for path in (WORKSPACE, BATCH, BLOB))

        assert arm.json()["error"]["code"] == "AuthenticationFailed"
        assert batch.json()["error"]["innerError"]["code"] == "AuthorizationError"
        assert "<Code>NoAuthenticationInformation</Code>" in blob.text

    def test_expired_token_is_refused_as_expired(self, azure):
        azure.settings(token_lifetime=0)
        header = azure.bearer(ARM)

        answer = azure.http.get(WORKSPACE, headers=header)

        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "ExpiredAuthenticationToken"


class TestStorageAccess:
    @pytest.mark.parametrize("header", ["SharedKey emulatorstore:abc=", "sharedkeylite emulatorstore:abc="])
    def test_account_key_opens_blobs(self, azure, header):
        assert azure.http.get(BLOB, headers={"Authorization": header}).status_code != 401

    @pytest.mark.parametrize(
        ("sas", "status"),
        [
            ("sig=abc", None),
            ("sig=abc&se=2999-01-01T00:00:00Z", None),
            ("sig=abc&se=2999-01-01", None),
            ("sig=", 401),
            ("sig=abc&se=2001-01-01T00:00:00Z", 403),
            ("sig=abc&se=2001-01-01", 403),
        ],
    )
    def test_signature_opens_blobs_until_its_end(self, azure, sas, status):
        answer = azure.http.get(f"{BLOB}&{sas}")

        assert answer.status_code == status if status else answer.status_code not in {401, 403}


def test_state_holds_no_token(azure, emulator):
    """Tokens are kept as hashes, so that a state folder can be passed around."""
    token = azure.bearer(ARM)["Authorization"].removeprefix("Bearer ")
    azure.http.get(WORKSPACE, headers={"Authorization": f"Bearer {token}"})

    files = [path for path in emulator.state_dir.glob("emulator.db*") if path.is_file()]

    assert files
    assert not any(token.encode() in path.read_bytes() for path in files)


def test_vendor_s_credential_gets_a_token_over_tls():
    """azure-identity insists on https and asks for the tenant's metadata first."""
    with Emulator(tls=True) as emulator:
        credential = ClientSecretCredential(
            "tenant",
            "app",
            "s3cret",
            authority=emulator.url,
            disable_instance_discovery=True,
            connection_verify=str(emulator.ca_file),
        )
        with (
            credential,
            httpx.Client(verify=ssl.create_default_context(cafile=str(emulator.ca_file))) as http,
        ):
            header = {"Authorization": f"Bearer {credential.get_token(f'{ARM}/.default').token}"}
            answer = http.get(emulator.url + WORKSPACE, headers=header)

    assert answer.status_code == 200
    assert answer.json()["properties"]["discoveryUrl"] == f"{emulator.url}/discovery"
