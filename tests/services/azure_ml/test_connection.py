from __future__ import annotations

from contextlib import suppress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_provider import get_provider_info
from airflow_batch_provider.errors import BatchError, InvalidInput
from airflow_batch_provider.services.azure_ml.clouds import CLOUDS, cloud_named
from airflow_batch_provider.services.azure_ml.connection import AzureMLConnection
from airflow_batch_provider.services.azure_ml.hosts import check_host, is_loopback
from airflow_batch_provider.services.azure_ml.workspace import AUDIENCE, Workspace, ask, segment

from .script import CHINA, PUBLIC

PLACE = {"subscriptionId": "S", "resource_group_name": "G", "workspace_name": "W"}


def read(extra=None, *, login=None, password=None, host=None, **overrides):
    return AzureMLConnection.read(
        "azure_1", login=login, password=password, host=host, extra=extra or {}, **overrides
    )


# --- clouds -----------------------------------------------------------------------------------------------

OF_CLOUDS = {
    "AzurePublicCloud": (
        "https://management.azure.com",
        "https://login.microsoftonline.com",
        "https://ml.azure.com",
        "e.eastus.inference.ml.azure.com",
        "eastus.api.azureml.ms",
        "acct.blob.core.windows.net",
        "https://ml.azure.com/runs/J?wsid=/subscriptions/S/resourcegroups/G/workspaces/W",
    ),
    "AzureChinaCloud": (
        "https://management.chinacloudapi.cn",
        "https://login.chinacloudapi.cn",
        "https://ml.azure.cn",
        "e.chinaeast2.inference.ml.azure.cn",
        "chinaeast2.api.ml.azure.cn",
        "acct.blob.core.chinacloudapi.cn",
        "https://studio.ml.azure.cn/runs/J?wsid=/subscriptions/S/resourcegroups/G/workspaces/W",
    ),
    "AzureUSGovernment": (
        "https://management.usgovcloudapi.net",
        "https://login.microsoftonline.us",
        "https://ml.azure.us",
        "e.usgovvirginia.inference.ml.azure.us",
        "usgovvirginia.api.ml.azure.us",
        "acct.blob.core.usgovcloudapi.net",
        "https://ml.azure.us/runs/J?wsid=/subscriptions/S/resourcegroups/G/workspaces/W",
    ),
}


@pytest.mark.parametrize("name", OF_CLOUDS)
def test_each_cloud_has_hosts_and_audiences_of_its_own(name):
    """Tokens are made for the cloud's audiences and go to its hosts, and to no host of another cloud."""
    arm, authority, audience, inference, api, storage, studio = OF_CLOUDS[name]
    connection = read({"cloud_environment": name, **PLACE})
    workspace = connection.workspace()
    hosts = connection.hosts()

    assert (connection.arm, connection.authority) == (arm, authority)
    assert connection.audiences() == {"arm": arm, "ml": audience, "storage": "https://storage.azure.com"}
    assert workspace.url("jobs", "J") == (
        f"{arm}/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices/workspaces/W"
        "/jobs/J?api-version=2023-10-01"
    )
    assert workspace.studio_url("J") == studio
    for kind, host in (
        ("arm", httpx.URL(arm).host),
        ("ml", inference),
        ("arm", api),
        ("ml", api),
        ("storage", storage),
    ):
        check_host(f"https://{host}/x", hosts[kind], "it")
    for other in OF_CLOUDS.keys() - {name}:
        _, _, _, inference, api, storage, _ = OF_CLOUDS[other]
        for kind, host in (("ml", inference), ("arm", api), ("storage", storage)):
            with pytest.raises(InvalidInput):
                check_host(f"https://{host}/x", hosts[kind], "it")


def test_the_public_cloud_is_the_default():
    """Without a cloud, the public one is meant; blanks around a name do no harm."""
    assert cloud_named(None) is cloud_named("") is PUBLIC
    assert cloud_named(" AzureChinaCloud ") is CHINA
    assert read(cloud_environment="AzureChinaCloud").cloud == CHINA


@pytest.mark.parametrize("name", ["AzureCloud", "azurechinacloud", "Mars", 7, ["AzureChinaCloud"]])
def test_an_unknown_cloud_is_offered_the_three(name):
    """The message names the field, the value and the clouds that there are."""
    with pytest.raises(InvalidInput) as caught:
        read({"cloud_environment": name})

    assert str(caught.value).startswith("cloud_environment is ")
    assert all(cloud in str(caught.value) for cloud in CLOUDS)


# --- the fields -------------------------------------------------------------------------------------------


def test_the_fields_of_the_official_provider_are_read():
    """Connections of the official Azure provider work, with today's field names and with the old prefix."""
    given = {"tenantId": "T", "managed_identity_client_id": "M", "workload_identity_tenant_id": "X", **PLACE}
    new = read({**given, "cloud_environment": "AzureChinaCloud"})
    old = read(
        {
            f"extra__azure__{name}": value
            for name, value in {**given, "cloud_environment": "AzureChinaCloud"}.items()
        }
    )

    assert new == old
    assert (new.tenant_id, new.managed_identity_client_id, new.workload_identity_tenant_id) == ("T", "M", "X")
    assert (new.subscription_id, new.resource_group, new.workspace_name) == ("S", "G", "W")


def test_pasted_blanks_do_no_harm():
    """Blanks around a field that was pasted are no part of it; a secret is left as it is."""
    connection = read({"tenantId": " T\n", "subscriptionId": "S "}, login=" id ", password=" secret ")

    assert (connection.tenant_id, connection.subscription_id, connection.client_id) == ("T", "S", "id")
    assert connection.client_secret == " secret "


def test_every_host_can_be_overridden():
    """Private links and proxies: each host, and the audience, may be another than the cloud's."""
    connection = read(
        {
            "cloud_environment": "AzureChinaCloud",
            "authority": "login.corp.example",
            "ml_audience": "https://studio.ml.azure.cn",
            "api_version": "2024-10-01",
            "inference_domain": "inference.corp.example",
            "api_domain": "API.corp.example",
            "storage_suffix": "core.corp.example",
            **PLACE,
        },
        host="arm.corp.example:8443/azure/",
    )
    workspace, hosts = connection.workspace(), connection.hosts()

    assert connection.authority == "https://login.corp.example"
    assert connection.audiences() == {
        "arm": "https://management.chinacloudapi.cn",
        "ml": "https://studio.ml.azure.cn",
        "storage": "https://storage.azure.com",
    }
    assert workspace.url().startswith("https://arm.corp.example:8443/azure/subscriptions/S/")
    assert workspace.url().endswith("?api-version=2024-10-01")
    assert workspace.cloud.storage == "core.corp.example"
    check_host("https://arm.corp.example:8443/azure/x", hosts["arm"], "it")
    check_host("https://e.r.inference.corp.example/jobs", hosts["ml"], "it")
    check_host("https://r.api.corp.example/history", hosts["arm"], "it")
    check_host("https://acct.blob.core.corp.example/c", hosts["storage"], "it")


# Field of the connection, its value, and which token then goes where.
OVERRIDES = {
    "host": ("arm.corp.example:8443", {"arm"}, "arm.corp.example:8443"),
    "inference_domain": ("inference.corp.example", {"ml"}, "e.r.inference.corp.example"),
    "api_domain": ("api.corp.example", {"arm", "ml"}, "r.api.corp.example"),
    "storage_suffix": ("core.corp.example", {"storage"}, "acct.blob.core.corp.example"),
    "authority": ("https://login.corp.example", set(), "login.corp.example"),
    "studio": ("https://studio.corp.example", set(), "studio.corp.example"),
    "ml_audience": ("https://audience.corp.example", set(), "audience.corp.example"),
}


def may_see(connection, host):
    """Return the kinds of token that a host may see."""
    seen = set()
    for kind, allowed in connection.hosts().items():
        with suppress(InvalidInput):
            check_host(f"https://{host}/x", allowed, "it")
            seen.add(kind)
    return seen


@pytest.mark.parametrize("name", OF_CLOUDS)
@pytest.mark.parametrize(("field", "value", "kinds", "host"), [(f, *o) for f, o in OVERRIDES.items()])
def test_an_overridden_host_gets_its_own_tokens_alone(name, field, value, kinds, host):
    """In each cloud, a host of the connection's own sees the tokens of its own service and no other.

    What is not overridden stays, and so does for whom tokens are made; the host that was replaced sees none.
    """
    given = {"cloud_environment": name, **PLACE}
    plain = read(given)
    changed = read(given, host=value) if field == "host" else read({**given, field: value})
    arm, authority, audience, *domains, _ = OF_CLOUDS[name]
    own = dict(zip(OVERRIDES, (httpx.URL(arm).host, *domains), strict=False))

    assert may_see(changed, host) == kinds
    assert may_see(plain, host) == set()
    for other, original in own.items():
        assert may_see(changed, original) == (set() if other == field else may_see(plain, original))
    assert changed.audiences() == plain.audiences() | ({"ml": value} if field == "ml_audience" else {})
    assert changed.authority == (value if field == "authority" else authority)
    assert changed.ml_audience == (value if field == "ml_audience" else audience)


@pytest.mark.parametrize("name", OF_CLOUDS)
def test_links_lead_to_the_overridden_studio(name):
    """Where the studio is reached by another name, the links to jobs have that name."""
    connection = read({"cloud_environment": name, "studio": "studio.corp.example/", **PLACE})

    assert connection.workspace().studio_url("J").startswith("https://studio.corp.example/runs/J?wsid=")


def test_the_form_has_a_field_for_every_extra():
    """Whatever is read from the extra fields can be filled in on the connection's form."""
    asked = set()

    class Extra(dict):
        def get(self, name, default=None):
            asked.add(name)
            return default

    read(Extra(something="else"))
    form = get_provider_info()["connection-types"][0]["conn-fields"]

    refused = {"key_path", "key_json"}
    assert {name for name in asked - refused if not name.startswith("extra__azure__")} == form.keys()
    assert all(field["description"] for field in form.values())


@pytest.mark.parametrize(
    "host", ["http://127.0.0.1:8787", "https://127.0.0.1:8787/", "http://localhost:8787"]
)
def test_the_emulator_issues_its_own_tokens(host):
    """With Resource Manager on this machine, tokens are asked for there and go nowhere else but there."""
    connection = read(host=host)

    assert connection.is_emulator
    assert connection.authority == connection.arm == host.rstrip("/")
    for audience in ("arm", "ml", "storage"):
        check_host(f"{host.rstrip('/')}/x", connection.hosts()[audience], "it")
        with pytest.raises(InvalidInput):
            check_host("http://127.0.0.1:8788/x", connection.hosts()[audience], "it")


@pytest.mark.parametrize(
    ("host", "authority"),
    [
        (None, None),
        ("https://arm.corp.example", None),
        ("http://127.0.0.1:8001", "https://login.microsoftonline.com"),  # a tunnel to the real service
    ],
)
def test_only_both_on_this_machine_are_the_emulator(host, authority):
    """A tunnel on this machine to the real service still gets tokens of the real issuer."""
    assert not read({"authority": authority}, host=host).is_emulator


def test_the_password_belongs_to_the_certificate():
    """With a certificate, the connection's password is that of its file, and no client secret."""
    connection = read({"tenantId": "T", "certificate_path": "/c.pem"}, login="id", password="open sesame")

    assert (connection.client_secret, connection.certificate_password) == ("", "open sesame")


def test_no_secret_in_a_repr():
    """A connection can be logged."""
    connections = [
        read({"tenantId": "T"}, login="id", password="TOPSECRET"),
        read({"tenantId": "T", "certificate_path": "/c.pem"}, login="id", password="TOPSECRET"),
    ]

    assert "TOPSECRET" not in repr(connections)


@pytest.mark.parametrize(
    ("value", "verify"),
    [
        *((value, True) for value in (None, "", True, "true", 1)),
        *((value, False) for value in (False, "False", "0")),
        ("/etc/ca.pem", "/etc/ca.pem"),
    ],
)
def test_verify_is_a_switch_or_a_bundle(value, verify):
    """What a form or JSON says of TLS verification is read alike."""
    assert read({"verify": value}).verify == verify


PRINCIPALS = {
    "no tenant": ({}, "id", "secret", "lacks tenantId"),
    "no client id": ({"tenantId": "T"}, None, "secret", "lacks login (client id)"),
    "no secret": ({"tenantId": "T"}, "id", None, "lacks password (client secret) or certificate_path"),
    "secret alone": ({}, None, "secret", "lacks login (client id), tenantId"),
    "client id alone": ({}, "id", None, "lacks password (client secret) or certificate_path, tenantId"),
    "certificate alone": ({"certificate_path": "/c.pem"}, None, None, "lacks login (client id), tenantId"),
}


@pytest.mark.parametrize(("extra", "login", "password", "says"), PRINCIPALS.values(), ids=PRINCIPALS.keys())
def test_a_half_filled_service_principal_is_an_error(extra, login, password, says):
    """It is never a silent fallback to the machine's identity; the message names what is missing."""
    with pytest.raises(InvalidInput) as caught:
        read(extra, login=login, password=password)

    assert f"Connection 'azure_1' describes a service principal, but {says}." in str(caught.value)
    assert "leave login and password empty" in str(caught.value)


@pytest.mark.parametrize(
    "extra",
    [{}, {"managed_identity_client_id": "M"}, {"workload_identity_tenant_id": "X"}, {"tenantId": "T"}],
    ids=["nothing", "managed identity", "workload identity", "tenant alone"],
)
def test_without_a_service_principal_the_machine_has_an_identity(extra):
    """A managed identity needs its client id alone, and the machine's own nothing at all."""
    assert not read(extra).client_secret


BAD_FIELDS = {
    "host that is no URL": ({}, "https://", "the host 'https://', which is not a base URL"),
    "host with a bad port": ({}, "arm.example:port", "the host 'arm.example:port', which is not a base URL"),
    "host of another scheme": ({}, "ftp://arm.example", "the host 'ftp://arm.example', which is not"),
    "host with a query": ({}, "https://arm.example?x=1", "which is not a base URL"),
    "host with a user": ({}, "https://me:TOPSECRET@arm.example", "which is not a base URL"),
    "host without TLS": ({}, "http://arm.example", "nothing secret goes there without TLS"),
    "host that is not quite this machine": ({}, "http://127.0.0.1.example", "without TLS"),
    "authority without TLS": (
        {"authority": "http://login.example"},
        None,
        "the authority 'http://login.example'",
    ),
    "tenant": ({"tenantId": "my tenant"}, None, "the tenantId 'my tenant'"),
    "tenant as a path": ({"tenantId": "a/../b"}, None, "the tenantId 'a/../b'"),
    "tenant is a list": ({"tenantId": ["T"]}, None, "the tenantId \"['T']\""),
    "audience": ({"ml_audience": "https://ml azure"}, None, "the ml_audience 'https://ml azure'"),
    "inference domain": ({"inference_domain": "*.example.com"}, None, "the inference_domain '*.example.com'"),
    "too broad a domain": ({"api_domain": "com"}, None, "the api_domain 'com'"),
    "studio without TLS": ({"studio": "http://studio.example"}, None, "the studio 'http://studio.example'"),
    "studio that is a script": ({"studio": "javascript://x"}, None, "the studio 'javascript://x'"),
    "storage URL": ({"storage_suffix": "https://x.example"}, None, "the storage_suffix 'https://x.example'"),
}


@pytest.mark.parametrize(("extra", "host", "says"), BAD_FIELDS.values(), ids=BAD_FIELDS.keys())
def test_a_bad_field_is_named(extra, host, says):
    """The message names the connection, the field and the value."""
    with pytest.raises(InvalidInput) as caught:
        read(extra, host=host)

    assert str(caught.value).startswith("Connection 'azure_1' has ")
    assert says in str(caught.value)
    assert caught.value.fix
    assert "TOPSECRET" not in str(caught.value)


# --- the workspace ----------------------------------------------------------------------------------------


def test_a_task_overrides_the_connection():
    """What a task gives takes the place of the connection's field."""
    workspace = read(PLACE).workspace("S2", "G2", "W2")

    assert (workspace.subscription_id, workspace.resource_group, workspace.name) == ("S2", "G2", "W2")


@pytest.mark.parametrize(
    ("missing", "name"),
    [("subscriptionId",) * 2, ("resource_group_name",) * 2, ("workspace_name",) * 2],
)
def test_a_missing_part_is_named_as_in_the_connection(missing, name):
    """The message names the connection's field that is missing."""
    extra = {key: value for key, value in PLACE.items() if key != missing}

    with pytest.raises(InvalidInput, match=f"Connection 'azure_1' lacks {name}."):
        read(extra).workspace()


@pytest.mark.parametrize("value", ["", "None", " "])
@pytest.mark.parametrize("name", ["subscription_id", "resource_group_name", "workspace_name"])
def test_an_override_that_rendered_to_nothing_is_refused(name, value):
    """It never means the connection's own workspace."""
    with pytest.raises(InvalidInput, match=f"{name} is '{value}'. Did a template render to nothing"):
        read(PLACE).workspace(**{name: value})


def test_a_cloud_that_rendered_to_nothing_is_refused():
    """It never means the connection's own cloud."""
    with pytest.raises(InvalidInput, match=r"cloud_environment is ''\. Did a template render to nothing"):
        read(cloud_environment="")


@pytest.mark.parametrize(
    "value", ["a/b", "..", ".", "", " a", "a\n", "a?b", "a#b", "a%2fb", "a\\b", "\ud800", 7, None]
)
def test_a_segment_is_one_segment(value):
    """Nothing that would be another path, a query or no URL at all becomes part of one."""
    with pytest.raises(InvalidInput, match="workspace_name is "):
        _ = Workspace(PUBLIC, "S", "G", value).id


def test_names_are_quoted():
    """Names that Azure allows, but a URL does not, are quoted."""
    assert segment("resource_group_name", "my group (ä)") == "my%20group%20(%C3%A4)"


@pytest.mark.parametrize("url", ["https://a:b:c/", "https://[::1/", 7, None, {"url": "x"}, "https://x\x00y/"])
def test_what_cannot_be_asked_is_refused(url):
    """A URL out of an answer that is none is `InvalidInput`, whatever it is instead."""
    with pytest.raises(InvalidInput, match="is not a URL that can be asked"):
        ask("GET", url, "ml")


def test_a_request_says_for_whom_its_token_is():
    """The audience travels with the request, and so do JSON and our name."""
    request = ask("POST", "https://x.example/", "ml", body={"ä": 1}, headers={"X": "y"})

    assert request.extensions[AUDIENCE] == "ml"
    assert request.content == b'{"\\u00e4": 1}'
    assert request.headers["content-type"] == request.headers["accept"] == "application/json"
    assert request.headers["user-agent"].startswith("airflow-batch-provider/")


# --- hosts ------------------------------------------------------------------------------------------------

LOOPBACK = {
    "127.0.0.1": True,
    "127.8.9.1": True,
    "::1": True,
    "[::1]": True,
    "localhost": True,
    "a.localhost": True,
}
ELSEWHERE = ["10.0.0.1", "0.0.0.0", "::", "localhost.example", "127.0.0.1.example", "xlocalhost", "127.1", ""]  # noqa: S104  # compared with


@pytest.mark.parametrize(("host", "expected"), (LOOPBACK | dict.fromkeys(ELSEWHERE, False)).items())
def test_loopback_is_told_apart(host, expected):
    """Only this machine's own addresses and names are loopback."""
    assert is_loopback(host) is expected


# --- properties -------------------------------------------------------------------------------------------

FIELDS = ["tenantId", "subscriptionId", "cloud_environment", "authority", "ml_audience", "verify", "host"]
FIELDS += [
    "certificate_path",
    "inference_domain",
    "api_domain",
    "storage_suffix",
    "managed_identity_client_id",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(list(CLOUDS)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
)
HOSTS = (
    st.none()
    | st.text()
    | st.builds("{}{}{}".format, st.sampled_from(["", "http://", "https://"]), st.text(), st.text())
)


@given(
    st.dictionaries(st.sampled_from(FIELDS) | st.text(), JSON, max_size=4),
    st.none() | st.text(),
    st.none() | st.text(),
    HOSTS,
)
def test_any_connection_is_read_or_refused(extra, login, password, host):
    """Whatever an Airflow connection holds, it can be used, or it is `InvalidInput`."""
    with suppress(InvalidInput):
        connection = read(extra, login=login, password=password, host=host)
        hash(connection)
        assert connection.audiences().keys() == connection.hosts().keys()
        assert isinstance(connection.is_emulator, bool)
        assert ask("GET", connection.workspace("S", "G", "W").url("jobs", "J"), "arm")


@given(st.text() | st.integers() | st.none())
def test_any_name_is_a_segment_or_refused(value):
    """Whatever a name is, it becomes one segment that reads back as that name, or `BatchError`."""
    with suppress(BatchError):
        url = httpx.URL(f"https://x.example/{segment('it', value)}/end")
        assert url.path == f"/{value}/end"
        assert url.raw_path.count(b"/") == 2
