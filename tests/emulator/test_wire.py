"""Reading what the services read: lenient JSON, any key case, durations."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_batch_provider.emulator import wire
from airflow_batch_provider.emulator.ids import PROVIDER
from airflow_batch_provider.emulator.planes import canonical_path, plane_of, storage_path

TEXT = st.text(st.sampled_from('a,]}"\\ \n'), max_size=6)
JSON = st.recursive(
    st.none() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_valid_json_means_what_it_means(value):
    assert wire.loads(json.dumps(value, ensure_ascii=False)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1,}', {"a": 1}),
        ('{"a": [1, 2, ] ,\n}', {"a": [1, 2]}),
        ('{"a": ",}", "b": "\\",]"}', {"a": ",}", "b": '",]'}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('{"a": {"b": 1}, "a": {"c": 2}}', {"a": {"b": 1, "c": 2}}),
        ('{"a": {"b": 1}, "a": 2}', {"a": 2}),
    ],
)
def test_lenient_json(text, value):
    assert wire.loads(text) == value


@pytest.mark.parametrize("text", ["{", "{,}}", '{"a" 1}', b"\xff\xfe"])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        wire.loads(text)


def test_keys_are_folded_to_their_canonical_case_and_others_kept():
    assert wire.fold({"INPUTDATA": 1, "Mine": 2}, ["inputData"]) == {"inputData": 1, "Mine": 2}
    assert wire.fold(None, ["inputData"]) == {}


@pytest.mark.parametrize(
    ("text", "seconds"), [("PT30S", 30), ("PT1M30S", 90), ("PT1H", 3600), ("P1DT1S", 86401), ("PT0.5S", 0.5)]
)
def test_durations_are_read_and_written(text, seconds):
    assert wire.seconds(text) == seconds
    assert wire.seconds(wire.duration(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "30", "PT30", "1H", "PT-1S"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="ISO 8601"):
        wire.seconds(text)


@pytest.mark.parametrize(("value", "number"), [(5, 5), ("5", 5), (5.0, 5), ("-1", -1)])
def test_whole_numbers_are_read_from_text_too(value, number):
    assert wire.integer(value) == number


@pytest.mark.parametrize("value", [True, 5.5, "5.5", "x", None, [1]])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises((ValueError, TypeError)):
        wire.integer(value)


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/Subscriptions/S/RESOURCEGROUPS/Jobs", "/subscriptions/S/resourceGroups/Jobs"),
        (
            "/MFERP/x/SUBSCRIPTIONS/jobs/resourcegroups/JOBS",
            "/MFERP/x/subscriptions/jobs/resourceGroups/JOBS",
        ),
        ("/endpoints/EastUS/Jobs/jobs", "/endpoints/EastUS/Jobs/jobs"),
        (
            "/subscriptions/s/providers/MICROSOFT.machinelearningservices",
            f"/subscriptions/s/providers/{PROVIDER}",
        ),
        ("/blob/a/c/Subscriptions/S/JOBS", "/blob/a/c/Subscriptions/S/JOBS"),
        ("/v2/p/workflows/w/Subscriptions", "/v2/p/workflows/w/Subscriptions"),
    ],
)
def test_only_fixed_segments_change_their_case(path, canonical):
    assert canonical_path(path) == canonical


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("store1.blob.localhost:80", "/blob/store1/c/x"),
        ("STORE1.blob.core.windows.net", "/blob/store1/c/x"),
        ("my-bucket.obs.cn-north-4.myhuaweicloud.com", "/obs/my-bucket/c/x"),
        ("obs.cn-north-4.myhuaweicloud.com", "/c/x"),
        ("127.0.0.1:80", "/c/x"),
        ("blob.localhost", "/c/x"),
    ],
)
def test_account_or_bucket_in_the_host_name_goes_into_the_path(host, path):
    assert storage_path(host, "/c/x") == path


@pytest.mark.parametrize(
    ("path", "plane"),
    [
        ("/subscriptions/x", "arm"),
        ("/endpoints/r/e/jobs", "batch"),
        ("/mferp/managementfrontend/subscriptions/x", "batch"),
        ("/history/v1.0/x", "history"),
        ("/data/v1.0/x", "data"),
        ("/blob/a/c", "blob"),
        ("/tenant/oauth2/v2.0/token", "entra"),
        ("/v2/p/workflows", "modelarts"),
        ("/v3/auth/tokens", "iam"),
        ("/v3.0/OS-CREDENTIAL/securitytokens", "iam"),
        ("/obs/bucket/key", "obs"),
        ("/_emulator/health", "control"),
    ],
)
def test_path_tells_its_plane(path, plane):
    assert plane_of(path) == plane
