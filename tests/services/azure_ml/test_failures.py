"""Why a run failed, told from spoilt and recorded answers."""

from __future__ import annotations

import httpx
import pytest

from airflow_batch_provider.services.azure_ml.failures import error_lines, last_log_lines

from .script import play

BLOB = "https://store.blob.core.windows.net/azureml/ExperimentRun/dcid.x"
SAS = "sv=2021-08-06&sr=b&sp=r&sig=PLANTED%2Bsignature%3D"


def tree(code="UserError", message="Outer.", **more):
    return {"error": {"code": code, "message": message, **more}}


TREES = {
    "one level": (tree(), "UserError: Outer."),
    "no code": (tree(code=None), "Outer."),
    "no message": (tree(message=None, innerError={"code": "NotFoundError"}), "UserError\nNotFoundError"),
    "inner codes": (
        tree(innerError={"code": "BadArgument", "innerError": {"code": "Deepest", "innerError": None}}),
        "UserError: Outer.\nBadArgument\nDeepest",
    ),
    "a detail that only repeats": (
        tree(details=[{"code": "UserError", "message": "Outer.", "details": []}]),
        "UserError: Outer.",
    ),
    "a detail that says more": (
        tree(details=[{"code": "ScriptExecution", "message": "Outer."}, {"message": "Disk full."}]),
        "UserError: Outer.\nScriptExecution\nDisk full.",
    ),
    "a deep tree": (
        tree(details=[{"code": f"C{level}", "message": f"M{level}."} for level in range(9)]),
        "UserError: Outer.\nC6: M6.\nC7: M7.\nC8: M8.",
    ),
    "lines": (tree(message="First\n  second."), "UserError: First second."),
    "long": (tree(message="x" * 5000), f"UserError: {'x' * 600}…"),
    "a signature": (
        tree(message=f"Not found: {BLOB}?{SAS}"),
        f"UserError: Not found: {BLOB}?sv=2021-08-06&sr=b&sp=r&sig=***",
    ),
    "the service's own error": (
        {**tree(code="ServiceError"), "correlation": {"operation": "o-1", "request": "r-1"}},
        "ServiceError: Outer.\n[request id r-1]",
    ),
    "the user's own error": ({**tree(), "correlation": {"request": "r-1"}}, "UserError: Outer."),
    "nothing": ({}, ""),
    "no tree": ({"error": ["Outer."]}, ""),
    "odd": (tree(message={"a": 1}, details={"b": 2}, innerError="c"), "UserError: {'a': 1}"),
}


@pytest.mark.parametrize(("root", "text"), TREES.values(), ids=TREES.keys())
def test_the_tree_is_told_from_the_outside_in(root, text):
    """Each level is told once, in few lines, without a secret."""
    assert error_lines(root) == text


class Blobs:
    """Answers requests for blobs as blob storage does."""

    def __init__(self, **texts):
        self.contents = {name.replace("__", "/"): text.encode() for name, text in texts.items()}

    @property
    def urls(self):
        return {f"{name}.txt": f"{BLOB}/{name}.txt?{SAS}" for name in self.contents}

    def __call__(self, request):
        content = self.contents[request.url.path.partition("dcid.x/")[2].removesuffix(".txt")]
        first, last = map(int, request.headers["range"].removeprefix("bytes=").split("-"))
        if first >= len(content):
            return httpx.Response(416, headers={"content-range": f"bytes */{len(content)}"})
        last = min(last, len(content) - 1)
        told = f"bytes {first}-{last}/{len(content)}"
        return httpx.Response(206, content=content[first : last + 1], headers={"content-range": told})


EVERY = {
    "logs__user__error": "raised\n",
    "user_logs__std_log_0": "driven\n",
    "logs__user__stderr__10.0.0.1__process000.stderr": "warned\n",
    "logs__user__stdout__10.0.0.1__process000.stdout": "printed\n",
    "logs__azureml__executionlogs": "entered\n",
}


def test_the_most_telling_log_is_shown():
    """What the script raised comes before the driver's output, before the script's, before the states."""
    left = dict(EVERY)
    for said in ("raised", "driven", "warned", "printed", "entered"):
        played = play(last_log_lines(Blobs(**left).urls), Blobs(**left))
        assert played.returned.splitlines()[1:] == [f"  | {said}"]
        left.pop(next(iter(left)))
    assert play(last_log_lines(Blobs().urls)).returned == ""


def test_an_empty_log_is_passed_over():
    """A log without a word in it gives way to the next."""
    blobs = Blobs(**{**EVERY, "logs__user__error": "", "user_logs__std_log_0": " \n\n"})

    shown = play(last_log_lines(blobs.urls), blobs).returned

    assert shown == "The last lines of logs/user/stderr/10.0.0.1/process000.stderr.txt:\n  | warned"


def test_only_the_end_of_a_large_log_is_read():
    """A log of any size costs two small requests, and twenty whole lines of it are shown."""
    text = "".join(f"{number} {'é' * 90}\n" for number in range(50_000))
    blobs = Blobs(logs__user__error=text)

    played = play(last_log_lines(blobs.urls), blobs)

    lines = played.returned.splitlines()
    assert [line.split()[1] for line in lines[1:]] == [str(number) for number in range(49_980, 50_000)]
    assert sum(len(blobs(request).content) for request in played.requests) <= 2 * 16384


def test_a_line_that_was_cut_is_not_shown():
    """The end of a log begins in the middle of a line, which would mislead."""
    blobs = Blobs(logs__user__error="".join(f"{number}{'x' * 2_000}\n" for number in range(100, 120)))

    lines = play(last_log_lines(blobs.urls), blobs).returned.splitlines()[1:]

    assert [line[4:7] for line in lines] == [str(number) for number in range(112, 120)]


def test_long_lines_are_cut():
    """A line without end does not flood the message."""
    blobs = Blobs(logs__user__error="x" * 9_000)

    assert play(last_log_lines(blobs.urls), blobs).returned.splitlines()[1] == f"  | {'x' * 300}"


def test_a_log_is_read_by_its_url_alone():
    """No token goes along, and the signature is not shown, not even where the log itself quotes it."""
    blobs = Blobs(logs__user__error=f"GET {BLOB}?{SAS}")

    played = play(last_log_lines(blobs.urls), blobs)

    assert [audience for audience, *_ in played.asked] == ["none"]
    assert "sig=***" in played.returned
    assert "PLANTED" not in played.returned


def unreadable(answer):
    def answers(request):
        return Blobs(**EVERY)(request) if "std_log" in request.url.path else answer

    return answers


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(403),
        httpx.Response(404, content=b"<Error/>"),
        httpx.Response(302, headers={"location": "https://login.example"}),
        httpx.Response(503),
        httpx.ConnectError("refused"),
    ],
    ids=["forbidden", "gone", "elsewhere", "unavailable", "unreachable"],
)
def test_a_log_that_cannot_be_read_is_passed_over(answer):
    """The next log is shown; nothing is raised."""
    played = play(last_log_lines(Blobs(**EVERY).urls), unreadable(answer))

    assert played.raised is None
    assert played.returned == "The last lines of user_logs/std_log_0.txt:\n  | driven"


@pytest.mark.parametrize(
    "url", ["http://store.example/a?sig=x", "file:///etc/passwd", "", "https://a:b/", None]
)
def test_a_place_that_is_none_is_not_asked(url):
    """A signature travels encrypted or not at all."""
    played = play(last_log_lines({"logs/user/error.txt": url}))

    assert (played.returned, played.raised, played.requests) == ("", None, [])


def test_a_server_that_knows_no_ranges_is_bounded_too():
    """Of an answer that holds everything, the end is shown."""
    everything = httpx.Response(200, content=b"".join(b"%d\n" % number for number in range(9_000)))

    played = play(last_log_lines({"logs/user/error.txt": f"{BLOB}/a?{SAS}"}), [everything])

    assert played.returned.splitlines()[-1] == "  | 8999"
