"""The blob service on a folder, asked by obstore and by plain HTTP through a real server."""

from __future__ import annotations

import io
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from xml.etree import ElementTree as ET

import httpx
import obstore
import obstore.exceptions
import pytest
import uvicorn
from hypothesis import example, given, settings
from hypothesis import strategies as st
from obstore.store import AzureStore
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount

from airflow_batch_provider.emulator.blob import BlobStore, routes
from airflow_batch_provider.emulator.blob_conditions import Conditions, requested_range
from airflow_batch_provider.emulator.blob_errors import BlobError
from airflow_batch_provider.emulator.blob_model import Blob

ACCOUNT, CONTAINER = "account1", "results"
PLACE = (ACCOUNT, CONTAINER)


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


def authorize(request):
    """Allow one bearer token."""
    if request.headers.get("authorization") == "Bearer good":
        return None
    return Response("no", 403, {"x-ms-error-code": "AuthorizationFailure"})


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Serve one store for all tests; yields (root folder, URL of the mount)."""
    root = tmp_path_factory.mktemp("blobs")
    app = Starlette(routes=[Mount("/blob", routes=routes(BlobStore(root), authorize))])
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    wait_for(lambda: server.started)
    yield root, f"http://127.0.0.1:{listener.getsockname()[1]}/blob"
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.fixture
def container(served):
    """Return the folder of an empty container."""
    root, _ = served
    BlobStore(root).create_container(*PLACE)
    yield root / ACCOUNT / CONTAINER
    BlobStore(root).delete_container(*PLACE)


@pytest.fixture
def azure(served, container):
    """Return obstore's client of the container."""
    return azure_store(served[1])


def azure_store(url, token="good", container=CONTAINER):
    return AzureStore(
        container_name=container,
        account_name=ACCOUNT,
        endpoint=f"{url}/{ACCOUNT}",
        bearer_token=token,
        client_options={"allow_http": True},
        retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=5)},
    )


@pytest.fixture(scope="module")
def client(served):
    """Return one HTTP client for all tests: making one costs more than most of them."""
    headers = {"authorization": "Bearer good", "x-ms-version": "2021-08-06"}
    with httpx.Client(base_url=f"{served[1]}/{ACCOUNT}/{CONTAINER}", headers=headers) as client:
        yield client


@pytest.fixture
def http(client, container):
    """Return the HTTP client of an empty container."""
    return client


@pytest.fixture
def store(tmp_path):
    """Return a store of its own."""
    return BlobStore(tmp_path)


def put(http, name, data=b"x", **headers):
    answer = http.put(name, content=data, headers={"x-ms-blob-type": "BlockBlob", **headers})
    assert answer.status_code == 201, answer.text
    return answer


def listing(http, **query):
    answer = http.get("", params={"restype": "container", "comp": "list", **query})
    assert answer.status_code == 200, answer.text
    return parse(answer)


def parse(answer):
    return ET.fromstring(answer.content)  # noqa: S314 - from a server of ours.


def names(root):
    return [element.text for element in root.find("Blobs").iter("Name")]


# obstore, the client of the provider


@pytest.mark.parametrize("name", ["a.txt", "a/b/c.txt", "sp ace/ü+%&=#?.txt", "a%2Fb", "~$x;y,(z)'!@[]{}^`|"])
def test_obstore_writes_reads_lists_and_deletes_a_blob(azure, container, name):
    """The blob is a plain file of that path."""
    written = obstore.put(azure, name, b"hello", use_multipart=False)
    local = container / obstore.list(azure).collect()[0]["path"]

    assert local.read_bytes() == b"hello"
    head = obstore.head(azure, name)
    assert (head["path"], head["size"], head["e_tag"]) == (
        local.relative_to(container).as_posix(),
        5,
        written["e_tag"],
    )
    assert abs(head["last_modified"] - datetime.now(timezone.utc)) < timedelta(seconds=60)
    assert bytes(obstore.get(azure, name).bytes()) == b"hello"
    assert bytes(obstore.get_range(azure, name, start=1, end=3)) == b"el"
    assert bytes(obstore.get_range(azure, name, start=3, length=9)) == b"lo"

    obstore.delete(azure, name)

    assert obstore.list(azure).collect() == []
    assert not local.exists()


def test_obstore_lists_recursively_and_by_folder(azure, container):
    """Both views, also of files that another program wrote."""
    for name in ("run/a.csv", "run/b/c.csv", "run/b/d.csv", "runner.csv", "other/x"):
        path = container / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (container / "run/empty/folder").mkdir(parents=True)

    flat = obstore.list(azure, "run").collect()
    folder = obstore.list_with_delimiter(azure, "run")

    assert [meta["path"] for meta in flat] == ["run/a.csv", "run/b/c.csv", "run/b/d.csv"]
    assert [meta["size"] for meta in flat] == [9, 11, 11]
    assert [meta["path"] for meta in folder["objects"]] == ["run/a.csv"]
    assert folder["common_prefixes"] == ["run/b"]
    later = obstore.list(azure, "run", offset="run/b/c.csv").collect()
    assert [meta["path"] for meta in later] == ["run/b/d.csv"]


def test_obstore_uploads_in_blocks(azure, container, served):
    """A large content comes in parallel blocks and is put together in order; no block stays behind."""
    data = bytes(range(256)) * 5000
    obstore.put(azure, "big.bin", io.BytesIO(data), use_multipart=True, chunk_size=300_000, max_concurrency=3)

    assert (container / "big.bin").read_bytes() == data
    assert bytes(obstore.get(azure, "big.bin").bytes()) == data
    assert [path for path in (served[0] / ".blocks").rglob("*") if path.is_file()] == []
    assert list((served[0] / ".uploads").iterdir()) == []


def test_obstore_creates_only_what_is_new_and_updates_only_what_it_knows(azure):
    """Conditions of writes and reads."""
    first = obstore.put(azure, "a", b"1", mode="create")
    with pytest.raises(obstore.exceptions.AlreadyExistsError):
        obstore.put(azure, "a", b"2", mode="create")
    second = obstore.put(azure, "a", b"2", mode={"e_tag": first["e_tag"]}, use_multipart=False)
    with pytest.raises(obstore.exceptions.PreconditionError):
        obstore.put(azure, "a", b"3", mode={"e_tag": first["e_tag"]}, use_multipart=False)
    with pytest.raises(obstore.exceptions.NotModifiedError):
        obstore.get(azure, "a", options={"if_none_match": second["e_tag"]})
    with pytest.raises(obstore.exceptions.PreconditionError):
        obstore.get(azure, "a", options={"if_match": first["e_tag"]})

    assert bytes(obstore.get(azure, "a", options={"if_match": second["e_tag"]}).bytes()) == b"2"


def test_obstore_keeps_attributes_with_the_version_they_came_with(azure, container):
    """When another program replaces the file, neither content type nor metadata nor ETag stay."""
    attributes = {"Content-Type": "text/csv", "Cache-Control": "no-store", "origin": "test"}
    written = obstore.put(azure, "a.csv", b"1", attributes=attributes, use_multipart=False)
    assert obstore.get(azure, "a.csv").attributes == attributes

    (container / "a.csv").write_bytes(b"2")

    assert obstore.get(azure, "a.csv").attributes == {"Content-Type": "application/octet-stream"}
    assert obstore.head(azure, "a.csv")["e_tag"] != written["e_tag"]


def test_obstore_deletes_many_at_once(azure, container):
    """One batch request; the others stay."""
    for number in range(5):
        obstore.put(azure, f"d {number}/ü.txt", b"x", use_multipart=False)

    obstore.delete(azure, [f"d {number}/ü.txt" for number in (0, 2, 4)])

    assert [meta["path"] for meta in obstore.list(azure).collect()] == ["d 1/ü.txt", "d 3/ü.txt"]


def test_obstore_is_told_what_does_not_exist(azure, served):
    """A missing blob and a missing container are both not found."""
    with pytest.raises(FileNotFoundError, match="BlobNotFound"):
        obstore.get(azure, "missing")
    with pytest.raises(FileNotFoundError):
        obstore.head(azure, "missing")
    elsewhere = azure_store(served[1], container="no-such")
    with pytest.raises(Exception, match="ContainerNotFound"):
        obstore.list(elsewhere).collect()


def test_each_request_is_authorized_first(served, container):
    """The hook's answer is the answer, whatever exists."""
    (container / "a").write_bytes(b"x")
    intruder = azure_store(served[1], token="bad")

    with pytest.raises(obstore.exceptions.PermissionDeniedError):
        obstore.get(intruder, "a")
    with pytest.raises(Exception, match="403"):
        obstore.delete(intruder, "a")

    assert (container / "a").exists()


# Listings


def test_a_listing_looks_as_the_service_writes_it(http):
    """Byte order mark, echoed parameters, unquoted ETag, properties and, if asked for, metadata."""
    put(http, "f/a&b.txt", b"12345", **{"content-type": "text/plain", "x-ms-meta-owner": "me<>"})
    head = http.head("f/a&b.txt")
    query = {"restype": "container", "comp": "list", "prefix": "f/", "maxresults": "9"}

    raw = http.get("", params=query)
    root = parse(raw)

    assert raw.headers["content-type"].startswith("application/xml")
    assert raw.content.startswith(b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?><EnumerationResults ')
    assert root.attrib == {
        "ServiceEndpoint": str(http.base_url).removesuffix(f"{CONTAINER}/"),
        "ContainerName": CONTAINER,
    }
    assert (root.findtext("Prefix"), root.findtext("MaxResults"), root.find("Delimiter")) == ("f/", "9", None)
    assert root.find("NextMarker").text is None
    (blob,) = root.find("Blobs")
    assert blob.findtext("Name") == "f/a&b.txt"
    properties = {element.tag: element.text for element in blob.find("Properties")}
    assert properties == {
        "Creation-Time": head.headers["x-ms-creation-time"],
        "Last-Modified": head.headers["last-modified"],
        "Etag": head.headers["etag"].strip('"'),
        "Content-Length": "5",
        "Content-Type": "text/plain",
        "Content-Encoding": None,
        "Content-Language": None,
        "Content-MD5": None,
        "Cache-Control": None,
        "Content-Disposition": None,
        "BlobType": "BlockBlob",
        "AccessTier": "Hot",
        "AccessTierInferred": "true",
        "LeaseStatus": "unlocked",
        "LeaseState": "available",
        "ServerEncrypted": "true",
    }
    assert blob.find("Metadata") is None
    (described,) = listing(http, include="metadata").find("Blobs")
    assert {element.tag: element.text for element in described.find("Metadata")} == {"owner": "me<>"}


def test_a_listing_comes_in_pages(http):
    """The marker of a page leads to the next; common prefixes count as items and are not split."""
    for name in ("a/1", "a/2", "b", "c/1", "d"):
        put(http, name)

    def pages(**query):
        marker, found = "", []
        while True:
            root = listing(http, maxresults="2", marker=marker, **query)
            found.append(names(root))
            marker = root.findtext("NextMarker")
            if not marker:
                return found

    assert pages() == [["a/1", "a/2"], ["b", "c/1"], ["d"]]
    assert pages(delimiter="/") == [["a/", "b"], ["c/", "d"]]
    assert [e.tag for e in listing(http, delimiter="/").find("Blobs")] == ["BlobPrefix", "Blob"] * 2


def test_unfinished_foreign_and_linked_files_are_no_blobs(http, container, tmp_path):
    """Only whole files inside the store are listed or read."""
    (tmp_path / "secret").write_text("secret")
    (container / "link").symlink_to(tmp_path / "secret")
    (container / "folder").symlink_to(tmp_path)
    (container / ".emulator-partial-predictions.csv").write_text("half")
    (container / "line\nbreak").write_text("x")
    (container / ".hidden").write_text("a plain name")

    assert names(listing(http)) == [".hidden"]
    for name in ("link", "folder/secret", ".emulator-partial-predictions.csv"):
        answer = http.get(name)
        assert (answer.status_code, answer.headers["x-ms-error-code"]) == (400, "InvalidResourceName")
    assert http.put("folder/new", content=b"x", headers={"x-ms-blob-type": "BlockBlob"}).status_code == 400
    assert not (tmp_path / "new").exists()


def test_a_name_ending_in_a_slash_is_a_directory_marker(http, container):
    """It is listed beside the blobs of its folder, and deleted without them."""
    put(http, "out/", b"")
    put(http, "out/a.csv")

    assert names(listing(http)) == ["out/", "out/a.csv"]
    assert names(listing(http, prefix="out/", delimiter="/")) == ["out/", "out/a.csv"]
    assert names(listing(http, delimiter="/")) == ["out/"]
    assert http.head("out/").headers["content-length"] == "0"
    assert http.delete("out/").status_code == 202
    assert names(listing(http)) == ["out/a.csv"]


@settings(max_examples=40, deadline=None)
@example(tree={("a", "b"), ("a-",), ("a0",)}, prefix="", start="", deep=True, limit=1)
@example(tree={("a", "b"), ("a-",), ("a0",)}, prefix="", start="a/a", deep=False, limit=1)
@given(
    tree=st.sets(
        st.lists(st.sampled_from(["a", "b", "a-", "a.b", "0", "é"]), min_size=1, max_size=3).map(tuple)
    ),
    prefix=st.sampled_from(["", "a", "a/", "a/b", "a/a-", "b/a/", "/", "a//", "../"]),
    start=st.sampled_from(["", "a", "a-", "a/", "a/b", "a0", "b/a"]),
    deep=st.booleans(),
    limit=st.integers(1, 4),
)
def test_pages_hold_what_a_flat_list_of_names_would_give(
    *, tmp_path_factory, tree, prefix, start, deep, limit
):
    """Walking folders gives each name once, in the order of the whole names, for any prefix and start."""
    blobs = [
        "/".join(path) for path in tree if not any(path == other[: len(path)] != other for other in tree)
    ]
    store = BlobStore(tmp_path_factory.mktemp("tree"))
    store.create_container(*PLACE)
    for name in blobs:
        store.put(*PLACE, name, b"")

    found = []
    following = start
    for _ in range(len(blobs) + 1):
        page = store.list(*PLACE, prefix, deep=deep, start=following, limit=limit)
        found += [item if isinstance(item, str) else item.name for item in page.items]
        following = page.following
        if following is None:
            break

    matching = [name for name in blobs if name.startswith(prefix) and name >= start]
    if not deep:
        ends = {name: name.find("/", len(prefix)) for name in matching}
        matching = {name if end < 0 else name[: end + 1] for name, end in ends.items()}
    assert found == sorted(matching)


# Requests and errors of the REST API


def test_an_error_is_xml_with_the_services_headers(http):
    """Code and message in the body, the code again in a header, ids and version."""
    answer = http.get("missing.txt", headers={"x-ms-client-request-id": "mine"})

    assert answer.status_code == 404
    root = parse(answer)
    assert (root.tag, root.findtext("Code")) == ("Error", "BlobNotFound")
    message = root.findtext("Message")
    assert message.startswith(
        "The specified blob does not exist.\nRequestId:" + answer.headers["x-ms-request-id"]
    )
    assert answer.headers["x-ms-error-code"] == "BlobNotFound"
    assert answer.headers["x-ms-version"] == "2021-08-06"
    assert answer.headers["x-ms-client-request-id"] == "mine"
    head = http.head("missing.txt")
    assert (head.status_code, head.headers["x-ms-error-code"], head.content) == (404, "BlobNotFound", b"")


@pytest.mark.parametrize(
    ("method", "url", "headers", "body", "status", "code"),
    [
        ("GET", "/a%2F..%2F..%2F..%2Fetc", {}, b"", 400, "InvalidResourceName"),
        ("GET", "/%2e%2e/x", {}, b"", 400, "InvalidResourceName"),
        ("PUT", "/a//b", {"x-ms-blob-type": "BlockBlob"}, b"x", 400, "InvalidResourceName"),
        ("PUT", "/a%00b", {"x-ms-blob-type": "BlockBlob"}, b"x", 400, "InvalidResourceName"),
        ("PUT", "/" + "x" * 300, {"x-ms-blob-type": "BlockBlob"}, b"x", 400, "InvalidResourceName"),
        ("PUT", "/a", {}, b"x", 400, "MissingRequiredHeader"),
        ("PUT", "/a", {"x-ms-blob-type": "PageBlob"}, b"", 501, "NotImplemented"),
        ("PUT", "/a", {"x-ms-copy-source": "http://127.0.0.1/x"}, b"", 501, "NotImplemented"),
        ("PUT", "/a", {"x-ms-blob-type": "BlockBlob", "x-ms-meta-a-b": "1"}, b"x", 400, "InvalidMetadata"),
        ("PUT", "/a", {"x-ms-blob-type": "BlockBlob", "if-match": '"0x1"'}, b"x", 412, "ConditionNotMet"),
        ("PUT", "/a?comp=metadata", {"x-ms-meta-a": "1"}, b"", 404, "BlobNotFound"),
        ("PUT", "/a?comp=tier", {}, b"", 501, "NotImplemented"),
        ("PUT", "/a?comp=block&blockid=%21%21", {}, b"x", 400, "InvalidQueryParameterValue"),
        ("PUT", "/a?comp=block", {}, b"x", 400, "InvalidQueryParameterValue"),
        ("PUT", "/a?comp=blocklist", {}, b"<BlockList", 400, "InvalidXmlDocument"),
        ("PUT", "/a?comp=blocklist", {}, b"<Other/>", 400, "InvalidXmlDocument"),
        (
            "PUT", "/a?comp=blocklist", {},
            b"<BlockList><Latest>AA==</Latest></BlockList>", 400, "InvalidBlockList",
        ),
        (
            "PUT", "/a?comp=blocklist", {},
            b"<BlockList><Committed>AA==</Committed></BlockList>", 501, "NotImplemented",
        ),
        ("DELETE", "/a", {}, b"", 404, "BlobNotFound"),
        ("GET", "?restype=container&comp=list&maxresults=0", {}, b"", 400, "OutOfRangeQueryParameterValue"),
        ("GET", "?restype=container&comp=list&maxresults=x", {}, b"", 400, "OutOfRangeQueryParameterValue"),
        ("GET", "?restype=container&comp=list&marker=2!x", {}, b"", 400, "InvalidQueryParameterValue"),
        ("GET", "?restype=container&comp=list&delimiter=-", {}, b"", 501, "NotImplemented"),
        ("GET", "?comp=list", {}, b"", 501, "NotImplemented"),
        ("PUT", "?restype=container", {}, b"", 409, "ContainerAlreadyExists"),
        ("POST", "?restype=container&comp=batch", {"content-type": "text/plain"}, b"x", 400, "InvalidInput"),
        (
            "POST", "?restype=container&comp=batch", {"content-type": "multipart/mixed; boundary=b"},
            b"--b\r\n\r\nnonsense\r\n--b--", 400, "InvalidInput",
        ),
    ],
)  # fmt: skip
def test_what_the_service_refuses_is_refused_in_its_words(*, http, method, url, headers, body, status, code):
    """Nothing is written by a refused request."""
    answer = http.request(method, str(http.base_url).rstrip("/") + url, headers=headers, content=body)

    assert (answer.status_code, answer.headers.get("x-ms-error-code")) == (status, code), answer.text
    assert parse(answer).findtext("Code") == code
    assert names(listing(http)) == []


def test_a_body_of_unknown_length_is_refused(http):
    """As the service does."""
    answer = http.put("a", content=iter([b"x"]), headers={"x-ms-blob-type": "BlockBlob"})

    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (411, "MissingContentLengthHeader")


def test_ranges_and_conditions_of_a_read(http):
    """x-ms-range goes first; an empty answer says why; a cached version is not sent again."""
    etag = put(http, "a", b"0123456789").headers["etag"]

    part = http.get("a", headers={"x-ms-range": "bytes=2-4", "range": "bytes=0-0"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert http.get("a", headers={"range": "bytes=8-"}).content == b"89"
    beyond = http.get("a", headers={"range": "bytes=10-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */10")
    known = http.get("a", headers={"if-none-match": etag})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", etag)
    assert http.head("a", headers={"if-match": '"0x1"'}).status_code == 412
    whole = http.get("a", headers={"if-match": etag})
    assert (whole.content, whole.headers["x-ms-blob-type"]) == (b"0123456789", "BlockBlob")
    assert http.delete("a", headers={"if-match": '"0x1"'}).status_code == 412
    assert http.delete("a", headers={"if-match": etag}).status_code == 202


def test_metadata_set_later_makes_a_new_version_of_the_same_content(http):
    """Metadata are replaced as a whole; content and its headers stay; conditions count."""
    first = put(http, "a", b"same", **{"x-ms-meta-old": "1", "x-ms-blob-content-type": "text/csv"})
    etag = first.headers["etag"]

    changed = http.put("a?comp=metadata", headers={"x-ms-meta-new": "2", "if-match": etag})

    shown = http.get("a")
    assert (changed.status_code, shown.content, shown.headers["content-type"]) == (200, b"same", "text/csv")
    assert (shown.headers["x-ms-meta-new"], "x-ms-meta-old" in shown.headers) == ("2", False)
    assert shown.headers["etag"] == changed.headers["etag"] != etag
    late = http.put("a?comp=metadata", headers={"x-ms-meta-new": "3", "if-match": etag})
    assert (late.status_code, late.headers["x-ms-error-code"]) == (412, "ConditionNotMet")
    assert http.get("a").headers["x-ms-meta-new"] == "2"


def test_containers_are_created_found_and_deleted(http):
    """A second creation is a conflict; deleting takes the blobs along; writing makes one."""
    base = str(http.base_url).removesuffix(f"{CONTAINER}/") + "new-one"
    container = f"{base}?restype=container"
    assert http.head(container).status_code == 404
    assert [http.put(container).status_code for _ in range(2)] == [201, 409]
    put(http, f"{base}/a", **{"x-ms-meta-k": "v"})
    assert http.get(container).headers["etag"]

    assert http.delete(container).status_code == 202

    assert http.get(f"{base}/a").headers["x-ms-error-code"] == "ContainerNotFound"
    put(http, f"{base}/a")
    assert "x-ms-meta-k" not in http.head(f"{base}/a").headers
    assert http.delete(container).status_code == 202
    assert http.put(f"{base}_?restype=container").headers["x-ms-error-code"] == "InvalidResourceName"


def test_blocks_may_be_sent_again_and_in_any_order(http):
    """The list decides; a block of the same id is replaced; type and metadata come with the list."""
    for block_id, data in (("Mg==", b"two"), ("MQ==", b"wrong"), ("MQ==", b"one"), ("Mw==", b"unused")):
        answer = http.put("a", params={"comp": "block", "blockid": block_id}, content=data)
        assert answer.status_code == 201
    assert http.head("a").status_code == 404
    body = b"<BlockList><Latest>MQ==</Latest><Uncommitted>Mg==</Uncommitted></BlockList>"
    headers = {"content-type": "application/xml", "x-ms-blob-content-type": "text/csv", "x-ms-meta-k": "v"}

    written = http.put("a", params={"comp": "blocklist"}, content=body, headers=headers)

    blob = http.get("a")
    assert blob.content == b"onetwo"
    assert (blob.headers["content-type"], blob.headers["x-ms-meta-k"]) == ("text/csv", "v")
    assert blob.headers["etag"] == written.headers["etag"]
    again = http.put("a", params={"comp": "blocklist"}, content=body)
    assert again.headers["x-ms-error-code"] == "InvalidBlockList"


@pytest.mark.parametrize("start", ["/", f"/{ACCOUNT}/", f"/blob/{ACCOUNT}/"])
def test_a_batch_answers_each_part_by_itself(http, container, start):
    """Each part has its own authorization and its own outcome, whatever root its path is told from."""
    for name in ("gone 1", "kept"):
        (container / name).write_bytes(b"x")
    requests = [
        ("DELETE", f"{start}{CONTAINER}/gone%201", "good"),
        ("DELETE", f"{start}{CONTAINER}/missing", "good"),
        ("DELETE", f"{start}{CONTAINER}/kept", "bad"),
        ("PUT", f"{start}{CONTAINER}/kept", "good"),
        ("DELETE", f"{start}elsewhere/kept", "good"),
    ]
    body = "".join(
        f"--b\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\n"
        f"{method} {target} HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n\r\n"
        for number, (method, target, token) in enumerate(requests)
    )
    headers = {"content-type": 'multipart/mixed; boundary="b"'}
    query = {"restype": "container", "comp": "batch"}

    answer = http.post("", params=query, content=f"{body}--b--\r\n", headers=headers)

    assert answer.status_code == 202
    found = re.findall(r"Content-ID: (\d)\r\n\r\nHTTP/1.1 (\d+) [^\r]+\r\n", answer.text)
    assert found == [("0", "202"), ("1", "404"), ("2", "403"), ("3", "501"), ("4", "400")]
    assert "<Code>BlobNotFound</Code>" in answer.text
    assert [path.name for path in container.iterdir()] == ["kept"]


def test_an_upload_that_breaks_off_leaves_nothing(served, container):
    """Neither a blob nor a file on the way to one."""
    root, url = served
    host, port = re.match(r"http://([\d.]+):(\d+)", url).groups()
    with socket.create_connection((host, int(port))) as connection:
        head = (
            f"PUT /blob/{ACCOUNT}/{CONTAINER}/half HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n"
            "x-ms-blob-type: BlockBlob\r\nContent-Length: 100\r\n\r\nhalf"
        )
        connection.sendall(head.encode())
        wait_for(lambda: list((root / ".uploads").iterdir()))

    wait_for(lambda: not list((root / ".uploads").iterdir()))
    assert list(container.iterdir()) == []


def test_of_many_writers_that_create_one_wins(http):
    """Nothing comes between the condition and the write."""

    def create(number):
        headers = {"x-ms-blob-type": "BlockBlob", "if-none-match": "*"}
        return http.put("a", content=b"%d" % number, headers=headers).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(create, range(16)))

    assert sorted(statuses) == [201] + [409] * 15
    assert http.get("a").content == b"%d" % statuses.index(201)


# The store as the executor uses it


def test_each_write_has_its_own_etag_and_it_outlives_a_restart(store, tmp_path):
    """Even writes of the same content in the same instant differ."""
    etags = {store.put(*PLACE, "a", b"same").etag for _ in range(50)}

    assert len(etags) == 50
    assert BlobStore(tmp_path).head(*PLACE, "a").etag in etags


def test_a_reader_keeps_the_version_that_it_opened(store):
    """Replacing a blob does not mix two contents, and its properties fit what is read."""
    store.put(*PLACE, "a", b"old content")
    blob, file = store.open(*PLACE, "a")
    store.put(*PLACE, "a", b"new")

    with file:
        assert (blob.size, file.read()) == (11, b"old content")
    assert store.get(*PLACE, "a") == b"new"


def test_a_local_path_is_where_the_file_is(store, tmp_path):
    """Folders too, with or without a slash at the end; asking makes nothing."""
    base = tmp_path / ACCOUNT / CONTAINER

    assert store.local_path(*PLACE) == store.local_path(*PLACE, "/") == base
    assert store.local_path(*PLACE, "a/b.csv") == base / "a/b.csv"
    assert store.local_path(*PLACE, "a/b/") == base / "a/b"
    assert not base.exists()


@pytest.mark.parametrize(
    ("account", "container", "path"),
    [
        ("..", CONTAINER, "a"), ("a/b", CONTAINER, "a"), ("Account", CONTAINER, "a"),
        (".meta", CONTAINER, "a"),
        (ACCOUNT, "..", "a"), (ACCOUNT, "a--b", "a"), (ACCOUNT, "ab", "a"), (ACCOUNT, "a/b", "a"),
        (ACCOUNT, "a" * 64, "a"), (ACCOUNT, "results\n", "a"),
        (ACCOUNT, CONTAINER, "../a"), (ACCOUNT, CONTAINER, "a/../../../b"), (ACCOUNT, CONTAINER, "/etc"),
        (ACCOUNT, CONTAINER, "a//b"), (ACCOUNT, CONTAINER, "./a"), (ACCOUNT, CONTAINER, "a\0b"),
        (ACCOUNT, CONTAINER, "x" * 1025), (ACCOUNT, CONTAINER, ".emulator-partial-a"),
    ],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_has_no_local_path(store, account, container, path):
    """It is bad input for Python callers and for HTTP."""
    with pytest.raises(ValueError, match="name") as caught:
        store.local_path(account, container, path)

    assert isinstance(caught.value, BlobError)
    assert caught.value.status == 400


def test_a_blob_and_a_folder_cannot_share_a_name(store):
    """A conflict, unless the folder has no blob any more."""
    store.put(*PLACE, "a/b", b"1")
    for name in ("a", "a/b/c"):
        with pytest.raises(BlobError, match="same name") as caught:
            store.put(*PLACE, name, b"2")
        assert caught.value.status == 409
    assert store.get(*PLACE, "a/b") == b"1"

    store.delete(*PLACE, "a/b")
    store.put(*PLACE, "a", b"3")

    assert store.get(*PLACE, "a") == b"3"


# Rules of header values


NOW = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=timezone.utc)
EARLIER, SAME, LATER = (format_datetime(NOW + timedelta(hours=h), usegmt=True) for h in (-1, 0, 1))


@pytest.mark.parametrize(
    ("headers", "read", "write", "create"),
    [
        ({}, None, None, None),
        ({"if-match": '"0xA"'}, None, None, 412),
        ({"if-match": "*"}, None, None, 412),
        ({"if-match": '"0xB"'}, 412, 412, 412),
        ({"if-match": '"0xB", "0xA"'}, None, None, 412),
        ({"if-none-match": '"0xA"'}, 304, 412, None),
        ({"if-none-match": 'W/"0xA"'}, 304, 412, None),
        ({"if-none-match": '"0xB"'}, None, None, None),
        ({"if-none-match": "*"}, 304, 409, None),
        ({"if-modified-since": EARLIER}, None, None, None),
        ({"if-modified-since": SAME}, 304, 412, None),
        ({"if-modified-since": LATER, "if-none-match": '"0xB"'}, None, None, None),
        ({"if-unmodified-since": EARLIER}, 412, 412, None),
        ({"if-unmodified-since": SAME}, None, None, None),
        ({"if-unmodified-since": "yesterday"}, 400, 400, 400),
    ],
)
def test_conditions_decide_about_reads_and_writes(headers, read, write, create):
    """Status of a read, of a write to an existing blob and of one to a new blob; None: it goes ahead."""
    blob = Blob("a", 1, "0xA", NOW)

    def status(check):
        try:
            check()
        except BlobError as error:
            return error.status
        return None

    assert status(lambda: Conditions.of(headers).check_read(blob)) == read
    assert status(lambda: Conditions.of(headers).check_write(blob)) == write
    assert status(lambda: Conditions.of(headers).check_write(None)) == create


@pytest.mark.parametrize(
    ("header", "size", "expected"),
    [
        ("bytes=0-", 5, (0, 4)),
        ("bytes=1-2", 5, (1, 2)),
        ("bytes=1-99", 5, (1, 4)),
        ("bytes=3-2", 5, None),
        ("bytes=-2", 5, None),
        ("bytes=0-1,3-4", 5, None),
        ("lines=0-1", 5, None),
        ("", 5, None),
    ],
)
def test_a_range_is_first_and_last_byte(header, size, expected):
    """Forms that the service does not know are ignored, as HTTP says."""
    assert requested_range({"range": header}, size) == expected


@pytest.mark.parametrize(("header", "size"), [("bytes=5-", 5), ("bytes=5-9", 5), ("bytes=0-", 0)])
def test_a_range_behind_the_end_is_an_error(header, size):
    """Of an empty blob each range is."""
    with pytest.raises(BlobError) as caught:
        requested_range({"range": header}, size)

    assert (caught.value.status, caught.value.code) == (416, "InvalidRange")
