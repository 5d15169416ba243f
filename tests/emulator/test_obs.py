"""OBS: what S3 clients of batch jobs ask for, over plain HTTP and through obstore's own client."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from xml.etree import ElementTree as ET

import obstore
import pytest
from obstore.exceptions import BaseError
from obstore.store import S3Store

from airflow_batch_provider.emulator.obs import signature
from tests.s3_signature import ObsAuth, S3Auth

from .huawei import ACCESS, SECRET

AUTH = S3Auth(ACCESS, SECRET)
NAMES = ["a/1.txt", "a/2.txt", "a/b/3.txt", "c.txt", "d e/ü.txt"]


@pytest.fixture
def ask(huawei):
    """Return a function: method and path below the endpoint -> answer."""

    def send(method, path="", *, auth=AUTH, **options):
        return huawei.http.request(method, f"/obs/{path}", auth=auth, **options)

    return send


@pytest.fixture
def bucket(ask):
    """The name of a new bucket that holds NAMES, each object with its own name as content."""
    name = f"b-{uuid.uuid4().hex[:12]}"
    assert ask("PUT", name).status_code == 200
    for key in NAMES:
        assert ask("PUT", f"{name}/{key}", content=key.encode()).status_code == 200
    return name


def texts(answer, path):
    """Return the texts of all elements at a path, whatever their namespace."""
    where = "/".join(f"{{*}}{part}" for part in path.split("/"))
    return [element.text for element in ET.fromstring(answer.content).iterfind(where)]  # noqa: S314 - our own


def error(answer):
    return answer.status_code, texts(answer, "Code")[0]


class TestObjects:
    def test_are_kept_with_type_and_metadata(self, ask, bucket):
        headers = {"content-type": "text/csv", "x-amz-meta-colour": "red"}
        put = ask("PUT", f"{bucket}/x.csv", headers=headers, content=b"1,2")

        got, head = ask("GET", f"{bucket}/x.csv"), ask("HEAD", f"{bucket}/x.csv")

        assert got.content == b"1,2"
        assert (head.content, head.headers["content-length"]) == (b"", "3")
        assert got.headers["etag"] == head.headers["etag"] == put.headers["etag"]
        assert (got.headers["content-type"], got.headers["x-amz-meta-colour"]) == ("text/csv", "red")
        assert head.headers["x-amz-request-id"]

    @pytest.mark.parametrize(
        ("asked", "status", "content"),
        [
            ("bytes=2-4", 206, b"1.t"),
            ("bytes=5-", 206, b"xt"),
            ("bytes=-3", 206, b"txt"),
            ("bytes=0-999", 206, b"a/1.txt"),
            ("bytes=99-", 416, None),
        ],
    )
    def test_ranges(self, ask, bucket, asked, status, content):
        answer = ask("GET", f"{bucket}/a/1.txt", headers={"Range": asked})

        assert answer.status_code == status
        assert content in (None, answer.content)

    def test_conditions(self, ask, bucket):
        path = f"{bucket}/c.txt"
        etag = ask("HEAD", path).headers["etag"]

        known = ask("GET", path, headers={"If-None-Match": etag})
        other = ask("GET", path, headers={"If-Match": '"other"'})
        exists = ask("PUT", path, headers={"If-None-Match": "*"}, content=b"")

        assert (known.status_code, known.content) == (304, b"")
        assert [error(other), error(exists)] == [(412, "PreconditionFailed")] * 2

    def test_deleting_tells_nothing_of_what_was_there(self, ask, bucket):
        answers = [ask("DELETE", f"{bucket}/c.txt") for _ in range(2)]

        assert [answer.status_code for answer in answers] == [204, 204]
        assert error(ask("GET", f"{bucket}/c.txt")) == (404, "NoSuchKey")

    def test_many_are_deleted_at_once(self, ask, bucket):
        keys = "".join(f"<Object><Key>{key}</Key></Object>" for key in ("a/1.txt", "gone"))

        answer = ask("POST", f"{bucket}?delete", content=f"<Delete>{keys}</Delete>")

        assert texts(answer, "Deleted/Key") == ["a/1.txt", "gone"]
        assert ask("HEAD", f"{bucket}/a/1.txt").status_code == 404

    def test_key_keeps_its_case_whatever_it_looks_like(self, ask, bucket):
        key = "subscriptions/x/RESOURCEGROUPS/y"
        ask("PUT", f"{bucket}/{key}", content=b"x")

        assert texts(ask("GET", f"{bucket}?list-type=2&prefix=subs"), "Contents/Key") == [key]

    @pytest.mark.parametrize(
        ("method", "path", "headers"),
        [
            ("PUT", "x?acl", {}),
            ("GET", "x?tagging", {}),
            ("PUT", "x", {"x-amz-copy-source": "a/b"}),
            ("PUT", "x", {"content-encoding": "aws-chunked"}),
        ],
    )
    def test_the_rest_is_not_offered(self, ask, bucket, method, path, headers):
        assert error(ask(method, f"{bucket}/{path}", headers=headers)) == (501, "NotImplemented")

    def test_parts_become_one_object(self, ask, bucket):
        begun = ask("POST", f"{bucket}/big?uploads")
        (upload,) = texts(begun, "UploadId")
        for number, content in ((2, b"world"), (1, b"hello ")):
            ask("PUT", f"{bucket}/big?partNumber={number}&uploadId={upload}", content=content)
        parts = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>x</ETag></Part>" for n in (1, 2))

        wrong = ask("POST", f"{bucket}/big?uploadId=other", content=f"<C>{parts}</C>")
        done = ask("POST", f"{bucket}/big?uploadId={upload}", content=f"<C>{parts}</C>")

        assert error(wrong) == (400, "InvalidPart")
        assert texts(done, "Key") == ["big"]
        assert ask("GET", f"{bucket}/big").content == b"hello world"

    def test_bucket_may_be_in_the_host(self, ask, huawei, bucket):
        hosted = {"Host": f"{bucket}.obs.cn-north-4.myhuaweicloud.com"}

        got = huawei.http.get("/d%20e/%C3%BC.txt", headers=hosted, auth=AUTH)
        listed = huawei.http.get("/?list-type=2&prefix=c", headers=hosted, auth=AUTH)

        assert got.text == "d e/ü.txt"
        assert texts(listed, "Contents/Key") == ["c.txt"]


class TestListing:
    def test_second_version_in_pages(self, ask, bucket):
        query, keys, pages = f"{bucket}?list-type=2&max-keys=2", [], 0
        token = ""
        while token is not None:
            answer = ask("GET", query + (f"&continuation-token={token}" if token else ""))
            keys += texts(answer, "Contents/Key")
            pages += 1
            assert len(texts(answer, "Contents/Key")) == int(texts(answer, "KeyCount")[0])
            token = next(iter(texts(answer, "NextContinuationToken")), None)

        assert (keys, pages) == (NAMES, 3)

    def test_delimiter_gathers_folders(self, ask, bucket):
        answer = ask("GET", f"{bucket}?list-type=2&delimiter=/&prefix=a/")

        assert texts(answer, "Contents/Key") == ["a/1.txt", "a/2.txt"]
        assert texts(answer, "CommonPrefixes/Prefix") == ["a/b/"]
        assert texts(answer, "Contents/Size") == ["7", "7"]
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", texts(answer, "Contents/LastModified")[0]
        )

    @pytest.mark.parametrize("query", ["list-type=2&start-after=", "marker="])
    def test_start_is_left_out(self, ask, bucket, query):
        assert texts(ask("GET", f"{bucket}?{query}a/2.txt"), "Contents/Key") == NAMES[2:]

    def test_first_version_goes_on_after_a_folder(self, ask, bucket):
        first = ask("GET", f"{bucket}?delimiter=/&max-keys=1")
        (marker,) = texts(first, "NextMarker")

        second = ask("GET", f"{bucket}?delimiter=/&max-keys=1&marker={marker}")

        assert (marker, texts(first, "IsTruncated")) == ("a/", ["true"])
        assert texts(second, "Contents/Key") == ["c.txt"]

    def test_names_may_be_encoded(self, ask, bucket):
        answer = ask("GET", f"{bucket}?list-type=2&prefix=d&encoding-type=url")

        assert texts(answer, "Contents/Key") == ["d%20e/%C3%BC.txt"]


class TestBuckets:
    def test_are_made_listed_and_deleted_when_empty(self, ask, bucket):
        empty = f"{bucket}-empty"
        ask("PUT", empty)

        assert {bucket, empty} <= set(texts(ask("GET"), "Buckets/Bucket/Name"))
        assert ask("HEAD", bucket).headers["x-amz-bucket-region"] == "cn-north-4"
        assert error(ask("DELETE", bucket)) == (409, "BucketNotEmpty")
        assert ask("DELETE", empty).status_code == 204
        assert ask("HEAD", empty).status_code == 404

    def test_refusals_speak_of_buckets_and_objects(self, ask, bucket):
        answers = [
            ask("PUT", "My-container"),
            ask("PUT", f"{bucket}/a//b", content=b""),
            ask("PUT", f"{bucket}/blob", headers={"x-amz-copy-source": "a/b"}),
        ]

        told = [texts(answer, "Message")[0] for answer in answers]
        assert told == [
            "The bucket name 'My-container' is not 3 to 63 lower-case letters, digits and single hyphens.",
            "The object name 'a//b' has a segment that cannot be a file name: ''.",
            "The emulator's OBS does not offer copies.",
        ]

    def test_object_needs_its_bucket(self, ask):
        assert error(ask("PUT", "no-such-bucket/x", content=b"")) == (404, "NoSuchBucket")
        assert error(ask("GET", "no-such-bucket?list-type=2")) == (404, "NoSuchBucket")


# Of the pages "Authenticating Requests (AWS Signature Version 4)" and "Signing and Authenticating REST
# Requests" of S3's API reference.
EXAMPLE_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
AT = {
    "host": "examplebucket.s3.amazonaws.com",
    "x-amz-content-sha256": NOTHING,
    "x-amz-date": "20130524T000000Z",
}
FILE = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
PUBLISHED_4 = [
    (
        ("GET", "/test.txt", "", AT | {"range": "bytes=0-9"}),
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    (
        (
            "PUT",
            "/test%24file.text",
            "",
            AT
            | {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}
            | {"x-amz-content-sha256": FILE},
        ),
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    (("GET", "/", "lifecycle", AT), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
    (
        ("GET", "/", "max-keys=2&prefix=J", AT),
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
]
PUBLISHED_2 = [
    (("GET", "", "Tue, 27 Mar 2007 19:36:42 +0000", "photos/puppy.jpg"), "bWq2s1WEIj+Ydj0vQ697zp+IXMU="),
    (("PUT", "", "Tue, 27 Mar 2007 21:15:45 +0000", "photos/puppy.jpg"), "MyyxeRY7whkBe+bq8fHCL/2kKUg="),
    (
        ("GET", "prefix=photos&max-keys=50", "Tue, 27 Mar 2007 19:42:41 +0000", ""),
        "htDYFYduRNen8P9ZfE/s9SuKy0U=",
    ),
    (("GET", "acl", "Tue, 27 Mar 2007 19:44:46 +0000", ""), "c2WLPFtWHVgbEmeEG93a4cG37dM="),
]


class TestSignature:
    @pytest.mark.parametrize(("request_", "expected"), PUBLISHED_4)
    def test_of_version_4_is_the_published_one(self, request_, expected):
        message = signature.Message(*request_)
        scope = ("20130524", "us-east-1", "s3", "aws4_request")
        claim = signature.Claim(
            signature.ALGORITHM, "", "", scope=scope, headers=tuple(sorted(message.headers))
        )

        assert signature.sign_4(message, claim, EXAMPLE_KEY) == expected

    def test_of_an_address_is_the_published_one(self):
        query = (
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2F"
            "s3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&"
            "X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        )
        message = signature.Message("GET", "/test.txt", query, {"host": AT["host"]})

        assert signature.matches(message, signature.read_claim(message), EXAMPLE_KEY, [])

    @pytest.mark.parametrize(("request_", "expected"), PUBLISHED_2)
    def test_of_the_older_kind_is_the_published_one(self, request_, expected):
        method, query, date, key = request_
        headers = {"date": date} | ({"content-type": "image/jpeg"} if method == "PUT" else {})
        message = signature.Message(method, f"/{key}", query, headers)

        assert (
            signature.sign_2(message, signature.Claim("AWS", "", ""), EXAMPLE_KEY, f"/johnsmith/{key}")
            == expected
        )


class TestAccess:
    @pytest.mark.parametrize(
        ("headers", "code"),
        [
            ({}, "AccessDenied"),
            ({"Authorization": "OBS NOBODY:x"}, "InvalidAccessKeyId"),
            ({"Authorization": "AWS NOBODY:x"}, "InvalidAccessKeyId"),
            ({"X-Auth-Token": "x"}, "AccessDenied"),
        ],
    )
    def test_unknown_callers_are_refused(self, ask, bucket, headers, code):
        assert error(ask("GET", f"{bucket}/c.txt", headers=headers, auth=None)) == (403, code)

    @pytest.mark.parametrize(
        "wrong",
        [S3Auth(ACCESS, "wrong"), ObsAuth(ACCESS, "wrong"), ObsAuth(ACCESS, "wrong", "AWS")],
        ids=["version 4", "OBS", "AWS"],
    )
    def test_wrong_secret_is_refused_whatever_the_kind(self, ask, bucket, wrong):
        assert error(ask("GET", f"{bucket}/c.txt", auth=wrong)) == (403, "SignatureDoesNotMatch")
        assert error(ask("PUT", f"{bucket}/new", content=b"x", auth=wrong)) == (403, "SignatureDoesNotMatch")
        assert error(ask("GET", f"{bucket}/new")) == (404, "NoSuchKey")

    @pytest.mark.parametrize(
        "right",
        [AUTH, ObsAuth(ACCESS, SECRET), ObsAuth(ACCESS, SECRET, "AWS")],
        ids=["version 4", "OBS", "AWS"],
    )
    def test_every_kind_of_signature_opens(self, ask, bucket, right):
        own = {"x-obs-meta-a": "1", "x-amz-meta-b": "2", "content-type": "text/csv"}

        assert ask("PUT", f"{bucket}/d%20e/new", content=b"x", headers=own, auth=right).status_code == 200
        assert ask("GET", f"{bucket}/d%20e/new", auth=right).content == b"x"

    def test_signature_covers_path_query_and_method(self, ask, bucket, huawei):
        headers = dict(ask("GET", f"{bucket}/c.txt").request.headers)

        for method, path in (("GET", "a/1.txt"), ("GET", "c.txt?tagging"), ("DELETE", "c.txt")):
            answer = huawei.http.request(method, f"/obs/{bucket}/{path}", headers=headers)
            assert error(answer) == (403, "SignatureDoesNotMatch")

    def test_body_is_the_one_that_was_signed(self, ask, bucket, huawei):
        signed = ask("PUT", f"{bucket}/x", content=b"one").request
        other = huawei.http.put(signed.url, headers=dict(signed.headers), content=b"two")

        assert error(other) == (400, "XAmzContentSHA256Mismatch")
        assert ask("GET", f"{bucket}/x").content == b"one"

    @pytest.mark.parametrize("late", [16 * 60, -16 * 60])
    def test_clock_may_not_differ_by_much(self, ask, bucket, late):
        answer = ask("GET", f"{bucket}/c.txt", auth=S3Auth(ACCESS, SECRET, late=late))

        assert error(answer) == (403, "RequestTimeTooSkewed")

    def test_region_is_the_buckets(self, ask, bucket):
        answer = ask("GET", f"{bucket}/c.txt", auth=S3Auth(ACCESS, SECRET, "cn-east-3"))

        assert error(answer) == (400, "AuthorizationHeaderMalformed")
        assert "the region 'cn-east-3' is wrong; expecting 'cn-north-4'" in answer.text

    def test_bucket_is_not_at_the_host_of_another_region(self, huawei, bucket):
        hosted = {"Host": f"{bucket}.obs.cn-east-3.myhuaweicloud.com"}

        answer = huawei.http.get("/c.txt", headers=hosted, auth=ObsAuth(ACCESS, SECRET))

        assert error(answer) == (301, "PermanentRedirect")

    def test_public_bucket_may_be_read_by_anyone_and_written_by_nobody_else(self, ask):
        ask("PUT", "open/x", content=b"x")

        assert ask("GET", "open/x", auth=None).content == b"x"
        assert error(ask("PUT", "open/x", auth=None, content=b"y")) == (403, "AccessDenied")

    def test_temporary_key_needs_its_token(self, huawei, ask, bucket):
        identity = {"methods": ["token"], "token": {"id": huawei.token["X-Auth-Token"]}}
        made = huawei.http.post("/v3.0/OS-CREDENTIAL/securitytokens", json={"auth": {"identity": identity}})
        key = made.json()["credential"]
        auth = ObsAuth(key["access"], key["secret"])

        right = ask(
            "GET", f"{bucket}/c.txt", headers={"x-obs-security-token": key["securitytoken"]}, auth=auth
        )

        assert right.status_code == 200
        assert error(ask("GET", f"{bucket}/c.txt", auth=auth)) == (403, "InvalidSecurityToken")


class TestObstore:
    @pytest.fixture
    def store(self, cloud_emulator, bucket):
        connection = cloud_emulator.modelarts_connection()
        return S3Store(
            bucket,
            endpoint=connection["extra"]["obs_endpoint"],
            access_key_id=connection["login"],
            secret_access_key=connection["password"],
            region=connection["extra"]["region"],
            client_options={"allow_http": True},
        )

    def test_reads_what_was_written(self, store):
        obstore.put(store, "x/y.bin", b"0123456789")

        assert bytes(obstore.get(store, "x/y.bin").bytes()) == b"0123456789"
        assert bytes(obstore.get_range(store, "x/y.bin", start=2, end=5)) == b"234"
        assert obstore.head(store, "x/y.bin")["size"] == 10

    def test_lists_flat_and_by_folder(self, store):
        found = [item["path"] for page in obstore.list(store) for item in page]
        level = obstore.list_with_delimiter(store, "a")

        assert found == NAMES
        assert level["common_prefixes"] == ["a/b"]
        assert [item["path"] for item in level["objects"]] == ["a/1.txt", "a/2.txt"]

    def test_puts_large_objects_in_parts_and_deletes(self, store):
        content = bytes(range(256)) * 50_000
        obstore.put(store, "large", content, chunk_size=5 * 1024 * 1024, use_multipart=True)

        assert bytes(obstore.get(store, "large").bytes()) == content
        obstore.delete(store, ["large", "c.txt"])
        with pytest.raises((FileNotFoundError, BaseError)):
            obstore.head(store, "large")

    def test_signs_addresses_that_are_good_for_some_time(self, store, huawei):
        good, ended = (
            obstore.sign(store, "GET", "d e/ü.txt", expires_in=timedelta(seconds=seconds))
            for seconds in (60, 0)
        )
        wrong = good[:-1] + ("0" if good[-1] != "0" else "1")

        assert huawei.http.get(good).text == "d e/ü.txt"
        assert error(huawei.http.get(wrong)) == (403, "SignatureDoesNotMatch")
        assert error(huawei.http.get(ended)) == (403, "AccessDenied")

    def test_wrong_key_is_refused(self, cloud_emulator, bucket):
        store = S3Store(
            bucket,
            endpoint=f"{cloud_emulator.url}/obs",
            access_key_id="NOBODY",
            secret_access_key=SECRET,
            region="cn-north-4",
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )

        with pytest.raises(BaseError, match=r"InvalidAccessKeyId|403"):
            obstore.get(store, "c.txt")


def test_fault_strikes_obs_in_its_own_shape(huawei, ask, bucket):
    huawei.faults({"action": "status", "status": 503, "times": 1, "match": {"plane": "obs"}})

    assert error(ask("GET", f"{bucket}/c.txt")) == (503, "ServiceError")
    assert ask("GET", f"{bucket}/c.txt").status_code == 200
