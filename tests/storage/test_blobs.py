"""Files in a container of a storage account, listed over real HTTP."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from airflow_batch_provider.errors import InvalidInput, NotFound, PermissionDenied
from airflow_batch_provider.storage import Access, Step, azure_files

MODIFIED = "Wed, 18 Nov 2026 10:00:00 GMT"
ALL = ["a.csv", "b.txt", "deep/c.csv", "deep/er/d.csv"]


def names(files, path="out"):
    return [file.path.removeprefix(f"azureml://datastores/d/paths/{path}/") for file in files]


class Service:
    """A blob service that holds what no file system could: a blob and a folder of one name."""

    def __init__(self, server):
        self.blobs = {}
        self.page = 5000
        self.asked = server.asked
        self._url = server.url
        server.answer = self._answer

    def files(self, path):
        place = {"endpoint_url": f"{self._url}/account", "account": "account", "container": "c", "path": path}
        return azure_files(f"azureml://datastores/d/paths/{path}", access=Access(), **place)

    def _answer(self, request):
        url = urlsplit(request.path)
        if request.command == "HEAD":
            return self._head(unquote(url.path.removeprefix("/account/c/")))
        query = dict(parse_qsl(url.query))
        found = sorted(name for name in self.blobs if name.startswith(query["prefix"]))
        start = int(query.get("marker", 0))
        rows = "".join(self._row(name) for name in found[start : start + self.page])
        following = start + self.page if start + self.page < len(found) else ""
        marker = f"<NextMarker>{following}</NextMarker>"
        return 200, {}, f"<EnumerationResults><Blobs>{rows}</Blobs>{marker}</EnumerationResults>".encode()

    def _row(self, name):
        size = self.blobs[name] if self.blobs[name] != "mark" else 0
        told = {"Last-Modified": MODIFIED, "Etag": "0x1", "Content-Length": size, "Content-Type": "x"}
        properties = "".join(f"<{key}>{value}</{key}>" for key, value in told.items())
        return f"<Blob><Name>{name}</Name><Properties>{properties}</Properties></Blob>"

    def _head(self, name):
        if name not in self.blobs:
            return 404, {}, b""
        mark = {"x-ms-meta-hdi_isfolder": "true"} if self.blobs[name] == "mark" else {}
        size = 0 if mark else self.blobs[name]
        return 200, {"Last-Modified": MODIFIED, "ETag": '"0x1"', "Content-Length": str(size), **mark}, b""


@pytest.fixture
def service(server):
    return Service(server)


def test_a_folder_is_looked_through(place, listed):
    """Every file below a folder is found; ``out`` is not the beginning of ``outside``."""
    assert names(listed(place("out"))) == ALL


def test_a_slash_at_either_end_changes_nothing(place, listed):
    """A folder may be written with slashes around it."""
    assert [file.size for file in listed(place("/out/"))] == [9, 9, 14, 17]


def test_the_whole_container_is_a_place(place, listed):
    """An empty path means everything."""
    assert len(listed(place(""))) == 6


@pytest.mark.parametrize(
    ("glob", "matched"), [("*.csv", ["a.csv"]), ("deep/**", ALL[2:]), ("**/*.csv", [ALL[0], *ALL[2:]])]
)
def test_glob_is_relative_to_the_place(place, listed, glob, matched):
    """A pattern is matched against the path below the place."""
    assert names(listed(place("out"), glob)) == matched


@pytest.mark.parametrize("uri", ["azureml://datastores/d/paths/out", "https://a.blob.core.windows.net/c/out"])
def test_a_files_path_below_the_place_is_told(place, uri):
    """As a glob sees it, also where the file's own address is quoted; of a single blob it is the name."""
    for path, relative in [("out", ALL), ("out.csv", ["out.csv"]), ("/out/", ALL)]:
        files = place(path, uri=f"{uri}{path.strip('/').removeprefix('out')}")
        assert [files.relative(file) for file in files.list()] == relative


def test_a_single_blob_is_a_place(place, listed):
    """A path that is a blob gives that blob, matched by its name; with a slash behind it is no folder."""
    (file,) = listed(place("out.csv"))

    assert file.path == "azureml://datastores/d/paths/out.csv"
    assert listed(place("out.csv"), "*.csv") == [file]
    assert listed(place("out.csv"), "*.txt") == []
    assert listed(place("out.csv/")) == []


def test_a_missing_place_has_no_files(place, listed):
    """What does not exist is not there yet."""
    assert listed(place("later")) == []
    assert not place("later").exists()
    assert not asyncio.run(place("later").aexists())
    assert place("out").exists()
    assert asyncio.run(place("out").aexists())


def test_a_missing_container_is_named(place, listed):
    """The error says which container of which account."""
    with pytest.raises(
        NotFound, match=r"container 'nowhere' of storage account 'account' does not exist"
    ) as told:
        listed(place("out", container="nowhere"))

    assert told.value.status == 404
    assert told.value.code == "ContainerNotFound"
    assert told.value.request_id


def test_a_file_is_described_the_same_by_list_and_head(place):
    """A blob looks the same whether it was found in a folder or named in full."""
    (listed,) = place("out").list("a.csv")
    (named,) = place("out/a.csv").list()

    assert listed == named
    assert listed.to_dict() == {
        "path": "azureml://datastores/d/paths/out/a.csv",
        "size": 9,
        "etag": listed.etag,
        "last_modified": listed.last_modified,
    }
    assert listed.etag.startswith("0x")
    assert listed.last_modified.endswith("Z")
    assert abs(time.time() - listed.changed_at) < 60


def test_names_are_quoted_in_urls_only(account, container, place):
    """A file found below a URL is a URL, with everything quoted that must be."""
    account.put(container, "odd/ä [1]#%20~?.csv")

    assert names(place("odd").list(), "odd") == ["ä [1]#%20~?.csv"]
    odd = place("odd", uri=f"https://account.blob.core.windows.net/{container}/odd")
    (file,) = odd.list()
    assert odd.relative(file) == "ä [1]#%20~?.csv"
    assert file.path.endswith("/odd/%C3%A4%20%5B1%5D%23%2520~%3F.csv")
    (file,) = place("odd/ä [1]#%20~?.csv").list()
    assert file.size == 1


def test_folder_markers_are_no_files(service, listed):
    """Neither of the marks that tools leave for folders is a file; an empty file is one."""
    service.blobs = {
        "out/": 0,
        "out/_SUCCESS": 0,
        "out/empty": "mark",
        "out/full": 0,
        "out/full-1": 1,
        "out/full/a.csv": 1,
        "out/slash/": 0,
    }

    assert names(listed(service.files("out"))) == ["_SUCCESS", "full-1", "full/a.csv"]
    assert listed(service.files("out/empty")) == []
    assert not service.files("out/empty").exists()


def test_an_empty_file_is_looked_at_once(account, container, place):
    """Whether an empty blob marks a folder is asked once, not at each look."""
    account.put(container, "done/_SUCCESS", b"")
    files = place("done")
    for _ in range(3):
        assert files.exists()

    assert [request["method"] for request in account.requests()] == ["PUT", "GET", "HEAD", "GET", "GET"]


def test_pages_are_followed(service, listed):
    """Every page is read; ``exists`` reads no page that it does not need."""
    service.blobs = {f"out/{number:02}.csv": 1 for number in range(23)}
    service.page = 5

    assert len(listed(service.files("out"))) == 23
    assert len(service.asked) == 5
    service.asked.clear()
    assert service.files("out").exists()
    # The next page may be under way when the first is looked at.
    assert len(service.asked) <= 2


@pytest.mark.parametrize("path", ["out//deep", "out/../deep", "./out"])
def test_a_path_that_cannot_be_asked_for_is_refused(place, path):
    """Parts that are empty or dots are refused before any request."""
    with pytest.raises(InvalidInput, match="path is 'azureml://"):
        place(path)


def test_a_name_that_cannot_be_listed_is_named(service, listed):
    """A blob whose name has an empty part is named in the error, not passed over."""
    service.blobs = {"out/a.csv": 1, "out//b.csv": 1}

    with pytest.raises(InvalidInput, match=r"is named 'out//b.csv', which cannot be listed"):
        listed(service.files("out"))


def test_the_storage_tells_its_own_time(server):
    """The clock is that of the storage account, asked for once an hour and without credentials."""
    server.answer = lambda _: (400, {"Date": "Sun, 09 Sep 2001 01:46:40 GMT"}, b"")
    files = azure_files(
        "azureml://x",
        endpoint_url=f"{server.url}/a",
        account="a",
        container="c",
        path="p",
        access=Access(sas="sig=s"),
    )
    told = [files.now(), asyncio.run(files.anow())]

    assert told == pytest.approx([1_000_000_000] * 2, abs=30)
    (request,) = server.asked
    assert request.command == "HEAD"
    assert request.path == "/a/"
    assert "Authorization" not in request.headers


def refuse(account, times, status=403, code="AuthorizationPermissionMismatch"):
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>Not authorized.</Message></Error>"
    account.fail(action="status", status=status, times=times, match={"plane": "blob"}, body=body)


def otherwise(*accesses):
    """Obtain one access after the other, and remember how often."""
    left = list(accesses)

    async def aget():
        return left.pop(0)

    return Step(lambda: left.pop(0), aget), left


def test_another_access_is_tried_and_kept(account, place, listed):
    """Where the first access is refused (list, then head), the other is used from then on."""
    step, left = otherwise(Access(account_key="a2V5"))
    refuse(account, times=2)
    files = place("out", access=Access(sas="sp=rl&sig=first"), otherwise=step)

    assert names(listed(files)) == ALL
    assert left == []
    account.reset()
    assert names(listed(files)) == ALL
    (request,) = account.requests()
    assert "sig=" not in request["query"]


def test_the_first_refusal_is_told_if_all_are_refused(account, place, listed):
    """What the user chose was refused; that the way out is closed as well is only its cause."""
    step, _ = otherwise(Access(account_key="a2V5"))
    refuse(account, times=None)

    with pytest.raises(PermissionDenied, match="allows reading and listing") as told:
        listed(place("out", access=Access(sas="sp=rl&sig=first"), otherwise=step))

    assert "account key" in str(told.value.__cause__)


def test_a_list_that_is_refused_does_not_hide_a_named_blob(account, place, listed):
    """Who may read but not list still sees a file that is named in full."""
    refuse(account, times=1)
    assert len(listed(place("out.csv"))) == 1

    refuse(account, times=1)
    with pytest.raises(PermissionDenied):
        listed(place("later.csv"))

    refuse(account, times=1)
    with pytest.raises(PermissionDenied):
        listed(place("out/"))


def test_a_head_that_is_refused_is_no_error_where_listing_is_allowed(account, place, listed):
    """Who may list but not read is told the same of what does not exist: it is not there yet."""
    account.fail(action="status", status=403, match={"plane": "blob", "method": "HEAD"})

    assert listed(place("later.csv")) == []


def test_a_sas_for_one_blob_asks_for_that_blob(account, place, listed):
    """Such a SAS allows no listing, so none is asked for."""
    one = Access(sas="sr=b&sp=r&sig=first")

    assert len(listed(place("out.csv", access=one))) == 1
    assert listed(place("later.csv", access=one)) == []
    assert {request["method"] for request in account.requests()} == {"HEAD"}


def test_a_blob_can_be_read(place):
    """A place that is a blob gives its bytes, in a worker and in an event loop; any other is named."""
    blob = place("out/a.csv")

    assert blob.read() == asyncio.run(blob.aread()) == b"out/a.csv"
    for nothing in ("out/later.csv", "out/deep", ""):
        with pytest.raises(NotFound, match=f"no file at azureml.*{nothing}"):
            place(nothing).read()
