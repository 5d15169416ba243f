"""Globs, and the two ways of taking steps."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.storage import Step, arun, run
from airflow_batch_provider.storage.files import Glob

PARTS = st.text("ab", min_size=1, max_size=2)
PATTERN_PARTS = st.text("ab*?", min_size=1, max_size=3).filter(lambda part: "**" not in part)
PATTERNS = st.lists(st.one_of(st.just("**"), PATTERN_PARTS), max_size=3)


@pytest.mark.parametrize(
    ("glob", "matched"),
    [
        (None, ["a.csv", "A.CSV", "x/b.csv", "x/y/c.csv", "x/y/d.txt"]),
        ("*.csv", ["a.csv"]),
        ("**/*.csv", ["a.csv", "x/b.csv", "x/y/c.csv"]),
        ("*/*.csv", ["x/b.csv"]),
        ("x/**", ["x/b.csv", "x/y/c.csv", "x/y/d.txt"]),
        ("**/**/d.*", ["x/y/d.txt"]),
        ("x/?/[c-d].*", ["x/y/c.csv", "x/y/d.txt"]),
        ("*.CSV", ["A.CSV"]),
        ("y/*", []),
    ],
)
def test_glob_selects_by_the_relative_path(glob, matched):
    """``*`` stays within a folder, ``**`` crosses any number of them, letter case counts."""
    names = ["a.csv", "A.CSV", "x/b.csv", "x/y/c.csv", "x/y/d.txt"]

    assert [name for name in names if Glob(glob).matches(name)] == matched


@settings(max_examples=60, deadline=None)
@given(
    names=st.sets(st.lists(PARTS, min_size=1, max_size=3).map("/".join), max_size=5),
    parts=PATTERNS,
    last=PATTERN_PARTS,
)
def test_glob_is_that_of_pathlib(names, parts, last):
    """Whatever the pattern, it matches the files that `pathlib.Path.glob` finds."""
    pattern = "/".join([*parts, last])
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in names:
            # The same name cannot be a file and a folder.
            path = root / "/".join(f"{part}-" for part in name.split("/")[:-1]) / name.rpartition("/")[2]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        files = [path for path in root.rglob("*") if path.is_file()]
        expected = {path for path in root.glob(pattern) if path.is_file()}

        assert {
            path for path in files if Glob(pattern).matches(path.relative_to(root).as_posix())
        } == expected


@pytest.mark.parametrize("glob", ["/x/*.csv", "x//*.csv", "../*.csv", "./*.csv", "x/"])
def test_glob_that_can_match_nothing_is_refused(glob):
    """An absolute pattern, or one with '.' or '..' or an empty part, would wait for ever."""
    with pytest.raises(InvalidInput, match="glob is"):
        Glob(glob)


def test_many_stars_cost_no_exponential_time():
    """Neighbouring ``**`` are one."""
    assert not Glob("/".join(["**"] * 40 + ["nowhere"])).matches("/".join("abcdefghij" * 3))


def asked():
    try:
        answer = yield Step(lambda: "a", _slow_a)
        yield Step(_fail, _afail)
    except OSError as error:
        return f"{answer} {error}"
    return "no error"


async def _slow_a():
    await asyncio.sleep(0)
    return "a"


def _fail():
    raise OSError("lost")


async def _afail():
    raise OSError("lost")


@pytest.mark.parametrize("take", [run, lambda steps: asyncio.run(arun(steps))], ids=["run", "arun"])
def test_steps_get_answers_and_errors(take):
    """An answer is sent into the generator, an error is thrown into it, and what it returns is returned."""
    assert take(asked()) == "a lost"


@pytest.mark.parametrize("take", [run, lambda steps: asyncio.run(arun(steps))], ids=["run", "arun"])
def test_an_error_that_the_steps_do_not_handle_is_raised(take):
    """What a generator lets through reaches the caller."""

    def steps():
        yield Step(_fail, _afail)

    with pytest.raises(OSError, match="lost"):
        take(steps())


def test_cancelled_steps_are_closed():
    """A trigger that is cancelled leaves no generator open."""
    closed = []

    def steps():
        try:
            yield Step(lambda: None, lambda: asyncio.sleep(60))
        finally:
            closed.append(True)

    async def cancel():
        task = asyncio.create_task(arun(steps()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert closed
