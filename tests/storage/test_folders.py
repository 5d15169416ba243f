"""What of a local folder is uploaded, and what is refused before anything is sent."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from airflow_batch_provider.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from airflow_batch_provider.storage.contents import known
from airflow_batch_provider.storage.folders import tree_of
from airflow_batch_provider.storage.progress import Progress

NOBODY = 65534
# Of a folder with the files a and b/c that hold an x; the same on every machine and in every release.
FIRST = "8a53413dcf99144700dd6f051a68e2d8699a9791178ab533712bcbc42224f59b"


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "data"
    place.mkdir()
    return place


@pytest.fixture
def unprivileged():
    """Be a user whom rights of files mean something."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    yield
    os.seteuid(0)


def write(folder, *names, content="x"):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def names(place, *always):
    return [file.name for file in tree_of(place, always).files]


def digest(place):
    return known(tree_of(place), print).digest


def test_all_files_below_are_found_in_one_order(folder):
    """Every file at any depth, hidden and empty ones too, sorted by name; empty folders are nothing."""
    write(folder, "b", "a/deep/er/c", "a.txt", ".hidden", "ü é.txt")
    write(folder, "empty", content="")
    (folder / "nothing" / "in").mkdir(parents=True)

    assert names(folder) == [".hidden", "a.txt", "a/deep/er/c", "b", "empty", "ü é.txt"]


def test_a_single_file_is_itself(folder):
    """A path can be a file; it keeps its name."""
    write(folder, "model.pkl", content="123")

    tree = tree_of(folder / "model.pkl")

    assert (tree.name, tree.is_folder, tree.bytes) == ("model.pkl", False, 3)
    assert [file.name for file in tree.files] == ["model.pkl"]


def test_relative_paths_have_a_name(folder, monkeypatch):
    """``.`` is the folder that it stands for."""
    write(folder, "a")
    monkeypatch.chdir(folder)

    assert tree_of(Path()).name == "data"


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        ("*.log", ["a.txt", "build/c.txt", "build/keep.txt"]),
        ("build/", ["a.txt", "b.log"]),
        ("/a.txt\n# a comment\n\n", ["b.log", "build/b.log", "build/c.txt", "build/keep.txt"]),
        ("*\n!a.txt", ["a.txt"]),
        ("build/*\n!build/keep.txt", ["a.txt", "b.log", "build/keep.txt"]),
        ("build/\n!build/keep.txt", ["a.txt", "b.log"]),
        ("**/b.log", ["a.txt", "build/c.txt", "build/keep.txt"]),
    ],
)
@pytest.mark.parametrize("source", [".amlignore", ".gitignore"])
def test_ignored_files_are_left_out(folder, source, patterns, left):
    """Patterns mean what they mean to git, in either file."""
    write(folder, "a.txt", "b.log", "build/b.log", "build/c.txt", "build/keep.txt")
    write(folder, source, content=patterns)

    assert [name for name in names(folder) if name != source] == left


def test_amlignore_comes_before_gitignore(folder):
    """Where both are, only ``.amlignore`` counts."""
    write(folder, ".amlignore", content="*.aml")
    write(folder, ".gitignore", content="*.git")
    write(folder, "a.aml", "a.git")

    assert names(folder) == [".amlignore", ".gitignore", "a.git"]


def test_ignore_files_further_down_say_nothing(folder):
    """Only the folder's own file counts, as for the command line."""
    write(folder, "sub/.gitignore", content="*")
    write(folder, "sub/a")

    assert names(folder) == ["sub/.gitignore", "sub/a"]


def test_what_is_always_ignored_cannot_be_undone(folder):
    """Code goes without caches, whatever its ``.gitignore`` says."""
    write(folder, ".gitignore", content="!__pycache__/")
    write(folder, "a.py", "__pycache__/a.pyc", "sub/__pycache__/b.pyc")

    assert names(folder, "__pycache__/") == [".gitignore", "a.py"]


def test_links_are_followed(folder, tmp_path):
    """What a link leads to is uploaded in its place, also twice."""
    write(tmp_path / "else", "x/a")
    (folder / "one").symlink_to(tmp_path / "else")
    (folder / "two").symlink_to(tmp_path / "else")
    (folder / "file").symlink_to(tmp_path / "else" / "x" / "a")
    (tmp_path / "current").symlink_to(folder)

    tree = tree_of(tmp_path / "current")

    assert tree.name == "current"
    assert [file.name for file in tree.files] == ["file", "one/x/a", "two/x/a"]


def loop(folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "up").symlink_to(folder)


def own_loop(folder):
    (folder / "up").symlink_to("up")


def nowhere(folder):
    (folder / "up").symlink_to("/nothing/there")


def pipe(folder):
    os.mkfifo(folder / "up")


def unix_socket(folder):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(folder / "up"))


def device(folder):
    (folder / "up").symlink_to("/dev/null")


def newline(folder):
    write(folder, "u\np")


def backslash(folder):
    write(folder, "u\\p")


def not_text(folder):
    Path(os.fsdecode(bytes(folder) + b"/u\xffp")).write_text("x")


def too_long(folder):
    write(folder, "/".join(["u" * 200] * 5))


def too_deep(folder):
    write(folder, "/".join("u" * 250))


BAD = {
    loop: (r"/data/sub/up is a symbolic link to .*/data, which leads back .* a loop", "sub/up"),
    own_loop: (r"up is a symbolic link to up, .* a loop", "up"),
    nowhere: ("up is a symbolic link to /nothing/there, where nothing is", "up"),
    pipe: ("up is a named pipe", "up"),
    unix_socket: ("up is a socket", "up"),
    device: ("up is a device", "up"),
    newline: (r"u\\np' has a backslash or a control character", "u?p"),
    backslash: (r"u\\\\\\\\p' has a backslash|u\\\\p' has a backslash", "u*p"),
    not_text: (r"u\\udcffp' has a name that is not UTF-8", None),
    too_long: ("longer than 940 characters or 250 parts", "u*"),
    too_deep: ("longer than 940 characters or 250 parts", "u"),
}


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_what_cannot_be_uploaded_is_named(folder, make):
    """Loops, links to nothing, special files and impossible names are refused, unless they are left out."""
    write(folder, "good")
    make(folder)
    told, pattern = BAD[make]

    with pytest.raises(InvalidInput, match=told) as refused:
        tree_of(folder)

    assert ".amlignore" in refused.value.fix
    if pattern:
        write(folder, ".amlignore", content=pattern)
        assert names(folder) == [".amlignore", "good"]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "without files"),
        ({".gitignore": "*"}, r"\.gitignore leaves out all"),
    ],
)
def test_an_empty_folder_is_refused(folder, files, told):
    """There is nothing to upload; if that is because of patterns, their file is named."""
    (folder / "sub").mkdir()
    for name, content in files.items():
        write(folder, name, content=content)

    with pytest.raises(InvalidInput, match=told):
        tree_of(folder)


def test_a_missing_path_is_named(folder):
    """What is not there is not found."""
    with pytest.raises(NotFound, match="data/nothing"):
        tree_of(folder / "nothing")


def test_patterns_that_cannot_be_read_are_refused(folder):
    """The file with the patterns is named."""
    (folder / ".amlignore").write_bytes(b"\xff\xfe")

    with pytest.raises(InvalidInput, match=r"\.amlignore is not UTF-8"):
        tree_of(folder)


@pytest.mark.usefixtures("unprivileged")
@pytest.mark.parametrize("name", ["secret", "sub"])
def test_what_may_not_be_read_is_named(name):
    """A file, or a folder, without the right to read it."""
    folder = Path("/tmp") / f"uploads-{os.getpid()}-{name}"  # noqa: S108  # pytest's folders are the user's alone
    write(folder, "secret", "sub/a")
    (folder / name).chmod(0)
    try:
        with pytest.raises(PermissionDenied, match=f"{folder}/{name} may not be read"):
            known(tree_of(folder), print)
    finally:
        (folder / name).chmod(0o700)
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        folder.rmdir()


def test_the_digest_is_of_names_and_contents(folder, tmp_path):
    """Place, order, times and rights of files change nothing; a name or a byte does."""
    write(folder, "a", "b/c")
    other = tmp_path / "elsewhere" / "other name"
    write(other, "b/c", "a")
    os.utime(other / "a", (1, 1))
    (other / "a").chmod(0o700)
    first = digest(folder)

    assert digest(other) == first == FIRST
    write(other, "a", content="y")
    assert digest(other) != first
    write(other, "a")
    assert digest(other) == first
    (other / "a").rename(other / "d")
    assert digest(other) != first


def test_no_two_folders_are_written_alike(tmp_path):
    """Where a name ends and content begins matters, and a folder with one file is not that file."""
    write(tmp_path / "one", "ab", content="c")
    write(tmp_path / "two", "a", content="bc")
    write(tmp_path / "three", "a", "b", content="")
    write(tmp_path / "four", "ab", content="")

    places = [*(tmp_path / name for name in ("one", "two", "three", "four")), tmp_path / "one" / "ab"]
    assert len({digest(place) for place in places}) == len(places)


def test_a_file_that_grows_while_it_is_read_is_refused(folder, monkeypatch):
    """Its digest would be of nothing that ever was."""
    write(folder, "a", content="x" * 3_000_000)
    tree = tree_of(folder)

    def grow(_, **counted):
        if counted.get("size"):
            with (folder / "a").open("a") as file:
                file.write("y")

    monkeypatch.setattr(Progress, "count", grow)
    with pytest.raises(Conflict, match="data/a was changed"):
        known(tree, print)
