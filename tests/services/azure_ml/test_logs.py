"""The logs of a job's runs: the end of the most telling one, or of each."""

from __future__ import annotations

import httpx
import pytest

from airflow_batch_provider.services.azure_ml.logs import last_log_lines, tell_logs

from .script import BATCH, play, recorded, refused

BLOB = "https://store.blob.core.windows.net/azureml/ExperimentRun/dcid.x"
SAS = "sv=2021-08-06&sr=b&sp=r&sig=PLANTED%2Bsignature%3D"


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


# --- all of them --------------------------------------------------------------------------------------------


def ends(urls, answers):
    """Return what is told of the logs behind *urls*, by name."""
    told = []
    played = play(tell_logs("run x", urls, told.append), answers)
    assert played.raised is None
    return {log.name.removesuffix(" of run x"): log for log in told}, played


def test_the_end_of_each_log_is_told_and_how_the_mini_batches_went():
    """In the order in which they tell; the service's own are not fetched, and no token is sent."""
    blobs = Blobs(**EVERY, logs__job_progress_overview="5 of 5\n", logs__sys__master_role="-\n")
    told, played = ends(blobs.urls, blobs)

    assert [log.lines for log in told.values()] == [
        *[(said,) for said in ("raised", "driven", "warned", "printed", "entered")],
        ("5 of 5",),
    ]
    assert [audience for audience, *_ in played.asked] == ["none"] * 6


def test_of_a_large_log_two_hundred_lines_are_told_and_what_came_before():
    """The lines that were read and not told, and the bytes that were not read, add up to the whole."""
    text = "".join(f"{number:07} {'x' * 92}\n" for number in range(50_000))
    told, played = ends(Blobs(logs__user__error=text).urls, Blobs(logs__user__error=text))

    log = told["logs/user/error.txt"]
    assert (len(log.lines), log.lines[-1][:7]) == (200, "0049999")
    lines, before = (int(part.split()[0]) for part in log.left_out.split(" and "))
    assert 101 * (200 + lines) + before == len(text) - 1  # but for the end of the line that was cut
    assert len(played.requests) == 2


def test_neither_secrets_nor_endless_lines_are_told():
    """A log may quote a signed address."""
    blobs = Blobs(logs__user__error=f"GET {BLOB}?{SAS}\n\n{'x' * 9_000}\n")
    told, _ = ends(blobs.urls, blobs)

    assert "PLANTED" not in str(told["logs/user/error.txt"])
    assert [len(line) for line in told["logs/user/error.txt"].lines][1:] == [2000]


def test_a_server_without_ranges_sends_no_more_than_is_told():
    """What comes before the end of such an answer is counted, too."""
    everything = httpx.Response(200, content=b"x" * 70_000)
    told, _ = ends({"logs/user/error.txt": f"{BLOB}/a?{SAS}"}, [everything])

    assert told["logs/user/error.txt"].left_out == f"{70_000 - 65_536} bytes"


def test_no_more_than_eight_logs_are_fetched():
    """A job of many processes has many; it is said that there are more."""
    blobs = Blobs(**{f"logs__user__stdout__{number}": "said\n" for number in range(10, 21)})
    told, played = ends(blobs.urls, blobs)

    assert len(played.requests) == 8
    assert str(list(told.values())[-1]) == (
        "Left out of the logs of run x: 3 further files, such as logs/user/stdout/18.txt."
    )


def test_a_log_that_cannot_be_read_keeps_no_other_back():
    """Nor does an empty one."""
    told, _ = ends(Blobs(**EVERY).urls, unreadable(httpx.Response(403)))

    assert [log.lines for log in told.values()] == [("driven",)]


@pytest.mark.parametrize(
    ("children", "runs"),
    [
        ([("s1", "Completed"), ("s2", "Failed"), ("s3", "Failed")], ["s2", "s3"]),
        ([("s1", "Completed"), ("s2", "Completed")], ["s1", "s2"]),
        ([(f"s{number}", "Completed") for number in range(9)], ["s0", "s1", "s2", "s3", "s4"]),
        ([], ["job-1"]),
        (None, ["job-1"]),
    ],
    ids=["of those that failed", "of all", "of five", "of the job", "without history"],
)
def test_whose_logs_are_told(children, runs):
    """Those of the steps that failed, else those of all, else the job's own."""
    rows = [{"runId": run, "status": status} for run, status in children or ()]
    steps = refused(404) if children is None else httpx.Response(200, json={"value": rows})
    details = [httpx.Response(200, json={"logFiles": {"logs/user/error.txt": f"{BLOB}/a?{SAS}"}})] * len(runs)
    text = httpx.Response(200, content=b"said")
    answers = [part for detail in details for part in (detail, text)]
    told = []

    from airflow_batch_provider.jobs import JobRef

    flow = BATCH.logs(JobRef("azure_ml", "job-1"), told.append)
    played = play(flow, [recorded("workspace_get"), recorded("discovery"), steps, *answers])

    assert played.raised is None
    assert [log.name for log in told] == [f"logs/user/error.txt of run {run}" for run in runs]
