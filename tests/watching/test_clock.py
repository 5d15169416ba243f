from __future__ import annotations

import pytest

from airflow_batch_provider.watching.clock import Clock, first_wait, next_due, on_beat


@pytest.mark.parametrize(
    ("clock", "due", "near"),
    [
        (Clock(due=10.0, interval=30.0), True, True),
        (Clock(due=9.0, interval=30.0), True, True),
        (Clock(due=10.1, interval=30.0), False, True),
        (Clock(due=13.0, interval=30.0), False, True),
        (Clock(due=13.1, interval=30.0), False, False),
        (Clock(due=10.1, interval=0.5), False, False),
        (Clock(due=12.0), False, True),
        (Clock(due=9.0, interval=30.0, listed=False), True, False),
        (Clock(due=9.0, interval=30.0, asking=True), False, False),
    ],
)
def test_who_is_due_and_who_comes_along(clock, due, near):
    """At its time a job is due; in the tenth of its interval before, or at first, a list helps it."""
    assert clock.is_due(10.0) is due
    assert clock.is_near(10.0) is near


def test_the_next_is_the_first_that_is_not_being_asked_for():
    """Who is being asked for is not waited for."""
    assert next_due([Clock(3.0), Clock(2.0), Clock(1.0, asking=True)]) == 2.0
    assert next_due([Clock(1.0, asking=True)]) is None
    assert next_due([]) is None


@pytest.mark.parametrize(
    ("interval", "listed_at", "seconds"),
    [(30.0, None, 0.0), (30.0, 100.0, 7.5), (30.0, 95.0, 2.5), (30.0, 92.0, 0.0), (3600.0, 100.0, 10.0)],
)
def test_newcomers_wait_for_each_other_while_lists_are_read(interval, listed_at, seconds):
    """Lists for newcomers begin a quarter of an interval apart, or ten seconds if that is less."""
    assert first_wait(100.0, interval, listed_at) == seconds


def test_jobs_of_different_lists_are_asked_for_in_the_same_instants():
    """A poll comes a sixty-fourth part of its interval early at most; slow beats fall on quick ones."""
    slow, quick = ({on_beat(100 + number / 7, seconds) for number in range(200)} for seconds in (20.0, 8.0))

    assert all(due - on_beat(due, 20.0) <= 20 / 64 for due in (100.0, 100.2, 3.7))
    assert {due % 0.25 for due in slow} == {0.0}
    assert {due % 0.125 for due in quick} == {0.0}
    assert slow <= quick
    assert on_beat(3.7, 0.0) == 3.7
