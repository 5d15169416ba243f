"""OBS over HTTP, S3-compatible: ``/obs/{bucket}/{key}`` or, at a host ``{bucket}.obs.*``, ``/{key}``.

Buckets: list, create, exists, location, delete, both versions of the listing, delete of many keys. Objects:
Get with ranges and conditions, Head, Put with conditions and metadata, Delete, and multipart uploads.
Everything else, such as copies, tags, versions and access lists, is answered with 501; so are uploads in
signed chunks (``aws-chunked``), which OBS does not understand either.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from airflow_batch_provider.emulator import blob_http
from airflow_batch_provider.emulator.blob_conditions import Conditions, requested_range
from airflow_batch_provider.emulator.blob_errors import BlobError, not_offered
from airflow_batch_provider.emulator.blob_model import Blob, Write
from airflow_batch_provider.emulator.ids import new_guid
from airflow_batch_provider.emulator.obs import access, errors, listing, xml
from airflow_batch_provider.emulator.world import world_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from airflow_batch_provider.emulator.obs.store import ObjectStore

    Operation = Callable[[Request], Awaitable[Response]]

_METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE"]
_SUBRESOURCES = (
    "location",
    "delete",
    "uploads",
    "uploadId",
    "acl",
    "tagging",
    "versioning",
    "versions",
    "policy",
)
_METADATA = ("x-amz-meta-", "x-obs-meta-")
_CONTENT = ("content-type", "content-encoding", "content-language", "content-disposition", "cache-control")


async def answer(request: Request) -> Response:
    """Answer any request to OBS."""
    bucket = request.path_params.get("bucket", "")
    try:
        access.check(request, world_of(request).modelarts, bucket)
        return await _operation(request)(request)
    except BlobError as error:
        return errors.render(error, request.url.path.removeprefix("/obs"))
    except ClientDisconnect:  # Nobody is there to read it.
        return Response(status_code=400)


def _operation(request: Request) -> Operation:
    bucket, key = request.path_params.get("bucket"), request.path_params.get("key")
    kind = "object" if key else "bucket" if bucket else "service"
    asked = next((name for name in _SUBRESOURCES if name in request.query_params), "")
    operation = _OPERATIONS.get((kind, request.method, asked))
    if operation is None:
        raise not_offered(f"{request.method} of {kind} with {asked or 'no sub-resource'}")
    return operation


def _store(request: Request) -> ObjectStore:
    return world_of(request).obs


def _name(request: Request) -> tuple[str, str]:
    return request.path_params["bucket"], request.path_params["key"]


def _xml(body: bytes) -> Response:
    return Response(body, media_type="application/xml")


async def _list_buckets(request: Request) -> Response:
    return _xml(xml.buckets(_store(request).buckets()))


async def _list(request: Request) -> Response:
    bucket = request.path_params["bucket"]
    return _xml(await run_in_threadpool(listing.answer, _store(request), bucket, request.query_params))


async def _bucket_exists(request: Request) -> Response:
    _store(request).require_bucket(request.path_params["bucket"])
    return Response(headers={"x-amz-bucket-region": world_of(request).modelarts.account.region})


async def _location(request: Request) -> Response:
    _store(request).require_bucket(request.path_params["bucket"])
    return _xml(xml.document("LocationConstraint", world_of(request).modelarts.account.region))


async def _create_bucket(request: Request) -> Response:
    bucket = request.path_params["bucket"]
    _store(request).create_bucket(bucket)
    return Response(headers={"location": f"/{bucket}"})


async def _delete_bucket(request: Request) -> Response:
    _store(request).delete_bucket(request.path_params["bucket"])
    return Response(status_code=204)


async def _delete_keys(request: Request) -> Response:
    keys = xml.read_keys(await _body(request))
    for key in keys:
        _delete_quietly(_store(request), request.path_params["bucket"], key)
    inner = "".join(f"<Deleted>{xml.elements(Key=key)}</Deleted>" for key in keys)
    return _xml(xml.document("DeleteResult", inner))


async def _get(request: Request) -> Response:
    found, file = _store(request).open(*_name(request))
    try:
        Conditions.of(request.headers).check_read(found)
        asked = requested_range(request.headers, found.size) or _last_bytes(request, found.size)
    except BlobError:
        file.close()
        raise
    headers = _headers(found)
    if asked is None:
        return blob_http.FileResponse(file, 0, found.size, 200, headers)
    first, last = asked
    headers["content-range"] = f"bytes {first}-{last}/{found.size}"
    return blob_http.FileResponse(file, first, last - first + 1, 206, headers)


def _last_bytes(request: Request, size: int) -> tuple[int, int] | None:
    count = request.headers.get("range", "").removeprefix("bytes=-")
    return (max(0, size - int(count)), size - 1) if count.isdigit() and int(count) and size else None


async def _head(request: Request) -> Response:
    found = _store(request).head(*_name(request))
    Conditions.of(request.headers).check_read(found)
    return Response(headers=_headers(found) | {"content-length": str(found.size)})


async def _put(request: Request) -> Response:
    if "partNumber" in request.query_params:
        raise not_offered("a part without uploadId")
    write = _write(request)
    store = _store(request)
    store.require_bucket(request.path_params["bucket"])
    with store.upload() as file:
        await _receive(request, file)
        made = await run_in_threadpool(store.commit, *_name(request), file, write)
    return Response(headers={"etag": f'"{made.etag}"'})


async def _delete(request: Request) -> Response:
    _delete_quietly(_store(request), *_name(request))
    return Response(status_code=204)


async def _begin_upload(request: Request) -> Response:
    bucket, key = _name(request)
    _store(request).require_bucket(bucket)
    inner = xml.elements(Bucket=bucket, Key=key, UploadId=new_guid())
    return _xml(xml.document("InitiateMultipartUploadResult", inner))


async def _put_part(request: Request) -> Response:
    store, part = _store(request), _part(request, request.query_params.get("partNumber", ""))
    _refuse_chunks(request)
    with store.upload() as file:
        await _receive(request, file)
        store.stage_part(*_name(request), part, file)
    return Response(headers={"etag": f'"{new_guid().replace("-", "")}"'})


async def _complete_upload(request: Request) -> Response:
    bucket, key = _name(request)
    parts = [_part(request, number) for number in xml.read_parts(await _body(request))]
    made = await run_in_threadpool(_store(request).join_parts, bucket, key, parts, Write())
    inner = xml.elements(Location=f"/{bucket}/{key}", Bucket=bucket, Key=key, ETag=f'"{made.etag}"')
    return _xml(xml.document("CompleteMultipartUploadResult", inner))


async def _abort_upload(_: Request) -> Response:
    # Its parts go with the next upload of the same object that is completed.
    return Response(status_code=204)


class _Digesting:
    """Writes to a file and knows the digest of what was written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, chunk: bytes) -> int:
        self.digest.update(chunk)
        return self._file.write(chunk)


async def _receive(request: Request, file: BinaryIO) -> None:
    body = _Digesting(file)
    await blob_http.receive(request, body)
    access.check_content(request, body.digest.hexdigest())


async def _body(request: Request) -> bytes:
    body = await request.body()
    access.check_content(request, hashlib.sha256(body).hexdigest())
    return body


def _part(request: Request, number: str) -> str:
    return f"{request.query_params['uploadId']}/{number}"


def _delete_quietly(store: ObjectStore, bucket: str, key: str) -> None:
    store.require_bucket(bucket)
    with contextlib.suppress(BlobError):  # S3 does not tell whether there was anything to delete.
        store.delete(bucket, key)


def _write(request: Request) -> Write:
    _refuse_chunks(request)
    if "x-amz-copy-source" in request.headers or "x-obs-copy-source" in request.headers:
        raise not_offered("copies")
    content = {name: request.headers[name] for name in _CONTENT if name in request.headers}
    metadata = {
        name[len(prefix) :]: value
        for prefix in _METADATA
        for name, value in request.headers.items()
        if name.startswith(prefix)
    }
    return Write(content, metadata, Conditions.of(request.headers).check_write)


def _refuse_chunks(request: Request) -> None:
    if "aws-chunked" in request.headers.get("content-encoding", ""):
        raise not_offered("uploads in signed chunks; set request_checksum_calculation to when_required")


def _headers(found: Blob) -> dict[str, str]:
    metadata = {f"{_METADATA[0]}{name}": value for name, value in found.metadata.items()}
    return {**found.content, **blob_http.version_headers(found), "accept-ranges": "bytes", **metadata}


_OPERATIONS: dict[tuple[str, str, str], Operation] = {
    ("service", "GET", ""): _list_buckets,
    ("bucket", "GET", ""): _list,
    ("bucket", "HEAD", ""): _bucket_exists,
    ("bucket", "GET", "location"): _location,
    ("bucket", "PUT", ""): _create_bucket,
    ("bucket", "DELETE", ""): _delete_bucket,
    ("bucket", "POST", "delete"): _delete_keys,
    ("object", "GET", ""): _get,
    ("object", "HEAD", ""): _head,
    ("object", "PUT", ""): _put,
    ("object", "DELETE", ""): _delete,
    ("object", "POST", "uploads"): _begin_upload,
    ("object", "PUT", "uploadId"): _put_part,
    ("object", "POST", "uploadId"): _complete_upload,
    ("object", "DELETE", "uploadId"): _abort_upload,
}
ROUTES = [
    Route("/obs", answer, methods=_METHODS),
    Route("/obs/", answer, methods=_METHODS),
    Route("/obs/{bucket}", answer, methods=_METHODS),
    Route("/obs/{bucket}/", answer, methods=_METHODS),
    Route("/obs/{bucket}/{key:path}", answer, methods=_METHODS),
]
