from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.services.azure_ml import uris

ARM = "/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices/workspaces/W"
INSIDE = {"subscription": "S", "group": "G", "workspace": "W"}
STORE = {"datastore": "store", "path": "a/b.csv"}
BLOB = {"account": "acct", "container": "c", "path": "a/b.csv", "suffix": "core.windows.net"}

FORMS = {
    "short": ("azureml://datastores/store/paths/a/b.csv", "datastore", STORE),
    "short, any case": ("AzureML://Datastores/store/Paths/a/b.csv", "datastore", STORE),
    "slash at the end": ("azureml://datastores/store/paths/a/", "datastore", {**STORE, "path": "a/"}),
    "long": (
        "azureml://subscriptions/S/resourcegroups/G/workspaces/W/datastores/store/paths/a/b.csv",
        "datastore",
        STORE | INSIDE,
    ),
    "ARM with prefix": (f"azureml:{ARM}/datastores/store/paths/a/b.csv", "datastore", STORE | INSIDE),
    "ARM": (f"{ARM}/datastores/store/paths/a/b.csv", "datastore", STORE | INSIDE),
    "asset version": ("azureml:name:3", "asset", {}),
    "asset label": ("azureml:na.me-1_2@latest", "asset", {}),
    "asset in a location": ("azureml://locations/eastus/workspaces/W/data/n/versions/1/", "asset", {}),
    "asset label, long": (
        "azureml://locations/eastus/workspaces/W/data/n/versions/labels/latest",
        "asset",
        {},
    ),
    "asset in a registry": ("azureml://registries/R/data/n/versions/1", "asset", {}),
    "asset ARM": (f"{ARM}/data/n/versions/1", "asset", {}),
    "asset ARM label": (f"{ARM}/data/n/versions/labels/latest", "asset", {}),
    "asset ARM with prefix": (f"azureml:{ARM}/data/n/versions/1", "asset", {}),
    "job output": ("azureml://jobs/J/outputs/score/paths/a", "job_output", {}),
    "blob": ("https://acct.blob.core.windows.net/c/a/b.csv", "storage", BLOB),
    "blob, China": (
        "https://acct.blob.core.chinacloudapi.cn/c/a/b.csv",
        "storage",
        {**BLOB, "suffix": "core.chinacloudapi.cn"},
    ),
    "blob with a SAS": (
        "https://acct.blob.core.windows.net/c/a/b.csv?sig=x",
        "storage",
        BLOB | {"query": "sig=x"},
    ),
    "blob, quoted": (
        "https://acct.blob.core.windows.net/c/a%20b%3F",
        "storage",
        {**BLOB, "path": "a b?"},
    ),
    "dfs": ("https://acct.dfs.core.windows.net/c/a/b.csv", "storage", BLOB),
    "wasbs": ("wasbs://c@acct.blob.core.windows.net/a/b.csv", "storage", BLOB),
    "abfss": ("abfss://c@acct.dfs.core.windows.net/a/b.csv", "storage", BLOB),
    "container": ("https://acct.blob.core.windows.net/c", "storage", {**BLOB, "path": ""}),
    "Azurite": (
        "http://127.0.0.1:10000/acct/c/a/b.csv",
        "storage",
        {**BLOB, "suffix": "127.0.0.1:10000"},
    ),
    "emulator": (
        "http://localhost:8787/blob/acct/c/a/b.csv",
        "storage",
        {**BLOB, "suffix": "localhost:8787/blob"},
    ),
    "account without a container": ("https://acct.blob.core.windows.net", "web", {}),
    "anywhere": ("https://example.com/data?x=1#y", "web", {}),
    "relative": ("data/images", "local", {"path": "data/images"}),
    "absolute": ("/data/images", "local", {"path": "/data/images"}),
    "a folder called datastores": (
        "datastores/store/paths/x",
        "local",
        {"path": "datastores/store/paths/x"},
    ),
    "an absolute one": ("/datastores/store", "local", {"path": "/datastores/store"}),
    "a folder called datasets": (
        "/home/workspaces/w/datasets/x",
        "local",
        {"path": "/home/workspaces/w/datasets/x"},
    ),
}


@pytest.mark.parametrize(("text", "kind", "parts"), FORMS.values(), ids=FORMS.keys())
def test_every_form_is_told_apart(text, kind, parts):
    """Each form of the guides is known, with its parts."""
    uri = uris.parse(text, "inputs['x']")

    empty = dict.fromkeys(
        (
            "datastore",
            "path",
            "subscription",
            "group",
            "workspace",
            "account",
            "container",
            "suffix",
            "query",
        ),
        "",
    )
    assert {name: getattr(uri, name) for name in ("kind", *empty)} == {"kind": kind, **empty, **parts}
    assert uris.looks_like_data(text) is (kind != "local")


WRITTEN = {
    "azureml:/name@latest": "azureml:name@latest",
    "AzureML:/name@latest": "azureml:name@latest",
    f"{ARM}/datastores/store/paths/a": f"azureml:{ARM}/datastores/store/paths/a",
    " azureml:name:3\n": "azureml:name:3",
    "azureml://locations/l/workspaces/w/data/n/versions/1/": "azureml://locations/l/workspaces/w/data/n/versions/1/",
}


@pytest.mark.parametrize(("text", "written"), WRITTEN.items())
def test_what_the_service_reads_otherwise_is_rewritten(text, written):
    """Forms that only the command line knows are sent as the service reads them, all others as they are."""
    assert uris.parse(text, "input").text == written


NO_DATA = {
    "empty": ("", "names no data"),
    "blank": (" \n", "names no data"),
    "control character": ("azureml://datastores/d/paths/a\x00b", "names no data"),
    "half a character": ("azureml://datastores/d/paths/\ud800", "names no data"),
    "unknown scheme": ("s3://bucket/key", "fits no form"),
    "asset without a version": ("azureml:name", "fits no form"),
    "asset id cut short": (f"{ARM}/data/n", "fits no form"),
    "unknown azureml": ("azureml://nowhere/x", "fits no form"),
    "no URL": ("https://[::1/x", "fits no form"),
    "bad port": ("https://acct.blob.core.windows.net:port/c", "fits no form"),
    "no host": ("https:///c/p", "fits no form"),
    "a user in it": ("https://user:pass@acct.blob.core.windows.net/c/p", "fits no form"),
    "wasbs without a container": ("wasbs://acct.blob.core.windows.net/p", "is not a wasbs URI"),
    "abfss without a host": ("abfss://c@acct/p", "is not a abfss URI"),
    "datastore alone": ("azureml://datastores/store", "no path in it"),
    "datastore and slash": ("azureml://datastores/store/paths/", "no path in it"),
    "datastore, no paths": ("azureml://datastores/store/folder/a.csv", "no path in it"),
    "long without a path": (f"azureml:{ARM}/datastores/store", "no path in it"),
    "V1 dataset": (f"{ARM}/datasets/digits/versions/1", "a V1 dataset"),
    "V1 dataset, long": ("azureml://locations/l/workspaces/w/datasets/digits/versions/1", "a V1 dataset"),
}


@pytest.mark.parametrize(("text", "what"), NO_DATA.values(), ids=NO_DATA.keys())
def test_what_fits_no_form_is_refused(text, what):
    """The message names the field and the value; the fix shows the forms or completes the one meant."""
    with pytest.raises(InvalidInput) as caught:
        uris.parse(text, "inputs['x'].path")

    assert str(caught.value).startswith("inputs['x'].path is '")
    assert what in str(caught.value)
    assert caught.value.fix


def test_the_fix_keeps_the_path_that_was_written():
    """A datastore URI without /paths/ is completed with what follows the datastore."""
    with pytest.raises(InvalidInput, match=r"azureml://datastores/store/paths/folder/a\.csv"):
        uris.parse("azureml://datastores/store/folder/a.csv", "input")


SIGNED = [
    "https://acct.blob.core.windows.net/c/p?sv=2024&sig=TOPSECRET%3D",
    "https://example.com/p?sig=TOPSECRET",
    "http://127.0.0.1:10000/acct/c/p?sig=TOPSECRET",
]


@pytest.mark.parametrize("text", SIGNED)
def test_a_signature_is_kept_and_never_shown(text):
    """A SAS works, and a repr does not show it."""
    uri = uris.parse(text, "input")

    assert uri.text == text
    assert "TOPSECRET" not in repr(uri)


@pytest.mark.parametrize(
    "text", ["s3://b/k?sig=TOPSECRET", "azureml://datastores/d?sig=TOPSECRET", "wasbs://a/b?sig=TOPSECRET"]
)
def test_a_refusal_shows_no_signature(text):
    """A SAS in a URI that is refused is redacted in the message and the fix."""
    with pytest.raises(InvalidInput) as caught:
        uris.parse(text, "input")

    assert "TOPSECRET" not in f"{caught.value} {caught.value!r} {caught.value.message} {caught.value.fix}"


# --- properties -------------------------------------------------------------------------------------------

CHUNKS = st.sampled_from(
    [
        *("azureml:", "//", "/", "datastores/", "subscriptions/", "paths/", "data/", "versions/", "labels/"),
        *("latest", "https://", "wasbs://", "abfss://", "acct.blob.core.windows.net", "@", ":", "?", "#"),
        *("sig=x", "..", "%2f", "workspaces/", "resourceGroups/", "locations/", "127.0.0.1", "localhost"),
        *("blob/", "jobs/", "outputs/", "[", "]"),
    ]
)
TEXTS = st.text() | st.lists(CHUNKS | st.text(max_size=4)).map("".join)
SURROGATES = st.text(st.characters(categories=["Cs"]) | st.characters(), max_size=20)


@given(TEXTS | SURROGATES)
def test_any_text_is_a_uri_or_refused(text):
    """Whatever text comes in, it is understood or `InvalidInput`."""
    with suppress(InvalidInput):
        uri = uris.parse(text, "input")
        assert uris.parse(uri.text, "input") == uri, "what is sent is read the same again"


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)
ACCOUNTS = st.from_regex(r"[a-z0-9]{3,24}", fullmatch=True)
CONTAINERS = st.from_regex(r"[a-z0-9-]{3,20}", fullmatch=True)
PATHS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(
    lambda path: path.strip("/ ") and path == path.strip().lstrip("/")
)
ENDPOINTS = st.sampled_from(
    ["core.windows.net", "core.chinacloudapi.cn", "127.0.0.1:10000", "localhost:8787/blob"]
)


@given(NAMES, PATHS)
def test_a_datastore_path_survives(datastore, path):
    """Any path in any datastore comes out as it went in, in the short and in the long form."""
    short = uris.parse(f"azureml://datastores/{datastore}/paths/{path}", "input")
    long = uris.parse(f"azureml:{ARM}/datastores/{datastore}/paths/{path}", "input")

    assert (short.datastore, short.path) == (long.datastore, long.path) == (datastore, path)


@given(ACCOUNTS.filter(lambda name: name != "blob"), ENDPOINTS, CONTAINERS, PATHS)
def test_a_blob_url_survives(account, endpoint, container, path):
    """The URL that is made of a place in a storage account is read back as that place."""
    uri = uris.parse(uris.blob_url("https", account, endpoint, container, path), "input")

    assert (uri.account, uri.suffix, uri.container, uri.path) == (account, endpoint, container, path)
