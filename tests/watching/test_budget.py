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


def spent(bucket, rate, start, seconds):
    """Send at a rate, whatever the bucket says."""
    for number in range(int(rate * seconds)):
        bucket.spend(start + number / rate)


@pytest.mark.parametrize(("asked", "held"), [(None, 1.0), (0.0, 0.0), (7.5, 7.5)])
def test_a_refusal_holds_everything(asked, held):
    """Nothing is sent for as long as the service asks, or for a second if it asks for nothing."""
    bucket = Bucket(10, 0.0)
    bucket.slow(0.0, 2.0, asked)

    assert bucket.delay(2.0) == held


def test_a_shorter_refusal_does_not_end_a_longer_one():
    """Of several refusals, the one that asks for the longest pause counts."""
    bucket = Bucket(10, 0.0)
    bucket.slow(0.0, 0.0, 9.0)
    bucket.slow(0.0, 1.0, 2.0)
    bucket.hold(1.0, 2.0)

    assert bucket.delay(1.0) == 8.0


def test_others_of_the_connection_hold_without_slowing_down():
    """Requests of another kind wait, too, and then go on as fast as before."""
    bucket = Bucket(10, 0.0)
    bucket.hold(0.0, 3.0)

    assert bucket.delay(0.0) == 3.0
    assert bucket.rate == 10


def test_refusals_of_requests_that_were_under_way_together_halve_the_rate_once():
    """Twenty refusals at once are one piece of news; a refusal after the pause is another."""
    bucket = Bucket(80, 0.0)
    spent(bucket, 80, 0.0, 1.0)
    for _ in range(20):
        bucket.slow(0.0, 1.0, 2.0)
    assert bucket.rate == 40

    spent(bucket, 40, 3.0, 0.5)
    bucket.slow(3.4, 3.5, 1.0)
    assert bucket.rate == 10  # of the twenty that were sent in that second


@pytest.mark.parametrize("limit", [0, 1000])
def test_the_rate_comes_back_soon_to_what_is_safe_and_slowly_beyond(limit):
    """Within ten seconds to four fifths of what was refused; after minutes by a tenth in half a minute."""
    bucket = Bucket(limit, 0.0)
    spent(bucket, 50, 0.0, 1.0)
    bucket.slow(0.9, 1.0, 0.0)
    assert bucket.rate == 25

    bucket.delay(11.0)
    assert bucket.rate == pytest.approx(40)
    bucket.delay(300.0)
    assert bucket.rate == pytest.approx(40)
    bucket.delay(302.0)
    assert bucket.rate == pytest.approx(44)
    bucket.delay(332.0)
    assert bucket.rate == pytest.approx(48.4)


def test_a_refusal_while_little_is_sent_is_soon_forgotten():
    """One of a few requests that is refused says nothing of the rate: more is tried within half a minute."""
    bucket = Bucket(0, 0.0)
    spent(bucket, 2, 0.0, 1.0)
    bucket.slow(0.9, 1.0, 0.0)
    assert bucket.rate == 10

    bucket.delay(32.0)
    assert bucket.rate == pytest.approx(11)


def test_the_rate_never_grows_beyond_its_limit():
    """After a quiet while everything is as it was."""
    bucket = Bucket(10, 0.0)
    bucket.slow(0.0, 0.0, 0.0)
    bucket.delay(1e5)

    assert bucket.rate == 10


def test_what_was_sent_long_ago_does_not_count():
    """The rate that was refused is that of the last two seconds."""
    bucket = Bucket(100, 0.0)
    spent(bucket, 100, 0.0, 1.0)
    bucket.spend(50.0)
    bucket.slow(50.0, 50.0, 0.0)

    assert bucket.rate == 10


def test_the_rate_never_falls_to_nothing():
    """However often the service refuses, something is asked every other second."""
    bucket = Bucket(10, 0.0)
    for number in range(50):
        bucket.slow(2.0 * number, 2.0 * number, 1.0)

    assert bucket.rate == 0.5


def served(limit, seconds, refuses):
    """Send as fast as a bucket without a limit allows; return the rate of the last half that was served."""
    bucket, now, times, tokens = Bucket(0, 0.0), 0.0, [], limit
    while now < seconds:
        tokens = min(limit, tokens + limit * 0.01)
        if not bucket.delay(now):
            bucket.spend(now)
            if refuses(tokens, len(times)):
                bucket.slow(now, now, 1.0)
                times.append(0.0)
            else:
                tokens -= 1
                times.append(now)
        now += 0.01
    return sum(at > seconds / 2 for at in times) / (seconds / 2), times.count(0.0)


def test_a_few_refusals_among_many_requests_do_not_slow_everything_down():
    """One in twenty is refused however slowly they come: that is no matter of the rate."""
    rate, _ = served(1e9, 600.0, lambda _, number: number % 20 == 19)

    assert rate > 5


@pytest.mark.parametrize("limit", [1, 4, 25])
def test_a_service_that_takes_less_is_found_out(limit):
    """However few requests it answers, most that are sent are answered."""
    rate, refused = served(limit, 600.0, lambda tokens, _: tokens < 1)

    assert 0.4 * limit <= rate <= limit
    assert refused < 0.1 * 600 * limit
