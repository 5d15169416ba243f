"""What is waited for."""

from __future__ import annotations

import pytest

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.storage import FileInfo
from airflow_batch_provider.storage.wanted import Wanted

DEFAULTS = {"glob": None, "min_files": 1, "min_bytes": 0, "stable_for": 0}


def files(*sizes):
    return [FileInfo(f"f{at}", size, "e", "2026-01-01T00:00:00Z", 0.0) for at, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("wanted", "sizes", "enough"),
    [
        (Wanted(), (), False),
        (Wanted(), (0,), True),
        (Wanted(min_files=2), (9,), False),
        (Wanted(min_files=2), (0, 0), True),
        (Wanted(min_bytes=10), (4, 5), False),
        (Wanted(min_bytes=10), (4, 6), True),
        (Wanted(min_files=0), (), True),
        (Wanted(min_files=0, min_bytes=1), (), False),
    ],
)
def test_enough(wanted, sizes, enough):
    """Both the number of files and their bytes together must be reached."""
    assert wanted.has_enough(files(*sizes)) is enough


def test_what_there_is_is_told():
    """The log says what there is of what is wanted."""
    assert Wanted(min_files=3).found(files(1, 2)) == "2 of 3 files, 3 bytes"
    assert Wanted(min_bytes=9).found(files(1, 2)) == "2 of 1 files, 3 of 9 bytes"


def test_rendered_text_is_converted():
    """What a template rendered to text counts as the number that it is."""
    wanted = Wanted.read(glob="*.csv", min_files="3", min_bytes=" 1000 ", stable_for="2.5")

    assert wanted == Wanted("*.csv", 3, 1000, 2.5)
    assert isinstance(wanted.min_files, int)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("glob", ""),
        ("glob", " "),
        ("glob", "None"),
        ("glob", 7),
        ("glob", "/abs"),
        *[
            (field, value)
            for field in ("min_files", "min_bytes", "stable_for")
            for value in (-1, "-1", "many", "", "None", None, True, float("nan"), float("inf"), [1])
        ],
        ("min_files", 1.5),
        ("min_bytes", "0.5"),
    ],
)
def test_a_value_that_cannot_be_right_is_named(field, value):
    """The message names the field and shows the value."""
    with pytest.raises(InvalidInput, match=rf"^{field} is ") as told:
        Wanted.read(**{**DEFAULTS, field: value})

    assert repr(value) in str(told.value)
    assert told.value.fix


@pytest.mark.parametrize(
    ("wanted", "relative", "size", "age", "chosen"),
    [
        (Wanted(), "a", 0, 0, True),
        (Wanted("*.csv"), "a.csv", 1, 0, True),
        (Wanted("*.csv"), "b/a.csv", 1, 0, None),
        (Wanted("**/*.csv"), "b/a.csv", 1, 0, True),
        (Wanted("*.csv", min_bytes=2, stable_for=2), "a.txt", 9, 9, None),
        (Wanted(min_bytes=2), "a", 1, 0, False),
        (Wanted(min_bytes=2), "a", 2, 0, True),
        (Wanted(stable_for=2), "a", 2, 1.9, False),
        (Wanted(stable_for=2), "a", 2, 2, True),
    ],
)
def test_one_file_by_itself(wanted, relative, size, age, chosen):
    """It must match, be big enough and unchanged; what does not match never will."""
    file = FileInfo(relative, size, "e", "2026-01-01T00:00:00Z", 100.0)

    assert wanted.chooses(relative, file, 100.0 + age) is chosen
