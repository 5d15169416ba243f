"""What was told, and what is still to be told."""

from __future__ import annotations

import json
import math

import pytest

from airflow_batch_provider.triggers.watermark import Arrival, Watermark, common

OLD, LATE = 100.0, 900.0


def arrival(key, at=OLD, *, ready=True):
    return Arrival(key, at, ready, payload=None)


def keys(arrivals):
    return [one.key for one in arrivals]


NOTHING = Watermark()
TOLD_A = NOTHING.after([arrival("a")])


@pytest.mark.parametrize(
    ("mark", "there", "fresh"),
    [
        (NOTHING, [], []),
        (NOTHING, [arrival("b", 2), arrival("c", 1), arrival("a", 2)], ["c", "a", "b"]),
        (NOTHING, [arrival("a", ready=False), arrival("b")], ["b"]),
        (TOLD_A, [arrival("a"), arrival("b")], ["b"]),
        # It came to its place late, with an old time.
        (TOLD_A.after([arrival("z", LATE)]), [arrival("a"), arrival("b", 1), arrival("z", LATE)], ["b"]),
        (NOTHING.since(OLD), [arrival("a", OLD - 1), arrival("b", OLD)], ["b"]),
        (NOTHING.since(OLD).since(1), [arrival("a", OLD - 1)], []),
    ],
)
def test_fresh(mark, there, fresh):
    """What is ready and was not told is told, the oldest first, whatever its time; none before the floor."""
    assert keys(mark.fresh(there)) == fresh


@pytest.mark.parametrize("mark", [NOTHING, TOLD_A, TOLD_A.since(3.5).after([arrival("é\ud800")])])
def test_a_stored_watermark_is_the_same(mark):
    """It survives JSON."""
    assert Watermark.read(json.loads(json.dumps(mark.to_dict()))) == mark


@pytest.mark.parametrize(
    "stored", [None, "x", [], {}, {"floor": 1}, {"floor": "1", "seen": ""}, {"floor": 1, "seen": "1234567"}]
)
def test_what_is_no_watermark_is_none(stored):
    """Another value under the key counts as none, which tells again rather than misses."""
    assert Watermark.read(stored) is None


@pytest.mark.parametrize(
    ("marks", "known"),
    [
        ([], set()),
        ([TOLD_A], {"a"}),
        ([TOLD_A, NOTHING.after([arrival("a"), arrival("b")])], {"a"}),
        ([TOLD_A, NOTHING], set()),
        ([NOTHING.since(LATE), NOTHING], set()),
        ([NOTHING.since(LATE), NOTHING.since(LATE + 1)], {"a", "b"}),
    ],
)
def test_common(marks, known):
    """What one of several assets does not know is told again to all."""
    mark = common(marks)

    assert {key for key in "ab" if mark.knows(arrival(key))} == known


FOUR = [arrival(key, at) for at, key in enumerate("abcd", 1)]


@pytest.mark.parametrize(
    ("told", "there", "options", "floor", "remembered"),
    [
        ("abcd", "abcd", (9, 4, math.inf), 0, 4),  # few enough
        ("abcd", "abcd", (9, 3, math.inf), 9, 0),  # too many: remembered by their time
        ("abcd", "abcd", (3, 3, math.inf), 3, 2),  # but only where it is certain that nothing comes any more
        ("abc", "abcd", (9, 2, math.inf), 4, 0),  # what was not told stays above the floor
        ("acd", "abcd", (9, 2, math.inf), 2, 2),
        ("abcd", "cd", (9, 3, math.inf), 0, 2),  # what is gone is forgotten first
        ("abcd", "abcd", (9, 9, 20), 0, 4),
        ("abcd", "abcd", (9, 9, 8), 9, 0),  # the floor is too far behind
        ("", "", (9, 9, 8), 9, 0),
    ],
)
def test_tidied(told, there, options, floor, remembered):
    """Less is remembered one by one, and what is there is told or not exactly as before."""
    found = [one for one in FOUR if one.key in there]
    before = NOTHING.after(one for one in FOUR if one.key in told)

    settled, limit, slack = options
    after = before.tidied(found, settled, limit=limit, slack=slack)

    assert (after.floor, len(after.seen)) == (floor, remembered)
    assert keys(after.fresh(found)) == keys(before.fresh(found))


def test_a_floor_never_falls():
    """Not even where something older was not told."""
    mark = NOTHING.since(5).after(FOUR)

    assert mark.tidied([arrival("x", 1)], 9, limit=0).floor >= 5
