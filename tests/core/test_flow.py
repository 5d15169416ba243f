from __future__ import annotations

import math
import time
from dataclasses import replace
from types import MappingProxyType

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_batch_provider.errors import (
    AnswerLost,
    AuthenticationFailed,
    ConnectionFailed,
    ServiceUnavailable,
    UnexpectedAnswer,
)
from airflow_batch_provider.flow import (
    RETRY,
    Load,
    Pause,
    Retry,
    Save,
    after_pauses,
    load,
    pause,
    retry_after,
    save,
    send,
    send_once,
)

from .script import Clock, Slow, play

URL = "https://service.test/jobs?sig=hidden"
# Jitter at its upper end: every delay is then the bound itself.
TWICE = Retry(attempts=2, chance=lambda: 1.0)
OK = httpx.Response(200)


def ask(method="GET"):
    return httpx.Request(method, URL, content=b"body")


# --- the retry rule ---------------------------------------------------------------------------------------

REPEATABLE = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")
NOT_REPEATABLE = ("POST", "PATCH")

# What came back, and whether it is asked again: where asking twice is asking once, and where it is not.
OUTCOMES = [
    (httpx.Response(200), False, False),
    (httpx.Response(201), False, False),
    (httpx.Response(202), False, False),
    (httpx.Response(302), False, False),
    (httpx.Response(400), False, False),
    (httpx.Response(401), False, False),
    (httpx.Response(403), False, False),
    (httpx.Response(404), False, False),
    (httpx.Response(407), False, False),
    (httpx.Response(408), True, False),
    (httpx.Response(409), False, False),
    (httpx.Response(428), False, False),
    (httpx.Response(429), True, True),
    (httpx.Response(430), False, False),
    (httpx.Response(499), False, False),
    (httpx.Response(500), True, False),
    (httpx.Response(502), True, False),
    (httpx.Response(503), True, False),
    (httpx.Response(504), True, False),
    # Nothing was sent.
    (httpx.ConnectError("refused"), True, True),
    (httpx.ConnectTimeout("slow"), True, True),
    (httpx.PoolTimeout("busy"), True, True),
    (httpx.ProxyError("403 Forbidden"), True, True),
    (httpx.UnsupportedProtocol("ftp"), True, True),
    # It may have been carried out.
    (httpx.ReadTimeout("slow"), True, False),
    (httpx.WriteTimeout("slow"), True, False),
    (httpx.ReadError("reset"), True, False),
    (httpx.WriteError("reset"), True, False),
    (httpx.CloseError("reset"), True, False),
    (httpx.RemoteProtocolError("disconnected"), True, False),
    (httpx.DecodingError("cut"), True, False),
]


def told(outcome):
    return str(getattr(outcome, "status_code", type(outcome).__name__))


@pytest.mark.parametrize("method", REPEATABLE + NOT_REPEATABLE)
@pytest.mark.parametrize(
    ("outcome", "repeatable", "not_repeatable"), OUTCOMES, ids=[told(row[0]) for row in OUTCOMES]
)
def test_it_is_asked_again_only_where_that_is_safe(method, outcome, repeatable, not_repeatable):
    """429 and what was never sent: always; 408, 5xx, lost connections: where asking twice is asking once."""
    played = play(send(ask(method), retry=TWICE), [outcome, OK])

    again = repeatable if method in REPEATABLE else not_repeatable
    assert played.requests == [f"{method} /jobs"] * (2 if again else 1)
    assert played.finished


@pytest.mark.parametrize(
    ("method", "repeatable", "again"), [("POST", True, True), ("GET", False, False), ("POST", None, False)]
)
@pytest.mark.parametrize(
    "outcome", [httpx.Response(408), httpx.Response(503), httpx.ReadTimeout("slow")], ids=told
)
def test_the_caller_knows_better_than_the_method(method, repeatable, again, outcome):
    """`repeatable` overrides what the method would say, in both directions."""
    played = play(send(ask(method), repeatable=repeatable, retry=TWICE), [outcome, OK])

    assert len(played.requests) == (2 if again else 1)


@pytest.mark.parametrize("status", [200, 404, 429, 503])
def test_the_last_response_is_returned_whatever_its_status(status):
    """`send` judges nothing: when the schedule is exhausted, the response itself is the result."""
    first, last = httpx.Response(503), httpx.Response(status)

    assert play(send(ask(), retry=TWICE), [first, last]).returned is last


@pytest.mark.parametrize(
    ("method", "error", "kind", "asked"),
    [
        ("GET", httpx.ConnectError("refused"), ConnectionFailed, 2),
        ("GET", httpx.ReadTimeout("slow"), ConnectionFailed, 2),
        ("POST", httpx.ConnectError("refused"), ConnectionFailed, 2),
        ("POST", httpx.ConnectTimeout("slow"), ConnectionFailed, 2),
        ("POST", httpx.PoolTimeout("busy"), ConnectionFailed, 2),
        ("POST", httpx.ProxyError("403 Forbidden"), ConnectionFailed, 2),
        ("POST", httpx.UnsupportedProtocol("ftp"), ConnectionFailed, 2),
        ("POST", httpx.ReadTimeout("slow"), AnswerLost, 1),
        ("POST", httpx.WriteError("reset"), AnswerLost, 1),
        ("POST", httpx.RemoteProtocolError("disconnected"), AnswerLost, 1),
        ("PATCH", httpx.ReadError("reset"), AnswerLost, 1),
    ],
)
def test_no_answer_tells_whether_something_may_have_happened(method, error, kind, asked):
    """`AnswerLost` is raised exactly where the request was sent and is not safe to send again."""
    played = play(send(ask(method), retry=TWICE), [error] * asked)

    assert len(played.requests) == asked
    assert type(played.raised) is kind
    assert played.raised.__cause__ is error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            httpx.ConnectError("refused"),
            "POST https://service.test/jobs got no answer: ConnectError: refused.",
        ),
        (httpx.ReadTimeout(""), "POST https://service.test/jobs got no answer: ReadTimeout: no details."),
        (
            httpx.ReadError("at https://a/b?sig=hidden"),
            "POST https://service.test/jobs got no answer: ReadError: at https://a/b?sig=***",
        ),
    ],
)
def test_no_answer_is_told_without_the_query(error, text):
    """The message names method, address and problem; the query, where signatures live, is left out."""
    played = play(send(ask("POST"), retry=Retry(attempts=1)), [error])

    assert str(played.raised) == text


def test_other_errors_pass_through_at_once():
    """What is not a transport error, such as a token that cannot be had, is not asked again."""
    refused = AuthenticationFailed("No token.", status=401)
    played = play(send(ask(), retry=TWICE), [refused])

    assert played.raised is refused
    assert played.requests == ["GET /jobs"]


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (ServiceUnavailable("The issuer of tokens.", status=503), ConnectionFailed),
        (UnexpectedAnswer("The issuer of tokens."), ConnectionFailed),
        (AuthenticationFailed("No."), AuthenticationFailed),
        (httpx.ReadTimeout("slow"), AnswerLost),
    ],
)
def test_trouble_with_the_credential_of_a_request_is_not_ambiguous(outcome, kind):
    """What goes wrong before a request is sent says that it was not carried out."""
    played = play(send_once(ask("POST")), [outcome])

    assert type(played.raised) is kind
    assert play(send_once(ask("POST")), [OK]).returned is OK


def test_an_answer_after_trouble_ends_the_asking():
    """Mixed trouble is one schedule, and the first good answer is returned."""
    answers = [httpx.ConnectError(""), httpx.Response(503), httpx.ReadError(""), OK]
    played = play(send(ask(), retry=Retry(chance=lambda: 1.0)), answers)

    assert played.returned is OK
    assert played.steps == ["GET /jobs", Pause(1), "GET /jobs", Pause(2), "GET /jobs", Pause(4), "GET /jobs"]


# --- the schedule -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retry", "pauses"),
    [
        (Retry(attempts=1), []),
        (Retry(attempts=2), [1]),
        (Retry(), [1, 2, 4, 8]),
        (Retry(attempts=8), [1, 2, 4, 8, 16, 30, 30]),
        (Retry(attempts=4, first=0.5, longest=1.5), [0.5, 1, 1.5]),
        (Retry(attempts=3, first=9, longest=3), [3, 3]),
        (Retry(attempts=3, patience=0), [1, 2]),
    ],
    ids=["one", "two", "default", "longest", "first", "first-over-longest", "patience-is-for-retry-after"],
)
def test_delays_double_up_to_the_longest_for_as_many_attempts(retry, pauses):
    """At full jitter the delays are the bounds: first, twice that, … never over the longest."""
    retry = replace(retry, chance=lambda: 1.0)
    played = play(send(ask(), retry=retry), [httpx.Response(503)] * retry.attempts)

    assert played.pauses == pauses
    assert len(played.requests) == retry.attempts
    assert played.finished


@pytest.mark.parametrize(
    ("took", "requests"),
    [(0.0, 4), (2.99, 4), (3.0, 3), (6.99, 3), (7.0, 2), (8.99, 2), (9.0, 1)],
)
def test_nothing_is_asked_after_the_deadline(took, requests):
    """An attempt whose delay would end at the deadline or later is not made (delays 1, 2, 4; deadline 10)."""
    clock = Clock()
    retry = Retry(attempts=4, deadline=10.0, now=clock, chance=lambda: 1.0)
    answers = [Slow(took, httpx.Response(503)), *[httpx.Response(503)] * 3]

    assert len(play(send(ask(), retry=retry), answers, clock).requests) == requests


@pytest.mark.parametrize(
    ("asked", "pauses"),
    [
        ("0", [0.1]),
        ("7", [7.1]),
        ("1.5", [1.6]),
        ("120", [120.1]),
        ("120.5", []),
        ("86400", []),
        ("soon", [1.0]),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_service_says_how_long_to_wait(status, asked, pauses):
    """Retry-After is waited for and never shortened, up to our patience; beyond it the answer is returned."""
    answer = httpx.Response(status, headers={"Retry-After": asked})
    played = play(send(ask(), retry=TWICE), [answer, OK])

    assert played.pauses == pytest.approx(pauses)
    assert played.returned is (OK if pauses else answer)


@pytest.mark.parametrize(("asked", "requests"), [("8", 2), ("9.95", 1), ("10", 1)])
def test_retry_after_counts_against_the_deadline(asked, requests):
    """What the service asks for is not waited for if the deadline would pass meanwhile."""
    clock = Clock()
    retry = Retry(deadline=10.0, now=clock, chance=lambda: 1.0)
    answers = [httpx.Response(429, headers={"Retry-After": asked}), OK]

    assert len(play(send(ask(), retry=retry), answers, clock).requests) == requests


@settings(deadline=None)
@given(
    attempt=st.integers(1, 5000),
    chance=st.floats(0, 1, exclude_max=True),
    first=st.floats(0.001, 60),
    longest=st.floats(0.001, 600),
    asked=st.none() | st.floats(0, 1e6),
)
@example(attempt=5000, chance=0.5, first=60.0, longest=30.0, asked=None)
def test_jitter_stays_between_its_bounds(attempt, chance, first, longest, asked):
    """A delay of ours is 0 to the bound, at any attempt; over a Retry-After it adds at most a tenth of it."""
    retry = Retry(first=first, longest=longest, chance=lambda: chance)
    delay = retry.delay(attempt, asked)

    if asked is None:
        assert 0 <= delay <= min(longest, first * 2 ** min(attempt, 100))
    else:
        assert asked <= delay <= asked + longest / 10


@pytest.mark.parametrize(("chance", "pauses"), [(0.0, [0, 0]), (0.25, [0.25, 0.5]), (0.5, [0.5, 1.0])])
def test_jitter_is_full(chance, pauses):
    """The whole of a delay is random, so that many tasks that failed together do not come back together."""
    played = play(send(ask(), retry=Retry(attempts=3, chance=lambda: chance)), [httpx.Response(503)] * 3)

    assert played.pauses == pauses


def test_without_a_schedule_the_default_one_is_used():
    """A request sent without a schedule is asked five times in all, on the wall clock and real chance."""
    played = play(send(ask()), [httpx.Response(503)] * 5)

    assert len(played.requests) == RETRY.attempts == 5
    assert len(set(played.pauses)) == 4
    assert abs(RETRY.now() - time.time()) < 60


# --- Retry-After ------------------------------------------------------------------------------------------

NOON = "Fri, 20 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": "30"}, 30),
        ({"Retry-After": " 30 "}, 30),
        ({"retry-after": "0.5"}, 0.5),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "1e999"}, None),
        ({"Retry-After": "99999999999"}, 99999999999),
        ({"Retry-After": "5, 10"}, None),
        ({"Retry-After": "soon"}, None),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "100", "x-ms-retry-after-ms": "200", "Retry-After": "3"}, 0.1),
        ({"x-ms-retry-after-ms": "200", "Retry-After": "3"}, 0.2),
        ({"retry-after-ms": "", "Retry-After": "3"}, 3),
        ({"retry-after-ms": "-5", "x-ms-retry-after-ms": "soon", "Retry-After": "3"}, 3),
        # Dates are compared with the answer's own.
        ({"Retry-After": "Fri, 20 Nov 2026 12:00:30 GMT", "Date": NOON}, 30),
        ({"Retry-After": "Fri, 20 Nov 2026 13:00:30 +0100", "Date": NOON}, 30),
        ({"Retry-After": "Friday, 20-Nov-26 12:01:00 GMT", "Date": NOON}, 60),
        ({"Retry-After": "Fri Nov 20 12:00:05 2026", "Date": NOON}, 5),
        ({"Retry-After": "Fri, 20 Nov 2026 12:00:05 -0000", "Date": NOON}, 5),
        ({"Retry-After": NOON, "Date": NOON}, 0),
        ({"Retry-After": "Fri, 20 Nov 2026 11:59:59 GMT", "Date": NOON}, 0),
        ({"Retry-After": "Fri, 99 Nov 2026 12:00:30 GMT", "Date": NOON}, None),
        ({"Retry-After": "Fri, 20 Nov 2026 12:00:30 +9999999999", "Date": NOON}, None),
        ({"Retry-After": "Fri, 20 Nov 2026 12:00:30 +9999999999999999", "Date": NOON}, None),
        # Without a date to compare with, our clock must do.
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT", "Date": "today"}, 0),
    ],
)
def test_every_spelling_of_retry_after_is_read(headers, seconds):
    """Milliseconds before seconds before dates; what is negative, endless or no number asks for nothing."""
    assert retry_after(httpx.Response(429, headers=headers)) == seconds


@pytest.fixture
def far_from_greenwich(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Shanghai")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("until", ["Fri Nov 20 12:00:05 2026", "Fri, 20 Nov 2026 12:00:05 -0000"])
@pytest.mark.usefixtures("far_from_greenwich")
def test_dates_without_a_zone_are_greenwich(until):
    """HTTP dates are in GMT (RFC 9110, 5.6.7), also where the machine's own clock shows another time."""
    assert retry_after(httpx.Response(429, headers={"Retry-After": until, "Date": NOON})) == 5


def test_a_date_without_the_answers_own_is_compared_with_our_clock():
    """If the answer carries no date, the wait is counted from now."""
    until = 4102444800  # 2100-01-01
    seconds = retry_after(httpx.Response(503, headers={"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}))

    assert abs(until - time.time() - seconds) < 60


DATES = st.builds(
    "{}{} {} {}{}{} {}".format,
    st.sampled_from(["", "Fri, ", "Friday, ", "x, "]),
    st.integers(-1, 40),
    st.sampled_from(["Nov", "Foo", "11"]),
    st.integers(-1, 99999),
    st.sampled_from([" ", "T", ""]),
    st.sampled_from(["12:00:30", "25:61:61", "12", "::", "12.00.30"]),
    st.sampled_from(["GMT", "+0100", "-0000", "+999999", "", "EST"]),
)


@settings(deadline=None)
@given(
    values=st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "x-ms-retry-after-ms", "date"]),
        st.text() | DATES | st.floats().map(str) | st.integers().map(str),
    )
)
@example(values={"retry-after": "0001-01-01"})
@example(values={"retry-after": "Mon, 01 Jan 0001 00:00:00 +2359"})
def test_no_header_breaks_the_reader(values):
    """Whatever a proxy writes there, the answer is nothing or a finite number of seconds, never an error."""
    headers = [(name.encode(), text.encode("utf-8", "replace")) for name, text in values.items()]
    seconds = retry_after(httpx.Response(429, headers=headers))

    assert seconds is None or (math.isfinite(seconds) and seconds >= 0)


# --- the other steps --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "passes"), [(2.5, 2.5), (0.0, 0.0), (-3.0, 0.0)])
def test_a_pause_is_never_negative(seconds, passes):
    """Drivers can hand a pause to their clock as it is."""
    assert play(pause(seconds)).steps == [Pause(passes)]


@pytest.mark.parametrize("record", [None, {}, {"number": 1}])
def test_what_is_loaded_is_ours_to_change(record):
    """`load` returns nothing, or a plain mapping that is not the store's own."""
    kept = None if record is None else MappingProxyType(record)
    played = play(load(), [kept])

    assert played.steps == [Load()]
    assert played.returned == record
    assert record is None or type(played.returned) is dict


def test_a_record_is_saved_as_given():
    """`save` is one step that carries the record."""
    played = play(save({"number": 1}), [None])

    assert played.steps == [Save({"number": 1})]
    assert played.finished


# --- another flow after each pause ------------------------------------------------------------------------


def hesitant():
    """Pause, record, be told of an error, pause again."""
    yield from pause(1)
    yield from save({"kept": 1})
    try:
        yield Load()
    except ValueError:
        yield from pause(2)
    return "done"


def test_what_follows_each_pause_comes_before_the_flow_goes_on():
    """Other steps pass as they are, so do answers, errors and what the flow returns."""
    played = play(after_pauses(hesitant(), lambda: save({"after": 1})), [None, None, ValueError("no"), None])

    assert played.returned == "done"
    assert played.steps == [
        Pause(1),
        Save({"after": 1}),
        Save({"kept": 1}),
        Load(),
        Pause(2),
        Save({"after": 1}),
    ]


def test_a_failure_after_a_pause_ends_the_flow():
    """Nothing more is done where what has to precede it could not be done."""
    ended = []

    def flow():
        try:
            yield from pause(1)
            ended.append("went on")
        finally:
            ended.append("closed")

    played = play(after_pauses(flow(), lambda: save({})), [OSError("The store is gone.")])

    assert type(played.raised) is OSError
    assert ended == ["closed"]
