from __future__ import annotations

import copy
import pickle
import re
from string import ascii_letters, digits

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from airflow_batch_provider import errors
from airflow_batch_provider.errors import (
    PASSING,
    AnswerLost,
    AuthenticationFailed,
    BadRequest,
    BatchError,
    Conflict,
    ConnectionFailed,
    InvalidInput,
    JobFailed,
    NotFound,
    PermissionDenied,
    ServiceError,
    ServiceUnavailable,
    SubmissionUnknown,
    Throttled,
    UnexpectedAnswer,
    error_class,
    redact,
)

ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BatchError)]


def example(kind: type[BatchError]) -> BatchError:
    """Build an error of *kind* with every attribute set to something that is not its default."""
    if issubclass(kind, ServiceError):
        return kind("Refused.", status=418, code="Teapot", request_id="r-1", fix="Ask for tea.")
    if kind is SubmissionUnknown:
        return SubmissionUnknown("Died.", marker="airflow-1", fix="Look.")
    return kind("Broke.", fix="Mend it.")


# --- the tree ---------------------------------------------------------------------------------------------


def test_the_tree_in_the_docstring_is_the_tree_of_the_code():
    """The drawing that readers choose an `except` by shows each class under its base, and misses none."""
    drawn, path = {}, {}
    for line in (errors.__doc__ or "").split("::\n")[1].splitlines():
        if found := re.match(r"    ([│ ├└─]*)([A-Z]\w+)", line):
            depth = len(found[1]) // 4
            path[depth] = found[2]
            drawn[found[2]] = path[depth - 1] if depth else "Exception"

    assert drawn == {kind.__name__: kind.__bases__[0].__name__ for kind in ALL}


def test_bad_input_is_a_value_error():
    """Callers that know nothing of this package can catch bad input as a `ValueError`."""
    with pytest.raises(ValueError, match="inputs"):
        raise InvalidInput("inputs: unknown type 'x'.")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest),
        (401, AuthenticationFailed),
        (402, BadRequest),
        (403, PermissionDenied),
        (404, NotFound),
        (405, BadRequest),
        (408, ServiceUnavailable),
        (409, Conflict),
        (410, BadRequest),
        (422, BadRequest),
        (429, Throttled),
        (499, BadRequest),
        (500, ServiceUnavailable),
        (502, ServiceUnavailable),
        (503, ServiceUnavailable),
        (504, ServiceUnavailable),
        (599, ServiceUnavailable),
    ],
)
def test_each_status_has_the_class_of_what_the_reader_can_do(status, kind):
    """A status decides the class alone: change the request, the credential, the role, or come back later."""
    assert error_class(status) is kind


def test_only_what_heals_by_itself_is_passing():
    """While waiting, exactly lost connections, alien answers, throttling and server errors are an outage."""
    passing = {kind for kind in ALL if issubclass(kind, PASSING)}

    assert passing == {ConnectionFailed, AnswerLost, UnexpectedAnswer, Throttled, ServiceUnavailable}


# --- the text ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (BatchError("It broke."), "It broke."),
        (BatchError("It broke.", fix="Mend it."), "It broke. Mend it."),
        (InvalidInput("inputs: 3.", fix="Give a mapping."), "inputs: 3. Give a mapping."),
        (ConnectionFailed("GET https://h got no answer."), "GET https://h got no answer."),
        (ServiceError("Refused."), "Refused."),
        (ServiceError("Refused.", status=400), "Refused. [HTTP 400]"),
        (ServiceError("Refused.", code="Bad"), "Refused. [Bad]"),
        (ServiceError("Refused.", request_id="r"), "Refused. [request id r]"),
        (
            NotFound("No endpoint 'a'.", status=404, code="NotFound", request_id="r", fix="Create it."),
            "No endpoint 'a'. [HTTP 404, NotFound, request id r] Create it.",
        ),
        (SubmissionUnknown("Died."), "Died."),
        (SubmissionUnknown("Died.", marker="m", fix="Look."), "Died. [marker m] Look."),
        (JobFailed("It failed.").about("j"), "It failed. Job: j."),
        (JobFailed("It failed.").about("j", "https://ml/j"), "It failed. Job: j (https://ml/j)."),
        (
            Throttled("Busy.", status=429, fix="Wait.").about("j", "https://ml/j"),
            "Busy. [HTTP 429] Job: j (https://ml/j). Wait.",
        ),
    ],
)
def test_an_error_says_what_failed_what_was_told_which_job_and_what_next(error, text):
    """The text holds, in this order, what is known of: failure, service's facts, job with link, next step."""
    assert str(error) == text


def test_the_summary_leaves_the_job_and_the_next_step_to_the_outer_error():
    """`summary` is what can be quoted inside another error that names the job itself."""
    error = Throttled("Busy.", status=429, fix="Wait.").about("j", "https://ml/j")

    assert error.summary() == "Busy. [HTTP 429]"


def test_the_first_job_named_stays():
    """An error that passes several layers keeps the job, and link, that the innermost one named."""
    error = BatchError("It broke.")

    assert error.about("first") is error
    assert error.about("second", "https://ml/second") is error
    assert (error.job_id, error.job_url) == ("first", "")


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "travel",
    [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))],  # noqa: S301  # ours
)
@pytest.mark.parametrize("job", ["", "j"])
def test_an_error_crosses_processes_unchanged(kind, travel, job):
    """Type, text, arguments and attributes of every class survive copying and pickling."""
    error = example(kind).about(job, job and "https://ml/j")
    arrived = travel(error)

    assert arrived is not error
    assert type(arrived) is kind
    assert str(arrived) == str(error)
    assert arrived.args == error.args
    assert vars(arrived) == vars(error)


# --- secrets ----------------------------------------------------------------------------------------------

JWT = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL21sIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("https://a/b?sv=1&sig=AbC%2Bd%3D&se=2", "https://a/b?sv=1&sig=***&se=2"),
        ("https://a/b?SIG=abc", "https://a/b?SIG=***"),
        ("'https://a/b?sig=abc' failed", "'https://a/b?sig=***' failed"),
        ('{"u":"https://a?sig=abc","n":1}', '{"u":"https://a?sig=***","n":1}'),
        ("https://a?sv=1&amp;sig=abc", "https://a?sv=1&amp;sig=***"),
        (r"https://a?sv=1\u0026sig=abc", r"https://a?sv=1\u0026sig=***"),
        ("u=https%3A%2F%2Fa%3Fsig%3Dabc", "u=https%3A%2F%2Fa%3Fsig%3D***"),
        ("u=https%3A%2F%2Fa%3Fsv%3D1%26sig%3Dabc", "u=https%3A%2F%2Fa%3Fsv%3D1%26sig%3D***"),
        ("sig=abc", "sig=***"),
        ("https://a?code=abc&x=1", "https://a?code=***&x=1"),
        ("https://a?X-Amz-Signature=abc", "https://a?X-Amz-Signature=***"),
        ("https://a?x-obs-security-token=abc", "https://a?x-obs-security-token=***"),
        ("Access=AK, Signature=abc", "Access=AK, Signature=***"),
        ("grant=x&client_secret=a.b~c&scope=y", "grant=x&client_secret=***&scope=y"),
        ("client_assertion=abc", "client_assertion=***"),
        ("AccountName=a;AccountKey=abc==", "AccountName=a;AccountKey=***"),
        ('{"access_token":"abc def","n":1}', '{"access_token":"***","n":1}'),
        ('{"access_token" : "abc"}', '{"access_token" : "***"}'),
        (r'"{\"refreshToken\":\"abc\"}"', r'"{\"refreshToken\":\"***"}"'),
        ("{'password': 'a&b c'}", "{'password': '***'}"),
        ("{'X-Auth-Token': 'abc'}", "{'X-Auth-Token': '***'}"),
        ("Authorization: Bearer abcdefgh.ijk", "Authorization: Bearer ***"),
        ("authorization: bearer  abcdefgh", "authorization: bearer ***"),
        ("SharedKey acct:abcdefgh1234=", "SharedKey acct: ***"),
        (f"token {JWT} expired", "token *** expired"),
        ("proxy http://user:pw@proxy:3128", "proxy http://user:***@proxy:3128"),
    ],
)
def test_secrets_are_shown_as_stars(text, shown):
    """Each spelling of a signature, key, token or password loses its value, and nothing else does."""
    assert redact(text) == shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "The endpoint 'digits' was not found.",
        "exit code=1",
        "https://a/b?design=1&config=2&assign=3",
        "origsig=1",
        "http://127.0.0.1:8787/subscriptions/s/resourceGroups/g?api-version=2024-04-01",
        "azureml://datastores/workspaceblobstore/paths/in/",
        "wasbs://container@account.blob.core.windows.net/in",
        "http://host:80/a@b",
        "http://host:80?to=a@b",
        "bearer of bad news",
        "eyJust a word",
    ],
)
def test_what_is_no_secret_is_left_alone(text):
    """Text that only looks a little like a secret stays readable."""
    assert redact(text) == text


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Broke.", "Broke. Job: j. Mend it."),
        ("Broke", "Broke. Job: j. Mend it."),
        ("Broke!", "Broke! Job: j. Mend it."),
        ("Broke:\n  | log", "Broke:\n  | log\nJob: j. Mend it."),
    ],
)
def test_the_next_step_is_not_lost_in_what_was_said(message, shown):
    """The job and the fix follow as sentences, below a log on a line of their own."""
    assert str(BatchError(message, fix="Mend it.").about("j")) == shown
    assert str(BatchError(message)) == message


PLACES = (
    "https://a.blob.core.windows.net/c/b?sv=2024&sig={}",
    "https://a.blob.core.windows.net/c/b?sig={}&se=1",
    '{{"uri":"https://a/c?sv=1\\u0026sig={}"}}',
    "redirect=https%3A%2F%2Fa%3Fsv%3D1%26sig%3D{}",
    "sig={}",
    "client_secret={}&grant_type=client_credentials",
    '{{"access_token": "{}"}}',
    "DefaultEndpointsProtocol=https;AccountName=a;AccountKey={};EndpointSuffix=x",
    "Authorization: Bearer {}",
)


@settings(deadline=None, max_examples=300)
@given(
    place=st.sampled_from(PLACES),
    before=st.text(),
    secret=st.text(ascii_letters + digits + "%+/=-_.~", min_size=12),
    after=st.text(),
    kind=st.sampled_from(ALL),
)
def test_a_planted_secret_never_survives(place, before, secret, after, kind):
    """Whatever stands around it, a secret in a known place is in no text, representation or pickle."""
    assume(secret not in before + after + place)
    text = f"{before} {place.format(secret)} {after}"
    error = kind(text, fix=text).about("j", text)

    assert secret not in redact(text)
    assert secret not in str(error)
    assert secret not in repr(error)
    assert secret not in error.summary()


def test_a_service_cannot_put_a_secret_into_the_facts():
    """What the service calls its code or request id is redacted like its message."""
    error = ServiceError("Refused.", status=400, code="https://a?sig=abc", request_id="sig=abc")

    assert "abc" not in str(error)
    assert "abc" not in error.summary()
