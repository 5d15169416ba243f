"""The REST API of Azure Blob Storage, as far as storage clients of batch jobs use it.

Containers: create, exists, delete, List Blobs, Blob Batch (deletes). Blobs: Put Blob, Put Block, Put Block
List, Set Blob Metadata, Get Blob with ranges and conditions, Get Blob Properties, Delete Blob. Everything
else, such as leases, snapshots, tiers, copies, append and page blobs, is answered with 501.
"""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from airflow_batch_provider.emulator import blob_http
from airflow_batch_provider.emulator.blob_batch import Part, PartAnswer, read_batch, render_batch
from airflow_batch_provider.emulator.blob_conditions import Conditions, requested_range
from airflow_batch_provider.emulator.blob_errors import BlobError, InvalidNameError, not_offered
from airflow_batch_provider.emulator.blob_model import Blob, Write
from airflow_batch_provider.emulator.blob_store import BlobStore
from airflow_batch_provider.emulator.blob_xml import Listing, check_block_id, read_block_list, render_listing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Authorize = Callable[[Request], Response | None]
    Operation = Callable[[Request], Awaitable[Response]]

__all__ = ["BlobStore", "routes"]

_METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE"]
_MOST_ITEMS = 5000
_MOST_PARTS = 256


def routes(store: BlobStore, authorize: Authorize) -> list[Route]:
    """Return the routes of the blob service, to be mounted where account names begin.

    Args:
        store: The blobs.
        authorize: Called first with each request, also with each part of a batch; returns the answer to a
            request that is not allowed, else None.
    """
    service = _BlobService(store, authorize)
    return [
        Route("/{account}/{container}", service.answer, methods=_METHODS),
        Route("/{account}/{container}/{path:path}", service.answer, methods=_METHODS),
    ]


class _BlobService:
    """The operations, each a method that takes the request."""

    def __init__(self, store: BlobStore, authorize: Authorize) -> None:
        self._store = store
        self._authorize = authorize
        self._of_container: dict[tuple[str, str], Operation] = {
            ("GET", "list"): self._list,
            ("GET", ""): self._container_properties,
            ("HEAD", ""): self._container_properties,
            ("PUT", ""): self._create_container,
            ("DELETE", ""): self._delete_container,
            ("POST", "batch"): self._batch,
        }
        self._of_blob: dict[tuple[str, str], Operation] = {
            ("GET", ""): self._get,
            ("HEAD", ""): self._head,
            ("PUT", ""): self._put,
            ("PUT", "metadata"): self._set_metadata,
            ("PUT", "block"): self._put_block,
            ("PUT", "blocklist"): self._put_block_list,
            ("DELETE", ""): self._delete,
        }

    async def answer(self, request: Request) -> Response:
        """Answer any request to a container or a blob."""
        response = self._authorize(request)
        if response is None:
            try:
                response = await self._operation(request)(request)
            except BlobError as error:
                response = blob_http.error_response(error)
            except ClientDisconnect:  # Nobody is there to read it.
                response = Response(status_code=400)
        return blob_http.complete(response, request)

    def _operation(self, request: Request) -> Operation:
        comp = request.query_params.get("comp", "")
        restype = request.query_params.get("restype", "")
        is_container = not request.path_params.get("path")
        operations = self._of_container if is_container else self._of_blob
        operation = operations.get((request.method, comp))
        if operation is None or restype != ("container" if is_container else ""):
            what = f"{request.method} of a {'container' if is_container else 'blob'}"
            raise not_offered(f"{what} with restype={restype!r} and comp={comp!r}")
        return operation

    async def _list(self, request: Request) -> Response:
        query = request.query_params
        account, container = _container(request)
        delimiter = query.get("delimiter", "")
        if delimiter not in ("", "/"):
            raise not_offered(f"the delimiter {delimiter!r}")
        page = await run_in_threadpool(
            self._store.list,
            account,
            container,
            query.get("prefix", ""),
            deep=not delimiter,
            start=max(_read_marker(query.get("marker", "")), query.get("startFrom", "")),
            limit=_limit(query.get("maxresults", "")),
        )
        listing = Listing(
            endpoint=f"{request.url.scheme}://{request.url.netloc}{request.scope['root_path']}/{account}/",
            container=container,
            echo={
                name: query.get(name.lower(), "") for name in ("Prefix", "Marker", "MaxResults", "Delimiter")
            },
            items=page.items,
            next_marker=_marker(page.following),
            with_metadata="metadata" in query.get("include", "").split(","),
        )
        return Response(render_listing(listing), media_type="application/xml")

    async def _container_properties(self, request: Request) -> Response:
        return Response(headers=blob_http.folder_headers(self._store.require_container(*_container(request))))

    async def _create_container(self, request: Request) -> Response:
        if not self._store.create_container(*_container(request)):
            raise BlobError(409, "ContainerAlreadyExists", "The specified container already exists.")
        folder = self._store.require_container(*_container(request))
        return Response(status_code=201, headers=blob_http.folder_headers(folder))

    async def _delete_container(self, request: Request) -> Response:
        await run_in_threadpool(self._store.delete_container, *_container(request))
        return Response(status_code=202)

    async def _batch(self, request: Request) -> Response:
        parts = read_batch(request.headers.get("content-type", ""), await request.body())
        if len(parts) > _MOST_PARTS:
            raise BlobError(
                400, "InvalidInput", f"A batch has at most {_MOST_PARTS} parts, not {len(parts)}."
            )
        boundary = f"batchresponse_{uuid.uuid4()}"
        body = render_batch(boundary, [await self._answer_part(request, part) for part in parts])
        return Response(body, 202, {"content-type": f"multipart/mixed; boundary={boundary}"})

    async def _answer_part(self, batch: Request, part: Part) -> PartAnswer:
        try:
            response = await self.answer(_request_of(batch, part))
        except BlobError as error:
            response = blob_http.complete(blob_http.error_response(error), batch)
        return PartAnswer(part.content_id, response.status_code, response.headers, bytes(response.body))

    async def _get(self, request: Request) -> Response:
        blob, file = self._store.open(*_blob(request))
        try:
            _check_read(request, blob)
            requested = requested_range(request.headers, blob.size)
        except BlobError:
            file.close()
            raise
        headers = blob_http.blob_headers(blob)
        if requested is None:
            return blob_http.FileResponse(file, 0, blob.size, 200, headers)
        first, last = requested
        headers["content-range"] = f"bytes {first}-{last}/{blob.size}"
        return blob_http.FileResponse(file, first, last - first + 1, 206, headers)

    async def _head(self, request: Request) -> Response:
        blob = self._store.head(*_blob(request))
        _check_read(request, blob)
        return Response(headers={**blob_http.blob_headers(blob), "content-length": str(blob.size)})

    async def _put(self, request: Request) -> Response:
        blob_http.check_block_blob(request)
        write = blob_http.write_of(request, body_is_content=True)
        with self._store.upload() as file:
            await blob_http.receive(request, file)
            blob = await run_in_threadpool(self._store.commit, *_blob(request), file, write)
        return _created(blob_http.version_headers(blob))

    async def _set_metadata(self, request: Request) -> Response:
        write = blob_http.write_of(request, body_is_content=False)
        blob = await run_in_threadpool(self._store.describe_anew, *_blob(request), write)
        return Response(headers={**blob_http.version_headers(blob), "x-ms-request-server-encrypted": "true"})

    async def _put_block(self, request: Request) -> Response:
        block_id = check_block_id(request.query_params.get("blockid", ""))
        with self._store.upload() as file:
            await blob_http.receive(request, file)
            self._store.stage_block(*_blob(request), block_id, file)
        return _created({})

    async def _put_block_list(self, request: Request) -> Response:
        write = blob_http.write_of(request, body_is_content=False)
        block_ids = read_block_list(await request.body())
        blob = await run_in_threadpool(self._store.commit_blocks, *_blob(request), block_ids, write)
        return _created(blob_http.version_headers(blob))

    async def _delete(self, request: Request) -> Response:
        write = Write(check=Conditions.of(request.headers).check_write)
        self._store.delete(*_blob(request), write)
        return Response(status_code=202, headers={"x-ms-delete-type-permanent": "true"})


def _container(request: Request) -> tuple[str, str]:
    return request.path_params["account"], request.path_params["container"]


def _blob(request: Request) -> tuple[str, str, str]:
    return *_container(request), request.path_params["path"]


def _check_read(request: Request, blob: Blob) -> None:
    try:
        Conditions.of(request.headers).check_read(blob)
    except BlobError as error:
        error.headers.update(blob_http.version_headers(blob))
        raise


def _created(headers: dict[str, str]) -> Response:
    return Response(status_code=201, headers={**headers, "x-ms-request-server-encrypted": "true"})


def _request_of(batch: Request, part: Part) -> Request:
    """Return a part of a batch as the request that it is."""
    if part.method != "DELETE":
        raise not_offered(f"{part.method} in a batch")
    name = _name_in(batch, part)
    path = f"{batch.url.path}/{name}"
    headers = {"host": batch.headers.get("host", ""), **part.headers}
    scope = {
        **batch.scope,
        "method": part.method,
        "path": path,
        "raw_path": quote(path).encode(),
        "query_string": urlsplit(part.target).query.encode(),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        "path_params": {**batch.path_params, "path": name},
    }
    return Request(scope)


def _name_in(batch: Request, part: Part) -> str:
    """Return the blob that a part names; clients give the path from the host or from the account's parent."""
    account, container = _container(batch)
    path = unquote(urlsplit(part.target).path)
    for start in (
        f"{batch.scope['root_path']}/{account}/{container}/",
        f"/{account}/{container}/",
        f"/{container}/",
    ):
        if path.startswith(start):
            return path.removeprefix(start)
    raise InvalidNameError(f"The path {path!r} of the batch's part is not in the container {container!r}.")


def _limit(maxresults: str) -> int:
    if not maxresults:
        return _MOST_ITEMS
    if not maxresults.isascii() or not maxresults.isdigit() or int(maxresults) < 1:
        message = f"The value {maxresults!r} of maxresults is not a whole number of at least 1."
        raise BlobError(400, "OutOfRangeQueryParameterValue", message)
    return min(int(maxresults), _MOST_ITEMS)


def _marker(name: str | None) -> str:
    """Return the opaque marker of the page that begins with a name."""
    return "" if name is None else f"2!{base64.urlsafe_b64encode(name.encode()).decode()}"


def _read_marker(marker: str) -> str:
    if not marker:
        return ""
    try:
        return base64.urlsafe_b64decode(marker.removeprefix("2!")).decode()
    except ValueError:
        message = f"The value {marker!r} of marker is none that a listing returned."
        raise BlobError(400, "InvalidQueryParameterValue", message) from None
