from __future__ import annotations

import pytest

from airflow_batch_provider.watching.listing import Listing, reads_on


@pytest.mark.parametrize(
    ("wanted", "worth"), [(0, False), (1, False), (2, True), (3, True), (100, True), (5000, True)]
)
def test_at_first_a_list_is_worth_it_for_two(wanted, worth):
    """Nothing being known, a page is taken to show a hundred jobs."""
    assert Listing(0.0).is_worth(wanted, 0.0) is worth


@pytest.mark.parametrize(
    ("pages", "page_size", "complete", "wanted", "expected"),
    [
        (10, 100, True, 1000, 10),  # nothing but what was looked for
        (2, 20, True, 1000, 50),  # small pages
        (1, 20, True, 100, 5),  # one small page held all: more jobs are on more pages
        (1, 0, True, 1000, 10),  # a list of one page, which may be as long as ever
        (40, 100, True, 50, 40),  # a long history
        (1, 100, False, 2, 2),  # not on the first page: deeper
        (1, 100, False, 1000, 10),  # which says little of many
        (30, 100, False, 40, 60),
    ],
)
def test_what_a_list_costs_is_learnt(pages, page_size, *, complete, wanted, expected):
    """The number of pages follows from how deep one had to read, and from the size of a page."""
    listing = Listing(0.0)
    listing.learn(pages, page_size, complete=complete)

    assert listing.pages(wanted) == expected
    assert listing.is_worth(wanted, 0.0) is (expected < wanted)


def test_what_was_learnt_gets_old():
    """After many rounds of single requests the list gets another chance."""
    listing = Listing(0.0)
    listing.learn(50, 100, complete=True)
    assert not listing.is_worth(5, 0.0)

    rounds = 0
    while not listing.is_worth(5, 0.0):
        listing.forget()
        rounds += 1
    assert 20 < rounds < 100


@pytest.mark.parametrize(
    ("failures", "blocked"), [([False], True), ([True], False), ([True, True], True), ([False, False], True)]
)
def test_a_list_that_fails_is_left_alone(failures, blocked):
    """At once if the failure does not pass by itself, else at the second in a row; for five minutes."""
    listing = Listing(0.0)
    told = [listing.failed(10.0, passes=passes) for passes in failures]

    assert told[-1] is blocked
    assert listing.is_worth(100, 10.0) is not blocked
    assert listing.is_worth(100, 310.0)


def test_a_list_that_was_read_has_not_failed_in_a_row():
    """A good answer between two failures forgives the first."""
    listing = Listing(0.0)
    listing.failed(10.0, passes=True)
    listing.learn(1, 100, complete=True)

    assert not listing.failed(20.0, passes=True)


@pytest.mark.parametrize(
    ("missing", "fruitless", "more"),
    [(0, 0, False), (1, 0, False), (2, 0, True), (2, 1, False), (50, 48, True), (50, 49, False)],
)
def test_a_list_is_read_no_further_than_it_is_worth(missing, fruitless, more):
    """Pages in vain may cost what asking one by one would, and no more."""
    assert reads_on(missing, fruitless) is more
