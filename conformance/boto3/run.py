"""boto3, the S3 client, against the emulator's OBS: buckets, objects, parts, signed addresses.

Run it in an environment of its own, as ``python run.py https://localhost:8787 STATE/ca.pem``, while the
emulator runs with ``--tls --state STATE``. It prints a line for each operation and ends with 1 if one failed.
"""

from __future__ import annotations

import io
import json
import os
import ssl
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

URL, CA_FILE = sys.argv[1], sys.argv[2]
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "conformance"))

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from operations import Operations, refused

ACCESS, SECRET = "EMULATORACCESSKEY000", "emulator-secret-key"
REGION = "cn-north-4"
PART = 5 * 1024 * 1024
LARGE = os.urandom(2 * PART + 17)
KEYS = ["in/a.png", "in/b.png", "in/deep/c.png", "in/ü & +.png"]
_http = build_opener(ProxyHandler({}), HTTPSHandler(context=ssl.create_default_context(cafile=CA_FILE)))


def client(access: str = ACCESS, **options: Any) -> Any:
    """Return boto3's client: what OBS does not know, checksums in signed chunks, is not sent."""
    config = Config(
        s3={"addressing_style": "path"},
        retries={"max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        signature_version=options.pop("signature_version", "s3v4"),
    )
    return boto3.client(
        "s3",
        endpoint_url=f"{URL}/obs",
        region_name=REGION,
        aws_access_key_id=access,
        aws_secret_access_key=options.pop("secret", SECRET),
        verify=CA_FILE,
        config=config,
        **options,
    )


def code(operation: Callable[[], Any], wanted: str) -> Callable[[], bool]:
    """Return an operation that passes if another is refused with this code."""
    return refused(operation, ClientError, f"({wanted})")


def buckets(done: Operations, s3: Any, bucket: str) -> None:
    """Made, found, told where."""
    done(
        "create_bucket", lambda: s3.create_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 200
    )
    done("head_bucket", lambda: s3.head_bucket(Bucket=bucket)["BucketRegion"] == REGION)
    done("head_bucket of none", code(lambda: s3.head_bucket(Bucket=f"{bucket}-not"), "404"))
    done("list_buckets", lambda: bucket in [one["Name"] for one in s3.list_buckets()["Buckets"]])
    done(
        "get_bucket_location",
        lambda: s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] == REGION,
    )


def objects(done: Operations, s3: Any, bucket: str) -> None:
    """Small ones: content, ranges, headers, metadata, conditions."""
    one = {"Bucket": bucket, "Key": "table.csv"}
    told = {"ContentType": "text/csv", "CacheControl": "no-store", "Metadata": {"origin": "here"}}
    done("put_object", lambda: s3.put_object(**one, Body=b"0123456789", **told)["ETag"])
    done("put_object to no bucket", code(
        lambda: s3.put_object(Bucket=f"{bucket}-not", Key="x", Body=b""), "NoSuchBucket"
    ))  # fmt: skip
    done("get_object", lambda: s3.get_object(**one)["Body"].read() == b"0123456789")
    done("get_object: a range", lambda: s3.get_object(**one, Range="bytes=2-4")["Body"].read() == b"234")
    done(
        "get_object: the last bytes", lambda: s3.get_object(**one, Range="bytes=-3")["Body"].read() == b"789"
    )
    done(
        "get_object: a range behind the end",
        code(lambda: s3.get_object(**one, Range="bytes=99-"), "InvalidRange"),
    )
    done("get_object of none", code(lambda: s3.get_object(Bucket=bucket, Key="none"), "NoSuchKey"))
    done("head_object: size", lambda: s3.head_object(**one)["ContentLength"] == 10)
    done("head_object: content type", lambda: s3.head_object(**one)["ContentType"] == "text/csv")
    done("head_object: metadata", lambda: s3.head_object(**one)["Metadata"] == {"origin": "here"})
    done("head_object of none", code(lambda: s3.head_object(Bucket=bucket, Key="none"), "404"))
    etag = s3.head_object(**one)["ETag"]
    done("get_object if it is the same", lambda: s3.get_object(**one, IfMatch=etag)["ETag"] == etag)
    done(
        "get_object if it is another",
        code(lambda: s3.get_object(**one, IfMatch='"x"'), "PreconditionFailed"),
    )
    done("get_object if it has changed", code(lambda: s3.get_object(**one, IfNoneMatch=etag), "304"))
    done("put_object only if new", code(
        lambda: s3.put_object(**one, Body=b"", IfNoneMatch="*"), "PreconditionFailed"
    ))  # fmt: skip
    empty = {"Bucket": bucket, "Key": "empty/"}
    done("put_object: a folder's marker", lambda: s3.put_object(**empty)["ETag"])
    done("get_object: nothing", lambda: s3.get_object(**empty)["Body"].read() == b"")


def listings(done: Operations, s3: Any, bucket: str) -> None:
    """By prefix, by folder, in pages, in both versions."""
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())

    def keys(answer: dict[str, Any]) -> list[str]:
        return [one["Key"] for one in answer.get("Contents", [])]

    two, one = s3.list_objects_v2, s3.list_objects
    done("list_objects_v2 by prefix", lambda: keys(two(Bucket=bucket, Prefix="in/")) == KEYS)
    done("list_objects_v2: sizes", lambda: two(Bucket=bucket, Prefix="in/a")["Contents"][0]["Size"] == 8)
    folder = two(Bucket=bucket, Prefix="in/", Delimiter="/")
    done("list_objects_v2 by folder: files", lambda: keys(folder) == [KEYS[0], KEYS[1], KEYS[3]])
    done("list_objects_v2 by folder: folders", lambda: folder["CommonPrefixes"] == [{"Prefix": "in/deep/"}])
    done(
        "list_objects_v2 after a key",
        lambda: keys(two(Bucket=bucket, Prefix="in/", StartAfter=KEYS[1])) == KEYS[2:],
    )
    pages = s3.get_paginator("list_objects_v2").paginate
    small = {"PaginationConfig": {"PageSize": 3}}
    done("list_objects_v2 in pages", lambda: [
        keys(page) for page in pages(Bucket=bucket, Prefix="in/", **small)
    ] == [KEYS[:3], KEYS[3:]])  # fmt: skip
    done("list_objects by prefix", lambda: keys(one(Bucket=bucket, Prefix="in/")) == KEYS)
    old = s3.get_paginator("list_objects").paginate
    done("list_objects in pages", lambda: [
        keys(page) for page in old(Bucket=bucket, Prefix="in/", **small)
    ] == [KEYS[:3], KEYS[3:]])  # fmt: skip
    done("list_objects_v2 of nothing", lambda: two(Bucket=bucket, Prefix="none/")["KeyCount"] == 0)
    done("list_objects_v2 of no bucket", code(lambda: two(Bucket=f"{bucket}-not"), "NoSuchBucket"))


def parts(done: Operations, s3: Any, bucket: str) -> None:
    """Large ones, by parts, by hand and by the client's own transfers."""
    one = {"Bucket": bucket, "Key": "by-hand"}
    upload = done("create_multipart_upload", lambda: s3.create_multipart_upload(**one)["UploadId"])
    sent = []
    for number, body in ((1, b"<1>"), (2, b"<2>")):
        etag = done(
            f"upload_part {number}",
            lambda n=number, b=body: s3.upload_part(**one, UploadId=upload, PartNumber=n, Body=b)["ETag"],
        )
        sent.append({"PartNumber": number, "ETag": etag})
    done(
        "complete_multipart_upload",
        lambda: s3.complete_multipart_upload(**one, UploadId=upload, MultipartUpload={"Parts": sent})["ETag"],
    )
    done("it is all parts in their order", lambda: s3.get_object(**one)["Body"].read() == b"<1><2>")
    other = {"Bucket": bucket, "Key": "given-up"}
    given_up = s3.create_multipart_upload(**other)["UploadId"]
    done("abort_multipart_upload", lambda: bool(s3.abort_multipart_upload(**other, UploadId=given_up)))
    done("nothing is there", code(lambda: s3.head_object(**other), "404"))
    transfer = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)
    done(
        "upload_fileobj in parallel parts",
        lambda: s3.upload_fileobj(io.BytesIO(LARGE), bucket, "large", Config=transfer) is None,
    )
    done("download_fileobj in parallel ranges", lambda: _downloaded(s3, bucket, "large", transfer) == LARGE)


def _downloaded(s3: Any, bucket: str, key: str, transfer: TransferConfig) -> bytes:
    target = io.BytesIO()
    s3.download_fileobj(bucket, key, target, Config=transfer)
    return target.getvalue()


def credentials(done: Operations, s3: Any, bucket: str) -> None:
    """Permanent and temporary keys, wrong ones, and addresses that were signed for somebody without."""
    stranger = client("NOBODYSACCESSKEY0000")
    done("an unknown access key", code(stranger.list_buckets, "InvalidAccessKeyId"))
    forger = client(secret=f"not-{SECRET}")
    done("a wrong secret key", code(forger.list_buckets, "SignatureDoesNotMatch"))
    found = temporary_keys()
    keys = {"access": found["access"], "secret": found["secret"]}
    temporary = client(**keys, aws_session_token=found["securitytoken"])
    done("temporary keys", lambda: temporary.get_object(Bucket=bucket, Key="in/a.png")["ContentLength"] == 8)
    bare = client(**keys)
    done("temporary keys without their token", code(bare.list_buckets, "InvalidSecurityToken"))
    what = {"Bucket": bucket, "Key": KEYS[3]}
    signed = s3.generate_presigned_url("get_object", what, ExpiresIn=600)
    done("generate_presigned_url: get", lambda: _asked(signed) == KEYS[3].encode())
    target = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "signed"}, ExpiresIn=600)
    done("generate_presigned_url: put", lambda: _asked(target, "PUT", b"by hand") == b"")
    done(
        "what was put is there",
        lambda: s3.get_object(Bucket=bucket, Key="signed")["Body"].read() == b"by hand",
    )
    done(
        "the same address without its signature",
        refused(lambda: _asked(signed.split("?")[0]), HTTPError, "403"),
    )


def _asked(address: str, method: str = "GET", body: bytes | None = None) -> bytes:
    with _http.open(Request(address, data=body, method=method)) as answer:  # noqa: S310 - https
        content: bytes = answer.read()
    return content


def temporary_keys() -> dict[str, str]:
    """Exchange a token for keys, as `auth=token` connections do."""
    user = {"name": "emulator", "password": "emulator", "domain": {"name": "emulator"}}
    identity: dict[str, Any] = {"methods": ["password"], "password": {"user": user}}
    scope = {"project": {"name": REGION}}
    token = _iam("/v3/auth/tokens", {"identity": identity, "scope": scope})[1]["X-Subject-Token"]
    identity = {"methods": ["token"], "token": {"id": token, "duration_seconds": 900}}
    made: dict[str, str] = _iam("/v3.0/OS-CREDENTIAL/securitytokens", {"identity": identity})[0]["credential"]
    return made


def _iam(path: str, auth: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    told = {"Content-Type": "application/json"}
    request = Request(URL + path, json.dumps({"auth": auth}).encode(), told)  # noqa: S310 - https
    with _http.open(request) as answer:
        return json.load(answer), answer.headers


def deletions(done: Operations, s3: Any, bucket: str) -> None:
    """One, several at once, the bucket."""
    gone = {"Bucket": bucket, "Key": "table.csv"}
    done("delete_object", lambda: s3.delete_object(**gone)["ResponseMetadata"]["HTTPStatusCode"] == 204)
    done("delete_object again", lambda: s3.delete_object(**gone)["ResponseMetadata"]["HTTPStatusCode"] == 204)
    done("delete_bucket that has objects", code(lambda: s3.delete_bucket(Bucket=bucket), "BucketNotEmpty"))
    left = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    wanted = {"Objects": [{"Key": key} for key in left]}
    done(
        "delete_objects", lambda: len(s3.delete_objects(Bucket=bucket, Delete=wanted)["Deleted"]) == len(left)
    )
    done(
        "delete_bucket", lambda: s3.delete_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    )
    done("it is gone", code(lambda: s3.list_objects_v2(Bucket=bucket), "NoSuchBucket"))


def main() -> int:
    """Carry out all operations; return 0 if each passed."""
    done, s3, bucket = Operations("boto3"), client(), f"b{uuid.uuid4().hex[:20]}"
    for step in (buckets, objects, listings, parts, credentials, deletions):
        step(done, s3, bucket)
    return 0 if done.report() else 1


if __name__ == "__main__":
    sys.exit(main())
