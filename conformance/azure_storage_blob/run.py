"""Microsoft's own storage client against the emulator's blob service.

Run it in an environment of its own, as ``python run.py https://localhost:8787 STATE/ca.pem``, while the
emulator runs with ``--tls --state STATE``. It prints a line for each operation and ends with 1 if one failed.
"""

from __future__ import annotations

import base64
import os
import sys
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

URL, CA_FILE = sys.argv[1], sys.argv[2]
sys.path.insert(0, str(Path(__file__).parents[1]))

from azure.core import MatchConditions
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobSasPermissions,
    BlobServiceClient,
    ContainerClient,
    ContentSettings,
    generate_blob_sas,
)
from operations import Operations, refused

ACCOUNT = "conformance"
KEY = base64.b64encode(os.urandom(64)).decode()
LARGE = os.urandom(3 * 1024 * 1024 + 17)


def service() -> BlobServiceClient:
    """Return the client: small limits, so that a content of 3 MiB travels in blocks and ranges."""
    return BlobServiceClient(
        f"{URL}/blob/{ACCOUNT}",
        credential={"account_name": ACCOUNT, "account_key": KEY},
        connection_verify=CA_FILE,
        max_single_put_size=1024 * 1024,
        max_block_size=1024 * 1024,
        max_single_get_size=1024 * 1024,
        max_chunk_get_size=1024 * 1024,
    )


def run(blobs: BlobServiceClient) -> bool:
    """Carry out every operation; return whether all passed."""
    done = Operations("azure-storage-blob")
    container = blobs.get_container_client(f"c{uuid.uuid4().hex}")
    done("create_container", lambda: container.create_container()["etag"])
    done("create_container again is a conflict", refused(container.create_container, ResourceExistsError))
    done("container exists", container.exists)
    contents(done, container)
    properties(done, container)
    listings(done, container)
    conditions(done, container)
    signatures(done, container)
    deletions(done, container)
    return done.report()


def contents(done: Operations, container: ContainerClient) -> None:
    """Small and large, by blocks, in ranges."""
    small, large = container.get_blob_client("small.txt"), container.get_blob_client("large.bin")
    done("upload_blob", lambda: small.upload_blob(b"hello")["etag"])
    done("upload_blob to one that exists", refused(lambda: small.upload_blob(b"other"), ResourceExistsError))
    done("upload_blob with overwrite", lambda: small.upload_blob(b"0123456789", overwrite=True)["etag"])
    done("upload_blob in parallel blocks", lambda: large.upload_blob(LARGE, max_concurrency=4)["etag"])
    done(
        "download_blob in parallel ranges", lambda: large.download_blob(max_concurrency=4).readall() == LARGE
    )
    done("download_blob of a range", lambda: small.download_blob(offset=2, length=3).readall() == b"234")
    done(
        "a range behind the end", refused(lambda: small.download_blob(offset=99, length=1), HttpResponseError)
    )
    staged = container.get_blob_client("staged")
    ids = [base64.b64encode(f"{number:04}".encode()).decode() for number in range(3)]
    for number, one in enumerate(ids):
        done(
            f"stage_block {number}",
            lambda i=one, n=number: staged.stage_block(i, f"<{n}>".encode()) is not None,
        )
    order = [BlobBlock(one) for one in reversed(ids)]
    done("commit_block_list", lambda: staged.commit_block_list(order)["etag"])
    done("the list decides about the order", lambda: staged.download_blob().readall() == b"<2><1><0>")
    missing = container.get_blob_client("missing")
    done("download_blob of none", refused(missing.download_blob, ResourceNotFoundError))
    done("exists of none", lambda: not missing.exists())


def properties(done: Operations, container: ContainerClient) -> None:
    """Size, content headers, metadata."""
    blob = container.get_blob_client("table.csv")
    settings = ContentSettings(content_type="text/csv", cache_control="no-store")
    done("upload_blob with headers and metadata", lambda: bool(
        blob.upload_blob(b"1,2", content_settings=settings, metadata={"origin": "here"})
    ))  # fmt: skip
    done("get_blob_properties: size", lambda: blob.get_blob_properties().size == len(b"1,2"))
    done("content type", lambda: blob.get_blob_properties().content_settings.content_type == "text/csv")
    done("metadata", lambda: blob.get_blob_properties().metadata == {"origin": "here"})
    done("set_blob_metadata", lambda: blob.set_blob_metadata({"step": "two"})["etag"])
    done("the metadata are other ones", lambda: blob.get_blob_properties().metadata == {"step": "two"})
    done(
        "the content type stayed",
        lambda: blob.get_blob_properties().content_settings.cache_control == "no-store",
    )


def listings(done: Operations, container: ContainerClient) -> None:
    """By prefix, by folder, in pages, with metadata."""
    for name in ("in/a.png", "in/b.png", "in/deep/c.png", "in/ü &.png"):
        container.upload_blob(name, b"x")
    everything = ["in/a.png", "in/b.png", "in/deep/c.png", "in/ü &.png"]
    done("list_blobs by prefix", lambda: [blob.name for blob in container.list_blobs("in/")] == everything)
    folder = {"in/a.png", "in/b.png", "in/deep/", "in/ü &.png"}  # the client sorts folders before blobs
    done("walk_blobs", lambda: {blob.name for blob in container.walk_blobs("in/", delimiter="/")} == folder)
    pages = container.list_blobs("in/", results_per_page=3).by_page
    done(
        "pages",
        lambda: [[blob.name for blob in page] for page in pages()] == [everything[:3], everything[3:]],
    )
    named = container.list_blob_names
    done("list_blob_names", lambda: list(named(name_starts_with="in/b")) == ["in/b.png"])
    told = {blob.name: blob.metadata for blob in container.list_blobs("table", include=["metadata"])}
    done("list_blobs with metadata", lambda: told == {"table.csv": {"step": "two"}})


def conditions(done: Operations, container: ContainerClient) -> None:
    """Nobody overwrites what they have not seen."""
    blob = container.get_blob_client("guarded")
    first = blob.upload_blob(b"1")["etag"]
    same = {"etag": first, "match_condition": MatchConditions.IfNotModified}
    done("upload_blob if unchanged", lambda: blob.upload_blob(b"2", overwrite=True, **same)["etag"])
    done(
        "not once it changed",
        refused(lambda: blob.upload_blob(b"3", overwrite=True, **same), ResourceModifiedError),
    )
    done(
        "nor its metadata", refused(lambda: blob.set_blob_metadata({"a": "b"}, **same), ResourceModifiedError)
    )
    done("nor is it deleted", refused(lambda: blob.delete_blob(**same), ResourceModifiedError))
    done("nor read", refused(lambda: blob.download_blob(**same), ResourceModifiedError))
    done("it is as it was", lambda: blob.download_blob().readall() == b"2")


def signatures(done: Operations, container: ContainerClient) -> None:
    """A shared access signature opens one blob until it expires."""
    for hours, which in ((1, "a"), (-1, "an expired")):
        token = generate_blob_sas(
            ACCOUNT,
            container.container_name,
            "small.txt",
            account_key=KEY,
            permission=BlobSasPermissions(read=True),
            expiry=datetime.now(timezone.utc) + timedelta(hours=hours),
        )
        address = f"{URL}/blob/{ACCOUNT}/{container.container_name}/small.txt?{token}"
        blob = BlobClient.from_blob_url(address, connection_verify=CA_FILE)
        read = lambda blob=blob: blob.download_blob().readall() == b"0123456789"  # noqa: E731 - passed on as it is
        done(f"{which} signature", read if hours > 0 else refused(read, ClientAuthenticationError))
    bare = BlobClient(
        f"{URL}/blob/{ACCOUNT}", container.container_name, "small.txt", connection_verify=CA_FILE
    )
    done("no credential", refused(bare.download_blob, ClientAuthenticationError))


def deletions(done: Operations, container: ContainerClient) -> None:
    """One, several at once, the container."""
    done("delete_blob", lambda: container.delete_blob("small.txt") is None)
    done("delete_blob again", refused(lambda: container.delete_blob("small.txt"), ResourceNotFoundError))
    names = ("in/a.png", "in/b.png")
    done("delete_blobs", lambda: [part.status_code for part in container.delete_blobs(*names)] == [202, 202])
    done(
        "they are gone", lambda: [blob.name for blob in container.list_blobs("in/")][:1] == ["in/deep/c.png"]
    )
    done("delete_container", lambda: container.delete_container() is None)
    done("it is gone", lambda: not container.exists())


if __name__ == "__main__":
    sys.exit(0 if run(service()) else 1)
