from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_provider.watching.budget import Bucket


def sent(bucket, seconds, step=0.01):
    """Send whenever the bucket lets one; return when that was."""
    times, now = [], 0.0
    while now < seconds:
        while not bucket.delay(now):
            bucket.spend(now)
            times.append(now)
        now += step
    return times


@pytest.mark.parametrize(("rate", "number"), [(10, 20), (1, 2), (0.5, 1), (25, 50)])
def test_a_burst_of_one_second_then_the_rate(rate, number):
    """Whoever was quiet may send a second's worth at once; what follows keeps to the rate."""
    times = sent(Bucket(rate, 0.0), 1.0)

    assert len(times) == pytest.approx(number, abs=1)
    assert times.count(0.0) == max(1, rate)


def test_no_rate_is_no_limit():
    """A rate of 0 lets everything through."""
    bucket = Bucket(0, 0.0)
    for _ in range(10_000):
        assert not bucket.delay(0.0)
        bucket.spend(0.0)


@given(
    rate=st.floats(0.5, 100),
    steps=st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=60),
)
def test_no_second_sees_more_than_two_seconds_worth(rate, steps):
    """However requests come, the burst and the rate bound them."""
    bucket, now, times = Bucket(rate, 0.0), 0.0, []
    for pause, waits in steps:
        now += max(pause, bucket.delay(now) + 1e-9 if waits else pause)
        if not bucket.delay(now):
            bucket.spend(now)
            times.append(now)

    for start in times:
        assert sum(start <= at < start + 1 for at in times) <= 2 * max(1, rate) + 1


@pytest.mark.parametrize(("asked", "held"), [(None, 1.0), (0.0, 0.0), (7.5, 7.5)])
def test_a_refusal_holds_everything(asked, held):
    """Nothing is sent for as long as the service asks, or for a second if it asks for nothing."""
    bucket = Bucket(10, 0.0)
    bucket.slow(0.0, 2.0, asked)

    assert bucket.held(2.0) == held
    assert bucket.delay(2.0) == pytest.approx(held, abs=0.2)


def test_a_shorter_refusal_does_not_end_a_longer_one():
    """Of several refusals, the one that asks for the longest pause counts."""
    bucket = Bucket(10, 0.0)
    bucket.slow(0.0, 0.0, 9.0)
    bucket.slow(0.0, 1.0, 2.0)

    assert bucket.held(1.0) == 8.0


def test_refusals_of_requests_that_were_under_way_together_halve_the_rate_once():
    """Twenty refusals at once are one piece of news; a refusal after the pause is another."""
    bucket = Bucket(80, 0.0)
    for _ in range(20):
        bucket.slow(0.0, 1.0, 2.0)
    assert bucket.rate == 40

    bucket.slow(3.5, 3.6, 1.0)
    assert bucket.rate == 20


def test_the_rate_comes_back_slowly():
    """A minute without a refusal raises the rate by a tenth, never above what it was."""
    bucket = Bucket(10, 0.0)
    bucket.slow(0.0, 0.0, 0.0)
    bucket.delay(59.0)
    assert bucket.rate == 5

    bucket.delay(60.0)
    assert bucket.rate == 5.5
    for minute in range(2, 60):
        bucket.delay(60.0 * minute)
    assert bucket.rate == 10


def test_without_a_limit_the_refused_rate_is_halved():
    """Who had no limit gets one when the service refuses: half of what was sent; it is lifted slowly, too."""
    bucket = Bucket(0, 0.0)
    for number in range(100):
        bucket.spend(number / 50)
    bucket.slow(1.9, 2.0, 1.0)

    assert bucket.rate == 25
    bucket.delay(63.0)
    assert bucket.rate == pytest.approx(27.5)


def test_the_rate_never_falls_to_nothing():
    """However often the service refuses, something is asked every other second."""
    bucket = Bucket(10, 0.0)
    for number in range(50):
        bucket.slow(2.0 * number, 2.0 * number, 1.0)

    assert bucket.rate == 0.5
